"""The instrument: point spread, registration, noise and quantisation."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.simulate.noise import Field, white

SPREAD = 0.43  # deviation of the point spread, pixels
LARGEST_SHIFT = 0.7  # of one date against the true grid, pixels: two dates lie at most 1.4 apart
BRIGHTEST = 20_000  # saturation, reflectance x 10,000


def draw_shift(rng: np.random.Generator) -> tuple[float, float]:
    """A date's misregistration (dy, dx) in pixels, at most LARGEST_SHIFT long."""
    length = min(abs(rng.normal(0, 0.4)), LARGEST_SHIFT)
    angle = rng.uniform(0, 2 * np.pi)
    return float(length * np.sin(angle)), float(length * np.cos(angle))


def _kernel(shift: float, spread: float) -> Field:
    at = np.arange(-4, 5)
    weights = np.exp(-0.5 * ((at + shift) / spread) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def expose(
    radiance: Field, shift: tuple[float, float], rng: np.random.Generator, noise: float = 1.0
) -> NDArray[np.uint16]:
    """What the instrument reports: blurred, moved, with noise, and in whole numbers.

    Parameters
    ----------
    radiance : ndarray of float32, shape (bands, height, width)
        Reflectance x 10,000 above the air.
    shift : (float, float)
        How far the ground appears moved down and right, pixels; within `LARGEST_SHIFT`, for which the kernel is wide
        enough.
    rng : numpy.random.Generator
        Where the noise is drawn from.
    noise : float
        Factor on the usual noise, which deviates by 3 over dark sea and by 8 over bright ground, reflectance x 10,000;
        0 for none.

    Returns
    -------
    ndarray of uint16, shape (bands, height, width)
        Reflectance x 10,000, from 0 to `BRIGHTEST`, where the instrument saturates. Not cut at 4095, as the pictures
        of a challenge are.
    """
    out = np.empty(radiance.shape, np.uint16)
    along_y, along_x = _kernel(shift[0], SPREAD), _kernel(shift[1], SPREAD)
    for band in range(len(radiance)):
        seen = ndimage.correlate1d(radiance[band], along_y, 0, mode="nearest")
        seen = ndimage.correlate1d(seen, along_x, 1, mode="nearest")
        # Shot noise and read-out: 3 DN over dark sea, 8 over bright ground.
        grain = white(rng, seen.shape)
        grain *= np.sqrt(np.float32(7.0) + np.float32(0.02) * np.clip(seen, 0, None)) * np.float32(noise)
        seen += grain
        np.rint(seen, out=seen)
        out[band] = np.clip(seen, 0, BRIGHTEST)
    return out
