"""Chips in scenes whose grids differ from theirs: pixel sizes, directions, CRS, the date line, the pole."""

import json

import numpy as np
import pytest

pytest.importorskip("pyproj")
rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402

import matcher  # noqa: E402
from matcher.errors import MatcherError  # noqa: E402
from matcher.formats.placefiles import outline, write_georeferenced, write_places  # noqa: E402
from matcher.geo.grid import Grid  # noqa: E402
from matcher.geo.place import Place, records  # noqa: E402
from tests.formats.test_rasters import write  # noqa: E402
from tests.locating.grid_cases import Case, Lie, dates, make, metres_apart, utm  # noqa: E402

GRID = Affine(10, 0, 600000, 0, -10, 5700000)
CASES = {
    "utm in degrees": (24.0, 60.0, Lie("EPSG:4326", 5, 10), Lie(utm(24, 60), 10, 10)),
    "degrees in utm": (24.0, 60.0, Lie(utm(24, 60), 10, 10), Lie("EPSG:4326", 5, 10)),
    "oblong": (3.0, 45.0, Lie(utm(3, 45), 10, 20), Lie(utm(3, 45), 10, 10)),
    "oblong chip": (3.0, 45.0, Lie(utm(3, 45), 10, 10), Lie(utm(3, 45), 20, 10)),
    "west right and south up": (3.0, 45.0, Lie(utm(3, 45), 10, 10, quarter=2), Lie(utm(3, 45), 10, 10)),
    "turned by 90, flipped": (3.0, 45.0, Lie(utm(3, 45), 10, 15, 1, True), Lie(utm(3, 45), 10, 10, 3)),
    "rotated": (3.0, 45.0, Lie(utm(3, 45), 10, 10, angle=20), Lie(utm(3, 45), 10, 10)),
    "next zone": (5.9, 62.0, Lie(utm(5.9, 62), 10, 10), Lie(utm(5.9, 62, 1), 10, 10)),
    "across 180 in Mercator": (180.0, -17.0, Lie("EPSG:3832", 10, 10), Lie("EPSG:32760", 10, 10)),
    "across 180 in degrees": (-179.999, 17.0, Lie("EPSG:4326", 10, 10), Lie("EPSG:32601", 10, 10)),
    "about the pole": (0.0, 90.0, Lie("EPSG:3413", 10, 10), Lie("EPSG:32661", 10, 10)),
}


@pytest.mark.parametrize("case", CASES)
def test_chips_are_found_on_the_ground(tmp_path, case):
    lon, lat, scene, chip = CASES[case]
    truth, *files = make(Case("pisa", lon, lat, scene, chip, 310.0, -240.0), tmp_path)
    (place,) = matcher.locate(*files)
    (record,) = records([place])
    pixel = max(scene.wide, scene.high, chip.wide, chip.high)
    assert metres_apart(truth, (record["lon"], record["lat"])) < pixel
    assert place.confidence > 0.9
    assert place.scale == pytest.approx((chip.wide * chip.high / scene.wide / scene.high) ** 0.5, rel=0.02)


@pytest.mark.slow
def test_a_chip_that_says_nothing_in_oblong_pixels(tmp_path):
    """It is tried as it is, and as if its own pixels were square on the ground."""
    case = Case("pisa", 3.0, 60.0, Lie("EPSG:4326", 5, 10), Lie(utm(3, 60), 10, 10), 200.0, 100.0)
    truth, chip, scene = make(case, tmp_path)
    with rasterio.open(chip) as dataset:
        values = np.moveaxis(dataset.read(), 0, -1)
    for name, array in (("square.tif", values), ("same.tif", None)):
        if array is None:
            with rasterio.open(scene) as dataset:
                array = np.moveaxis(dataset.read(), 0, -1)[60:124, 100:164]
        path = write(tmp_path / name, array, crs=None, descriptions=["red", "green", "blue", "nir"])
        (place,) = matcher.locate(path, scene)
        (record,) = records([place])
        assert place.confidence > 0.9
        if name == "same.tif":
            assert (place.row, place.col) == pytest.approx((60, 100), abs=0.5)
        else:
            assert metres_apart(truth, (record["lon"], record["lat"])) < 10


def test_a_chips_scale_does_not_depend_on_other_scenes(tmp_path):
    scene, chip = dates("pisa")
    write(tmp_path / "scene.tif", scene, transform=GRID)
    write(tmp_path / "a.tif", dates("dubai")[0], transform=GRID @ Affine.scale(1.009))
    write(tmp_path / "b.tif", dates("potholes")[0], crs=None)
    small = chip[40:200, 60:220].reshape(80, 2, 80, 2, 4).mean((1, 3)).astype(np.uint16)
    path = write(tmp_path / "chip.tif", small, transform=GRID @ Affine.translation(60, 40) @ Affine.scale(2))
    (alone,) = matcher.locate(path, tmp_path / "scene.tif")
    (beside,) = matcher.locate(path, [tmp_path / f"{name}.tif" for name in ("a", "b", "scene")], pixels=True)
    assert alone.scale == beside.scale == 2.0
    assert (alone.row, alone.col) == (beside.row, beside.col)
    assert (alone.row, alone.col) == pytest.approx((40, 60), abs=2)


def test_a_chip_that_is_flat_when_shrunk_does_not_end_the_run(tmp_path):
    scene, chip = dates("pisa")
    write(tmp_path / "scene.tif", scene, transform=Affine(60, 0, 6e5, 0, -60, 57e5))
    good = chip[60:110, 70:120].repeat(6, 0).repeat(6, 1)
    flat = np.full((192, 192, 4), 500, np.uint16)
    flat[::16, ::16] = 501
    write(tmp_path / "good.tif", good, transform=GRID)
    write(tmp_path / "flat.tif", flat, transform=GRID)
    first, second = matcher.locate([tmp_path / "flat.tif", tmp_path / "good.tif"], tmp_path / "scene.tif")
    assert (first.rank, second.rank) == (0, 1)
    assert (second.row, second.col) == pytest.approx((60, 70), abs=2)
    (only,) = matcher.locate(tmp_path / "flat.tif", tmp_path / "scene.tif")
    assert only.rank == 0


class TestMatch:
    def folders(self, tmp_path, image, patch, **profile):
        for name, array, more in (("i", image, {}), ("p", patch, profile)):
            (tmp_path / name).mkdir()
            write(tmp_path / name / "0.tif", array, **{"transform": GRID, **more})
        return tmp_path / "i", tmp_path / "p"

    @pytest.mark.parametrize(
        "profile",
        [
            {"transform": GRID @ Affine.scale(2)},
            {"transform": GRID @ Affine.scale(1, 2)},
            {"transform": GRID @ Affine.rotation(10)},
            {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 10, 0, -1e-4, 52)},
        ],
    )
    def test_other_pixel_sizes_are_refused(self, tmp_path, profile):
        scene, chip = dates("pisa")
        folders = self.folders(tmp_path, scene, chip[60:124, 70:134], **profile)
        with pytest.raises(
            MatcherError, match=r"p/0\.tif: has pixels of .* and .*i/0\.tif of .*`matcher locate`"
        ):
            matcher.match(*folders)

    @pytest.mark.parametrize(
        "profile",
        [{}, {"crs": None}, {"crs": "EPSG:32632"}, {"crs": 'LOCAL_CS["Site grid",UNIT["metre",1]]'}],
    )
    def test_the_same_or_none_are_not(self, tmp_path, profile):
        scene, chip = dates("pisa")
        result = matcher.match(*self.folders(tmp_path, scene, chip[60:124, 70:134], **profile))
        assert (result.y[0], result.x[0]) == pytest.approx((61, 70), abs=1)

    def test_images_that_are_stored_south_up(self, tmp_path):
        scene, chip = dates("pisa")
        south = GRID @ Affine(1, 0, 0, 0, -1, len(scene))
        folders = self.folders(tmp_path, np.ascontiguousarray(chip[::-1]), scene[60:124, 70:134])
        write(tmp_path / "i" / "0.tif", chip[::-1].copy(), transform=south)
        result = matcher.match(*folders)
        assert (result.y[0], result.x[0]) == pytest.approx((59, 70), abs=1)
        assert result.confidence[0] > 0.9


def test_a_local_crs_is_as_none(tmp_path):
    scene, chip = dates("pisa")
    local = 'LOCAL_CS["Site grid",UNIT["metre",1]]'
    write(tmp_path / "scene.tif", scene, crs=local)
    write(tmp_path / "chip.tif", chip[60:124, 70:134], crs=local)
    with pytest.raises(MatcherError, match=r"scene\.tif: has a CRS that is local.*--pixels"):
        matcher.locate(tmp_path / "chip.tif", tmp_path / "scene.tif")
    (place,) = matcher.locate(tmp_path / "chip.tif", tmp_path / "scene.tif", pixels=True)
    assert (place.row, place.col) == pytest.approx((61, 70), abs=1)
    assert records([place])[0]["lon"] is None


@pytest.mark.parametrize("area", ["179.995,-17,2", "-179.995,-17,2", "2", "179.98,-17.02,-179.98,-16.98"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32760"])
def test_near_across_180_degrees(tmp_path, area, crs):
    case = Case("pisa", 180.0, -17.0, Lie(crs, 10, 10), Lie(crs, 10, 10), 300.0, 200.0)
    truth, *files = make(case, tmp_path)
    (place,) = matcher.locate(*files, near=area)
    (record,) = records([place])
    assert metres_apart(truth, (record["lon"], record["lat"])) < 10
    with pytest.raises(MatcherError, match="--near names no part of a scene"):
        matcher.locate(*files, near="0.0,-17,20")


def place_on(grid, size=(100, 100)):
    """A place of a chip that covers the grid's first pixels."""
    return Place("c.tif", 1, "s.tif", 0.0, 0.0, Affine.identity(), size, grid, 1.0, 0.0, 1.0, 1.0, "")


class TestFiles:
    ACROSS = Grid("EPSG:4326", Affine(1e-4, 0, 179.996, 0, -1e-4, -17), (300, 300))
    POLE = Grid("EPSG:3413", Affine(100, 0, -5000, 0, -100, 5000), (100, 100))
    PLAIN = Grid("EPSG:32631", GRID, (300, 300))
    # Its first pixels lie beyond the disc that a geostationary satellite sees.
    DISC = Grid("+proj=geos +h=35785831", Affine(27100, 0, -5420000, 0, -27100, 5420000), (400, 400))

    @pytest.mark.parametrize("ending", ["geojson", "gpkg", "parquet", "csv"])
    def test_a_corner_off_the_earth(self, tmp_path, ending):
        """Such a chip has no outline, and the others keep theirs."""
        pytest.importorskip({"gpkg": "pyogrio", "parquet": "pyarrow"}.get(ending, "pyproj"))
        assert outline(place_on(self.DISC)) == []
        path = tmp_path / f"p.{ending}"
        write_places(path, [place_on(self.DISC), place_on(self.PLAIN)])
        if ending == "geojson":
            off, plain = (f["geometry"] for f in json.loads(path.read_text())["features"])
            assert off is None
            assert plain["type"] == "Polygon"

    def test_outlines_are_cut_at_180_degrees(self, tmp_path):
        write_places(tmp_path / "p.geojson", [place_on(g) for g in (self.ACROSS, self.POLE, self.PLAIN)])
        across, pole, plain = (
            f["geometry"] for f in json.loads((tmp_path / "p.geojson").read_text())["features"]
        )
        assert (across["type"], plain["type"]) == ("MultiPolygon", "Polygon")
        west, east = sorted(across["coordinates"])
        assert {x for x, _ in west[0]} == {-180, -179.994}
        assert {x for x, _ in east[0]} == {179.996, 180}
        assert pole["type"] == "Polygon"
        assert max(y for _, y in pole["coordinates"][0]) == 90
        for ring in (west[0], east[0], plain["coordinates"][0], pole["coordinates"][0]):
            assert ring[0] == ring[-1]
            following = ring[1:] + ring[:1]
            assert sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True)) > 0

    def test_geoparquet_holds_the_same(self, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet")
        shapely = pytest.importorskip("shapely")
        write_places(tmp_path / "p.parquet", [place_on(g) for g in (self.ACROSS, self.PLAIN)])
        table = parquet.read_table(tmp_path / "p.parquet")
        kinds = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["geometry_types"]
        assert kinds == ["MultiPolygon", "Polygon"]
        shape, plain = (shapely.from_wkb(value.as_py()) for value in table["geometry"])
        assert shape.geom_type == "MultiPolygon"
        assert shape.area == pytest.approx(1e-4)
        np.testing.assert_allclose(plain.exterior.coords, outline(place_on(self.PLAIN))[0])

    def test_georeferenced_chips_keep_what_the_file_said(self, tmp_path):
        array = dates("pisa")[1][:40, :30]
        south = GRID @ Affine(1, 0, 0, 0, -1, 40)
        path = write(
            tmp_path / "c.tif", array[::-1], transform=south, nodata=7, descriptions=["red", "b", "c", "d"]
        )
        with rasterio.open(path, "r+") as dataset:
            dataset.scales, dataset.offsets = (1e-4,) * 4, (-0.1,) * 4
            dataset.units = ("reflectance",) * 4
            dataset.update_tags(SENSOR="MSI")
            dataset.update_tags(2, WAVELENGTH="560")
        place = place_on(self.PLAIN, (40, 30))
        (made,) = write_georeferenced(tmp_path / "out", [Place(**{**place.__dict__, "chip": str(path)})])
        with rasterio.open(made) as dataset:
            assert (dataset.transform, dataset.crs.to_epsg(), dataset.nodata) == (GRID, 32631, 7)
            np.testing.assert_array_equal(dataset.read(), np.moveaxis(array, -1, 0))
            assert (dataset.scales, dataset.offsets) == ((1e-4,) * 4, (-0.1,) * 4)
            assert dataset.units == ("reflectance",) * 4
            assert dataset.descriptions == ("red", "b", "c", "d")
            assert dataset.tags()["SENSOR"] == "MSI"
            assert dataset.tags(2)["WAVELENGTH"] == "560"
