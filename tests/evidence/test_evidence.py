"""Fields of the evidence against loops, and what they must not feel: gain, offset, contrast, place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import matcher
from matcher.errors import SettingsError
from matcher.evidence import channels, templates
from matcher.evidence.gradient_phase import (
    ENERGY,
    MAGNITUDE_FLOOR,
    MAGNITUDE_HALF,
    RATIO_REACH,
    RATIO_SIGMA,
    REACH,
    SHARE,
    SIGMA,
    blind_fields,
    magnitude_fields,
    ratio_fields,
    signed_fields,
)
from matcher.evidence.pixels import EDGE, HAZE, seen_pixels, valid_pixels, white_pixels
from matcher.imagery import Roles
from matcher.kernels.fields import ABOUT, nine_sums
from matcher.model import shipped
from matcher.settings import DEFAULT_EVIDENCE, EVIDENCE
from tests import naive

FOUR = Roles.of(("red", "green", "blue", "nir"))
THREE = Roles.of(("red", "green", "blue"))
ONE = Roles.of(("gray",))


def texture(height, width, bands=4, seed=0, low=200, high=3000):
    return np.random.default_rng(seed).integers(low, high, (height, width, bands)).astype(np.float32)


def clouded(height=19, width=23, bands=4):
    """Water of 70 DN with a noise of 2, land, and cloud clipped flat at 4095."""
    dn = texture(height, width, bands)
    dn[:, :8] = np.random.default_rng(1).normal(70, 2.5, (height, 8, bands)).round()
    dn[5:12, 12:] = 4095
    dn[13:, 2:7, 0] = 60  # flat in one band only
    return dn


def roles_of(dn):
    """As many bands as there are: near infrared is the fourth."""
    return Roles.of(("red", "green", "blue", "nir")[: dn.shape[2]])


def ratio_of_four(dn, valid):
    return ratio_fields(dn, valid, FOUR)


def naive_signed(dn, seen):
    return naive.naive_prominent(naive.naive_differences(dn), seen, ABOUT, SHARE, doubled=False)


def naive_blind(dn, seen):
    gradient = naive.naive_gaussian_gradient(dn, SIGMA, REACH, turned=True)
    return naive.naive_prominent(gradient, seen, ABOUT, SHARE, doubled=True)


def everywhere(dn):
    return np.ones(dn.shape[:2], bool)


PICTURES = {
    "four bands": texture(17, 21),
    "three bands": texture(16, 18, 3, seed=1),
    "one band": texture(20, 15, 1, seed=2),
    "dark": texture(14, 14, 2, seed=3, low=50, high=60),
    "water and cloud": clouded(),
    "constant": np.full((13, 14, 2), 812, np.float32),
    "half flat": np.concatenate([texture(15, 8, 2), np.full((15, 9, 2), 100, np.float32)], 1),
    "a line": texture(1, 30, 2),
    "two columns": texture(9, 2, 1),
    "a pixel": texture(1, 1, 4),
}
pictures = pytest.mark.parametrize("dn", PICTURES.values(), ids=PICTURES.keys())

small = st.tuples(st.integers(5, 12), st.integers(5, 12), st.integers(1, 3)).flatmap(
    lambda shape: arrays.arrays(np.int32, shape, elements=st.integers(1, 4095))
)
quick = settings(max_examples=40, deadline=None)


class TestFieldsAgainstLoops:
    @pictures
    def test_signed(self, dn):
        found = signed_fields(dn, everywhere(dn))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, naive_signed(dn, everywhere(dn)), rtol=0, atol=1e-6)

    @pictures
    def test_blind(self, dn):
        found = blind_fields(dn, everywhere(dn))
        expected = naive_blind(dn, everywhere(dn))
        size = np.hypot(*np.moveaxis(naive.naive_gaussian_gradient(dn, SIGMA, REACH, turned=True), 1, 0))
        flat, steep = size < 1e-6, size > 0.01  # DN; between them lies what counts as a gradient
        assert (flat | steep).mean() > 0.99
        assert not found[np.concatenate([flat, flat])].any()
        # single precision of the values, over the size of their differences
        tolerance = 1e-6 + 2e-6 * dn.max() / np.where(steep, size, 1)
        wrong = np.abs(found - expected) > np.concatenate([tolerance, tolerance])
        assert not wrong[np.concatenate([steep, steep])].any()

    @pytest.mark.parametrize(
        ("make", "naively"), [(signed_fields, naive_signed), (blind_fields, naive_blind)]
    )
    def test_what_is_not_seen_has_no_say_about_others(self, make, naively):
        """Neither in the mean about them, nor in how many are counted there."""
        dn, seen = texture(21, 24), np.ones((21, 24), bool)
        seen[3:9, 5:16] = seen[14, 2] = False
        found = make(dn, seen)
        np.testing.assert_allclose(found, naively(dn, seen), rtol=0, atol=2e-5)
        assert not found[:, ~seen].any()

    def test_many_pictures_and_some_bands(self):
        dn = np.stack([texture(14, 17, seed=k) for k in range(3)])
        seen = np.random.default_rng(0).random(dn.shape[:3]) < 0.8
        for make in (signed_fields, blind_fields):
            found = make(dn, seen, (3, 1))
            assert found.shape == (3, 4, 14, 17)
            for one, picture, there in zip(found, dn, seen, strict=True):
                np.testing.assert_array_equal(one, make(picture[..., [3, 1]], there))

    @pictures
    def test_magnitude(self, dn):
        found = magnitude_fields(dn, everywhere(dn))
        expected = naive.naive_log_magnitude(dn, MAGNITUDE_FLOOR, MAGNITUDE_HALF)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)

    @pytest.mark.parametrize("doubled", [True, False])
    @pytest.mark.parametrize("name", [name for name, dn in PICTURES.items() if dn.shape[2] > 1])
    def test_ratio(self, name, doubled):
        dn, roles = PICTURES[name], roles_of(PICTURES[name])
        found = ratio_fields(dn, everywhere(dn), roles, doubled)
        assert (found.dtype, len(found)) == (np.float32, 2 * (dn.shape[2] - 1))
        ratios = naive.naive_ratio(dn, roles, HAZE)
        if doubled:
            gradient = naive.naive_gaussian_gradient(ratios, RATIO_SIGMA, RATIO_REACH, turned=True)
        else:
            gradient = naive.naive_differences(ratios)
        expected = naive.naive_prominent(gradient, everywhere(dn), ABOUT, SHARE, doubled, flat=1e-6)
        size = np.hypot(*np.moveaxis(gradient, 1, 0))
        flat, steep = size < 1e-9, size > 1e-5  # of a log; between them lies what counts as a gradient
        assert (flat | steep).mean() > 0.99
        assert not found[np.concatenate([flat, flat])].any()
        # single precision of logs of 8.4 at most and of their sums, over the size of their differences
        tolerance = 1e-6 + 8 * 2**-22 / np.where(steep, size, 1)
        wrong = np.abs(found - expected) > np.concatenate([tolerance, tolerance])
        assert not wrong[np.concatenate([steep, steep])].any()

    @pytest.mark.parametrize("shape", [(1, 1), (5, 3), (16, 30), (17, 9), (70, 41)])
    def test_sums_over_nine_pixels(self, shape):
        values = np.random.default_rng(3).random((shape[0] + 8, shape[1] + 8)).astype(np.float32)
        out = np.full((shape[0], shape[1] + 8), np.nan, np.float32)
        nine_sums(values, out)
        for y, x in np.ndindex(shape):
            assert out[y, x] == pytest.approx(float(values[y : y + 9, x : x + 9].sum(dtype=float)), rel=1e-6)
        # What lies a row or column on has the same bits wherever its picture begins.
        part = np.empty((shape[0] - 1, shape[1] + 7), np.float32)
        nine_sums(np.ascontiguousarray(values[1:, 1:]), part)
        np.testing.assert_array_equal(part[:, : shape[1] - 1], out[1:, 1 : shape[1]])

    @quick
    @given(small)
    def test_signed_of_any_numbers(self, dn):
        dn = dn.astype(np.float32)
        np.testing.assert_allclose(
            signed_fields(dn, everywhere(dn)), naive_signed(dn, everywhere(dn)), rtol=0, atol=1e-6
        )

    @pictures
    def test_vectors_are_short(self, dn):
        ok = everywhere(dn)
        made = [signed_fields(dn, ok), blind_fields(dn, ok)]
        if dn.shape[2] > 1:
            made.append(ratio_fields(dn, ok, roles_of(dn)))
        for fields in made:
            half = len(fields) // 2
            size = np.hypot(fields[:half], fields[half:])
            assert size.max() <= 1

    @pytest.mark.parametrize("make", [signed_fields, blind_fields])
    def test_a_slope_stands_out_of_itself_by_its_share(self, make):
        """Everywhere, at the border too: the picture goes on beyond it."""
        y, x = np.mgrid[:20, :23]
        dn = (500 + 30 * y + 40 * x).astype(np.float32)[..., np.newaxis]
        size = np.hypot(*make(dn, everywhere(dn)))
        np.testing.assert_allclose(size, 1 / (1 + SHARE), atol=1e-5)

    def test_constant_gives_nothing(self):
        dn = PICTURES["constant"]
        assert not signed_fields(dn, everywhere(dn)).any()
        assert not blind_fields(dn, everywhere(dn)).any()
        assert not ratio_fields(dn, everywhere(dn), roles_of(dn)).any()
        np.testing.assert_allclose(magnitude_fields(dn, everywhere(dn)), 0, atol=1e-6)


class TestInvariance:
    """Gradient phase knows no gain and no offset of a band; the sign-blind one no contrast either."""

    @quick
    @given(small, st.integers(1, 9), st.integers(0, 2000), st.integers(0, 2))
    def test_signed_phase_under_gain_and_offset_of_a_band(self, dn, gain, offset, band):
        dn = dn.astype(np.float32)
        other = dn.copy()
        other[..., band % dn.shape[2]] *= gain
        other[..., band % dn.shape[2]] += offset
        np.testing.assert_allclose(
            signed_fields(other, everywhere(dn)), signed_fields(dn, everywhere(dn)), rtol=0, atol=1e-6
        )

    @pytest.mark.parametrize("seed", range(8))
    def test_blind_phase_under_gain_and_offset_of_every_band(self, seed):
        rng = np.random.default_rng(seed)
        dn = texture(24, 31, 4, seed)
        gain = rng.uniform(0.2, 4, 4).astype(np.float32)
        other = dn * gain + rng.uniform(0, 900, 4).astype(np.float32)
        ok = everywhere(dn)
        np.testing.assert_allclose(signed_fields(other, ok), signed_fields(dn, ok), atol=2e-3)
        difference = np.abs(blind_fields(other, ok) - blind_fields(dn, ok))
        assert np.quantile(difference, 0.99) < 1e-4
        assert difference.max() < 2e-2  # where the gradient all but vanishes

    @quick
    @given(small)
    def test_contrast_inversion(self, dn):
        dn = dn.astype(np.float32)
        inverse = 4096 - dn
        ok = everywhere(dn)
        np.testing.assert_array_equal(signed_fields(inverse, ok), -signed_fields(dn, ok))

    @pytest.mark.parametrize("name", ["four bands", "three bands", "one band", "dark"])
    def test_contrast_inversion_leaves_the_blind_phase(self, name):
        dn = PICTURES[name]
        ok = everywhere(dn)
        difference = np.abs(blind_fields(4096 - dn, ok) - blind_fields(dn, ok))
        assert np.quantile(difference, 0.95) < 1e-3
        assert difference.max() < 5e-2

    @pytest.mark.parametrize("seed", range(8))
    def test_ratios_under_a_gain_of_every_band(self, seed):
        """Exactly but for the haze, whose 50 DN are little here: the fewer the brighter the ground."""
        rng = np.random.default_rng(seed)
        gain = rng.uniform(0.7, 1.4, 4).astype(np.float32)
        ok = np.ones((24, 31), bool)
        off = []
        for level in (1, 10):
            dn = texture(24, 31, 4, seed, 2000 * level, 4000 * level)
            difference = np.abs(ratio_fields(dn * gain, ok, FOUR) - ratio_fields(dn, ok, FOUR))
            off.append(float(np.median(difference)))
        assert off[0] < 0.01
        assert off[1] < 0.2 * off[0]

    def test_ratios_know_no_light_that_all_bands_share(self):
        """Shade and sun on one ground: the steps of brightness leave no trace where the haze is little."""
        ground = texture(30, 34, 4, low=20_000, high=40_000)
        light = np.ones((30, 34, 1), np.float32)
        light[8:20, 10:25] = 0.5
        ok = everywhere(ground)
        difference = np.abs(ratio_fields(ground * light, ok, FOUR) - ratio_fields(ground, ok, FOUR))
        assert np.median(difference) < 0.01
        assert (
            np.median(np.abs(blind_fields(ground * light, ok) - blind_fields(ground, ok))[:, 7:10, 10:25])
            > 0.1
        )

    @pytest.mark.parametrize("make", [signed_fields, blind_fields, magnitude_fields, ratio_of_four])
    @pytest.mark.parametrize(("top", "left"), [(0, 1), (3, 0), (5, 7)])
    def test_fields_move_with_the_ground(self, make, top, left):
        dn = texture(40, 44, 4)
        part = np.ascontiguousarray(dn[top:, left:])
        edge = MAGNITUDE_HALF + 1  # beyond the reach of every kind
        whole, moved = make(dn, everywhere(dn)), make(part, everywhere(part))
        inner = (slice(None), slice(edge, -edge), slice(edge, -edge))
        np.testing.assert_allclose(moved[inner], whole[:, top:, left:][inner], rtol=0, atol=1e-6)

    @pytest.mark.parametrize("make", [signed_fields, blind_fields])
    def test_transposing_swaps_the_components(self, make):
        dn = texture(18, 25, 2)
        turned = np.ascontiguousarray(dn.transpose(1, 0, 2))
        straight, swapped = make(dn, everywhere(dn)), make(turned, everywhere(turned)).transpose(0, 2, 1)
        if make is signed_fields:
            np.testing.assert_allclose(swapped[:2], straight[2:], atol=1e-6)
            np.testing.assert_allclose(swapped[2:], straight[:2], atol=1e-6)
        else:  # the doubled angle: the sine stays, the cosine changes its sign
            np.testing.assert_allclose(swapped[:2], straight[:2], atol=2e-3)
            np.testing.assert_allclose(swapped[2:], -straight[2:], atol=2e-3)


class TestChannels:
    @pytest.mark.parametrize(("roles", "bands"), [(FOUR, 4), (THREE, 3), (ONE, 1)])
    def test_every_kind_has_the_pictures_shape(self, roles, bands):
        dn = texture(20, 26, bands)
        names = tuple(name for name in EVIDENCE if name != "ndvi" or roles.nir is not None)
        found = channels(dn, roles, names)
        assert len({channel.name for channel in found}) == len(found)
        for channel in found:
            assert channel.shape == (20, 26)
            assert channel.weight > 0
            for stack in channel.stacks:
                assert stack.dtype == np.float32
                assert stack.flags.c_contiguous
                assert stack.shape[1:] == (20, 26)

    def test_order_is_that_of_the_names(self):
        dn = texture(16, 16)
        names = [channel.name for channel in channels(dn, FOUR, ("magnitude", "ndvi", "phase"))]
        assert names[:2] == ["magnitude", "ndvi"]
        assert all(name.startswith("phase") for name in names[2:])

    def test_bands_are_the_bands(self):
        dn = texture(16, 17)
        (channel,) = channels(dn, FOUR, ("bands",))
        assert channel.centred
        np.testing.assert_array_equal(np.concatenate(channel.stacks), dn.transpose(2, 0, 1))

    def test_ndvi_by_hand(self):
        dn = np.zeros((14, 14, 4), np.float32)
        dn[...] = (100, 7, 7, 300)
        dn[3, 4] = (400, 7, 7, 100)
        dn[5, 6] = (0, 7, 7, 0)  # both dark: no ratio
        (channel,) = channels(dn, FOUR, ("ndvi",))
        field = channel.stacks[0][0]
        assert field[0, 0] == pytest.approx(0.5)
        assert field[3, 4] == pytest.approx(-0.6)
        assert field[5, 6] == 0

    @pytest.mark.parametrize("roles", [THREE, ONE])
    def test_ndvi_without_its_bands_says_so(self, roles):
        with pytest.raises(SettingsError, match=r"ndvi.*red and nir.*--bands"):
            channels(texture(14, 14, len(roles.visible)), roles, ("ndvi",))

    @pytest.mark.parametrize("kind", ["ratio", "ratio-signed"])
    def test_one_band_has_no_ratio(self, kind):
        with pytest.raises(SettingsError, match=rf"evidence {kind} needs two bands.*--evidence"):
            channels(texture(14, 14, 1), ONE, (kind,))

    def test_which_side_is_redder_is_told_by_the_signed_ratio_alone(self):
        dn, roles = texture(18, 20, 2), Roles.of(("red", "nir"))
        turned = np.ascontiguousarray(dn[..., ::-1])
        for kind, sign in (("ratio", 1), ("ratio-signed", -1)):
            (one,), (other,) = channels(dn, roles, (kind,)), channels(turned, roles, (kind,))
            assert one.name == kind
            assert np.abs(one.stacks[0]).mean() > 0.2
            np.testing.assert_allclose(other.stacks[0], sign * one.stacks[0], rtol=0, atol=1e-5)

    def test_the_default_does_without_ratios_of_one_band(self):
        dn = texture(16, 18, 1)
        found = channels(dn, ONE, DEFAULT_EVIDENCE)
        assert [channel.name for channel in found] == ["phase", "phase2"]

    @pytest.mark.parametrize(
        ("names", "ratios"),
        [
            (("red", "green", "blue", "nir"), 3),
            (("red", "green", "blue"), 2),
            (("red", "nir"), 1),
            (("a", "b"), 1),
        ],
    )
    def test_ratios_are_of_neighbours_and_of_infrared_over_the_first(self, names, ratios):
        roles = Roles.of(names)
        dn = texture(18, 20, len(names))
        (channel,) = channels(dn, roles, ("ratio",))
        fields = channel.stacks[0]
        assert len(fields) == 2 * ratios
        assert channel.energy == ENERGY * ratios
        flat = dn.copy()  # one log ratio without a gradient: the last
        top, below = (len(names) - 1, 0) if roles.nir is not None else (len(names) - 1, len(names) - 2)
        flat[..., top] = flat[..., below]
        (channel,) = channels(flat, roles, ("ratio",))
        seen = [bool(channel.stacks[0][[k, ratios + k]].any()) for k in range(ratios)]
        assert seen == [True] * (ratios - 1) + [False]

    def test_gradients_are_whitened_and_know_a_full_window(self):
        dn = texture(40, 44)
        kinds, responses = (*DEFAULT_EVIDENCE, "magnitude"), shipped().responses
        for channel, plain in zip(
            templates(dn, FOUR, kinds, responses), channels(dn, FOUR, kinds), strict=True
        ):
            assert channel.response == responses[channel.name.removesuffix("-nir")]
            assert plain.response == ()
            np.testing.assert_array_equal(plain.stacks[0], channel.stacks[0])
            assert len(channel.response) == 12  # up to 11/16: beyond 0.707 cycles a pixel there is nothing
            assert all(0 < gain <= 1 for gain in channel.response)
            assert not channel.centred
            if channel.name != "magnitude":  # every pixel has a gradient
                inner = (channel.stacks[0] ** 2).sum(0).mean()
                assert inner == pytest.approx(channel.energy, rel=0.05)
        for channel in templates(dn, FOUR, ("bands", "ndvi"), responses):
            assert (channel.response, channel.energy) == ((), 0)

    def test_phase_keeps_visible_and_infrared_apart(self):
        dn = texture(15, 16)
        fields = naive_signed(dn, everywhere(dn))
        visible, infrared = channels(dn, FOUR, ("phase",))
        np.testing.assert_allclose(visible.stacks[0], fields[[0, 1, 2, 4, 5, 6]], atol=1e-6)
        np.testing.assert_allclose(infrared.stacks[0], fields[[3, 7]], atol=1e-6)


class TestCloud:
    def clouded(self, rows, level=3500, size=40):
        """A patch whose first rows are cloud, with a texture of its own."""
        dn = np.minimum(texture(size, size), 1500)
        if rows:
            dn[:rows] = level + texture(rows, size, seed=9) / 10
        return dn

    @pytest.mark.parametrize("kinds", [*((kind,) for kind in EVIDENCE), DEFAULT_EVIDENCE])
    def test_a_cloud_over_a_part_of_a_patch_says_nothing(self, kinds):
        dn = self.clouded(12)
        if all(channel.centred for channel in channels(dn, FOUR, kinds)):
            pytest.skip("a field less its mean says nothing where it holds that mean")
        for channel, plain in zip(templates(dn, FOUR, kinds, {}), channels(dn, FOUR, kinds), strict=True):
            for seen, stack in zip(channel.stacks, plain.stacks, strict=True):
                assert stack[:, 2:10, 8:-8].any()
                assert not seen[:, : 12 + EDGE].any()
                # Edges as far as ABOUT px away are told from the ground alone.
                clear = 12 + EDGE + ABOUT
                np.testing.assert_array_equal(seen[:, clear:], stack[:, clear:])

    @pytest.mark.parametrize(
        ("rows", "level", "hidden"),
        [
            (0, 3500, 0),
            (1, 3500, 0),
            (3, 3500, 3 + EDGE),
            (30, 3500, 30 + EDGE),
            (36, 3500, 0),
            (40, 3500, 0),
            (12, 2500, 0),
        ],
    )
    def test_how_much_is_hidden(self, rows, level, hidden):
        """Little, or nearly all, is ground; and what is not as bright as clouds that hide it."""
        assert (~seen_pixels(self.clouded(rows, level), FOUR)).sum() == 40 * hidden

    def test_bright_red_ground_is_no_cloud(self):
        dn = self.clouded(12)
        dn[:12, :, 0] += 3000
        assert not white_pixels(dn, FOUR).any()
        assert seen_pixels(dn, FOUR).all()

    def test_one_band_tells_no_cloud(self):
        dn = self.clouded(12)[..., :1]
        assert seen_pixels(dn, Roles.of(("gray",))).all()

    def test_no_data_stays_unseen_beside_a_cloud(self):
        dn = self.clouded(12)
        dn[-3:] = 0
        np.testing.assert_array_equal(seen_pixels(dn, FOUR)[12 + EDGE :], valid_pixels(dn)[12 + EDGE :])

    def test_half_a_patch_under_cloud_is_found_by_the_other_half(self):
        """Even where another target is under the very same cloud."""
        target = np.minimum(texture(90, 96, seed=4), 1500)
        patch = target[30:70, 40:80].copy()
        patch[:24] = self.clouded(24)[:24]
        decoy = np.minimum(texture(90, 96, seed=5), 1500)
        decoy[20:44, 10:50] = patch[:24]
        result = matcher.match([decoy, target], [patch], search="exhaustive")
        assert (int(result.image[0]), int(result.x[0]), int(result.y[0])) == (1, 40, 30)


class TestNoData:
    def test_neighbours_of_no_data_are_invalid(self):
        dn = texture(9, 11)
        dn[4, 5] = 0
        dn[0, 0, :3] = 0  # one band left: data
        valid = valid_pixels(dn)
        expected = np.ones((9, 11), bool)
        expected[3:6, 4:7] = False
        np.testing.assert_array_equal(valid, expected)

    @pytest.mark.parametrize("kind", ["phase", "phase2", "ratio", "ratio-signed", "magnitude"])
    def test_gradients_are_0_there(self, kind):
        dn = texture(24, 30)
        dn[6:14, 9:20] = 0
        for channel in channels(dn, FOUR, (kind,)):
            for stack in channel.stacks:
                assert not stack[:, 5:15, 8:21].any()
                assert stack[:, 16:-1, 1:-1].any()

    @pytest.mark.parametrize("kind", ["bands", "ndvi"])
    def test_plain_fields_hold_the_mean_there(self, kind):
        dn = texture(24, 30)
        dn[6:14, 9:20] = 0
        valid = valid_pixels(dn)
        (channel,) = channels(dn, FOUR, (kind,))
        for stack in channel.stacks:
            mean = stack[0][valid].mean(dtype=np.float64)
            np.testing.assert_allclose(stack[0][~valid], mean, rtol=1e-6)

    @pytest.mark.parametrize("kind", EVIDENCE)
    def test_nothing_but_no_data(self, kind):
        for channel in channels(np.zeros((16, 16, 4), np.float32), FOUR, (kind,)):
            assert not any(stack.any() for stack in channel.stacks)
