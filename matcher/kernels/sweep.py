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
def folded_signs(
    planes: NDArray, corners: NDArray, size: tuple[int, int], fold: tuple[int, int], out: NDArray
) -> None:
    """Bits of two windows as fields of -1 and 1, folded: planes (P, words, H) uint64 to out (P, h, w, 2) float32.

    Word w of row y holds columns 64 w to 64 w + 63, lowest bit first; the windows have `size` (rows, columns), their
    top-left pixels are corners (2, 2), (y, x) each. Pixels whose rows differ by multiples of fold[0] and columns by
    multiples of fold[1] are summed; the rest of out is 0.
    """
    count = len(out)
    sums = np.empty((2, fold[0], fold[1]), np.float32)
    for p in range(count):
        sums[:] = 0
        for c in range(2):
            line = _line((corners[c, 0], corners[c, 1]), size[1])
            for y in range(size[0]):
                offset = _signs(planes[p], (corners[c, 0] + y, corners[c, 1]), line)
                row = sums[c, y % fold[0]]
                for start in range(0, size[1], fold[1]):
                    part = line[offset + start : offset + min(start + fold[1], size[1])]
                    for x in range(len(part)):
                        row[x] += part[x]
        out[p] = 0
        for y in range(fold[0]):
            one, other, both = sums[0, y], sums[1, y], out[p, y]
            for x in range(fold[1]):
                both[x, 0] = one[x]
                both[x, 1] = other[x]


@kernel(nogil=True, fastmath=REORDER)
def place_sum(planes: NDArray, corner: tuple[int, int], template: NDArray) -> float:
    """Sum of a template (P, h, w) float32 times the signs of the window at a corner (y, x) of planes (P, words, H)."""
    count, height, width = template.shape
    shift = np.uint64(corner[1] & 63)
    total = 0.0
    for p in range(count):
        for y in range(height):
            for start in range(0, width, 64):
                w = (corner[1] + start) >> 6
                word = planes[p, w, corner[0] + y] >> shift
                if shift:
                    word |= planes[p, w + 1, corner[0] + y] << (np.uint64(64) - shift)
                row = np.float32(0)
                for x in range(min(64, width - start)):
                    value = template[p, y, start + x]
                    row += value if (word >> np.uint64(x)) & np.uint64(1) else -value
                total += np.float64(row)
    return total


@kernel(nogil=True)
def part_spectra(spectra: NDArray, scale: float, out: NDArray) -> None:
    """Spectra in whole numbers, row by row: `scale` times (P, H, 2 W' >= 2 W) float32 to out (H, P, 2, W), signed.

    Of spectra the real parts are the even columns.
    """
    height, count, _, width = out.shape
    factor = np.float32(scale)
    for y in range(height):
        for p in range(count):
            row, real, imaginary = spectra[p, y], out[y, p, 0], out[y, p, 1]
            for x in range(width):
                real[x] = np.int32(np.rint(row[2 * x] * factor))
                imaginary[x] = np.int32(np.rint(row[2 * x + 1] * factor))


@kernel(nogil=True, fastmath=REORDER)
def summed_product(patch: NDArray, target: NDArray, out: NDArray) -> None:
    """Sum over fields of conj(patch) target: (H, P, 2, W) int8 and int16 to out (H, 2 W' >= 2 W) float32.

    Of out the real parts are the even columns.
    """
    height, count, _, width = patch.shape
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
        for x in range(width):
            row[2 * x] = real[x]
            row[2 * x + 1] = imaginary[x]


@kernel(nogil=True, fastmath=REORDER)
def highest_places(
    values: NDArray,
    places: tuple[int, int],
    apart: int,
    out_score: NDArray,
    out_place: NDArray,
    out_noise: NDArray,
) -> None:
    """Of two maps the highest place and the highest that is more than `apart` px off in y or x.

    The maps are the even and the odd columns of values (H, 2 W), the first `places` (rows, columns) of each. To
    out_score (2, 2), a row a map: values less the map's mean and over its deviation, 0 where the map is even, -1 where
    there is no second; to out_place (2, 2, 2) as (y, x); to out_noise (2, 2) that mean and deviation. Sums of rows are
    added in float64. Ties go to the lower y, then the lower x.
    """
    height, width = places
    noise = np.zeros((2, 2))  # sums, and sums of squares
    tops = np.empty((2, height), np.float32)  # of every row
    line = np.empty((2, width), np.float32)
    one, other = line[0], line[1]
    for y in range(height):
        row = values[y]
        for x in range(width):
            one[x] = row[2 * x]
            other[x] = row[2 * x + 1]
        for c in range(2):
            part = line[c]
            row_total = np.float32(0)
            row_square = np.float32(0)
            for x in range(width):
                row_total += part[x]
                row_square += part[x] * part[x]
            high = part[0]
            for x in range(width):
                high = max(high, part[x])
            noise[c, 0] += np.float64(row_total)
            noise[c, 1] += np.float64(row_square)
            tops[c, y] = high
    for c in range(2):
        best_y = np.argmax(tops[c])
        best_x = np.argmax(values[best_y, c : 2 * width : 2])
        second = np.float32(-np.inf)
        second_y = 0
        second_x = 0
        for y in range(height):
            if tops[c, y] <= second:
                continue
            if abs(y - best_y) > apart:
                second, second_y, second_x = tops[c, y], y, -1
                continue
            for x in range(width):
                if values[y, 2 * x + c] > second and abs(x - best_x) > apart:
                    second, second_y, second_x = values[y, 2 * x + c], y, x
        if second_x < 0:
            second_x = np.argmax(values[second_y, c : 2 * width : 2])
        mean = noise[c, 0] / (height * width)
        spread = max(noise[c, 1] / (height * width) - mean * mean, 0.0)
        scale = 1.0 / np.sqrt(spread) if spread > 1e-24 else 0.0
        out_score[c, 0] = (tops[c, best_y] - mean) * scale
        out_score[c, 1] = (second - mean) * scale if second > -np.inf else -1.0
        out_noise[c, 0] = mean
        out_noise[c, 1] = np.sqrt(spread)
        out_place[c, 0, 0] = best_y
        out_place[c, 0, 1] = best_x
        out_place[c, 1, 0] = second_y
        out_place[c, 1, 1] = second_x
