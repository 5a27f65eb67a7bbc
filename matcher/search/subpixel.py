"""The place to a fraction of a pixel, and how far it may be off.

The window is moved until the correlation of evidence peaks at no move at all: its surroundings are brought to the place
found so far by cubic splines (Unser, "Splines: a perfect fit", 1999), the evidence is made anew, and the correlation at
the nine lags about that place gives the next step (Newton's). A parabola through whole lags alone is drawn towards
whole pixels, since evidence is no band-limited picture; at a peak in the middle of its neighbours it is not.

The standard error is that of an estimate by a sum over the patch's blocks (Huber's sandwich, "The behavior of maximum
likelihood estimates under nonstandard conditions", 1967): the curvature of the map says how far a slope moves the
peak, and the slopes that the blocks add at the peak say how large the slope is by chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.geo.resample import Spline
from matcher.imagery import Roles
from matcher.search.blocks import ALIKE, REACH, block_products, evidence_fields, slopes_and_bends

_LOOK = 2.5  # px round the answer that the peak may lie off
_STEPS = 8  # at most: four or five are enough for nearly all
_STILL = 0.005  # px; a step below it ends the search
_FURTHEST = 0.75  # px a step
# What blocks tell is itself uncertain, the more the fewer they are: drawn towards what is usual, in logs (Stein 1956).
# Fitted by `tools/measure_subpixel.py --fit`.
_USUAL, _KEPT = 0.05, 0.8  # px; how much of the distance in logs is kept


@dataclass(frozen=True)
class Fine:
    """A place to a fraction of a pixel.

    Attributes
    ----------
    row, col : float
        Of the patch's top-left pixel in the window.
    covariance : (float, float, float)
        Of the error: of rows, of rows and columns, of columns, px^2; infinite where no peak was found and the place is
        the answer that was given.
    """

    row: float
    col: float
    covariance: tuple[float, float, float]

    @property
    def sigma(self) -> float:
        """The standard error of either coordinate, px: the root of the mean of both variances."""
        return float(np.sqrt((self.covariance[0] + self.covariance[2]) / 2))


def refine(
    patch: NDArray[np.float32],
    window: NDArray[np.float32],
    answer: tuple[int, int],
    roles: Roles,
    evidence: tuple[str, ...],
) -> Fine:
    """Where the peak near an answer lies.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN; the window is the patch's surroundings, best `REACH` px more on each side.
    answer : (int, int)
        Row and column of the patch's top-left pixel in the window, as the search found it.
    roles : Roles
    evidence : tuple of str

    Returns
    -------
    Fine
        At most 2.5 px from the answer, and inside the window; the answer itself where there is no peak.
    """
    own = evidence_fields(np.ascontiguousarray(patch), roles, evidence)
    framed = _framed(window, answer, patch.shape[:2])
    around = Spline(framed)
    middle = _nearest(own, evidence_fields(framed, roles, evidence))
    for _ in range(_STEPS):
        sums = block_products(own, evidence_fields(around.moved(*middle), roles, evidence))
        step = _step(sums.sum((0, 1)))
        if step is None:
            break
        middle += step
        if np.abs(middle).max() > _LOOK:
            break
        if np.abs(step).max() < _STILL:
            last = np.subtract(window.shape[:2], patch.shape[:2])
            row, col = np.clip(answer + middle, 0, last).tolist()
            return Fine(row, col, _covariance(sums))
    return Fine(float(answer[0]), float(answer[1]), (np.inf, 0.0, np.inf))


def _framed(
    window: NDArray[np.float32], answer: tuple[int, int], size: tuple[int, ...]
) -> NDArray[np.float32]:
    """The answer's window and `REACH` px on each side; 0, which is no data, beyond what is known."""
    out = np.zeros((size[0] + 2 * REACH, size[1] + 2 * REACH, window.shape[2]), np.float32)
    rows, columns = (
        slice(max(at - REACH, 0), min(at + length + REACH, whole))
        for at, length, whole in zip(answer, size, window.shape, strict=False)
    )
    top, left = REACH - answer[0], REACH - answer[1]
    out[rows.start + top : rows.stop + top, columns.start + left : columns.stop + left] = window[
        rows, columns
    ]
    return out


def _nearest(own: NDArray[np.float32], around: NDArray[np.float32]) -> NDArray[np.float64]:
    """The best whole lag up to 2 px away, (2,); ties go to the lower row, then the lower column."""
    total = np.full((5, 5), -np.inf)
    for down in (-1, 1):
        for right in (-1, 1):
            near = block_products(own, around, (down, right)).sum((0, 1))
            total[1 + down : 4 + down, 1 + right : 4 + right] = near
    return np.array(np.unravel_index(total.argmax(), total.shape), np.float64) - 2


def _step(total: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """From the middle of nine values to their peak, px, at most `_FURTHEST` a side; None where there is no peak."""
    if total[1, 1] <= 0:
        return None
    slope, bend = slopes_and_bends(total)
    if bend[0, 0] >= 0 or bend[1, 1] >= 0 or np.linalg.det(bend) <= 0:
        best = np.unravel_index(total.argmax(), (3, 3))
        step = np.subtract(best, 1).astype(np.float64)
        return _FURTHEST * step if step.any() else None
    return np.clip(-np.linalg.solve(bend, slope), -_FURTHEST, _FURTHEST)


def _covariance(sums: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of the error of a peak, from `block_products` there."""
    slopes, _ = slopes_and_bends(sums.reshape(-1, 3, 3))
    _, bend = slopes_and_bends(sums.sum((0, 1)))
    inverse = np.linalg.inv(bend)
    spread = slopes.T @ slopes
    used = int(np.count_nonzero(slopes.any(1)))
    if used < 3:
        return np.inf, 0.0, np.inf
    out = inverse @ spread @ inverse * (ALIKE**2 * used / (used - 2))
    out *= (np.sqrt(np.trace(out) / 2) / _USUAL) ** (2 * _KEPT - 2)
    return float(out[0, 0]), float(out[0, 1]), float(out[1, 1])
