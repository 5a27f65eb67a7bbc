"""The coarse-to-fine search: patches of any size, at any edge, and answers that depend on nothing else."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import matcher
from matcher.errors import MatcherError
from matcher.evidence import templates
from matcher.kernels.bits import CHUNK
from matcher.kernels.slide import ROW_SHIFT
from matcher.model import shipped
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.pyramid.cascade import search_pyramid
from matcher.search.pyramid.codes import CELLS, LARGEST, Plan
from matcher.search.pyramid.index import build_index, code_patches
from matcher.search.pyramid.judging import _scored, agreement, judge
from matcher.search.pyramid.proposals import propose_coarse, propose_middle
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE, SEARCHES
from tests import naive
from tests.evidence.test_evidence import FOUR, texture

REAL = Path(__file__).parents[1] / "data" / "cities.npz"
SIDES = [(k, k) for k in range(12, 80)] + [(k, k) for k in (95, 96, 127, 128, 129, 200, 511, 512)]
SIDES += [(12, 90), (90, 12), (12, 512), (64, 200), (33, 127), (250, 100)]


PROPOSE = {
    "coarse": lambda index, codes, depth: propose_coarse(index, codes, 8 * depth, depth),
    "middle": propose_middle,
}


def rows_of(result):
    """Everything that a result says, row by row, by id."""
    columns = (
        result.image,
        result.x,
        result.y,
        result.score,
        result.runner_up_image,
        result.runner_up_score,
        result.confidence,
        result.reason,
    )
    return {
        patch: tuple(np.asarray(c)[k].item() for c in columns) for k, patch in enumerate(result.ids.tolist())
    }


def smooth(height, width, seed):
    """Texture with structure at several scales, as ground has: pooled codes are told apart by it."""
    rng = np.random.default_rng(seed)
    out = np.full((height, width, 4), 1200.0)
    for scale in (1, 2, 4, 8):
        coarse = rng.normal(0, 90, (-(-height // scale), -(-width // scale), 4))
        out += np.kron(coarse, np.ones((scale, scale, 1)))[:height, :width]
    return out.clip(1, 4095).astype(np.uint16)


def noisy(dn, seed):
    """Another date of the same ground: other gains, offsets and noise."""
    rng = np.random.default_rng(seed)
    gain, offset = rng.uniform(0.6, 1.5, 4), rng.uniform(0, 200, 4)
    return (dn * gain + offset + rng.normal(0, 20, dn.shape)).clip(1, 4095).astype(np.uint16)


class TestPlan:
    @pytest.mark.parametrize(("height", "width"), SIDES)
    def test_of_any_side(self, height, width):
        plan = Plan.of(height, width)
        assert plan.side == (min(height, LARGEST), min(width, LARGEST))
        for own, margin, coded in zip((height, width), plan.margin, plan.side, strict=True):
            assert 0 <= own - coded - 2 * margin <= 1  # the middle
        assert plan.cell % plan.stride == 0
        assert all(1 <= count <= CELLS for count in plan.cells)
        assert all(count * plan.cell <= coded for count, coded in zip(plan.cells, plan.side, strict=True))
        for middle, coded in zip(plan.middle, plan.side, strict=True):
            assert middle * plan.factor <= coded < (middle + 1) * plan.factor
        assert plan.per_word >= 1
        assert plan.middle[1] * plan.per_word <= 64
        assert plan.places(height, width)[0] >= 1
        assert plan.places(*plan.side) == (1, 1)

    def test_of_the_challenge(self):
        plan = Plan.of(64, 64)
        assert (plan.cell, plan.cells, plan.margin, plan.factor) == (8, (8, 8), (0, 0), 4)
        assert plan.places(512, 512) == (448 // plan.stride + 1,) * 2


class TestProposals:
    @pytest.mark.parametrize(
        ("height", "width"), [(12, 12), (13, 13), (30, 50), (50, 30), (64, 64), (101, 77)]
    )
    def test_middle_keys_as_loops(self, height, width):
        """The best row of each column of every target, in order of distance."""
        targets = [texture(height + 11, width + 9, seed=1), texture(height + 4, width + 30, seed=2)]
        plan = Plan.of(height, width)
        index = build_index(targets, [t.shape[:2] for t in targets], FOUR, plan)
        patches = code_patches(
            [t[2 : 2 + height, 4 : 4 + width] for t in targets] + [texture(height, width, seed=9)], FOUR, plan
        )
        found = propose_middle(index, patches, 10**6)
        factor, (rows, columns), per_word, planes = plan.factor, plan.middle, plan.per_word, 8
        for n in range(len(patches)):
            own = np.array(
                [
                    [[int(patches.middle[n, p // per_word, r]) >> (p % per_word * columns + c) & 1
                      for c in range(columns)] for r in range(rows)]
                    for p in range(planes)
                ]
            )  # fmt: skip
            expected = []
            for k, target in enumerate(targets):
                flat = index.middle[index.middle_starts[k] :][: index.sizes[k, 1]]
                packed = flat.reshape(planes, -1, target.shape[0] // factor)
                tall, wide = (size // factor for size in target.shape[:2])
                bits = np.array(
                    [[[int(packed[p, x >> 6, y]) >> (x & 63) & 1 for x in range(wide)] for y in range(tall)]
                     for p in range(planes)]
                )  # fmt: skip
                for x in range(wide - columns + 1):
                    distances = [
                        int((bits[:, y : y + rows, x : x + columns] != own).sum())
                        for y in range(tall - rows + 1)
                    ]
                    (least,) = naive.naive_least(distances, 1)
                    expected.append((distances[least], k, least * factor, x * factor))
            order = naive.naive_least([e[0] for e in expected], len(expected))
            got = np.concatenate([found.target[n][:, None], found.corner[n]], axis=1).tolist()
            assert got == [list(expected[k][1:]) for k in order]

    @pytest.mark.parametrize("level", PROPOSE)
    @pytest.mark.parametrize("side", [12, 13, 21, 47, 64, 90, 128])
    def test_reaches_every_place(self, level, side):
        """Whatever the target's size leaves over beyond the coarse places, its last pixel is refined too; the middle
        cells are as wide as their steps: what lies more than half a step beyond looks like another place to them."""
        plan = Plan.of(side, side)
        step = max(plan.stride, plan.factor)
        for over in range(step):
            size = side + 2 * step + over
            target = smooth(size, size, seed=over).astype(np.float32)
            index = build_index([target], [target.shape[:2]], FOUR, plan)
            last = size - side
            if level == "middle":
                reach = (size // plan.factor - side // plan.factor) * plan.factor + plan.factor // 2
                last = min(last, reach)
            places = [(0, 0), (last, last), (0, last), (last, 1), (last // 2, last - 1)]
            codes = code_patches([target[y : y + side, x : x + side] for y, x in places], FOUR, plan)
            best = judge(index, codes, PROPOSE[level](index, codes, 10**6), 1)
            assert [tuple(place) for place in best.place[:, 0].tolist()] == places

    def test_every_second_place_lies_in_a_chunk(self):
        plan = Plan.of(64, 64)
        places = [(31, 33), (1, 1), (16, 16), (30, 34), (31, 34)]
        shapes = [tuple(64 + plan.stride * (n - 1) for n in one) for one in places]
        index = build_index([texture(*shape, seed=1) for shape in shapes], shapes, FOUR, plan)
        counts = [len(range(0, rows, 2)) * len(range(0, columns, 2)) for rows, columns in places]
        assert index.places().tolist() == [list(one) for one in places]
        assert index.chunk_starts().tolist() == [0, *np.cumsum([math.ceil(n / CHUNK) for n in counts])]

    def test_scores_are_sums_of_squares_above_the_noise(self):
        rng = np.random.default_rng(0)
        targets = [texture(80, 90, seed=k) for k in range(2)]
        plan = Plan.of(32, 32)
        index = build_index(targets, [target.shape[:2] for target in targets], FOUR, plan)
        patches = code_patches([target[9:41, 7:39] for target in targets], FOUR, plan)
        target = np.array([[0, 1, -1], [1, 0, -1]])
        place = rng.integers(0, 48, (2, 3, 2))
        place[0, 0] = place[1, 0] = (9, 7)
        agree = agreement(index, patches, target, place)
        mean = (agree * rng.uniform(0.9, 1.1, agree.shape)).astype(np.float32)
        deviation = rng.uniform(5, 50, agree.shape).astype(np.float32)
        score = _scored(index, patches, target, place, mean, deviation)
        assert (agree < mean)[:, :2].any()
        for at in np.ndindex(2, 2):
            z = [(float(a) - m) / d for a, m, d in zip(agree[at], mean[at], deviation[at], strict=True)]
            assert score[at] == pytest.approx(sum(max(one, 0) ** 2 for one in z), rel=1e-5)
        assert score[:, 2].tolist() == [-1, -1]

    def test_only_wanted_targets_are_proposed(self):
        """What a patch is proposed does not depend on the targets that others want."""
        shapes = [(90, 80), (70, 95), (84, 84)]
        targets = [texture(*shape, seed=k) for k, shape in enumerate(shapes)]
        plan = Plan.of(40, 40)
        index = build_index(targets, shapes, FOUR, plan)
        codes = code_patches([texture(40, 40, seed=8 + k) for k in range(5)], FOUR, plan)
        wanted = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], bool)
        every = propose_middle(index, codes, 10**6)
        some = propose_middle(index, codes, 10**6, wanted)
        for n in range(len(wanted)):
            kept = np.flatnonzero(wanted[n][every.target[n]])
            assert some.target[n, : len(kept)].tolist() == every.target[n, kept].tolist()
            assert (some.target[n, len(kept) :] == -1).all()
            assert (some.corner[n, : len(kept)] == every.corner[n, kept]).all()
        found = judge(index, codes, some, 3)
        for n in range(len(wanted)):
            there = found.target[n][found.target[n] >= 0]
            assert sorted(there.tolist()) == np.flatnonzero(wanted[n]).tolist()

    def test_depth_counts_proposals(self):
        plan = Plan.of(40, 40)
        index = build_index([texture(90, 80, seed=k) for k in range(3)], 3 * [(90, 80)], FOUR, plan)
        codes = code_patches([texture(40, 40, seed=8)] * 5, FOUR, plan)
        for propose in PROPOSE.values():
            all_, few = propose(index, codes, 10**6), propose(index, codes, 3)
            np.testing.assert_array_equal(few.target, all_.target[:, :3])
            np.testing.assert_array_equal(few.corner, all_.corner[:, :3])
            assert (all_.target == all_.target[:1]).all()  # the same patch, the same proposals

    def test_keys_hold_any_distance(self):
        """Bits of a middle code, and rows of the tallest target, fit one key of 32 bits."""
        for side in SIDES:
            assert 10 * math.prod(Plan.of(*side).middle) < 1 << 32 - ROW_SHIFT


class TestBestByTarget:
    def test_one_place_a_target_ties_to_the_lowest(self):
        target = np.array([[2, 1, 1, 0, -1, 2]])
        place = np.array([[[5, 5], [3, 9], [3, 2], [0, 0], [0, 0], [4, 7]]])
        score = np.array([[7.0, 7.0, 7.0, 1.0, -1.0, 7.0]], np.float32)
        best = best_by_target(Candidates.alone(target, place, score), 4)
        assert best.target.tolist() == [[1, 2, 0, -1]]
        assert best.place[0, :3].tolist() == [[3, 2], [4, 7], [0, 0]]
        assert best.score.tolist() == [[7, 7, 1, -1]]

    @pytest.mark.parametrize("keep", [1, 3, 8])
    def test_as_loops(self, keep):
        rng = np.random.default_rng(keep)
        target, place = rng.integers(-1, 6, (40, 30)), rng.integers(0, 3, (40, 30, 2))
        score = rng.integers(0, 5, (40, 30)).astype(np.float32)
        found = best_by_target(Candidates.alone(target, place, score), keep)
        for n in range(40):
            rows = sorted((-score[n, m], target[n, m], *place[n, m]) for m in range(30) if target[n, m] >= 0)
            expected = []
            for row in rows:
                if row[1] not in [other[1] for other in expected]:
                    expected.append(row)
            expected = expected[:keep] + [(1.0, -1, 0, 0)] * (keep - len(expected))
            got = [
                (-s, t, y, x)
                for s, t, (y, x) in zip(found.score[n], found.target[n], found.place[n], strict=True)
            ]
            assert got == expected

    @pytest.mark.parametrize("keep", [1, 3])
    def test_rivals_as_loops(self, keep):
        """Places of one target, and their own rivals, are the rivals of its best where they lie apart."""
        rng = np.random.default_rng(keep)
        n, m = 60, 12
        target = rng.integers(-1, 4, (n, m))
        place, rival_place = rng.integers(0, 3 * APART, (2, n, m, 2))
        score, rival = rng.integers(0, 5, (2, n, m)).astype(np.float32)
        rival[rng.random((n, m)) < 0.5] = -1
        given = Candidates(target, place, score, rival_place, rival)
        found = best_by_target(given, keep)
        for k in range(n):
            for slot in range(keep):
                own, at = found.target[k, slot], found.place[k, slot]
                expected = [(1.0, 0, 0)]  # none
                for i in range(m):
                    for value, (y, x) in ((score[k, i], place[k, i]), (rival[k, i], rival_place[k, i])):
                        apart = max(abs(y - at[0]), abs(x - at[1])) > APART
                        if own >= 0 and target[k, i] == own and apart and value >= 0:
                            expected.append((-value, y, x))
                assert (-found.rival[k, slot], *found.rival_place[k, slot]) == min(expected)

    def test_the_runner_up_is_the_best_other_place_anywhere(self):
        given = Candidates(
            np.array([[4, 2], [4, 2], [4, -1]]),
            np.array([[[1, 1], [2, 2]], [[1, 1], [2, 2]], [[1, 1], [0, 0]]]),
            np.array([[9, 5], [9, 5], [9, -1]], np.float32),
            np.array([[[70, 8], [0, 0]], [[70, 8], [3, 3]], [[0, 0], [0, 0]]]),
            np.array([[7, -1], [4, 4.5], [-1, -1]], np.float32),
        )
        second = given.runner_up()
        assert second.target[:, 0].tolist() == [4, 2, -1]
        assert second.place[:2, 0].tolist() == [[70, 8], [2, 2]]
        assert second.score[:, 0].tolist() == [7, 5, -1]
        assert given.first(1).runner_up().score[:, 0].tolist() == [7, 4, -1]

    def test_the_runner_up_in_another_target_is_its_best_place_and_not_as_good_a_rival(self):
        given = Candidates(
            np.array([[4, 2]]),
            np.array([[[1, 1], [2, 2]]]),
            np.array([[9, 5]], np.float32),
            np.array([[[0, 0], [30, 3]]]),
            np.array([[-1, 5]], np.float32),
        )
        assert given.runner_up().place[0, 0].tolist() == [2, 2]

    def test_ranked_anew(self):
        found = Candidates.alone(
            np.array([[4, 2, 7]]), np.array([[[4, 4], [2, 2], [7, 7]]]), np.array([[9, 5, 1]], np.float32)
        )
        again = found.ranked(np.array([[3, 3, 8]], np.float32))
        assert again.target.tolist() == [[7, 2, 4]]
        assert again.place[0].tolist() == [[7, 7], [2, 2], [4, 4]]


class TestPlanted:
    @pytest.mark.parametrize(
        "side", [(16, 16), (17, 21), (31, 64), (63, 65), (64, 64), (99, 40), (130, 129), (200, 133)]
    )
    @pytest.mark.parametrize("threads", [1, 2])
    def test_patches_of_any_size(self, side, threads):
        """In images of several sizes, one of which no patch fits into."""
        shapes = [(side[0] + 43, side[1] + 70), (side[0] - 1, 300), (side[0] + 43, side[1] + 70), side]
        images = [smooth(*shape, seed=k) for k, shape in enumerate(shapes)]
        places = [(0, 0, 0), (0, 43, 70), (2, 22, 31), (2, 1, 69), (3, 0, 0)]
        patches = [
            noisy(images[k][y : y + side[0], x : x + side[1]], seed=n) for n, (k, y, x) in enumerate(places)
        ]
        result = matcher.match(images, patches, threads=threads)
        found = list(zip(result.image.tolist(), result.y.tolist(), result.x.tolist(), strict=True))
        assert found == places

    @pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
    @pytest.mark.parametrize(("dy", "dx"), [(1, 0), (0, 5), (7, 13)])
    def test_answers_move_with_the_target(self, search, dy, dx):
        ground = smooth(160, 170, seed=3)
        patches = [noisy(ground[y : y + 48, x : x + 48], seed=y) for y, x in ((20, 30), (90, 100), (60, 15))]
        other = smooth(140, 120, seed=4)
        still = matcher.match([other, ground], patches, search=search)
        moved = matcher.match([other, np.ascontiguousarray(ground[dy:, dx:])], patches, search=search)
        assert still.image.tolist() == moved.image.tolist() == [1, 1, 1]
        assert (still.y - moved.y).tolist() == [dy] * 3
        assert (still.x - moved.x).tolist() == [dx] * 3

    @pytest.mark.parametrize(
        "evidence", [("phase",), ("phase2",), ("phase", "phase2", "magnitude"), DEFAULT_EVIDENCE]
    )
    def test_gain_offset_and_contrast(self, evidence):
        """Integer gain and offset a band change no answer, contrast none of the sign-blind phase."""
        images = [smooth(100, 110, seed=k) // 4 for k in range(3)]
        patches = [images[k][y : y + 40, x : x + 40] for k, y, x in ((2, 9, 60), (0, 51, 33))]
        gain, offset = np.array([1, 3, 2, 2]), np.array([300, 0, 11, 150])
        changed = [(p * gain + offset).astype(np.uint16) for p in patches]
        if evidence == ("phase2",):
            changed = [4096 - p for p in changed]
        plain = matcher.match(images, patches, evidence=evidence)
        other = matcher.match(images, changed, evidence=evidence)
        for column in ("image", "x", "y"):
            np.testing.assert_array_equal(getattr(plain, column), getattr(other, column))
        assert plain.image.tolist() == [2, 0]


def hard_and_easy():
    """Plain patches, noisy ones, half flat, flat, of nowhere, and of two sizes."""
    images = [smooth(130, 140, seed=k) for k in range(4)]
    rng = np.random.default_rng(0)
    patches = []
    for n in range(13):
        k, y, x = n % 4, int(rng.integers(80)), int(rng.integers(80))
        patch = noisy(images[k][y : y + 48, x : x + 48], seed=n)
        if n % 3 == 1:
            patch = (patch + rng.normal(0, 400, patch.shape)).clip(1, 4095).astype(np.uint16)
        if n % 4 == 2:
            patch[:, : 10 + 2 * n] = 4095
        patches.append(patch)
    patches[5] = np.full((48, 48, 4), 800, np.uint16)
    patches[7] = smooth(48, 48, seed=99)
    patches[9] = np.ascontiguousarray(patches[9][:40])
    return images, patches


class TestNothingElseMatters:
    @pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
    def test_not_the_threads_nor_the_other_patches(self, search):
        images, patches = hard_and_easy()
        whole = rows_of(matcher.match(images, patches, search=search, threads=1))
        assert rows_of(matcher.match(images, patches, search=search, threads=2)) == whole
        order = np.random.default_rng(1).permutation(len(patches))
        turned = rows_of(matcher.match(images, [patches[k] for k in order], search=search))
        assert {int(order[n]): row for n, row in turned.items()} == whole
        for part in ([0], [7], [1, 2, 8], [9, 4]):
            few = rows_of(matcher.match(images, [patches[k] for k in part], search=search))
            assert [few[n] for n in range(len(part))] == [whole[k] for k in part]

    def test_not_the_blocks(self, monkeypatch):
        images, patches = hard_and_easy()
        whole = rows_of(matcher.match(images, patches))
        monkeypatch.setattr("matcher.search.pyramid.levels.BLOCK", 3)
        monkeypatch.setattr("matcher.search.pyramid.levels.DOUBTFUL_BLOCK", 1)
        monkeypatch.setattr("matcher.search.pyramid.codes.TOGETHER", 1)
        assert rows_of(matcher.match(images, patches)) == whole

    def test_not_whether_patches_are_kept_from_block_to_block(self, monkeypatch):
        images = [smooth(90 + k, 100, seed=k) for k in range(3)]  # each a block of its own
        patches = [noisy(image[20:52, 30:62], seed=9) for image in images]
        made = []

        def counted(*given):
            made.append(1)
            return templates(*given)

        monkeypatch.setattr("matcher.search.exhaustive.templates", counted)
        whole = rows_of(matcher.match(images, patches, search="exhaustive"))
        assert len(made) == len(patches)
        monkeypatch.setattr("matcher.search.exhaustive._KEPT_SHARE", 0)
        assert rows_of(matcher.match(images, patches, search="exhaustive")) == whole
        assert len(made) == len(patches) * (1 + len(images))

    def test_not_the_memory(self, monkeypatch):
        images, patches = hard_and_easy()
        whole = rows_of(matcher.match(images, patches, search="exhaustive"))
        monkeypatch.setattr(
            "matcher.search.exhaustive.target_bytes", lambda *_: 1 << 40
        )  # one target a block
        assert rows_of(matcher.match(images, patches, search="exhaustive")) == whole

    def test_not_what_has_room(self, monkeypatch):
        """One patch a block, and one tile at a time, where the memory has room for no more."""
        images, patches = hard_and_easy()
        asked = []

        def counted(_task, _each, most):
            asked.append(most)
            return 1

        whole = {kind: rows_of(matcher.match(images, patches, search=kind)) for kind in SEARCHES}
        monkeypatch.setattr(Task, "together", counted)
        monkeypatch.setattr("matcher.search.exhaustive._room", lambda *_: 0)
        assert {kind: rows_of(matcher.match(images, patches, search=kind)) for kind in SEARCHES} == whole
        assert set(asked) >= {1024, 512, 32}

    def test_pairs_are_reported(self):
        images, patches = hard_and_easy()
        from matcher.formats.opening import open_images, open_patches
        from matcher.imagery import open_pictures

        targets, queries = open_pictures(open_images(images), open_patches(patches), "dn")
        done = []
        task = Task(
            targets,
            queries,
            FOUR,
            DEFAULT_EVIDENCE,
            shipped(),
            2,
            1.0,
            1 << 30,
            ("red", "green", "blue", "nir"),
        )
        found = search_pyramid(task, [0, 1, 2], done.append)
        assert sum(done) == 12
        assert found.target.shape == (3, 2)


class TestReal:
    """Two dates of three cities: contains modified Copernicus Sentinel data."""

    @pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
    def test_finds_the_later_date_in_the_earlier(self, search):
        with np.load(REAL) as data:
            about = json.loads(str(data["about"]))
            images = [data[f"{city}_first"] for city in about["cities"]]
            later = [data[f"{city}_second"] for city in about["cities"]]
        top, left = about["offset"]
        side, patches, truth = 56, [], []
        for k, picture in enumerate(later):
            for y, x in ((0, 0), (32, 0), (7, 25), (20, 32)):
                patches.append(picture[y : y + side, x : x + side])
                truth.append((k, y + top, x + left))
        result = matcher.match(images, patches, search=search)
        truth = np.array(truth)
        np.testing.assert_array_equal(result.image, truth[:, 0])
        off = np.hypot(result.y - truth[:, 1], result.x - truth[:, 2])
        assert off.max() <= 1.5  # the dates themselves lie up to 1 px apart
        assert (result.confidence > 0.9).all()


def test_a_target_too_tall_for_the_keys_is_refused_by_name():
    tall = np.full((8193, 16, 1), 900, np.uint16)
    with pytest.raises(MatcherError, match=r"8193 px high.*matcher locate"):
        matcher.match([tall], [texture(16, 16, seed=1)[..., :1].astype(np.uint16)], bands=("gray",))
