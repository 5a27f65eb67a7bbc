"""What the mutual information of two windows adds up: products of all their features."""

from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel


@kernel(nogil=True, fastmath=REORDER)
def gram(features: NDArray, out: NDArray) -> None:
    """Mean products of features (k, n), float64, over their pixels: out (k, k)."""
    count, pixels = features.shape
    for i in range(count):
        one = features[i]
        for j in range(i + 1):
            other = features[j]
            total = 0.0
            for n in range(pixels):
                total += one[n] * other[n]
            out[i, j] = total / pixels
            out[j, i] = out[i, j]
