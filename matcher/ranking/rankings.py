"""Rankings of images, or of windows of images, for patches, and where the true ones stand in them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.placements import Placements
from matcher.values import compared


@compared
@dataclass(frozen=True)
class WindowGrid:
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

    def relevant(self, row: int, image: int, place: tuple[int, int]) -> NDArray[np.int64]:
        """Corners (row, column) of the windows that overlap a place by half of the patch or more, (k, 2)."""
        rows, columns = (np.arange(count) * self.stride for count in self.counts(row, image))
        near = overlapping(rows[:, None] - place[0], columns - place[1], self.sides[row])
        return np.argwhere(near) * self.stride


def overlapping(dy: NDArray, dx: NDArray, side: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two windows of a size, so far apart, overlap by half or more."""
    left = np.maximum(side[0] - np.abs(dy), 0) * np.maximum(side[1] - np.abs(dx), 0)
    out: NDArray[np.bool_] = left >= side[0] * side[1] / 2
    return out


@compared
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
    score : ndarray of float32 or float64, (n, m)
        Higher is better; a log-likelihood ratio, nats, where the matcher made it; -inf where there is no candidate.
    corner : ndarray of int64, (n, m, 2), optional
        Row and column of the window, where windows are ranked.
    grid : WindowGrid, optional
        All windows, where they are ranked.
    placed : bool
        Whether x and y are known: other methods' rankings may say images alone, and x and y are then -1.
    """

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    score: NDArray[np.floating]
    corner: NDArray[np.int64] | None = None
    grid: WindowGrid | None = None
    placed: bool = True

    @property
    def noun(self) -> str:
        """What is ranked: "image" or "window"."""
        return "image" if self.corner is None else "window"

    def __len__(self) -> int:
        return len(self.ids)

    def placements(self) -> Placements:
        """The first of each patch that has a candidate."""
        some = self.image[:, 0] >= 0 if self.image.shape[1] else np.zeros(len(self), bool)
        return Placements(self.ids[some], self.image[some, 0], self.x[some, 0], self.y[some, 0])

    def with_scores(self, score: NDArray[np.floating]) -> "Ranking":
        """The ranking by other scores (n, m); ties to the lower image id, then row and column of the window."""
        score = np.where(self.image < 0, -np.inf, score)
        corner = np.zeros((*self.image.shape, 2), np.int64) if self.corner is None else self.corner
        order = np.lexsort((corner[..., 1], corner[..., 0], self.image, -score), axis=-1)
        rows = np.arange(len(order))[:, np.newaxis]
        return replace(
            self,
            image=self.image[rows, order],
            x=self.x[rows, order],
            y=self.y[rows, order],
            score=score[rows, order],
            corner=None if self.corner is None else self.corner[rows, order],
        )

    def hits(self, answers: Placements) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which patches (k,) have an answer, and which of their candidates (k, m) are the true image or window.

        Raises
        ------
        MatcherError
            If no patch has an answer, or windows are ranked whose grid is not known.
        """
        rows, at = answered(self, answers)
        hit = self.image[rows] == answers.image[at, np.newaxis]
        if self.corner is not None:
            true = np.array(
                [self._true_corner(*where, answers) for where in zip(rows.tolist(), at.tolist(), strict=True)]
            )
            hit &= (self.corner[rows] == true[:, np.newaxis]).all(-1)
        return rows, hit

    def known_grid(self) -> WindowGrid:
        """The grid of the windows; raises MatcherError where it is not known."""
        if self.grid is None:
            raise MatcherError(
                "the ranking does not say of which windows it is: give them as .npz or .parquet, which keep their grid"
            )
        return self.grid

    def _true_corner(self, row: int, at: int, answers: Placements) -> tuple[int, int]:
        """The corner of the true window of patch number `row`; (-1, -1) in an image that was not searched."""
        grid, image = self.known_grid(), int(answers.image[at])
        if image not in grid.shapes:
            return -1, -1
        return grid.corner(row, image, (int(answers.y[at]), int(answers.x[at])))


def check_scores(name: str, score: NDArray) -> None:
    """Raise FormatError where a score is NaN or +inf; -inf stands for no candidate."""
    for what, wrong in (("NaN", np.isnan(score)), ("+inf", score == np.inf)):
        if wrong.any():
            raise FormatError(
                f"{name}: has a score that is {what}; give finite ones, and -inf for no candidate"
            )


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


@compared
@dataclass(frozen=True)
class Standing:
    """Where the true image (or window) of every answered patch stands in a ranking.

    Attributes
    ----------
    rows : ndarray of int64, (k,)
        The answered patches' rows in the ranking.
    rank : ndarray of float64, (k,)
        From 1; inf where the true one is not ranked.
    precision : ndarray of float64, (k,)
        What each patch adds to the mean average precision. Of images, each image ranks the patches by score and its
        own are the relevant ones: the precision at the patch's place in the list of its own image, 0 where it is not
        in it. The mean over an image's patches is that image's average precision, and their mean over images is mAP;
        it falls where scores of different patches cannot be compared. Of windows, each patch ranks the windows, and
        those that overlap its place by half or more are the relevant ones: the patch's average precision.
    """

    rows: NDArray[np.int64]
    rank: NDArray[np.float64]
    precision: NDArray[np.float64]


def standing(ranking: Ranking, answers: Placements) -> Standing:
    """Find the true images (or windows) in a ranking.

    Raises
    ------
    MatcherError
        If no patch of it has an answer, or a score is NaN or +inf.
    """
    check_scores("the ranking", ranking.score)
    rows, hit = ranking.hits(answers)
    rank = np.where(hit.any(1), hit.argmax(1) + 1.0, np.inf)
    by = _precision_of_images if ranking.corner is None else _precision_of_windows
    return Standing(rows, rank, by(ranking, answers))


def _precision_of_images(ranking: Ranking, answers: Placements) -> NDArray[np.float64]:
    rows, at = answered(ranking, answers)
    truth = answers.image[at]
    image, score = ranking.image[rows], ranking.score[rows]
    patch = np.broadcast_to(ranking.ids[rows, np.newaxis], image.shape)
    number = np.broadcast_to(np.arange(len(rows))[:, np.newaxis], image.shape)
    real = (image >= 0) & np.isfinite(score)
    image, score, patch, number = (part[real] for part in (image, score, patch, number))
    order = np.lexsort((patch, -score, image))  # of ties the lower patch id first
    image, number = image[order], number[order]
    out = np.zeros(len(rows))
    for one in np.unique(truth).tolist():
        start, stop = np.searchsorted(image, [one, one + 1])
        listed = number[start:stop]
        relevant = truth[listed] == one
        place = np.flatnonzero(relevant)
        out[listed[place]] = np.arange(1, len(place) + 1) / (place + 1)
    return out


def _precision_of_windows(ranking: Ranking, answers: Placements) -> NDArray[np.float64]:
    assert ranking.grid is not None
    assert ranking.corner is not None
    out = []
    for row, at in zip(*answered(ranking, answers), strict=True):
        image, place = int(answers.image[at]), (int(answers.y[at]), int(answers.x[at]))
        if image not in ranking.grid.shapes:
            out.append(0.0)
            continue
        apart = ranking.corner[row] - np.array(place)
        near = overlapping(apart[:, 0], apart[:, 1], ranking.grid.sides[row]) & (ranking.image[row] == image)
        found = np.flatnonzero(near) + 1
        relevant = len(ranking.grid.relevant(int(row), image, place))
        out.append(float((np.arange(1, len(found) + 1) / found).sum() / relevant) if relevant else 0.0)
    return np.array(out)
