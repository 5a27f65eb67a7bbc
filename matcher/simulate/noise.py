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
    """Draw the values at the knots of a smooth random field, which `read_knots` makes of them.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int)
        Height and width of the field, pixels.
    spacing : float
        Distance of the knots, pixels, above 0: the size of the field's features.
    reach : int
        How far beyond its borders the field may be read, pixels, 0 or more.

    Returns
    -------
    ndarray of float32, shape (rows, columns) of the knots
        Independent normal values of mean 0 and deviation 1.
    """
    counts = [int((n + 2 * reach) / spacing) + 6 for n in shape]
    return rng.standard_normal(counts, dtype=np.float32)


def read_knots(
    values: Field,
    shape: tuple[int, int],
    spacing: float,
    shift: tuple[float, float] = (0.0, 0.0),
    reach: int = 0,
) -> Field:
    """The smooth random field of some knots, a cubic B-spline, read at its place or beside it.

    Parameters
    ----------
    values : ndarray of float32
        What `knots` drew for the same `shape`, `spacing` and `reach`.
    shape : (int, int)
        Height and width of the field, pixels.
    spacing : float
        Distance of the knots, pixels.
    shift : (float, float)
        How far down and right of its place the field is read, pixels: the value at (y, x) is what stands at
        (y + dy, x + dx) without a shift. Cut off at `reach` either way, so that new ground is read and nothing wraps
        round.
    reach : int
        How far beyond its borders the field is known, pixels.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Mean 0 and deviation 1, over all that may be drawn.
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
    """The value that a share of a field lies above, measured on every fourth row and column.

    Parameters
    ----------
    field : ndarray of float32, shape (height, width)
        Of one pixel or more.
    share : float
        0 or less gives infinity, 1 or more minus infinity.

    Returns
    -------
    float
        In the field's own unit.
    """
    if share <= 0:
        return float("inf")
    if share >= 1:
        return float("-inf")
    return float(np.quantile(field[::4, ::4], 1 - share))
