"""Blunders among tie points: those that tell another shift than their neighbours do.

Each point is held against the median of its nearest neighbours, over the median of how far these lie from it: the
normalised median test of particle image velocimetry (Westerweel and Scarano, "Universal outlier detection for PIV
data", 2005). No limit is set to the shift itself: a scene may be moved by any amount, and bent.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

NEIGHBOURS = 8  # of a point, as a grid has
_LIMIT = 3.0  # times its neighbours' own spread
_NOISE = 0.15  # px of spread that neighbours have at least
_FEWEST = 3  # points below which nothing can be told
_ROUNDS = 60  # at most: each leaves out the points that are oddest about them


def outliers(
    places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which points are blunders.

    Those that stand out most among all their neighbours are taken out, and the others judged anew, until none is left.

    Parameters
    ----------
    places, shifts : ndarray (n, 2)
        Pixels.
    sigma : ndarray (n,)
        Standard errors of the shifts, pixels.

    Returns
    -------
    ndarray of bool, (n,)
    """
    out = np.zeros(len(places), bool)
    if len(places) < _FEWEST:
        return out
    rest = shifts - plane(places, shifts)
    for _ in range(_ROUNDS):
        kept = np.flatnonzero(~out)
        if len(kept) < _FEWEST:
            break
        near = cKDTree(places[kept]).query(places[kept], k=min(NEIGHBOURS + 1, len(kept)))[1][:, 1:]
        odd = _oddness(rest[kept], near, sigma[kept])
        bad = (odd > _LIMIT) & (odd >= odd[near].max(1))
        if not bad.any():
            break
        out[kept[bad]] = True
    return out


def _oddness(
    rest: NDArray[np.float64], near: NDArray[np.int64], sigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each point lies from its neighbours' median, over their spread and the points' own errors, (n,)."""
    about = rest[near]
    middle = np.median(about, axis=1)
    spread = np.median(np.hypot(*np.moveaxis(about - middle[:, np.newaxis], -1, 0)), axis=1)
    own = np.hypot(*(rest - middle).T)
    errors = np.sqrt(sigma**2 + np.median(sigma[near], axis=1) ** 2)
    return own / (spread + np.maximum(errors, _NOISE))


def plane(places: NDArray[np.float64], values: NDArray[np.float64], rounds: int = 20) -> NDArray[np.float64]:
    """Values (n, 2) of the plane that most points follow: least absolute deviations, by reweighted least squares."""
    basis = np.column_stack([np.ones(len(places)), _scaled(places)])
    if len(places) < 6:
        return np.tile(np.median(values, axis=0), (len(places), 1))
    weight = np.ones(len(places))
    for _ in range(rounds):
        root = np.sqrt(weight)[:, np.newaxis]
        fit = basis @ np.linalg.lstsq(basis * root, values * root, rcond=None)[0]
        weight = 1 / np.maximum(np.hypot(*(values - fit).T), _NOISE)
    return fit


def _scaled(places: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = np.maximum(np.ptp(places, axis=0), 1)
    return (places - places.mean(0)) / spread
