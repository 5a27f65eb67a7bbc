"""Chips that are turned or scaled by what neither file says: they are laid as their ground lies."""

import numpy as np
import pytest

import matcher
from matcher.errors import SettingsError
from matcher.geo.place import records
from matcher.search.pose import Pose
from tests.locating.conftest import NORTH, WEST
from tests.locating.test_locate import ground, other_date
from tests.places import DATA, needs_data

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import from_origin  # noqa: E402

from tests.formats.test_rasters import write  # noqa: E402

PLACES = ("bordeaux", "milano", "aguasclaras", "chongqing", "norcia", "rennes")


def lie(degrees, growth):
    """Offsets in a chip to offsets in the scene, rows first: turned anticlockwise to lie as the scene does."""
    angle = np.radians(degrees)
    return (1 + growth) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def cut(picture, middle, side, matrix):
    """A chip of `side` px that shows the ground about a middle turned and scaled, uint16."""
    seen = Pose(np.array(middle, float), matrix).seen(picture.astype(np.float32), (0, 0), (side, side), 0)
    return np.clip(np.rint(seen), 1, 4095).astype(np.uint16)


def corner_error(place, middle, side, matrix):
    """The most that a corner of a place lies off, pixels of the scene."""
    corners = np.array([(0, 0), (0, side), (side, side), (side, 0)], float)
    found = np.array([place.affine @ (x, y) for y, x in corners])[:, ::-1]
    return float(np.hypot(*(found - (corners - side / 2) @ matrix.T - middle).T).max())


@pytest.fixture(scope="module")
def land():
    return ground(360, 400)


@pytest.mark.parametrize(("degrees", "growth"), [(4.0, 0.0), (-2.0, 0.02), (0.0, -0.03)])
def test_turn_and_scale_are_found_and_told(tmp_path, land, scene, degrees, growth):
    matrix, middle = lie(degrees, growth), (150.3, 201.6)
    path = write(tmp_path / "chip.tif", cut(other_date(land), middle, 64, matrix))
    (place,) = matcher.locate(path, scene)
    assert place.confidence > 0.9
    assert corner_error(place, middle, 64, matrix) < 0.3
    assert (place.rotation, place.scale) == pytest.approx((degrees, 1 + growth), abs=0.2)
    assert place.scale == pytest.approx(1 + growth, abs=0.005)
    assert place.outline()[0] == pytest.approx((WEST + 10 * place.col, NORTH - 10 * place.row))
    (record,) = records([place])
    assert (record["map_x"], record["map_y"]) == pytest.approx((WEST + 2016, NORTH - 1503), abs=2)


def test_a_straight_chip_stays_where_it_was(tmp_path, land, scene, monkeypatch):
    path = write(tmp_path / "chip.tif", other_date(land)[100:164, 140:204])
    (place,) = matcher.locate(path, scene)
    assert (place.rotation, place.scale) == (0, 1)
    monkeypatch.setattr("matcher.locating.run.turned", lambda _, best: best)
    (plain,) = matcher.locate(path, scene)
    assert (place.affine, place.confidence, place.score) == (plain.affine, plain.confidence, plain.score)


def test_a_turned_chip_at_the_scenes_border(tmp_path, land, scene):
    """Its corner lies beyond the scene, and its place is that of the part that is there."""
    matrix, middle = lie(5, 0), (31.0, 32.5)
    chip = cut(other_date(land), middle, 64, matrix)
    (place,) = matcher.locate(write(tmp_path / "chip.tif", chip), scene)
    assert corner_error(place, middle, 64, matrix) < 0.5


def test_oblong_pixels_of_a_scene(tmp_path, land):
    """A scene of 20 m down and 10 m across: a chip of square pixels turned on the ground is found as turned by that."""
    tall = land.reshape(180, 2, 400, 4).mean(1).astype(np.uint16)
    scene = write(tmp_path / "tall.tif", tall, nodata=0, transform=from_origin(WEST, NORTH, 10, 20))
    matrix, middle = lie(3, 0), (170.0, 210.0)
    path = write(tmp_path / "chip.tif", cut(other_date(land), middle, 128, matrix))
    (place,) = matcher.locate(path, scene)
    assert corner_error(place, np.array([85.0, 210.0]), 128, np.diag([0.5, 1.0]) @ matrix) < 0.6


@pytest.mark.parametrize("tall", [60, 200])
def test_very_oblong_pixels_of_a_scene(tmp_path, land, tall):
    """Where a turn of 8 degrees would move corners farther than parts are sought; one of the chips is nowhere."""
    scene = write(tmp_path / "scene.tif", land, nodata=0, transform=from_origin(WEST, NORTH, 10, tall))
    chips = {"here": other_date(land)[101:165, 140:204], "nowhere": ground(64, 64, seed=77)}
    for name, array in chips.items():
        write(tmp_path / f"{name}.tif", array, transform=from_origin(0, 0, 10, tall))
    here, nowhere = matcher.locate([tmp_path / f"{name}.tif" for name in chips], scene)
    assert (here.row, here.col) == pytest.approx((101, 140), abs=0.5)
    assert here.confidence > 0.9
    assert nowhere.confidence < 0.5


def test_other_candidates_of_a_turned_chip(tmp_path, land, scene):
    """The chip's own ground is one place, however it is laid."""
    matrix = lie(4, 0)
    path = write(tmp_path / "chip.tif", cut(other_date(land), (150.3, 201.6), 64, matrix))
    first, *others = matcher.locate(path, scene, candidates=3)
    assert corner_error(first, (150.3, 201.6), 64, matrix) < 0.3
    for place in others:
        assert max(abs(place.row - first.row), abs(place.col - first.col)) > 20
        assert place.score < first.score


@pytest.mark.slow
def test_any_rotation(tmp_path, land, scene):
    """A chip turned by no angle that is tried is found by the next one, and laid by its own."""
    matrix, middle = lie(100.0, 0.01), (150.3, 201.6)
    path = write(tmp_path / "chip.tif", cut(other_date(land), middle, 64, matrix))
    assert matcher.locate(path, scene)[0].rank == 0
    (place,) = matcher.locate(path, scene, rotations="any")
    assert place.confidence > 0.9
    assert corner_error(place, middle, 64, matrix) < 0.5
    assert place.rotation == pytest.approx(100, abs=0.2)
    with pytest.raises(SettingsError, match="--rotations round"):
        matcher.locate(path, scene, rotations="round")


@pytest.mark.slow
class TestRealPlaces:
    pytestmark = needs_data

    @pytest.mark.parametrize("place", PLACES)
    def test_corners_lie_within_a_pixel(self, tmp_path, place):
        """Turned by 1 to 6 degrees, scaled by up to 4 %: chips of 96 to 256 px of another date; one may be in doubt."""
        with np.load(DATA / "places" / f"{place}.npz") as file:
            (first, second), shift = file["images"], file["shift_yx"].astype(float)
        write(tmp_path / "scene.tif", first, nodata=0, transform=from_origin(WEST, NORTH, 10, 10))
        rng, truth = np.random.default_rng(101), {}
        for side in (96, 128, 256):
            for degrees, growth in ((1, 0.0), (-3, 0.0), (6, 0.0), (0, 0.04), (4, -0.03)):
                room = side * 0.56
                if min(second.shape[:2]) <= 2 * room:
                    continue
                middle = rng.uniform(room, np.array(second.shape[:2]) - room)
                chip = cut(second, middle, side, lie(degrees, growth))
                name = str(tmp_path / f"{len(truth)}.tif")
                write(name, chip, transform=from_origin(1000, 2000, 10, 10))
                truth[name] = middle + shift, side, lie(degrees, growth)
        found = matcher.locate(list(truth), tmp_path / "scene.tif", min_confidence=0.9)
        sure = [p for p in found if p.rank]
        assert len(sure) >= len(found) - 1
        assert max(corner_error(p, *truth[p.chip]) for p in sure) < 1
