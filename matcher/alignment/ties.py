"""Tie points: where ground of the moving scene lies by the reference, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.values import compared

# Why a tie point is not used, beside `matcher.decision.reasons.CODES`: the reference does not show its ground; its
# neighbours tell another shift; the user left it out.
OUTSIDE, OUTLIER, LEFT_OUT = "outside", "outlier", "left out"
_NUMBERS = ("row", "col", "down", "right", "sigma", "confidence")


@compared
@dataclass(frozen=True)
class TiePoints:
    """Tie points of one pair of scenes, one a chip, in the order of the chips: row by row.

    Attributes
    ----------
    row, col : ndarray of float64, (n,)
        The chip's middle in the moving scene, pixels from the outer corner of the first pixel.
    down, right : ndarray of float64, (n,)
        The shift, pixels of the moving scene: by the reference, what the moving scene shows at (row, col) lies where
        the moving scene's own grid has (row + down, col + right). nan where nothing was found.
    sigma : ndarray of float64, (n,)
        Standard error of either coordinate of the shift, pixels; inf or nan where unknown.
    confidence : ndarray of float64, (n,)
        From 0 to 1: how probable it is that the place is right, to a few pixels.
    reason : tuple of str
        Why a point is not used; empty where it is.
    """

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    down: NDArray[np.float64]
    right: NDArray[np.float64]
    sigma: NDArray[np.float64]
    confidence: NDArray[np.float64]
    reason: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which points count, (n,)."""
        return np.array([not word for word in self.reason], bool)

    @property
    def places(self) -> NDArray[np.float64]:
        """(n, 2): row and col."""
        return np.stack([self.row, self.col], -1)

    @property
    def shifts(self) -> NDArray[np.float64]:
        """(n, 2): down and right."""
        return np.stack([self.down, self.right], -1)

    def take(self, which: NDArray) -> "TiePoints":
        """Some of them, by a mask or by numbers."""
        at = np.arange(len(self))[which]
        columns = {name: getattr(self, name)[at] for name in _NUMBERS}
        return TiePoints(**columns, reason=tuple(self.reason[k] for k in at))

    def joined(self, other: "TiePoints") -> "TiePoints":
        """These and then others."""
        columns = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _NUMBERS}
        return TiePoints(**columns, reason=(*self.reason, *other.reason))

    def doubted(self, which: NDArray, reason: str) -> "TiePoints":
        """The same, some of them not used for a reason."""
        at = set(np.arange(len(self))[which].tolist())
        return replace(self, reason=tuple(reason if k in at else old for k, old in enumerate(self.reason)))

    def counts(self) -> dict[str, int]:
        """How many are not used, by reason, most first."""
        words = [word for word in self.reason if word]
        return {word: words.count(word) for word in sorted(set(words), key=lambda w: (-words.count(w), w))}


def tie_points(rows: Sequence[tuple[float, float, float, float, float, float, str]]) -> TiePoints:
    """Tie points from rows of (row, col, down, right, sigma, confidence, reason)."""
    numbers = np.array([row[:6] for row in rows], np.float64).reshape(-1, 6)
    columns = dict(zip(_NUMBERS, numbers.T.copy(), strict=True))
    return TiePoints(**columns, reason=tuple(str(row[6]) for row in rows))
