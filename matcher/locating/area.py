"""Where to look: ``--near`` as the part of each scene in which a chip's middle may lie."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.formats.raster import Raster
from matcher.geo.grid import Grid, Points, distance, geod
from matcher.indexing.tiles import Box

_STEPS = 33  # points along each side of an area, or of a scene, by which their common part is found


class Area(Protocol):
    """A part of the Earth's surface."""

    def points(self) -> Points:
        """Places in degrees spread over it, its border among them, (n, 2)."""

    def holds(self, spots: Points) -> NDArray[np.bool_]:
        """Which of some places in degrees, (n, 2), lie in it."""


@dataclass(frozen=True)
class Rectangle:
    """A box of degrees; its west is the larger number where it goes across 180 degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def width(self) -> float:
        """Degrees from west to east."""
        return self.east - self.west if self.west < self.east else self.east - self.west + 360

    def points(self) -> Points:
        """Places in degrees spread over it, its border among them, (n, 2)."""
        lon = self.west + np.linspace(0, self.width, _STEPS)
        return _lattice(lon, np.linspace(self.south, self.north, _STEPS))

    def holds(self, spots: Points) -> NDArray[np.bool_]:
        """Which of some places in degrees, (n, 2), lie in it."""
        lon, lat = spots.T
        with np.errstate(invalid="ignore"):
            return ((lon - self.west) % 360 <= self.width) & (self.south <= lat) & (lat <= self.north)


@dataclass(frozen=True)
class Circle:
    """A circle on the ground about a place in degrees; its radius is in kilometres."""

    lon: float
    lat: float
    radius: float

    def points(self) -> Points:
        """Places in degrees spread over it, its border among them, (n, 2)."""
        azimuths, metres = np.linspace(0, 360, 2 * _STEPS), np.linspace(0, 1000 * self.radius, 9)
        azimuth, length = _lattice(azimuths, metres).T
        lon, lat, _ = geod().fwd(
            np.full_like(azimuth, self.lon), np.full_like(azimuth, self.lat), azimuth, length
        )
        return np.column_stack([lon, lat])

    def holds(self, spots: Points) -> NDArray[np.bool_]:
        """Which of some places in degrees, (n, 2), lie in it."""
        return distance(np.broadcast_to((self.lon, self.lat), spots.shape), spots) <= 1000 * self.radius


@dataclass(frozen=True)
class Near:
    """A search area: one for all chips, or a radius about each chip's own position.

    Attributes
    ----------
    area : Area, optional
    radius : float, optional
        Kilometres about the position that the chip's file says.
    """

    area: Area | None = None
    radius: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Near":
        """``W,S,E,N``, ``LON,LAT,KM``, or ``KM`` about each chip's own position.

        Raises
        ------
        SettingsError
            If it is none of these, or no such place is on Earth.
        """
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if not all(map(math.isfinite, numbers)):
            numbers = []
        if len(numbers) == 1 and numbers[0] > 0:
            return cls(radius=numbers[0])
        area: Rectangle | Circle | None = None
        if len(numbers) == 3 and numbers[2] > 0:
            area = Circle(numbers[0], numbers[1], numbers[2])
            _check_degrees(text, [numbers[:2]])
        elif len(numbers) == 4 and numbers[1] < numbers[3] and numbers[0] != numbers[2]:
            area = Rectangle(*numbers)
            _check_degrees(text, [numbers[:2], numbers[2:]])
            if area.width > 180 and numbers[0] > numbers[2]:
                area = None  # west and east have changed places; across 180 degrees the box would be narrower
        if area is None:
            raise SettingsError(
                f"--near {text}: give west,south,east,north in degrees (west is the larger number where the box goes "
                "across 180 degrees), or longitude,latitude,kilometres, or kilometres about each chip's own position"
            )
        return cls(area)

    def of(self, chip: Raster) -> Area | None:
        """The area for one chip; None where it is to be sought everywhere, for want of a position."""
        if self.radius is None:
            return self.area
        if chip.georef is None:
            return None
        lon, lat = chip.georef.to_degrees([chip.georef.middle])[0].tolist()
        return Circle(lon, lat, self.radius)

    def swapped(self) -> Area | None:
        """The area with latitudes and longitudes changed about; None where there is no such area."""
        area = self.area
        if isinstance(area, Circle) and abs(area.lon) <= 90:
            return Circle(area.lat, area.lon, area.radius)
        if (
            isinstance(area, Rectangle)
            and max(abs(area.west), abs(area.east)) <= 90
            and area.west < area.east
        ):
            return Rectangle(area.south, area.west, area.north, area.east)
        return None


def _check_degrees(text: str, points: list[list[float]]) -> None:
    for lon, lat in points:
        if abs(lon) > 360 or abs(lat) > 90:
            swapped = abs(lon) <= 90 and abs(lat) <= 360
            hint = "the longitude goes before the latitude" if swapped else "longitudes go from -180 to 180"
            raise SettingsError(
                f"--near {text}: {lon:g},{lat:g} is no longitude and latitude on Earth; {hint}"
            )


def box(scene: Raster, area: Area, side: tuple[int, int], shrink: tuple[float, float]) -> Box | None:
    """The part of a scene, pixels of the search, where windows of `side` have their middle in an area.

    Raises
    ------
    MatcherError
        If the scene has no CRS.
    """
    if scene.georef is None:
        raise MatcherError(f"{scene.name}: {scene.ungridded}; --near needs to know where scenes lie")
    points = _common(scene.georef, area)
    if points is None:
        return None
    (left, top), (right, bottom) = points.min(0), points.max(0)
    rows = max(top, 0.0), min(bottom, float(scene.height))
    columns = max(left, 0.0), min(right, float(scene.width))
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    high, wide = side[0] / 2, side[1] / 2
    return Box(
        math.floor(rows[0] / shrink[0] - high),
        math.floor(columns[0] / shrink[1] - wide),
        math.ceil(rows[1] / shrink[0] + high),
        math.ceil(columns[1] / shrink[1] + wide),
    )


def _common(grid: Grid, area: Area) -> Points | None:
    """Columns and rows spread over the part of a grid that lies in an area, and beyond the grid where the area does.

    None where neither has a point in the other.
    """
    height, width = grid.shape
    own = _lattice(np.linspace(0, width, _STEPS), np.linspace(0, height, _STEPS))
    own = own[area.holds(grid.to_degrees(own))]
    points = grid.to_pixels(area.points())
    points = points[np.isfinite(points).all(1)]
    on_grid = ((points >= 0) & (points <= (width, height))).all(1)
    return np.concatenate([points, own]) if len(own) or on_grid.any() else None


def _lattice(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Points:
    x, y = np.meshgrid(xs, ys)
    return np.column_stack([x.ravel(), y.ravel()])
