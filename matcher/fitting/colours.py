"""How colour and texture level differ between two dates of one place, and between places: two covariances."""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.colour import statistics
from matcher.model import ColourModel

RIDGE = 1e-3  # log units squared: bands that always differ alike stay invertible
_DIGITS = 5


class ColourPairs:
    """Pairs of windows of one place on two dates, gathered pair by pair, every size of window counting alike."""

    def __init__(self) -> None:
        self._pairs: dict[int, list[list[NDArray[np.float64]]]] = {}

    def add(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
        """Look at a square window (side, side, bands), DN, on two dates."""
        side = len(first)
        both = [statistics(np.ascontiguousarray(dn), (side, side))[0, 0] for dn in (first, second)]
        self._pairs.setdefault(side, []).append([one.astype(np.float64) for one in both])

    def __len__(self) -> int:
        return sum(map(len, self._pairs.values()))

    def model(self, bands: tuple[str, ...]) -> ColourModel:
        """`within`: mean product of the pairs' differences; `apart`: of those of any two windows."""
        size = 2 * len(bands)
        within, apart = RIDGE * np.eye(size), RIDGE * np.eye(size)
        for pairs in self._pairs.values():
            both = np.array(pairs)
            difference = both[:, 0] - both[:, 1]
            within += difference.T @ difference / len(both) / len(self._pairs)
            apart += 2 * np.cov(both.reshape(-1, size).T) / len(self._pairs)
        return ColourModel(bands, np.round(within, _DIGITS), np.round(apart, _DIGITS))
