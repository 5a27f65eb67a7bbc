"""Retrieval: every image, or every window of a given stride, ranked for every patch."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.evidence import Channel, channels, templates
from matcher.matching.job import Job, prepare
from matcher.ranking.rankings import Ranking, WindowGrid
from matcher.search.correlation import score_maps, target_bytes, target_spectra
from matcher.search.exhaustive import fitting, search_everywhere
from matcher.search.peaks import combined
from matcher.settings import MatchOptions, Settings, with_options
from matcher.threads import limited, spread

if TYPE_CHECKING:
    from typing_extensions import Unpack

KEEP = 100  # windows kept a patch, at least
Tell = Callable[[int], None]
Cells = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def retrieve(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    *,
    stride: int | None = None,
    keep: int = KEEP,
    progress: Progress | None = None,
    **options: "Unpack[MatchOptions]",
) -> Ranking:
    """Rank all images for every patch, by the best place of each at every pixel; or windows of them.

    Parameters
    ----------
    images, patches, settings, options
        As of `matcher.match`; the search is always exhaustive, and of confidence and effort nothing is asked.
    stride : int, optional
        Rank windows of the patch's size at every so many pixels and not whole images: each by its best place among
        those that are nearer to it than to other windows.
    keep : int
        How many windows are kept a patch, at least 100. Images are all kept.
    progress : callable, optional
        Called with (pairs done, pairs in all).

    Raises
    ------
    MatcherError
        As `matcher.match`; also if `stride` or `keep` is no whole number of 1 or more.
    """
    checks.function("progress", progress)
    if stride is not None:
        stride = checks.whole("stride", stride, 1, 1 << 30)
    keep = checks.whole("keep", keep, 1)
    settings = replace(with_options(settings, {**options}), search="exhaustive")
    job = prepare(images, patches, settings)
    count, total = len(job.patches), len(job.targets)
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, count * total)

    by_side: dict[tuple[int, int], list[int]] = {}
    for k in range(count):
        by_side.setdefault(job.patches.shape(k)[:2], []).append(k)
    with limited(job.settings.threads):
        if stride is not None:
            return _windows(job, by_side, stride, max(keep, KEEP), tell)
        return _images(job, by_side, tell)


def _images(job: Job, by_side: dict[tuple[int, int], list[int]], tell: Tell) -> Ranking:
    count, keep = len(job.patches), len(job.targets)
    target = np.full((count, keep), -1, np.int64)
    place = np.zeros((count, keep, 2), np.int64)
    score = np.full((count, keep), -np.inf, np.float32)
    for which in by_side.values():
        found = search_everywhere(job.task(keep), which, tell)
        target[which], place[which] = found.target, found.place
        score[which] = np.where(found.target >= 0, found.score / 2, -np.inf)
    image = np.where(target >= 0, job.targets.ids[target], -1)
    return Ranking(job.patches.ids, image, place[..., 1], place[..., 0], score)


def _windows(
    job: Job, by_side: dict[tuple[int, int], list[int]], stride: int, keep: int, tell: Tell
) -> Ranking:
    best = _Best(len(job.patches), keep)
    for side, which in by_side.items():
        for number, found in _cells(job, side, which, stride, tell):
            best.add(number, found)
    shapes = {int(k): job.targets.shape(n)[:2] for n, k in enumerate(job.targets.ids)}
    sides = np.array([job.patches.shape(k)[:2] for k in range(len(job.patches))], np.int64)
    x, y = best.place[..., 1], best.place[..., 0]
    return Ranking(
        job.patches.ids, best.image, x, y, best.score, best.corner, WindowGrid(stride, shapes, sides)
    )


class _Best:
    """The best windows of every patch so far: image, place, corner (count, keep, ...) and score, best first."""

    def __init__(self, count: int, keep: int) -> None:
        self.image = np.full((count, keep), -1, np.int64)
        self.place, self.corner = (np.zeros((count, keep, 2), np.int64) for _ in range(2))
        self.score = np.full((count, keep), -np.inf, np.float32)

    def add(self, number: int, found: Cells) -> None:
        """Merge windows into those of a patch; ties go to the lower image, then row, then column."""
        score, place, corner = found
        new = (place[:, 2], place[:, :2], corner, score)
        merged = [
            np.concatenate([kept[number], more]) for kept, more in zip(self._columns(), new, strict=True)
        ]
        keys = (merged[2][:, 1], merged[2][:, 0], merged[0], -merged[3])
        order = np.lexsort(keys)[: self.score.shape[1]]
        for kept, values in zip(self._columns(), merged, strict=True):
            kept[number] = values[order]

    def _columns(self) -> tuple[NDArray, ...]:
        return self.image, self.place, self.corner, self.score


def _cells(
    job: Job, side: tuple[int, int], which: list[int], stride: int, tell: Tell
) -> Iterator[tuple[int, Cells]]:
    """For each patch of a size, and each block of images of a shape, all windows' scores, places and corners."""
    evidence, roles, targets = job.settings.evidence, job.roles, job.targets
    for _, group in groupby(
        sorted(fitting(targets, side), key=lambda k: (targets.shape(k)[:2], k)),
        key=lambda k: targets.shape(k)[:2],
    ):
        numbers = list(group)
        first = channels(targets[numbers[0]], roles, evidence)
        size = max(1, job.settings.memory // 2 // target_bytes(first, *first[0].shape))
        for start in range(0, len(numbers), size):
            block = numbers[start : start + size]
            spectra = target_spectra(
                spread(lambda dn: channels(dn, roles, evidence), (targets[k] for k in block)), side, spread
            )
            ids = targets.ids[block]

            def read(patch: list[Channel], spectra: Any = spectra, ids: NDArray[np.int64] = ids) -> Cells:
                pairs = (pair for some in score_maps(patch, spectra) for pair in zip(*some, strict=True))
                return _joined(
                    [
                        cells(combined(maps, live, patch), stride, int(k))
                        for (maps, live), k in zip(pairs, ids, strict=True)
                    ]
                )

            for part in range(0, len(which), 32):
                some = which[part : part + 32]
                fields = [templates(job.patches[k], roles, evidence, job.model.responses) for k in some]
                for k, found in zip(some, spread(read, fields), strict=True):
                    yield k, found
                    tell(len(block))


def _joined(parts: list[Cells]) -> Cells:
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))  # type: ignore[return-value]


def cells(total: NDArray[np.float64], stride: int, image: int) -> Cells:
    """The best place of every window of a stride.

    Parameters
    ----------
    total : ndarray (places y, places x)
        Combined score of one image, twice a log-likelihood ratio.
    stride, image : int

    Returns
    -------
    score : ndarray (windows,), float32
        Log-likelihood ratio, nats.
    place : ndarray (windows, 3), int64
        Row, column, and the image.
    corner : ndarray (windows, 2), int64
        Row and column of the window.
    """
    edges = []
    for length in total.shape:
        corners = np.arange((length - 1) // stride + 1) * stride
        edges.append(np.append(np.maximum(corners - stride // 2, 0), length))
    score, place, corner = [], [], []
    for r in range(len(edges[0]) - 1):
        rows = total[edges[0][r] : edges[0][r + 1]]
        highest = rows.argmax(0)  # of every column
        values = rows[highest, np.arange(rows.shape[1])]
        for c in range(len(edges[1]) - 1):
            at = int(edges[1][c] + values[edges[1][c] : edges[1][c + 1]].argmax())
            score.append(values[at] / 2)
            place.append((edges[0][r] + highest[at], at, image))
            corner.append((r * stride, c * stride))
    return np.array(score, np.float32), np.array(place, np.int64), np.array(corner, np.int64)
