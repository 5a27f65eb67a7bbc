"""From tie points to a transform: of the kind asked for, or the one that predicts points left out of the fit best."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher.alignment.fits import KINDS, Part, Transform, fit, left_by, left_of, noise_of, parts_of, rmse
from matcher.errors import MatcherError

# Points that a kind needs, and the least spread: the narrower of the two ways that points lie spread, over the
# scene's own; what tells turns and scales from a point cloud on one line.
_NEEDS = {
    "shift": (3, 0.0),
    "similarity": (5, 0.05),
    "affine": (8, 0.1),
    "polynomial": (24, 0.15),
    "field": (40, 0.15),
}
_BETTER = 0.97  # the error of a freer kind over a plainer one's, from where it is taken …
_WORTH = 0.03  # … and px by which it must mend: less is what ground itself moves, and not worth new pixels
_WILD = 3.0  # times the most that a kind bends at the tie points: beyond, it bends wildly elsewhere
_TOLD = 3.0  # standard errors over the scene by which a freer kind must differ from a plainer one
_LINES = 9  # of rows and of columns where transforms are compared, from edge to edge of the scene


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
        return _with(fit(kind, places, shifts, sigma), left_of(kind, places, shifts, sigma), {})
    if allowed["shift"]:
        raise MatcherError(f"even a shift {allowed['shift']}")
    parts = {name: parts_of(name, places, shifts, sigma) for name in KINDS if not allowed[name]}
    left = {name: left_by(made, places, shifts) for name, made in parts.items()}
    tried = {name: rmse(rest) for name, rest in left.items()}
    best = fit("shift", places, shifts, sigma)
    for name in tried:
        plain = tried[best.kind]
        if tried[name] < _BETTER * plain and plain**2 - tried[name] ** 2 > _WORTH**2:
            made = fit(name, places, shifts, sigma)
            error = _error(made, parts[name], left[name], places, sigma, size)
            if not _wild(made, places, size) and _gain(made, best, size) > _TOLD * error:
                best = made
    return _with(best, left[best.kind], tried)


def _with(made: Transform, left: NDArray[np.float64], tried: dict[str, float]) -> Transform:
    error = rmse(left)
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
            expected[out] = part.variance(places[out]) + part.smooth * noise_of(sigma[out])
        factor = rmse(left / np.sqrt(expected)[:, np.newaxis])
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
