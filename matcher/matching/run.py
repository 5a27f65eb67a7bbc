"""The match itself: from a job to a `Result`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.decision.confidence import confidence, log_likelihood
from matcher.decision.content import Content, content
from matcher.decision.reasons import IN_DOUBT, fault_of_little, has_little, reason
from matcher.decision.settle import UNSETTLED, settle_doubtful
from matcher.formats.catalog import Kept
from matcher.imagery import Pictures
from matcher.indexing.codefiles import write_codes
from matcher.indexing.mapped import map_codes
from matcher.matching.job import Job, prepare, tell_search
from matcher.result import Result
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fits
from matcher.search.pyramid.index import Index, Layout
from matcher.settings import MatchOptions, Settings
from matcher.threads import limited

if TYPE_CHECKING:
    from typing_extensions import Unpack

Indexes = Mapping[tuple[int, int], Index]
_KEEP = 2  # the answer and the runner-up
_CANDIDATES = 6  # among which doubt is settled


def match(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    **options: "Unpack[MatchOptions]",
) -> Result:
    """Find the image and the pixel of every patch.

    Parameters
    ----------
    images, patches : path, ndarray, sequence of ndarrays, or Source
        What `matcher.open_images` and `matcher.open_patches` take.
    settings : Settings, optional
        Options; by default all defaults.
    progress : callable, optional
        Called with (pairs done, pairs in all) now and then.
    **options
        Fields of `Settings` by name, in place of those of `settings`.

    Returns
    -------
    Result
        One row a patch, in the order of the patches.

    Raises
    ------
    MatcherError
        If an input cannot be read, the bands do not fit, a patch is larger than every image, a value is NaN, infinite
        or absurd, or every patch is constant; the message names the file and the record. All of it is looked at
        before the search starts.

    Notes
    -----
    A constant patch among others is answered by its colour, confidence near 0, with a warning in the log ``matcher``,
    where the value ranges that were told are noted too.

    Examples
    --------
    >>> import numpy as np, matcher
    >>> image = np.random.default_rng(0).integers(200, 3000, (96, 96, 4)).astype(np.uint16)
    >>> result = matcher.match([image], [image[20:84, 10:74]])
    >>> int(result.image[0]), int(result.x[0]), int(result.y[0])
    (0, 10, 20)
    """
    checks.function("progress", progress)
    job = prepare(images, patches, settings, **options)
    tell_search(job)
    found = match_rows(job, progress=progress).refuse(job.settings.min_confidence)
    return found.showing(job.targets.source, job.patches.source)


def write_indexes(job: Job, folder: Path) -> list[Kept]:
    """Write the codes of the images into a folder, for every size of patches: made once, they serve every process.

    Sizes that the job's own index has codes for are not among them.

    Raises
    ------
    MatcherError
        If codes do not fit the memory, or a file cannot be written.
    """
    if job.settings.search != "pyramid":
        return []
    sides = sorted({job.patches.shape(k)[:2] for k in range(len(job.patches))})
    with limited(job.settings.threads):
        return [
            write_codes(folder, side, job.to_code(side), job.roles) for side in sides if not job.indexed(side)
        ]


def map_indexes(job: Job, folder: Path, written: Sequence[Kept]) -> Indexes:
    """What `write_indexes` wrote for a job, mapped.

    Raises
    ------
    FormatError
        If a file is missing or too short.
    """
    shapes = [job.targets.shape(k)[:2] for k in range(len(job.targets))]
    return {
        one.side: map_codes(folder, one, [[s] for s in shapes if fits(one.side, s)], job.roles)
        for one in written
    }


def match_rows(
    job: Job,
    rows: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
    indexes: Mapping[tuple[int, int], Layout] | None = None,
) -> Result:
    """Match some patches of a job against all its images.

    Parameters
    ----------
    job : Job
    rows : ndarray of int, optional
        Which patches, by their numbers in the source; by default all.
    progress : callable, optional
        Called with (pairs done, pairs in all) of these patches.
    indexes : dict, optional
        What `map_indexes` gave for this job, or what stands for it (`matcher.search.pyramid.divided`), by height and
        width of patches; by default they are made here.

    Returns
    -------
    Result
        One row a patch, in the order of `rows`; nothing is refused yet (`Result.refuse`).

    Raises
    ------
    MatcherError
        If a picture cannot be read.
    """
    which = np.arange(len(job.patches)) if rows is None else np.asarray(rows, np.int64)
    with limited(job.settings.threads):
        said = _contents(job, which)
        found = _search(job, which, said, progress or (lambda _done, _all: None), indexes or {})
    return _result(job, which, found, said)


def _search(
    job: Job,
    rows: NDArray[np.int64],
    said: list[Content],
    progress: Progress,
    indexes: Mapping[tuple[int, int], Layout],
) -> Candidates:
    """The best places of some patches, whose content is known; those in doubt are settled."""
    pairs = len(job.targets) * len(rows)
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(done, pairs)

    found = Candidates.empty(len(rows), _KEEP)
    for side, at in _by_side(job.patches, rows).items():
        task, which, index = job.task(_CANDIDATES), rows[at].tolist(), indexes.get(side)
        if index is None and job.settings.search == "pyramid":
            index = job.index(side)
        places = job.search(which, _CANDIDATES, report, index)
        weighed = job.weigh(which, places)
        doubtful = np.flatnonzero(_confidence(job, weighed, [said[k] for k in at.tolist()]) < UNSETTLED)
        settled = settle_doubtful(task, which, places, weighed, doubtful, index)
        found.put(at, settled.first(_KEEP))
    progress(pairs, pairs)
    return found


def _confidence(job: Job, found: Candidates, said: list[Content]) -> NDArray[np.float32]:
    """How sure the best places are."""
    pixels = np.array([one.independent for one in said])
    second = found.runner_up().score[:, 0]
    return confidence(found.score[:, 0], second, pixels, job.chance, job.model.trust, job.settings.prior)


def _contents(job: Job, rows: NDArray[np.int64]) -> list[Content]:
    """What some patches have to say. One thread is as fast as several, which would wait for each other."""
    return [content(job.patches[k], job.roles) for k in rows.tolist()]


def _by_side(patches: Pictures, rows: NDArray[np.int64]) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Positions in `rows` of the patches of each height and width."""
    groups: dict[tuple[int, int], list[int]] = {}
    for at, k in enumerate(rows.tolist()):
        groups.setdefault(patches.shape(k)[:2], []).append(at)
    return {side: np.array(group) for side, group in groups.items()}


def _result(job: Job, rows: NDArray[np.int64], found: Candidates, said: list[Content]) -> Result:
    targets = job.targets
    second = found.runner_up()
    sure = _confidence(job, found, said)
    return Result(
        ids=job.patches.ids[rows],
        # Every patch is answered, be it by the first image.
        image=targets.ids[np.maximum(found.target[:, 0], 0)],
        x=found.place[:, 0, 1],
        y=found.place[:, 0, 0],
        score=log_likelihood(found)[:, 0],
        runner_up_image=np.where(second.target[:, 0] >= 0, targets.ids[second.target[:, 0]], -1),
        runner_up_score=log_likelihood(second)[:, 0],
        confidence=sure,
        reason=_reasons(job, rows, found, said, sure),
    )


def _reasons(
    job: Job,
    rows: NDArray[np.int64],
    found: Candidates,
    said: list[Content],
    sure: NDArray[np.float32],
) -> tuple[str, ...]:
    """A reason for every answer that is in doubt, and for those whose patch has little to say; else empty."""
    out = [""] * len(rows)
    second = found.runner_up().score[:, 0]
    for n in np.argsort(
        found.target[:, 0], kind="stable"
    ).tolist():  # neighbours of one image are read together
        if sure[n] < IN_DOUBT:
            patch, target = job.patches[int(rows[n])], int(found.target[n, 0])
            window = None
            if target >= 0:
                y, x = (int(v) for v in found.place[n, 0])
                window = job.targets.crop(target, (y, x), (patch.shape[0], patch.shape[1]))
            two = float(found.score[n, 0]), float(second[n])
            out[n] = reason(patch, window, job.roles, said[n], *two, job.chance)
        elif has_little(said[n]):
            out[n] = fault_of_little(job.patches[int(rows[n])], job.roles, said[n])
    return tuple(out)
