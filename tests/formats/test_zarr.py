"""Zarr stores as xarray writes them: bands, dates, coordinates, CRS, no data and scale, versions 2 and 3."""

import pickle

import numpy as np
import pytest

from matcher.errors import FormatError
from matcher.formats.opening import open_images, open_rasters
from matcher.formats.registry import files_of
from matcher.formats.series import iterate_series

xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
pytest.importorskip("rasterio")

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(100, 4000, (2, 4, 20, 30)).astype(np.uint16)
X, Y = 600005 + 10.0 * np.arange(30), 5699995 - 10.0 * np.arange(20)
DAYS = np.array(["2024-01-01", "2024-07-01"], "datetime64[ns]")
NAMES = ["red", "green", "blue", "nir"]
UTM = {"crs": "EPSG:32631"}
VERSIONS = [2, 3] if int(zarr.__version__.split(".")[0]) >= 3 else [2]


def save(path, data, version=VERSIONS[-1], **more):
    kwargs = {"zarr_format": version} if VERSIONS[-1] == 3 else {}
    data.to_zarr(path, **kwargs, **more)
    return path


def array(dims, values, **attrs):
    coords = {"x": X, "y": Y, "time": DAYS, "band": NAMES}
    return xarray.DataArray(
        values, dims=dims, coords={k: v for k, v in coords.items() if k in dims}, attrs=attrs, name="pixels"
    )


def stack(**attrs):
    return array(("band", "y", "x"), PIXELS[0], **attrs).to_dataset()


def wkt(code=32631):
    return rasterio_crs(code).to_wkt()


def rasterio_crs(code):
    from rasterio.crs import CRS

    return CRS.from_epsg(code)


SPATIAL = xarray.DataArray(0, attrs={"crs_wkt": wkt()})

FORMS = {
    "a variable a band": lambda: xarray.Dataset(
        {n: array(("y", "x"), PIXELS[0, k]) for k, n in enumerate(NAMES)} | {"spatial_ref": SPATIAL}
    ),
    "a variable a band, by Sentinel-2's names, and quality": lambda: xarray.Dataset(
        {n: array(("y", "x"), PIXELS[0, k]) for k, n in enumerate(("B04", "B03", "B02", "B08"))}
        | {"scl": array(("y", "x"), np.ones((20, 30), np.uint8))},
        attrs=UTM,
    ),
    "an axis of bands": lambda: stack(**UTM),
    "bands last": lambda: stack(**UTM).transpose("y", "x", "band"),
    "bands numbered and called by long_name, as rioxarray writes": lambda: (
        stack(long_name=tuple(NAMES), grid_mapping="spatial_ref")
        .assign_coords(band=[1, 2, 3, 4])
        .assign(spatial_ref=SPATIAL)
    ),
    "south up": lambda: stack(**UTM).isel(y=slice(None, None, -1)),
    "east to west": lambda: stack(**UTM).isel(x=slice(None, None, -1)),
    "a proj:epsg coordinate, as STAC tools write": lambda: stack().assign_coords({"proj:epsg": 32631}),
    "bands in another order": lambda: stack(**UTM).isel(band=[2, 3, 0, 1]),
    "GeoTransform for coordinates": lambda: (
        stack(grid_mapping="spatial_ref").drop_vars(["x", "y"]).assign(
            spatial_ref=xarray.DataArray(
                0, attrs={"crs_wkt": wkt(), "GeoTransform": "600000.0 10.0 0.0 5700000.0 0.0 -10.0"}
            )
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", FORMS)
def test_as_people_write_them(tmp_path, form, version):
    source = open_images(save(tmp_path / "s.zarr", FORMS[form](), version))
    assert (len(source), source.shape(0), source.band_names) == (1, (20, 30, 4), tuple(NAMES))
    assert source.rasters[0].georef.crs == "EPSG:32631"
    assert source.rasters[0].georef.to_map(0, 0) == pytest.approx((600000, 5700000))
    assert source.rasters[0].georef.to_map(1, 1) == pytest.approx((600010, 5699990))
    np.testing.assert_array_equal(source[0], np.moveaxis(PIXELS[0], 0, -1))
    assert source[0].dtype == np.uint16
    np.testing.assert_array_equal(source.read(0, 3, 4, 5, 6), np.moveaxis(PIXELS[0], 0, -1)[3:8, 4:10])


@pytest.mark.parametrize("split", [False, True])
def test_dates_are_rasters_and_a_series(tmp_path, split):
    if split:
        data = xarray.Dataset(
            {n: array(("time", "y", "x"), PIXELS[:, k]) for k, n in enumerate(NAMES)}, attrs=UTM
        )
    else:
        data = array(("time", "band", "y", "x"), PIXELS, **UTM).to_dataset()
    path = save(tmp_path / "s.zarr", data)
    source = open_images(path)
    assert source.labels == ("2024-01-01", "2024-07-01")
    assert source.ids.tolist() == [0, 1]
    assert source.where(1) == f"{path}, 2024-07-01"
    for k in range(2):
        np.testing.assert_array_equal(source[k], np.moveaxis(PIXELS[k], 0, -1))
    (series,) = iterate_series([path])
    assert (series.shape, series.dates) == ((2, 20, 30, 4), ("2024-01-01", "2024-07-01"))
    np.testing.assert_array_equal(series.read(1), source[1])
    chosen = open_rasters(path, ["nir", "green"])
    np.testing.assert_array_equal(chosen[1], np.moveaxis(PIXELS[1][[3, 1]], 0, -1))


def test_degrees_scale_and_fill(tmp_path):
    values = PIXELS[0].astype(np.int16)
    values[:, 4:6, 7:9] = -9999
    values[2, 10, 11] = -9999
    data = xarray.Dataset(
        {
            "reflectance": (
                ("band", "latitude", "longitude"),
                values,
                {"scale_factor": 1e-4, "_FillValue": -9999},
            )
        },
        coords={"band": NAMES, "latitude": np.linspace(51, 50, 20), "longitude": np.linspace(3, 4, 30)},
    )
    source = open_images(save(tmp_path / "s.zarr", data))
    expected = np.moveaxis(PIXELS[0], 0, -1) * 1e-4
    expected[4:6, 7:9] = expected[10, 11] = 0
    np.testing.assert_allclose(source[0], expected, rtol=1e-6)
    assert source[0].dtype == np.float32
    assert source.rasters[0].georef.crs == "EPSG:4326"


def test_many_stores_in_a_folder_and_beside_rasters(tmp_path):
    from tests.formats.test_rasters import write

    for k in range(2):
        save(tmp_path / f"{k + 3}.zarr", stack(**UTM))
    assert open_images(tmp_path).ids.tolist() == [3, 4]
    write(tmp_path / "9.tif", np.moveaxis(PIXELS[0], 0, -1), descriptions=NAMES)
    source = open_images(tmp_path)
    assert source.ids.tolist() == [3, 4, 9]
    assert files_of(str(tmp_path / "9.tif")) == [str(tmp_path / "9.tif")]
    assert len(files_of(str(tmp_path / "3.zarr"))) > 3


def test_other_processes_open_their_own(tmp_path, monkeypatch):
    save(tmp_path / "s.zarr", stack(**UTM))
    monkeypatch.chdir(tmp_path)
    packed = pickle.dumps(open_images("s.zarr"))
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    np.testing.assert_array_equal(pickle.loads(packed)[0], np.moveaxis(PIXELS[0], 0, -1))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: xarray.Dataset({"a": (("time", "y"), PIXELS[0, 0])}), "no array over x and y"),
        (lambda: xarray.Dataset({"a": (("y", "x"), PIXELS[0, 0] > 9)}), "no array of numbers over y and x"),
        (lambda: stack(**UTM).rename(pixels="a").assign(b=stack(**UTM).pixels), "which of its axes are bands"),
        (lambda: array(("band", "y", "x"), PIXELS[0]).to_dataset(), "has no CRS"),
        (lambda: stack(**UTM).assign_coords(x=X + 4 * (X > 600100)), "uneven coordinates along x"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_placed(tmp_path, data, words):
    path = save(tmp_path / "s.zarr", data())
    said = ""
    try:
        said = open_images(path).rasters[0].ungridded
    except FormatError as error:
        said = str(error).removeprefix(f"{path}: ")
    assert words in said
    assert not said.startswith(str(tmp_path))


def test_damage_is_one_line(tmp_path):
    (tmp_path / "e.zarr").mkdir()
    with pytest.raises(FormatError, match=r"e\.zarr: cannot be opened as a Zarr store"):
        open_images(tmp_path / "e.zarr")
    path = save(tmp_path / "s.zarr", stack(**UTM))
    for chunk in (file for file in path.rglob("*") if file.is_file() and "json" not in file.name):
        if "pixels" in str(chunk):
            chunk.write_bytes(b"no chunk")
    with pytest.raises(FormatError, match=r"s\.zarr.*cannot be read"):
        open_images(path)[0]
    bad = []
    save(tmp_path / "t.zarr", stack(**UTM))
    assert len(open_rasters([path, tmp_path / "t.zarr"], on_bad=bad.append)) == 1
    assert bad[0].file == str(path)
