"""How sure an answer is: what must hold for any numbers that ship, Bayes' rule, and what a patch has to say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from matcher.decision.confidence import (
    FREEDOM,
    chance_level,
    confidence,
    confidence_features,
    log_likelihood,
    tempered,
)
from matcher.decision.content import CEILING, content
from matcher.evidence import channels
from matcher.imagery import Roles
from matcher.model import Trust, shipped
from matcher.search.candidates import Candidates
from matcher.search.pyramid.exact_tiles import CLEAR, CONVINCING
from matcher.settings import DEFAULT_EVIDENCE, Settings

ROLES = Roles.of(("red", "green", "blue", "nir"))
TRUST = shipped().trust
ENOUGH = 2500.0  # independent pixels of a patch of 64 px
BLANK = np.zeros((64, 64, 4), np.float32)
CHANCE = chance_level(channels(BLANK, ROLES, DEFAULT_EVIDENCE))


def sure(score, runner_up, pixels=ENOUGH, prior=0.5, trust=TRUST, chance=CHANCE):
    return confidence(*(np.atleast_1d(v) for v in (score, runner_up, pixels, chance)), trust, prior)


class TestConfidence:
    def test_twins_are_never_sure(self):
        score = np.array([30, 100, 400, 6000], np.float32)
        for prior in (0.5, Settings.prior, 0.999):
            assert (sure(score, score, prior=prior) <= 0.5).all()
            assert (sure(score, score / 1.15, prior=prior) <= 0.5).all()
            assert (sure(score[1:], score[1:] / 1.2, prior=prior) < 0.7).all()
        assert (sure(score[2:], score[2:] / 5) > 0.98).all()

    def test_clear_ones_are_and_chance_is_not(self):
        assert sure(400.0, 40.0)[0] > 0.99
        assert sure(400.0, -1.0)[0] > 0.99
        assert sure(400.0, np.nan)[0] > 0.99
        assert sure(35.0, 30.0)[0] < 0.1
        assert sure(20.0, -1.0)[0] < 0.5  # the only place there is, as good as chance
        assert sure(-1.0, -1.0)[0] < 0.5

    def test_what_is_not_weighed_is_sure(self):
        """Beyond the thresholds of `weigh` no look at the ground about a place would change how sure it is."""
        assert sure(CONVINCING, CONVINCING / CLEAR)[0] > 0.97

    def test_rises_with_score_lead_and_content(self):
        leads = sure(np.full(5, 60.0), [60, 55, 50, 40, 30], np.full(5, ENOUGH))
        assert (np.diff(leads) > 0).all()
        pixels = np.array([5.0, 30, 100, 400, 4000])
        assert (np.diff(sure(np.full(5, 90.0), np.full(5, 45.0), pixels)) > 0).all()

    def test_a_handful_of_pixels_is_never_sure(self):
        assert sure(200.0, 60.0, 12.0)[0] < 0.5
        assert sure(200.0, 60.0, 0.0)[0] < 0.5

    def test_tempered_is_student_t(self):
        """As likely by a normal density as the score's root is by Student's t, but for the factor at 0."""
        from scipy import stats

        for pixels, score in ((40.0, 25.0), (400.0, 60.0), (9.0, 3.0)):
            freedom = FREEDOM * pixels
            one = stats.t.logpdf(math.sqrt(score), freedom) - stats.t.logpdf(0, freedom)
            # The exponent of t is (freedom + 1) / 2 where this takes freedom / 2: they agree but for one degree.
            assert tempered(score, pixels) == pytest.approx(-2 * one * freedom / (freedom + 1), rel=1e-9)
        assert tempered(50.0, 1e9) == pytest.approx(50.0, rel=1e-6)
        assert tempered(-1.0, 100.0) == 0

    def test_features_as_told(self):
        features = confidence_features(
            [80.0, 80.0, 80.0], [40.0, 3.0, np.nan], [1e12] * 3, [20.0, 20.0, 25.0]
        )
        expected = [[1, math.log(4), math.log(2)], [1, math.log(4), math.log(4)], [1, *[math.log(3.2)] * 2]]
        np.testing.assert_allclose(features, expected, rtol=1e-6)

    def test_the_same_score_says_less_of_more_channels(self):
        """Chance makes more of them: of two channels, four and six, by their weights."""
        levels = []
        for bands in (("red",), ("red", "green", "blue"), ("red", "green", "blue", "nir")):
            made = channels(BLANK[..., : len(bands)], Roles.of(bands), DEFAULT_EVIDENCE)
            levels.append(chance_level(made))
        assert np.square(levels) / levels[0] ** 2 == pytest.approx([1, 2, 3])
        halves = [replace(channel, weight=0.5) for channel in made]
        assert chance_level(halves) == pytest.approx(levels[2] / math.sqrt(2))
        said = [sure(45.0, 20.0, chance=level)[0] for level in levels]
        assert said[0] > 0.9
        assert said[0] - said[1] > 0.02
        assert said[1] - said[2] > 0.2


def test_a_log_likelihood_ratio_is_half_the_score():
    found = Candidates.alone(
        np.array([[3, -1]]), np.zeros((1, 2, 2), np.int64), np.array([[9, -1]], np.float32)
    )
    np.testing.assert_array_equal(log_likelihood(found), [[4.5, np.nan]])


class TestPrior:
    def test_as_bayes_rule_says(self):
        """Right answers, wrong ones of patches that are there, and those of patches that are not, counted out."""
        # How likely what is seen is of each, of patches that are there and of those that are not.
        right, wrong, absent = 0.6, 0.05, 0.2
        trust = Trust(math.log(right / absent), 0.0, 0.0, math.log(right / wrong), 0.0, 0.0)
        for prior in (0.02, 0.5, 0.9, 0.999):
            all_ = prior * (right + wrong) + (1 - prior) * absent
            found = sure(1e6, 1.0, 1e12, prior, trust)[0]
            assert found == pytest.approx(prior * right / all_, rel=1e-5)

    def test_what_no_prior_makes_surer(self):
        """A score that a place elsewhere in the targets may well have, however surely the patch is there."""
        assert sure(1.2 * CHANCE, CHANCE, prior=1 - 1e-9)[0] < 0.5
        said = [sure(4 * CHANCE, 2 * CHANCE, prior=prior)[0] for prior in (0.01, 0.3, 0.5, 0.9, 0.999)]
        assert (np.diff(said) > 0).all()


def naive_content(dn, ceiling):
    """(edges, independent pixels) in loops, plain float64."""
    height, width, bands = dn.shape
    vector, below = {}, 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            steps = [
                (
                    float(dn[y + 1, x, b]) - float(dn[y - 1, x, b]),
                    float(dn[y, x + 1, b]) - float(dn[y, x - 1, b]),
                )
                for b in range(bands)
            ]
            v, u = max(steps, key=lambda s: s[0] ** 2 + s[1] ** 2)
            if (v or u) and any(dn[y, x, b] < ceiling for b in range(bands)):
                angle = 2 * math.atan2(v, u)
                vector[y, x] = (math.cos(angle), math.sin(angle))
                below += sum(dn[y, x, b] < ceiling for b in range(bands))
    kept = []
    for down, right in ((1, 0), (0, 1), (1, 1), (1, -1)):
        products = [
            one[0] * vector[y + down, x + right][0] + one[1] * vector[y + down, x + right][1]
            for (y, x), one in vector.items()
            if (y + down, x + right) in vector
        ]
        r = sum(products) / len(products) if products else 0.0
        kept.append((1 - r * r) / (1 + r * r))
    open_ = below / (len(vector) * bands) if vector else 0.0
    return len(vector), len(vector) * min(kept[0] * kept[1], kept[2] * kept[3]) * open_**2


class TestContent:
    @pytest.mark.parametrize("shape", [(30, 41, 4), (24, 24, 1), (3, 9, 2)])
    def test_as_loops(self, shape):
        rng = np.random.default_rng(sum(shape))
        dn = np.cumsum(rng.normal(0, 40, shape), axis=0).astype(np.float32) + 1500
        dn[: shape[0] // 3] = 4095
        dn[-3:, -3:] = 700  # flat
        dn[shape[0] // 2 :, : shape[1] // 2, -1] = 4095  # one band at the ceiling
        found = content(dn, Roles((0,), None, None))  # of one visible band nothing counts as cloud
        edges, independent = naive_content(dn, CEILING)
        assert found.pixels == shape[0] * shape[1]
        assert found.edges == edges
        assert found.independent == pytest.approx(independent, rel=1e-9)

    def test_noise_speaks_and_stripes_do_not(self):
        rng = np.random.default_rng(0)
        noise = rng.normal(1000, 50, (64, 64, 4)).astype(np.float32)
        assert content(noise, ROLES).independent > 0.4 * 64 * 64
        y, x = np.indices((64, 64))
        for angle in (0, 30, 45, 90):
            along = np.cos(math.radians(angle)) * x + np.sin(math.radians(angle)) * y
            stripes = 1000 + 200 * np.sin(along)[..., np.newaxis] + rng.normal(0, 5, (64, 64, 4))
            assert content(stripes.astype(np.float32), ROLES).independent < 0.1 * 64 * 64

    def test_what_is_hidden_says_nothing(self):
        rng = np.random.default_rng(1)
        dn = rng.normal(1000, 50, (64, 64, 4)).astype(np.float32)
        whole = content(dn, ROLES).independent
        for value in (0.0, 4095.0):
            part = dn.copy()
            part[:48] = value
            assert content(part, ROLES).independent < 0.3 * whole
        assert content(np.full((32, 32, 4), 700, np.float32), ROLES).independent == 0
