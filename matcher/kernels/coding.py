"""One-bit codes of pictures, from reflectance to packed bits, one picture a thread."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.fields import doubled_gradient, unit_gradient
from matcher.kernels.jit import kernel
from matcher.kernels.lattices import lattice_place

NOTHING = np.float32(1e-4)  # a field below is 0: it votes by lot
STRIP = 32  # rows whose fields are made at a time: they stay in the cache


@kernel(inline="always")
def lot_bit(lot: int, number: int) -> int:
    """A fixed random bit for each lot and number (the finaliser of splitmix64)."""
    z = np.uint64(number) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(lot) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) & np.uint64(1))


@kernel(nogil=True)
def plane_fields(dn: NDArray, valid: NDArray, evidence: tuple[Any, ...], out: NDArray) -> None:
    """Fields of every plane: dn (H, W, B) to out (P, H, W), 0 where not valid (H, W).

    Planes, two each: of the visible bands' sum signed phase, then sign-blind phase; then of band `nir` the same, unless
    it is -1; then sign-blind phase of the sum of ratios, where there are any.
    evidence: (visible, nir, smooth, slope, ratios, the ratios' smooth and slope, haze, gain); ratios (R, 2) are bands,
    the first over the second, as logs of DN plus haze, times gain.
    """
    visible, nir, smooth, slope, ratios, ratio_smooth, ratio_slope, haze, gain = evidence
    height, width, _ = dn.shape
    reach = max(len(slope), len(ratio_slope) if len(ratios) else 0)
    single = len(visible) + (nir >= 0)
    out[:] = 0
    for start in range(0, height, STRIP):
        stop = min(start + STRIP, height)
        low, high = max(start - reach, 0), min(stop + reach, height)
        band = np.empty((high - low, width), np.float32)
        fields = np.empty((4, high - low, width), np.float32)
        for k in range(single):
            first = 0 if k < len(visible) else 4
            b = visible[k] if k < len(visible) else nir
            for y in range(low, high):
                for x in range(width):
                    band[y - low, x] = dn[y, x, b]
            unit_gradient(band, fields[0], fields[1])
            doubled_gradient(band, smooth, slope, fields[2], fields[3])
            _add_rows(fields, low, start, stop, out[first : first + 4])
        for k in range(len(ratios)):
            above, below = ratios[k]
            for y in range(low, high):
                for x in range(width):
                    one = np.log(max(dn[y, x, above], np.float32(0)) + haze) * gain
                    other = np.log(max(dn[y, x, below], np.float32(0)) + haze) * gain
                    band[y - low, x] = one - other
            doubled_gradient(band, ratio_smooth, ratio_slope, fields[0], fields[1])
            _add_rows(fields[:2], low, start, stop, out[len(out) - 2 :])
    if not valid.all():
        for p in range(len(out)):
            for y in range(height):
                for x in range(width):
                    if not valid[y, x]:
                        out[p, y, x] = 0


@kernel(nogil=True)
def _add_rows(fields: NDArray, low: int, start: int, stop: int, out: NDArray) -> None:
    """Add rows start to stop of fields (P, rows from `low` on, W) to out (P, H, W)."""
    for p in range(len(out)):
        for y in range(start, stop):
            row, total = fields[p, y - low], out[p, y]
            for x in range(len(total)):
                total[x] += row[x]


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
    total = np.empty(width * factor, np.float32)  # of the rows of a block
    for p in range(planes):
        for y in range(height):
            total[:] = 0
            for k in range(factor):
                row = fields[p, y * factor + k]
                for x in range(width * factor):
                    total[x] += row[x]
            for x in range(width):
                value = total[x * factor]
                for k in range(1, factor):
                    value += total[x * factor + k]
                out[p, y, x] = value


@kernel(nogil=True)
def pooled_codes(
    fields: NDArray, cell: int, stride: int, cells: NDArray, lot: int, grid: tuple[int, int], out: NDArray
) -> None:
    """Coarse codes: signs of sums over cell x cell px, at every `stride` px: (P, H, W) to out, flat.

    out (W x rows x columns,) of grid (rows, columns) lies in lattices (`matcher.kernels.lattices`). Word p of a place
    holds the signs of the cells below it, row by row, lowest bit first; cell is a multiple of stride. There are at
    least P words; those beyond are 0.
    """
    planes, height, width = fields.shape
    rows, columns = grid
    words = len(out) // (rows * columns)
    step = cell // stride
    high = rows + step * (cells[0] - 1)
    wide = columns + step * (cells[1] - 1)
    sums = np.empty((planes, height // stride, width // stride), np.float32)
    block_sums(fields, stride, sums)
    bits = np.empty((high, wide), np.uint64)
    codes = np.empty((rows, columns), np.uint64)
    out[:] = 0
    for p in range(planes):
        for y in range(high):
            for x in range(wide):
                v = np.float32(0)
                for j in range(step):
                    for i in range(step):
                        v += sums[p, y + j, x + i]
                if abs(v) < NOTHING:
                    bits[y, x] = np.uint64(lot_bit(lot, (p * high + y) * wide + x))
                else:
                    bits[y, x] = np.uint64(1) if v > 0 else np.uint64(0)
        codes[:] = 0
        for r in range(cells[0]):
            for c in range(cells[1]):
                place = np.uint64(r * cells[1] + c)
                for y in range(rows):
                    own, line = bits[y + step * r, step * c : step * c + columns], codes[y]
                    for x in range(columns):
                        line[x] |= own[x] << place
        for y in range(rows):
            for odd in range(min(2, columns)):
                first, apart = lattice_place(rows, columns, words, y, odd)
                beside = words if (y | odd) & 1 else 1  # from a place to the next of its row
                for x in range(odd, columns, 2):
                    out[first + p * apart + (x >> 1) * beside] = codes[y, x]


@kernel(nogil=True)
def code_picture(
    picture: NDArray,
    valid: NDArray,
    evidence: tuple[Any, ...],
    pooling: tuple[Any, ...],
    lot: int,
    work: NDArray,
    fine: NDArray,
    middle: NDArray,
    coarse: NDArray,
) -> None:
    """All codes of a picture (H, W, B), as `pack_signs` and `pooled_codes` lay them out.

    work (P, H, W), float32, is written over: pages of memory that are new cost as much as the fields that they take.
    evidence as `plane_fields` takes it; pooling (cell, stride, factor, cells, grid). Threads take pictures, not a
    parallel loop here, which with so many arguments would take three times as long to compile.
    """
    cell, stride, factor, cells, grid = pooling
    height, width = picture.shape[:2]
    plane_fields(picture, valid, evidence, work)
    pack_signs(work, lot, fine)
    reduced = np.empty((len(work), height // factor, width // factor), np.float32)
    block_sums(work, factor, reduced)
    pack_signs(reduced, lot, middle)
    pooled_codes(work, cell, stride, cells, lot, grid, coarse)
