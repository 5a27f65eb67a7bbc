"""What colour says of places, against loops, and the answers that it settles."""

import math

import numpy as np
import pytest
from scipy import stats

import matcher
from matcher.decision.chances import WindowedTargets
from matcher.decision.colour import FREEDOM, LEAST, Colours
from matcher.decision.settle import _odds, mutual_of, settle
from matcher.evidence.colour import BLOCKS, NOISE, block, grid, statistics
from matcher.evidence.mutual import mutual_information
from matcher.evidence.pixels import HAZE
from matcher.matching.job import prepare
from matcher.model import shipped
from matcher.search.candidates import Candidates
from matcher.search.pyramid.index import build_index
from tests.evidence.test_evidence import FOUR, texture

NAMES = ("red", "green", "blue", "nir")
NONE = np.zeros((1, 1))  # mutual information that tells nothing


def naive_statistics(dn, side):
    """Logs of the mean and deviation of every window of 4 x 4 blocks: loops over windows, plain float64.

    Windows begin at every block from which the whole patch lies inside.
    """
    down, across = side[0] // BLOCKS, side[1] // BLOCKS
    height, width = BLOCKS * down, BLOCKS * across
    rows = len(range(0, dn.shape[0] - side[0] + 1, down))
    columns = len(range(0, dn.shape[1] - side[1] + 1, across))
    out = np.zeros((rows, columns, 2 * dn.shape[2]))
    for r in range(rows):
        for c in range(columns):
            for b in range(dn.shape[2]):
                window = dn[r * down : r * down + height, c * across : c * across + width, b].astype(
                    np.float64
                )
                out[r, c, b] = math.log(max(window.mean(), 0) + HAZE)
                out[r, c, dn.shape[2] + b] = math.log(window.std() + NOISE)
    return out


class TestStatistics:
    @pytest.mark.parametrize(
        ("shape", "side"),
        [
            ((64, 64), (64, 64)),
            ((70, 93), (32, 32)),
            ((40, 51), (13, 22)),
            ((129, 65), (64, 30)),
            ((75, 89), (63, 47)),
        ],
    )
    def test_as_loops(self, shape, side):
        dn = texture(*shape, seed=sum(shape))
        dn[5:30, 3:40] = 4095
        dn[:9, :9] = -3
        found = statistics(dn, side)
        assert found.dtype == np.float32
        assert found.shape[:2] == grid(shape, side)
        np.testing.assert_allclose(found, naive_statistics(dn, side), rtol=0, atol=1e-4)

    def test_a_window_is_the_patch(self):
        """A patch's own statistics are those of the window that it was cut from."""
        dn = texture(100, 120, seed=3)
        patch = np.ascontiguousarray(dn[32:64, 16:48])
        np.testing.assert_array_equal(statistics(patch, (32, 32))[0, 0], statistics(dn, (32, 32))[4, 2])


class TestDensity:
    @pytest.mark.parametrize("bands", [NAMES, ("nir", "red"), ("blue", "pan", "green"), ("green",)])
    def test_as_ratio_of_student_t(self, bands):
        rng = np.random.default_rng(1)
        values = rng.normal(6, 1, (50, 2 * len(bands))).astype(np.float32)
        patch = values[7] + rng.normal(0, 0.2, 2 * len(bands)).astype(np.float32)
        model = shipped().colour
        known = [k for k, name in enumerate(bands) if name in model.bands]
        columns = known + [len(bands) + k for k in known]
        rows = [model.bands.index(bands[k]) for k in known]
        rows += [len(model.bands) + k for k in rows]
        found = Colours(values, np.array([0, 20, 50]), bands, model).density(patch)
        for k in range(50):
            d = (values[k] - patch)[columns].astype(np.float64)
            one, other = (
                stats.multivariate_t(np.zeros(len(rows)), m[np.ix_(rows, rows)], df=FREEDOM).logpdf(d)
                for m in (model.within, model.apart)
            )
            expected = math.sqrt(LEAST + (1 - LEAST) * math.exp(one - other))
            assert found[k] == pytest.approx(expected, rel=1e-4)

    def test_unknown_bands_say_nothing(self):
        assert not Colours(np.zeros((3, 2), np.float32), np.array([0, 3]), ("gray",), shipped().colour).known

    def test_model_is_a_pair_of_covariances(self):
        model = shipped().colour
        for m in (model.within, model.apart):
            assert np.linalg.eigvalsh(m).min() > 0
            np.testing.assert_array_equal(m, m.T)
        # Differences of different places are larger, whichever mixture of bands is looked at.
        assert np.linalg.eigvalsh(model.apart - model.within).max() > 0
        assert (np.diag(model.apart) > np.diag(model.within)).all()

    def test_index_holds_the_same(self):
        targets = [texture(80, 90, seed=1), texture(80, 90, seed=2), texture(70, 100, seed=3)]
        from matcher.search.pyramid.codes import Plan

        index = build_index(targets, [t.shape[:2] for t in targets], FOUR, Plan.of(32, 32))
        for k, dn in enumerate(targets):
            low, high = index.colour_starts[k : k + 2]
            np.testing.assert_array_equal(
                index.colour[low:high], statistics(dn, (32, 32)).reshape(high - low, -1)
            )


def sea(height, width, seed, level=(300, 320, 420, 90)):
    """Water with sensor noise of 5 DN, no edge in it."""
    rng = np.random.default_rng(seed)
    return (np.array(level) + rng.normal(0, 5, (height, width, 4))).round().astype(np.float32)


def land(height, width, seed):
    """Woods and fields: coarse texture, bright in near infrared."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.normal(0, 1, (height // 8 + 1, width // 8 + 1)), np.ones((8, 8)))[:height, :width]
    tone = np.array((500, 700, 450, 2600)) * np.exp(0.25 * coarse)[..., np.newaxis]
    return (tone + rng.normal(0, 30, (height, width, 4))).round().astype(np.float32)


def ground_of(targets, side):
    made = [statistics(t, side) for t in targets]
    starts = np.cumsum([0, *(m.shape[0] * m.shape[1] for m in made)])
    values = np.concatenate([m.reshape(-1, m.shape[-1]) for m in made])
    shapes = np.array([t.shape[:2] for t in targets])
    return WindowedTargets(
        Colours(values, starts, NAMES, shipped().colour),
        np.arange(len(targets)),
        shapes,
        side,
        shipped().odds,
    )


class Told:
    """Colours whose density at every window is told."""

    known = True

    def __init__(self, density, starts):
        self._density, self.starts = density, starts

    def density(self, _patch):
        return self._density


def naive_settle(scores, targets, places, level, density, sizes, steps):
    """The answer of highest expected score, in loops: (target, place, whether it is a candidate's, what it earns)."""
    radius = 64 * math.sqrt(2)
    chances = []  # by target: (chance, y, x) of everything the patch may lie at
    for k, (rows, columns) in enumerate(sizes):
        windows = [(r, c) for r in range(rows) for c in range(columns)]
        area = steps[0] * steps[1]
        chances.append([(density[k][r * columns + c] * area, r * steps[0], c * steps[1]) for r, c in windows])
    snapped = {}
    for s, k, (y, x) in zip(scores, targets, places, strict=True):
        rows, columns = sizes[k]
        r, c = min(int(y / steps[0] + 0.5), rows - 1), min(int(x / steps[1] + 0.5), columns - 1)
        odds = math.exp(shipped().odds.slope * s + level) * density[k][r * columns + c]
        chances[k].append((odds, y, x))
        snapped[k] = (y, x, r * steps[0], c * steps[1])
    best = (-1.0, 0, (0, 0), False)
    for k, parts in enumerate(chances):
        for n, (_, y, x) in enumerate(parts):
            own = k in snapped and n == len(parts) - 1
            earned = 0.0
            for m, (chance, v, u) in enumerate(parts):
                # A candidate is taken for its window by all but itself.
                at = snapped[k][2:] if own and m != n else (y, x)
                earned += chance * (0.5 + 0.5 * max(1 - math.hypot(v - at[0], u - at[1]) / radius, 0))
            if earned > best[0] * (1 + 1e-12):
                best = (earned, k, (y, x), own)
    return *best[1:], best[0]


def test_the_window_of_a_place_is_the_nearest():
    side = (32, 44)
    ground = ground_of([land(90, 110, 1)], side)
    (rows, columns), steps = ground.grid(0), block(side)
    for y, x in np.ndindex(90 - side[0] + 1, 110 - side[1] + 1):
        row, column = divmod(ground.window(np.array([y, x]), 0), columns)
        assert abs(row * steps[0] - y) == min(abs(r * steps[0] - y) for r in range(rows))
        assert abs(column * steps[1] - x) == min(abs(c * steps[1] - x) for c in range(columns))


class TestSettle:
    @pytest.mark.parametrize("score", [5.0, 30.0, 60.0, 120.0, 20000.0])
    @pytest.mark.parametrize(("kind", "flat"), [(sea, True), (sea, False), (land, False)])
    @pytest.mark.parametrize("side", [(32, 32), (32, 44)])
    def test_as_loops(self, score, kind, flat, side):
        targets = [land(90, 110, 1), sea(100, 96, 2), land(96, 96, 3)]
        ground = ground_of(targets, side)
        own = statistics(kind(*side, 9), side)[0]
        found = Candidates.alone(
            np.array([[0, 2, 1, -1]]),
            np.array([[[10, 20], [33, 5], [60, 52], [0, 0]]]),
            np.array([[score, score - 3, score - 4, -1]], np.float32),
        )
        settled = settle(found, found, NONE, own, np.array([flat]), ground)
        rest = settled.target[0, 1:].tolist()
        assert settled.target[0, 0] not in rest
        assert np.isfinite(settled.score).all()
        if score > 500:  # odds beyond float64: all three are as good
            assert settled.score[0, 0] > 1000
            return
        density, starts = ground.colours.density(own[0]), ground.colours.starts
        parts = [density[starts[k] : starts[k + 1]].tolist() for k in range(3)]
        sizes = [grid(t.shape[:2], side) for t in targets]
        told = found.score[0, :3].tolist(), [0, 2, 1], found.place[0, :3].tolist()
        level = shipped().odds.flat if flat else shipped().odds.level
        image, place, structure, _ = naive_settle(*told, level, parts, sizes, block(side))
        assert settled.target[0, 0] == image
        assert rest[:2] == [k for k in (0, 2, 1) if k != image]
        m = found.target[0].tolist().index(image)
        assert tuple(settled.place[0, 0]) == tuple(place)
        assert settled.score[0, 0] == (found.score[0, m] if structure else 0)

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("side", [(32, 32), (32, 44)])
    def test_as_brute_force_over_all_places(self, seed, side):
        """Targets of much mass in spots far from each other, and of less in one: none is passed over too early."""
        rng = np.random.default_rng(seed)
        count = 6
        shapes = np.array([(int(rng.integers(40, 60)), int(rng.integers(300, 700))) for _ in range(count)])
        sizes = [grid(tuple(shape), side) for shape in shapes.tolist()]
        parts = []
        for k, (rows, columns) in enumerate(sizes):
            likely = np.full((rows, columns), 1e-3)
            spots = rng.permutation(columns // 12)[: 1 + 4 * (k % 2)] * 12
            likely[0, spots] = rng.uniform(0.8, 1.2) * (0.8 if k % 2 == 0 else 1.0) / len(spots) * 100
            parts.append(likely.ravel())
        starts = np.cumsum([0, *map(len, parts)])
        ground = WindowedTargets(
            Told(np.concatenate(parts), starts), np.arange(count) * 2, shapes, side, shipped().odds
        )
        which = rng.permutation(count)[:3]
        place = np.array([[rng.integers(0, shapes[k] - np.array(side) + 1) for k in which]])
        score = np.sort(rng.uniform(0, 12, (1, 3)).astype(np.float32))[:, ::-1]
        found = Candidates.alone(which[np.newaxis] * 2, place, score)
        settled = settle(found, found, NONE, np.zeros((1, 8), np.float32), np.array([False]), ground)
        told = score[0].tolist(), which.tolist(), place[0].tolist()
        level = shipped().odds.level
        likely = [part.tolist() for part in parts]
        image, at, structure, earned = naive_settle(*told, level, likely, sizes, block(side))
        assert settled.target[0, 0] == 2 * image
        assert tuple(settled.place[0, 0]) == tuple(at)
        assert (settled.score[0, 0] > 0) == structure
        odds = shipped().odds.slope * score.astype(np.float64) + level
        (improvements,) = ground.improvements(found, odds, np.zeros((1, 8), np.float32))
        assert improvements[-1].earned == pytest.approx(earned)
        assert all(one.bound >= one.earned for one in improvements)

    @pytest.mark.parametrize(("spot", "target"), [(0.58, 1), (0.62, 0)])
    def test_even_ground_is_not_passed_over_for_a_spot(self, spot, target):
        """A fifth of the chance lies about the middle of the one, all of it at one place of the other."""
        side = (32, 32)
        shapes = np.array([(60, 60), (230, 230)])
        sizes = [grid(tuple(shape), side) for shape in shapes.tolist()]
        parts = [np.full(rows * columns, 1e-9) for rows, columns in sizes]
        parts[1][:] = 1 / len(parts[1])
        parts[0][5] = spot
        starts = np.cumsum([0, *map(len, parts)])
        told = Told(np.concatenate(parts), starts)
        ground = WindowedTargets(told, np.arange(2), shapes, side, shipped().odds)
        nowhere = Candidates.empty(1, 2)
        settled = settle(nowhere, nowhere, NONE, np.zeros((1, 8), np.float32), np.array([False]), ground)
        image, at, _, _ = naive_settle([], [], [], 0.0, [part.tolist() for part in parts], sizes, block(side))
        assert settled.target[0, 0] == image == target
        assert tuple(settled.place[0, 0]) == tuple(at)

    def test_what_the_search_found_in_the_same_target_is_the_rival(self):
        side = (32, 32)
        targets = [land(90, 110, 1), sea(100, 96, 2)]
        found = Candidates(
            np.array([[0, 1]]),
            np.array([[[10, 20], [33, 5]]]),
            np.array([[40, 39]], np.float32),
            np.array([[[50, 70], [60, 60]]]),
            np.array([[38, 37]], np.float32),
        )
        own = statistics(sea(32, 32, 9), side)[0]
        settled = settle(found, found, NONE, own, np.array([True]), ground_of(targets, side))
        assert settled.target[0].tolist() == [1, 0]
        assert settled.score[0, 1] == 40
        assert settled.runner_up().score[0, 0] == 40
        if tuple(settled.place[0, 0]) != (33, 5):
            assert settled.rival[0, 0] in (39, 37)  # the search's own place, where it lies apart

    @pytest.mark.parametrize(
        ("weighed", "sure"),
        [
            # The true place on rugged ground, whose noise is larger than that of the whole image.
            (([1, 0], [[33, 5], [12, 19]], [62, 59], [-1, -1]), 59),
            # The ground about it shows a better place, whose rival it is.
            (([0, 1], [[60, 70], [33, 5]], [64, 62], [59, -1]), 59),
            # It is none of those that were weighed.
            (([1, 0], [[33, 5], [60, 70]], [62, 30], [-1, -1]), 30),
        ],
    )
    def test_the_searchs_scores_choose_and_weighed_ones_tell_how_sure(self, weighed, sure):
        shapes = np.array([[90, 110], [100, 96]])
        sizes = [grid(tuple(shape), (32, 32)) for shape in shapes.tolist()]
        starts = np.cumsum([0, *(rows * columns for rows, columns in sizes)])
        ground = WindowedTargets(
            Told(np.ones(starts[-1]), starts), np.arange(2), shapes, (32, 32), shipped().odds
        )
        found = Candidates.alone(
            np.array([[0, 1]]), np.array([[[10, 20], [33, 5]]]), np.array([[98, 77]], np.float32)
        )
        target, place, score, rival = weighed
        anew = Candidates(
            np.array([target]),
            np.array([place]),
            np.array([score], np.float32),
            np.array([[[10, 20], [0, 0]]]),
            np.array([rival], np.float32),
        )
        settled = settle(found, anew, NONE, np.zeros((1, 8), np.float32), np.array([False]), ground)
        assert (settled.target[0, 0], tuple(settled.place[0, 0])) == (0, (10, 20))
        assert settled.score[0, 0] == sure
        assert settled.runner_up().score[0, 0] == max(score)

    @pytest.mark.parametrize("first", [0, 1])
    def test_mutual_information_chooses_among_candidates_alone(self, first):
        """It makes none of them likelier than all were by their scores."""
        shapes = np.array([[90, 110], [100, 96], [64, 64]])
        sizes = [grid(tuple(shape), (32, 32)) for shape in shapes.tolist()]
        starts = np.cumsum([0, *(rows * columns for rows, columns in sizes)])
        ground = WindowedTargets(
            Told(np.ones(starts[-1]), starts), np.arange(3), shapes, (32, 32), shipped().odds
        )
        found = Candidates.alone(
            np.array([[0, 1, -1]]),
            np.array([[[10, 20], [33, 5], [0, 0]]]),
            np.array([[80, 78, -1]], np.float32),
        )
        nats = np.array([[300.0, 700.0, 0.0]]) if first else np.array([[900.0, 700.0, 0.0]])
        odds = _odds(found, nats[0], ground.odds)
        assert np.exp(odds[:2]).sum() == pytest.approx(np.exp(ground.odds.slope * np.array([80, 78])).sum())
        assert odds[0] - odds[1] == pytest.approx(
            2 * ground.odds.slope + ground.odds.mutual * (nats[0, 0] - nats[0, 1])
        )
        settled = settle(found, found, nats, np.zeros((1, 8), np.float32), np.array([False]), ground)
        assert settled.target[0, 0] == first
        assert settled.score[0, 0] == found.score[0, first]

    def test_mutual_information_of_the_windows_at_the_candidates(self):
        images = [land(100, 120, k) for k in range(3)]
        patches = [np.ascontiguousarray(images[2][20:52, 30:62]), land(32, 32, 9)]
        job = prepare(images, patches, value_range="dn")
        found = Candidates.alone(
            np.array([[2, 0], [1, -1]]),
            np.array([[[20, 30], [68, 88]], [[3, 4], [0, 0]]]),
            np.array([[50, 40], [30, -1]], np.float32),
        )
        nats = mutual_of(job.task(2), [0, 1], found)
        windows = images[2][20:52, 30:62], images[0][68:100, 88:120], images[1][3:35, 4:36]
        expected = [
            mutual_information(patches[k], np.ascontiguousarray(w), FOUR)
            for k, w in zip((0, 0, 1), windows, strict=True)
        ]
        assert nats.ravel().tolist() == [*expected, 0]

    def test_colour_rules_nothing_out(self):
        """Snow, a burn or a flood make any place look like another: a lead of the search outweighs the wrong colour."""
        side = (32, 32)
        targets = [land(90, 110, 1), sea(100, 96, 2)]
        ground = ground_of(targets, side)
        patch = sea(32, 32, 9)
        density = ground.colours.density(statistics(patch, side)[0, 0])
        assert density.min() > 0.1
        found = Candidates.alone(
            np.array([[0, 1]]), np.array([[[10, 20], [33, 5]]]), np.array([[90, 10]], np.float32)
        )
        settled = settle(found, found, NONE, statistics(patch, side)[0], np.array([False]), ground)
        assert (settled.target[0, 0], tuple(settled.place[0, 0])) == (0, (10, 20))

    def test_water_is_sought_in_water(self):
        """A patch without an edge is answered in the only water, and its confidence stays low."""
        images = [land(200, 200, k) for k in range(4)] + [sea(200, 200, 7)]
        patches = [sea(48, 48, 20 + k, (330, 345, 440, 100)) for k in range(3)]
        for search in ("pyramid", "exhaustive"):
            result = matcher.match(images, patches, search=search)
            assert (result.image == 4).all()
            assert (result.confidence < 0.5).all()
            assert np.median(result.confidence) < 0.1
            assert set(result.reason) <= {"flat", "weak", "ambiguous"}

    def test_what_stands_out_is_left_alone(self):
        images = [land(160, 160, k) for k in range(3)] + [sea(160, 160, 7)]
        patch = np.ascontiguousarray(images[1][40:88, 70:118])
        result = matcher.match(images, [patch])
        assert (result.image[0], result.x[0], result.y[0]) == (1, 70, 40)
        assert result.confidence[0] > 0.99

    def test_no_patch_feels_another(self):
        images = [land(160, 160, k) for k in range(3)] + [sea(160, 170, 7), sea(150, 160, 8)]
        patches = [sea(32, 32, 20), land(32, 32, 30), sea(32, 32, 21)]
        together = matcher.match(images, patches)
        for k, patch in enumerate(patches):
            alone = matcher.match(images, [patch])
            for name in ("image", "x", "y", "score", "confidence", "reason"):
                assert getattr(alone, name)[0] == getattr(together, name)[k]
