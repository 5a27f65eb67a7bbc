"""Mutual information of two windows, against loops, and what must not change it."""

import math

import numpy as np
import pytest

from matcher.evidence.mutual import FAINT, LEAST, RIDGE, mutual_information
from matcher.evidence.pixels import HAZE
from matcher.imagery import Roles
from tests.evidence.test_evidence import FOUR, texture


def naive_features(dn):
    """Powers 1 to 3 of the logs of bands, each less its mean and over its deviation: lists, plain float64."""

    def standard(values):
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        return [(v - mean) / (spread + FAINT) for v in values]

    logs = [
        standard([math.log(max(v, 0) + HAZE) for v in dn[..., b].ravel().tolist()])
        for b in range(dn.shape[2])
    ]
    return [standard([v**power for v in band]) for power in (1, 2, 3) for band in logs]


def naive_mutual(first, second):
    """From determinants of covariances: 1/2 n log(|A| |B| / |all|)."""
    one, other = naive_features(first), naive_features(second)
    both = one + other
    n = len(one[0])
    covariance = np.array([[sum(a * b for a, b in zip(u, v, strict=True)) / n for v in both] for u in both])
    covariance += RIDGE * np.eye(len(both))
    half = len(one)
    parts = covariance[:half, :half], covariance[half:, half:], covariance
    a, b, all_ = (np.linalg.slogdet(part)[1] for part in parts)
    return 0.5 * n * (a + b - all_)


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_as_loops(bands):
    first, second = (np.ascontiguousarray(texture(16, 20, seed=k)[..., :bands]) for k in (1, 2))
    names = ("red", "nir") if bands == 2 else ("red", "green", "blue", "nir")[:bands]
    found = mutual_information(first, second, Roles.of(names))
    assert found == pytest.approx(naive_mutual(first, second), rel=1e-9)


def test_outlives_a_change_of_sign_and_bands_that_are_swapped():
    """Fields that turn from dark to bright, and light that is another: other ground shares far less."""
    ground = texture(48, 48, seed=1)
    other_date = np.ascontiguousarray(4200 - ground[..., [2, 0, 3, 1]]) * np.float32(0.6) + 90
    same, chance = (mutual_information(ground, w, FOUR) for w in (other_date, texture(48, 48, seed=2)))
    assert same > 5 * chance
    assert chance > 0


def test_what_is_hidden_or_holds_no_data_says_nothing():
    ground, window = texture(48, 48, seed=1), texture(48, 48, seed=1) * np.float32(0.8) + 50
    whole = mutual_information(ground, window, FOUR)
    window[:24] = 0
    assert 0.3 * whole < mutual_information(ground, window, FOUR) < 0.7 * whole
    clouded = ground.copy()
    clouded[:20] = 3800
    torn = ground.copy()
    torn[:20] = np.random.default_rng(3).uniform(3100, 4000, (20, 48, 1))
    assert mutual_information(clouded, window, FOUR) == pytest.approx(
        mutual_information(torn, window, FOUR), rel=1e-9
    )
    window[2:] = 0
    assert LEAST > 48
    assert mutual_information(ground, window, FOUR) == 0


def test_even_ground_shares_nothing():
    assert mutual_information(
        np.full((32, 32, 4), 900, np.float32), texture(32, 32, seed=1), FOUR
    ) == pytest.approx(0)
