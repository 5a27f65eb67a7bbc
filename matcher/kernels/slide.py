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
def column_minima(windows: NDArray, patches: NDArray, which: NDArray, out: NDArray) -> None:
    """Least Hamming distance of some patches in every column of places: rows `which` of out (m, X), uint32 keys.

    windows (X, L, H) as of `unroll_windows`; patches (m, L, h) packed alike, which (n,) their numbers, n a multiple of
    4; a number that is m or more fills up, and what is found of it is not kept. Ties go to the lower row. Four patches
    and four rows a step: windows and distances are read once for sixteen comparisons.
    """
    columns, words, height = windows.shape
    rows = patches.shape[2]
    places = height - rows + 1
    last = len(patches) - 1
    for quad in prange(len(which) // 4):
        four = which[4 * quad : 4 * quad + 4]
        a, b, c, d = (
            patches[min(four[0], last)],
            patches[min(four[1], last)],
            patches[min(four[2], last)],
            patches[min(four[3], last)],
        )
        minima = np.empty((4, columns), np.uint32)  # rows of `out` lie far apart
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
                    p0 = _four(a[w], r)
                    p1 = _four(b[w], r)
                    p2 = _four(c[w], r)
                    p3 = _four(d[w], r)
                    for y in range(places):
                        window = (c0[y], c1[y], c2[y], c3[y])
                        d0[y] += differing(window, p0)
                        d1[y] += differing(window, p1)
                        d2[y] += differing(window, p2)
                        d3[y] += differing(window, p3)
                for r in range(rows // 4 * 4, rows):  # those left over
                    column = windows[x, w, r : r + places]
                    for own, distance in ((a, d0), (b, d1), (c, d2), (d, d3)):
                        row = own[w, r]
                        for y in range(places):
                            distance[y] += popcount(column[y] ^ row)
            for q, distance in enumerate((d0, d1, d2, d3)):
                minima[q, x] = least_key(distance, ROW_SHIFT)
        for q in range(4):
            if four[q] <= last:
                for x in range(columns):
                    out[four[q], x] = minima[q, x]
