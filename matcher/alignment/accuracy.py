"""What is left between two scenes: the figures that a mission's quality group asks for, with intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A number and its 95 % interval, by bootstrap over tie points (Efron 1979)."""

    value: float
    low: float
    high: float


def measure(offsets: NDArray[np.float64], seed: int = 0) -> dict[str, Figure]:
    """Figures of offsets (n, 2), rows first: of each coordinate, and of both.

    Returns
    -------
    dict of str to Figure
        ``mean_row``, ``mean_col``, ``deviation_row``, ``deviation_col``, ``rmse_row``, ``rmse_col``, ``rmse`` (of the
        distance), ``ce90`` and ``ce95``: the distances within which 90 % and 95 % of the points lie. In the unit of the
        offsets; nan of no points.
    """
    if not len(offsets):
        return {name: Figure(np.nan, np.nan, np.nan) for name in _FIGURES}
    rng = np.random.default_rng(seed)
    draws = [_all(offsets[rng.integers(0, len(offsets), len(offsets))]) for _ in range(RESAMPLES)]
    edges = np.quantile(np.array(draws), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    return {
        name: Figure(float(value), float(low), float(high))
        for name, value, low, high in zip(_FIGURES, _all(offsets), *edges, strict=True)
    }


_FIGURES = (
    "mean_row", "mean_col", "deviation_row", "deviation_col", "rmse_row", "rmse_col", "rmse", "ce90", "ce95",
)  # fmt: skip


def _all(offsets: NDArray[np.float64]) -> tuple[float, ...]:
    distance = np.hypot(*offsets.T)
    squares = (offsets**2).mean(0)
    ninety, ninety_five = np.quantile(distance, [0.9, 0.95])
    return (
        *offsets.mean(0).tolist(),
        *offsets.std(0).tolist(),
        *np.sqrt(squares).tolist(),
        float(np.sqrt(squares.sum())),
        float(ninety),
        float(ninety_five),
    )
