"""What the finest placement adds up: products of two pictures' fields at the nine lags about one place, by block."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel


@kernel(nogil=True, fastmath=REORDER)
def lag_products(own: NDArray, other: NDArray, block: int, out: NDArray) -> None:
    """Sums of products at lags of -1, 0 and 1 px: own (F, H, W), other (F, H + 2, W + 2) to out (R, C, 3, 3).

    out[r, c, i, j] is the sum over fields and over block (r, c) of own[y, x] times other[y + i, x + j], float64; blocks
    are `block` px a side from the top left, the last ones of a row or column what is left.
    """
    fields, height, width = own.shape
    out[:] = 0
    for f in range(fields):
        for y in range(height):
            row = own[f, y]
            r = y // block
            for i in range(3):
                beside = other[f, y + i]
                for c in range(out.shape[1]):
                    left = c * block
                    right = min(left + block, width)
                    a = row[left:right]
                    before = beside[left:right]
                    here = beside[left + 1 : right + 1]
                    after = beside[left + 2 : right + 2]
                    first = np.float32(0)
                    second = np.float32(0)
                    third = np.float32(0)
                    for x in range(right - left):
                        first += a[x] * before[x]
                        second += a[x] * here[x]
                        third += a[x] * after[x]
                    out[r, c, i, 0] += first
                    out[r, c, i, 1] += second
                    out[r, c, i, 2] += third
