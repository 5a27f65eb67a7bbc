"""From tie points to a transform: of the kind asked for, or the one that predicts points left out of the fit best."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from matcher.alignment.spline import spline_variance
from matcher.errors import MatcherError

KINDS = ("shift", "similarity", "affine", "polynomial", "field")
# Points that a kind needs, and the least spread: the narrower of the two ways that points lie spread, over the
# scene's own; what tells turns and scales from a point cloud on one line.
_NEEDS = {
    "shift": (3, 0.0),
    "similarity": (5, 0.05),
    "affine": (8, 0.1),
    "polynomial": (24, 0.15),
    "field": (40, 0.15),
}
_FOLDS = 5  # parts of the ground that are left out in turn
_BETTER = 0.97  # the error of a freer kind over a plainer one's, from where it is taken …
_WORTH = 0.03  # … and px by which it must mend: less is what ground itself moves, and not worth new pixels
_TUNING = 2.0  # standard errors, from where a point counts less
_GROUND = 0.05  # px that ground itself moves from place to place: a point's weight is bounded
_SMOOTH = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # smoothing of a field, tried in turn
_CENTRES = 400  # of a field: as many tie points it runs through at most
_WILD = 3.0  # times the most that a kind bends at the tie points: beyond, it bends wildly elsewhere
_TOLD = 3.0  # standard errors over the scene by which a freer kind must differ from a plainer one
_LINES = 9  # of rows and of columns where transforms are compared, from edge to edge of the scene


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


def choose(
    kind: str,
    places: NDArray[np.float64],
    shifts: NDArray[np.float64],
    sigma: NDArray[np.float64],
    size: tuple[int, int],
) -> Transform:
    """The transform of tie points.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or ``auto``: the plainest that no freer one betters at points left out, by 3 % and by 0.03 px.
    places, shifts : ndarray (n, 2)
    sigma : ndarray (n,)
    size : (int, int)
        Of the moving scene, pixels.

    Raises
    ------
    MatcherError
        If there are too few tie points, or too badly spread, for the kind, or for any.
    """
    allowed = {name: _lack(name, places, size) for name in KINDS}
    if kind != "auto":
        if allowed[kind]:
            raise MatcherError(f"a transform of kind {kind} {allowed[kind]}")
        return _with(_fit(kind, places, shifts, sigma), _left(kind, places, shifts, sigma), {})
    if allowed["shift"]:
        raise MatcherError(f"even a shift {allowed['shift']}")
    parts = {name: _parts(name, places, shifts, sigma) for name in KINDS if not allowed[name]}
    left = {name: _left_by(made, places, shifts) for name, made in parts.items()}
    tried = {name: _rmse(rest) for name, rest in left.items()}
    best = _fit("shift", places, shifts, sigma)
    for name in tried:
        plain = tried[best.kind]
        if tried[name] < _BETTER * plain and plain**2 - tried[name] ** 2 > _WORTH**2:
            made = _fit(name, places, shifts, sigma)
            error = _error(made, parts[name], left[name], places, sigma, size)
            if not _wild(made, places, size) and _gain(made, best, size) > _TOLD * error:
                best = made
    return _with(best, left[best.kind], tried)


def _with(made: Transform, left: NDArray[np.float64], tried: dict[str, float]) -> Transform:
    error = _rmse(left)
    return replace(made, left=left, validated=error, tried=tried or {made.kind: error})


def _lack(kind: str, places: NDArray[np.float64], size: tuple[int, int]) -> str:
    """Why the points do not suffice for a kind, in words; empty where they do."""
    number, spread = _NEEDS[kind]
    if len(places) < number:
        return f"needs {number} tie points that agree, and there are {len(places)}"
    if not spread:
        return ""
    scaled = (places - places.mean(0)) / (np.array(size) / np.sqrt(12))
    narrow = float(np.sqrt(max(np.linalg.eigvalsh(scaled.T @ scaled / len(places))[0], 0)))
    if narrow < spread:
        return (
            f"needs tie points spread over the scene, and these lie along a line: {narrow:.2f} of the scene's width "
            f"across it, where {spread:g} is needed"
        )
    return ""


def _fit(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> Transform:
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
    base = _fit("affine", places, shifts, sigma)
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

    base = _fit("affine", places, shifts, sigma)
    rest = shifts - base.shifts(places)
    which = np.unique(np.linspace(0, len(places) - 1, min(len(places), _CENTRES)).astype(int))
    if smooth is None:
        errors = [
            _rmse(_left_by(_left_out(partial(_fit_field, smooth=v), places, shifts, sigma), places, shifts))
            for v in _SMOOTH
        ]
        smooth = _SMOOTH[int(np.argmin(errors))]
    span = float(np.ptp(places, axis=0).max())
    # The spline's unit is the scene.
    at_points, noise = places[which] / span, smooth * _noise(sigma[which])
    spline = RBFInterpolator(at_points, rest[which], smoothing=noise, kernel="thin_plate_spline", degree=1)

    def bent(at: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = spline(at / span)
        return out

    def variance(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return spline_variance(at_points, noise, at / span)

    return Transform("field", base.matrix, bent, len(which), variance, smooth)


def _noise(sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """What smooths a field at each point: its variance, the quietest ones' by what ground moves, over the latter."""
    out: NDArray[np.float64] = (np.minimum(sigma, 1e3) ** 2 + _GROUND**2) / _GROUND**2
    return out


def _left(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _left_by(_parts(kind, places, shifts, sigma), places, shifts)


def _parts(
    kind: str, places: NDArray[np.float64], shifts: NDArray[np.float64], sigma: NDArray[np.float64]
) -> list[Part]:
    return _left_out(lambda p, s, e: _fit(kind, p, s, e), places, shifts, sigma)


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


def _left_by(
    parts: list[Part], places: NDArray[np.float64], shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is left of each point's shift by a fit that was made without the point, (n, 2)."""
    left = np.zeros((len(places), 2))
    for out, made in parts:
        left[out] = shifts[out] - made.shifts(places[out])
    return left


def _rmse(left: NDArray[np.float64]) -> float:
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


def _error(
    made: Transform,
    parts: list[Part],
    left: NDArray[np.float64],
    places: NDArray[np.float64],
    sigma: NDArray[np.float64],
    size: tuple[int, int],
) -> float:
    """The standard error of a coordinate over the whole scene, not only where the points lie, pixels.

    So that a turn or a bend that a few points of one corner seem to show is not carried across the scene. Of most kinds
    it comes from the fits that left a part of the points out (the jackknife: Tukey 1958). A field follows its points,
    and what it loses where a part is left out says little of it: its variance is that of the spline, so many times as
    points left out lie further off than expected.
    """
    everywhere = _lattice(size)
    if made.variance is not None:
        expected = np.ones(len(places))
        for out, part in parts:
            assert part.variance is not None
            expected[out] = part.variance(places[out]) + part.smooth * _noise(sigma[out])
        factor = _rmse(left / np.sqrt(expected)[:, np.newaxis])
        return float(factor * np.sqrt(made.variance(everywhere).mean()))
    away = np.stack([part.shifts(everywhere) for _, part in parts]) - made.shifts(everywhere)
    return float(np.sqrt((away**2).sum(0).mean() * (len(parts) - 1) / len(parts)))


def _gain(made: Transform, plain: Transform, size: tuple[int, int]) -> float:
    """How far a kind differs from a plainer one over the whole scene: RMS of a coordinate, pixels."""
    everywhere = _lattice(size)
    return float(np.sqrt(((made.shifts(everywhere) - plain.shifts(everywhere)) ** 2).mean()))


def _lattice(size: tuple[int, int]) -> NDArray[np.float64]:
    """Places spread over the scene to its edges, (n, 2)."""
    lines = [np.linspace(0, n, _LINES) for n in size]
    return np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)


def _wild(made: Transform, places: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Whether a bent kind bends far more where no tie point is than where one is."""
    if made.bent is None:
        return False
    seen, most = (np.abs(made.bent(at)).max() for at in (places, _lattice(size)))
    return bool(most > _WILD * seen + 0.5)
