"""The sweep's inner loops: fields from bits, products of spectra, the highest places of a map, one place's sum."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel


@kernel(nogil=True)
def _signs(planes: NDArray, corner: tuple[int, int], line: NDArray) -> int:
    """Bits of a row of one plane (words, H) from a corner (y, x) on as -1 and 1, to line; where in it they begin."""
    first = corner[1] >> 6
    for w in range(len(line) >> 6):
        word = planes[first + w, corner[0]]
        part = line[64 * w : 64 * w + 64]
        for x in range(64):
            part[x] = np.float32(2 * np.int32((word >> np.uint64(x)) & np.uint64(1)) - 1)
    return corner[1] & 63


@kernel(nogil=True)
def _line(corner: tuple[int, int], width: int) -> NDArray:
    """Room for a row of so many columns from a corner on, in whole words."""
    return np.empty((((corner[1] & 63) + width + 63) >> 6) << 6, np.float32)


@kernel(nogil=True)
def folded_signs(planes: NDArray, corner: tuple[int, int], size: tuple[int, int], out: NDArray) -> None:
    """Bits of a window as fields of -1 and 1, folded: planes (P, words, H) uint64 to out (P, h, w) float32.

    Word w of row y holds columns 64 w to 64 w + 63, lowest bit first; the window has `size` (rows, columns), its
    top-left pixel is corner (y, x). Pixels whose rows differ by multiples of h, and columns by multiples of w, are
    summed.
    """
    count, height, width = out.shape
    line = _line(corner, size[1])
    out[:] = 0
    for p in range(count):
        for y in range(size[0]):
            offset = _signs(planes[p], (corner[0] + y, corner[1]), line)
            row = out[p, y % height]
            for start in range(0, size[1], width):
                part = line[offset + start : offset + min(start + width, size[1])]
                for x in range(len(part)):
                    row[x] += part[x]


@kernel(nogil=True, fastmath=REORDER)
def place_sum(planes: NDArray, corner: tuple[int, int], template: NDArray) -> float:
    """Sum of a template (P, h, w) float32 times the signs of the window at a corner (y, x) of planes (P, words, H)."""
    count, height, width = template.shape
    line = _line(corner, width)
    total = 0.0
    for p in range(count):
        for y in range(height):
            offset = _signs(planes[p], (corner[0] + y, corner[1]), line)
            own, part = template[p, y], line[offset : offset + width]
            row = np.float32(0)
            for x in range(width):
                row += own[x] * part[x]
            total += np.float64(row)
    return total


@kernel(nogil=True)
def part_spectra(spectra: NDArray, scale: float, out: NDArray) -> None:
    """Spectra (P, H, W) complex64 in whole numbers, row by row: `scale` times each to out (H, P, 2, W), signed."""
    count, height, width = spectra.shape
    for y in range(height):
        for p in range(count):
            row, real, imaginary = spectra[p, y], out[y, p, 0], out[y, p, 1]
            for x in range(width):
                real[x] = np.int32(np.rint(row[x].real * scale))
                imaginary[x] = np.int32(np.rint(row[x].imag * scale))


@kernel(nogil=True, fastmath=REORDER)
def summed_product(patch: NDArray, target: NDArray, out: NDArray) -> None:
    """Sum over fields of conj(patch) target, packed for a real inverse transform, whose height and width are even.

    (H, P, 2, W / 2 + 1) int8 and int16 to out (H, W) float32 in OpenCV's CCS layout: real and imaginary parts side by
    side; of columns 0 and W / 2, which are their own mirror images, the upper half, part by part down the first and
    last column.
    """
    height, count, _, width = patch.shape
    last = width - 1
    real = np.empty(width, np.float32)
    imaginary = np.empty(width, np.float32)
    for y in range(height):
        real[:] = 0
        imaginary[:] = 0
        for p in range(count):
            own_real, own_imaginary = patch[y, p, 0], patch[y, p, 1]
            other_real, other_imaginary = target[y, p, 0], target[y, p, 1]
            for x in range(width):
                a, b = np.float32(own_real[x]), np.float32(own_imaginary[x])
                c, d = np.float32(other_real[x]), np.float32(other_imaginary[x])
                real[x] += a * c + b * d
                imaginary[x] += a * d - b * c
        row = out[y]
        for x in range(1, last):
            row[2 * x - 1] = real[x]
            row[2 * x] = imaginary[x]
        if y <= height // 2:
            at = max(2 * y - 1, 0)
            out[at, 0], out[at, 2 * last - 1] = real[0], real[last]
            if 0 < y < height // 2:
                out[at + 1, 0], out[at + 1, 2 * last - 1] = imaginary[0], imaginary[last]


@kernel(nogil=True, fastmath=REORDER)
def highest_places(
    values: NDArray, width: int, apart: int, out_score: NDArray, out_place: NDArray, out_noise: NDArray
) -> None:
    """The highest place of a map and the highest that is more than `apart` px off in y or x.

    The map is the first `width` columns of values (H, W). out_score (2,): values less the map's mean and over its
    deviation, 0 where the map is even, -1 where there is no second; out_place (2, 2) as (y, x); out_noise (2,): that
    mean and deviation. Sums of rows are added in float64. Ties go to the lower y, then the lower x.
    """
    height = len(values)
    total = 0.0
    square = 0.0
    tops = np.empty(height, np.float32)  # of every row
    best_y = 0
    for y in range(height):
        row = values[y, :width]
        row_total = np.float32(0)
        row_square = np.float32(0)
        for x in range(width):
            row_total += row[x]
            row_square += row[x] * row[x]
        high = row[0]
        for x in range(width):
            high = max(high, row[x])
        total += np.float64(row_total)
        square += np.float64(row_square)
        tops[y] = high
        if high > tops[best_y]:
            best_y = y
    best_x = 0
    while values[best_y, best_x] != tops[best_y]:
        best_x += 1
    best = tops[best_y]
    second = np.float32(-np.inf)
    second_y = 0
    second_x = 0
    for y in range(height):
        if tops[y] <= second:
            continue
        for x in range(width):
            if values[y, x] > second and (abs(y - best_y) > apart or abs(x - best_x) > apart):
                second = values[y, x]
                second_y = y
                second_x = x
    mean = total / (height * width)
    spread = max(square / (height * width) - mean * mean, 0.0)
    scale = 1.0 / np.sqrt(spread) if spread > 1e-24 else 0.0
    out_score[0] = (best - mean) * scale
    out_score[1] = (second - mean) * scale if second > -np.inf else -1.0
    out_noise[0] = mean
    out_noise[1] = np.sqrt(spread)
    out_place[0, 0] = best_y
    out_place[0, 1] = best_x
    out_place[1, 0] = second_y
    out_place[1, 1] = second_x
