"""What every search hands to the decision: the likeliest places of each patch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.ranking import best_targets


@dataclass(frozen=True)
class Candidates:
    """The likeliest places of each patch, one a target, best first.

    Attributes
    ----------
    target : ndarray of int64, (n, m)
        Index of the target; -1 where there are fewer.
    place : ndarray of int64, (n, m, 2)
        (y, x) of the patch's top-left pixel.
    score : ndarray of float32, (n, m)
        Sum of weighted squares of positive z-scores, twice a log-likelihood ratio; -1 where there is none.
    """

    target: NDArray[np.int64]
    place: NDArray[np.int64]
    score: NDArray[np.float32]

    @classmethod
    def empty(cls, patches: int, keep: int) -> "Candidates":
        """No candidate yet."""
        return cls(
            np.full((patches, keep), -1, np.int64),
            np.zeros((patches, keep, 2), np.int64),
            np.full((patches, keep), -1, np.float32),
        )

    def take(self, rows: NDArray[np.integer]) -> "Candidates":
        """Those of some patches."""
        return Candidates(self.target[rows], self.place[rows], self.score[rows])

    def first(self, keep: int) -> "Candidates":
        """The first `keep` of every patch."""
        return Candidates(self.target[:, :keep], self.place[:, :keep], self.score[:, :keep])

    def put(self, rows: NDArray[np.integer], other: "Candidates") -> None:
        """Replace those of some patches."""
        self.target[rows], self.place[rows], self.score[rows] = other.target, other.place, other.score

    def ranked(self, score: NDArray[np.float32]) -> "Candidates":
        """With new scores (n, m), best first again; ties to the lower target."""
        order = np.lexsort((self.target, -score), axis=-1)
        rows = np.arange(len(order))[:, np.newaxis]
        return Candidates(self.target[rows, order], self.place[rows, order], score[rows, order])


def best_by_target(
    target: NDArray[np.int64], place: NDArray[np.int64], score: NDArray[np.float32], keep: int
) -> Candidates:
    """The best place in each of the `keep` best targets of every patch; ties to the lower target, y and x.

    target, score (n, m), place (n, m, 2) as in `Candidates`, in any order and with several places a target.
    """
    out = Candidates.empty(len(target), keep)
    arrays = (np.ascontiguousarray(array) for array in (target, place, score))
    best_targets(*arrays, out.target, out.place, out.score)
    return out
