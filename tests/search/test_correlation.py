"""The exact engine against loops, at every place, and the sum of its maps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.evidence import Channel, channels, channels_of_all, joined, templates
from matcher.evidence.channel import FULL
from matcher.evidence.gradient_phase import MAGNITUDE_HALF, RATIO_REACH, REACH
from matcher.evidence.pixels import seen_pixels
from matcher.imagery import Roles
from matcher.kernels.spectra import combine_peaks, window_energy, window_norms
from matcher.model import shipped
from matcher.search.correlation import (
    score_maps,
    spectra_of_all,
    target_bytes,
    target_spectra,
    transform_shape,
)
from matcher.search.exhaustive import APART, PRIOR_PLACES, patch_peaks
from matcher.search.peaks import best_peaks
from matcher.search.peaks import combined as combined_plainly
from matcher.settings import DEFAULT_EVIDENCE, EVIDENCE
from tests import naive
from tests.evidence.test_evidence import FOUR, texture
from tests.search.test_pyramid import smooth

TOLERANCE = 1e-5
RESPONSES = shipped().responses
every_kind = pytest.mark.parametrize("kind", EVIDENCE)


def maps_of(patch, targets, kinds, roles=FOUR):
    """All maps of a patch over targets of one shape, and the channels of both."""
    own, others = (
        templates(patch, roles, kinds, RESPONSES),
        [channels(target, roles, kinds) for target in targets],
    )
    spectra = target_spectra(others, patch.shape[:2])
    maps = np.concatenate([some for some, _ in score_maps(own, spectra)])
    assert maps.dtype == np.float32
    return maps, own, others


def assert_as_loops(patch, targets, kinds, roles=FOUR, places=None):
    maps, own, others = maps_of(patch, targets, kinds, roles)
    live = target_spectra(others, patch.shape[:2]).live
    assert maps.shape[:2] == (len(targets), len(own))
    assert np.abs(maps).max() <= 1
    for found, full, target in zip(maps, live, others, strict=True):
        for score, alive, mine, its in zip(found, full, own, target, strict=True):
            expected = naive.naive_score_map(mine, its, places)
            seen = ~np.isnan(expected)
            np.testing.assert_allclose(score[seen], expected[seen], rtol=0, atol=TOLERANCE, err_msg=mine.name)
            assert seen.all() or places is not None
            expected = naive.naive_live(its, mine.shape, places)
            np.testing.assert_allclose(alive[seen], expected[seen], rtol=0, atol=TOLERANCE, err_msg=mine.name)
    return maps


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(
    ("shape", "side"), [((2, 3, 20, 17), (5, 8)), ((1, 1, 6, 6), (6, 6)), ((1, 2, 9, 5), (1, 1))]
)
def test_energy_of_windows(shape, side, centred):
    fields = np.random.default_rng(3).normal(size=shape).astype(np.float64 if centred else np.float32)
    fields[:, :, : shape[2] // 3] = 0
    found = np.full((shape[0], shape[2] - side[0] + 1, shape[3] - side[1] + 1), np.nan)
    window_energy(fields, centred, found)
    for n, y, x in np.ndindex(found.shape):
        window = fields[n, :, y : y + side[0], x : x + side[1]].astype(np.float64)
        parts = [field - field.mean() if centred else field for field in window]
        assert found[n, y, x] == pytest.approx(sum((part**2).sum() for part in parts), abs=1e-12)


@pytest.mark.parametrize("kinds", [DEFAULT_EVIDENCE, ("bands",)])
@pytest.mark.parametrize("shape", [(40, 41), (67, 33)])
def test_small_targets_together_or_alone(shape, kinds):
    """Bit for bit: which targets share a call depends on the memory."""
    made = [channels(smooth(*shape, seed=k), FOUR, kinds) for k in range(4)]
    whole = target_spectra(made, (24, 25))
    for k in range(4):
        alone = target_spectra(made[k : k + 1], (24, 25))
        for mine, all_ in zip(alone.values + alone.norms, whole.values + whole.norms, strict=True):
            for one, of in zip(mine, all_, strict=True):
                np.testing.assert_array_equal(one[0], of[k])
        np.testing.assert_array_equal(alone.live[0], whole.live[k])


@pytest.mark.parametrize("roles", [FOUR, Roles.of(("red", "green", "blue")), Roles.of(("gray",))])
@pytest.mark.parametrize("kinds", [DEFAULT_EVIDENCE, ("phase2", "magnitude"), ("bands", "phase"), ("bands",)])
def test_many_pictures_at_once_or_one_by_one(kinds, roles):
    """Bit for bit: channels, parts of them joined to others, and spectra."""
    bands = len(roles.visible) + (roles.nir is not None)
    pictures = [smooth(40, 41, seed=k)[..., :bands].astype(np.float32) for k in range(5)]
    pictures[1][3:9, 20:] = 0  # no data
    pictures[2][:] = 700
    each = [channels(dn, roles, kinds) for dn in pictures]
    groups = [channels_of_all(pictures[:2], roles, kinds), channels_of_all(pictures[2:], roles, kinds)]
    many = joined([[channel.window((2, 5), (37, 33)) for channel in group] for group in groups])
    alone = [[channel.window((2, 5), (37, 33)) for channel in one] for one in each]
    for c, channel in enumerate(many):
        for n, one in enumerate(alone):
            assert (channel.name, channel.shape, channel.energy) == (one[c].name, one[c].shape, one[c].energy)
            for mine, of in zip(one[c].stacks, channel.stacks, strict=True):
                np.testing.assert_array_equal(mine, of[n])
    together, apart = spectra_of_all(many, (24, 25)), target_spectra(alone, (24, 25))
    for one, of in zip(together.values + together.norms, apart.values + apart.norms, strict=True):
        for mine, its in zip(one, of, strict=True):
            np.testing.assert_array_equal(mine, its)
    np.testing.assert_array_equal(together.live, apart.live)


@pytest.mark.parametrize("weight", [0.0, 4.0])
def test_norms_of_windows(weight):
    energy = np.random.default_rng(0).uniform(0, 3, (2, 5, 7))
    energy[0, 2, 3], energy[1, 0, 0] = 0.0, 0.5
    found = np.full(energy.shape, np.nan, np.float32)
    window_norms(energy, 0.5, 2.5, weight, found)
    for at in np.ndindex(energy.shape):
        expected = 0.0 if energy[at] <= 0.5 else 1 / np.sqrt((energy[at] + weight * 2.5) / (1 + weight))
        assert found[at] == np.float32(expected)


def test_lengths_of_transforms():
    """Never too short, never a quarter longer than what OpenCV would take, and of short ones powers of two."""
    import cv2

    for least in range(1, 2000):
        (length, _) = transform_shape(least, least)
        assert least <= length <= max(1.25 * cv2.getOptimalDFTSize(least), least + 8)
        assert length & (length - 1) == 0 or length % 8 == 0
    assert [transform_shape(n, 300)[0] for n in (64, 112, 128, 225)] == [64, 128, 128, 240]


def sea_and_cloud(height=48, width=60, noise=2.5, seed=0):
    """Dark water, a coast, and cloud clipped flat in all bands, with one speck in it."""
    rng = np.random.default_rng(seed)
    dn = rng.normal((95, 80, 60, 50), noise, (height, width, 4)).round()
    dn[:, 2 * width // 3 :] = rng.integers(300, 3500, (height, width - 2 * width // 3, 4))
    dn[height // 3 :, width // 4 : 3 * width // 4] = 4095
    dn[height // 2, width // 2] = 4000
    return dn.astype(np.float32)


class TestAgainstLoops:
    @every_kind
    @pytest.mark.parametrize(
        ("side", "shape"),
        [((12, 12), (30, 37)), ((13, 18), (31, 29)), ((16, 14), (16, 30)), ((15, 15), (15, 15))],
    )
    def test_texture(self, kind, side, shape):
        rng = np.random.default_rng(5)
        targets = [texture(*shape, seed=k) for k in range(2)]
        y, x = rng.integers(shape[0] - side[0] + 1), rng.integers(shape[1] - side[1] + 1)
        patch = targets[1][y : y + side[0], x : x + side[1]] + texture(*side, seed=9, high=600)
        assert_as_loops(patch, targets, (kind,))

    @pytest.mark.parametrize("names", [("gray",), ("nir",), ("red", "nir"), ("red", "green", "blue")])
    def test_other_bands(self, names):
        roles = Roles.of(names)
        targets = [texture(26, 31, len(names), seed=k) for k in range(2)]
        patch = np.ascontiguousarray(targets[0][5:19, 7:21])
        kinds = tuple(kind for kind in EVIDENCE if kind != "ndvi" or {"red", "nir"} <= set(names))
        assert_as_loops(patch, targets, kinds, roles)

    @every_kind
    @pytest.mark.parametrize("noise", [2.0, pytest.param(3.0, marks=pytest.mark.slow)])
    def test_dark_water_beside_cloud(self, kind, noise):
        target = sea_and_cloud(36, 48, noise=noise)
        other = sea_and_cloud(36, 48, noise=noise, seed=1)
        water = target[:14, :14] + np.random.default_rng(2).normal(0, 1, (14, 14, 4)).round()
        for patch in (water.astype(np.float32), target[10:24, 8:22], target[20:34, 29:43]):
            assert_as_loops(np.ascontiguousarray(patch), [target, other], (kind,))

    @pytest.mark.slow
    @every_kind
    def test_official_size(self, kind):
        """512 px, where sums are longest: at the seams between water, cloud and land, and at random."""
        target = sea_and_cloud(512, 512)
        rng = np.random.default_rng(3)
        places = [tuple(place) for place in rng.integers(0, 449, (40, 2)).tolist()]
        places += [(y, x) for y in (0, 105, 106, 107, 256) for x in (0, 63, 64, 65, 127, 128, 320)]
        for y, x in ((20, 30), (130, 90), (300, 350)):
            patch = target[y : y + 64, x : x + 64] + rng.integers(0, 4, (64, 64, 4)).astype(np.float32)
            maps = assert_as_loops(patch, [target], (kind,), places=[*places, (y, x)])
            assert np.isfinite(maps).all()

    @every_kind
    def test_no_data(self, kind):
        target = texture(34, 40)
        target[4:20, 10:30] = 0
        patch = np.ascontiguousarray(texture(34, 40)[12:26, 15:29])
        assert_as_loops(patch, [target], (kind,))

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(list(EVIDENCE)), st.sampled_from([0, 60, 4000]))
    def test_never_outside_one(self, seed, kind, level):
        """Contrasts of one DN at any level, flat areas, the patch itself in the target, where it is no cloud."""
        rng = np.random.default_rng(seed)
        target = (1 + level + rng.integers(0, 3, (24, 28, 4)) * rng.integers(0, 2, (24, 28, 1))).astype(
            np.float32
        )
        target[:, 14:] = rng.choice([1, 2, 4095])
        patch = np.ascontiguousarray(target[4:17, 5:19])
        maps, own, _ = maps_of(patch, [target], (kind,))
        assert np.isfinite(maps).all()
        assert np.abs(maps).max() <= 1
        if kind == "bands" and seen_pixels(patch, FOUR).all():
            textured = np.mean([np.ptp(stack) > 0 for stack in own[0].stacks])
            assert maps[0, 0, 4, 5] == pytest.approx(textured, abs=TOLERANCE)


class TestFlat:
    @every_kind
    def test_flat_windows_score_0(self, kind):
        target = texture(60, 64)
        target[10:54, 12:56] = 4095
        # px that a field sees around a pixel
        reach = {"magnitude": MAGNITUDE_HALF + 1, "ratio": RATIO_REACH, "ratio-signed": 1}.get(kind, REACH)
        maps, _, _ = maps_of(texture(12, 12, seed=4), [target], (kind,))
        inner = maps[0, :, 10 + reach : 43 - reach, 12 + reach : 45 - reach]
        assert inner.size > 9
        assert not inner.any()
        assert maps.any()

    @every_kind
    def test_a_flat_patch_scores_0_everywhere(self, kind):
        flat = np.full((14, 14, 4), 700, np.float32)
        maps, _, _ = maps_of(flat, [texture(30, 30)], (kind,))
        assert not maps.any()

    @every_kind
    def test_a_flat_target_scores_0_everywhere(self, kind):
        maps, _, _ = maps_of(texture(14, 14), [np.full((30, 33, 4), 4095, np.float32)], (kind,))
        assert not maps.any()


class TestInvariance:
    @pytest.mark.parametrize("kind", ["phase", "phase2", "bands"])
    def test_gain_and_offset_of_each_band(self, kind):
        target, gain, offset = texture(30, 34), np.array([2, 1, 3, 5]), np.array([0, 40, 700, 9])
        patch = np.ascontiguousarray(target[6:20, 9:23])
        plain, _, _ = maps_of(patch, [target], (kind,))
        for a, b in ((patch * gain + offset, target), (patch, target * gain + offset)):
            other, _, _ = maps_of(a.astype(np.float32), [b.astype(np.float32)], (kind,))
            np.testing.assert_allclose(other, plain, rtol=0, atol=2e-4)

    @pytest.mark.parametrize(
        ("kind", "sign"), [("phase", -1), ("phase2", 1), ("magnitude", 1), ("bands", -1)]
    )
    def test_contrast_inversion(self, kind, sign):
        target = texture(30, 34)
        patch = np.ascontiguousarray(target[6:20, 9:23])
        plain, _, _ = maps_of(patch, [target], (kind,))
        inverse, _, _ = maps_of(4096 - patch, [target], (kind,))
        np.testing.assert_allclose(inverse, sign * plain, rtol=0, atol=2e-4)

    @every_kind
    def test_maps_move_with_the_target(self, kind):
        """Away from the target's border, where the fields differ."""
        target, patch = texture(44, 48), texture(12, 12, seed=3)
        whole, _, _ = maps_of(patch, [target], (kind,))
        part, _, _ = maps_of(patch, [np.ascontiguousarray(target[3:, 5:])], (kind,))
        edge = 8
        np.testing.assert_allclose(
            part[..., edge:-edge, edge:-edge],
            whole[..., 3 + edge : -edge, 5 + edge : -edge],
            rtol=0,
            atol=1e-6,
        )

    def test_batches_change_nothing(self):
        """A target's map does not depend on the targets beside it."""
        targets, patch = [texture(24, 26, seed=k) for k in range(11)], texture(13, 13, seed=20)
        together, _, _ = maps_of(patch, targets, ("phase", "bands"))
        for k in (0, 7, 8, 10):
            alone, _, _ = maps_of(patch, [targets[k]], ("phase", "bands"))
            np.testing.assert_array_equal(together[k], alone[0])

    @pytest.mark.parametrize("which", [[], [0], [3, 4, 5], [0, 2, 3, 10], list(range(11))])
    def test_some_targets_are_asked_for(self, which):
        """What is said of them is what is said of them among all."""
        made = [channels(texture(24, 26, seed=k), FOUR, ("phase", "bands")) for k in range(11)]
        patch = templates(texture(13, 13, seed=20), FOUR, ("phase", "bands"), RESPONSES)
        spectra = target_spectra(made, (13, 13))
        every, some = (
            patch_peaks(patch, spectra),
            patch_peaks(patch, spectra, which=np.array(which, np.int64)),
        )
        for whole, part in zip(every, some, strict=True):
            np.testing.assert_array_equal(part, whole[which])

    def test_stacks_count_alike(self):
        """A channel's map is the mean of its stacks' maps, whatever their energy."""
        rng = np.random.default_rng(0)
        fields = [rng.normal(0, scale, (1, 30, 30)).astype(np.float32) for scale in (1, 1000)]
        target = [Channel("c", tuple(fields), centred=True, weight=1.0)]
        patch = [Channel("c", tuple(f[:, 4:18, 6:20].copy() for f in fields), centred=True, weight=1.0)]
        spectra = target_spectra([target], (14, 14))
        found = next(score_maps(patch, spectra))[0][0, 0]
        np.testing.assert_allclose(found, naive.naive_score_map(patch[0], target[0]), atol=TOLERANCE)
        assert found[4, 6] == pytest.approx(1)

    def test_bytes_are_those_of_the_spectra(self):
        targets = [channels(texture(30, 35, seed=k), FOUR, tuple(EVIDENCE)) for k in range(3)]
        for side in (1, 12):  # of one pixel there are as many places as pixels
            spectra = target_spectra(targets, (side, side))
            held = sum(a.nbytes for group in (spectra.values, spectra.norms) for c in group for a in c)
            held += spectra.live.nbytes
            told = 3 * target_bytes(targets[0], 30, 35)
            assert told == held if side == 1 else 0 <= told - held < 0.5 * held
            assert len(spectra) == 3


def textured(height=40, width=44, seed=0):
    """Fields of one channel's stack, (2, height, width), of energy 1 a pixel on its left half and 0.1 on the right."""
    fields = np.random.default_rng(seed).normal(0, np.sqrt(0.5), (2, height, width))
    fields[:, :, width // 2 :] *= np.sqrt(0.1)
    return fields.astype(np.float32)


class TestResponse:
    """Templates are filtered, targets are not."""

    @pytest.mark.parametrize("shape", [(12, 12), (13, 17), (20, 15), (9, 8)])
    def test_as_sums_of_the_transform(self, shape):
        """A response that rises, ends early and differs at every step."""
        response = (0.3, 0.1, 0.7, 0.4, 1.1, 0.2, 1.0)
        target, size = textured(26, 28), (slice(None), slice(4, 4 + shape[0]), slice(3, 3 + shape[1]))
        patch = Channel("c", (target[size].copy(),), centred=False, weight=1.0, response=response)
        whole = Channel("c", (target,), centred=False, weight=1.0, response=response)
        found, _ = next(score_maps([patch], target_spectra([[whole]], shape)))
        np.testing.assert_allclose(found[0, 0], naive.naive_score_map(patch, whole), rtol=0, atol=TOLERANCE)
        assert found[0, 0, 4, 3] < 0.98  # its own window is no longer all that it looks for

    def test_filtered_waves_by_hand(self):
        """Far from a patch's border a wave of 1/8 cycles a pixel is multiplied by what the response says of 2/16."""
        wave = np.cos(2 * np.pi * np.arange(64) / 8) * np.ones((64, 1))
        response = (0.1, 0.3, 0.5, 0.7, 0.9)
        middle = np.hanning(64) * np.hanning(64)[:, np.newaxis]
        found = naive.naive_filtered(wave * middle, response)
        np.testing.assert_allclose(found[24:40, 24:40], 0.5 * (wave * middle)[24:40, 24:40], atol=0.02)

    @pytest.mark.parametrize("gain", [1.0, 0.25])
    @pytest.mark.parametrize("kind", [*DEFAULT_EVIDENCE, "magnitude", "bands"])
    def test_the_same_at_every_frequency_changes_nothing(self, kind, gain):
        target = texture(34, 38)
        patch = target[8:24, 10:25] + texture(16, 15, seed=7, high=900)
        spectra = target_spectra([channels(target, FOUR, (kind,))], (16, 15))
        own = templates(patch, FOUR, (kind,), RESPONSES)
        plain, _ = next(score_maps([replace(c, response=()) for c in own], spectra))
        level, _ = next(score_maps([replace(c, response=(gain,) * 12) for c in own], spectra))
        np.testing.assert_allclose(level, plain, rtol=0, atol=1e-6)
        if kind != "bands":  # and the responses that ship do change it
            white, _ = next(score_maps(own, spectra))
            assert np.abs(white - plain).max() > 0.01

    def test_whitening_tells_a_place_from_its_neighbours(self):
        """Smooth fields are alike a pixel on: of a whitened template's peak less is left there."""
        target, kinds = smooth(60, 66, 2).astype(np.float32), ("phase", "phase2", "ratio")
        spectra = target_spectra([channels(target, FOUR, kinds)], (32, 32))
        own = templates(np.ascontiguousarray(target[14:46, 17:49]), FOUR, kinds, RESPONSES)
        (sharp,), _ = next(score_maps(own, spectra))
        (blunt,), _ = next(score_maps([replace(c, response=()) for c in own], spectra))
        for c in range(len(own)):
            assert best_of(sharp[c]) == best_of(blunt[c]) == (14, 17)
            for y, x in ((14, 18), (15, 17), (14, 16), (13, 17)):
                assert sharp[c, y, x] / sharp[c].max() < blunt[c, y, x] / blunt[c].max()


class TestFull:
    """Windows are judged by a mix of their own energy and a full one's."""

    def test_own_window_by_hand(self):
        """Of energy e a pixel in the place of 1, a patch in its own window scores sqrt(e (1 + FULL) / (e + FULL))."""
        target = textured()
        channel = Channel("c", (target,), centred=False, weight=1.0, energy=1.0)
        for left in (2, 28):
            patch = channel.window((5, left), (14, 14))
            maps, live = next(score_maps([patch], target_spectra([[channel]], (14, 14))))
            e = float((target[:, 5:19, left : left + 14].astype(np.float64) ** 2).sum() / 14**2)
            assert live[0, 0, 5, left] == pytest.approx(e, rel=1e-5)
            expected = min(np.sqrt(e * (1 + FULL) / (e + FULL)), 1)
            assert maps[0, 0, 5, left] == pytest.approx(expected, abs=TOLERANCE)
        assert live.max() > 3 * live.min()

    def test_values_beyond_one_are_cut(self):
        """A window of more energy than a full one's."""
        target = 3 * textured()
        channel = Channel("c", (target,), centred=False, weight=1.0, energy=1.0)
        patch = channel.window((5, 2), (14, 14))
        maps, _ = next(score_maps([patch], target_spectra([[channel]], (14, 14))))
        assert maps[0, 0, 5, 2] == 1
        np.testing.assert_allclose(maps[0, 0], naive.naive_score_map(patch, channel), rtol=0, atol=TOLERANCE)
        patch = replace(patch, stacks=(-patch.stacks[0],))
        maps, _ = next(score_maps([patch], target_spectra([[channel]], (14, 14))))
        assert maps[0, 0, 5, 2] == -1

    def test_full_windows_are_live_and_flat_ones_are_not(self):
        target = texture(50, 60)
        target[:, 30:] = 4095
        made = channels(target, FOUR, ("phase", "phase2", "ratio", "bands"))
        spectra = target_spectra([made], (12, 12))
        gradients, plain = spectra.live[0, :-1], spectra.live[0, -1]
        assert gradients[:, 4:-4, 4:14] == pytest.approx(1, abs=0.1)
        for channel, live in zip(made, gradients, strict=False):
            np.testing.assert_allclose(live, naive.naive_live(channel, (12, 12)), rtol=1e-5, atol=1e-6)
        assert not gradients[:, :, 35:].any()
        assert (plain == 1).all()  # of the bands nothing is known

    def test_several_stacks_are_as_live_as_their_mean(self):
        stacks = (textured(seed=1), 0.5 * textured(seed=2))
        channel = Channel("c", stacks, centred=False, weight=1.0, energy=1.0)
        live = target_spectra([[channel]], (14, 14)).live[0, 0]
        np.testing.assert_allclose(live, naive.naive_live(channel, (14, 14)), rtol=1e-5)

    @pytest.mark.parametrize("kinds", [DEFAULT_EVIDENCE, ("phase",)])
    @pytest.mark.parametrize("seed", range(4))
    def test_few_textured_pixels_do_not_win_by_chance(self, kinds, seed):
        """A patch that is clipped but for 14 x 14 px, its ground in the clear, and other ground clipped but for specks.

        The true window holds five times the patch's texture, and that of a speck an eighth: judged by its own energy
        alone, a speck that agrees a little by chance beats a truth that agrees well.
        """
        rng, side, (y, x) = np.random.default_rng(seed), 32, (30, 41)
        ground, elsewhere = (smooth(96, 140, k).astype(np.float32) for k in (seed, seed + 50))
        clipped = np.full_like(elsewhere, 4095)
        for top, left in rng.integers(0, (91, 135), (10, 2)):
            clipped[top : top + 5, left : left + 5] = elsewhere[top : top + 5, left : left + 5]
        patch = np.full((side, side, 4), 4095, np.float32)
        seen = ground + np.random.default_rng(seed + 7).normal(0, 350, ground.shape)
        patch[9:23, 9:23] = seen[y + 9 : y + 23, x + 9 : x + 23]
        own = templates(patch, FOUR, kinds, RESPONSES)
        targets = [channels(target, FOUR, kinds) for target in (clipped, ground)]
        score, place = patch_peaks(own, target_spectra(targets, (side, side)))
        assert score[1, 0] > score[0, 0]
        assert place[1, 0].tolist() == [y, x]


def best_of(total):
    """Where a map is highest, (y, x)."""
    return tuple(int(k) for k in np.unravel_index(total.argmax(), total.shape))


def combined(maps, weights, prior, count=PRIOR_PLACES, apart=APART, live=None):
    maps = np.ascontiguousarray(maps, np.float32)
    live = np.ones_like(maps) if live is None else np.ascontiguousarray(live, np.float32)
    score, place = np.empty((len(maps), 2), np.float32), np.empty((len(maps), 2, 2), np.int64)
    combine_peaks(maps, live, np.array(weights), np.array(prior), count, apart, score, place)
    return score, place


class TestCombinePeaks:
    @pytest.mark.parametrize(
        "shape", [(1, 1, 9, 11), (3, 2, 20, 17), (2, 4, 33, 40), (5, 3, 1, 60), (1, 2, 50, 1)]
    )
    @pytest.mark.parametrize("alive", ["all", "some", "few", "none"])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_as_loops(self, shape, seed, alive):
        rng = np.random.default_rng(seed)
        maps = rng.normal(0.02, 0.1, shape).astype(np.float32)
        weights, prior = rng.uniform(0.2, 2, shape[1]), rng.uniform(1e-4, 1e-2, shape[1])
        live = rng.uniform(0, 1.3, shape).astype(np.float32)
        live = {"all": live * 0 + 1, "some": live, "few": live * (live > 1.2), "none": live * 0}[alive]
        score, place = combined(maps, weights, prior, live=live)
        for k, own in enumerate(maps):
            total = naive.naive_combined(own, live[k], weights, prior, PRIOR_PLACES)
            for m, expected in enumerate(naive.naive_two_best(total, APART)):
                if expected is None:
                    assert score[k, m] == -1
                    continue
                assert score[k, m] == pytest.approx(expected[0], rel=1e-4)
                assert tuple(place[k, m]) == expected[1:]

    def test_dead_places_tell_nothing_of_the_noise(self):
        """A map that is 0 over much of the target, for want of texture, is as noisy as where it is not."""
        rng = np.random.default_rng(3)
        maps = rng.normal(0, 0.1, (1, 1, 60, 60)).astype(np.float32)
        maps[0, 0, 10, 10] = 0.8
        alone = combined(maps[..., :20], [1.0], [1e-2])[0][0, 0]
        live = np.ones_like(maps)
        maps[..., 20:], live[..., 20:] = 0, 0
        assert combined(maps, [1.0], [1e-2], live=live)[0][0, 0] == pytest.approx(float(alone), rel=1e-5)
        assert combined(maps, [1.0], [1e-2])[0][0, 0] > 1.5 * alone

    def test_the_only_place_there_is_stands_out_of_a_noise_of_fifty(self):
        """By hand: one place of 1, and fifty of mean 0 and the variance of chance."""
        mean, second = 1 / 51, (1 + 50 * 0.004) / 51
        expected = 2.0 * (1 - mean) ** 2 / (second - mean**2)
        score, _ = combined(np.ones((1, 1, 1, 1), np.float32), [2.0], [0.004])
        assert score[0, 0] == pytest.approx(expected, rel=1e-5)
        patch = [Channel("one", (np.ones((1, 10, 25), np.float32),), False, weight=2.0)]
        one = np.ones((1, 1, 1), np.float32)
        assert combined_plainly(one, one, patch)[0, 0] == pytest.approx(expected, rel=1e-9)

    def test_ties_go_to_the_lower_y_then_x(self):
        maps = np.zeros((1, 1, 40, 40), np.float32)
        for y, x in ((30, 3), (12, 30), (12, 9), (12, 14), (25, 25)):
            maps[0, 0, y, x] = 0.5
        score, place = combined(maps, [1.0], [1e-3])
        assert place[0].tolist() == [[12, 9], [12, 30]]  # (12, 14) is within 6 px of the best
        assert score[0, 0] == score[0, 1] > 0

    def test_apart_in_either_direction(self):
        maps = np.zeros((1, 1, 30, 30), np.float32)
        maps[0, 0, 10, 10] = 0.9
        maps[0, 0, 16, 16] = 0.8  # 6 px off in both: not apart
        maps[0, 0, 10, 17] = 0.7
        assert combined(maps, [1.0], [1e-3])[1][0].tolist() == [[10, 10], [10, 17]]

    def test_nothing_everywhere(self):
        score, place = combined(np.zeros((2, 3, 20, 20)), [1.0] * 3, [1e-3] * 3)
        np.testing.assert_array_equal(score, 0)
        np.testing.assert_array_equal(place[:, 0], 0)

    def test_evidence_against_does_not_outvote(self):
        """A negative z-score counts as none."""
        maps = np.zeros((1, 2, 25, 25), np.float32)
        maps[0, 0, 5, 5], maps[0, 1, 5, 5] = 0.8, -0.8
        alone = combined(maps[:, :1], [1.0], [1e-3])[0][0, 0]
        assert combined(maps, [1.0, 1.0], [1e-3] * 2)[0][0, 0] == pytest.approx(float(alone), rel=1e-5)

    @pytest.mark.parametrize("kinds", [DEFAULT_EVIDENCE, ("phase", "phase2", "magnitude"), ("bands", "ndvi")])
    def test_peaks_of_a_patch_as_loops(self, kinds):
        targets = [texture(40, 46, seed=k) for k in range(4)] + [sea_and_cloud(40, 46)]
        patch = targets[2][13:28, 20:35] + texture(15, 15, seed=30, high=900)
        own, others = (
            templates(patch, FOUR, kinds, RESPONSES),
            [channels(target, FOUR, kinds) for target in targets],
        )
        score, place = patch_peaks(own, target_spectra(others, (15, 15)))
        weights, prior = [channel.weight for channel in own], [1 / 15**2] * len(own)
        for k, other in enumerate(others):
            maps = np.stack([naive.naive_score_map(a, b) for a, b in zip(own, other, strict=True)])
            live = np.stack([naive.naive_live(b, (15, 15)) for b in other])
            total = naive.naive_combined(maps, live, weights, prior, PRIOR_PLACES)
            np.testing.assert_allclose(
                combined_plainly(maps, live, own), total, rtol=1e-6, atol=1e-9 * float(total.max())
            )
            left = total.copy()
            peaks = best_peaks(own, other, 50)
            assert len(best_peaks(own, other, 2)) == 2 < len(peaks)
            for row, col, top in peaks:  # half a patch of 15 px apart
                assert (row, col) == best_of(left)
                assert top == pytest.approx(left.max(), rel=1e-3)
                left[max(row - 7, 0) : row + 8, max(col - 7, 0) : col + 8] = 0
            assert left.max() == 0
            best, second = naive.naive_two_best(total, APART)
            assert score[k] == pytest.approx([best[0], second[0]], rel=1e-3)
            assert place[k].tolist() == [list(best[1:]), list(second[1:])]
        assert int(score[:, 0].argmax()) == 2
        assert place[2, 0].tolist() == [13, 20]
