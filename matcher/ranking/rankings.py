"""Rankings of images, or of windows of images, for patches: what they are, what they are worth, how they are kept."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.formats.files import atomic_write
from matcher.formats.parquet import write_parquet
from matcher.placements import Placements

KS = (1, 5, 10)
SUFFIXES = (".npz", ".parquet")
Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Grid:
    """Windows of the images at every so many pixels, of each patch's own size.

    A place (row or column of a corner) belongs to the nearest window, of two as near to the later one.

    Attributes
    ----------
    stride : int
    shapes : dict of int to (int, int)
        Height and width of every image, by its id.
    sides : ndarray of int64, (n, 2)
        Height and width of the patches.
    """

    stride: int
    shapes: dict[int, tuple[int, int]]
    sides: NDArray[np.int64]

    def counts(self, row: int, image: int) -> tuple[int, int]:
        """Rows and columns of windows of an image for patch number `row`."""
        height, width = (
            (n - s) // self.stride + 1 for n, s in zip(self.shapes[image], self.sides[row], strict=True)
        )
        return height, width

    def corner(self, row: int, image: int, place: tuple[int, int]) -> tuple[int, int]:
        """The corner (row, column) of the window that a place (row, column) belongs to."""
        y, x = (
            min((at + self.stride // 2) // self.stride, count - 1) * self.stride
            for at, count in zip(place, self.counts(row, image), strict=True)
        )
        return y, x

    def relevant(self, row: int, image: int, place: tuple[int, int]) -> int:
        """How many windows overlap a place by half of the patch or more."""
        rows, columns = (np.arange(count) * self.stride for count in self.counts(row, image))
        return int(overlapping(rows[:, None] - place[0], columns - place[1], self.sides[row]).sum())


def overlapping(dy: NDArray, dx: NDArray, side: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two windows of a size, so far apart, overlap by half or more."""
    left = np.maximum(side[0] - np.abs(dy), 0) * np.maximum(side[1] - np.abs(dx), 0)
    out: NDArray[np.bool_] = left >= side[0] * side[1] / 2
    return out


@dataclass(frozen=True)
class Ranking:
    """The images of every patch, or windows of them, best first.

    Attributes
    ----------
    ids : ndarray of int64, (n,)
        Of the patches.
    image, x, y : ndarray of int64, (n, m)
        Image id, and column and row of the patch's top-left pixel where it fits that image (or near that window)
        best; image is -1 where there is no further candidate.
    score : ndarray of float32, (n, m)
        Log-likelihood ratio, nats; -inf where there is no candidate.
    corner : ndarray of int64, (n, m, 2), optional
        Row and column of the window, where windows are ranked.
    grid : Grid, optional
        All windows, where they are ranked.
    """

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    score: NDArray[np.float32]
    corner: NDArray[np.int64] | None = None
    grid: Grid | None = None

    def placements(self) -> Placements:
        """The first of each patch."""
        return Placements(self.ids, np.maximum(self.image[:, 0], 0), self.x[:, 0], self.y[:, 0])

    def with_scores(self, score: NDArray[np.floating]) -> "Ranking":
        """Ranked anew by other scores (n, m); ties to the lower image id, then row and column of the window."""
        score = np.where(self.image < 0, -np.inf, score)
        corner = np.zeros((*self.image.shape, 2), np.int64) if self.corner is None else self.corner
        order = np.lexsort((corner[..., 1], corner[..., 0], self.image, -score), axis=-1)
        rows = np.arange(len(order))[:, np.newaxis]
        return replace(
            self,
            image=self.image[rows, order],
            x=self.x[rows, order],
            y=self.y[rows, order],
            score=score[rows, order].astype(np.float32),
            corner=None if self.corner is None else self.corner[rows, order],
        )

    def hits(self, answers: Placements) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which patches (k,) have an answer, and which of their candidates (k, m) are the true image or window.

        Raises
        ------
        MatcherError
            If no patch has an answer.
        """
        rows, at = answered(self, answers)
        hit = self.image[rows] == answers.image[at, np.newaxis]
        if self.grid is not None and self.corner is not None:
            known = [int(image) in self.grid.shapes for image in answers.image[at]]
            true = np.array(
                [
                    self.grid.corner(r, int(answers.image[a]), (int(answers.y[a]), int(answers.x[a])))
                    if k
                    else (-1, -1)
                    for r, a, k in zip(rows.tolist(), at.tolist(), known, strict=True)
                ]
            )
            hit &= (self.corner[rows] == true[:, np.newaxis]).all(-1)
        return rows, hit

    def save(self, path: Path_, top: int) -> None:
        """Write the first `top` candidates of every patch.

        To ``.npz``: ids (n,), and image, x, y, score and, of windows, window_x and window_y, (n, top). To ``.parquet``:
        a row a candidate, patch_id, rank (from 1), image_id, x, y, score and, of windows, window_x and window_y.

        Raises
        ------
        MatcherError
            If the ending is another, pyarrow is missing for Parquet, or the file cannot be written.
        """
        check_suffix(path)
        columns: dict[str, NDArray] = {k: getattr(self, k)[:, :top] for k in ("image", "x", "y", "score")}
        if self.corner is not None:
            columns |= {"window_x": self.corner[:, :top, 1], "window_y": self.corner[:, :top, 0]}
        if os.fspath(path).lower().endswith(".npz"):
            with atomic_write(path) as file:
                np.savez_compressed(file, ids=self.ids, **columns)  # type: ignore[arg-type]
            return
        real = columns["image"] >= 0
        rank = np.broadcast_to(np.arange(1, real.shape[1] + 1), real.shape)
        ids = np.broadcast_to(self.ids[:, None], real.shape)
        long = {"patch_id": ids, "rank": rank, "image_id": columns.pop("image"), **columns}
        write_parquet(path, {key: column[real] for key, column in long.items()})


def check_suffix(path: Path_) -> None:
    """Raise a SettingsError where a path ends in none of `SUFFIXES`."""
    if os.path.splitext(os.fspath(path))[1].lower() not in SUFFIXES:
        raise SettingsError(f"{os.fspath(path)}: ends in none of {', '.join(SUFFIXES)}")


def answered(ranking: Ranking, answers: Placements) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a ranking that have an answer, and the rows of the answers.

    Raises
    ------
    MatcherError
        If there are none.
    """
    known = {patch: k for k, patch in enumerate(answers.ids.tolist())}
    rows = [n for n, patch in enumerate(ranking.ids.tolist()) if patch in known]
    if not rows:
        raise MatcherError("no patch has an answer: do the answers belong to these patches?")
    return np.array(rows), np.array([known[int(ranking.ids[n])] for n in rows])


@dataclass(frozen=True)
class Worth:
    """What a ranking is worth against the answers, over answered patches.

    Attributes
    ----------
    patches : int
    top : dict of int to float
        Share of patches whose image (or window) is among the first k.
    mrr : float
        Mean of 1 / rank of the true image (or window); 0 where it is not ranked.
    mean_average_precision : float
        Of images, the other way round: each image ranks the patches by score, its own are the relevant ones; the mean
        over images with patches of the average precision. It falls where scores of different patches cannot be
        compared. Of windows: each patch ranks the windows, those that overlap its place by half or more are the
        relevant ones; the mean over patches.
    """

    patches: int
    top: dict[int, float]
    mrr: float
    mean_average_precision: float

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers."""
        return {
            "patches": self.patches,
            "top": {str(k): share for k, share in self.top.items()},
            "mrr": self.mrr,
            "mAP": self.mean_average_precision,
        }


def worth(ranking: Ranking, answers: Placements, ks: Sequence[int] = KS) -> Worth:
    """What a ranking is worth.

    Raises
    ------
    MatcherError
        If no patch of it has an answer.
    """
    rows, hit = ranking.hits(answers)
    rank = np.where(hit.any(1), hit.argmax(1) + 1, np.inf)
    by = _precision_of_images if ranking.grid is None else _precision_of_windows
    return Worth(
        len(rows),
        {int(k): float((rank <= k).mean()) for k in ks},
        float((1 / rank).mean()),
        by(ranking, answers),
    )


def _precision_of_images(ranking: Ranking, answers: Placements) -> float:
    rows, at = answered(ranking, answers)
    truth = answers.image[at]
    precisions = []
    for image in np.unique(truth):
        column = np.where(ranking.image[rows] == image, ranking.score[rows], -np.inf).max(1)
        precisions.append(_average_precision((truth == image)[np.argsort(-column, kind="stable")], None))
    return float(np.mean(precisions))


def _precision_of_windows(ranking: Ranking, answers: Placements) -> float:
    assert ranking.grid is not None
    assert ranking.corner is not None
    precisions = []
    for row, at in zip(*answered(ranking, answers), strict=True):
        image, place = int(answers.image[at]), (int(answers.y[at]), int(answers.x[at]))
        if image not in ranking.grid.shapes:
            precisions.append(0.0)
            continue
        apart = ranking.corner[row] - np.array(place)
        near = overlapping(apart[:, 0], apart[:, 1], ranking.grid.sides[row]) & (ranking.image[row] == image)
        precisions.append(_average_precision(near, ranking.grid.relevant(int(row), image, place)))
    return float(np.mean(precisions))


def _average_precision(relevant: NDArray[np.bool_], count: int | None) -> float:
    """Of a ranked list, where so many are relevant in all (by default those in the list)."""
    place = np.flatnonzero(relevant) + 1
    whole = len(place) if count is None else count
    return float((np.arange(1, len(place) + 1) / place).sum() / whole) if whole else 0.0


def worth_text(worths: dict[str, Worth], bits: dict[str, float] | None = None, what: str = "image") -> str:
    """Worths side by side as a table; `what` is ranked."""
    first = next(iter(worths.values()))
    lines = [f"{first.patches} patches", f"{'':24}" + "".join(f"{name:>10}" for name in worths)]
    for k in first.top:
        lines.append(
            f"{f'{what} among first {k}':24}" + "".join(f"{w.top[k]:10.4f}" for w in worths.values())
        )
    lines.append(f"{'mean reciprocal rank':24}" + "".join(f"{w.mrr:10.4f}" for w in worths.values()))
    lines.append(
        f"{f'mAP of {what}s':24}" + "".join(f"{w.mean_average_precision:10.4f}" for w in worths.values())
    )
    if bits is not None:
        lines.append(f"{'surprise, bits':24}" + "".join(f"{bits[name]:10.4f}" for name in worths))
        lines.append(f"matcher adds {bits['other'] - bits['fused']:.4f} bits a patch to the other scores")
        lines.append(f"the other scores add {bits['own'] - bits['fused']:.4f} bits a patch to matcher's")
    return "\n".join(lines)
