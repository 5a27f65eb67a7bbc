"""Fusion: calibrated where both say something, left alone where the other disturbs."""

import numpy as np
import pytest

from matcher.errors import MatcherError
from matcher.placements import Placements
from matcher.ranking.fusion import fuse
from matcher.ranking.rankings import standing
from tests.ranking.test_ranking import placed, ranking_of


def noisy(rng, truth, strength, images):
    score = rng.normal(size=(len(truth), images))
    score[np.arange(len(truth)), truth] += strength
    return score


def ranked(score):
    order = np.argsort(-score, 1)
    return order, ranking_of(order, np.take_along_axis(score, order, 1))


def test_two_methods_that_know_different_things_are_fused():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 20, 800)
    own, other = noisy(rng, truth, 2.0, 20), 10 * noisy(rng, truth, 2.0, 20) + rng.normal(size=(800, 1)) * 50
    order, ranking = ranked(own)
    made = fuse(ranking, np.take_along_axis(other, order, 1), placed(truth))
    assert made.pays
    assert made.gain_interval[0] > 0.05
    assert made.ranking is made.fused
    assert made.weights[0] == pytest.approx(
        made.weights[1], rel=0.15
    )  # the other's scale and offset do not matter
    assert made.bits["fused"] < min(made.bits["own"], made.bits["other"]) - 0.3
    gain = np.mean(1 / standing(made.fused, placed(truth)).rank - 1 / standing(ranking, placed(truth)).rank)
    assert made.gain == pytest.approx(gain, abs=1e-6)


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_a_weak_method_cannot_hurt_patches_not_seen(strength, seed):
    """Own scores of heavy tails, as the matcher's are, beside noise and beside a method that is hardly better."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 30, 600)
    own = noisy(rng, truth, 4.0, 30) ** 3
    order, ranking = ranked(own)
    other = np.take_along_axis(noisy(rng, truth, strength, 30), order, 1)
    some = Placements(*(column[:150] for column in (np.arange(600), truth, truth, truth)))
    made = fuse(ranking, other, some)
    unseen = Placements(*(column[150:] for column in (np.arange(600), truth, truth, truth)))
    before, after = (np.mean(standing(r, unseen).rank == 1) for r in (ranking, made.ranking))
    assert after >= before


def test_an_answered_patch_is_ranked_without_its_own_image():
    """Scores that betray the answer of one image's patches alone are of no use to them."""
    rng = np.random.default_rng(2)
    truth = np.repeat(np.arange(10), 8)
    own = noisy(rng, truth, 1.0, 10)
    other = np.zeros((80, 10))
    other[truth == 3, 3] = 100.0
    order, ranking = ranked(own)
    made = fuse(ranking, np.take_along_axis(other, order, 1), placed(truth))
    before, after = (standing(r, placed(truth)).rank for r in (ranking, made.fused))
    assert before[truth == 3].tolist() == after[truth == 3].tolist()


def test_what_fusion_needs():
    ranking = ranking_of([[3, 4], [3, 4]], [[2, 1], [2, 1]])
    with pytest.raises(MatcherError, match="two images"):
        fuse(ranking, np.zeros((2, 2)), placed([3, 3]))
    with pytest.raises(MatcherError, match="no answered patch"):
        fuse(ranking, np.zeros((2, 2)), placed([8, 9]))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (np.zeros((2, 3)), r"have the shape \(2, 3\), and the ranking \(2, 2\)"),
        (np.array([[1, np.inf], [0, 1]]), r"the other scores: has a score that is \+inf"),
    ],
)
def test_scores_that_do_not_fit(other, said):
    with pytest.raises(MatcherError, match=said):
        fuse(ranking_of([[3, 4], [4, 3]], [[2, 1], [2, 1]]), other, placed([3, 4]))
