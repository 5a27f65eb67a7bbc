"""The cascade's levels one by one: who is in doubt, how far a level looks, and what they find on real ground."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from matcher.demo.sample import cut_patches, read_sample
from matcher.evidence import channels, templates
from matcher.matching.job import prepare
from matcher.search.candidates import Candidates
from matcher.search.correlation import target_spectra
from matcher.search.exhaustive import patch_peaks, search_everywhere
from matcher.search.pyramid import cascade, exact_tiles
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.exact_tiles import in_doubt, judge_exactly, weigh
from matcher.search.pyramid.hunt import Hunt
from matcher.search.pyramid.index import build_index, code_patches
from matcher.search.pyramid.judging import judge
from matcher.search.pyramid.levels import (
    AFTER_COARSE,
    AFTER_EXACT,
    AFTER_MIDDLE,
    AFTER_SWEEP,
    EVERYWHERE,
    LEVELS,
    LIKEST_FEW,
    Coarse,
    Exact,
    Middle,
    Sweep,
    merged,
)
from matcher.search.pyramid.promise import Promise
from matcher.search.pyramid.proposals import Proposals
from tests.evidence.test_evidence import FOUR
from tests.search.test_pyramid import noisy, smooth

SIDE = 32
NOWHERE = replace(EVERYWHERE, pixels=0, small_pixels=0)
# What is meant for many targets too, though all of these patches are sought everywhere among few.
EVERY_LEVEL = (
    *LEVELS[:4],
    Sweep(AFTER_EXACT, unless=NOWHERE),
    replace(LIKEST_FEW, unless=NOWHERE, pixels=2e5, share=1.0),
    EVERYWHERE,
)


def candidates(*rows):
    """Of patches with scores of a best place and of a second."""
    score = np.array(rows, np.float32)
    target = np.tile(np.arange(score.shape[1]), (len(score), 1))
    return Candidates.alone(target, np.zeros((*score.shape, 2), np.int64), score)


class TestDoubt:
    """Chance reaches 50 among the places of the challenge, and twice the score of the second best target."""

    @pytest.mark.parametrize("doubt", [AFTER_COARSE, AFTER_MIDDLE, AFTER_EXACT])
    def test_what_chance_reaches_is_in_doubt_however_it_leads(self, doubt):
        assert doubt.rows(candidates((50, 1), (200, 1), (20, 19))).tolist() == [0, 2]

    def test_what_reaches_either_number_is_in_no_doubt(self):
        found = candidates((60, 24), (59, 20), (61, 25), (128, 80), (127, 80))
        assert AFTER_COARSE.rows(found).tolist() == [1, 2, 3, 4]
        assert AFTER_MIDDLE.rows(found).tolist() == [1, 4]
        assert AFTER_EXACT.rows(candidates((90, 45), (89, 40), (91, 46))).tolist() == [1, 2]
        assert AFTER_SWEEP.rows(candidates((60, 60), (59, 1), (61, 61))).tolist() == [1]
        assert in_doubt(candidates((90, 45), (89, 40), (91, 46))).tolist() == [1, 2]

    def test_a_small_lead_is_in_doubt(self):
        found = candidates((200, 101), (200, 79), (200, 130))
        assert AFTER_COARSE.rows(found).tolist() == [0, 2]
        assert AFTER_MIDDLE.rows(found).tolist() == [2]
        assert AFTER_EXACT.rows(found).tolist() == [0, 2]


class TestEverywhere:
    @pytest.mark.parametrize(
        ("side", "pixels", "effort", "seen"),
        [
            ((32, 32), 1e6, 1.0, True),
            ((48, 48), 4e7, 1.0, True),
            ((49, 49), 4e7, 1.0, False),
            ((32, 64), 4e7, 1.0, False),
            ((64, 64), 7e6, 1.0, True),
            ((64, 64), 1e7, 1.0, False),
            ((64, 64), 1e7, 1.5, True),
            ((32, 32), 6e7, 1.0, False),
            ((32, 32), 6e7, 3.0, True),
            ((32, 32), 3e7, 0.5, False),
        ],
    )
    def test_patches_are_sought_everywhere_in_few_pixels(self, side, pixels, effort, seen):
        """Where pixels are more, what it finds beyond the sweep is not worth its time."""
        assert EVERYWHERE.sees(side, pixels, effort) == seen


class TestLikest:
    """Which targets the exact engine looks at: the likest, where few are as like, as far as their pixels allow."""

    SHAPES = ((300, 300), (200, 200), (300, 500), (900, 900), (300, 300), (100, 100))  # 1.2e6 pixels

    def wanted(self, distances, effort=1.0, patch=None, level=LIKEST_FEW):
        patch = smooth(64, 64, seed=1).astype(np.float32) if patch is None else patch
        shapes = np.array(self.SHAPES)
        told = np.array([distances], np.float32)
        promise = Promise.__new__(Promise)  # of targets of these sizes and distances
        promise._pixels = shapes.prod(1)
        hunt = SimpleNamespace(
            distances=lambda _rows, _patches: told,
            index=SimpleNamespace(shapes=shapes),
            promise=promise,
            task=SimpleNamespace(effort=effort, roles=FOUR),
        )
        level = replace(level, share=0.1)
        return np.flatnonzero(level.wanted(hunt, np.arange(1), [patch])[0]).tolist()

    def test_the_likest_first_as_far_as_their_pixels_allow(self):
        """0.09, 0.15, 0.09, 0.04 and 0.01 million pixels, of 0.6 at most; half of it at half the effort."""
        assert self.wanted([1, 20, 9, 90, 9, 30]) == [0, 1, 2, 4, 5]
        assert self.wanted([1, 20, 9, 90, 9, 30], effort=0.5) == [0, 2]
        assert self.wanted([1, 20, 9, 90, 9, 30], effort=0.1) == []

    def test_a_large_one_ends_them(self):
        """Its pixels would take longer than all else."""
        assert self.wanted([30, 1, 20, 9, 25, 40]) == [1]
        assert self.wanted([30, 10, 20, 9, 25, 40]) == []

    def test_none_where_many_are_as_like(self):
        """More than a tenth of all pixels lies in targets that are as like as the likest."""
        assert self.wanted([1, 4.5, 9, 90, 9, 30]) == [0, 1, 2, 4, 5]
        assert self.wanted([1, 4, 9, 90, 9, 30]) == []

    def test_none_for_water(self):
        water = (300 + np.random.default_rng(2).normal(0, 2, (64, 64, 4))).astype(np.float32)
        assert self.wanted([1, 20, 9, 90, 9, 30], patch=water) == []

    def test_a_place_that_no_other_level_found(self):
        """It is what the exhaustive search says of these targets, beside what was known."""
        targets = [smooth(120, 130, seed) for seed in range(8)]
        patches = [noisy(targets[5][40:104, 20:84], seed=1), noisy(targets[2][9:73, 33:97], seed=2)]
        job = prepare(targets, patches, value_range="dn", memory=256 << 20)
        found = Candidates.empty(2, 6)
        hunt = Hunt(job.task(1), range(2), job.index((64, 64)), found)
        found.target[:, 0], found.score[:, 0] = 7, 20
        told = {0: [9, 8, 7, 6, 5, 1, 4, 3], 1: [9, 8, 1, 6, 5, 2, 4, 3]}  # how unlike the targets are
        hunt._known.update({n: np.array(one, np.float32) for n, one in told.items()})
        level = replace(LIKEST_FEW, unless=NOWHERE, pixels=120 * 130 * 2, share=1.0)
        assert level.rows(hunt).tolist() == [0, 1]
        best = level.look(hunt, np.arange(2), [job.patches[k] for k in range(2)])
        every = search_everywhere(replace(job.task(8), memory=1 << 30), range(2), lambda _pairs: None)
        for n, likest in enumerate([(5, 7), (2, 5)]):
            named = best.target[n][best.target[n] >= 0].tolist()
            assert sorted(named) == sorted({*likest, 7})
            for k in likest:
                here, there = named.index(k), every.target[n].tolist().index(k)
                assert best.score[n, here] == every.score[n, there]
                assert best.place[n, here].tolist() == every.place[n, there].tolist()
        assert (best.target[:, 0].tolist(), best.place[:, 0].tolist()) == ([5, 2], [[40, 20], [9, 33]])

    def test_among_very_many_targets_few_patches_are_held_at_once(self):
        """Distances and order of a million targets take 24 MB a patch."""
        hunt = SimpleNamespace(block=lambda most: most, keys=lambda columns: 600_000_000 // columns)
        for count, together in ((600, 512), (1_000_000, 100)):
            hunt.index = range(count)
            assert LIKEST_FEW.together(hunt) == together

    def test_not_where_all_is_sought_everywhere(self):
        job = prepare([smooth(120, 130, 1)], [smooth(64, 64, 2)], value_range="dn")
        hunt = Hunt(job.task(1), range(1), job.index((64, 64)), Candidates.empty(1, 6))
        assert not len(LIKEST_FEW.rows(hunt))


class TestWeigh:
    """Which answers are judged by the ground about them, and by how much of it."""

    def test_what_is_weighed(self, monkeypatch):
        """Neither what is as sure as can be, nor what chance explains."""
        two = [(100, 30), (100, 45), (70, 68), (30, 20), (30, 28), (140, 60), (95, 37)]
        judged = []

        def judge(patches, found, _task, around):
            judged.append((len(patches), found.score.tolist(), around))
            return found

        monkeypatch.setattr(exact_tiles, "judge_exactly", judge)
        pictures = np.random.default_rng(1).integers(200, 3000, (len(two), 64, 64, 4)).astype(np.uint16)
        weigh(prepare(pictures, pictures).task(1), range(len(two)), candidates(*two))
        ((count, scores, around),) = judged
        assert scores == [[100, 45], [70, 68], [30, 20], [140, 60]]
        assert (count, around) == (4, exact_tiles.WIDE)

    def test_a_place_45_px_off_is_seen(self):
        target = smooth(220, 230, seed=2)
        target[20:84, 130:194] = target[65:129, 130:194]
        job = prepare([target], [noisy(target[65:129, 130:194], seed=5)], value_range="dn")
        found = Candidates.alone(np.array([[0]]), np.array([[[65, 130]]]), np.array([[80]], np.float32))
        weighed = weigh(job.task(1), [0], found)
        assert sorted([weighed.place[0, 0].tolist(), weighed.rival_place[0, 0].tolist()]) == [
            [20, 130],
            [65, 130],
        ]
        assert weighed.rival[0, 0] > 0.4 * weighed.score[0, 0]

    @pytest.mark.parametrize("at", [(70, 80), (0, 0), (156, 100)])
    def test_fields_at_a_tiles_border_are_those_of_the_whole_target(self, at):
        target, around = smooth(220, 230, seed=2), 10
        patch = noisy(target[at[0] : at[0] + 64, at[1] : at[1] + 64], seed=3).astype(np.float32)
        job = prepare([target], [patch], value_range="dn")
        task = job.task(1)
        found = Candidates.alone(np.array([[0]]), np.array([[at]]), np.ones((1, 1), np.float32))
        judged = judge_exactly([patch], found, task, around)
        corner = [
            min(max(a - around, 0), n - 64 - 2 * around) for a, n in zip(at, target.shape, strict=False)
        ]
        whole = channels(target.astype(np.float32), task.roles, task.evidence)
        fields = [channel.window(corner, (64 + 2 * around,) * 2) for channel in whole]
        own = templates(patch, task.roles, task.evidence, task.model.responses)
        score, place = patch_peaks(own, target_spectra([fields], (64, 64)))
        assert judged.place[0, 0].tolist() == (place[0, 0] + corner).tolist() == [*at]
        np.testing.assert_allclose((judged.score[0, 0], judged.rival[0, 0]), score[0], rtol=1e-3)


class TestReach:
    """How far off a proposal may be."""

    def test_codes_mend_what_is_two_strides_off(self):
        """In the second best target: of the best all coarse places are looked at for a rival."""
        first = smooth(200, 210, seed=1)
        second = (noisy(first, seed=8) + np.random.default_rng(9).normal(0, 90, first.shape)).clip(1, 4095)
        targets = [first.astype(np.float32), second.astype(np.float32)]
        plan = Plan.of(64, 64)
        index = build_index(targets, [target.shape[:2] for target in targets], FOUR, plan)
        patches = [noisy(first[70:134, 80:144], seed=n).astype(np.float32) for n in range(3)]
        off = 2 * plan.stride
        corner = np.array([[[70, 80], at] for at in ([70 + off, 80], [70 - off, 80 + off], [70, 80 - off])])
        proposals = Proposals(np.tile(np.arange(2), (3, 1)), corner, (plan.stride + 1) // 2)
        found = judge(index, code_patches(patches, FOUR, plan), proposals, 2)
        assert found.target.tolist() == [[0, 1]] * 3
        assert found.place.tolist() == [[[70, 80]] * 2] * 3

    def test_the_exact_engine_mends_20_px(self):
        target = smooth(220, 230, seed=2)
        patches = [noisy(target[70:134, 80:144], seed=n) for n in range(4)]
        job = prepare([target], patches, value_range="dn")
        place = np.array([[[90, 80]], [[50, 60]], [[70, 100]], [[88, 62]]])
        found = Candidates.alone(np.zeros((4, 1), np.int64), place, np.ones((4, 1), np.float32))
        judged = judge_exactly([job.patches[k] for k in range(4)], found, job.task(1))
        assert judged.place[:, 0].tolist() == [[70, 80]] * 4

    def test_the_middle_looks_for_what_has_texture(self):
        target = smooth(220, 230, seed=3)
        textured = noisy(target[70:134, 80:144], seed=1)
        water = 300 + np.random.default_rng(2).normal(0, 2, textured.shape)
        job = prepare([target], [textured, water.astype(textured.dtype)], value_range="dn")
        nowhere = Candidates.empty(2, 1)
        hunt = Hunt(job.task(1), range(2), job.index((64, 64)), nowhere)
        everywhere = Middle("middle", AFTER_COARSE, 8, (0.0, 1.0))
        found = everywhere.look(hunt, np.arange(2), [job.patches[k] for k in range(2)])
        assert found.target[:, 0].tolist() == [0, -1]
        assert found.place[0, 0].tolist() == [70, 80]

    @pytest.mark.parametrize("rank", range(8))
    def test_one_of_the_middle_levels_looks_at_a_target_however_unlike(self, rank, monkeypatch):
        """At the likest quarter of the pixels the first, at all the rest the second."""
        targets = [smooth(120, 130, seed) for seed in range(8)]
        job = prepare(targets, [noisy(targets[5][40:104, 20:84], seed=1)], value_range="dn")
        shares = np.delete(np.arange(8) / 8, rank)
        before = np.insert(shares, 5, rank / 8)[np.newaxis]
        hunt = Hunt(job.task(1), range(1), job.index((64, 64)), Candidates.empty(1, 6))
        promise = SimpleNamespace(distances=lambda _patches, _roles: before, before=lambda _distances: before)
        monkeypatch.setattr(Hunt, "promise", promise)
        likest, others = (
            level.look(hunt, np.arange(1), [job.patches[0]]) for level in LEVELS if isinstance(level, Middle)
        )
        found, other = (likest, others) if rank < 2 else (others, likest)
        assert found.target[0, 0] == 5
        assert found.place[0, 0].tolist() == [40, 20]
        assert 5 not in other.target[0]

    @pytest.mark.parametrize("kept", [0, 2, 9])
    def test_how_unlike_targets_are_is_asked_once_where_it_fits(self, kept, monkeypatch):
        targets = [smooth(120, 130, seed) for seed in range(4)]
        patches = [noisy(targets[k % 4][40:104, 20:84], seed=k).astype(np.float32) for k in range(5)]
        job = prepare(targets, patches, value_range="dn")
        hunt = Hunt(job.task(1), range(5), job.index((64, 64)), Candidates.empty(5, 6))
        monkeypatch.setattr("matcher.search.pyramid.hunt.KNOWN_SHARE", kept * 4 * 4 / hunt.task.memory)
        every = hunt.promise.distances(patches, job.roles)
        asked = []

        def distances(some, roles, told=hunt.promise.distances):
            asked.append(len(some))
            return told(some, roles)

        monkeypatch.setattr(hunt.promise, "distances", distances)
        for rows in ([0, 2, 4], [4, 3, 2], [0, 1, 2, 3, 4]):
            found = hunt.distances(np.array(rows), [patches[k] for k in rows])
            np.testing.assert_array_equal(found, every[rows])
        assert asked == {0: [3, 3, 5], 2: [3, 2, 3], 9: [3, 1, 1]}[kept]

    def test_the_exact_engine_judges_what_codes_rank_sixth(self, monkeypatch):
        """Though one candidate is asked for."""
        targets = [smooth(120, 130, seed) for seed in range(8)]
        job = prepare(targets, [noisy(targets[5][40:104, 20:84], seed=1)], value_range="dn")
        by_codes = candidates((40, 39, 38, 37, 36, 35, 34, 33))

        class Codes(Coarse):
            def look(self, hunt, rows, patches):  # noqa: ARG002
                return by_codes.first(hunt.found.target.shape[1])

        monkeypatch.setattr(cascade, "LEVELS", (Codes(8, 8), Exact()))
        by_codes.place[:] = (40, 20)
        found = cascade.search_pyramid(job.task(1), range(1), lambda _pairs: None)
        assert found.target.tolist() == [[5]]
        assert found.place.tolist() == [[[40, 20]]]

    def test_of_two_searches_the_best_of_each_target(self):
        one, other = candidates((50, 40), (9, 8)), candidates((45, 60), (10, 7))
        assert merged(one, other).score.tolist() == [[60, 50], [10, 8]]


@pytest.fixture(scope="module")
def hard():
    """Small patches of the sample's other dates, of which a third are too flat, clouded or changed to be placed."""
    places = read_sample()
    patches, answers = cut_patches(places, 40, SIDE, seed=3)
    job = prepare([place.image for place in places], patches, value_range="dn")
    return job, answers, job.index((SIDE, SIDE))


@pytest.fixture(scope="module")
def levels(hard):
    """By level: how many patches it sees, and the share of all that lie within 4 px after it; pairs reported."""
    job, answers, index = hard
    states, seen, done = [], {}, []

    class Watched(logging.Handler):
        def emit(self, record):
            seen[record.args[0]] = record.args[1]

    def share(found):
        off = np.hypot(found.place[:, 0, 0] - answers.y, found.place[:, 0, 1] - answers.x)
        return float(((found.target[:, 0] == answers.image) & (off <= 4)).mean())

    def watched(level, hunt, blocks=cascade._blocks):
        yield from blocks(level, hunt)
        states.append(share(hunt.found))

    handler = Watched()
    cascade.log.addHandler(handler)
    before = cascade.log.level
    cascade.log.setLevel(logging.DEBUG)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cascade, "_blocks", watched)
        patched.setattr(cascade, "LEVELS", EVERY_LEVEL)
        cascade.search_pyramid(job.task(2), range(len(answers.ids)), done.append, index)
    cascade.log.removeHandler(handler)
    cascade.log.setLevel(before)
    return states, seen, sum(done)


class TestRealGround:
    """Six places on two dates: contains modified Copernicus Sentinel data.

    The exhaustive search puts 0.775 of these patches within 4 px.
    """

    @pytest.mark.slow
    def test_every_level_finds_more(self, levels):
        shares, _, _ = levels
        floors = [0.62, 0.67, 0.68, 0.71, 0.76, 0.78, 0.77]
        assert (np.array(shares) >= floors).all(), shares
        assert (np.diff(shares)[[0, 3, 4]] > 0).all(), shares

    def test_every_level_sees_those_in_doubt(self, hard, levels):
        _, seen, pairs = levels
        assert list(seen) == ["coarse", "middle", "middle, others", "exact", "sweep", "likest", "everywhere"]
        count = len(hard[1].ids)
        assert seen["coarse"] == count
        assert all(count / 20 < seen[level.name] < count * 0.7 for level in EVERY_LEVEL[1:])
        assert seen["middle, others"] < seen["middle"]
        assert pairs == count * len(hard[2])

    def test_what_is_sought_everywhere_is_not_swept(self, hard):
        job, answers, index = hard
        everywhere, sweep, likest = LEVELS[-3:]
        hunt = Hunt(job.task(2), range(len(answers.ids)), index, Candidates.empty(len(answers.ids), 2))
        assert len(everywhere.rows(hunt)) == len(answers.ids)
        assert not len(sweep.rows(hunt))
        assert not len(likest.rows(hunt))
        assert all(len(level.rows(hunt)) == len(answers.ids) for level in EVERY_LEVEL[-3:])
