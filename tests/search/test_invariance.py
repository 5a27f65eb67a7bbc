"""What an answer must not feel: gain and offset of a band, contrast turned round, where the target was cut."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import matcher
from matcher.evidence import channels, templates
from matcher.evidence.pixels import seen_pixels
from matcher.model import shipped
from matcher.search.correlation import score_maps, target_spectra
from matcher.settings import DEFAULT_EVIDENCE
from tests.evidence.test_evidence import FOUR, texture
from tests.search.test_pyramid import noisy, smooth

SIGNED, BLIND = ("phase",), ("phase2",)
SIDE = 32
CORNERS = ((17, 40), (70, 9), (48, 77), (5, 5), (86, 94), (33, 61))
GROUND = [smooth(118, 126, seed) for seed in range(3)]
PATCHES = [noisy(GROUND[k % 3], seed=10 + k)[y : y + SIDE, x : x + SIDE] for k, (y, x) in enumerate(CORNERS)]
few, fewer = settings(max_examples=12), settings(max_examples=5)
searches = pytest.mark.parametrize("search", ["exhaustive", "pyramid"])
gains = st.lists(st.sampled_from([0.5, 0.7, 1.25, 1.4, 2.0]), min_size=4, max_size=4)
offsets = st.lists(st.integers(-800, 800), min_size=4, max_size=4)


def answers(images, patches, **options):
    """Image, x and y of every patch, (n, 3)."""
    result = matcher.match(images, patches, value_range="dn", **options)
    return np.stack([result.image, result.x, result.y], axis=1)


@cache
def plain_answers(search, evidence=DEFAULT_EVIDENCE):
    """Of the patches as they are."""
    return answers(GROUND, PATCHES, search=search, evidence=evidence)


def lit(dn, gain, offset):
    """A gain and an offset a band; what an offset would bring below 1, where data ends, is lifted."""
    out = dn * np.array(gain, np.float32)
    return out + np.maximum(np.array(offset, np.float32), 1 - out.min((0, 1)))


def maps(patch, target, kinds):
    """Score maps of a patch at every place of one target, (channels, y, x)."""
    spectra = target_spectra([channels(target, FOUR, kinds)], patch.shape[:2])
    found, _ = next(score_maps(templates(patch, FOUR, kinds, shipped().responses), spectra))
    return found[0]


@searches
@pytest.mark.parametrize("evidence", [SIGNED, BLIND, DEFAULT_EVIDENCE])
def test_plain_answers_are_right(search, evidence):
    """So that what is compared below is no agreement in error."""
    truth = [(k % 3, x, y) for k, (y, x) in enumerate(CORNERS)]
    np.testing.assert_array_equal(plain_answers(search, evidence), truth)


class TestLight:
    @few
    @given(st.integers(0, 2**16), st.sampled_from([SIGNED, BLIND]), gains, offsets)
    def test_score_maps_of_phase(self, seed, kinds, gain, offset):
        """At every place, not only where the peak is; of ground that is not made as bright and white as cloud."""
        target = texture(44, 48, seed=seed, high=900)
        patch = np.ascontiguousarray(target[9:31, 14:36]) + texture(22, 22, seed=seed + 1, high=400)
        changed = lit(patch, gain, offset)
        assume(seen_pixels(changed, FOUR).all())
        np.testing.assert_allclose(
            maps(changed, target, kinds), maps(patch, target, kinds), rtol=0, atol=2e-4
        )

    @searches
    @fewer
    @given(gains, offsets)
    def test_answers(self, search, gain, offset):
        """Of phase alone exactly; the places are other dates, so peaks are no foregone conclusion."""
        kinds = SIGNED + BLIND
        changed = [lit(patch.astype(np.float32), gain, offset) for patch in PATCHES]
        np.testing.assert_array_equal(
            answers(GROUND, changed, search=search, evidence=kinds),
            plain_answers(search, kinds),
        )

    @searches
    @fewer
    @given(gains, offsets)
    def test_answers_by_default(self, search, gain, offset):
        changed = [lit(patch.astype(np.float32), gain, offset) for patch in PATCHES]
        np.testing.assert_array_equal(answers(GROUND, changed, search=search), plain_answers(search))

    @searches
    def test_light_on_the_images(self, search):
        """Each image under a light of its own."""
        rng = np.random.default_rng(4)
        changed = [lit(image, rng.uniform(0.7, 1.4, 4), rng.uniform(-800, 800, 4)) for image in GROUND]
        np.testing.assert_array_equal(answers(changed, PATCHES, search=search), plain_answers(search))


class TestContrast:
    @few
    @given(st.integers(0, 2**16), st.lists(st.booleans(), min_size=4, max_size=4))
    def test_score_maps_of_the_blind_phase(self, seed, turned):
        """Bands turned from dark to bright, each apart."""
        target = texture(44, 48, seed=seed)
        patch = np.ascontiguousarray(target[9:31, 14:36]) + texture(22, 22, seed=seed + 1, high=900)
        np.testing.assert_allclose(
            maps(np.where(turned, 4096 - patch, patch), target, BLIND),
            maps(patch, target, BLIND),
            rtol=0,
            atol=2e-4,
        )

    def test_score_maps_of_the_signed_phase_change_sign(self):
        target, patch = texture(44, 48), texture(22, 22, seed=3)
        np.testing.assert_allclose(
            maps(4096 - patch, target, SIGNED), -maps(patch, target, SIGNED), rtol=0, atol=1e-5
        )

    @searches
    def test_answers_where_a_field_is_turned(self, search):
        """The patch whole, and a field in its middle only, whose rim alone speaks of it."""
        whole = [4096 - patch.astype(np.float32) for patch in PATCHES]
        part = [patch.astype(np.float32) for patch in PATCHES]
        for patch in part:
            patch[8:24, 6:22] = 4096 - patch[8:24, 6:22]
        plain = plain_answers(search, BLIND)
        for changed in (whole, part):
            np.testing.assert_array_equal(answers(GROUND, changed, search=search, evidence=BLIND), plain)

    @searches
    def test_default_finds_what_signed_phase_does_not(self, search):
        turned = [4096 - patch.astype(np.float32) for patch in PATCHES]
        plain = plain_answers(search)
        np.testing.assert_array_equal(answers(GROUND, turned, search=search), plain)
        assert (answers(GROUND, turned, search=search, evidence=SIGNED) != plain).any(1).all()


class TestShift:
    @searches
    @pytest.mark.parametrize("cut", [(0, 1), (1, 0), (3, 2), (8, 5), (5, 9)])
    def test_a_cut_target_moves_the_answer(self, search, cut):
        """Rows and columns taken from the top and the left of every image."""
        dy, dx = cut
        inside = [patch for patch, (y, x) in zip(PATCHES, CORNERS, strict=True) if y >= dy and x >= dx]
        assert len(inside) >= 5
        shifted = answers([image[dy:, dx:] for image in GROUND], inside, search=search)
        plain = answers(GROUND, inside, search=search)
        np.testing.assert_array_equal(shifted + np.array([0, dx, dy]), plain)

    @searches
    @pytest.mark.parametrize("kind", [SIGNED, BLIND])
    def test_of_each_phase(self, search, kind):
        cut = [image[6:, 4:] for image in GROUND]
        inside = [patch for patch, (y, x) in zip(PATCHES, CORNERS, strict=True) if y >= 6 and x >= 4]
        shifted = answers(cut, inside, search=search, evidence=kind)
        plain = answers(GROUND, inside, search=search, evidence=kind)
        np.testing.assert_array_equal(shifted + np.array([0, 4, 6]), plain)

    @searches
    def test_ground_that_is_added_moves_it_back(self, search):
        """Rows above and columns left of the image, other ground."""
        more = [np.pad(image, ((7, 0), (11, 0), (0, 0))) for image in GROUND]
        for image, other in zip(more, reversed(GROUND), strict=True):
            image[:7] = other[:7, : image.shape[1]][:, np.arange(image.shape[1]) % other.shape[1]]
            image[7:, :11] = other[: image.shape[0] - 7, :11]
        np.testing.assert_array_equal(
            answers(more, PATCHES, search=search) - np.array([0, 11, 7]),
            plain_answers(search),
        )

    @few
    @given(st.integers(0, 2**16), st.integers(0, 12), st.integers(0, 12))
    def test_score_maps(self, seed, dy, dx):
        """The whole map moves, but for places whose gradients reach over the new border."""
        target = texture(44, 48, seed=seed)
        patch = texture(22, 22, seed=seed + 1)
        edge = 8
        for kinds in (SIGNED, BLIND, ("ratio",), ("ratio-signed",), ("magnitude",)):
            whole = maps(patch, target, kinds)[:, dy + edge :, dx + edge :]
            part = maps(patch, np.ascontiguousarray(target[dy:, dx:]), kinds)[:, edge:, edge:]
            np.testing.assert_allclose(part, whole, rtol=0, atol=2e-5)
