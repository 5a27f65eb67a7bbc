"""The sweep against loops in float64: its kernels, whole maps, what it looks at and in which order."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.evidence.colour import HAZE, NOISE, statistics
from matcher.formats.opening import open_images
from matcher.imagery import Pictures
from matcher.kernels.sweep import highest_places, part_spectra, signs_of_bits, summed_product
from matcher.model import shipped
from matcher.search.pyramid import sweep as sweeping
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.index import build_index
from matcher.search.pyramid.promise import Promise, seen_statistics
from matcher.search.pyramid.sweep import sweep, template, worth
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE
from tests import naive
from tests.evidence.test_evidence import FOUR, ONE, texture
from tests.search.test_bits import bits, packed
from tests.search.test_pyramid import noisy, smooth

NAMES = ("red", "green", "blue", "nir")


def task_of(targets, roles=FOUR, names=NAMES, **options):
    pictures = Pictures(open_images(targets), "dn")
    task = Task(pictures, pictures, roles, DEFAULT_EVIDENCE, shipped(), 2, 1.0, 1 << 30, names)
    return replace(task, **options)


def index_of(targets, side, roles=FOUR):
    dn = [t.astype(np.float32) for t in targets]
    return build_index(dn, [t.shape[:2] for t in dn], roles, Plan.of(*side))


def swept(targets, patches, task=None):
    index = index_of(targets, patches[0].shape[:2])
    task = task or task_of(targets)
    dn = [p.astype(np.float32) for p in patches]
    return sweep(task, index, Promise(index, NAMES, task.model), range(len(dn)), dn)


class TestKernels:
    @pytest.mark.parametrize("corner", [(0, 0), (3, 1), (2, 63), (5, 64), (0, 70)])
    def test_signs_of_bits(self, corner):
        drawn = bits(np.random.default_rng(0), 3, 40, 150)
        out = np.empty((3, 30, 80), np.float32)
        signs_of_bits(packed(drawn, 1), corner, out)
        y, x = corner
        np.testing.assert_array_equal(out, 2.0 * drawn[:, y : y + 30, x : x + 80] - 1)

    @pytest.mark.parametrize("shape", [(1, 5, 3), (4, 6, 17), (8, 3, 33)])
    def test_summed_product(self, shape):
        rng = np.random.default_rng(1)
        target = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
        patch = rng.integers(-32767, 32768, (*shape, 2))
        parts = np.empty((shape[1], shape[0], 2, shape[2]), np.float32)
        part_spectra(target, parts)
        np.testing.assert_array_equal(parts[:, :, 0], target.real.transpose(1, 0, 2))
        np.testing.assert_array_equal(parts[:, :, 1], target.imag.transpose(1, 0, 2))
        out = np.empty(shape[1:], np.complex64)
        summed_product(patch.transpose(1, 0, 3, 2).astype(np.int16).copy(), parts, out)
        expected = ((patch[..., 0] - 1j * patch[..., 1]) * target.astype(np.complex128)).sum(0)
        np.testing.assert_allclose(out, expected, atol=1e-5 * np.abs(expected).max())

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (20, 30), (14, 13)])
    def test_highest_places(self, shape):
        rng = np.random.default_rng(2)
        wide = rng.integers(0, 9, (shape[0], shape[1] + 3)).astype(np.float32)  # many ties
        wide[:, shape[1] :] = 99
        own = wide[:, : shape[1]].astype(np.float64)
        score, place = np.empty(2, np.float32), np.empty((2, 2), np.int64)
        highest_places(wide, shape[1], 6, score, place)
        deviation = own.std() or np.inf
        for k, best in enumerate(naive.naive_two_best(own, 6)):
            if best is None:
                assert score[k] == -1
            else:
                assert place[k].tolist() == [*best[1:]]
                np.testing.assert_allclose(score[k], (best[0] - own.mean()) / deviation, rtol=1e-5)


def naive_places(target, patch, task, plan):
    """The two best places of a patch in a small target by loops, (deviations above the mean, y, x)."""
    signs = np.empty((8, *target.shape[:2]), np.float32)
    signs_of_bits(index_of([target], patch.shape[:2]).fine_of(0), (0, 0), signs)
    signs = signs.astype(np.float64)
    own = template(patch.astype(np.float32), task, plan).astype(np.float64)
    height, width = own.shape[1:]
    score = np.array(
        [
            [(signs[:, y : y + height, x : x + width] * own).sum() for x in range(signs.shape[2] - width + 1)]
            for y in range(signs.shape[1] - height + 1)
        ]
    )
    best = naive.naive_two_best((score - score.mean()) / score.std() + 100, 6)
    return [(value - 100, y, x) for value, y, x in best]


class TestSweep:
    @pytest.mark.parametrize("side", [(16, 16), (21, 17), (30, 24)])
    def test_as_loops(self, side):
        target = smooth(60, 70, seed=5)
        patch = noisy(target[11 : 11 + side[0], 40 : 40 + side[1]], seed=1)
        found = swept([target], [patch])
        task = task_of([target])
        best, second = naive_places(target, patch, task, Plan.of(*side))
        assert found.place[0, 0].tolist() == [*best[1:]] == [11, 40]
        np.testing.assert_allclose(found.score[0, 0], best[0], rtol=2e-3)
        np.testing.assert_allclose(found.rival[0, 0], second[0], rtol=2e-3)

    @pytest.mark.parametrize("at", [(0, 0), (0, 436), (331, 200), (355, 436), (178, 219)])
    def test_every_piece_of_a_target_is_seen(self, at):
        target = smooth(400, 481, seed=6)
        y, x = at
        patch = noisy(target[y : y + 45, x : x + 45], seed=2)
        assert swept([target], [patch]).place[0, 0].tolist() == [y, x]

    def test_a_large_patch_is_sought_by_its_middle(self):
        target = smooth(300, 310, seed=7)
        patch = noisy(target[40:200, 90:260], seed=3)
        plan = Plan.of(160, 170)
        found = swept([target], [patch])
        assert found.place[0, 0].tolist() == [40 + plan.margin[0], 90 + plan.margin[1]]

    def test_fine_texture_that_pooling_wipes_out(self):
        rng = np.random.default_rng(8)
        images = [(1200 + rng.normal(0, 200, (150, 160, 4))).clip(1, 4095) for _ in range(4)]
        patch = images[2][33:97, 50:114] + rng.normal(0, 200, (64, 64, 4))
        found = swept(images, [patch.clip(1, 4095)])
        assert (found.target[0, 0], *found.place[0, 0]) == (2, 33, 50)
        assert found.score[0, 0] > 10 > 6 > found.score[0, 1]

    def test_clouds_of_the_patch_are_left_out(self):
        target = smooth(140, 150, seed=9)
        patch = noisy(target[30:94, 60:124], seed=4)
        sky = np.random.default_rng(5).normal(3800, 60, (64, 40, 1)).repeat(4, axis=2)
        patch[:, :40] = sky.clip(1, 4095).astype(np.uint16)
        found = swept([target], [patch])
        assert found.place[0, 0].tolist() == [30, 60]
        assert found.score[0, 0] > 8

    def test_a_constant_patch_is_not_looked_for(self):
        found = swept([smooth(80, 90, seed=1)], [np.full((32, 32, 4), 700, np.uint16)])
        assert (found.target == -1).all()

    def test_evidence_says_which_fields_count(self):
        """A picture with bright for dark is found by the sign-blind fields, when they alone are named."""
        target = smooth(120, 130, seed=10)
        patch = 4096 - noisy(target[20:84, 30:94], seed=6)
        assert swept([target], [patch], task_of([target], evidence=("phase2",))).score[0, 0] > 12
        blind = template(patch.astype(np.float32), task_of([target], evidence=("phase2",)), Plan.of(64, 64))
        np.testing.assert_array_equal(blind.any((1, 2)), [False, False, True, True] * 2)
        odd = template(patch.astype(np.float32), task_of([target], evidence=("bands",)), Plan.of(64, 64))
        assert odd.any((1, 2)).all()


class TestPromise:
    def test_reach_is_the_patchs_own_and_likest_targets_come_first(self, monkeypatch):
        """Bright, middling and dark ground of one texture: what is unlike the patch is beyond its reach."""
        ground = smooth(100, 100, seed=11)
        images = [(ground * gain).astype(np.uint16) for gain in (2.5, 0.3, 1.0, 0.35)]
        patch = noisy((smooth(100, 100, seed=12) * 0.3).astype(np.uint16)[10:58, 20:68], seed=7)
        monkeypatch.setattr(sweeping, "REACHES", (2 * 100 * 100.0,))
        monkeypatch.setattr(sweeping, "NEAR", 100.0)
        found = swept(images, [patch])
        assert sorted(found.target[0][found.target[0] >= 0].tolist()) == [1, 3]
        twice = swept(images, [patch], task_of(images, effort=2.0))
        assert (twice.target[0] >= 0).sum() == 4

    @pytest.mark.parametrize("there", [False, True])
    def test_farther_where_nothing_stands_out(self, there, monkeypatch):
        """The likest image first; the others only where the patch is not plainly in it."""
        ground = smooth(100, 100, seed=11)
        images = [(ground * gain).astype(np.uint16) for gain in (2.5, 0.3, 1.0, 0.35)]
        source = images[1] if there else (smooth(100, 100, seed=12) * 0.3).astype(np.uint16)
        monkeypatch.setattr(sweeping, "REACHES", (100 * 100.0, 1e9))
        monkeypatch.setattr(sweeping, "NEAR", 100.0)
        found = swept(images, [noisy(source[10:58, 20:68], seed=7)])
        assert (found.target[0] >= 0).sum() == (1 if there else 4)
        assert (found.score[0, 0] >= sweeping.STANDS_OUT) == there

    def test_what_a_patch_gets_depends_on_no_other(self):
        images = [smooth(100, 100, seed=k) for k in range(3)]
        patches = [noisy(image[5:53, 9:57], seed=7) for image in images]
        together = swept(images, patches)
        for n, patch in enumerate(patches):
            for one, other in zip(swept(images, [patch]).arrays(), together.arrays(), strict=True):
                np.testing.assert_array_equal(one[0], other[n])

    def test_only_places_near_the_best_are_kept(self):
        target = smooth(120, 130, seed=10)
        found = swept([target, smooth(120, 130, seed=13)], [noisy(target[20:84, 30:94], seed=6)])
        assert found.target[0].tolist()[:2] == [0, -1]
        assert (found.score[0][found.target[0] >= 0] >= found.score[0, 0] - sweeping.NEAR).all()

    def test_less_texture_less_reach(self):
        rich = noisy(smooth(64, 64, seed=1), seed=1).astype(np.float32)
        calm = np.full((64, 64, 4), 500, np.float32)
        some = calm.copy()
        some[:, :8] = rich[:, :8]
        assert worth(rich, FOUR) == 1
        assert worth(calm, FOUR) == sweeping.LEAST
        np.testing.assert_allclose(worth(some, FOUR), 9 / 64 / sweeping.RICH, atol=0.03)

    def test_statistics_of_all_pixels_are_those_of_a_window(self):
        dn = smooth(64, 64, seed=2).astype(np.float32)
        np.testing.assert_allclose(seen_statistics(dn, FOUR), statistics(dn, (64, 64))[0, 0], rtol=1e-4)

    def test_statistics_leave_clouds_out(self):
        dn = smooth(64, 64, seed=3).astype(np.float32)
        clouded = dn.copy()
        clouded[:, :30] = 4000
        clear = dn[:, 32:]
        expected = np.concatenate([np.log(clear.mean((0, 1)) + HAZE), np.log(clear.std((0, 1)) + NOISE)])
        np.testing.assert_allclose(seen_statistics(clouded, FOUR), expected, rtol=1e-4)

    def test_distances_by_loops(self):
        images = [smooth(90, 110, seed=k) // (k + 1) for k in range(3)]
        dn = noisy(images[1][20:68, 30:78], seed=9).astype(np.float32)
        index = index_of(images, (48, 48))
        model = shipped()
        (distances,) = Promise(index, NAMES, model).distances([dn], FOUR)
        order = [model.colour.bands.index(name) for name in NAMES]
        order += [len(model.colour.bands) + k for k in order]
        inverse = np.linalg.inv(model.colour.within[np.ix_(order, order)])
        own = seen_statistics(dn, FOUR).astype(np.float64)
        for k, image in enumerate(images):
            windows = statistics(image.astype(np.float32), (48, 48)).reshape(-1, 8).astype(np.float64)
            least = min(float((w - own) @ inverse @ (w - own)) for w in windows)
            np.testing.assert_allclose(distances[k], least, rtol=1e-3)

    def test_bands_that_the_model_does_not_know(self):
        images = [texture(70, 80, seed=k)[..., :1] * (k + 1) for k in range(3)]
        index = index_of(images, (32, 32), ONE)
        dn = images[2][10:42, 20:52].astype(np.float32)
        assert Promise(index, ("pan",), shipped()).distances([dn], ONE).argmin() == 2
