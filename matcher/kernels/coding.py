"""One-bit codes of pictures, from reflectance to packed bits, one picture a thread."""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from matcher.kernels.fields import doubled_gradient, unit_gradient
from matcher.kernels.jit import kernel

NOTHING = np.float32(1e-4)  # a field below is 0: it votes by lot


@kernel(inline="always")
def lot_bit(lot: int, number: int) -> int:
    """A fixed random bit for each lot and number (the finaliser of splitmix64)."""
    z = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(lot) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) & np.uint64(1))


@kernel(nogil=True)
def add_to(one: NDArray, total: NDArray) -> None:
    """total += one for two-dimensional arrays, without the copy that numba makes of an expression."""
    for y in range(len(one)):
        for x in range(one.shape[1]):
            total[y, x] += one[y, x]


@kernel(nogil=True)
def plane_fields(
    dn: NDArray,
    valid: NDArray,
    visible: NDArray,
    nir: int,
    smooth: NDArray,
    slope: NDArray,
    out: NDArray,
) -> None:
    """Fields of every plane: dn (H, W, B) to out (P, H, W), 0 where not valid (H, W).

    Planes: of the visible bands' sum the two of signed phase, the two of sign-blind phase; then the same of band
    `nir` unless it is -1.
    """
    height, width, _ = dn.shape
    # A band at a time: what stays in the cache is made faster.
    band = np.empty((1, height, width), np.float32)
    two = np.empty((2, height, width), np.float32)
    out[:] = 0
    for k in range(len(visible) + (nir >= 0)):
        first = 0 if k < len(visible) else 4
        b = visible[k] if k < len(visible) else nir
        for y in range(height):
            for x in range(width):
                band[0, y, x] = dn[y, x, b]
        unit_gradient(band, two)
        add_to(two[0], out[first])
        add_to(two[1], out[first + 1])
        doubled_gradient(band, smooth, slope, two)
        add_to(two[0], out[first + 2])
        add_to(two[1], out[first + 3])
    if not valid.all():
        for p in range(len(out)):
            for y in range(height):
                for x in range(width):
                    if not valid[y, x]:
                        out[p, y, x] = 0


@kernel(nogil=True)
def pack_signs(fields: NDArray, lot: int, out: NDArray) -> None:
    """Signs of fields (P, H, W) as words (P, words, H): word w of row y holds columns 64 w …, lowest bit first."""
    planes, height, width = fields.shape
    for p in range(planes):
        for y in range(height):
            row = fields[p, y]
            for w in range(out.shape[1]):
                word = np.uint64(0)
                for x in range(64 * w, min(64 * w + 64, width)):
                    bit = row[x] > 0
                    if abs(row[x]) < NOTHING:
                        bit = lot_bit(lot, (p * height + y) * width + x) == 1
                    word |= np.uint64(bit) << np.uint64(x & 63)
                out[p, w, y] = word


@kernel(nogil=True)
def block_sums(fields: NDArray, factor: int, out: NDArray) -> None:
    """Sums over factor x factor blocks: (P, H, W) to (P, H // factor, W // factor)."""
    planes, height, width = out.shape
    out[:] = 0
    for p in range(planes):
        for y in range(height * factor):
            row, total = fields[p, y], out[p, y // factor]
            for x in range(width):
                for k in range(factor):
                    total[x] += row[x * factor + k]


@kernel(nogil=True)
def pooled_codes(fields: NDArray, cell: int, stride: int, cells: NDArray, lot: int, out: NDArray) -> None:
    """Coarse codes: signs of sums over cell x cell px, at every `stride` px: (P, H, W) to out (W, rows, columns).

    Word p of a place holds the signs of the cells below it, row by row, lowest bit first; cell is a multiple of
    stride. out has at least P words; those beyond are 0.
    """
    planes, height, width = fields.shape
    rows, columns = out.shape[1:]
    step = cell // stride
    high = rows + step * (cells[0] - 1)
    wide = columns + step * (cells[1] - 1)
    sums = np.zeros((height + 1, width + 1))
    bits = np.empty((high, wide), np.uint64)
    out[:] = 0
    for p in range(planes):
        for y in range(height):
            row = 0.0
            for x in range(width):
                row += fields[p, y, x]
                sums[y + 1, x + 1] = sums[y, x + 1] + row
        for y in range(high):
            for x in range(wide):
                top, left = y * stride, x * stride
                down, right = top + cell, left + cell
                v = sums[down, right] - sums[top, right] - sums[down, left] + sums[top, left]
                if abs(v) < NOTHING:
                    bits[y, x] = np.uint64(lot_bit(lot, (p * high + y) * wide + x))
                else:
                    bits[y, x] = np.uint64(1) if v > 0 else np.uint64(0)
        for r in range(cells[0]):
            for c in range(cells[1]):
                place = np.uint64(r * cells[1] + c)
                for y in range(rows):
                    for x in range(columns):
                        out[p, y, x] |= bits[y + step * r, x + step * c] << place


@kernel(parallel=True, nogil=True)
def code_batch(
    pictures: NDArray,
    valid: NDArray,
    evidence: tuple[Any, ...],
    pooling: tuple[Any, ...],
    lot: int,
    fine: NDArray,
    middle: NDArray,
    coarse: NDArray,
) -> None:
    """All codes of pictures of one shape (n, H, W, B), as `pack_signs` and `pooled_codes` lay them out.

    evidence (visible, nir, smooth, slope) as `plane_fields` takes them; pooling (cell, stride, factor, cells, phases);
    middle (n, phases, …) holds the codes of cells that begin at each of `phases`.
    """
    visible, nir, smooth, slope = evidence
    cell, stride, factor, cells, phases = pooling
    count, height, width = pictures.shape[:3]
    planes = fine.shape[1]
    for n in prange(count):
        fields = np.empty((planes, height, width), np.float32)
        plane_fields(pictures[n], valid[n], visible, nir, smooth, slope, fields)
        pack_signs(fields, lot, fine[n])
        middle[n] = 0
        for k in range(len(phases)):
            y, x = phases[k]
            reduced = np.empty((middle.shape[2], (height - y) // factor, (width - x) // factor), np.float32)
            block_sums(fields[:, y:, x:], factor, reduced)
            pack_signs(reduced, lot, middle[n, k, :, :, : reduced.shape[1]])
        pooled_codes(fields, cell, stride, cells, lot, coarse[n])
