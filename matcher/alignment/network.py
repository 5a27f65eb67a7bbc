"""Shifts of many scenes from the shifts of pairs of them, by least squares."""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 20  # of weighing anew, by when nothing moves any more
_TUNING = 2.0  # deviations, from where a pair counts less


def adjust(
    pairs: NDArray[np.int64], shifts: NDArray[np.float64], sigma: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where each of some scenes lies, by what pairs of them tell.

    Least squares over all pairs with weights 1 / sigma^2, and less for those that the others contradict (Huber 1964).

    Parameters
    ----------
    pairs : ndarray (m, 2)
        Numbers of both scenes of a pair: ground of the first lies `shifts` off on the second.
    shifts : ndarray (m, 2)
    sigma : ndarray (m,)
    count : int
        Scenes; the first one stays where it is.

    Returns
    -------
    positions : ndarray (count, 2)
        What is to be added to each scene's coordinates; nan where no chain of pairs leads to the first.
    errors : ndarray (count,)
        Their standard errors.
    left : ndarray (m, 2)
        What each pair contradicts the others by; nan where it leads to no known scene.
    """
    positions, errors = np.full((count, 2), np.nan), np.full(count, np.nan)
    left = np.full((len(pairs), 2), np.nan)
    known = _reached(pairs, count)
    positions[0], errors[0] = 0.0, 0.0
    some = np.flatnonzero(known[pairs[:, 0]]) if len(pairs) else np.zeros(0, np.int64)
    unknown = np.flatnonzero(known[1:]) + 1
    if not len(unknown):
        return positions, errors, left
    column = {int(k): n for n, k in enumerate(unknown)}
    design = np.zeros((len(some), len(unknown)))
    for n, k in enumerate(some.tolist()):
        first, second = pairs[k].tolist()
        if first in column:
            design[n, column[first]] = 1
        if second in column:
            design[n, column[second]] = -1
    own = 1 / np.maximum(sigma[some], 1e-6)
    weight = own
    for _ in range(_ROUNDS):
        solved = np.linalg.lstsq(
            design * weight[:, np.newaxis], shifts[some] * weight[:, np.newaxis], rcond=None
        )[0]
        rest = shifts[some] - design @ solved
        off = np.hypot(*rest.T) * own
        scale = max(float(np.median(off)) / 1.1774, 1.0)
        weight = own / np.sqrt(np.maximum(1, off / (_TUNING * scale)))
    positions[unknown] = solved
    freedom = max(2 * (len(some) - len(unknown)), 1)
    factor = max(float((rest**2 * weight[:, np.newaxis] ** 2).sum()) / freedom, 1.0)
    normal = np.linalg.inv((design * weight[:, np.newaxis]).T @ (design * weight[:, np.newaxis]))
    errors[unknown] = np.sqrt(factor * np.diag(normal))
    left[some] = rest
    return positions, errors, left


def _reached(pairs: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Which scenes a chain of pairs leads to from the first."""
    known = np.zeros(count, bool)
    known[0] = True
    for _ in range(count):
        for first, second in pairs.tolist():
            known[first] = known[second] = known[first] or known[second]
    return known
