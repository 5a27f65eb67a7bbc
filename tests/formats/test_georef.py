"""Where rasters say that they lie: turned and flipped files, pictures with files beside them, and why there is none."""

import itertools

import numpy as np
import pytest

from matcher.formats.opening import open_images
from tests.formats.test_rasters import picture, write

rasterio = pytest.importorskip("rasterio")
from rasterio.control import GroundControlPoint  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

GRID = from_origin(600000, 5700000, 10, 20)


def stored(array, swapped, rows, columns):
    """An array as a file could hold it, and the map's transform for that; the picture itself is north up."""
    transform, (height, width) = GRID, array.shape[:2]
    if rows:
        array, transform = array[::-1], transform @ Affine(1, 0, 0, 0, -1, height)
    if columns:
        array, transform = array[:, ::-1], transform @ Affine(-1, 0, width, 0, 1, 0)
    if swapped:
        array, transform = array.swapaxes(0, 1), transform @ Affine(0, 1, 0, 1, 0, 0)
    return np.ascontiguousarray(array), transform


@pytest.mark.parametrize("turns", list(itertools.product([False, True], repeat=3)))
def test_every_direction_is_read_as_north_up(tmp_path, turns, caplog):
    array = picture()
    pixels, transform = stored(array, *turns)
    source = open_images(write(tmp_path / "a.tif", pixels, transform=transform))
    raster = source.rasters[0]
    assert raster.georef.transform == GRID
    assert raster.georef.shape == source.shape(0)[:2] == array.shape[:2]
    np.testing.assert_array_equal(source[0], array)
    np.testing.assert_array_equal(source.read(0, 3, 5, 11, 7), array[3:14, 5:12])
    assert ("rows and columns are counted so" in caplog.text) == any(turns)


def test_a_rotated_raster_keeps_its_transform(tmp_path):
    transform = GRID @ Affine.rotation(20)
    array = picture()
    source = open_images(write(tmp_path / "a.tif", array, transform=transform))
    assert source.rasters[0].georef.transform.almost_equals(transform)
    np.testing.assert_array_equal(source[0], array)


def test_coordinates_that_grow_to_the_south_and_west(tmp_path):
    """In CRS of South Africa a raster with north up has a transform whose signs are the other way round."""
    transform = Affine(-10, 0, 5000, 0, 10, 3000000)
    source = open_images(write(tmp_path / "a.tif", picture(), crs="EPSG:2053", transform=transform))
    assert source.rasters[0].georef.transform == transform
    east, north = source.rasters[0].georef.ground()
    assert east == pytest.approx([10, 0], abs=0.1)
    assert north == pytest.approx([0, -10], abs=0.1)


LOCAL = 'LOCAL_CS["Site grid",UNIT["metre",1]]'
MOON = "IAU_2015:30100"


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"crs": None}, "has no CRS and no .prj"),
        ({"crs": LOCAL}, "local, or none of the Earth's surface"),
        ({"crs": "EPSG:4978"}, "local, or none of the Earth's surface"),
        ({"crs": MOON}, "local, or none of the Earth's surface"),
        ({"transform": Affine.identity()}, "has a CRS and no transform"),
        ({"transform": Affine(10, 10, 6e5, 10, 10, 5e6)}, "without an extent"),
        ({"crs": "EPSG:4326"}, "lies nowhere on Earth"),
        ({"crs": "EPSG:32631", "transform": Affine(10, 0, 6e9, 0, -10, 5e6)}, "lies nowhere on Earth"),
    ],
)
def test_why_there_is_no_place(tmp_path, profile, words):
    raster = open_images(write(tmp_path / "a.tif", picture(), **profile)).rasters[0]
    assert raster.georef is None
    assert words in raster.ungridded
    assert raster.turned.lay(np.arange(6).reshape(2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_ground_control_points_alone(tmp_path):
    array = picture()
    points = [GroundControlPoint(r, c, *(GRID @ (c, r))) for r in (0, 30) for c in (0, 40)]
    profile = {"driver": "GTiff", "dtype": "uint16", "height": 30, "width": 40, "count": array.shape[2]}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as dataset:
        dataset.write(np.moveaxis(array, -1, 0))
        dataset.gcps = points, rasterio.CRS.from_epsg(32631)
    raster = open_images(tmp_path / "a.tif").rasters[0]
    assert raster.georef is None
    assert "`gdalwarp`" in raster.ungridded


class TestPictures:
    def png(self, folder, name="a.png", array=None, **profile):
        array = picture(bands=3, dtype="uint8") if array is None else array
        driver = "PNG" if name.endswith("png") else "JPEG"
        size = {"height": array.shape[0], "width": array.shape[1], "count": 3, "dtype": "uint8"}
        with rasterio.open(folder / name, "w", driver=driver, **size, **profile) as dataset:
            dataset.write(np.moveaxis(array, -1, 0))
        return folder / name

    @pytest.mark.parametrize("name", ["a.png", "a.jpg"])
    def test_an_aux_xml_beside_it(self, tmp_path, name):
        path = self.png(tmp_path, name, crs="EPSG:32631", transform=GRID)
        assert (tmp_path / f"{name}.aux.xml").exists()
        raster = open_images(path).rasters[0]
        assert (raster.georef.crs, raster.georef.transform) == ("EPSG:32631", GRID)

    def test_a_world_file_needs_a_crs_too(self, tmp_path):
        path = self.png(tmp_path)
        assert "no world file" in open_images(path).rasters[0].ungridded
        (tmp_path / "a.pgw").write_text("10\n0\n0\n-20\n600005\n5699990\n")
        assert "no .prj or .aux.xml beside it" in open_images(path).rasters[0].ungridded
        (tmp_path / "a.prj").write_text(rasterio.CRS.from_epsg(32631).to_wkt(version="WKT1_ESRI"))
        raster = open_images(path).rasters[0]
        assert (raster.georef.crs, raster.georef.transform) == ("EPSG:32631", GRID)

    def test_a_picture_that_is_south_up(self, tmp_path):
        flipped = GRID @ Affine(1, 0, 0, 0, -1, 30)
        array = picture(bands=3, dtype="uint8")
        source = open_images(self.png(tmp_path, array=array, crs="EPSG:32631", transform=flipped))
        assert source.rasters[0].georef.transform == GRID
        np.testing.assert_array_equal(source[0], array[::-1])
