"""Intervals by resampling images: the patches of one stand or fall together."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FEW_IMAGES = 10
"""Below so many images an interval is a rough guess, and is said to be."""

LEVEL = 0.95
_DRAWN_AT_ONCE = 1 << 20


def draw_images(n_images: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices of the images drawn with replacement, int64, in blocks of rows; a row of n_images a resample.

    The blocks bound the memory; one after the other they are the same numbers whatever their height.
    """
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // n_images)
    for start in range(0, resamples, step):
        yield rng.integers(0, n_images, size=(min(step, resamples - start), n_images))


def resampled_means(
    values: NDArray[np.float64],
    image: NDArray[np.int64],
    resamples: int,
    seed: int,
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Means over patches when the images are drawn anew, with all their patches (cluster bootstrap).

    Parameters
    ----------
    values : ndarray of float64, shape (n, k)
        One row a patch.
    image : ndarray of int64, shape (n,)
        The image of each patch.
    resamples, seed : int
        How often to draw, and the seed of the draws. Columns share the draws: their differences are paired.
    weights : ndarray of float64, shape (n, k), optional
        What each value weighs in its column's mean; 1 by default.

    Returns
    -------
    ndarray of float64, shape (resamples, k)

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
    """
    _, cluster = np.unique(image, return_inverse=True)
    count = int(cluster.max()) + 1
    weights = np.ones(values.shape) if weights is None else weights
    sums = [np.bincount(cluster, column, count) for column in (values * weights).T]
    wholes = [np.bincount(cluster, column, count) for column in weights.T]
    blocks = []
    for rows in draw_images(count, resamples, seed):
        means = [s[rows].sum(axis=1) / whole[rows].sum(axis=1) for s, whole in zip(sums, wholes, strict=True)]
        blocks.append(np.stack(means, axis=1))
    return np.concatenate(blocks)


def percentile_interval(means: NDArray[np.float64], n_images: int) -> tuple[float, float] | None:
    """The middle 95 % of resampled means, shape (resamples,); None of nan, or where there is but one image to draw."""
    if n_images < 2 or np.isnan(means).any():
        return None
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
