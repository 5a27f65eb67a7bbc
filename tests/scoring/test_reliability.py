"""Reliability of confidences: bins against loops, intervals against the score test that defines them."""

import math

import numpy as np
import pytest

from matcher.scoring.reliability import EDGES, reliability, spell, wilson


def test_bins_as_loops():
    rng = np.random.default_rng(0)
    sure = np.round(rng.random(400), 2)
    sure[:4] = (0.0, 0.5, 0.9, 1.0)  # on the edges
    right = rng.random(400) < sure
    bins = reliability(sure, right)
    assert [b.low for b in bins] == list(EDGES[:-1])
    for b in bins:
        own = [k for k in range(400) if b.low <= sure[k] < b.high or (b.high == 1 and sure[k] == 1)]
        assert b.count == len(own)
        assert b.confidence == pytest.approx(sum(sure[k] for k in own) / len(own))
        assert b.right == pytest.approx(sum(bool(right[k]) for k in own) / len(own))
        assert b.excess == pytest.approx(b.confidence - b.right)
        assert b.interval[0] <= b.right <= b.interval[1]
    assert sum(b.count for b in bins) == 400


def test_an_empty_bin_says_nothing():
    empty = reliability([0.95], np.array([True]))[0]
    assert (empty.count, empty.interval) == (0, (0.0, 1.0))
    assert math.isnan(empty.right)
    assert spell(reliability([0.95], np.array([True]))).startswith("0.9-1: said 0.95, right 1.00")


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 10), (97, 100)])
def test_wilson_solves_the_score_test(hits, count):
    """At the ends of the interval the share lies 1.96 deviations from what was seen."""
    for end in wilson(hits, count):
        if 0 < end < 1:
            assert abs(hits / count - end) == pytest.approx(1.96 * math.sqrt(end * (1 - end) / count))
        else:
            assert hits in (0, count)
