"""The middle level's exhaustive search: windows of bit planes slid over a whole target."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from matcher.kernels.bits import differing, least_key, popcount
from matcher.kernels.jit import kernel

ROW_SHIFT = 13  # a key is distance << ROW_SHIFT | row of the place


@kernel(parallel=True, nogil=True)
def unroll_windows(planes: NDArray, width: int, per_word: int, out: NDArray) -> None:
    """Every row's window at every column: planes (P, words, H) to out (X, L, H) uint64.

    Bits 0 .. width - 1 of a word are columns x .. x + width - 1 of one plane, the next `width` bits those of the
    next plane, `per_word` planes a word. planes have a word of padding at the right.
    """
    columns, _, height = out.shape
    count = len(planes)
    mask = ~np.uint64(0) >> np.uint64(64 - width)
    for x in prange(columns):
        word = x >> 6
        shift = np.uint64(x & 63)
        back = np.uint64(63) - shift
        out[x] = 0
        for p in range(count):
            up = np.uint64((p % per_word) * width)
            low = planes[p, word]
            high = planes[p, word + 1]
            for y in range(height):
                window = ((low[y] >> shift) | ((high[y] << np.uint64(1)) << back)) & mask
                out[x, p // per_word, y] |= window << up


@kernel()
def _four(words: NDArray, r: int) -> tuple[np.uint64, ...]:
    """Four words from the r-th on."""
    return words[r], words[r + 1], words[r + 2], words[r + 3]


@kernel(parallel=True, nogil=True)
def column_minima(windows: NDArray, patches: NDArray, out: NDArray) -> None:
    """Least Hamming distance of every patch in every column of places: out (n, X) uint32 keys.

    windows (X, L, H) as of `unroll_windows`; patches (n, L, h) packed alike, n a multiple of 4. Ties go to the lower
    row. Four patches and four rows a step: windows and distances are read once for sixteen comparisons.
    """
    columns, words, height = windows.shape
    rows = patches.shape[2]
    places = height - rows + 1
    for quad in prange(len(patches) // 4):
        p = 4 * quad
        d0 = np.empty(places, np.uint64)
        d1 = np.empty(places, np.uint64)
        d2 = np.empty(places, np.uint64)
        d3 = np.empty(places, np.uint64)
        for x in range(columns):
            d0[:] = 0
            d1[:] = 0
            d2[:] = 0
            d3[:] = 0
            for w in range(words):
                for r in range(0, rows - 3, 4):
                    c0 = windows[x, w, r : r + places]
                    c1 = windows[x, w, r + 1 : r + 1 + places]
                    c2 = windows[x, w, r + 2 : r + 2 + places]
                    c3 = windows[x, w, r + 3 : r + 3 + places]
                    p0 = _four(patches[p, w], r)
                    p1 = _four(patches[p + 1, w], r)
                    p2 = _four(patches[p + 2, w], r)
                    p3 = _four(patches[p + 3, w], r)
                    for y in range(places):
                        window = (c0[y], c1[y], c2[y], c3[y])
                        d0[y] += differing(window, p0)
                        d1[y] += differing(window, p1)
                        d2[y] += differing(window, p2)
                        d3[y] += differing(window, p3)
                for r in range(rows // 4 * 4, rows):  # those left over
                    column = windows[x, w, r : r + places]
                    for q, distance in enumerate((d0, d1, d2, d3)):
                        row = patches[p + q, w, r]
                        for y in range(places):
                            distance[y] += popcount(column[y] ^ row)
            for q, distance in enumerate((d0, d1, d2, d3)):
                out[p + q, x] = least_key(distance, ROW_SHIFT)
