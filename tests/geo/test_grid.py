"""Grids on the Earth, held to GDAL's own projections and to what is known of the ellipsoid."""

import math

import numpy as np
import pytest

pytest.importorskip("pyproj")
warp = pytest.importorskip("rasterio.warp")
from affine import Affine  # noqa: E402

from matcher.geo.grid import Grid, common, distance, relation, upright, wrapped  # noqa: E402
from matcher.geo.resample import rotation  # noqa: E402

DEGREE = 111_319.49  # m along the equator
PLACES = {  # a CRS and a place that it is made for, longitude and latitude
    "EPSG:4326": (12.5, 41.9),
    "EPSG:32631": (3.1, 51.2),
    "EPSG:32760": (179.2, -17.5),
    "EPSG:32601": (-179.6, 66.0),
    "EPSG:3857": (-58.4, -34.6),
    "EPSG:3832": (-179.9, -17.0),
    "EPSG:3413": (-45.0, 84.0),
    "EPSG:3031": (170.0, -78.0),
    "EPSG:32661": (100.0, 88.0),
    "EPSG:2180": (19.2, 52.1),
    "EPSG:2193": (174.8, -41.3),
    "EPSG:3035": (9.0, 48.0),
    "EPSG:5514": (14.4, 50.1),
    "EPSG:2053": (29.1, -26.0),
}


def grid_at(crs, lon, lat, size=(10.0, 10.0), shape=(200, 300)):
    """A grid with the place in its middle, pixels of so many metres, north up; the projection is GDAL's."""
    (x,), (y,) = warp.transform("EPSG:4326", crs, [lon], [lat])
    wide, high = size if crs != "EPSG:4326" else (v / DEGREE for v in size)
    left, top = x - wide * shape[1] / 2, y + high * shape[0] / 2
    return Grid(crs, Affine(wide, 0, left, 0, -high, top), shape)


def test_a_grids_own_numbers():
    grid = Grid("EPSG:32631", Affine(3, -5, 100, 4, 12, 200), (20, 30))
    assert grid.pixel == (5, 13)
    assert grid.middle == (15, 10)
    assert grid.to_map(2, 1) == (100 + 6 - 5, 200 + 8 + 12)
    window = grid.window(1, 2, (7, 9))
    assert (window.crs, window.shape) == (grid.crs, (7, 9))
    assert window.to_map(0, 0) == grid.to_map(2, 1)
    assert window.pixel == grid.pixel


def test_longitudes_and_distances():
    assert wrapped(np.array([180.0, -180, 179.5, 540, -181])).tolist() == [-180, -180, 179.5, -180, 179]
    along = distance([(179.5, 0), (20, 0)], [(-179.5, 0), (20, 1)])
    np.testing.assert_allclose(along, [DEGREE, 110574.39], atol=0.01)


def test_what_lies_nowhere_is_not_finite():
    """Beyond the pole of a grid in degrees, and of a map that shows one hemisphere, beyond its edge."""
    degrees = Grid("EPSG:4326", Affine(1, 0, 0, 0, -1, 90), (10, 10))
    assert np.isfinite(degrees.to_degrees([(5, 0), (5, 1), (5, -1)])).all(1).tolist() == [True, True, False]
    half = Grid(
        "+proj=ortho +lat_0=0 +lon_0=0 +datum=WGS84", Affine(1000, 0, -7e6, 0, -1000, 7e6), (14000, 14000)
    )
    assert np.isfinite(half.to_degrees([(7000, 7000), (10, 10)])).all(1).tolist() == [True, False]
    assert np.isfinite(half.to_pixels([(0, 0), (180, 0)])).all(1).tolist() == [True, False]


@pytest.mark.parametrize("margin", [0.0, 12.0])
def test_what_a_grid_holds(margin):
    grid = grid_at("EPSG:32631", 3.1, 51.2)
    width, height = 300, 200
    for along, size in ((np.array([1, 0]), width), (np.array([0, 1]), height)):
        for beyond, held in ((-margin - 0.5, False), (-margin + 0.5, True)):
            middle = np.array(grid.middle) * (1 - along)
            for point in (middle + along * beyond, middle + along * (size - beyond)):
                assert grid.holds(grid.to_degrees([point])[0], margin) == held


@pytest.mark.parametrize("crs", PLACES)
def test_degrees_are_those_of_gdal_and_go_back(crs):
    grid = grid_at(crs, *PLACES[crs])
    points = np.array([(0, 0), (300, 0), (17.5, 120), (150, 100)])
    spots = grid.to_degrees(points)
    xs, ys = zip(*(grid.to_map(*point) for point in points.tolist()), strict=True)
    lon, lat = warp.transform(crs, "EPSG:4326", xs, ys)
    np.testing.assert_allclose(wrapped(spots[:, 0] - lon), 0, atol=2e-7)
    np.testing.assert_allclose(spots[:, 1], lat, atol=2e-7)
    assert (spots[:, 0] >= -180).all()
    assert (spots[:, 0] < 180).all()
    np.testing.assert_allclose(grid.to_pixels(spots), points, atol=1e-3)


@pytest.mark.parametrize("crs", PLACES)
def test_ground_lengths_of_a_pixel(crs):
    """The length of a pixel's sides is the distance on the ellipsoid that pyproj measures between its corners."""
    grid = grid_at(crs, *PLACES[crs], size=(10, 20))
    col, row = grid.middle
    here, right, below = grid.to_degrees([(col, row), (col + 1, row), (col, row + 1)])
    lengths = np.linalg.norm(grid.ground(), axis=0)
    np.testing.assert_allclose(lengths, [distance(here, right)[0], distance(here, below)[0]], rtol=1e-4)
    if crs == "EPSG:4326":
        assert lengths[0] == pytest.approx(10 * math.cos(math.radians(41.9)), rel=3e-3)


def test_ground_on_the_middle_meridian_of_a_zone():
    """There north is up, and a length on the map is 0.9996 of that on the ground."""
    grid = grid_at("EPSG:32631", 3.0, 51.2, size=(10, 20))
    np.testing.assert_allclose(grid.ground(), np.diag([10, -20]) / 0.9996, atol=1e-4)


def test_no_pixel_is_lost_across_180_degrees():
    """Longitudes of one grid that are written as 179 and as -179 lie next to each other on it."""
    for crs, transform in (
        ("EPSG:4326", Affine(1e-4, 0, 179.99, 0, -1e-4, -17)),
        ("EPSG:4326", Affine(1e-4, 0, -180.01, 0, -1e-4, -17)),
        ("EPSG:4326", Affine(1e-4, 0, 899.99, 0, -1e-4, -17)),
        ("EPSG:3857", Affine(10, 0, 20036508.34, 0, -10, -1900000)),
        ("EPSG:32660", Affine(10, 0, 829000, 0, -10, 1881000)),
    ):
        grid = Grid(crs, transform, (200, 200))
        points = np.array([(10.0, 50.0), (190.0, 50.0)])
        spots = grid.to_degrees(points)
        assert (np.abs(spots[:, 0]) > 179.5).all()
        np.testing.assert_allclose(grid.to_pixels(spots), points, atol=1e-3)
        np.testing.assert_allclose(grid.to_pixels(spots + (360, 0)), points, atol=1e-3)
        assert np.linalg.norm(grid.ground(), axis=0) == pytest.approx([10, 10], rel=0.12)
        assert distance(*spots)[0] < 2100


def test_a_place_is_not_taken_for_the_one_mirrored_at_the_pole():
    """It has the same latitude, and may lie as far off as a place does that stands for it on a Mercator map."""
    radius = 650_000
    grid = Grid("EPSG:3413", Affine(10, 0, -1000, 0, -10, 1000 - radius), (200, 200))
    (here, beside) = grid.to_degrees([(100, 100), (101, 100)])
    turn = 360 / wrapped(beside - here)[0]  # pixels, where x grows evenly with longitude
    points = np.array([(100 + turn / 2 + off, 100) for off in (-0.001, 0.001)])
    np.testing.assert_allclose(grid.to_pixels(grid.to_degrees(points)), points, atol=1e-3)


def test_at_the_pole_a_pixel_is_as_large_as_beside_it():
    for crs in ("EPSG:3413", "EPSG:3031", "EPSG:32661"):
        x = 2_000_000 if crs == "EPSG:32661" else 0
        grid = Grid(crs, Affine(30, 0, x - 3000, 0, -30, x + 3000), (200, 200))
        assert np.linalg.norm(grid.ground(), axis=0) == pytest.approx([30, 30], rel=0.05)
        assert abs(grid.to_degrees([(100, 100)])[0, 1]) == pytest.approx(90)
        beside = Grid(crs, Affine(30, 0, x - 2400, 0, -30, x + 3100), (200, 200))
        points = np.array([(10.0, 20.0), (180.0, 90.0), (81.0, 103.0)])
        np.testing.assert_allclose(beside.to_pixels(beside.to_degrees(points)), points, atol=1e-3)


def test_relation_within_a_crs_is_that_of_the_transforms():
    one = grid_at("EPSG:32631", 3.1, 51.2, (20, 20))
    other = Grid("EPSG:32631", Affine(10, 0, 0, 0, -5, 0), (50, 50))
    np.testing.assert_allclose(relation(one, other), [[2, 0], [0, 4]])
    turned = Grid(one.crs, one.transform @ Affine.rotation(30), one.shape)
    np.testing.assert_allclose(relation(turned, one), rotation(-30), atol=1e-12)


@pytest.mark.parametrize(("crs", "spot"), PLACES.items())
def test_relation_between_crs_is_where_the_corners_lie(crs, spot):
    """Corners of a chip, taken through the Earth by GDAL, lie where the linear map says."""
    chip_crs = "EPSG:4326"
    chip = grid_at(chip_crs, *spot, shape=(64, 64))
    scene = grid_at(crs, spot[0], spot[1], (12, 15), shape=(400, 500))
    matrix = relation(chip, scene)
    corners = np.array([(0, 0), (64, 0), (0, 64), (64, 64)])
    xs, ys = zip(*(chip.to_map(*c) for c in corners.tolist()), strict=True)
    there = [(~scene.transform) @ p for p in zip(*warp.transform(chip_crs, crs, xs, ys), strict=True)]
    away = np.array(there) - np.mean(there, 0)
    np.testing.assert_allclose((corners - 32) @ matrix.T, away, atol=0.05)


def test_relation_of_a_chip_that_says_it_lies_elsewhere_goes_by_the_ground():
    """North stays north, and lengths are those on the ground of each: at 60 degrees a degree is half as long."""
    chip = grid_at("EPSG:32631", 3.0, 20.0, (10, 10), shape=(64, 64))
    scene = grid_at("EPSG:4326", 24.0, 60.0)
    np.testing.assert_allclose(relation(chip, scene), [[1.993, 0], [0, 0.999]], atol=0.01)


@pytest.mark.parametrize(("lat", "turned"), [(47.0, True), (40.0, False)])
def test_relation_to_a_place_beside_a_zone_goes_by_the_map_while_its_pixels_keep_their_size(lat, turned):
    """Six degrees from its middle meridian a zone's pixels are 0.25 % too small at 47 degrees and 0.32 % at 40."""
    chip = grid_at("EPSG:32631", 3.0, lat, (10, 10), shape=(64, 64))
    scene = grid_at("EPSG:32632", 9.0, lat, (10, 10))
    angle = -math.degrees(math.atan(math.tan(math.radians(6)) * math.sin(math.radians(lat)))) if turned else 0
    size = 1 + (0.5 * (math.radians(6) * math.cos(math.radians(lat))) ** 2 if turned else 0)
    np.testing.assert_allclose(relation(chip, scene), rotation(angle) / size, atol=4e-4)


def test_upright_is_square_on_the_ground_and_lies_as_the_map():
    at_60 = grid_at("EPSG:4326", 24.0, 60.0)
    assert upright(at_60)[0, 0] / upright(at_60)[1, 1] == pytest.approx(2, rel=0.01)
    utm = Grid("EPSG:32631", Affine(10, 0, 5e5, 0, -20, 5e6), (90, 90))
    np.testing.assert_allclose(upright(utm), np.diag([2**0.5, 0.5**0.5]), atol=1e-3)
    turned = Grid(utm.crs, utm.transform @ Affine.scale(1, 0.5) @ Affine.rotation(20), (90, 90))
    np.testing.assert_allclose(upright(turned), rotation(20), atol=1e-3)
    assert np.linalg.det(upright(turned)) == pytest.approx(1)


class TestCommon:
    FIRST = Grid("EPSG:32631", Affine(10, 0, 6e5, 0, -10, 57e5), (100, 120))

    def moved(self, row, col, shape=(100, 120)):
        return self.FIRST.window(row, col, shape)

    def test_whole_pixels(self):
        grids = [self.FIRST, self.moved(12, -20), self.moved(0, 0, (90, 50))]
        assert common(grids) == ([(12, 0), (0, 20), (12, 0)], (78, 50))

    def test_nothing_in_common(self):
        for row, col in ((0, 120), (100, 0), (-100, 0), (0, -120), (300, 0), (0, 300)):
            assert common([self.FIRST, self.moved(row, col)])[1] == (0, 0)
        assert common([self.FIRST, self.moved(99, 119)])[1] == (1, 1)

    @pytest.mark.parametrize("row", [0.5, 0.13, -3.3])
    def test_parts_of_a_pixel(self, row):
        assert common([self.FIRST, self.moved(row, 0)]) is None
        assert common([self.FIRST, self.moved(0, row)]) is None

    def test_less_than_a_tenth_of_a_pixel_at_every_corner_is_none(self):
        assert common([self.FIRST, self.moved(5.07, -4.93)]) == ([(5, 0), (0, 5)], (95, 115))
        for grow, same in ((1.0006, True), (1.0015, False)):
            linear = (
                self.FIRST.transform @ Affine.scale(grow, 1),
                self.FIRST.transform @ Affine.scale(1, grow),
            )
            for transform in linear:
                grid = Grid(self.FIRST.crs, transform, (100, 100))
                assert (common([self.FIRST, grid]) is not None) == same

    def test_other_pixels_directions_and_crs(self):
        linear = self.FIRST.transform
        for transform in (
            linear @ Affine.scale(1.01),
            linear @ Affine.rotation(1),
            linear @ Affine.scale(1, -1),
        ):
            assert common([self.FIRST, Grid(self.FIRST.crs, transform, (100, 120))]) is None
        assert common([self.FIRST, Grid("EPSG:32632", linear, (100, 120))]) is None
