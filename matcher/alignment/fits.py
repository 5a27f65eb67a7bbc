"""Transforms of each kind from tie points, and what is left of points that took no part in the fit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from matcher.alignment.spline import spline_variance
from matcher.values import compared

KINDS = ("shift", "similarity", "affine", "polynomial", "field")
_FOLDS = 5  # parts of the ground that are left out in turn
_TUNING = 2.0  # standard errors, from where a point counts less
_GROUND = 0.05  # px that ground itself moves from place to place: a point's weight is bounded
_SMOOTH = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # smoothing of a field, tried in turn
_CENTRES = 400  # of a field: as many tie points it runs through at most


@compared
@dataclass(frozen=True)
class Transform:
    """Shifts anywhere in the moving scene.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    matrix : ndarray (3, 2)
        The part that is linear: shift = (1, row, col) @ matrix, rows first; 0 in what a bent kind has beside it.
    bent : callable, optional
        Places (n, 2) to what the shift is beside that, (n, 2); None where it is linear.
    parameters : int
    variance : callable, optional
        Of a field: places (n, 2) to the variance of a coordinate there, but for one factor, (n,).
    smooth : float
        Of a field: its smoothing where a point is as quiet as the ground.
    left : ndarray (n, 2)
        What a transform that has not seen a point leaves of its shift, pixels, for each point in turn.
    validated : float
        RMSE of that, a coordinate, without the worst 5 %.
    tried : dict of str to float
        The same of all kinds that were tried.
    """

    kind: str
    matrix: NDArray[np.float64]
    bent: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    parameters: int = 2
    variance: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    smooth: float = 0.0
    left: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    validated: float = float("nan")
    tried: dict[str, float] = field(default_factory=dict)

    def shifts(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Down and right (n, 2) at places (n, 2), pixels of the moving scene."""
        out: NDArray[np.float64] = np.column_stack([np.ones(len(places)), places]) @ self.matrix
        return out if self.bent is None else out + self.bent(places)


Part = tuple[NDArray[np.bool_], Transform]  # points left out, and the fit made without them


def fit(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> Transform:
    """A kind's fit to all of some points: places and shifts (n, 2), standard errors (n,), pixels."""
    if kind == "polynomial":
        return _fit_polynomial(places, shifts, sigma)
    if kind == "field":
        return _fit_field(places, shifts, sigma)
    matrix, _ = _robust(lambda w: linear(kind, places, shifts, w), places, shifts, sigma)
    return Transform(kind, matrix, None, {"shift": 2, "similarity": 4, "affine": 6}[kind])


def _robust(
    solve: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    places: NDArray[np.float64],
    shifts: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A linear fit weighted by the standard errors; points that lie far off count for less (Huber 1964)."""
    own = 1 / (np.minimum(sigma, 1e3) ** 2 + _GROUND**2)
    weight = own
    basis = np.column_stack([np.ones(len(places)), places])
    for _ in range(10):
        matrix = solve(weight)
        off = np.hypot(*(shifts - basis @ matrix).T)
        scale = max(float(np.median(off)) / 1.1774, 1e-6)
        weight = own / np.maximum(1, off / (_TUNING * scale))
    return matrix, weight


def linear(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The (3, 2) matrix of a linear kind, by weighted least squares."""
    total = weight.sum()
    middle, mean = weight @ places / total, weight @ shifts / total
    p, s = places - middle, shifts - mean
    turn = np.zeros((2, 2))
    if kind == "similarity":
        square = (weight[:, np.newaxis] * p**2).sum()
        scale = (weight[:, np.newaxis] * p * s).sum() / square
        angle = (weight * (p[:, 0] * s[:, 1] - p[:, 1] * s[:, 0])).sum() / square
        turn = np.array([[scale, angle], [-angle, scale]])
    elif kind == "affine":
        root = np.sqrt(weight)[:, np.newaxis]
        turn = np.linalg.lstsq(p * root, s * root, rcond=None)[0]
    return np.vstack([mean - middle @ turn, turn])


def _fit_polynomial(
    places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> Transform:
    """Second degree in rows and columns."""
    base = fit("affine", places, shifts, sigma)
    middle, span = places.mean(0), np.maximum(np.ptp(places, axis=0), 1)

    def terms(at: NDArray[np.float64]) -> NDArray[np.float64]:
        y, x = ((at - middle) / span).T
        return np.stack([np.ones(len(y)), y, x, y * y, y * x, x * x], -1)

    rest = shifts - base.shifts(places)
    weight = 1 / (np.minimum(sigma, 1e3) ** 2 + _GROUND**2)
    own = weight
    for _ in range(10):
        root = np.sqrt(weight)[:, np.newaxis]
        solved = np.linalg.lstsq(terms(places) * root, rest * root, rcond=None)[0]
        off = np.hypot(*(rest - terms(places) @ solved).T)
        weight = own / np.maximum(1, off / (_TUNING * max(float(np.median(off)) / 1.1774, 1e-6)))
    return Transform("polynomial", base.matrix, lambda at: terms(at) @ solved, 12)


def _fit_field(
    places: NDArray[np.float64],
    shifts: NDArray[np.float64],
    sigma: NDArray[np.float64],
    smooth: float | None = None,
) -> Transform:
    """A smoothed thin-plate spline beside an affine (Duchon 1977), its smoothing told by cross-validation."""
    from scipy.interpolate import RBFInterpolator

    base = fit("affine", places, shifts, sigma)
    rest = shifts - base.shifts(places)
    which = np.unique(np.linspace(0, len(places) - 1, min(len(places), _CENTRES)).astype(int))
    if smooth is None:
        errors = [
            rmse(left_by(_left_out(partial(_fit_field, smooth=v), places, shifts, sigma), places, shifts))
            for v in _SMOOTH
        ]
        smooth = _SMOOTH[int(np.argmin(errors))]
    span = float(np.ptp(places, axis=0).max())
    # The spline's unit is the scene.
    at_points, noise = places[which] / span, smooth * noise_of(sigma[which])
    spline = RBFInterpolator(at_points, rest[which], smoothing=noise, kernel="thin_plate_spline", degree=1)

    def bent(at: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = spline(at / span)
        return out

    def variance(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return spline_variance(at_points, noise, at / span)

    return Transform("field", base.matrix, bent, len(which), variance, smooth)


def noise_of(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """What smooths a field at each point: its variance, the quietest ones' by what ground moves, over the latter."""
    out: NDArray[np.float64] = (np.minimum(sigma, 1e3) ** 2 + _GROUND**2) / _GROUND**2
    return out


def left_of(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is left of each point's shift by fits of a kind that were made without the point, (n, 2)."""
    return left_by(parts_of(kind, places, shifts, sigma), places, shifts)


def parts_of(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> list[Part]:
    """Fits of a kind that were made without a part of the points each."""
    return _left_out(lambda p, s, e: fit(kind, p, s, e), places, shifts, sigma)


def _left_out(
    fit: Callable[..., Transform],
    places: NDArray[np.float64],
    shifts: NDArray[np.float64],
    sigma: NDArray[np.float64],
) -> list[Part]:
    """Fits made without a part of the points: which points these are, and the fit."""
    folds = _folds(places)
    parts = [folds == k for k in np.unique(folds)]
    return [(out, fit(places[~out], shifts[~out], sigma[~out])) for out in parts]


def left_by(
    parts: list[Part], places: NDArray[np.float64], shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is left of each point's shift by a fit that was made without the point, (n, 2)."""
    left = np.zeros((len(places), 2))
    for out, made in parts:
        left[out] = shifts[out] - made.shifts(places[out])
    return left


def rmse(left: NDArray[np.float64]) -> float:
    """A coordinate, without the worst 5 %."""
    squares = np.sort((left**2).mean(-1))
    return float(np.sqrt(squares[: max(int(0.95 * len(squares)), 1)].mean()))


def _folds(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which fifth each point is left out with: those of one square together, since chips of neighbours overlap.

    Few points are left out one by one.
    """
    if len(places) < 4 * _FOLDS:
        return np.arange(len(places))
    square = 2 * np.sqrt(np.prod(np.maximum(np.ptp(places, axis=0), 1)) / len(places))
    row, col = np.floor((places - places.min(0)) / square).astype(np.int64).T
    return (2 * row + col) % _FOLDS
