"""What a level of the cascade is, and when a patch is in doubt."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.search.candidates import Candidates, best_by_target
from matcher.search.pyramid.hunt import Hunt, Patches

DOUBTFUL_BLOCK = 512  # patches in doubt searched together


@dataclass(frozen=True)
class Doubt:
    """When a patch is in doubt: its best place scores less, or leads the best of another target by less."""

    convincing: float
    lead: float

    def rows(self, found: Candidates) -> NDArray[np.int64]:
        """The patches in doubt."""
        best, second = found.score[:, 0], found.score[:, 1]
        return np.flatnonzero((best < self.convincing) | (best < self.lead * second))


class Level(ABC):
    """A level of the cascade."""

    name: str

    @abstractmethod
    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """The patches that it sees."""

    @abstractmethod
    def together(self, hunt: Hunt) -> int:
        """How many of them it takes at a time."""

    @abstractmethod
    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:
        """What is known of some patches after it.

        Parameters
        ----------
        hunt : Hunt
        rows : ndarray of int64, (k,)
            Their rows in `hunt.found`.
        patches : sequence of ndarray (height, width, bands), float32
            Their DN.
        """


def merged(one: Candidates, other: Candidates) -> Candidates:
    """The best of both, as many as the first has."""
    return best_by_target(one.beside(other), one.target.shape[1])
