"""Chips in scenes, end to end: seams, scales, rotations, areas, refusals, candidates, coordinates."""

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

import matcher
from matcher.errors import MatcherError, SettingsError
from matcher.formats.raster import Raster
from matcher.geo.grid import Grid
from matcher.geo.place import records
from matcher.geo.resample import rotation, shrink, turn
from matcher.indexing.tiles import Box
from matcher.locating.area import Circle, Near, Rectangle, box
from matcher.locating.laying import Variant
from matcher.locating.variants import parse_scale
from tests.formats.test_rasters import write
from tests.locating.conftest import NORTH, WEST

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import from_origin  # noqa: E402


def ground(height, width, seed=0, grain=1.2):
    """Land of smooth random fields in four bands that resemble each other, DN."""
    rng = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(rng.standard_normal((height, width)), grain)
    bands = [
        base + 1.0 * ndimage.gaussian_filter(rng.standard_normal((height, width)), grain) for _ in range(4)
    ]
    return (1500 + 400 * np.stack(bands, -1) / base.std()).clip(50, 4000).astype(np.uint16)


def other_date(array, seed=1):
    """The same ground in other light and with noise."""
    rng = np.random.default_rng(seed)
    return (array * 0.8 + 300 + rng.normal(0, 60, array.shape)).clip(1, 4095).astype(np.uint16)


@pytest.fixture(scope="module")
def land():
    return ground(700, 900)


def chip(tmp_path, land, row, col, side=48, name="chip.tif", **profile):
    array = other_date(land)[row : row + side, col : col + side]
    return write(tmp_path / name, array, **{"transform": from_origin(1000, 2000, 10, 10), **profile})


def test_place_and_coordinates(tmp_path, land, scene):
    (place,) = matcher.locate(chip(tmp_path, land, 301, 455), scene)
    assert abs(place.row - 301) < 0.3
    assert abs(place.col - 455) < 0.3
    assert place.confidence > 0.9
    (record,) = records([place])
    assert record["map_x"] == pytest.approx(WEST + 10 * (455 + 24), abs=3)
    assert record["map_y"] == pytest.approx(NORTH - 10 * (301 + 24), abs=3)
    assert record["crs"] == "EPSG:32631"
    from rasterio.warp import transform

    lon, lat = transform("EPSG:32631", "EPSG:4326", [record["map_x"]], [record["map_y"]])
    assert (record["lon"], record["lat"]) == pytest.approx((lon[0], lat[0]), abs=1e-6)
    assert record["row"] == round(record["row"], 1)
    assert place.transform @ (0, 0) == pytest.approx((WEST + 10 * place.col, NORTH - 10 * place.row))


@pytest.mark.slow
def test_nothing_lost_at_the_seams_and_nothing_found_twice(tmp_path, land, monkeypatch):
    """Chips on and beside every seam of small pieces: each found once, and sure."""
    import matcher.locating.variants as variants
    from matcher.indexing.tiles import TiledSource

    monkeypatch.setattr(variants, "TiledSource", lambda *a, **k: TiledSource(*a, **k, places=100))
    part = land[:300, :330]
    scene = write(tmp_path / "scene.tif", part)
    (tmp_path / "chips").mkdir()
    tiles = TiledSource(matcher.open_images(scene), (48, 48), places=100)
    assert len(tiles) == 9
    seams = sorted({(p.row + d, p.col + e) for p in tiles.pieces for d in (-1, 4) for e in (0, 7)})
    seams = [(r, c) for r, c in seams if 0 <= r <= 300 - 48 and 0 <= c <= 330 - 48]
    for n, (row, col) in enumerate(seams):
        chip(tmp_path / "chips", land, row, col, name=f"{n}.tif")
    places = matcher.locate(tmp_path / "chips", scene, candidates=2)
    first = [p for p in places if p.rank == 1]
    found = {p.chip.rsplit("/", 1)[1]: (p.row, p.col) for p in first}
    for n, place in enumerate(seams):
        assert found[f"{n}.tif"] == pytest.approx(place, abs=0.5)
    assert min(p.confidence for p in first) > 0.9
    for second in (p for p in places if p.rank == 2):
        row, col = found[second.chip.rsplit("/", 1)[1]]
        assert max(abs(second.row - row), abs(second.col - col)) > 20


@pytest.mark.slow
def test_several_scenes_that_show_the_same_ground(tmp_path, land, scene):
    """A second scene that overlaps the first is no rival of it."""
    other = land[100:600, 200:800]
    write(tmp_path / "b.tif", other_date(other, 5), transform=from_origin(WEST + 2000, NORTH - 1000, 10, 10))
    write(tmp_path / "c.tif", ground(300, 300, 9), transform=from_origin(WEST + 90000, NORTH, 10, 10))
    (place,) = matcher.locate(chip(tmp_path, land, 301, 455), [scene, tmp_path / "b.tif", tmp_path / "c.tif"])
    assert place.confidence > 0.95
    assert place.centre() == pytest.approx((WEST + 10 * (455 + 24), NORTH - 10 * (301 + 24)), abs=5)


class TestRefusal:
    @pytest.mark.slow
    def test_in_none_of_these_scenes(self, tmp_path, land, scene):
        del land
        (place,) = matcher.locate(chip(tmp_path, ground(100, 100, 77), 20, 30), scene, min_confidence=0.9)
        assert (place.rank, place.scene) == (0, "")
        assert place.reason in ("weak", "ambiguous")
        assert records([place])[0]["row"] is None
        (forced,) = matcher.locate(tmp_path / "chip.tif", scene, min_confidence=0)
        assert forced.rank == 1
        assert forced.confidence < 0.9

    def test_a_flat_chip(self, tmp_path, land, scene):
        write(tmp_path / "flat.tif", np.full((48, 48, 4), 900, np.uint16))
        chip(tmp_path, land, 11, 12)
        places = matcher.locate([tmp_path / "flat.tif", tmp_path / "chip.tif"], scene)
        assert [p.rank for p in places] == [0, 1]
        assert places[0].reason == "flat"
        assert places[1].reason == ""


class TestPixelSizes:
    @pytest.mark.parametrize("metres", [5, 15])
    def test_both_sides_say_their_own(self, tmp_path, metres):
        fine = ground(900, 1000, 3, grain=4.0)  # 5 m
        scene = write(tmp_path / "scene.tif", shrink(fine, 2), transform=from_origin(WEST, NORTH, 10, 10))
        cut = other_date(fine)[200:440, 300:540]
        array = cut[:120, :120] if metres == 5 else shrink(cut, 3)
        write(tmp_path / "chip.tif", array, transform=from_origin(0, 0, metres, metres))
        (place,) = matcher.locate(tmp_path / "chip.tif", scene)
        assert place.scale == pytest.approx(metres / 10, rel=1e-3)
        assert (place.row, place.col) == pytest.approx((100, 150), abs=0.7)
        assert place.transform[0] == pytest.approx(metres, rel=1e-3)

    def test_a_picture_that_does_not_say_is_tried_at_several(self, tmp_path):
        cv2 = pytest.importorskip("cv2")
        fine = ground(900, 1000, 3, grain=4.0)
        scene = write(tmp_path / "scene.tif", shrink(fine, 2)[..., :3], photometric="RGB")
        rgb = (other_date(fine)[200:360, 300:460, :3] // 16).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "chip.png"), rgb[..., ::-1])
        (place,) = matcher.locate(tmp_path / "chip.png", scene)
        assert place.scale == 0.5
        assert (place.row, place.col) == pytest.approx((100, 150), abs=0.7)
        (place,) = matcher.locate(tmp_path / "chip.png", scene, scale=1.0, min_confidence=0.9)
        assert place.rank == 0

    def test_scales_that_cannot_be(self, tmp_path, land, scene):
        with pytest.raises(SettingsError, match="--scale"):
            parse_scale("double")
        with pytest.raises(MatcherError, match=r"chip\.tif: is 4 x 4 px at the scenes' pixel size"):
            matcher.locate(chip(tmp_path, land, 0, 0), scene, scale=1 / 12)


@pytest.mark.slow
def test_rotations(tmp_path, land, scene):
    wide = other_date(land)[200:320, 300:420]
    turned = turn(wide, -15)[30:90, 30:90]  # the chip looks 15 degrees clockwise
    write(tmp_path / "chip.tif", turned)
    (place,) = matcher.locate(tmp_path / "chip.tif", scene, rotations=(-15, 15))
    assert place.rotation == 15
    assert place.confidence > 0.9
    centre = place.affine @ (30, 30)
    assert centre == pytest.approx((300 + 60, 200 + 60), abs=0.7)
    assert matcher.locate(tmp_path / "chip.tif", scene)[0].confidence < place.confidence


@pytest.mark.parametrize("degrees", [0.0, 10.0, -30.0, 88.0, 180.0, -90.0])
@pytest.mark.parametrize("sizes", [(1.0, 1.0), (0.5, 0.5), (2.5, 2.5), (0.7, 1.3), (2.0, 1.0), (1.0, 1.01)])
def test_affine_maps_the_turned_and_resampled_chip(sizes, degrees):
    """A bright spot of the chip lands where the affine says, with pixels of any size in both axes, turned or not."""
    array = np.full((80, 100, 1), 10.0)
    array[36:40, 61:65] = 4000
    linear = tuple((np.diag(sizes) @ rotation(degrees)).ravel().tolist())
    variant = Variant(0, (80, 100), linear, True)
    laid = variant.lay(array)
    assert laid.shape[:2] == variant.side
    row, col = ndimage.center_of_mass(np.maximum(laid[..., 0] - 20, 0))
    there = variant.affine(7, 9) @ (63, 38)
    down, across = variant.shrink
    assert there == pytest.approx(((col + 0.5 + 9) * across, (row + 0.5 + 7) * down), abs=0.5)
    if sizes[0] == sizes[1]:
        assert variant.scale == pytest.approx(sizes[0])
        assert abs((variant.rotation - degrees + 180) % 360 - 180) < 1e-3


class TestNear:
    def test_texts(self):
        assert Near.parse("5").radius == 5
        assert Near.parse("1,2,3,4").area == Rectangle(1, 2, 3, 4)
        assert Near.parse("179.8,68,-179.7,69").area.width == pytest.approx(0.5)
        circle = Near.parse("10,60,111.4").area
        west, south = circle.points().min(0)
        east, north = circle.points().max(0)
        assert (north - south, east - west) == pytest.approx((2, 4), rel=0.01)
        for text in ("", "a", "1,2", "3,2,1,4", "-5", "nan", "1,2,3,4,5", "1,4,3,2", "1,2,1,4"):
            with pytest.raises(SettingsError, match="--near"):
                Near.parse(text)
        with pytest.raises(SettingsError, match="the longitude goes before the latitude"):
            Near.parse("52,140,3")

    @pytest.mark.parametrize(
        "area", [Circle(179.9, -16.5, 40), Circle(-179.9, -16.5, 40), Rectangle(179, -17, -179, -16)]
    )
    def test_areas_across_180_degrees(self, area):
        spots = np.array([[179.95, -16.6], [-179.95, -16.6], [0.0, -16.6], [178.0, -16.6], [179.95, 16.6]])
        assert area.holds(spots).tolist() == [True, True, False, False, False]
        assert area.holds(area.points()).mean() > 0.8  # not those on the border, which rounding decides

    def test_a_box_holds_the_answer_or_refuses_it(self, tmp_path, land, scene):
        path = chip(tmp_path, land, 301, 455)
        record = records(matcher.locate(path, scene))[0]
        lon, lat = record["lon"], record["lat"]
        (inside,) = matcher.locate(path, scene, near=f"{lon},{lat},0.5")
        assert (inside.row, inside.col) == pytest.approx((301, 455), abs=0.5)
        (outside,) = matcher.locate(path, scene, near=f"{lon + 0.04},{lat},0.8")
        assert outside.rank == 0
        with pytest.raises(MatcherError, match="--near names no part of a scene"):
            matcher.locate(path, scene, near="10,10,11,11")
        with pytest.raises(MatcherError, match="the longitude goes first"):
            matcher.locate(path, scene, near=f"{lat},{lon},0.5")

    @pytest.mark.parametrize("near", [None, "10,10,11,11"])
    def test_scenes_that_hold_no_chip_are_not_laid_to_the_area(self, tmp_path, land, near):
        """Chips and scenes that have changed places are told as that, whatever area is named."""
        large = chip(tmp_path, land, 100, 100, name="large.tif", side=128)
        small = chip(tmp_path, land, 100, 100, name="small.tif", side=64)
        with pytest.raises(MatcherError, match="no scene is large enough for a chip"):
            matcher.locate(large, small, near=near)

    def test_an_area_is_of_middles(self, tmp_path, land, scene):
        """A chip reaches beyond an area that is smaller than it, and is found; the scene is read half a chip about."""
        path = chip(tmp_path, land, 301, 455)
        record = records(matcher.locate(path, scene))[0]
        (inside,) = matcher.locate(path, scene, near=f"{record['lon']},{record['lat']},0.03")
        assert (inside.row, inside.col) == pytest.approx((301, 455), abs=0.5)
        grid = Grid("EPSG:4326", Affine(1e-4, 0, 5, 0, -1e-4, 1), (700, 900))
        raster = Raster("scene", 700, 900, "uint16", (), None, grid)
        area = Rectangle(5 + 400.2e-4, 1 - 350.2e-4, 5 + 499.8e-4, 1 - 300.2e-4)
        assert box(raster, area, (48, 30), (1.0, 1.0)) == Box(300 - 24, 400 - 15, 351 + 24, 500 + 15)
        assert box(raster, area, (48, 30), (2.0, 1.0)) == Box(150 - 24, 400 - 15, 176 + 24, 500 + 15)

    def test_a_radius_about_no_position_is_said(self, tmp_path, land, scene, caplog):
        path = chip(tmp_path, land, 301, 455, crs=None)
        assert matcher.locate(path, scene, near="5", scale=1.0)[0].rank == 1
        assert "chip.tif: has no CRS" in caplog.text
        assert "--near 5 has no position to go by" in caplog.text

    def test_a_chips_own_position_counts_only_when_asked(self, tmp_path, land, scene):
        away = chip(tmp_path, land, 301, 455)  # says that it lies far off
        assert matcher.locate(away, scene)[0].rank == 1
        right = chip(
            tmp_path, land, 301, 455, name="b.tif", transform=from_origin(WEST + 4500, NORTH - 3000, 10, 10)
        )
        assert matcher.locate(right, scene, near="1")[0].rank == 1


class TestInputs:
    def test_scenes_without_a_place_on_earth(self, tmp_path, land):
        path = chip(tmp_path, land, 101, 155)
        scene = write(tmp_path / "scene.tif", land[:400, :400], crs=None)
        with pytest.raises(MatcherError, match=r"scene\.tif: has no CRS.*--pixels"):
            matcher.locate(path, scene)
        (place,) = matcher.locate(path, scene, pixels=True)
        assert (place.row, place.col) == pytest.approx((101, 155), abs=0.5)
        assert records([place])[0]["map_x"] is None

    def test_a_scene_of_no_data(self, tmp_path, land, scene):
        empty = write(tmp_path / "empty.tif", np.zeros((200, 200, 4), np.uint16), nodata=0)
        with pytest.raises(MatcherError, match=r"empty\.tif: holds no valid pixel"):
            matcher.locate(chip(tmp_path, land, 9, 9), [scene, empty])

    def test_bands_in_common(self, tmp_path, land, scene):
        named = write(tmp_path / "n.tif", land, descriptions=["red", "green", "blue", "nir"])
        array = other_date(land)[50:98, 60:108][..., [3, 0]]
        path = write(tmp_path / "chip.tif", array, descriptions=["nir", "red"])
        (place,) = matcher.locate(path, named)
        assert (place.row, place.col) == pytest.approx((50, 60), abs=0.5)
        with pytest.raises(MatcherError, match="--chip-bands"):
            matcher.locate(path, scene)

    def test_a_scene_among_the_chips(self, tmp_path, land, scene):
        big = write(tmp_path / "big.tif", np.ones((3000, 20, 4), np.uint16))
        with pytest.raises(MatcherError, match=r"big\.tif: is 3000 x 20 px; chips are at most"):
            matcher.locate([chip(tmp_path, land, 1, 1), big], scene)


def test_candidates_are_apart_and_ordered(tmp_path, land):
    double = np.concatenate([land[:200, :200], land[:200, :200]], axis=1)  # the same ground twice
    scene = write(tmp_path / "scene.tif", double)
    places = matcher.locate(chip(tmp_path, land, 61, 75), scene, candidates=3, min_confidence=0)
    assert [p.rank for p in places] == [1, 2, 3]
    two = sorted((round(p.row), round(p.col)) for p in places[:2])
    assert two == [(61, 75), (61, 275)]
    assert sum(p.confidence for p in places) <= 1 + 1e-6
    assert places[1].confidence >= places[2].confidence


def test_each_chip_is_compared_by_what_it_has(tmp_path, land):
    """Chips of three bands beside one of four answer as each does alone."""
    names = ["red", "green", "blue", "nir"]
    scene = write(
        tmp_path / "s.tif", land, nodata=0, transform=from_origin(WEST, NORTH, 10, 10), descriptions=names
    )
    chip(tmp_path, land, 301, 455, name="four.tif", descriptions=names)
    array = other_date(land)[100:148, 200:248, :3]
    three = write(tmp_path / "three.tif", array, transform=from_origin(1000, 2000, 10, 10), photometric="RGB")
    both = matcher.locate([three, tmp_path / "four.tif"], scene)
    alone = [matcher.locate(path, scene)[0] for path in (three, tmp_path / "four.tif")]
    for place, own, (row, col) in zip(both, alone, ((100, 200), (301, 455)), strict=True):
        assert (place.row, place.col) == pytest.approx((row, col), abs=0.5)
        assert (place.row, place.col, place.score, place.confidence) == (
            own.row,
            own.col,
            own.score,
            own.confidence,
        )


def test_arrays_and_records_are_located_too(tmp_path, land, scene):
    from matcher.formats.official import write_patches

    window = other_date(land)[301:349, 455:503]
    np.savez(tmp_path / "chips.npz", **{"7": window})
    write_patches(tmp_path / "chips.tfrecords", [window / 2047.5 - 1], [7])
    for name in ("chips.npz", "chips.tfrecords"):
        (place,) = matcher.locate(tmp_path / name, scene, scale=1.0)
        assert (place.row, place.col) == pytest.approx((301, 455), abs=0.5)
        assert place.chip == str(tmp_path / name)


def test_chips_whose_numbers_mean_different_things(tmp_path, land, scene):
    """By bytes all would be read as 8 bit: a chip of 16 bits found alone was refused beside one of 8."""
    window = other_date(land)[301:349, 455:503]
    chips = [(window // 16).astype(np.uint8), window.astype(np.uint16)]
    for n, both in enumerate((chips, chips[::-1])):
        for k, chip in enumerate(both):
            np.savez(tmp_path / f"{n}{k}.npz", **{str(k): chip})
        with pytest.raises(MatcherError, match=r"holds .*match them apart"):
            matcher.locate([tmp_path / f"{n}{k}.npz" for k in (0, 1)], scene, scale=1.0)
