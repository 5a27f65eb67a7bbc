"""From stored numbers to reflectance: value ranges, roles of bands, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from matcher.errors import MatcherError, SettingsError
from matcher.evidence.pixels import valid_pixels
from matcher.formats.opening import open_images
from matcher.imagery import Pictures, Roles, open_pictures, resolve_bands, tell_range, to_dn
from matcher.settings import RANGES, Settings


def pictures(values, dtype, count=3, bands=2):
    """Pictures that hold the given values and nothing beyond their extremes."""
    values = np.array(values, np.float64)
    stack = np.resize(values, (count, 14, 15, bands))
    return open_images(stack.astype(dtype))


class TestTellRange:
    @pytest.mark.parametrize(
        ("values", "dtype", "told"),
        [
            ((0, 4095), "u2", "dn"),
            ((0, 4095), "f2", "dn"),
            ((200, 9000), "f4", "dn"),
            ((0, 19999), "u2", "dn"),
            ((0, 255), "u1", "8bit"),
            ((0, 1), "u1", "8bit"),
            ((0, 255), "u2", "dn"),  # dark, but not of one byte
            ((0, 65535), "u2", "16bit"),
            ((0, 32000), "i4", "16bit"),
            ((-1, 1), "f2", "signed"),
            ((-0.98, 0.2), "f4", "signed"),
            ((0, 1), "f4", "reflectance"),
            ((0.01, 1.6), "f8", "reflectance"),  # bright cloud
            ((-0.02, 0.7), "f4", "reflectance"),  # noise below 0
            ((-1, 3), "f4", "dn"),
            ((0, 1), "u2", "dn"),  # whole numbers are no reflectance
            ((0, 0), "f4", "dn"),
        ],
    )
    def test_by_dtype_and_extremes(self, values, dtype, told):
        assert tell_range(pictures(values, dtype)) == told

    @pytest.mark.parametrize(
        ("values", "dtype", "words"),
        [
            ((-128, 127), "i1", "holds int8"),
            ((-24, -2), "f4", "most values are negative .* decibels"),
            ((-9000, -10), "i2", "most values are negative"),
            ((0, 4e9), "u4", "beyond 16 bits"),
            ((0, 9e5), "f4", "beyond 16 bits"),
        ],
    )
    def test_what_no_range_is_known_for(self, values, dtype, words):
        with pytest.raises(MatcherError, match=rf"picture 0: .*{words}.*--range"):
            tell_range(pictures(values, dtype))
        assert (
            open_pictures(pictures(values, dtype), pictures(values, dtype), "8bit")[0].value_range == "8bit"
        )

    @pytest.mark.parametrize("dtype", ["u2", "i2", "f4"])
    def test_hot_pixels_do_not_tell_and_are_noted(self, dtype, caplog):
        stack = np.random.default_rng(1).integers(100, 4095, (4, 200, 200, 4)).astype(dtype)
        stack[2, 5, 5] = stack[0, 9:12, 9] = 30000
        caplog.set_level("INFO", "matcher")
        assert tell_range(open_images(stack)) == "dn"
        assert "30000 are few" in caplog.text
        assert tell_range(open_images(np.minimum(stack.astype("u4") * 8, 65535).astype("u2"))) == "16bit"

    @pytest.mark.parametrize(("stored", "told"), [(-1.0, "signed"), (0.0, "reflectance")])
    def test_a_hot_pixel_of_fractions_does_not_tell(self, stored, told):
        stack = np.random.default_rng(1).uniform(stored, 1, (2, 200, 200, 4)).astype("f4")
        stack[1, 3, 3, 0] = 3.5
        assert tell_range(open_images(stack)) == told

    def test_no_data_says_nothing(self):
        stack = np.zeros((2, 200, 200, 4), np.uint16)
        stack[0, :9, :9] = 30000
        assert tell_range(open_images(stack)) == "16bit"

    def test_looks_at_pictures_from_first_to_last(self):
        stack = np.zeros((40, 14, 14, 1), np.float32)
        stack[-1] = 0.5
        assert tell_range(open_images(stack)) == "reflectance"
        stack[0] = -0.9
        assert tell_range(open_images(stack)) == "signed"

    def test_reads_a_few_pictures_of_many(self):
        class Counted:
            def __init__(self, source):
                self.source, self.read = source, set()

            def __getattr__(self, name):
                return getattr(self.source, name)

            def __len__(self):
                return len(self.source)

            def __getitem__(self, index):
                self.read.add(index)
                return self.source[index]

        counted = Counted(open_images(np.ones((500, 12, 12, 1), np.uint16)))
        tell_range(counted)
        assert {0, 499} <= counted.read
        assert len(counted.read) <= 10

    def test_nan_and_infinity_do_not_tell(self):
        stack = np.full((2, 12, 12, 1), 0.25, np.float32)
        stack[0, 0, 0], stack[1, 3, 3] = np.nan, np.inf
        assert tell_range(open_images(stack)) == "reflectance"


class TestSeveralTypes:
    """What numbers mean is told for all pictures together: no answer may hang on which of them is the first."""

    BYTES = np.arange(1, 181, dtype=np.uint8).reshape(10, 9, 2)

    @pytest.mark.parametrize("turned", [False, True])
    @pytest.mark.parametrize("other", [np.uint16(16) * BYTES, (BYTES / 255).astype(np.float32)])
    def test_that_mean_different_things(self, other, turned):
        both = [self.BYTES, other][:: -1 if turned else 1]
        with pytest.raises(
            MatcherError, match=r"picture 1: holds .* and .*picture 0 holds .*match them apart"
        ):
            tell_range(open_images(both))

    def test_that_mean_the_same(self):
        dn = np.arange(180, dtype=np.int16).reshape(10, 9, 2) * 20
        assert tell_range(open_images([dn, dn.astype(np.float32), dn.astype(np.uint16)])) == "dn"

    def test_of_a_range_that_is_said(self):
        both = open_images([self.BYTES, np.uint16(16) * self.BYTES])
        assert Pictures(both, "dn").value_range == "dn"


class TestTogether:
    @pytest.mark.parametrize(
        ("images", "patches", "told"),
        [
            (((-1, 1), "f2"), ((0.1, 1), "f2"), ("signed", "signed")),
            (((0.1, 1), "f4"), ((-1, 0), "f4"), ("signed", "signed")),
            (((0, 60000), "u2"), ((0, 9000), "u2"), ("16bit", "16bit")),
            (((0, 60000), "u2"), ((0, 4000), "f4"), ("16bit", "dn")),
            (((0, 60000), "u2"), ((0, 9000), "i2"), ("16bit", "16bit")),
            (((0, 4000), "u2"), ((0, 255), "u1"), ("dn", "8bit")),
            (((-1, 1), "f2"), ((0, 1.8), "f4"), ("signed", "reflectance")),
            (((-1, 1), "f2"), ((0, 4095), "f2"), ("signed", "dn")),
        ],
    )
    def test_alike_where_they_can_be(self, images, patches, told):
        found = open_pictures(pictures(*images), pictures(*patches), "auto")
        assert tuple(p.value_range for p in found) == told

    @pytest.mark.parametrize("name", [name for name in RANGES if name != "auto"])
    def test_what_is_said_holds(self, name):
        found = open_pictures(pictures((0, 255), "u1"), pictures((-1, 1), "f4"), name)
        assert [p.value_range for p in found] == [name, name]


class TestToDn:
    @pytest.mark.parametrize(
        ("name", "stored", "dn"),
        [
            ("dn", [0, 1, 4095, 12000], [0, 1, 4095, 12000]),
            ("signed", [-1, 0, 0.5, 1], [0, 2047.5, 3071.25, 4095]),
            ("reflectance", [0, 0.1, 1, 1.2], [0, 1000, 10000, 12000]),
            ("8bit", [0, 1, 255], [0, 16, 4080]),
            ("16bit", [0, 16, 65520], [0, 1, 4095]),
        ],
    )
    def test_by_hand(self, name, stored, dn):
        found = to_dn(np.array(stored, np.float32).reshape(1, -1, 1), name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.ravel(), dn, rtol=1e-6)
        assert found.ravel()[0] == 0  # no data stays exactly 0

    @given(arrays.arrays(np.uint16, (3, 4, 2), elements=st.integers(0, 4095)))
    def test_the_challenges_values_come_back(self, dn):
        """Through [-1, 1] in half precision: within half its step."""
        stored = (dn.astype(np.float32) / np.float32(2047.5) - 1).astype(np.float16)
        back = to_dn(stored, "signed")
        assert np.abs(back - dn).max() <= 2047.5 * 2.0**-12 + 1e-3
        assert (back[dn == 0] == 0).all()
        assert (back[dn == 4095] == 4095).all()

    @pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<i4", "<f2", ">f4", "<f8"])
    def test_any_dtype_and_layout(self, dtype):
        stack = np.arange(2 * 12 * 13 * 3).reshape(2, 12, 13, 3) % 200
        source = open_images(np.asfortranarray(stack.astype(dtype)))
        found = Pictures(source, "dn")[1]
        np.testing.assert_array_equal(found, stack[1])
        assert found.dtype == np.float32
        assert found.dtype.isnative
        assert found.flags.c_contiguous

    def test_nothing_is_clipped(self):
        source = pictures((-50, 17000), "f4")
        assert Pictures(source, "dn")[0].min() == -50
        assert Pictures(source, "dn")[0].max() == 17000


class TestRefused:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_no_number(self, value):
        stack = np.ones((3, 12, 12, 1), np.float32)
        stack[1, 5, 6] = value
        found = Pictures(open_images(stack), "dn")
        np.testing.assert_array_equal(found[0], 1)
        with pytest.raises(MatcherError, match=r"picture 1: has NaN or infinite.*0 in all bands"):
            found[1]

    def test_what_no_sensor_gives(self):
        stack = np.full((1, 12, 12, 1), 70000, np.float32)
        stack[0, 0, 0] = 1e12
        with pytest.raises(MatcherError, match=r"no sensor gives.*--range"):
            Pictures(open_images(stack), "dn")[0]

    def test_other_bands_than_the_images(self):
        images = Pictures(pictures((0, 9), "u2", bands=4), "dn")
        patches = Pictures(pictures((0, 9), "u2", bands=3), "dn")
        with pytest.raises(MatcherError, match=r"has 3 bands.*has 4: images and patches must"):
            resolve_bands(images, patches, Settings())

    def test_band_names_of_both(self):
        images = Pictures(pictures((0, 9), "u2", bands=2), "dn")
        assert resolve_bands(images, images, Settings()) == ("red", "nir")
        with pytest.raises(SettingsError, match="3 are named"):
            resolve_bands(images, images, Settings(bands=("a", "b", "c")))


class TestRoles:
    @pytest.mark.parametrize(
        ("names", "visible", "nir", "red"),
        [
            (("red", "green", "blue", "nir"), (0, 1, 2), 3, 0),
            (("nir", "red", "green"), (1, 2), 0, 1),
            (("red", "green", "blue"), (0, 1, 2), None, 0),
            (("gray",), (0,), None, None),
            (("nir",), (0,), None, None),  # alone, it does the work of the visible
            (("B02", "nir", "swir"), (0, 2), 1, None),
        ],
    )
    def test_by_name(self, names, visible, nir, red):
        assert Roles.of(names) == Roles(visible, nir, red)

    @given(st.permutations(["red", "green", "blue", "nir", "swir"]), st.integers(1, 5))
    def test_every_band_has_one_role(self, names, count):
        roles = Roles.of(tuple(names[:count]))
        infrared = () if roles.nir is None else (roles.nir,)
        assert sorted(roles.visible + infrared) == list(range(count))
        assert roles.visible


class TestNoData:
    @pytest.mark.parametrize(
        ("name", "dtype", "empty"), [("dn", "u2", 0), ("signed", "f2", -1), ("8bit", "u1", 0)]
    )
    def test_the_least_value_in_all_bands(self, name, dtype, empty):
        """One pixel without data takes its neighbours along, whatever the values mean."""
        stack = np.full((1, 15, 16, 4), 0.5 if name == "signed" else 90).astype(dtype)
        stack[0, 7, 8] = empty
        stack[0, 2, 2, :3] = empty
        valid = valid_pixels(Pictures(open_images(stack), name)[0])
        assert (~valid).sum() == 9
        assert not valid[6:9, 7:10].any()

    @given(arrays.arrays(bool, (9, 10)))
    def test_as_loops(self, holes):
        dn = np.where(holes[..., None], 0, 700).astype(np.float32).repeat(2, axis=-1)
        valid = valid_pixels(dn)
        for y, x in np.ndindex(9, 10):
            around = holes[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert valid[y, x] == (not around.any())


def test_crops_are_read_as_windows_where_a_source_can():
    """A part is the part of the whole, and only it is read."""

    class Windows:
        name, ids = "windows", np.arange(1)
        stack = np.random.default_rng(0).integers(1, 4000, (40, 50, 2)).astype(np.uint16)

        def __len__(self):
            return 1

        def shape(self, _index):
            return self.stack.shape

        def where(self, _index):
            return "windows"

        def __getitem__(self, _index):
            raise AssertionError("read whole")

        def read(self, _index, row, col, height, width):
            return self.stack[row : row + height, col : col + width]

    part = Pictures(Windows(), "8bit").crop(0, (3, 4), (10, 20))
    np.testing.assert_array_equal(part, Pictures(open_images([Windows.stack]), "8bit")[0][3:13, 4:24])
