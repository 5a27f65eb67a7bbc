"""A grid on the Earth: CRS, transform in both axes, and shape; and what follows from them in degrees and metres.

Degrees are longitude and latitude, WGS 84; longitudes lie in [-180, 180). Distances are those of the ellipsoid.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from matcher.errors import MatcherError
from matcher.values import brief
from matcher.version import install_command

Points = NDArray[np.float64]
Matrix = NDArray[np.floating[Any]]

_ONE_PLACE = 1e-6  # degrees; positions that differ by less are one
_FITS = 0.003  # share by which a pixel's size may differ between two places for which a CRS is made
_ALIKE = 0.1  # px by which the pixels of two grids may lie off each other and still be the same


@brief
@dataclass(frozen=True)
class Grid:
    """Where a raster lies.

    Attributes
    ----------
    crs : str
        WKT, or ``AUTHORITY:CODE`` where it has one.
    transform : Affine
        Column and row, counted from the outer corner of the first pixel, to map coordinates.
    shape : (int, int)
        Height and width, pixels.
    """

    crs: str
    transform: Affine
    shape: tuple[int, int]

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel, map units."""
        return math.hypot(self.transform.a, self.transform.d), math.hypot(self.transform.b, self.transform.e)

    @property
    def middle(self) -> tuple[float, float]:
        """Column and row of the middle."""
        return self.shape[1] / 2, self.shape[0] / 2

    def window(self, row: float, col: float, shape: tuple[int, int]) -> "Grid":
        """The grid of a window, by its top-left corner."""
        return Grid(self.crs, self.transform @ Affine.translation(col, row), shape)

    def to_map(self, col: float, row: float) -> tuple[float, float]:
        """Map coordinates of a point of the picture."""
        x, y = self.transform @ (col, row)
        return float(x), float(y)

    def to_degrees(self, points: ArrayLike) -> Points:
        """Columns and rows, (n, 2), as longitudes and latitudes, (n, 2); not finite where there is no such place."""
        return degrees(self.crs, _moved(self.transform, points))

    def to_pixels(self, spots: ArrayLike) -> Points:
        """Longitudes and latitudes, (n, 2), as columns and rows, (n, 2); not finite where the CRS does not reach."""
        x, y = _columns(from_degrees(self.crs, spots))
        x = self._nearest_turn(x, y, spots)
        return _moved(~self.transform, np.column_stack([x, y]))

    def _nearest_turn(self, x: Points, y: Points, spots: ArrayLike) -> Points:
        """Of map coordinates that stand for one place, such as x and x + 360, those next to this grid."""
        middle = self.to_map(*self.middle)
        here = degrees(self.crs, [middle])[0]
        step = -0.01 if here[0] > 0 else 0.01  # away from 180 degrees, where the coordinate can jump
        start, end = from_degrees(self.crs, [here, here + (step, 0)])[:, 0]
        whole = abs((end - start) / step) * 360  # of the Earth, where x grows evenly with longitude
        with np.errstate(invalid="ignore"):
            moved = x + whole * np.round((middle[0] - x) / whole) if whole > 0 else x
            off = degrees(self.crs, np.column_stack([moved, y])) - np.asarray(spots, np.float64).reshape(
                -1, 2
            )
            off[:, 0] = wrapped(off[:, 0])
            return np.where((np.abs(off) < _ONE_PLACE).all(1), moved, x)

    def holds(self, spot: Sequence[float], margin: float = 0.0) -> bool:
        """Whether a place in degrees lies on the grid, or less than `margin` pixels beside it."""
        col, row = self.to_pixels([list(spot)])[0]
        height, width = self.shape
        return bool(-margin <= col <= width + margin and -margin <= row <= height + margin)

    def ground(self) -> Matrix:
        """Metres east and north, first row and second, that a column and a row make in the middle of the grid."""
        return _ground(self, self.middle)


def _ground(grid: Grid, point: tuple[float, float]) -> Matrix:
    """Metres east and north that a column and a row make at a point; at a pole, east and north of its longitude."""
    col, row = point
    around = [(col + 0.5, row), (col, row + 0.5), (col - 0.5, row), (col, row - 0.5)]
    here, *spots = grid.to_degrees([point, *around]).tolist()
    azimuth, _, length = geod().inv(*_columns([here] * 4), *_columns(spots))
    angle = np.radians(azimuth)
    steps = np.array([length * np.sin(angle), length * np.cos(angle)])
    out: Matrix = steps[:, :2] - steps[:, 2:]
    return out


def relation(one: Grid, other: Grid) -> Matrix:
    """Columns and rows of `other` that a column and a row of `one` make, (2, 2).

    Of one CRS, by their transforms. Otherwise where `one` says that it lies, if that is on `other`; if not, in the
    middle of `other`, or, where the CRS of `one` is not made for that place, by lengths and directions on the ground.
    """
    if one.crs == other.crs:
        return _linear(~other.transform @ one.transform)
    own = one.ground()
    here = one.to_degrees([one.middle])[0].tolist()
    if other.holds(here, margin=max(_size(other.ground(), own) * max(one.shape), 1.0)):
        matrix = _about(one, one.middle, other)
        if _regular(matrix):
            return matrix
    (there,) = one.to_pixels(other.to_degrees([other.middle])).tolist()
    if np.isfinite(there).all():
        with np.errstate(invalid="ignore"):
            size = _size(own, _ground(one, (there[0], there[1])))
        matrix = _about(one, (there[0], there[1]), other)
        if _regular(matrix) and abs(size - 1) < _FITS:
            return matrix
    out: Matrix = np.linalg.solve(other.ground(), own)
    return out


def _about(one: Grid, point: tuple[float, float], other: Grid) -> Matrix:
    """The linear map from one grid to another about a point of the first, over the first's size."""
    (col, row), (height, width) = point, one.shape
    x, y = width / 2, height / 2
    around = [(col - x, row), (col + x, row), (col, row - y), (col, row + y)]
    left, right, above, below = other.to_pixels(one.to_degrees(around))
    return np.column_stack([(right - left) / width, (below - above) / height])


def _regular(matrix: Matrix) -> bool:
    return bool(np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 0)


def _size(large: Matrix, small: Matrix) -> float:
    """Pixels of one grid along the side of a pixel of another."""
    return math.sqrt(abs(np.linalg.det(small) / np.linalg.det(large)))


def upright(grid: Grid) -> Matrix:
    """Columns and rows of a grid that a step right and a step down make on a picture of the same ground with square
    pixels that lies as its map does; of determinant 1."""
    linear = grid.ground()
    turn = _linear(grid.transform)
    # On the ground: what the map's axes are there, without the lengths.
    axes = linear @ np.linalg.inv(turn) @ np.diag([1.0, -1.0])
    axes = _rotation(axes)
    out: Matrix = np.linalg.solve(linear, axes)
    return out / math.sqrt(abs(np.linalg.det(out)))


def _rotation(matrix: Matrix) -> Matrix:
    """The rotation or reflection next to a matrix."""
    left, _, right = np.linalg.svd(matrix)
    out: Matrix = left @ right
    return out


def _linear(transform: Affine) -> Matrix:
    return np.array([[transform.a, transform.b], [transform.d, transform.e]])


def common(grids: Sequence[Grid]) -> tuple[list[tuple[int, int]], tuple[int, int]] | None:
    """What several grids share: row and column of its first pixel in each, and its shape, which can be (0, 0).

    None where their pixels do not lie on each other: another CRS, pixel size or direction, or parts of a pixel.
    """
    first = grids[0]
    corners: list[tuple[int, int]] = []  # of each grid's first pixel, in the first grid
    for grid in grids:
        if grid.crs != first.crs:
            return None
        there = ~first.transform @ grid.transform
        row, col = round(there.f), round(there.c)
        for point in ((0, 0), (grid.shape[1], 0), (0, grid.shape[0]), grid.shape[::-1]):
            x, y = there @ point
            if max(abs(x - point[0] - col), abs(y - point[1] - row)) > _ALIKE:
                return None
        corners.append((row, col))
    top, left = (max(corner[k] for corner in corners) for k in (0, 1))
    bottom, right = (min(c[k] + g.shape[k] for c, g in zip(corners, grids, strict=True)) for k in (0, 1))
    shape = (bottom - top, right - left) if bottom > top and right > left else (0, 0)
    return [(top - row, left - col) for row, col in corners], shape


def degrees(crs: str, points: ArrayLike) -> Points:
    """Map coordinates, (n, 2), as longitudes and latitudes, (n, 2); not finite where there is no such place."""
    lon, lat = to_geographic(crs).transform(*_columns(points))
    somewhere = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90 + _ONE_PLACE)
    return np.where(somewhere[:, np.newaxis], np.column_stack([wrapped(lon), lat]), np.inf)


def from_degrees(crs: str, spots: ArrayLike) -> Points:
    """Longitudes and latitudes, (n, 2), as map coordinates, (n, 2); not finite where the CRS does not reach."""
    lon, lat = _columns(spots)
    return np.column_stack(to_geographic(crs).transform(wrapped(lon), lat, direction="INVERSE"))


def wrapped(longitudes: Points) -> Points:
    """Longitudes, or differences of them, in [-180, 180)."""
    with np.errstate(invalid="ignore"):
        out: Points = (longitudes + 180) % 360 - 180
    return out


def distance(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Metres on the ellipsoid between places in degrees, (n, 2) each."""
    _, _, length = geod().inv(*_columns(one), *_columns(other))
    return np.asarray(length, np.float64)


def _moved(transform: Affine, points: ArrayLike) -> Points:
    x, y = _columns(points)
    moved: Any = transform @ (x, y)  # type: ignore[operator]  # which takes arrays as well
    return np.column_stack(moved)


def _columns(points: ArrayLike) -> tuple[Points, Points]:
    x, y = np.array(points, np.float64).reshape(-1, 2).T
    return x, y


def crs_as_wkt(crs: str) -> str:
    """A CRS as well-known text."""
    return str(_pyproj().CRS.from_user_input(crs).to_wkt())


@functools.lru_cache(64)
def to_geographic(crs: str) -> Any:
    """The pyproj transformer from a CRS to longitude and latitude, in this order.

    Raises
    ------
    MatcherError
        If pyproj is missing.
    pyproj.exceptions.ProjError
        If the CRS does not lie on the Earth.
    """
    return _pyproj().Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


@functools.cache
def geod() -> Any:
    """The pyproj ellipsoid of WGS 84."""
    return _pyproj().Geod(ellps="WGS84")


def _pyproj() -> Any:
    try:
        import pyproj
    except ImportError:
        raise MatcherError(f"places on Earth need pyproj: {install_command('geo')}") from None
    return pyproj
