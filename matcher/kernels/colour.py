"""Colour and texture level of windows: statistics of a picture, and how a patch's compare with all windows'."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

_PART = 4096  # windows at a time: they stay in the cache


@kernel(nogil=True)
def window_statistics(
    dn: NDArray, down: int, across: int, blocks: int, haze: float, noise: float, out: NDArray
) -> None:
    """Logs of mean and deviation of every window of blocks x blocks blocks of down x across pixels.

    dn (H, W, B) float32; windows begin at every block. out (rows, columns, 2 B) float32: log(mean + haze) of each
    band, then log(deviation + noise). Sums in float64.
    """
    bands = dn.shape[2]
    high = dn.shape[0] // down
    wide = dn.shape[1] // across
    sums = np.zeros((high, wide, 2, bands))
    for y in range(high * down):
        for x in range(wide * across):
            for b in range(bands):
                v = np.float64(dn[y, x, b])
                sums[y // down, x // across, 0, b] += v
                sums[y // down, x // across, 1, b] += v * v
    size = float(blocks * blocks * down * across)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            for b in range(bands):
                total = 0.0
                square = 0.0
                for j in range(blocks):
                    for k in range(blocks):
                        total += sums[r + j, c + k, 0, b]
                        square += sums[r + j, c + k, 1, b]
                mean = total / size
                spread = np.sqrt(max(square / size - mean * mean, 0.0))
                out[r, c, b] = np.log(max(mean, 0.0) + haze)
                out[r, c, bands + b] = np.log(spread + noise)


@kernel(nogil=True)
def _add_squares(values: NDArray, own: float, total: NDArray) -> None:
    """Squared differences of values (n,) float32 from a number, added to total (n,)."""
    for k in range(len(values)):
        d = np.float64(values[k] - own)
        total[k] += d * d


@kernel(nogil=True)
def densities(
    within: NDArray,
    apart: NDArray,
    own_within: NDArray,
    own_apart: NDArray,
    scale: float,
    freedom: float,
    power: int,
    least: float,
    out: NDArray,
) -> None:
    """How much likelier one patch's statistics are at each window than elsewhere.

    within, apart (F, windows): statistics whitened by the differences of one place and of different places; own_within,
    own_apart (F,) the patch's; w and a their squared distances. The ratio of two densities of Student's t:
    out (windows,) = least + (1 - least) scale ((1 + a / freedom) / (1 + w / freedom))^power.
    """
    fields, windows = within.shape
    for low in range(0, windows, _PART):
        high = min(low + _PART, windows)
        near = np.zeros(high - low)
        far = np.zeros(high - low)
        for f in range(fields):  # a field of all windows at a time: neighbours are added side by side
            _add_squares(within[f, low:high], own_within[f], near)
            _add_squares(apart[f, low:high], own_apart[f], far)
        value = out[low:high]
        for k in range(high - low):
            far[k] = (1.0 + far[k] / freedom) / (1.0 + near[k] / freedom)
            value[k] = scale
        for _ in range(power):
            for k in range(high - low):
                value[k] *= far[k]
        for k in range(high - low):
            value[k] = least + (1.0 - least) * value[k]
