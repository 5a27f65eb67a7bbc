"""Random fields of a chosen scale, the clay of the synthetic Earth."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

# The mean of the sum of a cubic B-spline's squared weights along one axis: in two, the sum's deviation.
_SPLINE_DEVIATION = 151.0 / 315.0


@lru_cache(maxsize=64)
def _basis(length: int, spacing: float, offset: float) -> Field:
    """Cubic B-spline weights, (length, knots), at ``length`` pixels from ``offset`` on a knot lattice."""
    position = (np.arange(length) + offset) / spacing
    knot = np.floor(position).astype(int)
    t = position - knot
    knot -= knot[0]
    weights = np.zeros((length, knot[-1] + 4), np.float32)
    rows = np.arange(length)
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for k, part in enumerate(parts):
        weights[rows, knot + k] = part / 6
    weights.flags.writeable = False
    return weights


def knots(rng: np.random.Generator, shape: tuple[int, int], spacing: float, reach: int = 0) -> Field:
    """Knot values for a field of ``shape`` that may be read up to ``reach`` pixels beyond its borders."""
    counts = [int((n + 2 * reach) / spacing) + 6 for n in shape]
    return rng.standard_normal(counts, dtype=np.float32)


def read_knots(
    values: Field,
    shape: tuple[int, int],
    spacing: float,
    shift: tuple[float, float] = (0.0, 0.0),
    reach: int = 0,
) -> Field:
    """The field of ``knots`` moved by ``shift`` (dy, dx) pixels, (height, width), mean 0 and deviation 1.

    The field is known ``reach`` pixels beyond the borders: shifts of up to that many pixels read new ground
    and do not wrap round.
    """
    out = values
    for axis in (0, 1):
        start = reach + float(np.clip(shift[axis], -reach, reach))
        basis = _basis(shape[axis], spacing, start)
        first = int(start // spacing)
        piece = out[first : first + basis.shape[1]] if axis == 0 else out[:, first : first + basis.shape[1]]
        out = basis @ piece if axis == 0 else piece @ basis.T
    return out / np.float32(_SPLINE_DEVIATION)


def smooth(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> Field:
    """A random field with features of about ``spacing`` pixels, mean 0 and deviation 1, without a period."""
    return read_knots(knots(rng, shape, spacing), shape, spacing)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], spacings: Iterable[float], slope: float
) -> Field:
    """Fields of several scales added, each with deviation ``spacing ** slope``; the sum has deviation 1."""
    total = np.zeros(shape, np.float32)
    power = 0.0
    for spacing in spacings:
        gain = spacing**slope
        total += np.float32(gain) * smooth(rng, shape, spacing)
        power += gain * gain
    total /= np.float32(np.sqrt(power))
    return total


def white(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Independent normal values of deviation 1, float32."""
    return rng.standard_normal(shape, dtype=np.float32)


def threshold(field: Field, share: float) -> float:
    """The value that ``share`` of the field lies above, by every fourth row and column."""
    if share <= 0:
        return float("inf")
    if share >= 1:
        return float("-inf")
    return float(np.quantile(field[::4, ::4], 1 - share))
