"""An index in parts gives the answers of one index, byte for byte, and never more places than it."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.decision.chances import Improvement, best_improvement
from matcher.matching.job import prepare
from matcher.matching.run import match_rows
from matcher.search.pyramid import cascade
from matcher.search.pyramid.divided import Divided
from matcher.search.pyramid.index import code_patches
from matcher.search.pyramid.levels import AFTER_EXACT, EVERYWHERE, LEVELS, LIKEST_FEW, Sweep
from matcher.search.pyramid.parts import Part, cut_evenly
from matcher.search.pyramid.proposals import propose_coarse, propose_middle
from matcher.search.pyramid.quotas import distances, quotas
from matcher.search.pyramid.ragged import Ragged, slim
from tests.search.test_pyramid import noisy, smooth


class Here:
    """Helpers in this process; what is sent is pickled, as it is between machines."""

    def __init__(self, task, index, bounds):
        self.parts = [Part.of(task, index, bounds, p) for p in range(len(bounds) - 1)]
        self.asked = []

    def ask(self, function, calls):
        return {p: pickle.loads(pickle.dumps(answer)) for p, answer in self.hold(function, calls).items()}

    def hold(self, function, calls):
        self.asked.append(function.__name__)
        sent = pickle.loads(pickle.dumps(dict(calls)))
        return {p: function(self.parts[p], *given) for p, given in sent.items()}

    def share(self, value):
        return value


def water(height, width, seed):
    """Ground of one tone, and noise that gradients hardly show."""
    rng = np.random.default_rng(seed)
    tone = np.array((300, 350, 400, 150)) * rng.uniform(0.9, 1.1)
    return rng.normal(tone, 4, (height, width, 4)).clip(1, 4095).astype(np.uint16)


def world(side):
    """Images of several shapes, and patches of which some stand out, some are in doubt and some lie nowhere."""
    more = max(side - 64, 0)
    sizes = [(150, 130), (150, 130), (96, 170), (64, 69), (131, 99), (150, 130), (120, 120)]
    images = [smooth(height + more, width + more, seed=k) for k, (height, width) in enumerate(sizes)]
    images[4] = water(131 + more, 99 + more, seed=4)
    images[5] = images[1].copy()  # every place of it is there twice
    images[6][:80] = water(80, 120 + more, seed=6)
    patches = [noisy(images[k][9 : 9 + side, 20 : 20 + side], seed=k) for k in (0, 1, 2, 6)]
    patches += [
        smooth(side, side, seed=90),
        water(side, side, seed=91),
        noisy(images[6][-side:, :side], seed=3),
    ]
    blurred = images[2][30 : 30 + side, 60 : 60 + side].astype(float)
    rng = np.random.default_rng(5)
    patches.append((blurred / 4 + 900 + rng.normal(0, 60, blurred.shape)).clip(1, 4095).astype(np.uint16))
    return images, patches


def answers(job, index):
    side = job.patches.shape(0)[:2]
    result = match_rows(job, indexes={side: index})
    return [np.asarray(getattr(result, name)).tobytes() for name in result.__dataclass_fields__]


@pytest.mark.parametrize(
    ("side", "effort", "parts"), [(64, 1.0, (1, 2, 3, 7)), (33, 0.1, (3,)), (140, 0.1, (7,))]
)
def test_any_number_of_parts_gives_the_same_bytes(side, effort, parts, monkeypatch):
    many = replace(EVERYWHERE, pixels=0, small_pixels=0)  # as where targets are many, which a sweep is for
    ends = Sweep(AFTER_EXACT, unless=many), replace(LIKEST_FEW, unless=many, pixels=2e5, share=1.0)
    monkeypatch.setattr(cascade, "LEVELS", (*LEVELS[:4], *ends))
    images, patches = world(side)
    job = prepare(images, patches, effort=effort, threads=1)
    index = job.index((side, side))
    whole = answers(job, index)
    for count in parts:
        bounds = cut_evenly(index, count)
        assert len(bounds) == count + 1
        helpers = Here(job.task(1), index, bounds)
        assert answers(job, Divided.of(index, bounds, helpers)) == whole
    levels = {"_coarse_places", "_first_keys", "_near_best", "_agreement", "_apart_places", "_sweep_targets"}
    assert levels | {"_improvements"} <= set(helpers.asked)


@pytest.fixture(scope="module")
def proposing():
    """Of an index with many equal keys: the task, the index, and codes of patches."""
    images, patches = world(24)
    job = prepare(images, patches, threads=1)
    index = job.index((24, 24))
    codes = code_patches([job.patches[k] for k in range(len(patches))], job.roles, index.plan)
    return job.task(1), index, codes


@pytest.mark.parametrize(("wide", "depth"), [(1, 1), (2, 5), (9, 4), (30, 29), (1000, 1000)])
@pytest.mark.parametrize("parts", [2, 3, 7])
def test_proposals_of_parts_are_those_of_one(proposing, wide, depth, parts):
    task, index, codes = proposing
    bounds = cut_evenly(index, parts)
    asked = Divided.of(index, bounds, Here(task, index, bounds))
    rng = np.random.default_rng(depth)
    wanted = rng.random((len(codes), len(index))) < 0.4
    wanted[0] = False
    pairs = [(propose_coarse(one, codes, wide, depth) for one in (index, asked))]
    for where in (None, wanted):
        pairs.append(propose_middle(one, codes, depth, where) for one in (index, asked))
    for whole, merged in pairs:
        np.testing.assert_array_equal(merged.target, whole.target)
        np.testing.assert_array_equal(merged.corner, whole.corner)
        assert merged.radius == whole.radius


def test_bands_that_colour_knows_nothing_of_and_other_evidence():
    images, patches = world(64)
    one = [[dn[..., :1] for dn in some] for some in (images, patches)]
    for inputs, options in ((one, {}), ((images, patches), {"evidence": ("phase",)})):
        job = prepare(*inputs, threads=1, **options)
        index = job.index((64, 64))
        bounds = cut_evenly(index, 3)
        asked = Divided.of(index, bounds, Here(job.task(1), index, bounds))
        assert answers(job, asked) == answers(job, index)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 40))
def test_parts_are_even_and_none_is_empty(words, parts):
    class Sized:
        sizes = np.array(words)[:, np.newaxis]

        def __len__(self):
            return len(words)

    bounds = cut_evenly(Sized(), parts)
    assert bounds[0] == 0
    assert bounds[-1] == len(words)
    assert len(bounds) - 1 == min(parts, len(words))
    assert (np.diff(bounds) > 0).all()
    if len(set(words)) == 1:
        assert np.diff(bounds).max() - np.diff(bounds).min() <= 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 40))
def test_of_all_parts_only_what_is_among_the_best_is_sent(seed, parts, depth):
    rng = np.random.default_rng(seed)
    n, widths = 3, rng.integers(0, 12, parts)
    widths[rng.integers(parts)] += 1
    keys = [np.sort(rng.integers(5, 5 + rng.integers(1, 9), (n, w)), axis=1) for w in widths]
    told = {p: distances(None, (None, (d[:, :depth] << 7) | 3), 7) for p, d in enumerate(keys)}
    share = quotas(told, depth)
    for row in range(n):
        every = [(int(d), p, k) for p, one in enumerate(keys) for k, d in enumerate(one[row])]
        best = sorted(every)[:depth]
        expected = [sum(p == q for _, p, _ in best) for q in range(parts)]
        assert [int(share[p][row]) if p in share else 0 for p in range(parts)] == expected


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_records_of_parts_are_looked_at_as_those_of_one(seed, parts):
    """Few different numbers, so that there are ties of all kinds, and bounds that rounding has made too low."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, 12)
    bound = rng.integers(1, 6, targets) / 4
    earned = rng.integers(0, 7, (targets, 2)) / 4

    def records(some):
        most, out = -1.0, []
        for k in sorted(some, key=lambda k: (-bound[k], k)):
            if bound[k] <= most:
                break
            for number, value in enumerate(earned[k]):
                if value > most:
                    most = value
                    out.append(Improvement(bound[k], value, (k, np.array([k, number]), 0.0)))
        return out

    cuts = np.sort(rng.integers(0, targets + 1, parts - 1))
    pieces = np.split(np.arange(targets), cuts)
    target, place, _ = best_improvement([records(piece.tolist()) for piece in pieces])
    best = records(range(targets))[-1].answer
    assert (target, place.tolist()) == (best[0], best[1].tolist())


@pytest.mark.parametrize("most", [9, 1 << 14, 1 << 20, 1 << 40])
def test_rows_are_packed_and_padded(most):
    rng = np.random.default_rng(1)
    tables = rng.integers(-most, most, (4, 6)), rng.integers(0, most, (4, 6, 2))
    mask = rng.random((4, 6)) < 0.5
    mask[2] = False
    packed = Ragged.of(mask, *tables)
    assert packed.mask.sum() == mask.sum()
    for table, padded, fill in zip(tables, packed.padded(-5, 7), (-5, 7), strict=True):
        assert padded.dtype == np.int64
        for row, own, chosen in zip(padded, table, mask, strict=True):
            np.testing.assert_array_equal(row[: chosen.sum()], own[chosen])
            assert (row[chosen.sum() :] == fill).all()
    small = slim(tables[0])
    np.testing.assert_array_equal(small, tables[0])
    assert small.itemsize == {9: 2, 1 << 14: 2, 1 << 20: 4, 1 << 40: 8}[most]
