"""From shifts at points to a transform: kinds, cross-validation, refusals; blunders; figures; networks."""

import math

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from matcher.alignment.accuracy import measure
from matcher.alignment.network import adjust
from matcher.alignment.outliers import outliers
from matcher.alignment.spline import spline_variance
from matcher.alignment.transforms import choose
from matcher.errors import MatcherError

SIZE = (1000, 1200)


def points(rows=10, columns=12):
    at = np.meshgrid(np.linspace(50, 950, rows), np.linspace(50, 1150, columns), indexing="ij")
    return np.stack(at, -1).reshape(-1, 2)


def shifts_of(kind, places, noise=0.05, seed=0):
    y, x = (places / SIZE - 0.5).T
    out = np.tile((3.3, -7.6), (len(places), 1))
    if kind == "similarity":
        out = out + np.stack([20 * y * 0.5 - 8 * x * 1.2, 8 * y + 20 * x * 0.6], -1)
    if kind == "affine":
        out = out + np.stack([9 * y - 4 * x, 2 * y - 6 * x], -1)
    if kind == "polynomial":
        out = out + np.stack([3 * y * x + 2 * y, 4 * x * x - 2 * y * y], -1)
    if kind == "field":
        out = out + np.stack([1.5 * np.sin(9 * x) * np.cos(7 * y), 1.5 * np.cos(8 * x + 5 * y)], -1)
    return out + np.random.default_rng(seed).normal(0, noise, out.shape)


class TestChoose:
    @pytest.mark.parametrize("kind", ["shift", "affine", "polynomial", "field"])
    def test_cross_validation_finds_the_kind(self, kind):
        places = points()
        made = choose("auto", places, shifts_of(kind, places), np.full(len(places), 0.05), SIZE)
        assert made.kind == kind
        anywhere = np.random.default_rng(1).uniform((80, 80), (900, 1100), (200, 2))
        error = made.shifts(anywhere) - shifts_of(kind, anywhere, noise=0)
        assert np.sqrt((error**2).mean()) < (0.2 if kind == "field" else 0.03)

    def test_turn_and_scale_alike_are_a_similarity(self):
        places = points()
        turn, scale = np.radians(2), 1.01
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shifts = places @ matrix.T - places + (5, 6)
        made = choose("auto", places, shifts, np.full(len(places), 0.05), SIZE)
        assert made.kind == "similarity"
        np.testing.assert_allclose(made.shifts(places), shifts, atol=1e-6)

    def test_a_surer_point_counts_more(self):
        places = points(2, 3)
        shifts = np.zeros((6, 2))
        shifts[0] = 1.0
        sigma = np.full(6, 1.0)
        even = choose("shift", places, shifts, sigma, SIZE).matrix[0, 0]
        sigma[0] = 0.2
        assert choose("shift", places, shifts, sigma, SIZE).matrix[0, 0] > 2 * even

    @pytest.mark.parametrize(
        ("number", "kind"), [(2, "auto"), (4, "similarity"), (7, "affine"), (20, "field")]
    )
    def test_too_few_points_are_refused_with_their_number(self, number, kind):
        places = points()[:: 120 // number][:number]
        with pytest.raises(MatcherError, match=f"there are {number}"):
            choose(kind, places, shifts_of("shift", places), np.full(number, 0.05), SIZE)

    def test_points_on_a_line_tell_no_affine(self):
        places = points(1, 60)
        with pytest.raises(MatcherError, match="along a line"):
            choose("affine", places, shifts_of("affine", places), np.full(60, 0.05), SIZE)
        assert choose("auto", places, shifts_of("affine", places), np.full(60, 0.05), SIZE).kind == "shift"

    def test_points_in_a_corner_bend_nothing_beyond(self):
        """A kind that fits the corner better and swings wildly elsewhere is not taken."""
        places = points(10, 10) * 0.3
        made = choose("auto", places, shifts_of("field", places, 0.3), np.full(100, 0.3), SIZE)
        corner, whole = (np.abs(made.shifts(at)).max() for at in (places, points()))
        assert whole < 3 * corner + 3

    @pytest.mark.parametrize(("number", "seed"), [(5, 2), (8, 0), (12, 0)])
    def test_points_of_one_corner_carry_no_chance_turn_across_the_scene(self, number, seed):
        """Shifts alone, in doubt by half a pixel: whatever kind is chosen stays near them in the far corner."""
        worst = 0.0
        for k in range(seed, seed + 12):
            rng = np.random.default_rng(k)
            places = rng.uniform(0, 0.25, (number, 2)) * SIZE + 30
            shifts = rng.normal((3, -2), 0.5, (number, 2))
            made = choose("auto", places, shifts, np.full(number, 0.5), SIZE)
            worst = max(worst, np.abs(made.shifts(points()) - (3, -2)).max())
        assert worst < 1.5

    def test_points_of_one_corner_tell_a_true_turn(self):
        places = np.random.default_rng(0).uniform(0, 0.25, (12, 2)) * SIZE + 30
        shifts = places @ np.array([[0.0, 0.05], [-0.05, 0.0]])
        shifts += np.random.default_rng(1).normal(0, 0.05, shifts.shape)
        made = choose("auto", places, shifts, np.full(12, 0.05), SIZE)
        assert made.kind in ("similarity", "affine")

    @pytest.mark.parametrize("hole", [False, True])
    def test_few_points_tell_a_bent_field(self, hole):
        """Wide chips of a small scene, or a bay without points: what is lost where squares of points are left out says
        little of a field that is fitted to all of them.
        """
        places = points(6, 11)
        if hole:
            places = places[np.hypot(*(places - (300, 900)).T) > 200]
        y, x = (places / SIZE - 0.5).T
        bent = np.stack([2 * np.sin(7 * x) * np.cos(6 * y), 2 * np.cos(7 * x + 1) * np.sin(6 * y + 1)], -1)
        bent += np.random.default_rng(0).normal(0, 0.05, bent.shape)
        made = choose("auto", places, bent, np.full(len(places), 0.05), SIZE)
        assert made.kind == "field"

    def test_shifts_alone_are_no_field(self):
        places = points(6, 11)
        shifts = shifts_of("shift", places, 0.3)
        assert choose("auto", places, shifts, np.full(len(places), 0.3), SIZE).kind == "shift"


class TestSplineVariance:
    def test_as_the_weights_of_points_tell(self):
        """The variance of a prediction by any weights of the points, whatever they came from, in loops."""
        rng = np.random.default_rng(3)
        places, at, noise = (
            rng.uniform(0, 1, (9, 2)),
            np.array([(0.4, 0.6), (1.5, -0.2)]),
            rng.uniform(0, 0.1, 9),
        )
        spline = RBFInterpolator(places, np.eye(9), smoothing=noise, kernel="thin_plate_spline", degree=1)

        def covariance(a, b):
            r = math.dist(a, b)
            return r**2 * math.log(r) if r > 0 else 0.0

        for k, place in enumerate(at):
            weights = spline(at)[k]
            variance = 0.0
            for i in range(9):
                variance += weights[i] ** 2 * noise[i] - 2 * weights[i] * covariance(places[i], place)
                for j in range(9):
                    variance += weights[i] * weights[j] * covariance(places[i], places[j])
            assert spline_variance(places, noise, at)[k] == pytest.approx(variance, rel=1e-9)

    def test_least_at_the_points_and_growing_beyond_them(self):
        places = points(5, 5) / 1000
        told = spline_variance(places, np.full(25, 1e-4), np.array([places[12], places[12] + 0.1, (2, 2)]))
        assert told[0] < told[1] < told[2]


class TestOutliers:
    def test_blunders_are_told_and_nothing_else(self):
        places = points()
        shifts = shifts_of("field", places)
        rng = np.random.default_rng(2)
        bad = rng.choice(len(places), 25, replace=False)
        shifts[bad] += rng.uniform(3, 40, (25, 2)) * rng.choice((-1, 1), (25, 2))
        found = outliers(places, shifts, np.full(len(places), 0.05))
        assert found[bad].mean() > 0.95
        assert np.delete(found, bad).mean() < 0.04

    def test_a_large_shift_or_turn_of_all_is_no_blunder(self):
        places = points()
        turn = np.radians(20)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shifts = places @ matrix.T - places + 5000
        assert not outliers(places, shifts, np.full(len(places), 0.05)).any()

    def test_of_three_points_two_that_agree_tell_the_third(self):
        places = points(1, 3)
        shifts = np.array([(0.0, 0.0), (0.0, 0.1), (50.0, 0.0)])
        assert outliers(places, shifts, np.full(3, 0.1)).tolist() == [False, False, True]

    def test_of_two_points_none_can_be_told(self):
        shifts = np.array([(0.0, 0.0), (50.0, 0.0)])
        assert not outliers(points(1, 3)[:2], shifts, np.full(2, 0.1)).any()


class TestMeasure:
    def test_as_by_hand(self):
        figures = measure(np.array([(3.0, 4.0), (-3.0, 4.0), (0.0, 0.0), (0.0, 10.0)]))
        assert figures["mean_row"].value == 0
        assert figures["mean_col"].value == 4.5
        assert figures["rmse"].value == pytest.approx(np.sqrt((25 + 25 + 0 + 100) / 4))
        assert figures["deviation_row"].value == pytest.approx(np.sqrt(18 / 4))
        assert figures["ce90"].value == pytest.approx(np.quantile([0, 5, 5, 10], 0.9))
        assert all(f.low <= f.value <= f.high for k, f in figures.items() if k != "ce95")

    @pytest.mark.slow
    def test_intervals_hold_the_truth_as_often_as_they_say(self):
        rng = np.random.default_rng(3)
        truth = np.sqrt(2) * 0.5
        held = 0
        for k in range(60):
            figure = measure(rng.normal(0, 0.5, (80, 2)), seed=k)["rmse"]
            held += figure.low <= truth <= figure.high
        assert 50 <= held <= 60


class TestNetwork:
    def test_positions_of_all_pairs(self):
        truth = np.array([(0.0, 0.0), (1.0, 2.0), (-3.0, 0.5), (0.2, -0.4)])
        pairs = np.array([(i, j) for j in range(4) for i in range(j + 1, 4)])
        shifts = truth[pairs[:, 0]] - truth[pairs[:, 1]]
        shifts[4] += (30, -20)  # one blunder, which the others outvote
        found, errors, left = adjust(pairs, shifts, np.full(6, 0.1), 4)
        np.testing.assert_allclose(found, truth, atol=0.7)
        assert np.abs(left).sum(1).argmax() == 4
        assert (errors[1:] > 0).all()

    def test_a_scene_that_no_pair_leads_to_is_nowhere(self):
        found, errors, left = adjust(np.array([(1, 0), (3, 2)]), np.ones((2, 2)), np.ones(2), 4)
        assert np.isfinite(found[:2]).all()
        assert np.isnan(found[2:]).all()
        assert np.isnan(errors[2:]).all()
        assert np.isnan(left[1]).all()
