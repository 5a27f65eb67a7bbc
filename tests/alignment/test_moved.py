"""The moved scene keeps what its file holds: a mask or a CRS beside it, an alpha band."""

import warnings

import numpy as np
import pytest

import matcher
from matcher.alignment.outputs import Onto, write_field, write_moved
from matcher.errors import MatcherError
from matcher.formats.opening import open_rasters
from tests.alignment.test_align import NORTH, WEST, land, write  # noqa: F401 (a fixture)
from tests.locating.test_locate import other_date

rasterio = pytest.importorskip("rasterio")
from rasterio.crs import CRS  # noqa: E402
from rasterio.enums import ColorInterp, MaskFlags  # noqa: E402


@pytest.fixture
def folder(tmp_path, land):  # noqa: F811
    write(tmp_path / "reference.tif", land)
    return tmp_path


def moved(folder, onto=None):
    made = matcher.align(folder / "moving.tif", folder / "reference.tif", count=9)
    (raster,) = open_rasters(folder / "moving.tif").rasters
    grid = open_rasters(folder / "reference.tif").rasters[0].georef
    (folder / "out").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error", rasterio.errors.NodataShadowWarning)
        write_moved(folder / "out" / "moved.tif", made, raster, Onto(grid, onto) if onto else Onto())
    assert [path.name for path in (folder / "out").iterdir()] == ["moved.tif"]
    return rasterio.open(folder / "out" / "moved.tif")


def test_a_mask_in_a_file_of_its_own_stays(folder, land):  # noqa: F811
    write(folder / "moving.tif", other_date(land), WEST + 23, NORTH - 42, nodata=None)
    mask = np.full(land.shape[:2], 255, np.uint8)
    mask[:60] = 0
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(folder / "moving.tif", "r+") as file,
    ):
        file.write_mask(mask)
    assert (folder / "moving.tif.msk").is_file()
    (folder / "moving.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category>a</Category></CategoryNames></PAMRasterBand>'
        "</PAMDataset>"
    )
    with moved(folder) as out, rasterio.open(folder / "moving.tif") as own:
        np.testing.assert_array_equal(out.read_masks(1), mask)
        np.testing.assert_array_equal(out.read(), own.read())
        assert (out.nodata, out.tags()["MADE"], out.descriptions) == (None, "by hand", own.descriptions)
        assert (out.transform.c, out.transform.f) == pytest.approx((WEST, NORTH), abs=0.3)


def test_a_crs_of_a_prj_beside_the_scene_stays(folder, land):  # noqa: F811
    write(folder / "moving.tif", other_date(land), WEST + 23, NORTH - 42, crs=None)
    (folder / "moving.prj").write_text(CRS.from_epsg(32631).to_wkt())
    with moved(folder) as out:
        assert out.crs.to_epsg() == 32631
        assert (out.transform.c, out.transform.f) == pytest.approx((WEST, NORTH), abs=0.3)


@pytest.mark.parametrize("resampling", ["nearest", "cubic"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_an_alpha_band_is_warped_as_one(folder, land, nodata, resampling):  # noqa: F811
    array = other_date(land)
    array[..., 3] = 65535
    array[:60, :, 3] = 0
    array[100, 100, 0] = 0  # which counts, as it is not transparent
    write(folder / "reference.tif", land[..., :3])
    write(folder / "moving.tif", array, WEST + 20, NORTH - 40, nodata=nodata, photometric="RGB", alpha="YES")
    with moved(folder, onto=resampling) as out:
        assert out.nodata == nodata
        assert out.colorinterp[3] == ColorInterp.alpha
        assert (MaskFlags.alpha in out.mask_flag_enums[0]) == (nodata is None)
        alpha = out.read(4)
        assert set(np.unique(alpha).tolist()) == {0, 65535}
        assert not alpha[:55].any()
        assert alpha[65:290, 10:320].all()
        assert not out.read(1)[:55].any() or nodata
        if resampling == "nearest":
            assert (out.read(1)[65:290, 10:320] == 0).sum() == 1


def test_no_data_at_the_edge_of_a_scene_stays_none(folder, land):  # noqa: F811
    array = other_date(land)
    array[:60] = 0
    write(folder / "moving.tif", array, WEST + 20, NORTH - 40)
    with moved(folder, onto="cubic") as out:
        assert not out.read()[:, :55].any()


def test_a_field_of_scenes_without_a_place_warns_of_nothing(tmp_path, land):  # noqa: F811
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = matcher.align(other_date(land)[np.newaxis], land[np.newaxis], count=9)
        assert np.isnan(made.pixel)
        write_field(tmp_path / "field.tif", made)


def test_an_offset_that_is_no_number_is_refused(folder, land):  # noqa: F811
    write(folder / "moving.tif", land)
    with pytest.raises(MatcherError, match=r"^offset nan: give a finite number"):
        matcher.align(folder / "moving.tif", folder / "reference.tif", offset=float("nan"))
