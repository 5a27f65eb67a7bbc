"""Rasters in: files, folders, lists, products; bands, no data and masks; damage."""

import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from matcher import open_images
from matcher.alignment.run import Aligning, open_sides
from matcher.errors import FormatError, NoInputError, SettingsError
from matcher.formats.bandnames import by_landsat, choose, name_of, parse_bands, split_band
from matcher.formats.opening import open_rasters
from matcher.formats.raster import stem_of
from matcher.formats.registry import files_of
from matcher.locating.plan import plan
from matcher.settings import Settings

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

RNG = np.random.default_rng(7)
RGBN = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)


def write(path, array, *, descriptions=None, colours=None, mask=None, **profile):
    """A raster of (height, width, bands)."""
    height, width, count = array.shape
    given = {
        "driver": "GTiff", "height": height, "width": width, "count": count, "dtype": array.dtype.name,
        "crs": "EPSG:32631", "transform": from_origin(600000, 5700000, 10, 10), **profile,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value is not None}
    with rasterio.open(path, "w", **given) as dataset:
        dataset.write(np.moveaxis(array, -1, 0))
        if colours:
            dataset.colorinterp = colours
        for k, text in enumerate(descriptions or [], 1):
            dataset.set_band_description(k, text)
        if mask is not None:
            dataset.write_mask(mask)
    return path


def picture(height=30, width=40, bands=4, dtype="uint16", low=1, high=250):
    return RNG.integers(low, high, (height, width, bands)).astype(dtype)


class TestReading:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
    def test_values_and_windows(self, tmp_path, dtype):
        array = picture(dtype=dtype)
        source = open_images(write(tmp_path / "a.tif", array, photometric="MINISBLACK"))
        assert source.shape(0) == array.shape
        np.testing.assert_array_equal(source[0], array)
        assert source[0].dtype == array.dtype
        np.testing.assert_array_equal(source.read(0, 3, 5, 7, 11), array[3:10, 5:16])
        assert source.rasters[0].georef.crs == "EPSG:32631"
        assert source.rasters[0].georef.to_map(1, 2) == (600010, 5699980)

    def test_jpeg2000(self, tmp_path):
        array = picture(64, 64, 3)
        with rasterio.Env() as env:
            if "JP2OpenJPEG" not in env.drivers():
                pytest.skip("rasterio has no JPEG2000 writer here")
        write(tmp_path / "a.jp2", array, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
        np.testing.assert_array_equal(open_images(tmp_path / "a.jp2")[0], array)

    @pytest.mark.parametrize(("bands", "dtype"), [(1, "uint8"), (3, "uint8"), (3, "uint16"), (4, "uint8")])
    def test_png(self, tmp_path, bands, dtype):
        cv2 = pytest.importorskip("cv2")
        array = picture(bands=bands, dtype=dtype)
        expected = array[..., :3].copy()
        if bands == 4:
            array[..., 3] = 255
            array[4:9, 2:6, 3] = 0
            expected[4:9, 2:6] = 0
        cv2.imwrite(str(tmp_path / "a.png"), array[..., [2, 1, 0, 3][:bands]] if bands > 1 else array)
        source = open_images(tmp_path / "a.png")
        np.testing.assert_array_equal(source[0], expected)
        assert source.band_names == (("red", "green", "blue") if bands > 1 else ("gray",))

    def test_other_processes_open_their_own(self, tmp_path):
        array = picture()
        source = open_images(write(tmp_path / "a.tif", array))
        source[0]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            there = pool.submit(source.__getitem__, 0).result()
        np.testing.assert_array_equal(there, array)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[0], array)


class TestNaming:
    def test_folder_glob_and_list(self, tmp_path):
        arrays = [picture(high=90 + k) for k in range(3)]
        for k, array in enumerate(arrays):
            write(tmp_path / f"{k + 5}.tif", array)
        (tmp_path / "list.txt").write_text("# chips\n7.tif\n\n5.tif\n")
        folder = open_images(tmp_path)
        assert folder.ids.tolist() == [5, 6, 7]
        np.testing.assert_array_equal(folder[2], arrays[2])
        assert len(open_images(tmp_path / "*.tif")) == 3
        listed = open_images(tmp_path / "list.txt")
        assert listed.ids.tolist() == [7, 5]
        np.testing.assert_array_equal(listed[1], arrays[0])
        several = open_rasters([tmp_path / "6.tif", str(tmp_path / "[5]*.tif")])
        assert several.ids.tolist() == [6, 5]

    def test_names_that_are_no_numbers(self, tmp_path):
        for name in ("b", "a"):
            write(tmp_path / f"{name}.tif", picture())
        assert open_images(tmp_path).ids.tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda _: None, "folder without pictures"),
            (lambda p: (p / "l.txt").write_text("no.tif\n"), "line 1: there is no file"),
            (lambda p: (p / "l.txt").write_text("# none\n"), "lists no file"),
        ],
    )
    def test_nothing_there(self, tmp_path, make, words):
        made = make(tmp_path)
        with pytest.raises(FormatError, match=words):
            open_images(tmp_path if made is None else tmp_path / "l.txt")
        with pytest.raises(FormatError, match="matches nothing that is read"):
            open_images(tmp_path / "*.jp2")

    def test_named_twice(self, tmp_path):
        write(tmp_path / "a.tif", picture())
        with pytest.raises(FormatError, match=r"a\.tif: is named twice"):
            open_rasters([tmp_path / "a.tif", tmp_path])

    def test_a_file_a_band(self, tmp_path):
        array = picture()
        for k, band in enumerate(("B04", "B03", "B02", "B08")):
            write(tmp_path / f"T31_{band}_10m.tif", array[..., k : k + 1])
        source = open_images(tmp_path)
        assert len(source) == 1
        assert source.band_names == ("red", "green", "blue", "nir")
        np.testing.assert_array_equal(source[0], array)

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            ({"transform": from_origin(600020, 5700000, 10, 10)}, "another CRS or transform"),
            ({"crs": "EPSG:32632"}, "another CRS or transform"),
            ({}, "px, and .* a band of the same raster"),
        ],
    )
    def test_bands_of_other_grids(self, tmp_path, other, words):
        write(tmp_path / "s_red.tif", picture(bands=1))
        write(tmp_path / "s_green.tif", picture(bands=1, height=30 if other else 31), **other)
        with pytest.raises(FormatError, match=words) as caught:
            open_images(tmp_path)
        assert "s_" in str(caught.value)


class TestBands:
    def test_descriptions_and_colours_set_the_order(self, tmp_path):
        array = picture()
        path = write(tmp_path / "a.tif", array, descriptions=["B2, blue 490 nm", "B3", "B04", "B8"])
        np.testing.assert_array_equal(open_images(path)[0], array[..., [2, 1, 0, 3]])
        colours = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
        path = write(tmp_path / "b.tif", array[..., :3], colours=colours, photometric="MINISBLACK")
        np.testing.assert_array_equal(open_images(path)[0], array[..., [2, 1, 0]])
        path = write(tmp_path / "c.tif", array, colours=RGBN, photometric="MINISBLACK")
        assert open_images(path).band_names == ("red", "green", "blue", "nir")

    def test_bands_by_name_and_number(self, tmp_path):
        array = picture(bands=6)
        path = write(tmp_path / "a.tif", array)
        with pytest.raises(FormatError, match=r"a\.tif: has 6 bands.*--bands"):
            open_images(path)
        source = open_rasters(path, ["red=3", "nir=5"])
        assert source.band_names == ("red", "nir")
        np.testing.assert_array_equal(source[0], array[..., [2, 4]])
        np.testing.assert_array_equal(source.select(["nir"])[0], array[..., [4]])
        with pytest.raises(FormatError, match="band 9 was asked for"):
            open_rasters(path, ["red=9"])
        with pytest.raises(FormatError, match="it has 1 unnamed"):
            open_rasters(path, ["red", "green"])

    def test_an_alpha_that_is_near_infrared(self):
        known, alpha = ["red", "green", "blue", None], [False, False, False, True]
        assert choose("f", known, alpha).alpha == 4
        taken = choose("f", known, alpha, ["red", "green", "blue", "nir=4"])
        assert (taken.indices, taken.alpha) == ((1, 2, 3, 4), None)
        assert choose("f", known, alpha, ["red", "green", "blue", "nir"]).indices == (1, 2, 3, 4)

    def test_as_many_names_as_bands_are_their_order_whatever_the_file_says(self, tmp_path, caplog):
        """GDAL calls the bands of any picture of three red, green and blue."""
        array = picture(bands=3)
        paths = [write(tmp_path / f"{k}.tif", array, photometric="RGB") for k in range(2)]
        source = open_rasters(paths, ["nir", "red", "green"])
        assert source.band_names == ("nir", "red", "green")
        np.testing.assert_array_equal(source[0], array)
        (record,) = caplog.records
        assert (
            "0.tif and 1 more: calls its bands red, green, blue; taken as nir, red, green"
            in record.getMessage()
        )
        caplog.clear()
        four = picture()
        described = write(tmp_path / "d.tif", four, descriptions=["B2", "B3", "B4", "B8"])
        assert open_rasters(described, ["red", "green", "blue", "nir"]).band_names[0] == "red"
        assert "calls its bands blue, green, red, nir" in caplog.text
        caplog.clear()
        chosen = open_rasters(described, ["nir", "red"])
        np.testing.assert_array_equal(chosen[0], four[..., [3, 2]])
        assert open_rasters(described, ["blue", "green", "red", "nir"]).band_names[0] == "blue"
        assert not caplog.records

    def test_bands_that_are_files_are_chosen_by_name(self, tmp_path):
        array = picture()
        for k, band in enumerate(("B02", "B03", "B04", "B08")):
            write(tmp_path / f"T31_{band}.tif", array[..., k : k + 1])
        source = open_rasters(tmp_path, ["red", "green", "blue", "nir"])
        np.testing.assert_array_equal(source[0], array[..., [2, 1, 0, 3]])

    def test_names(self):
        assert name_of("B8, central wavelength 842 nm") == "nir"
        assert name_of("Band 1", "green") == "green"
        assert name_of(None, "undefined") is None
        assert split_band("T31_20200101_B08_10m") == ("T31_20200101_*_10m", "nir")
        assert split_band("LC08_L1TP_199024_B5") == ("LC08_L1TP_199024_*", "nir")
        assert split_band("LC08_L1TP_199024_B8") == ("LC08_L1TP_199024_*", "b8")
        assert split_band("redwood") == ("redwood", None)
        assert parse_bands("red,nir=8") == (("red", "nir"), {"nir": 8})
        for text in ("red,,nir", "red=x", "red=0", "red,red"):
            with pytest.raises(SettingsError):
                parse_bands(text)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("Red edge", "red edge"), ("Red-Edge 705", "red edge 705"), ("RedEdge", "rededge"), ("B8A", "b8a"),
            ("B5, red edge", "b5"), ("Thermal Infrared", "thermal infrared"), ("SWIR 1", "swir 1"),
            ("Coastal blue", "coastal blue"), ("NIR2", "nir2"), ("Band 4 (Red)", "red"), ("Band 8: NIR", "nir"),
            ("Near Infra-Red", "nir"), ("near infrared", "nir"), ("Red (665 nm)", "red"), ("Band 1", None), ("", None),
        ],
    )  # fmt: skip
    def test_descriptions(self, text, name):
        assert name_of(text) == name
        assert name_of(text, "red") == (name or "red")

    @pytest.mark.parametrize(
        ("stem", "names"),
        [
            ("LE07_L2SP_200029_20020504_20200916_02_T1_SR_", {"B1": "blue", "B2": "green", "B3": "red", "B4": "nir"}),
            ("LT05_L1TP_1_", {"B1": "blue", "B4": "nir", "B7": "b7"}),
            ("LT51990241990123MPS00_", {"B3": "red", "B4": "nir"}),
            ("LM02_L1GS_1_", {"B4": "green", "B5": "red", "B6": "nir"}),
            ("LC08_L2SP_1_SR_", {"B1": "b1", "B2": "blue", "B3": "green", "B4": "red", "B5": "nir", "B6": "b6"}),
            ("LC09_L2SP_1_SR_", {"B2": "blue", "B5": "nir"}),
            ("HLS.L30.T30TYQ.2021001T105441.v2.0.", {"B02": "blue", "B03": "green", "B04": "red", "B05": "nir"}),
            ("HLS.S30.T30TYQ.2021001T105441.v2.0.", {"B04": "red", "B05": "b05", "B08": "nir", "B8A": "nir"}),
            ("T31UFT_20240101_", {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B11": "b11"}),
        ],
    )  # fmt: skip
    def test_numbers_are_those_of_the_family(self, stem, names):
        for band, name in names.items():
            assert split_band(f"{stem}{band}") == (f"{stem}*", name)

    @pytest.mark.parametrize(
        ("stem", "said", "names"),
        [
            ("a", [2, 3, 4, 5], ["blue", "green", "red", "nir"]),
            ("a", [1, 2, 3, 4], ["blue", "green", "red", "nir"]),
            ("a", [1, 2, 3, 4, 5, 6, 7], ["b1", "blue", "green", "red", "nir", "b6", "b7"]),
            ("a", [1, 2, 3, 4, 5, 7], ["blue", "green", "red", "nir", "b5", "b7"]),
            ("LE07_x", [2, 3, 4, 5], ["green", "red", "nir", "b5"]),
            ("a", [3, 4, 5], ["SR_B3", "SR_B4", "SR_B5"]),
        ],
    )
    def test_surface_reflectance_in_one_file(self, stem, said, names):
        assert by_landsat(stem, [f"SR_B{k}" for k in said]) == names

    def test_a_red_edge_is_never_red_or_near_infrared(self, tmp_path):
        five = picture(bands=5)
        path = write(tmp_path / "a.tif", five, descriptions=["Blue", "Green", "Red edge", "Red", "NIR"])
        np.testing.assert_array_equal(open_images(path)[0], five[..., [3, 1, 0, 4]])
        np.testing.assert_array_equal(open_rasters(path, ["red"])[0], five[..., [3]])
        four = write(tmp_path / "b.tif", five[..., :4], descriptions=["Blue", "Green", "Red", "Red edge"])
        assert open_images(four).band_names == ("red", "green", "blue")

    def test_an_unnamed_fourth_band_is_near_infrared_and_that_is_told(self, tmp_path, caplog):
        caplog.set_level("INFO", "matcher")
        path = write(tmp_path / "a.tif", picture(), descriptions=["Red", "Green", "Blue"])
        assert open_images(path).band_names == ("red", "green", "blue", "nir")
        assert "a.tif: does not name its fourth band, taken for near infrared" in caplog.text
        open_images(write(tmp_path / "b.tif", picture(), photometric="MINISBLACK"))
        assert "b.tif: does not name its bands; read as red,green,blue,nir" in caplog.text

    def test_a_short_file_is_named_with_the_option(self, tmp_path):
        write(tmp_path / "a.tif", picture(bands=3), photometric="RGB")
        with pytest.raises(FormatError, match=r"a\.tif: has 3 bands, and band 5 .*--chip-bands"):
            open_rasters(tmp_path / "a.tif", ["red=5"])

    def test_pictures_of_different_bands_are_read_by_those_that_all_have(self, tmp_path, caplog):
        array = picture()
        write(tmp_path / "a.tif", array, colours=RGBN, photometric="MINISBLACK")
        write(tmp_path / "b.tif", array[..., :3], photometric="RGB")
        caplog.set_level("INFO", "matcher")
        source = open_images(tmp_path)
        assert source.band_names == ("red", "green", "blue")
        np.testing.assert_array_equal(source[0], array[..., :3])
        assert "different bands; those that all have are read: red,green,blue" in caplog.text
        mixed = open_rasters(tmp_path, mixed=True)
        assert [mixed.shape(k)[2] for k in range(2)] == [4, 3]

    @pytest.mark.parametrize("skip", [False, True])
    def test_layers_beside_a_scene_are_passed_over(self, tmp_path, skip, caplog):
        caplog.set_level("INFO", "matcher")
        array = picture(60, 80)
        stem = "LC08_L2SP_199024_20200101_02_T1_"
        for k, band in enumerate(("B4", "B3", "B2", "B5")):
            write(tmp_path / f"{stem}SR_{band}.TIF", array[..., k : k + 1])
        for layer in ("SR_B1", "SR_B7", "QA_PIXEL", "QA_RADSAT", "ST_B10", "SR_QA_AEROSOL"):
            write(tmp_path / f"{stem}{layer}.TIF", picture(60, 80, 1))
        write(tmp_path / "a_thumb.png", picture(15, 20, 3, "uint8"), driver="PNG", crs=None, transform=None)
        bad = []
        source = open_rasters(tmp_path, on_bad=bad.append if skip else None)
        np.testing.assert_array_equal(source[0], array)
        assert (len(source), bad) == (1, [])
        assert "a layer beside pictures, passed over" in caplog.text

    def test_a_scene_is_not_outvoted(self, tmp_path):
        bad = []
        write(tmp_path / "z.tif", picture(60, 80))
        for name in "abc":
            write(tmp_path / f"{name}.tif", picture(60, 80, 1))
        assert [r.name for r in open_rasters(tmp_path, on_bad=bad.append).rasters] == [
            str(tmp_path / "z.tif")
        ]
        assert len(bad) == 3

    def test_what_is_called_a_thumbnail_is_read_where_it_is_all_there_is(self, tmp_path):
        write(tmp_path / "a_thumb.tif", picture())
        assert len(open_images(tmp_path)) == 1

    def test_bands_that_do_not_agree(self, tmp_path):
        write(tmp_path / "a.tif", picture(bands=3), photometric="RGB")
        write(tmp_path / "b.tif", picture(bands=1))
        with pytest.raises(
            FormatError, match=r"b\.tif: has the bands gray, and .*a\.tif has red, green, blue"
        ):
            open_images(tmp_path)


class TestNoData:
    @staticmethod
    def blank(array, empty):
        """A picture with 0 where it is empty, as it is to be read."""
        out = array.copy()
        out[empty] = 0
        return out

    @pytest.mark.parametrize("nodata", [7, -32768])
    def test_nodata_of_any_band(self, tmp_path, nodata):
        array = picture(dtype="int16", low=10)
        array[3:6, 4:9] = nodata
        array[20, 20, 2] = nodata
        empty = np.zeros(array.shape[:2], bool)
        empty[3:6, 4:9] = empty[20, 20] = True
        found = open_images(write(tmp_path / "a.tif", array, nodata=nodata))[0]
        np.testing.assert_array_equal(found, self.blank(array, empty))

    def test_nan(self, tmp_path):
        array = picture(dtype="float32")
        array[3:6, 4:9, 1] = np.nan
        empty = np.isnan(array).any(-1)
        told, untold = write(tmp_path / "a.tif", array, nodata=np.nan), write(tmp_path / "b.tif", array)
        np.testing.assert_array_equal(open_images(told)[0], self.blank(array, empty))
        np.testing.assert_array_equal(open_images(untold)[0], self.blank(array, empty))

    def test_mask_and_alpha(self, tmp_path):
        array = picture(dtype="uint8")
        mask = np.full(array.shape[:2], 255, np.uint8)
        mask[10:20, :5] = 0
        masked = write(tmp_path / "a.tif", array, mask=mask, photometric="MINISBLACK")
        np.testing.assert_array_equal(open_images(masked)[0], self.blank(array, mask == 0))
        with_alpha = np.concatenate([array[..., :3], mask[..., None]], axis=-1)
        colours = (*RGBN[:3], ColorInterp.alpha)
        found = open_images(write(tmp_path / "b.tif", with_alpha, colours=colours))[0]
        np.testing.assert_array_equal(found, self.blank(array[..., :3], mask == 0))

    def test_all_nodata(self, tmp_path):
        path = write(tmp_path / "a.tif", np.full((20, 20, 3), 9, np.uint8), nodata=9)
        with pytest.raises(FormatError, match=r"a\.tif: holds no valid pixel"):
            open_images(path)[0]

    def test_offset(self, tmp_path):
        array = picture(low=1001, high=4000)
        array[2, 3] = 0
        array[5, 6] = 900
        shifted = open_rasters(write(tmp_path / "a.tif", array, nodata=0), offset=-1000)[0]
        assert shifted[2, 3].tolist() == [0] * 4
        assert shifted[5, 6].tolist() == [1] * 4
        np.testing.assert_array_equal(shifted[6:], array[6:] - 1000)

    def test_offset_of_reflectance(self):
        array = (picture(low=1001, high=4000) / 10000).astype(np.float32)
        array[5, 6] = 0.09
        shifted = open_rasters(array[None], offset=-0.1)[0]
        assert (shifted[5, 6] == np.float32(1e-4)).all()
        np.testing.assert_allclose(shifted[6:], array[6:] - np.float32(0.1), atol=1e-6)

    def test_offset_of_arrays_and_of_what_is_open(self, tmp_path):
        array = picture(low=1001, high=4000)
        array[2, 3] = 0
        np.save(tmp_path / "a.npy", array[None])
        wanted = open_rasters(write(tmp_path / "a.tif", array, nodata=0), offset=-1000)[0]
        opened = open_rasters(tmp_path / "a.tif")
        for given in (array[None], tmp_path / "a.npy", opened):
            np.testing.assert_array_equal(open_rasters(given, offset=-1000)[0], wanted)
        for planned in (
            plan(array[None], given, offset=-1000, pixels=True) for given in (array[None], opened)
        ):
            np.testing.assert_array_equal(planned.scenes[0], wanted)
        asked = Aligning(offset=-1000)
        sides, _ = open_sides(open_rasters(array[None]), open_rasters(array[None]), Settings(), asked)
        np.testing.assert_array_equal(sides[1].source[0], wanted)
        np.testing.assert_array_equal(sides[0].source[0], array)


def product(root, *, offsets="", baseline="05.10", level="L2A"):
    """A tiny Sentinel-2 product; its 10 m bands hold 2000 plus the band's number."""
    safe = root / f"S2A_MSI{level}_20240101T104431_N0510_R008_T31UFT_20240101.SAFE"
    images = safe / "GRANULE" / "L2A_T31UFT" / "IMG_DATA" / ("R10m" if level == "L2A" else "")
    images.mkdir(parents=True)
    tail = "_10m" if level == "L2A" else ""
    for number in (2, 3, 4, 8):
        write(
            images / f"T31UFT_20240101T104431_B0{number}{tail}.tif",
            np.full((16, 16, 1), 2000 + number, np.uint16),
        )
    write(images / f"T31UFT_20240101T104431_TCI{tail}.tif", np.full((16, 16, 3), 9, np.uint8))
    text = f"<n1:Level><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>{offsets}</n1:Level>"
    (safe / f"MTD_MSI{level}.xml").write_text(text)
    return safe


def listed(kind, values):
    return "".join(f'<{kind}_ADD_OFFSET band_id="{k}">{v}</{kind}_ADD_OFFSET>' for k, v in enumerate(values))


class TestSafe:
    @pytest.mark.parametrize(("level", "kind"), [("L2A", "BOA"), ("L1C", "RADIO")])
    def test_offset_of_the_metadata(self, tmp_path, level, kind):
        safe = product(tmp_path, offsets=listed(kind, [-1000] * 13), level=level)
        source = open_images(safe)
        assert source.band_names == ("red", "green", "blue", "nir")
        assert source[0][0, 0].tolist() == [1004, 1003, 1002, 1008]
        assert open_rasters(safe, offset=0)[0][0, 0].tolist() == [2004, 2003, 2002, 2008]
        assert len(open_images(tmp_path)) == 1

    def test_the_metadata_and_the_archive_are_the_product(self, tmp_path):
        safe = product(tmp_path, offsets=listed("BOA", [-1000] * 13))
        expected = open_images(safe)
        archive = Path(shutil.make_archive(str(safe), "zip", tmp_path, safe.name))
        (tmp_path / "z").mkdir()
        named = archive.rename(tmp_path / "z" / f"{safe.stem}.zip")
        shutil.copy(named, tmp_path / "z" / f"2{safe.name}.zip")
        for path in (next(safe.glob("MTD*.xml")), named, tmp_path / "z" / f"2{safe.name}.zip"):
            source = open_images(path)
            np.testing.assert_array_equal(source[0], expected[0])
            assert source.band_names == expected.band_names
            assert source.rasters[0].georef == expected.rasters[0].georef
            assert np.array_equal(pickle.loads(pickle.dumps(source))[0], expected[0])
        assert files_of(str(named)) == [str(named)]
        assert len(files_of(str(next(safe.glob("MTD*.xml"))))) == 6
        assert len(open_images(tmp_path / "z")) == 2
        named.write_bytes(named.read_bytes()[:900])
        with pytest.raises(FormatError, match=r"\.zip: cannot be opened as the zip archive of a product"):
            open_images(named)

    def test_before_baseline_4(self, tmp_path):
        assert open_images(product(tmp_path, baseline="02.11"))[0][0, 0].tolist() == [2004, 2003, 2002, 2008]

    def test_what_metadata_do_not_say(self, tmp_path):
        with pytest.raises(FormatError, match=r"baseline 05.10 and gives no offset; .*--offset -1000"):
            open_images(product(tmp_path))
        (next(tmp_path.glob("*.SAFE")) / "MTD_MSIL2A.xml").unlink()
        with pytest.raises(FormatError, match="has no MTD_MSIL1C"):
            open_images(next(tmp_path.glob("*.SAFE")))

    def test_a_band_is_missing(self, tmp_path):
        safe = product(tmp_path, baseline="02.11")
        next(safe.glob("GRANULE/*/IMG_DATA/R10m/*_B08_10m.tif")).unlink()
        with pytest.raises(FormatError, match="no 10 m image of band B08"):
            open_images(safe)


class TestSkipping:
    """Bad rasters are left out where that is wanted; the others keep their numbers."""

    def folder(self, path):
        array = picture()
        for name in ("a", "c", "e"):
            write(path / f"{name}.tif", array)
        write(path / "b.tif", picture(bands=3), photometric="RGB")
        write(path / "d.tif", np.zeros_like(array), nodata=0)
        data = (path / "e.tif").read_bytes()
        (path / "f.tif").write_bytes(data[: len(data) // 2])
        (path / "g.tif").write_text("no raster")
        return path

    def test_each_is_told_and_the_others_are_read(self, tmp_path):
        bad = []
        source = open_rasters(self.folder(tmp_path), on_bad=bad.append)
        assert source.ids.tolist() == [0, 2, 4]
        with rasterio.open(tmp_path / "c.tif") as dataset:
            np.testing.assert_array_equal(np.moveaxis(source[1], -1, 0), dataset.read())
        assert sorted((one.file[-5:], one.id) for one in bad) == [
            ("b.tif", 1), ("d.tif", 3), ("f.tif", 5), ("g.tif", 6),
        ]  # fmt: skip
        reasons = {one.file[-5:]: one.reason for one in bad}
        assert (
            reasons["b.tif"]
            == "has the bands red, green, blue, and most have unnamed, unnamed, unnamed, unnamed"
        )
        assert "no valid pixel" in reasons["d.tif"]
        assert "cannot be" in reasons["g.tif"]
        assert str(bad[0]) == f"{bad[0].file}: {bad[0].reason}"
        assert open_images(tmp_path, on_bad=bad.append).ids.tolist() == [0, 2, 4]

    def test_otherwise_one_error(self, tmp_path):
        with pytest.raises(FormatError, match=r"[bfg]\.tif: "):
            open_rasters(self.folder(tmp_path))

    def test_none_is_left(self, tmp_path):
        (tmp_path / "g.tif").write_text("no raster")
        with pytest.raises(
            NoInputError, match=r"not one raster of it can be used; the first fault: .*g\.tif: "
        ):
            open_rasters(tmp_path, on_bad=lambda _: None)

    def test_several_paths_are_rasters(self, tmp_path):
        paths = [write(tmp_path / f"{k}.tif", picture()) for k in (4, 2)]
        assert open_images(paths).ids.tolist() == [4, 2]


class TestDamage:
    def test_truncated(self, tmp_path):
        path = write(tmp_path / "a.tif", picture(200, 200))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(FormatError, match=r"a\.tif: cannot be (read at row 0, column 0|opened)"):
            open_images(path)[0]
        path.write_bytes(data[:5])
        with pytest.raises(FormatError, match=r"a\.tif: cannot be opened as GeoTIFF"):
            open_images(path)

    @pytest.mark.parametrize("suffix", [".png", ".jpg"])
    def test_truncated_pictures(self, tmp_path, suffix):
        cv2 = pytest.importorskip("cv2")
        path = tmp_path / f"a{suffix}"
        cv2.imwrite(str(path), picture(60, 60, 3, "uint8"))
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(FormatError, match="is cut short"):
            open_images(path)

    def test_palette_complex_and_none(self, tmp_path):
        path = tmp_path / "p.tif"
        with rasterio.open(path, "w", driver="GTiff", height=9, width=9, count=1, dtype="uint8") as dataset:
            dataset.write(np.ones((1, 9, 9), np.uint8))
            dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (9, 9, 9, 255)})
        with pytest.raises(FormatError, match=r"p\.tif: .*palette"):
            open_images(path)
        with pytest.raises(FormatError, match=r"c\.tif: .*complex"):
            open_images(write(tmp_path / "c.tif", picture(bands=1).astype("complex64")))
        (tmp_path / "z.vrt").write_text('<VRTDataset rasterXSize="9" rasterYSize="9"></VRTDataset>')
        with pytest.raises(FormatError, match=r"z\.vrt: (has no band|cannot be opened)"):
            open_images(tmp_path / "z.vrt")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a/dates.npy, 3", "dates-3"),
        ("c.npz, array 'images', 0", "c-0"),
        ("s.zarr, 2020-06-01", "s-2020-06-01"),
        ("s.zarr, 2020-06-01T10:30:00", "s-2020-06-01T10-30-00"),
        ("s.zarr, 2020/06/01", "s-2020-06-01"),
        ("v1.0, final/S2A", "v1-final-S2A"),
        ("Paris, June.tif", "Paris, June"),
        ("x/S2A.SAFE/", "S2A"),
        ("LC08_B*.tif", "LC08_Bbands"),
        ("array of images, 1", "array of images, 1"),
    ],
)
def test_what_files_made_of_a_raster_are_called(name, stem):
    assert stem_of(name) == stem
