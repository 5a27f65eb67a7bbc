"""Where to look: ``--near`` as the part of each scene in which a chip's middle may lie."""

import math
from dataclasses import dataclass

from matcher.errors import MatcherError, SettingsError
from matcher.formats.raster import Raster
from matcher.geo.grid import GeoRef, to_degrees
from matcher.locating.tiles import Box

_KM_A_DEGREE = 111.195


@dataclass(frozen=True)
class Near:
    """A search area: a box in degrees, or a radius about each chip's own position.

    Attributes
    ----------
    box : (west, south, east, north), optional
        Degrees, WGS 84.
    radius : float, optional
        Kilometres about the position that the chip's file says.
    """

    box: tuple[float, float, float, float] | None = None
    radius: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Near":
        """``W,S,E,N``, ``LON,LAT,KM``, or ``KM`` about each chip's own position.

        Raises
        ------
        SettingsError
            If it is none of these.
        """
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if not all(map(math.isfinite, numbers)):
            numbers = []
        if len(numbers) == 1 and numbers[0] > 0:
            return cls(radius=numbers[0])
        if len(numbers) == 3 and numbers[2] > 0 and abs(numbers[1]) <= 90:
            return cls(box=around(numbers[0], numbers[1], numbers[2]))
        if len(numbers) == 4 and numbers[0] < numbers[2] and numbers[1] < numbers[3]:
            return cls(box=(numbers[0], numbers[1], numbers[2], numbers[3]))
        raise SettingsError(
            f"--near {text}: give west,south,east,north in degrees, or longitude,latitude,kilometres, or kilometres "
            "about each chip's own position"
        )

    def of(self, chip: Raster) -> tuple[float, float, float, float] | None:
        """The box in degrees for one chip; None where it is to be sought everywhere, for want of a position."""
        if self.box is not None:
            return self.box
        if self.radius is None or chip.georef is None:
            return None
        middle = chip.georef.to_map(chip.width / 2, chip.height / 2)
        lon, lat = to_degrees(chip.georef, [middle])[0]
        return around(lon, lat, self.radius)


def around(lon: float, lat: float, km: float) -> tuple[float, float, float, float]:
    """The box, degrees, that holds a circle."""
    high = km / _KM_A_DEGREE
    wide = high / max(math.cos(math.radians(min(abs(lat) + high, 89.9))), 1e-3)
    return lon - wide, lat - high, lon + wide, lat + high


def area(
    scene: Raster, box: tuple[float, float, float, float], side: tuple[int, int], shrink: float
) -> Box | None:
    """The part of a scene, pixels of the search, where windows of `side` have their middle in a box of degrees.

    Raises
    ------
    MatcherError
        If the scene has no CRS.
    """
    if scene.georef is None:
        raise MatcherError(f"{scene.name}: {scene.ungridded}; --near needs to know where scenes lie")
    left, top, right, bottom = _pixels(scene.georef, box)
    rows = max(top, 0.0), min(bottom, float(scene.height))
    columns = max(left, 0.0), min(right, float(scene.width))
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    high, wide = side[0] / 2, side[1] / 2
    return Box(
        math.floor(rows[0] / shrink - high),
        math.floor(columns[0] / shrink - wide),
        math.ceil(rows[1] / shrink + high),
        math.ceil(columns[1] / shrink + wide),
    )


def _pixels(georef: GeoRef, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box in degrees as left, top, right, bottom, pixels of a scene whose grid is north up."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds("EPSG:4326", georef.crs, *box)
    a, _, c, _, e, f = georef.transform
    columns = sorted(((west - c) / a, (east - c) / a))
    rows = sorted(((south - f) / e, (north - f) / e))
    return columns[0], rows[0], columns[1], rows[1]
