"""What opening a raster tells, kept as JSON and taken from it again."""

import json

import numpy as np
import pytest

from matcher.formats.headers import header_of, raster_of
from matcher.formats.opening import open_images, open_rasters
from matcher.formats.plain import as_rasters
from matcher.formats.raster import RasterSource
from tests.formats.test_rasters import RGBN, listed, picture, product, write

rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402
from rasterio.crs import CRS  # noqa: E402
from rasterio.enums import ColorInterp  # noqa: E402

RGBA = (*RGBN[:3], ColorInterp.alpha)
LOCAL = CRS.from_proj4("+proj=laea +lat_0=50.123456789 +lon_0=10 +datum=WGS84")


def again(source):
    """The same rasters, by way of JSON."""
    assert len(source)
    kept = [json.loads(json.dumps(header_of(raster))) for raster in source.rasters]
    return RasterSource([raster_of(header) for header in kept], "again")


def values(source):
    return [source[k].tolist() for k in range(len(source))]


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
    for bands in (None, ("nir", "red")) if "descriptions" in profile else (None,):
        source = open_rasters(tmp_path / "a.tif", bands=bands)
        assert again(source).rasters == source.rasters
        assert values(again(source)) == values(source)


def test_pictures_and_files_of_a_band_each(tmp_path):
    write(tmp_path / "a.png", picture(bands=3, dtype="uint8"), driver="PNG", crs=None, transform=None)
    (tmp_path / "a.pgw").write_text("10\n0\n0\n-10\n600005\n5699995\n")
    for band in ("B02", "B03", "B04"):
        write(tmp_path / f"scene_{band}.tif", picture(bands=1))
    safe = product(tmp_path, offsets=listed("BOA", [-1000] * 13))
    for path in (tmp_path / "a.png", tmp_path / "scene_*.tif", safe):
        source = open_rasters(path)
        assert again(source).rasters == source.rasters
        assert values(again(source)) == values(source)


def test_dates_of_a_store(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    pixels = np.stack([picture(), picture()]).astype(np.uint16)
    data = xarray.DataArray(
        np.moveaxis(pixels, -1, 1),
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
    source = open_rasters(tmp_path / "a.zarr")
    assert again(source).rasters == source.rasters
    assert values(again(source)) == values(source) == pixels[:, ::-1].tolist()  # rows going down


def test_what_no_path_opens_is_not_told():
    raster = as_rasters(open_images(picture()[np.newaxis])).rasters[0]
    assert header_of(raster) is None
