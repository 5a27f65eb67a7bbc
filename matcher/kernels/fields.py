"""Gradient fields of a picture: the inner loops of the evidence.

Pictures come band by band, (B, H, W): loops along a row are then vectorised.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

FLAT = np.float32(1e-3)  # DN; a gradient below is no gradient


@kernel(nogil=True)
def unit_gradient(band: NDArray, out_down: NDArray, out_across: NDArray) -> None:
    """Unit vectors of central differences of a band, its components along columns and along rows: (H, W) float32 each.

    Border pixels and flat ones are 0.
    """
    height, width = band.shape
    for y in range(height):
        down, across = out_down[y], out_across[y]
        down[:] = 0
        across[:] = 0
        if 0 < y < height - 1:
            above, row, below = band[y - 1], band[y], band[y + 1]
            for x in range(1, width - 1):
                gy = below[x] - above[x]
                gx = row[x + 1] - row[x - 1]
                size = np.sqrt(gy * gy + gx * gx)
                some = np.float32(1) if size > FLAT else np.float32(0)
                size = max(size, FLAT)
                down[x] = some * gy / size
                across[x] = some * gx / size


@kernel(nogil=True)
def unit_gradients(dn: NDArray, which: NDArray, out: NDArray) -> None:
    """`unit_gradient` of some bands of many pictures: dn (N, B, H, W), which (K,) bands, out (N, 2, K, H, W)."""
    for n in range(len(dn)):
        for k in range(len(which)):
            unit_gradient(dn[n, which[k]], out[n, 0, k], out[n, 1, k])


@kernel(nogil=True)
def doubled_gradient(
    band: NDArray, smooth: NDArray, slope: NDArray, sines: NDArray, cosines: NDArray
) -> None:
    """Unit vectors of a band's doubled gradient angle, (H, W) float32 each.

    The gradient is a Gaussian derivative: `slope` (r,) are the weights of the differences 1..r pixels away,
    `smooth` (r + 1,) those of the smoothing at 0..r; the border repeats its last pixel. Flat pixels are 0.
    """
    height, width = band.shape
    reach = len(slope)
    down = np.empty(width + 2 * reach, np.float32)  # smoothed along the columns, its border repeated
    diff = np.empty(width + 2 * reach, np.float32)  # differentiated along them
    # Views that begin where they are read: an index with an offset may be negative, and such loops stay scalar.
    down_row, diff_row = down[reach : reach + width], diff[reach : reach + width]
    gy = np.empty(width, np.float32)
    gx = np.empty(width, np.float32)
    for y in range(height):
        row = band[y]
        for x in range(width):
            down_row[x] = smooth[0] * row[x]
            diff_row[x] = 0
        for k in range(1, reach + 1):
            above, below = band[max(y - k, 0)], band[min(y + k, height - 1)]
            s, d = smooth[k], slope[k - 1]
            for x in range(width):
                down_row[x] += s * (above[x] + below[x])
                diff_row[x] += d * (below[x] - above[x])
        for field in (down, diff):
            field[:reach] = field[reach]
            field[reach + width :] = field[reach + width - 1]
        for x in range(width):
            gy[x] = smooth[0] * diff_row[x]
            gx[x] = 0
        for k in range(1, reach + 1):
            s, d = smooth[k], slope[k - 1]
            left, right = reach - k, reach + k
            diff_left, diff_right = diff[left : left + width], diff[right : right + width]
            down_left, down_right = down[left : left + width], down[right : right + width]
            for x in range(width):
                gy[x] += s * (diff_left[x] + diff_right[x])
                gx[x] += d * (down_right[x] - down_left[x])
        sine, cosine = sines[y], cosines[y]
        for x in range(width):
            product = gy[x] * gx[x]
            power = gy[x] * gy[x] + gx[x] * gx[x]
            some = np.float32(1) if power > FLAT * FLAT else np.float32(0)
            gain = some / max(power, FLAT * FLAT)
            sine[x] = (product + product) * gain
            cosine[x] = (gx[x] * gx[x] - gy[x] * gy[x]) * gain


@kernel(nogil=True)
def doubled_gradients(dn: NDArray, which: NDArray, smooth: NDArray, slope: NDArray, out: NDArray) -> None:
    """`doubled_gradient` of some bands of many pictures: dn (N, B, H, W), which (K,) bands, out (N, 2, K, H, W)."""
    for n in range(len(dn)):
        for k in range(len(which)):
            doubled_gradient(dn[n, which[k]], smooth, slope, out[n, 0, k], out[n, 1, k])


@kernel(nogil=True)
def log_magnitude(dn: NDArray, floor: float, half: int, out: NDArray) -> None:
    """Log of gradient magnitude plus `floor`, less its mean over 2 half + 1 px: dn (B, H, W) to out (B, H, W).

    Central differences (halved); the border's magnitude is that of a flat pixel; means repeat the border.
    """
    bands, height, width = dn.shape
    flat = np.float32(np.log(floor))
    size = 2 * half + 1
    level = np.empty((bands, height, width), np.float32)
    level[:] = flat
    for b in range(bands):
        for y in range(1, height - 1):
            above, row, below = dn[b, y - 1], dn[b, y], dn[b, y + 1]
            for x in range(1, width - 1):
                gy = (below[x] - above[x]) * np.float32(0.5)
                gx = (row[x + 1] - row[x - 1]) * np.float32(0.5)
                level[b, y, x] = np.log(np.sqrt(gy * gy + gx * gx) + np.float32(floor))
    across = np.empty((bands, height, width), np.float64)  # sums along rows
    for y in range(height):
        for b in range(bands):
            total = 0.0
            for k in range(-half, half + 1):
                total += level[b, y, min(max(k, 0), width - 1)]
            across[b, y, 0] = total
            for x in range(1, width):
                total += level[b, y, min(x + half, width - 1)] - level[b, y, max(x - half - 1, 0)]
                across[b, y, x] = total
    for b in range(bands):
        total_row = np.zeros(width, np.float64)
        for k in range(-half, half + 1):
            total_row += across[b, min(max(k, 0), height - 1)]
        for y in range(height):
            if y:
                total_row += across[b, min(y + half, height - 1)] - across[b, max(y - half - 1, 0)]
            for x in range(width):
                out[b, y, x] = level[b, y, x] - total_row[x] / (size * size)
