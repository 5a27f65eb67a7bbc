"""The recipes of tools/stress.py do what their names say, and the same every time."""

import numpy as np
import pytest
from scipy import ndimage

from matcher.demo.sample import read_sample
from tests.search.test_pyramid import noisy, smooth

SIDE = 64
TOOL = "stress"


@pytest.fixture(scope="module")
def sample(tool):
    target = smooth(SIDE + 60, SIDE + 60, seed=1).astype(np.float32)
    corner = (20, 25)
    at = tuple(slice(k - tool.MARGIN, k + SIDE + tool.MARGIN) for k in corner)
    other = noisy(target, seed=2).astype(np.float32)
    return tool.Sample(other[at], target[at], corner, target.shape[:2])


def draw(tool, sample, name, number=0):
    return tool.stress(sample, name, 100, number)


def test_buildings_stand_on_real_ground(tool):
    """There is no open ground in mere texture; on real places most patches have some."""
    changed = []
    for number, place in enumerate(read_sample()):
        other, image = (date[60:140, 60:140].astype(np.float32) for date in (place.other, place.image))
        real = tool.Sample(other, image, (68, 68), place.image.shape[:2])
        names = ("new buildings", "new buildings, four times as many")
        made = [tool.stress(real, name, 0, number).patch for name in names]
        changed.append([(patch != real.patch).any(-1).mean() for patch in made])
    few, many = np.array(changed).T
    assert (few > 0).sum() >= 4
    assert few.max() < 0.2
    assert many.mean() > 2 * few.mean()


def test_every_recipe_gives_a_patch_that_can_be_read(tool, sample):
    for name in tool.RECIPES:
        made = draw(tool, sample, name)
        assert made.patch.shape == (SIDE, SIDE, 4)
        assert made.patch.dtype == np.float32
        assert np.isfinite(made.patch).all()
        assert made.patch.min() > 0
        np.testing.assert_array_equal(made.patch, draw(tool, sample, name).patch)
        assert np.array_equal(made.patch, sample.patch) == (name == "as they are" or "buildings" in name), (
            name
        )


@pytest.mark.parametrize("name", ["haze, 1 unit", "cloud over 50 %", "noise x 4 (12 to 32 DN)"])
def test_patches_are_drawn_apart(tool, sample, name):
    assert not np.array_equal(draw(tool, sample, name, 0).patch, draw(tool, sample, name, 1).patch)


def test_no_data_stays(tool, sample):
    around = sample.around.copy()
    around[tool.MARGIN + 9, tool.MARGIN + 11] = 0
    holed = tool.Sample(around, sample.under, sample.corner, sample.shape)
    for name in tool.RECIPES:
        assert not draw(tool, holed, name).patch[9, 11].any(), name


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_clouds_hide_the_share(tool, sample, share):
    """A pixel under half a cloud of 2300 DN and above is nearer to the cloud than to the ground."""
    black = tool.Sample(np.ones_like(sample.around), sample.under, sample.corner, sample.shape)
    for number in range(4):
        patch = draw(tool, black, f"cloud over {share:.0%}".replace("%", " %"), number).patch
        assert (patch[..., 0] > 1150).mean() >= share - 0.02
        assert (patch[..., 0] > 2300).mean() <= share + 0.02


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_saturation_clips_the_share(tool, sample, share):
    patch = draw(tool, sample, f"saturation of {share:.0%}".replace("%", " %")).patch
    np.testing.assert_allclose((patch == 4095).mean((0, 1)), share, atol=0.01)


def test_light_is_a_gain_and_an_offset(tool, sample):
    for number in range(5):
        made = draw(tool, sample, "gain 0.7 to 1.4, offset to 800 DN, a band", number).patch
        for band in range(4):
            gain, offset = np.polyfit(sample.patch[..., band].ravel(), made[..., band].ravel(), 1)
            assert 0.69 <= gain <= 1.41
            assert offset <= 801
            fit = gain * sample.patch[..., band] + offset
            np.testing.assert_allclose(made[..., band], fit, atol=0.5)


@pytest.mark.parametrize("length", [0.5, 1.5, 3])
def test_a_shift_is_told(tool, sample, length):
    made = draw(tool, sample, f"shift by {length} px")
    assert np.hypot(*made.shift) == pytest.approx(length)
    back = ndimage.shift(made.patch, (*made.shift, 0), order=3)
    inner = (slice(8, -8), slice(8, -8))
    assert np.corrcoef(back[inner].ravel(), sample.patch[inner].ravel())[0, 1] > 0.95


def test_a_shift_stays_inside_the_target(tool, sample):
    for corner in ((0, 0), (0, 60), (60, 0), (60, 60)):
        edge = tool.Sample(sample.around, sample.under, corner, sample.shape)
        for number in range(8):
            moved = np.array(corner) + draw(tool, edge, "shift by 3 px", number).shift
            assert (moved >= 0).all()
            assert (moved <= 60).all()


def test_noise_has_its_size(tool, sample):
    made = draw(tool, sample, "noise x 10 (30 to 80 DN)").patch
    expected = 10 * np.sqrt(7 + 0.02 * sample.patch.mean())
    assert (made - sample.patch).std() == pytest.approx(expected, rel=0.1)


def test_snow_covers_the_share(tool, sample):
    made = draw(tool, sample, "snow over 50 %").patch
    assert (made[..., 0] > 2500).mean() == pytest.approx(0.5, abs=0.06)
