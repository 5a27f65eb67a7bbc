"""Colour and texture level: every window of a picture described by the logs of its bands' means and deviations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.pixels import HAZE
from matcher.kernels.colour import window_statistics
from matcher.threads import spread

BLOCKS = 4  # a side of a window; windows begin a block apart
_TOGETHER = 1 << 14  # windows whitened at a time, in double precision
NOISE = 10.0  # DN, added to deviations before logarithms are taken


def block(side: tuple[int, int]) -> tuple[int, int]:
    """Height and width, pixels, of the blocks of windows for patches of `side`."""
    return max(side[0] // BLOCKS, 1), max(side[1] // BLOCKS, 1)


def grid(shape: tuple[int, int], side: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of windows in a picture of `shape`, at each of which the whole patch lies inside.

    Four blocks may be a few pixels short of a patch whose side is no multiple of four.
    """
    rows, columns = (
        (of - own) // of_block + 1 for of, own, of_block in zip(shape, side, block(side), strict=True)
    )
    return max(rows, 1), max(columns, 1)


def statistics(dn: NDArray[np.float32], side: tuple[int, int]) -> NDArray[np.float32]:
    """Statistics of the windows of a picture.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        DN; not smaller than `side`.
    side : (int, int)
        Height and width of a patch.

    Returns
    -------
    ndarray (rows, columns, 2 bands), float32
        Logs of means, then of deviations, DN; window (r, c) begins at r, c times `block`.
    """
    out = np.empty((*grid(dn.shape[:2], side), 2 * dn.shape[2]), np.float32)
    window_statistics(dn, *block(side), BLOCKS, HAZE, NOISE, out)
    return out


def whitened(
    values: NDArray[np.float32], columns: Sequence[int], whiten: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Some columns (k,) of statistics (n, 2 bands) times a matrix (k, k), in double precision: (n, k)."""
    chosen = values[:, columns].astype(np.float64)
    out = np.zeros_like(chosen)
    for k in range(chosen.shape[1]):  # in a fixed order, whatever a library's product would do
        out += chosen[:, k : k + 1] * whiten[k]
    return out.astype(np.float32)


def whitened_windows(
    values: NDArray[np.float32], columns: Sequence[int], whiten: NDArray[np.float64]
) -> NDArray[np.float32]:
    """`whitened` of the many windows of all targets, a few at a time, by all threads; a row a column: (k, n)."""
    out = np.empty((len(columns), len(values)), np.float32)

    def fill(start: int) -> None:
        some = slice(start, start + _TOGETHER)
        out[:, some] = whitened(values[some], columns, whiten).T

    spread(fill, range(0, len(values), _TOGETHER))
    return out
