"""What opening a raster tells, kept as JSON and taken from it again."""

import json

import numpy as np
import pytest

from matcher.formats.headers import header_of, raster_of
from matcher.formats.opening import open_images, open_rasters
from matcher.formats.plain import as_rasters
from tests.formats.test_rasters import RGBN, listed, picture, product, write

rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402
from rasterio.crs import CRS  # noqa: E402
from rasterio.enums import ColorInterp  # noqa: E402

RGBA = (*RGBN[:3], ColorInterp.alpha)
LOCAL = CRS.from_proj4("+proj=laea +lat_0=50.123456789 +lon_0=10 +datum=WGS84")


def same(source):
    """Every raster again, and the values that it reads."""
    assert len(source)
    for k, raster in enumerate(source.rasters):
        again = raster_of(json.loads(json.dumps(header_of(raster))))
        assert again == raster
        np.testing.assert_array_equal(type(source)([again], "again")[0], source[k])


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"crs": LOCAL},
        {"crs": None, "transform": None},
        {"transform": Affine(10, 0, 600000.1, 0, 10, 1 / 3)},
        {"transform": Affine(7.1, 3.3, 600000, 3.3, -7.1, 5700000)},
        {"nodata": 7},
        {"colours": RGBA},
        {"descriptions": ["B04", "B03", "B02", "B08"]},
        {"mask": np.tril(np.full((30, 40), True))},
    ],
)
def test_files(tmp_path, profile):
    write(tmp_path / "a.tif", picture(), **profile)
    same(open_rasters(tmp_path / "a.tif"))
    if "descriptions" in profile:
        same(open_rasters(tmp_path / "a.tif", bands=("nir", "red")))


def test_pictures_and_files_of_a_band_each(tmp_path):
    write(tmp_path / "a.png", picture(bands=3, dtype="uint8"), driver="PNG", crs=None, transform=None)
    (tmp_path / "a.pgw").write_text("10\n0\n0\n-10\n600005\n5699995\n")
    for band in ("B02", "B03", "B04"):
        write(tmp_path / f"scene_{band}.tif", picture(bands=1))
    same(open_rasters(tmp_path / "a.png"))
    same(open_rasters(tmp_path / "scene_*.tif"))
    same(open_rasters(product(tmp_path, offsets=listed("BOA", [-1000] * 13))))


def test_dates_of_a_store(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    values = np.stack([picture(), picture()]).astype(np.uint16)
    data = xarray.DataArray(
        np.moveaxis(values, -1, 1),
        dims=("time", "band", "y", "x"),
        coords={
            "time": np.array(["2024-01-01", "2024-07-01"], "datetime64[ns]"),
            "band": ["red", "green", "blue", "nir"],
            "y": 5700000 - 10 * np.arange(30)[::-1],
            "x": 600000 + 10 * np.arange(40),
        },
        attrs={"crs": "EPSG:32631"},
        name="pixels",
    )
    data.to_dataset().to_zarr(tmp_path / "a.zarr")
    same(open_rasters(tmp_path / "a.zarr"))


def test_what_no_path_opens_is_not_told():
    raster = as_rasters(open_images(picture()[np.newaxis])).rasters[0]
    assert header_of(raster) is None
