"""What every search hands to the decision: the likeliest places of each patch."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.ranking import best_targets

APART = 6  # px, in rows or columns, beyond which a place is another place: nearer ones are slopes of one peak


@dataclass(frozen=True)
class Candidates:
    """The likeliest places of each patch, one a target, best first, each with its rival in the same target.

    Attributes
    ----------
    target : ndarray of int64, (n, m)
        Index of the target; -1 where there are fewer.
    place : ndarray of int64, (n, m, 2)
        (y, x) of the patch's top-left pixel.
    score : ndarray of float32, (n, m)
        Sum of weighted squares of positive z-scores, twice a log-likelihood ratio; -1 where there is none.
    rival_place : ndarray of int64, (n, m, 2)
        The best place of the same target that was found more than `APART` px off.
    rival : ndarray of float32, (n, m)
        Its score; -1 where none was found.
    """

    target: NDArray[np.int64]
    place: NDArray[np.int64]
    score: NDArray[np.float32]
    rival_place: NDArray[np.int64]
    rival: NDArray[np.float32]

    @classmethod
    def empty(cls, patches: int, keep: int) -> "Candidates":
        """No candidate yet."""
        return cls.alone(
            np.full((patches, keep), -1, np.int64),
            np.zeros((patches, keep, 2), np.int64),
            np.full((patches, keep), -1, np.float32),
        )

    @classmethod
    def alone(
        cls, target: NDArray[np.int64], place: NDArray[np.int64], score: NDArray[np.float32]
    ) -> "Candidates":
        """Candidates of which no rival is known: `target` and `score` (n, m), `place` (n, m, 2)."""
        return cls(target, place, score, np.zeros_like(place), np.full(score.shape, -1, np.float32))

    def take(self, rows: NDArray[np.integer]) -> "Candidates":
        """Those of some patches, by their numbers `rows` (k,)."""
        return Candidates(*(array[rows] for array in self.arrays()))

    def first(self, keep: int) -> "Candidates":
        """The first `keep` of every patch."""
        return Candidates(*(array[:, :keep] for array in self.arrays()))

    def put(self, rows: NDArray[np.integer], other: "Candidates") -> None:
        """Replace those of some patches, by their numbers `rows` (k,), by `other` of k patches."""
        for own, new in zip(self.arrays(), other.arrays(), strict=True):
            own[rows] = new

    def of(self, columns: NDArray[np.bool_]) -> "Candidates":
        """Some of every patch's, columns (m,)."""
        return Candidates(*(array[:, columns] for array in self.arrays()))

    def without_rivals(self) -> "Candidates":
        """The same, as if no rival were known."""
        return Candidates.alone(self.target, self.place, self.score)

    def before(self, others: "Candidates") -> "Candidates":
        """These of highest rank, and then as many others, of other targets, as `others` has places for.

        These were judged anew, so that their scores hold: of the others none counts for more than the second of these.
        """
        keep = others.target.shape[1]
        most = self.runner_up().score
        new = np.where(
            (others.target[..., np.newaxis] != self.target[:, np.newaxis]).all(-1), others.target, -1
        )
        rest = replace(others, target=new, score=np.where(new >= 0, np.minimum(others.score, most), -1))
        return best_by_target(self.beside(rest.without_rivals()), keep)

    def beside(self, other: "Candidates") -> "Candidates":
        """These and others of the same patches, in no order."""
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return Candidates(*(np.concatenate(pair, axis=1) for pair in pairs))

    def rivals(self) -> "Candidates":
        """The rivals as candidates of their own."""
        there = self.rival >= 0
        return Candidates.alone(np.where(there, self.target, -1), self.rival_place, self.rival)

    def runner_up(self) -> "Candidates":
        """The best other place of every patch, (n, 1): the best rival, or the best place of another target.

        Of equal ones that in the lower target.
        """
        first = self.first(1)
        all_ = first.rivals().beside(self.of(np.arange(self.target.shape[1]) > 0))
        order = np.lexsort((all_.target, -all_.score), axis=-1)[:, :1]
        rows = np.arange(len(order))[:, np.newaxis]
        return Candidates(*(array[rows, order] for array in all_.arrays()))

    def ranked(self, score: NDArray[np.float32]) -> "Candidates":
        """With a new `score` (n, m), best first again; ties to the lower target."""
        order = np.lexsort((self.target, -score), axis=-1)
        rows = np.arange(len(order))[:, np.newaxis]
        return Candidates(*(array[rows, order] for array in replace(self, score=score).arrays()))

    def arrays(self) -> tuple[NDArray, ...]:
        """The fields in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))


def best_by_target(found: Candidates, keep: int) -> Candidates:
    """The best place in each of the `keep` best targets of every patch, and its rival.

    `found` may be in any order, with several places a target: those that lie more than `APART` px from the best count
    as its rivals, as their own rivals do. Ties go to the lower target, y and x.
    """
    out = Candidates.empty(len(found.target), keep)
    best_targets(tuple(np.ascontiguousarray(array) for array in found.arrays()), APART, out.arrays())
    return out
