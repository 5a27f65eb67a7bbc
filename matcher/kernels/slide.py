"""The middle level's exhaustive search: windows of bit planes slid over a whole target."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from matcher.kernels.bits import popcount
from matcher.kernels.jit import kernel

ROW_SHIFT = 13  # a key is distance << ROW_SHIFT | row of the place


@kernel(parallel=True)
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


@kernel(parallel=True)
def column_minima(windows: NDArray, patches: NDArray, out: NDArray) -> None:
    """Least Hamming distance of every patch in every column of places: out (n, X) uint32 keys.

    windows (X, L, H) as of `unroll_windows`; patches (n, L, h) packed alike. Ties go to the lower row. Four rows a
    step, so that distances are read and written once for four comparisons.
    """
    columns, words, height = windows.shape
    rows = patches.shape[2]
    places = height - rows + 1
    for n in prange(len(patches)):
        distance = np.empty(places, np.uint64)
        for x in range(columns):
            distance[:] = 0
            for w in range(words):
                own = patches[n, w]
                column = windows[x, w]
                for r in range(0, rows - 3, 4):
                    a, b, c, d = own[r], own[r + 1], own[r + 2], own[r + 3]
                    c0 = column[r : r + places]
                    c1 = column[r + 1 : r + 1 + places]
                    c2 = column[r + 2 : r + 2 + places]
                    c3 = column[r + 3 : r + 3 + places]
                    for y in range(places):
                        distance[y] += (
                            popcount(c0[y] ^ a)
                            + popcount(c1[y] ^ b)
                            + popcount(c2[y] ^ c)
                            + popcount(c3[y] ^ d)
                        )
                for r in range(rows - rows % 4, rows):
                    a = own[r]
                    c0 = column[r : r + places]
                    for y in range(places):
                        distance[y] += popcount(c0[y] ^ a)
            key = ~np.uint64(0)
            for y in range(places):
                key = min(key, (distance[y] << np.uint64(ROW_SHIFT)) | np.uint64(y))
            out[n, x] = np.uint32(key)
