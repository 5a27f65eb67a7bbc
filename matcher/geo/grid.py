"""A grid on the Earth: CRS and transform, and what follows from them in degrees and metres."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Affine = tuple[float, float, float, float, float, float]

_EARTH = 6371008.8  # m, mean radius


@dataclass(frozen=True)
class GeoRef:
    """Where a raster lies.

    Attributes
    ----------
    crs : str
        WKT, or ``AUTHORITY:CODE`` where it has one.
    transform : tuple of 6 float
        (a, b, c, d, e, f): column and row of a pixel corner to map coordinates, x = a col + b row + c and
        y = d col + e row + f.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel, map units."""
        a, b, _, d, e, _ = self.transform
        return float(np.hypot(a, d)), float(np.hypot(b, e))

    def to_map(self, col: float, row: float) -> tuple[float, float]:
        """Map coordinates of a point, in pixels from the outer corner of the first pixel."""
        a, b, c, d, e, f = self.transform
        return a * col + b * row + c, d * col + e * row + f


def apply(affine: Affine, col: float, row: float) -> tuple[float, float]:
    """An affine transform of one point."""
    a, b, c, d, e, f = affine
    return a * col + b * row + c, d * col + e * row + f


def compose(outer: Affine, inner: Affine) -> Affine:
    """The transform that does `inner` first."""
    a, b, c, d, e, f = outer
    i, j, k, m, n, o = inner
    return a * i + b * m, a * j + b * n, a * k + b * o + c, d * i + e * m, d * j + e * n, d * k + e * o + f


def to_degrees(georef: GeoRef, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Map coordinates as longitude and latitude, WGS 84."""
    from rasterio.warp import transform

    xs, ys = zip(*points, strict=True)
    lons, lats = transform(georef.crs, "EPSG:4326", xs, ys)
    return list(zip(lons, lats, strict=True))


def ground_pixel(georef: GeoRef, height: int, width: int) -> float:
    """Metres on the ground that a pixel in the middle of a raster is wide and high, the geometric mean."""
    middle = (width / 2, height / 2)
    steps = [middle, (middle[0] + 1, middle[1]), (middle[0], middle[1] + 1)]
    here, right, below = to_degrees(georef, [georef.to_map(*step) for step in steps])
    return math.sqrt(_distance(here, right) * _distance(here, below))


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two near points in degrees."""
    east = math.radians(other[0] - one[0]) * math.cos(math.radians((one[1] + other[1]) / 2))
    return _EARTH * math.hypot(east, math.radians(other[1] - one[1]))
