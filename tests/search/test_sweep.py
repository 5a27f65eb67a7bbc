"""The sweep against loops in float64: its kernels, whole maps, what it looks at and in which order."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.evidence.colour import NOISE, statistics
from matcher.evidence.pixels import HAZE
from matcher.formats.opening import open_images
from matcher.imagery import Pictures
from matcher.kernels.content import strong_pixels
from matcher.kernels.sweep import (
    best_unfolded,
    folded_signs,
    highest_places,
    highest_then_product,
    part_spectra,
    place_sum,
    summed_product,
)
from matcher.model import shipped
from matcher.search.candidates import Candidates
from matcher.search.pyramid import sweep as sweeping
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.index import build_index
from matcher.search.pyramid.maps import Peaks, Pieces, highest, verified
from matcher.search.pyramid.promise import Promise, seen_statistics
from matcher.search.pyramid.sweep import _Query, sweep, template, worth
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE
from tests import naive
from tests.evidence.test_evidence import FOUR, ONE, texture
from tests.search.test_bits import bits, laid, packed
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
    distances = Promise(index, NAMES, task.model).distances(dn, task.roles)
    return sweep(task, index, distances, range(len(dn)), dn)


class TestKernels:
    @pytest.mark.parametrize("corner", [(0, 0), (3, 1), (2, 63), (5, 64), (0, 70)])
    @pytest.mark.parametrize("fold", [(30, 80), (15, 40), (16, 32), (7, 90)])
    def test_folded_signs(self, corner, fold):
        drawn = bits(np.random.default_rng(0), 3, 40, 150)
        corners = np.array([corner, (7, 66)])
        out = np.full((3, fold[0] + 2, fold[1] + 5, 2), 7, np.float32)
        folded_signs(packed(drawn, 1), corners, (30, 80), fold, out)
        expected = np.zeros(out.shape)
        for c, (top, left) in enumerate(corners):
            for y in range(30):
                for x in range(80):
                    expected[:, y % fold[0], x % fold[1], c] += 2.0 * drawn[:, top + y, left + x] - 1
        np.testing.assert_array_equal(out, expected)

    @pytest.mark.parametrize("corner", [(0, 0), (3, 1), (2, 63), (5, 64), (0, 70)])
    @pytest.mark.parametrize("width", [5, 64, 70])
    def test_place_sum(self, corner, width):
        rng = np.random.default_rng(4)
        drawn, template = bits(rng, 3, 40, 150), rng.normal(size=(3, 21, width)).astype(np.float32)
        y, x = corner
        window = 2.0 * drawn[:, y : y + 21, x : x + width] - 1
        expected = (window * template.astype(np.float64)).sum()
        np.testing.assert_allclose(place_sum(packed(drawn, 1), corner, template), expected, atol=1e-4)

    @pytest.mark.parametrize("shape", [(1, 6, 3), (4, 2, 17), (8, 10, 33)])
    def test_summed_product(self, shape):
        rng = np.random.default_rng(1)
        count, height, width = shape
        target = rng.normal(size=(count, height, width + 3, 2)).astype(np.float32)
        patch = rng.integers(-127, 128, (height, count, 2, width)).astype(np.int8)
        parts = np.empty(patch.shape, np.int16)
        part_spectra(target.reshape(count, height, -1), 1000.0, parts)
        expected = np.rint(np.float32(1000) * target[:, :, :width]).transpose(1, 0, 3, 2)
        np.testing.assert_array_equal(parts, expected)
        out = np.empty((height, width + 2, 2), np.float32)
        summed_product(patch, parts, out.reshape(height, -1))
        whole = parts[:, :, 0] + 1j * parts[:, :, 1]
        product = ((patch[:, :, 0] - 1j * patch[:, :, 1]) * whole).sum(1)
        np.testing.assert_allclose(out[:, :width, 0], product.real, rtol=1e-5, atol=1)
        np.testing.assert_allclose(out[:, :width, 1], product.imag, rtol=1e-5, atol=1)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 9), (20, 30), (14, 13), (14, 40)])
    @pytest.mark.parametrize("values", [2, 9, 1000])
    def test_highest_places(self, shape, values):
        rng = np.random.default_rng(2)
        both = rng.integers(0, values, (shape[0] + 1, shape[1] + 3, 2)).astype(np.float32)  # ties, where few
        both[:, shape[1] :], both[shape[0] :] = 9999, 9999
        score, place, noise = np.empty((2, 2), np.float32), np.empty((2, 2, 2), np.int64), np.empty((2, 2))
        highest_places(both.reshape(len(both), -1), shape, 6, score, place, noise)
        for c in range(2):
            own = both[: shape[0], : shape[1], c].astype(np.float64)
            np.testing.assert_allclose(noise[c], (own.mean(), own.std()), rtol=1e-5, atol=1e-6)
            deviation = own.std() or np.inf
            for k, best in enumerate(naive.naive_two_best(own, 6)):
                if best is None:
                    assert score[c, k] == -1
                else:
                    assert place[c, k].tolist() == [*best[1:]]
                    np.testing.assert_allclose(score[c, k], (best[0] - own.mean()) / deviation, rtol=1e-5)

    def test_highest_then_product(self):
        """One call for two: neither disturbs the other, and the other maps' places are left alone."""
        rng = np.random.default_rng(3)
        patch, target = (
            rng.integers(-most, most, (20, 4, 2, 30)).astype(kind)
            for most, kind in ((127, np.int8), (999, np.int16))
        )
        values = rng.normal(size=(20, 66)).astype(np.float32)
        shapes = ((2, 2), np.float32), ((2, 2, 2), np.int64), ((2, 2), np.float64)
        alone, found = (tuple(np.full((n, *shape), 7, kind) for shape, kind in shapes) for n in (1, 3))
        highest_places(values, (15, 25), 6, *(array[0] for array in alone))
        highest_then_product(values, (15, 25), 6, 1, found, patch, target)
        product = np.zeros_like(values)
        summed_product(patch, target, product)
        np.testing.assert_array_equal(values[:, :60], product[:, :60])
        for one, many in zip(alone, found, strict=True):
            np.testing.assert_array_equal(many[1], one[0])
            assert (many[[0, 2]] == 7).all()

    @pytest.mark.parametrize("cut", [(40, 90, 20, 32), (40, 90, 40, 90), (31, 75, 16, 32), (12, 20, 12, 20)])
    def test_best_unfolded_as_loops(self, cut):
        """Places that hold the template in part are none."""
        rng = np.random.default_rng(5)
        drawn, template = bits(rng, 3, 60, 150), rng.normal(size=(3, 13, 21)).astype(np.float32)
        planes = laid(drawn, 1)
        codes = (
            np.concatenate([np.full(11, 2**63, np.uint64), planes.ravel()]),
            np.array([0, 11]),
            np.array([[1, 1], [60, 150]]),
        )
        m = 40
        place = np.stack([rng.integers(0, min(cut[k], cut[k + 2]), m) for k in (0, 1)], -1)
        corner = np.stack([rng.integers(0, 20, m), rng.integers(0, 60, m)], -1)
        noise = np.stack([rng.normal(size=m), rng.uniform(1, 9, m)], -1)
        noise[0] = (0, 0)
        out_place, out_score = np.zeros((m, 2), np.int64), np.empty(m, np.float32)
        peaks = np.ones(m, np.int64), corner, place, noise
        best_unfolded(codes, peaks, np.tile(cut, (m, 1)), template, out_place, out_score)
        for k in range(m):
            best = (-1.0, 0, 0)
            for y in range(place[k, 0], cut[0] - 12, cut[2]):
                for x in range(place[k, 1], cut[1] - 20, cut[3]):
                    top, left = y + corner[k, 0], x + corner[k, 1]
                    window = 2.0 * drawn[:, top : top + 13, left : left + 21] - 1
                    score = ((window * template).sum() - noise[k, 0]) / max(noise[k, 1], 1e-12)
                    if score > best[0]:
                        best = (score, top, left)
            np.testing.assert_allclose(out_score[k], best[0], rtol=1e-4, atol=1e-5)
            assert out_place[k].tolist() == [*best[1:]]


def signs_of(index, shape):
    """The fields of the first target of an index, whose height and width are `shape`: (planes, height, width)."""
    out = np.empty((len(index.channel), *shape, 2), np.float32)
    folded_signs(index.fine_of(0), np.zeros((2, 2), np.int64), shape, shape, out)
    return out[..., 0]


def naive_places(target, patch, task, plan):
    """The two best places of a patch in a small target by loops, (deviations above the mean, y, x).

    Deviations and mean are those of the left or the right half of the places, which are told apart.
    """
    signs = signs_of(index_of([target], patch.shape[:2]), target.shape[:2]).astype(np.float64)
    own = template(patch.astype(np.float32), task, plan).astype(np.float64)
    height, width = own.shape[1:]
    score = np.array(
        [
            [(signs[:, y : y + height, x : x + width] * own).sum() for x in range(signs.shape[2] - width + 1)]
            for y in range(signs.shape[1] - height + 1)
        ]
    )
    each = -(-score.shape[1] // 2)
    best = []
    for left in (0, score.shape[1] - each):
        half = score[:, left : left + each]
        two = naive.naive_two_best((half - half.mean()) / half.std() + 100, 6)
        best += [(value - 100, y, x + left) for value, y, x in two]
    best.sort(reverse=True)
    apart = [one for one in best if max(abs(one[1] - best[0][1]), abs(one[2] - best[0][2])) > 6]
    return best[0], apart[0]


class TestSweep:
    @pytest.mark.parametrize("side", [(16, 16), (21, 17), (30, 24)])
    def test_as_loops(self, side, monkeypatch):
        monkeypatch.setattr(sweeping, "VERIFIED", 0.0)
        target = smooth(60, 70, seed=5)
        patch = noisy(target[11 : 11 + side[0], 40 : 40 + side[1]], seed=1)
        found = swept([target], [patch])
        task = task_of([target])
        best, second = naive_places(target, patch, task, Plan.of(*side))
        assert found.place[0, 0].tolist() == [*best[1:]] == [11, 40]
        # Spectra in whole numbers of 8 bits move a score by a hundredth of a deviation.
        np.testing.assert_allclose(found.score[0, 0], best[0], atol=0.03)
        np.testing.assert_allclose(found.rival[0, 0], second[0], atol=0.03)

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


def sought(target, patch, close=False):
    """The peaks of a patch in one target, folded less if it is `close`, and its template and index."""
    index = index_of([target], patch.shape[:2])
    own = template(patch.astype(np.float32), task_of([target]), index.plan)
    return *highest(index, [own], [np.array([0])], close), own, index


def looked_at(pieces, place):
    """The places of a first piece that are verified of one of its map, patches of 64 px: where what lies is found."""
    rng, found = np.random.default_rng(1), []
    template = rng.normal(size=(1, 64, 64)).astype(np.float32)
    (high, wide), (rows, columns) = pieces.size, pieces.transform
    for at in [(y, x) for y in range(place[0], high, rows) for x in range(place[1], wide, columns)]:
        drawn = bits(rng, 1, high + 64, wide + 64)
        drawn[:, at[0] : at[0] + 64, at[1] : at[1] + 64] = template > 0
        codes = laid(drawn, 1).ravel(), np.array([0]), np.array([drawn.shape[1:]])
        peaks = np.array([0]), np.array([(0, 0)]), np.array([place]), np.array([(0.0, 1.0)])
        best, score = np.empty((1, 2), np.int64), np.empty(1, np.float32)
        best_unfolded(codes, peaks, np.array([(high, wide, rows, columns)]), template, best, score)
        found += [at] if tuple(best[0].tolist()) == at else []
    return found


class TestFolded:
    @pytest.mark.parametrize(
        "at", [(0, 0), (0, 436), (331, 200), (355, 436), (178, 219), (255, 300), (90, 224)]
    )
    @pytest.mark.parametrize("shape", [(60, 50), (200, 481), (400, 481), (512, 512), (700, 530), (530, 1100)])
    @pytest.mark.parametrize("close", [False, True])
    def test_every_place_of_a_target_is_seen(self, at, shape, close):
        y, x = (min(a, n - 45) for a, n in zip(at, shape, strict=True))
        target = smooth(*shape, seed=6)
        peaks, own, index = sought(target, noisy(target[y : y + 45, x : x + 45], seed=2), close)
        place, score = verified(index, own, peaks, close)
        assert place[score.argmax()].tolist() == [y, x]

    @pytest.mark.parametrize("shape", [(512, 512), (600, 520), (500, 460)])
    @pytest.mark.parametrize("close", [False, True])
    def test_scores_are_those_of_the_whole_map(self, shape, close):
        """Though the noise is that of what was summed."""
        target = texture(*shape, seed=9).astype(np.uint16)
        peaks, own, index = sought(target, noisy(target[20:84, 200:264], seed=4), close)
        _, score = verified(index, own, peaks, close)
        fields = np.fft.rfft2(signs_of(index, shape))
        whole = np.fft.irfft2((fields * np.fft.rfft2(own, shape).conj()).sum(0), shape)
        whole = whole[: shape[0] - 63, : shape[1] - 63]
        np.testing.assert_allclose(score.max(), (whole.max() - whole.mean()) / whole.std(), rtol=0.15)

    @pytest.mark.parametrize("side", [(64, 64), (128, 128), (32, 32)])
    @pytest.mark.parametrize("shape", [(512, 512), (1100, 1500), (1500, 1100), (200, 1500)])
    def test_folded_in_two_and_little_more(self, shape, side):
        pieces, close = Pieces.of(shape, side), Pieces.of(shape, side, close=True)
        assert (close.size, close.corners) == (pieces.size, pieces.corners)
        assert close.transform[1] >= close.size[1]
        assert close.transform[0] == pieces.transform[0]
        assert len(pieces.corners) % 2 == 0
        assert pieces.size[0] <= 2 * pieces.transform[0]
        assert pieces.size[1] <= 2.5 * pieces.transform[1]
        assert pieces.share >= 0.2

    def test_places_that_hold_a_patch_in_part_are_none(self):
        pieces = Pieces.of((512, 500), (64, 64))
        assert pieces.transform == (256, 128)
        assert pieces.size == (512, 282)
        assert pieces.corners == ((0, 0), (0, 218))
        assert looked_at(pieces, (10, 100)) == [(10, 100), (266, 100)]
        assert looked_at(pieces, (10, 20)) == [(10, 20), (10, 148), (266, 20), (266, 148)]
        assert looked_at(pieces, (200, 100)) == [(200, 100)]
        narrow = Pieces.of((512, 110), (64, 64))
        assert looked_at(narrow, (210, 20)) == [(210, 20)]
        assert narrow.size == (512, 87)
        assert narrow.places == (256, 24)

    def test_highest_of_folded_maps_as_loops(self):
        """The map of a piece that is folded along x is the sum of what its places have, borders among them."""
        target = smooth(110, 490, seed=3)
        peaks, own, index = sought(target, noisy(target[60:100, 390:430], seed=2))
        signs = signs_of(index, (110, 490))
        width = 226 + 39
        padded = np.zeros((8, 110, 3 * 128))
        padded[:, :, :width] = signs[:, :, -width:]  # the right piece
        sums = padded.reshape(8, 110, 3, 128).sum(2)
        whole = np.zeros((71, 128))
        for y in range(40):
            for x in range(40):
                at = np.roll(sums[:, y : y + 71], -x, 2)
                whole += (at * own[:, y, x, None, None].astype(np.float64)).sum(0)
        best = np.unravel_index(whole.argmax(), whole.shape)
        right = peaks.take(slice(2, 4))
        assert right.corner.tolist() == [[0, 490 - width]] * 2
        assert right.place[0].tolist() == [*best] == [60, 390 - 225 - 128]
        score = (whole.max() - whole.mean()) / whole.std()
        np.testing.assert_allclose(right.score[0], score, atol=0.03)
        share = 128 / width
        expected = whole.mean() * share, whole.std() * np.sqrt(share)
        np.testing.assert_allclose(right.noise[0], expected, rtol=2e-2, atol=1e-3 * whole.std())
        place, score = verified(index, own, right, close=False)
        value = (signs[:, 60:100, 390:430] * own.astype(np.float64)).sum()
        assert place[0].tolist() == [60, 390]
        np.testing.assert_allclose(score[0], (value - right.noise[0, 0]) / right.noise[0, 1], rtol=1e-4)

    def test_beyond_the_likeliest(self, monkeypatch):
        """What is not in the first target is found in the others, at the true one of the places that are one there."""
        monkeypatch.setattr(sweeping, "REACHES", (0.0, 0.0, 1e12))
        images = [noisy(smooth(64, 64, seed=40), seed=1)] + [smooth(512, 512, seed=k) for k in range(3)]
        patches = [noisy(images[1 + k][300:364, 7 + k : 71 + k], seed=k) for k in range(3)]
        found = swept(images, patches)
        assert found.target[:, 0].tolist() == [1, 2, 3]
        assert found.place[:, 0].tolist() == [[300, 7], [300, 8], [300, 9]]
        nowhere = swept(images, [noisy(smooth(64, 64, seed=77), seed=3)])
        assert nowhere.score[0, 0] < sweeping.STANDS_OUT


class TestPromise:
    def test_reach_is_the_patchs_own_and_likest_targets_come_first(self, monkeypatch):
        """Bright, middling and dark ground of one texture: what is unlike the patch is beyond its reach."""
        ground = smooth(100, 100, seed=11)
        images = [(ground * gain).astype(np.uint16) for gain in (2.5, 0.3, 1.0, 0.35)]
        patch = noisy((smooth(100, 100, seed=12) * 0.3).astype(np.uint16)[10:58, 20:68], seed=7)
        monkeypatch.setattr(sweeping, "REACHES", (2 * 98304.0,) * 2)  # two of their maps
        monkeypatch.setattr(sweeping, "VERIFIED", 0.0)
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
        monkeypatch.setattr(sweeping, "REACHES", (98304.0, 1e9))
        monkeypatch.setattr(sweeping, "VERIFIED", 0.0)
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

    def test_the_share_of_pixels_in_likelier_targets(self):
        shapes = [(80, 100), (60, 50), (100, 90)]
        images = [smooth(*shape, seed=k) // (k + 1) for k, shape in enumerate(shapes)]
        patches = [noisy(image[:48, :48], seed=9).astype(np.float32) for image in images]
        promise = Promise(index_of(images, (48, 48)), NAMES, shipped())
        pixels = [height * width for height, width in shapes]
        distances = promise.distances(patches, FOUR)
        shares = promise.before(distances)
        for share, distance in zip(shares, distances, strict=True):
            likelier = [sum(n for n, d in zip(pixels, distance, strict=True) if d < own) for own in distance]
            assert share == pytest.approx(np.array(likelier) / sum(pixels))

    def test_bands_that_the_model_does_not_know(self):
        images = [texture(70, 80, seed=k)[..., :1] * (k + 1) for k in range(3)]
        index = index_of(images, (32, 32), ONE)
        dn = images[2][10:42, 20:52].astype(np.float32)
        assert Promise(index, ("pan",), shipped()).distances([dn], ONE).argmin() == 2


class TestReach:
    def test_a_rich_patch_reaches_24_and_64_and_240_million_pixels(self):
        """Of targets whose maps count for half a million pixels; an eighth of it for a calm one, and one at least."""
        order, extents = np.arange(600)[::-1], np.full(600, 500_000)
        own = np.ones((8, 4, 4), np.float32)
        ends = [_Query.of(0, own, order, extents, share).ends for share in (1, 2, sweeping.LEAST, 1e-9)]
        assert ends == [(48, 128, 480), (96, 256, 600), (6, 16, 60), (1, 1, 1)]
        assert _Query.of(0, 0 * own, order, extents, 1.0).ends == (0, 0, 0)
        query = _Query.of(0, own, order, extents, 1.0)
        wanted = [query.wanted(step) for step in range(3)]
        assert [len(part) for part in wanted] == [48, 80, 352]
        assert np.concatenate(wanted).tolist() == order[:480].tolist()


class TestThresholds:
    """What is done with scores, in deviations above a map's mean: chance reaches 6 among all that a patch looks at."""

    @pytest.mark.parametrize(("first", "steps"), [(6.5, 3), (9.0, 1)])
    @pytest.mark.parametrize(
        ("side", "kept"), [(32, [0, 1, 2, -1]), (48, [0, 1, 2, -1]), (64, [0, 1, -1, -1])]
    )
    def test_what_chance_reaches_is_sought_farther(self, first, steps, side, kept, monkeypatch):
        """And of what is found the places about as good as the best are kept: of small patches, more."""
        asked = []

        def seen(_index, patches, _wanted, close):
            asked.append((len(patches), close))
            score = np.tile(
                np.array([first, first - 0.7, first - 1.6, first - 3.5], np.float32), (len(patches), 1)
            )
            target = np.tile(np.arange(4), (len(patches), 1))
            return Candidates.alone(target, np.zeros((*score.shape, 2), np.int64), score)

        monkeypatch.setattr(sweeping, "sweep_targets", seen)
        images = [smooth(80, 90, seed=k) for k in range(4)]
        found = swept(images, [images[0][:side, :side]])
        assert asked == [(1, True), (int(steps > 1), False), (int(steps > 2), False)]
        assert found.target[0, :4].tolist() == kept

    def test_what_is_verified_of_folded_maps(self, monkeypatch):
        """A true place has at least 4.4 deviations in a folded map; what chance has more often is left alone."""
        scores = np.array([3.5, 5.0, 6.0, 4.0], np.float32)
        none = np.zeros((4, 2), np.int64)
        peaks = Peaks(np.arange(4), none, none, scores, np.zeros((4, 2)))
        asked = []

        def verified_(_index, _template, some, _close):
            asked.append(some.target.tolist())
            return some.place, some.score

        monkeypatch.setattr(sweeping, "highest", lambda *_: [peaks])
        monkeypatch.setattr(sweeping, "verified", verified_)
        index = index_of([smooth(80, 90, seed=1)], (32, 32))
        found = sweeping.sweep_targets(index, [(0, np.ones((8, 32, 32), np.float32))], [np.arange(1)], False)
        assert asked == [[1, 2]]
        assert found.target[0, :3].tolist() == [2, 1, -1]

    @pytest.mark.parametrize("shape", [(12, 19, 4), (30, 12, 1), (1, 5, 2)])
    def test_strong_pixels_as_loops(self, shape):
        rng = np.random.default_rng(7)
        dn = rng.integers(0, 60, shape).astype(np.float32)
        seen = rng.random(shape[:2]) < 0.7
        expected = 0
        for y, x in zip(*np.nonzero(seen), strict=True):
            ends = [
                sorted({max(at - 1, 0), min(at + 1, n - 1)}) for at, n in zip((y, x), shape, strict=False)
            ]
            down, across = (e[-1] - e[0] or 1 for e in ends)
            gy = (dn[ends[0][-1], x] - dn[ends[0][0], x]) / down
            gx = (dn[y, ends[1][-1]] - dn[y, ends[1][0]]) / across
            expected += bool((np.hypot(gy, gx) > 20).any())
        assert strong_pixels(dn, seen, 20.0) == expected
        assert 0 < expected < seen.sum() or min(shape) == 1

    @pytest.mark.parametrize(
        ("slope", "columns", "expected"),
        [(10, 64, 0.125), (30, 64, 1.0), (30, 16, 1.0), (30, 8, 0.5), (30, 1, 0.125)],
    )
    def test_what_texture_a_patch_is_worth_the_reach_by(self, slope, columns, expected):
        """A gradient as noise makes it is none; a quarter of the pixels with more is enough."""
        dn = np.full((64, 64, 4), 900, np.float32)
        dn[:, :columns] += slope * np.arange(64, dtype=np.float32)[:, np.newaxis, np.newaxis]
        np.testing.assert_allclose(worth(dn, FOUR), expected, atol=0.13 if expected == 0.5 else 0)
