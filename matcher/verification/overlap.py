"""Correlation of two patches of one size over small shifts, normalised over what of them overlaps."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_FLAT = 3e-4  # of a stack's energy a pixel and field: below, the overlap carries no evidence


def shift_map(
    first: NDArray[np.floating], second: NDArray[np.floating], reach: int, centred: bool = False
) -> NDArray[np.float64]:
    """Normalised correlation of two stacks of fields at every shift up to `reach` px.

    At shift (dy, dx) pixel (y, x) of the first lies on (y + dy, x + dx) of the second, and both energies are those
    of the overlap alone, so that a partial overlap is judged like a whole one (Padfield, "Masked object
    registration in the Fourier domain", IEEE TIP 2012, for rectangular masks).

    Parameters
    ----------
    first, second : ndarray (fields, height, width)
    reach : int
        Largest shift along each axis, px; less than height and width.
    centred : bool
        Take the mean over the overlap off each field first (zero-mean normalised cross-correlation).

    Returns
    -------
    ndarray (2 reach + 1, 2 reach + 1), float64
        In [-1, 1], 0 where either overlap is flat; the middle is no shift.
    """
    fields, height, width = first.shape
    shape = (scipy.fft.next_fast_len(height + reach), scipy.fft.next_fast_len(width + reach, real=True))
    one, other = (stack.astype(np.float64) for stack in (first, second))
    if centred:  # near zero mean, so that the differences of sums below lose nothing
        one -= one.mean((1, 2), keepdims=True)
        other -= other.mean((1, 2), keepdims=True)
    spectra = [scipy.fft.rfft2(stack, shape) for stack in (one, other)]
    around = scipy.fft.irfft2((spectra[0].conj() * spectra[1]).sum(0), shape)
    index = np.arange(-reach, reach + 1)
    product = around[np.ix_(index, index)]
    energies = [_overlap_sums((one**2).sum(0), -index), _overlap_sums((other**2).sum(0), index)]
    if centred:
        count = overlap_pixels((height, width), reach)
        for a, b in zip(one, other, strict=True):
            sums = _overlap_sums(a, -index), _overlap_sums(b, index)
            product = product - sums[0] * sums[1] / count
            energies = [energy - s**2 / count for energy, s in zip(energies, sums, strict=True)]
    flat = np.minimum(*energies) <= _FLAT * fields * overlap_pixels((height, width), reach)
    scale = np.sqrt(np.where(flat, 1, energies[0]) * np.where(flat, 1, energies[1]))
    return np.clip(np.where(flat, 0, product / scale), -1, 1)


def overlap_pixels(side: tuple[int, int], reach: int) -> NDArray[np.float64]:
    """Pixels that two patches of a height and width share at every shift, (2 reach + 1, 2 reach + 1)."""
    off = np.abs(np.arange(-reach, reach + 1))
    return np.outer(side[0] - off, side[1] - off).astype(np.float64)


def _overlap_sums(values: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of values (height, width) over what is left of them at every shift."""
    height, width = values.shape
    sums = np.zeros((height + 1, width + 1))
    np.cumsum(np.cumsum(values, 0), 1, out=sums[1:, 1:])
    top, bottom = np.maximum(index, 0), height + np.minimum(index, 0)
    left, right = np.maximum(index, 0), width + np.minimum(index, 0)
    return (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(top, right)]
        - sums[np.ix_(bottom, left)]
        + sums[np.ix_(top, left)]
    )
