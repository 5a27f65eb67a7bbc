"""Whether two scenes lie about where they say, and where else: a few chips, near their place and then everywhere."""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.alignment.chips import ChipSearch, corners, find
from matcher.alignment.fits import linear
from matcher.alignment.frame import Frame
from matcher.alignment.outliers import outliers
from matcher.alignment.ties import TiePoints
from matcher.errors import MatcherError
from matcher.formats.geotiff import import_rasterio
from matcher.locating.run import locate
from matcher.settings import Settings

log = logging.getLogger("matcher")
PROBES = 25  # five in each direction
_AGREE = 0.5  # share of the probes found that must agree …
_FEWEST = 3  # … and their number
_WIDE = 128  # px of the search, within which probes are sought before they are sought everywhere
_GLOBAL_SIDE = 96  # px of the search, of a chip that is sought everywhere
_REACH = 5.0  # px that a chip found everywhere may lie off the turn and scale it is not sought at
_STRAIGHT = 0.3  # px over a chip's side, below which turn and scale are not told from none


def prior(frame: Frame, search: ChipSearch, settings: Settings) -> Frame:
    """The frame with what a few chips tell of where the reference has the moving scene's ground.

    The probes are sought near the place that the scenes' own grids say, and then within 128 px of it. Where too few are
    found there, or they do not agree, they are sought everywhere in the reference, as `matcher.locate` does, for any
    shift, small turns and other scales; and then once more near the place that this says.

    Raises
    ------
    MatcherError
        If the probes agree on no place.
    """
    places = corners(frame, search.side, PROBES)
    near = find(frame, places, search)
    agreed = _agreed(near, frame, search)
    if agreed is None:
        wide = replace(search, radius=max(_WIDE, search.radius))
        far = find(frame, places, wide)
        agreed = _agreed(far, frame, wide)
        frame = replace(
            frame,
            prior=_everywhere(frame, settings, near) if agreed is None else _affine(agreed, frame, search),
        )
        agreed = _agreed(find(frame, places, search), frame, search)
    return frame if agreed is None else replace(frame, prior=_affine(agreed, frame, search))


def _agreed(points: TiePoints, frame: Frame, search: ChipSearch) -> TiePoints | None:
    """The probes that were found and agree, where they are enough."""
    found = points.take(points.used)
    if len(found) < _FEWEST:
        return None
    expected = frame.predicted(found.places) - found.places
    off = np.abs(found.shifts - expected).max(-1) / frame.shrink
    good = ~outliers(found.places, found.shifts, found.sigma) & (off < search.radius - 1)
    nowhere = sum(word in ("weak", "ambiguous") for word in points.reason)
    if good.sum() < max(_FEWEST, _AGREE * (len(found) + nowhere)):
        return None
    return found.take(good)


def _affine(points: TiePoints, frame: Frame, search: ChipSearch) -> Affine:
    """What probes tell, as the prior; without turn and scale where these hardly show over a chip."""
    side = search.side * frame.shrink
    ones = np.ones(len(points))
    kind = "affine" if len(points) >= 8 else "similarity" if len(points) >= 4 else "shift"
    matrix = linear(kind, points.places, points.shifts, ones)
    if np.abs(matrix[1:]).sum(0).max() * side < _STRAIGHT:
        matrix = linear("shift", points.places, points.shifts, ones)
    (f, c), (e, b), (d, a) = matrix.tolist()
    return Affine(1 + a, b, c, d, 1 + e, f)


def _everywhere(frame: Frame, settings: Settings, near: TiePoints) -> Affine:
    """The prior told by chips that are sought in the whole reference."""
    log.info(
        "%s: %d of %d probes found near the place stated, and they do not agree: looking everywhere in %s",
        frame.moving.name, int(near.used.sum()), len(near), frame.reference.name,
    )  # fmt: skip
    side = min(_GLOBAL_SIDE, *(int(n / frame.shrink) for n in frame.moving.size))
    places = corners(frame, side, PROBES)
    with tempfile.TemporaryDirectory(prefix="matcher-align-") as folder:
        paths = [_written(frame, place, int(side * frame.shrink), Path(folder)) for place in places]
        kept = [k for k, path in enumerate(paths) if path is not None]
        if len(kept) < _FEWEST:
            raise _nowhere(frame, near, 0, 0)
        one = frame.reference.source.subset([frame.reference.index])
        found = locate([paths[k] for k in kept], one, settings, min_confidence=0.5, pixels=True)
    size = int(side * frame.shrink)
    middles, there = [], []
    by_path = {str(paths[k]): places[k] for k in kept}
    for place in found:
        if place.rank == 1:
            col, row = place.affine @ (size / 2, size / 2)
            middles.append(by_path[place.chip] + size / 2)
            there.append((row, col))
    if len(middles) < _FEWEST:
        raise _nowhere(frame, near, len(middles), 0)
    own = np.array(middles, np.float64)
    shifts = frame.from_reference(np.array(there, np.float64)) - own
    matrix, inside = _consensus(own, shifts, _REACH * frame.shrink)
    if inside.sum() < max(_FEWEST, 0.4 * len(own)):
        raise _nowhere(frame, near, len(own), int(inside.sum()))
    (f, c), (e, b), (d, a) = matrix.tolist()
    return Affine(1 + a, b, c, d, 1 + e, f)


def _nowhere(frame: Frame, near: TiePoints, found: int, agree: int) -> MatcherError:
    told = ", ".join(f"{count} {word}" for word, count in near.counts().items())
    return MatcherError(
        f"{frame.moving.name}: does not lie in {frame.reference.name} as far as can be told: of {len(near)} probes "
        f"{found} were found there, and {agree} agree on a place; {_FEWEST} and more must, and two in five of those; "
        f"near the place stated: {told}"
    )


def _consensus(
    places: NDArray[np.float64], shifts: NDArray[np.float64], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The turn, scale and shift that most points follow, each pair of points tried (Fischler and Bolles 1981)."""
    best, inside = np.zeros((3, 2)), np.zeros(len(places), bool)
    basis = np.column_stack([np.ones(len(places)), places])
    for i in range(len(places)):
        for j in range(i):
            pair = [j, i]
            if np.abs(places[i] - places[j]).max() == 0:
                continue
            matrix = linear("similarity", places[pair], shifts[pair], np.ones(2))
            near = np.hypot(*(shifts - basis @ matrix).T) <= reach
            if near.sum() > inside.sum():
                inside, best = near, matrix
    if inside.sum() > 2:
        kind = "affine" if inside.sum() >= 8 else "similarity"
        best = linear(kind, places[inside], shifts[inside], np.ones(int(inside.sum())))
    return best, inside


def _written(frame: Frame, place: NDArray[np.int64], size: int, folder: Path) -> Path | None:
    """A chip as a GeoTIFF of its own, in values as stored; None where half of it is no data."""
    side = frame.moving
    top, left = (int(v) for v in place)
    values = side.source.read(side.index, top, left, size, size)
    if (values == 0).all(-1).mean() > 0.5:
        return None
    rasterio = import_rasterio(side.name)
    path = folder / f"probe-{top}-{left}.tif"
    where = {}
    if side.georef is not None:
        matrix = side.georef.transform @ Affine.translation(left, top)
        where = {"crs": side.georef.crs, "transform": matrix}
    names = side.source.band_names
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=len(names), dtype=values.dtype, nodata=0, **where
    ) as file:  # fmt: skip
        file.write(np.moveaxis(values, -1, 0))
        for k, name in enumerate(names, 1):
            if name:
                file.set_band_description(k, name)
    return path
