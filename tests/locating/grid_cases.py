"""Real pixels on made-up grids: any CRS, pixel sizes in both axes, direction and place on Earth, with the truth.

Both dates of a sample place lie on a plane that touches the Earth at some place. Scenes and chips are grids of their
own over it; each of their pixels is looked up on the plane. Projections here are GDAL's, not those of the product.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import transform
from scipy import ndimage

from matcher.demo.sample import read_sample

METRES = 10.0  # a pixel of the sample
# Rows and columns by which the ground of the second date lies off in the first, the median over nine windows.
# Of those places where the dates agree to a pixel at 20 m too, on a grid of their own.
SHIFTS = {"pisa": (1.02, 0.24), "deurne": (0.10, -0.03), "potholes": (0.06, -0.10)}


@dataclass(frozen=True)
class Lie:
    """How one raster lies: its CRS, metres a pixel across and down, and in which directions it is stored."""

    crs: str
    wide: float
    high: float
    quarter: int = 0  # turns by 90 degrees
    flipped: bool = False
    angle: float = 0.0
    point: bool = False


@dataclass(frozen=True)
class Case:
    """A scene, a chip of the other date in it, and where both are."""

    name: str  # of the sample place
    lon: float
    lat: float
    scene: Lie
    chip: Lie
    east: float  # m from the place's middle to the chip's
    north: float
    elsewhere: bool = False  # whether the chip's file says a place 20 km off


@cache
def dates(name):
    """Two dates of a sample place."""
    place = next(place for place in read_sample() if place.name == name)
    return place.image, place.other


@cache
def smooth(name, date, size):
    """A date as pixels of a size see it, by bands."""
    sigma = max(size / METRES - 1, 0) * 0.5
    array = dates(name)[date].astype(np.float64)
    return [
        ndimage.spline_filter(ndimage.gaussian_filter(array[..., b], sigma), 3) for b in range(array.shape[2])
    ]


def plane(case):
    """The plane on which the sample lies, metres east and north of its middle."""
    return f"+proj=aeqd +lat_0={case.lat} +lon_0={case.lon} +datum=WGS84 +units=m"


def grid_of(case, lie, middle, extent):
    """Transform and shape of a raster that covers `extent` metres about a point of the plane, as it is stored."""
    (x0, x1, x2), (y0, y1, y2) = transform(
        plane(case), lie.crs, [middle[0], middle[0] + 1, middle[0]], [middle[1], middle[1], middle[1] + 1]
    )
    linear = np.array([[x1 - x0, x2 - x0], [y1 - y0, y2 - y0]])
    if lie.crs == "EPSG:4326":
        linear[0] = (linear[0] + 180) % 360 - 180
    # Map units a metre along either axis of the map.
    across, down = 1 / np.linalg.norm(np.linalg.inv(linear), axis=0)
    high, wide = round(extent / lie.high), round(extent / lie.wide)
    north_up = (
        Affine.translation(x0, y0)
        @ Affine.scale(across, down)
        @ Affine.rotation(lie.angle)
        @ Affine.scale(lie.wide, -lie.high)
        @ Affine.translation(-wide / 2, -high / 2)
    )
    shape = (high, wide)
    for _ in range(lie.quarter):
        north_up, shape = north_up @ Affine(0, 1, 0, -1, 0, shape[0]), shape[::-1]
    if lie.flipped:
        north_up = north_up @ Affine(1, 0, 0, 0, -1, shape[0])
    return north_up, shape


def pixels(case, lie, grid, shape, date):
    """What a raster shows: 0 where the sample has nothing."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    xs, ys = grid @ (cols.ravel(), rows.ravel())
    east, north = (np.array(v) for v in transform(lie.crs, plane(case), xs.tolist(), ys.tolist()))
    height, width = dates(case.name)[date].shape[:2]
    at = np.array([height / 2 - north / METRES - 0.5, width / 2 + east / METRES - 0.5])
    out = np.stack(
        [
            ndimage.map_coordinates(band, at, order=3, prefilter=False, mode="mirror")
            for band in smooth(case.name, date, min(lie.wide, lie.high))
        ],
        -1,
    )
    inside = ((at >= -0.5) & (at <= np.array([[height], [width]]) - 0.5)).all(0)
    out = np.where(inside[:, np.newaxis], np.clip(np.rint(out), 1, 4095), 0)
    return out.reshape(*shape, -1).astype(np.uint16)


def write(path, array, lie, grid):
    """A GeoTIFF."""
    size = {"height": array.shape[0], "width": array.shape[1], "count": array.shape[2], "dtype": "uint16"}
    with rasterio.open(
        path, "w", driver="GTiff", crs=lie.crs, transform=grid, nodata=0, photometric="MINISBLACK", **size
    ) as dataset:
        if lie.point:
            dataset.update_tags(AREA_OR_POINT="Point")
        dataset.write(np.moveaxis(array, -1, 0))
        for k, name in enumerate(("red", "green", "blue", "nir"), 1):
            dataset.set_band_description(k, name)
    return path


def make(case, folder):
    """Write a case's scene and chip; gives the longitude and latitude of the chip's middle, and their files."""
    grid, shape = grid_of(case, case.scene, (0.0, 0.0), 2300.0)
    scene = write(folder / "scene.tif", pixels(case, case.scene, grid, shape, 0), case.scene, grid)
    spot = (case.east, case.north)
    grid, shape = grid_of(case, case.chip, spot, 760.0)
    array = pixels(case, case.chip, grid, shape, 1)
    if case.elsewhere:
        away, _ = grid_of(case, case.chip, (case.east + 20_000, case.north - 15_000), 760.0)
        grid = replace_origin(grid, away)
    chip = write(folder / "chip.tif", array, case.chip, grid)
    down, right = SHIFTS[case.name]
    (lon,), (lat,) = transform(
        plane(case), "EPSG:4326", [spot[0] + right * METRES], [spot[1] - down * METRES]
    )
    return (lon, lat), chip, scene


def replace_origin(grid, other):
    """A transform that begins where another does."""
    return Affine(grid.a, grid.b, other.c, grid.d, grid.e, other.f)


def metres_apart(one, other):
    """Great-circle distance of two near places in degrees, metres."""
    lat = math.radians((one[1] + other[1]) / 2)
    east = math.radians((one[0] - other[0] + 180) % 360 - 180) * math.cos(lat)
    if abs(one[1]) > 89:  # where a degree east is next to nothing, by the chord
        points = [
            np.array([math.cos(math.radians(a)) * math.cos(math.radians(o)),
                      math.cos(math.radians(a)) * math.sin(math.radians(o)), math.sin(math.radians(a))])
            for o, a in (one, other)
        ]  # fmt: skip
        return float(6_371_000 * np.linalg.norm(points[0] - points[1]))
    return 6_371_000 * math.hypot(east, math.radians(one[1] - other[1]))


def utm(lon, lat, zones=0):
    """The UTM zone of a place, or one beside it."""
    zone = (int((lon + 180) // 6) + zones) % 60 + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"
