"""Mutual information: how much the pixels of two windows tell of each other, whatever the light and the season.

Winter and summer, hay and snow change what a field reflects, not which pixels are that field. Of normal variables the
mutual information is that of the canonical correlations between them, -1/2 sum log(1 - r^2) (Hotelling, "Relations
between two sets of variates", Biometrika 28, 1936; between dates of one place: Nielsen, Conradsen, Simpson,
"Multivariate alteration detection", Remote Sensing of Environment 64, 1998). The variables are the logs of the bands
with their squares and cubes, so that a band may rise and fall with another, and ground of three kinds may change in
three ways. Gradient phase is whitened, and tells fine structure; this tells what lies where in the large.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.pixels import HAZE, seen_pixels, valid_pixels
from matcher.imagery import Roles
from matcher.kernels.mutual import gram

FAINT = 0.01  # of a feature's deviation: smaller ones are noise, and count for less
RIDGE = 0.01  # of the features' variance
LEAST = 64  # pixels seen on both dates, below which nothing is told


def mutual_information(patch: NDArray[np.float32], window: NDArray[np.float32], roles: Roles) -> float:
    """Mutual information of the pixels of a patch and of a window, nats in all pixels, 0 or more.

    Neighbouring pixels are alike, so that it is many times what independent pixels would have: `matcher.model.Odds`
    holds what it is worth.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN, of one shape. What is hidden in the patch, or holds no data in either, says nothing.
    roles : Roles
    """
    seen = seen_pixels(patch, roles) & valid_pixels(window)
    count = int(seen.sum())
    if count < LEAST:
        return 0.0
    both = np.concatenate([_features(patch[seen]), _features(window[seen])])
    products = np.empty((len(both), len(both)))
    gram(both, products)
    products[np.diag_indices(len(both))] += RIDGE
    half = len(both) // 2
    parts = (products[:half, :half], products[half:, half:], products)
    first, second, all_ = (float(np.linalg.slogdet(part)[1]) for part in parts)
    return max(0.5 * count * (first + second - all_), 0.0)


def _features(dn: NDArray[np.float32]) -> NDArray[np.float64]:
    """Powers of the logs of bands, each of mean 0 and variance 1: pixels (n, bands) to (features, n)."""
    # Rows of pixels from here on: an array that lies the other way round takes eight times as long.
    bands = np.ascontiguousarray(dn.T, np.float64)
    logs = _standard(np.log(np.maximum(bands, 0) + HAZE))
    squares = logs * logs
    return _standard(np.concatenate([logs, squares, squares * logs]))


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = values - values.mean(1, keepdims=True)
    return out / (out.std(1, keepdims=True) + FAINT)
