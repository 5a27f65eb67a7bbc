"""Comparisons of one-bit codes: XOR and population count, 64 bits at a time."""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

CHUNK = 128  # places that share one minimum
_SPAN = 4 * CHUNK  # places whose distances are held at once
_QUADS = 16  # fours of patches that are compared with one target by one thread
KEY_SHIFT = 7  # a key is distance << KEY_SHIFT | place in the chunk


def _count_bits(builder, word):  # type: ignore[no-untyped-def]
    """LLVM's ctpop of a word of 64 bits."""
    kind = ir.IntType(64)
    count = builder.module.declare_intrinsic("llvm.ctpop", [kind], ir.FunctionType(kind, [kind]))
    return builder.call(count, [word])


@intrinsic
def popcount(_typing, _value):  # type: ignore[no-untyped-def]
    """Bits that are set in a uint64."""

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        return _count_bits(builder, arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def differing(_typing, one, other):  # type: ignore[no-untyped-def]
    """Bits in which two codes differ, each a tuple of as many uint64.

    Generated where it is used, not called: the loops over places are 3 to 4 % faster so.
    """

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        total = ir.IntType(64)(0)
        for first, second in zip(*(cgutils.unpack_tuple(builder, code) for code in arguments), strict=True):
            total = builder.add(total, _count_bits(builder, builder.xor(first, second)))
        return total

    return types.uint64(one, other), generate


@intrinsic
def eight_differing(_typing, one, _at, other, _start):  # type: ignore[no-untyped-def]
    """Bits in which eight words of two flat arrays of uint64 differ: of one from `at`, of the other from `start` on."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = ir.IntType(64)
        row = ir.VectorType(word, 8)

        def load(k):  # type: ignore[no-untyped-def]
            array = context.make_array(signature.args[k])(context, builder, arguments[k])
            pointer = builder.gep(array.data, [arguments[k + 1]])
            value = builder.load(builder.bitcast(pointer, row.as_pointer()))
            value.align = 8
            return value

        def call(name, result, value):  # type: ignore[no-untyped-def]
            kind = ir.FunctionType(result, [row])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [value])

        counted = call("llvm.ctpop.v8i64", row, builder.xor(load(0), load(2)))
        return call("llvm.vector.reduce.add.v8i64", word, counted)

    return types.uint64(one, types.int64, other, types.int64), generate


@kernel()
def least_key(distance: NDArray, shift: int) -> np.uint32:
    """Least of distance << shift | place over an array; signed and from 0, so that the compiler vectorises it."""
    key = np.int64(1) << 62
    for x in range(len(distance)):
        key = min(key, (np.int64(distance[x]) << shift) | x)
    return np.uint32(key)


@kernel()
def _words(code: NDArray) -> tuple[np.uint64, ...]:
    """The eight words of a code."""
    return code[0], code[1], code[2], code[3], code[4], code[5], code[6], code[7]


@kernel()
def _rows(codes: NDArray, low: int, size: int) -> tuple[NDArray, ...]:
    """Words 0 to 7 of `size` places from `low` on.

    Each row is cut alone, so that its type says that it is contiguous: cut together, their loop takes half as long
    again.
    """
    return (
        codes[0, low : low + size],
        codes[1, low : low + size],
        codes[2, low : low + size],
        codes[3, low : low + size],
        codes[4, low : low + size],
        codes[5, low : low + size],
        codes[6, low : low + size],
        codes[7, low : low + size],
    )


@kernel(nogil=True)
def _chunk_minima(codes: NDArray, patches: NDArray, out: NDArray) -> None:
    """Least Hamming distance of four patches (4, 8) in every chunk of one target's places, codes (8, places).

    out (4, chunks) uint32 keys. Several chunks at once keep the popcount unit busy; the arrays are one-dimensional and
    the function's own, since the compiler must see that they do not overlap.
    """
    places = codes.shape[1]
    d0 = np.empty(_SPAN, np.uint64)
    d1 = np.empty(_SPAN, np.uint64)
    d2 = np.empty(_SPAN, np.uint64)
    d3 = np.empty(_SPAN, np.uint64)
    for low in range(0, places, _SPAN):
        size = min(_SPAN, places - low)
        c0, c1, c2, c3, c4, c5, c6, c7 = _rows(codes, low, size)
        p0 = _words(patches[0])
        p1 = _words(patches[1])
        p2 = _words(patches[2])
        p3 = _words(patches[3])
        for x in range(size):
            place = (c0[x], c1[x], c2[x], c3[x], c4[x], c5[x], c6[x], c7[x])
            d0[x] = differing(place, p0)
            d1[x] = differing(place, p1)
            d2[x] = differing(place, p2)
            d3[x] = differing(place, p3)
        for q, distance in enumerate((d0, d1, d2, d3)):
            for start in range(0, size, CHUNK):
                key = least_key(distance[start : min(start + CHUNK, size)], KEY_SHIFT)
                out[q, (low + start) // CHUNK] = key


@kernel(parallel=True, nogil=True)
def chunk_minima(
    codes: NDArray, starts: NDArray, chunks: NDArray, places: NDArray, patches: NDArray, out: NDArray
) -> None:
    """Least Hamming distance of every patch in every chunk of every target's places of the first lattice.

    codes flat uint64: target t's from starts[t] on, the first lattice (8, places[t]); its chunks are chunks[t] to
    chunks[t + 1] - 1. patches (n, 8) uint64 with n a multiple of 4; out (n, chunks) uint32 keys. A few patches in one
    target are a piece of work: a target's codes stay in the cache, and a large target is work for every core.
    """
    quads = len(patches) // 4
    parts = (quads + _QUADS - 1) // _QUADS
    for k in prange(len(starts) * parts):
        t, part = k // parts, k % parts
        own = codes[starts[t] : starts[t] + 8 * places[t]].reshape(8, places[t])
        for quad in range(part * _QUADS, min((part + 1) * _QUADS, quads)):
            p = 4 * quad
            _chunk_minima(own, patches[p : p + 4], out[p : p + 4, chunks[t] : chunks[t + 1]])


@kernel(parallel=True, nogil=True)
def least_keys(keys: NDArray, shift: int, out: NDArray, least: NDArray) -> None:
    """Columns of the least distances of each row of keys (n, m) uint32: out (n, count) int64, ascending.

    Their keys go to least (n, count) uint32. A distance is a key without its lowest `shift` bits. Equal distances go to
    the lower column. A counting sort: distances are small whole numbers.
    """
    rows, columns = keys.shape
    count = out.shape[1]
    for r in prange(rows):
        top = 0
        for c in range(columns):
            top = max(top, np.int64(keys[r, c] >> shift))
        histogram = np.zeros(top + 2, np.int64)
        for c in range(columns):
            histogram[np.int64(keys[r, c] >> shift) + 1] += 1
        for d in range(1, top + 2):
            histogram[d] += histogram[d - 1]
        for c in range(columns):
            d = np.int64(keys[r, c] >> shift)
            slot = histogram[d]
            if slot < count:
                out[r, slot] = c
                least[r, slot] = keys[r, c]
            histogram[d] += 1


@kernel(parallel=True, nogil=True)
def places_of_chunks(
    columns: NDArray, keys: NDArray, bounds: NDArray, widths: NDArray, target: NDArray, place: NDArray
) -> None:
    """Whose some chunks are, and the place of each of which a key tells, on the grid of which they are every second.

    columns (n, m) int64 are chunks' numbers among all targets', keys (n, m) uint32 as `chunk_minima` has them; the
    chunks of target t are bounds[t] to bounds[t + 1] - 1, its grid has widths[t] columns. To target (n, m) int64 and
    place (n, m, 2) int64, (row, column).
    """
    owner = np.empty(bounds[-1], np.int64)
    for t in range(len(widths)):
        owner[bounds[t] : bounds[t + 1]] = t
    inside = np.int64((1 << KEY_SHIFT) - 1)
    for r in prange(len(columns)):
        for m in range(columns.shape[1]):
            t = owner[columns[r, m]]
            row, column = divmod(
                ((columns[r, m] - bounds[t]) << KEY_SHIFT) + (np.int64(keys[r, m]) & inside),
                (widths[t] + 1) >> 1,
            )
            target[r, m] = t
            place[r, m, 0], place[r, m, 1] = 2 * row, 2 * column
