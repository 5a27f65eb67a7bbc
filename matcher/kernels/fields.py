"""Gradient fields of a picture: the inner loops of the evidence."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

FLAT = np.float32(1e-3)  # DN; a gradient below is no gradient


@kernel(nogil=True)
def unit_gradient(dn: NDArray, out: NDArray) -> None:
    """Unit vectors of central differences: dn (H, W, B) float32 to out (2 B, H, W), rows' components first.

    Border pixels and flat ones are 0.
    """
    height, width, bands = dn.shape
    for y in range(height):
        out[:, y, :] = 0
        if 0 < y < height - 1:
            for b in range(bands):
                for x in range(1, width - 1):
                    gy = dn[y + 1, x, b] - dn[y - 1, x, b]
                    gx = dn[y, x + 1, b] - dn[y, x - 1, b]
                    size = np.sqrt(gy * gy + gx * gx)
                    if size > FLAT:
                        out[b, y, x] = gy / size
                        out[bands + b, y, x] = gx / size


@kernel(nogil=True)
def doubled_gradient(dn: NDArray, smooth: NDArray, slope: NDArray, out: NDArray) -> None:
    """Unit vectors of doubled gradient angle: dn (H, W, B) float32 to out (2 B, H, W), sines first.

    The gradient is a Gaussian derivative: `slope` (r,) are the weights of the differences 1..r pixels away,
    `smooth` (r + 1,) those of the smoothing at 0..r; the border repeats its last pixel. Flat pixels are 0.
    """
    height, width, bands = dn.shape
    reach = len(slope)
    for y in range(height):
        down = np.empty(width, np.float32)  # smoothed along the columns / differentiated along them
        diff = np.empty(width, np.float32)
        for b in range(bands):
            for x in range(width):
                s = smooth[0] * dn[y, x, b]
                d = np.float32(0)
                for k in range(1, reach + 1):
                    above = dn[max(y - k, 0), x, b]
                    below = dn[min(y + k, height - 1), x, b]
                    s += smooth[k] * (above + below)
                    d += slope[k - 1] * (below - above)
                down[x] = s
                diff[x] = d
            for x in range(width):
                gy = smooth[0] * diff[x]
                gx = np.float32(0)
                for k in range(1, reach + 1):
                    left = max(x - k, 0)
                    right = min(x + k, width - 1)
                    gy += smooth[k] * (diff[left] + diff[right])
                    gx += slope[k - 1] * (down[right] - down[left])
                power = gy * gy + gx * gx
                if power > FLAT * FLAT:
                    out[b, y, x] = 2 * gy * gx / power
                    out[bands + b, y, x] = (gx * gx - gy * gy) / power
                else:
                    out[b, y, x] = 0
                    out[bands + b, y, x] = 0


@kernel(nogil=True)
def log_magnitude(dn: NDArray, floor: float, half: int, out: NDArray) -> None:
    """Log of gradient magnitude plus `floor`, less its mean over 2 half + 1 px: dn (H, W, B) to out (B, H, W).

    Central differences (halved); the border's magnitude is that of a flat pixel; means repeat the border.
    """
    height, width, bands = dn.shape
    flat = np.float32(np.log(floor))
    size = 2 * half + 1
    level = np.empty((bands, height, width), np.float32)
    for y in range(height):
        for b in range(bands):
            for x in range(width):
                if 0 < y < height - 1 and 0 < x < width - 1:
                    gy = (dn[y + 1, x, b] - dn[y - 1, x, b]) * np.float32(0.5)
                    gx = (dn[y, x + 1, b] - dn[y, x - 1, b]) * np.float32(0.5)
                    level[b, y, x] = np.log(np.sqrt(gy * gy + gx * gx) + np.float32(floor))
                else:
                    level[b, y, x] = flat
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
