"""Where else in one target a patch may lie: the least distances of coarse codes apart from a place that is known."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.bits import eight_differing, popcount
from matcher.kernels.jit import kernel
from matcher.kernels.lattices import lattice_place

_NEVER = np.int32(1 << 30)  # more than any distance


@kernel()
def _leave_out(distance: NDArray, stride: int, y: int, x: int, apart: int) -> None:
    """Take no place within `apart` px of (y, x) in both directions: distance (rows, columns), `stride` px a step."""
    rows, columns = distance.shape
    for r in range(max(-((apart - y) // stride), 0), min((y + apart) // stride + 1, rows)):
        for c in range(max(-((apart - x) // stride), 0), min((x + apart) // stride + 1, columns)):
            distance[r, c] = _NEVER


@kernel()
def _distances(codes: NDArray, patch: NDArray, out: NDArray) -> None:
    """Distances of a patch, (8,) words, from codes in lattices: out (rows, columns) int32."""
    rows, columns = out.shape
    words = len(patch)
    for y in range(min(2, rows)):
        for x in range(min(2, columns)):
            first, step = lattice_place(rows, columns, words, y, x)
            own = out[y::2, x::2]
            flat = np.zeros(own.size, np.int32)
            if (y | x) & 1:  # a place's words lie together
                for k in range(len(flat)):
                    flat[k] = np.int32(eight_differing(codes, first + k * words, patch, 0))
            else:
                for w in range(words):
                    word, theirs = patch[w], codes[first + w * step : first + (w + 1) * step]
                    for k in range(step):
                        flat[k] += np.int32(popcount(theirs[k] ^ word))
            high, wide = own.shape
            for r in range(high):
                for c in range(wide):
                    own[r, c] = flat[r * wide + c]


@kernel(nogil=True)
def places_apart(
    codes: NDArray,
    starts: NDArray,
    grids: NDArray,
    patches: NDArray,
    rows: tuple[int, int],
    known: tuple[NDArray, NDArray],
    stride: int,
    apart: int,
    out: NDArray,
) -> None:
    """The coarse places of least distance in one target a patch, apart from a known place and from each other.

    Of the patches from rows[0] to before rows[1]: threads take some each. A parallel loop here would take three times
    as long to compile.

    codes flat uint64: target t's from starts[t] on, in lattices (`matcher.kernels.lattices`) of grids[t] rows and
    columns; patches (n, 8) uint64. known are (target (n,), -1 for none, corner (n, 2) as (y, x), pixels). A place
    lies `stride` px from the next, and no two that are taken within `apart` px in both directions. out (n, count, 2)
    int64: their (y, x), pixels, least distance first, ties to the lower y and x; -1 where there are fewer.
    """
    target, corner = known
    words = patches.shape[1]
    for n in range(rows[0], rows[1]):
        out[n] = -1
        t = target[n]
        if t < 0:
            continue
        height, width = grids[t, 0], grids[t, 1]
        distance = np.empty((height, width), np.int32)
        flat = distance.reshape(height * width)
        _distances(codes[starts[t] : starts[t] + words * height * width], patches[n], distance)
        _leave_out(distance, stride, corner[n, 0], corner[n, 1], apart)
        for m in range(out.shape[1]):
            best = np.int64(0)
            for k in range(1, height * width):
                if flat[k] < flat[best]:
                    best = k
            if flat[best] == _NEVER:
                break
            y, x = best // width * stride, best % width * stride
            out[n, m, 0], out[n, m, 1] = y, x
            _leave_out(distance, stride, y, x, apart)
