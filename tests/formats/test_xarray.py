"""DataArrays in and out of the Python API, as rioxarray makes and reads them."""

import numpy as np
import pytest

import matcher
from matcher.errors import MatcherError
from matcher.formats.opening import open_rasters
from tests.formats.test_rasters import picture, write
from tests.locating.test_locate import ground, other_date

rioxarray = pytest.importorskip("rioxarray")
xarray = pytest.importorskip("xarray")
NAMES = ("red", "green", "blue", "nir")


def opened(path, **options):
    """As rioxarray hands a file over, the bands' names with it."""
    return rioxarray.open_rasterio(path, **options)


def test_a_file_of_rioxarray_is_the_file_itself(tmp_path):
    pixels = picture(30, 40)
    path = write(tmp_path / "a.tif", pixels, descriptions=NAMES, nodata=0)
    mine, theirs = open_rasters(opened(path)), open_rasters(path)
    assert mine.band_names == theirs.band_names == NAMES
    assert mine.rasters[0].georef == theirs.rasters[0].georef
    np.testing.assert_array_equal(mine[0], pixels)
    np.testing.assert_array_equal(mine.read(0, 3, 5, 7, 9), pixels[3:10, 5:14])


def test_chips_and_scenes_in_memory(tmp_path):
    lands = [ground(150, 160, k) for k in range(2)]
    cut = other_date(lands[1])[51:99, 55:103]
    scenes = []
    for k, land in enumerate(lands):
        write(tmp_path / f"s{k}.tif", land, nodata=0, descriptions=NAMES)
        scenes.append(opened(tmp_path / f"s{k}.tif").rename(f"scene {k}"))
    chip = xarray.DataArray(cut, dims=("y", "x", "band"), coords={"band": list(NAMES)}, name="chip")
    (place,) = matcher.locate(chip, scenes, evidence=("phase",))
    (theirs,) = matcher.locate([cut], [tmp_path / "s1.tif"], evidence=("phase",), scale=1)
    assert place.scene == "scene 1 1"
    assert (place.row, place.col) == pytest.approx((theirs.row, theirs.col))
    np.testing.assert_allclose(place.outline(), theirs.outline())


def test_a_chip_laid_on_the_map_goes_back_to_a_file(tmp_path):
    land = ground(150, 160)
    write(tmp_path / "scene.tif", land, nodata=0)
    cut = other_date(land)[51:99, 55:103]
    (place,) = matcher.locate([cut], [tmp_path / "scene.tif"], evidence=("phase",), scale=1)
    laid = place.to_xarray(cut)
    assert laid.dims == ("band", "y", "x")
    assert str(laid.rio.crs) == "EPSG:32631"
    assert tuple(laid.rio.transform())[:6] == pytest.approx(tuple(place.transform)[:6])
    laid.rio.to_raster(tmp_path / "laid.tif")
    np.testing.assert_array_equal(np.moveaxis(opened(tmp_path / "laid.tif").to_numpy(), 0, -1), cut)
    again = open_rasters(laid).rasters[0].georef.transform
    assert tuple(again)[:6] == pytest.approx(tuple(place.transform)[:6])
    with pytest.raises(MatcherError, match="values of"):
        place.to_xarray(cut[:20])


def test_dates_of_a_dataset_are_pictures_of_their_own():
    data = {name: (("time", "y", "x"), picture(20, 30, 2).transpose(2, 0, 1)) for name in NAMES}
    days = np.array(["2020-01-01", "2020-06-01"], "datetime64[ns]")
    source = open_rasters(xarray.Dataset(data, coords={"time": days}))
    assert source.labels == ("2020-01-01", "2020-06-01")
    np.testing.assert_array_equal(source[1][..., 3], data["nir"][1][1])


def test_what_is_no_picture_is_told():
    with pytest.raises(MatcherError, match="has no array over x and y"):
        matcher.match(xarray.DataArray(np.zeros((3, 4)), dims=("a", "b")), [np.zeros((64, 64, 4), np.uint16)])
