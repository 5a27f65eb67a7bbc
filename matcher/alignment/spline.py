"""How far a smoothed thin-plate spline may be off between its points and beyond them.

The spline is the best linear prediction of a surface whose generalised covariance is r^2 log r, beside a plane
(Matheron, "The intrinsic random functions and their applications", 1973), and the variance of that prediction is known
but for one factor, which the points tell when they are left out.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def spline_variance(
    places: NDArray[np.float64], noise: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The variance of a spline at some places, (n,), but for the factor of its surface.

    Parameters
    ----------
    places : ndarray (m, 2)
        Of the points that it was fitted to; not all on one line.
    noise : ndarray (m,)
        The smoothing at each: the variance of its value over the same factor.
    at : ndarray (n, 2)
    """
    m = len(places)
    whole = np.zeros((m + 3, m + 3))
    whole[:m, :m] = _covariance(places, places) + np.diag(noise)
    whole[:m, m:] = _plane(places)
    whole[m:, :m] = whole[:m, m:].T
    seen = np.vstack([_covariance(places, at), _plane(at).T])
    out: NDArray[np.float64] = -(seen * np.linalg.solve(whole, seen)).sum(0)
    return np.maximum(out, 0)


def _covariance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    away: NDArray[np.float64] = cdist(one, other)
    return away**2 * np.log(np.maximum(away, 1e-300))


def _plane(at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(at)), at])
