"""The places between those of a first pass: the least distance of coarse codes near each place that was handed over."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from matcher.kernels.bits import eight_differing, popcount
from matcher.kernels.jit import kernel
from matcher.kernels.lattices import lattice_place


@kernel(parallel=True, nogil=True)
def least_beside(
    codes: NDArray,
    starts: NDArray,
    grids: NDArray,
    patches: NDArray,
    windows: tuple[NDArray, NDArray, NDArray],
    distance: NDArray,
) -> None:
    """Move every place to the one of least distance among itself and its eight neighbours.

    codes flat uint64: target t's from starts[t] on, in lattices (`matcher.kernels.lattices`) of grids[t] rows and
    columns; patches (n, 8) uint64. windows: targets (n, m); places (n, m, 2) as (row, column) of the grid, changed
    in place; and flat indices (n x m) of these in the order in which they are looked at: those of one target together
    read its codes from the cache. distance (n, m) uint32, of the place moved to. Ties go to the lower row, then the
    lower column.
    """
    targets, places, order = windows
    words, each = patches.shape[1], targets.shape[1]
    for i in prange(len(order)):
        n, m = order[i] // each, order[i] % each
        t = targets[n, m]
        rows, columns = grids[t, 0], grids[t, 1]
        own = codes[starts[t] : starts[t] + words * rows * columns]
        row, column, patch = places[n, m, 0], places[n, m, 1], patches[n]
        best = np.uint64(1) << np.uint64(32)
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            even, step = lattice_place(rows, columns, words, r, 0)
            odd, _ = lattice_place(rows, columns, words, r, 1)
            for c in range(max(column - 1, 0), min(column + 2, columns)):
                apart = np.uint64(0)
                if (r | c) & 1:  # the words of a place lie together
                    apart = eight_differing(own, (odd if c & 1 else even) + (c >> 1) * words, patch, 0)
                else:
                    for w in range(words):
                        apart += popcount(own[even + (c >> 1) + w * step] ^ patch[w])
                if apart < best:
                    best = apart
                    places[n, m, 0], places[n, m, 1] = r, c
        distance[n, m] = best
