"""Gradient fields of a picture: the inner loops of the evidence.

Pictures come band by band, (B, H, W): loops along a row are then vectorised.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

FLAT = np.float32(1e-3)  # DN; a gradient below is no gradient
LEAST = FLAT * FLAT
ABOUT = 4  # px; an edge stands out of what lies so far on every side
_ROWS = 16  # whose sums are made together: they stay in the cache


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
def doubled_gradient(
    band: NDArray, smooth: NDArray, slope: NDArray, sines: NDArray, cosines: NDArray
) -> None:
    """Unit vectors of a band's doubled gradient angle, (H, W) float32 each; flat pixels are 0.

    Of its `gradient` by these weights; the border repeats its last pixel.
    """
    gain = np.empty(band.shape[1], np.float32)
    gradient(band, smooth, slope, False, sines, cosines)
    for y in range(len(band)):
        gy, gx = sines[y], cosines[y]
        for x in range(len(gain)):
            power = gy[x] * gy[x] + gx[x] * gx[x]
            some = np.float32(1) if power > LEAST else np.float32(0)
            gain[x] = some / max(power, LEAST)
        _double(gy, gx, gain)


@kernel(nogil=True)
def prominent_gradients(
    dn: NDArray,
    which: NDArray,
    seen: NDArray,
    weights: tuple[NDArray, NDArray],
    doubled: bool,
    share: float,
    out: NDArray,
) -> None:
    """Gradients over their own size and a share of the sizes about them: of edges that stand out, nearly 1 long.

    dn (N, B, H, W), which (K,) bands, seen (N, H, W) bool, out (N, 2, K, H, W): components along columns first, or with
    `doubled` sines and cosines of the doubled angle, of the same length. 0 where not seen, and where there is no
    gradient. `weights` are `smooth` and `slope` of `gradient`. The sizes about a pixel count as the square of the mean
    of their roots, over what is seen of 9 x 9 px: the edge of a cloud does not silence all that is near.
    """
    _, _, height, width = dn.shape
    smooth, slope = weights
    wide = width + 2 * ABOUT
    there = np.zeros((height + 2 * ABOUT, wide), np.float32)  # 0 about the picture, and so are the roots
    root = np.zeros((height + 2 * ABOUT, wide), np.float32)
    inside = slice(ABOUT, ABOUT + width)
    part = np.empty((height, wide), np.float32)  # of a mean, that each pixel seen about makes
    about = np.empty((height, wide), np.float32)
    gain = np.empty(width, np.float32)
    for n in range(len(dn)):
        for y in range(height):
            for x in range(width):
                there[ABOUT + y, ABOUT + x] = seen[n, y, x]
        nine_sums(there, part)
        for y in range(height):
            row = part[y, :width]
            for x in range(width):
                row[x] = np.float32(1) / max(row[x], np.float32(1))
        for k in range(len(which)):
            down, across = out[n, 0, k], out[n, 1, k]
            gradient(dn[n, which[k]], smooth, slope, True, down, across)
            for y in range(height):
                _root_sizes(down[y], across[y], there[ABOUT + y, inside], root[ABOUT + y, inside])
            nine_sums(root, about)
            for y in range(height):
                _gains(root[ABOUT + y, inside], about[y], part[y], np.float32(share), doubled, gain)
                if doubled:
                    _double(down[y], across[y], gain)
                else:
                    _multiply(down[y], gain)
                    _multiply(across[y], gain)


@kernel(nogil=True)
def _root_sizes(down: NDArray, across: NDArray, there: NDArray, out: NDArray) -> None:
    """Roots of the lengths of a row of gradients, 0 where they are not `there`; (W,) each."""
    for x in range(len(out)):
        out[x] = there[x] * np.sqrt(np.sqrt(down[x] * down[x] + across[x] * across[x]))


@kernel(nogil=True)
def _gains(root: NDArray, about: NDArray, part: NDArray, share: float, doubled: bool, out: NDArray) -> None:
    """What a row of gradients is multiplied by; where they are to be `doubled`, their products."""
    for x in range(len(out)):
        size = root[x] * root[x]
        mean = about[x] * part[x]
        level = size + share * mean * mean
        some = np.float32(1) if size > FLAT else np.float32(0)
        # Never over 0, as the compiler can see too: else it would make no vectors of it.
        out[x] = some / max(level * size if doubled else level, LEAST)


@kernel(nogil=True)
def _multiply(row: NDArray, gain: NDArray) -> None:
    for x in range(len(row)):
        row[x] *= gain[x]


@kernel(nogil=True)
def _double(down: NDArray, across: NDArray, gain: NDArray) -> None:
    """A row of gradients to products of twice their angle, sines and cosines, times the gain."""
    for x in range(len(down)):
        gy, gx = down[x], across[x]
        down[x] = np.float32(2) * gy * gx * gain[x]
        across[x] = (gx * gx - gy * gy) * gain[x]


@kernel(nogil=True)
def gradient(
    band: NDArray, smooth: NDArray, slope: NDArray, turned: bool, out_down: NDArray, out_across: NDArray
) -> None:
    """Gradient of a band (H, W), its components along columns and along rows, each (H, W) float32.

    `slope` (r,) are the weights of the differences 1..r pixels away, `smooth` (r + 1,) those of the smoothing at 0..r.
    Beyond the border the picture repeats its last pixel or, `turned`, goes on as it came, turned about that pixel: what
    a patch shows at its border is then compared without a bias, where a repeated pixel halves the gradient across it.
    """
    height, width = band.shape
    reach = len(slope)
    last = reach + width - 1
    turn = np.float32(turned)
    # Smoothed along the columns, and differentiated along them, with what lies beyond the ends of the row.
    down = np.empty(width + 2 * reach, np.float32)
    diff = np.empty(width + 2 * reach, np.float32)
    beyond = np.empty((2, width), np.float32)
    # Views that begin where they are read: an index with an offset may be negative, and such loops stay scalar.
    down_row, diff_row = down[reach : reach + width], diff[reach : reach + width]
    for y in range(height):
        row = band[y]
        for x in range(width):
            down_row[x] = smooth[0] * row[x]
            diff_row[x] = 0
        for k in range(1, reach + 1):
            above, below = band[max(y - k, 0)], band[min(y + k, height - 1)]
            if y < k:
                _beyond(above, band[min(k - y, height - 1)], turn, beyond[0])
                above = beyond[0]
            if y + k >= height:
                _beyond(below, band[max(2 * (height - 1) - y - k, 0)], turn, beyond[1])
                below = beyond[1]
            s, d = smooth[k], slope[k - 1]
            for x in range(width):
                down_row[x] += s * (above[x] + below[x])
                diff_row[x] += d * (below[x] - above[x])
        for field in (down, diff):
            for k in range(1, reach + 1):
                field[reach - k] = field[reach] + turn * (field[reach] - field[min(reach + k, last)])
                field[last + k] = field[last] + turn * (field[last] - field[max(last - k, reach)])
        gy, gx = out_down[y], out_across[y]
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


@kernel(nogil=True)
def _beyond(edge: NDArray, inside: NDArray, turn: float, out: NDArray) -> None:
    """A row beyond the border: the last row, and `turn` of what it lies above the row as far inside."""
    for x in range(len(out)):
        out[x] = edge[x] + turn * (edge[x] - inside[x])


@kernel(nogil=True)
def nine_sums(values: NDArray, out: NDArray) -> None:
    """Sums over 9 x 9 px: of (H + 8, W + 8), 4 px more on every side, to the first W columns of (H, W + 8), float32.

    By threes of threes in one order wherever a pixel lies, not as differences of running sums, so that a tile has what
    its picture has. Rows go some at a time as one long row each, since calls for short ones cost more than their sums.
    """
    height, pitch = out.shape
    flat, total = values.reshape(-1), out.reshape(-1)
    threes = np.empty((_ROWS + 6) * pitch, np.float32)
    down = np.empty(_ROWS * pitch, np.float32)
    for y in range(0, height, _ROWS):
        size = min(_ROWS, height - y) * pitch
        rows = flat[y * pitch :]
        _add_three(rows, pitch, threes[: size + 6 * pitch])
        _add_three(threes, 3 * pitch, down[:size])
        _add_three(down, 1, threes[: size - 2])
        _add_three(threes, 3, total[y * pitch : y * pitch + size - 8])


@kernel(nogil=True)
def _add_three(values: NDArray, apart: int, out: NDArray) -> None:
    """Sums of each value and of those `apart` and twice as far behind it."""
    first, second, third = values, values[apart:], values[2 * apart :]
    for k in range(len(out)):
        out[k] = first[k] + second[k] + third[k]


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
