"""How many pixels of a patch say something, and how alike neighbours among them are."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))  # rows and columns to a neighbour: two pairs at right angles


@kernel(nogil=True)
def edge_directions(dn: NDArray, seen: NDArray, ceiling: float, vector: NDArray) -> tuple[int, float]:
    """Directions of a picture's edges, whichever side is bright.

    dn (H, W, B), seen (H, W) bool; vector (H, W, 2) float64: cosine and sine of twice the angle of the central
    differences of the band where they are largest; 0 where all vanish, on the border, where a pixel is not seen, and
    where it stands at the ceiling in all bands. Returns how many pixels have one, and the share of their bands' values
    below the ceiling.
    """
    height, width, bands = dn.shape
    count, below = 0, 0
    vector[:] = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            most, down, right, open_ = 0.0, 0.0, 0.0, 0
            for b in range(bands):
                v = np.float64(dn[y + 1, x, b]) - np.float64(dn[y - 1, x, b])
                u = np.float64(dn[y, x + 1, b]) - np.float64(dn[y, x - 1, b])
                if u * u + v * v > most:
                    most, down, right = u * u + v * v, v, u
                open_ += dn[y, x, b] < ceiling
            if open_ > 0 and most > 0 and seen[y, x]:
                vector[y, x, 0] = (right * right - down * down) / most
                vector[y, x, 1] = 2 * right * down / most
                count += 1
                below += open_
    return count, below / max(count * bands, 1)


@kernel(nogil=True)
def likeness(vector: NDArray, out: NDArray) -> None:
    """Mean product of the unit vectors (H, W, 2) of neighbours that both have one: out (4,), 0 for none."""
    height, width, _ = vector.shape
    for k, (down, right) in enumerate(_STEPS):
        total, pairs = 0.0, 0
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                c, s = vector[y, x]
                d, t = vector[y + down, x + right]
                if (c != 0 or s != 0) and (d != 0 or t != 0):
                    total += c * d + s * t
                    pairs += 1
        out[k] = total / pairs if pairs else 0.0


@kernel(nogil=True)
def strong_pixels(dn: NDArray, seen: NDArray, faint: float) -> int:
    """How many pixels that are seen have a gradient stronger than `faint` in any band: dn (H, W, B), seen (H, W).

    Differences of the neighbours on both sides over their distance, at the edges of the pixel and its only neighbour.
    """
    height, width, bands = dn.shape
    least = np.float32(faint * faint)
    count = 0
    for y in range(height):
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        tall = np.float32(max(down - up, 1))
        for x in range(width):
            if not seen[y, x]:
                continue
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            wide = np.float32(max(right - left, 1))
            for b in range(bands):
                gy = (dn[down, x, b] - dn[up, x, b]) / tall
                gx = (dn[y, right, b] - dn[y, left, b]) / wide
                if gy * gy + gx * gx > least:
                    count += 1
                    break
    return count
