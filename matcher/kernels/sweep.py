"""The sweep's inner loops: fields from bits, products of spectra, the highest place of a map against its noise."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel


@kernel(nogil=True)
def signs_of_bits(planes: NDArray, corner: tuple[int, int], out: NDArray) -> None:
    """Bits of a window as fields of -1 and 1: planes (P, words, H) uint64 to out (P, h, w) float32.

    Word w of row y holds columns 64 w to 64 w + 63, lowest bit first; the window's top-left pixel is corner (y, x).
    """
    count, height, width = out.shape
    first, offset = corner[1] >> 6, corner[1] & 63
    words = (offset + width + 63) >> 6
    line = np.empty(64 * words, np.float32)
    for p in range(count):
        for y in range(height):
            for w in range(words):
                word = planes[p, first + w, corner[0] + y]
                part = line[64 * w : 64 * w + 64]
                for x in range(64):
                    part[x] = np.float32(2 * np.int32((word >> np.uint64(x)) & np.uint64(1)) - 1)
            row = out[p, y]
            for x in range(width):
                row[x] = line[offset + x]


@kernel(nogil=True)
def part_spectra(spectra: NDArray, out: NDArray) -> None:
    """Spectra (P, H, W) complex64 as real and imaginary parts row by row: out (H, P, 2, W) float32."""
    count, height, width = spectra.shape
    for y in range(height):
        for p in range(count):
            row, real, imaginary = spectra[p, y], out[y, p, 0], out[y, p, 1]
            for x in range(width):
                real[x] = row[x].real
                imaginary[x] = row[x].imag


@kernel(nogil=True, fastmath=REORDER)
def summed_product(patch: NDArray, target: NDArray, out: NDArray) -> None:
    """Sum over fields of conj(patch) target: (H, P, 2, W) int16 and float32 to out (H, W) complex64."""
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
                real[x] += a * other_real[x] + b * other_imaginary[x]
                imaginary[x] += a * other_imaginary[x] - b * other_real[x]
        for x in range(width):
            out[y, x] = complex(real[x], imaginary[x])


@kernel(nogil=True, fastmath=REORDER)
def highest_places(values: NDArray, width: int, apart: int, out_score: NDArray, out_place: NDArray) -> None:
    """The highest place of a map and the highest that is more than `apart` px off in y or x.

    The map is the first `width` columns of values (H, W). out_score (2,): values less the map's mean and over its
    deviation, 0 where the map is even, -1 where there is no second; out_place (2, 2) as (y, x). Sums in float64, row by
    row. Ties go to the lower y, then the lower x.
    """
    height = len(values)
    total = 0.0
    square = 0.0
    tops = np.empty(height, np.float32)  # of every row
    best_y = 0
    for y in range(height):
        row = values[y]
        row_total = 0.0
        row_square = 0.0
        high = row[0]
        for x in range(width):
            v = np.float64(row[x])
            row_total += v
            row_square += v * v
            high = max(high, row[x])
        total += row_total
        square += row_square
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
    out_place[0, 0] = best_y
    out_place[0, 1] = best_x
    out_place[1, 0] = second_y
    out_place[1, 1] = second_x
