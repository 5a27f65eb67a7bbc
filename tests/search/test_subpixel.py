import numpy as np
import pytest

from matcher.evidence import channels
from matcher.geo.resample import Spline
from matcher.imagery import Roles
from matcher.kernels.products import lag_products
from matcher.search.blocks import ALIKE, REACH
from matcher.search.subpixel import _covariance, refine
from matcher.settings import DEFAULT_EVIDENCE
from tests.naive import naive_lag_products

ROLES = Roles.of(("red", "green", "blue", "nir"))


def ground(side, seed=0):
    """Smooth ground at twice the pixels, so that windows of it can be cut half a pixel apart."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(4, side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    fields = np.fft.irfft2(spectrum / (0.02 + frequency) ** 1.3, s=(side, side))
    fields = fields / fields.std((1, 2), keepdims=True)
    return np.moveaxis(1500 + 300 * fields, 0, -1).astype(np.float32)


def halved(fine, down, right, rows, columns):
    """Means over 2 x 2 px that begin at a pixel."""
    part = fine[down : down + 2 * rows, right : right + 2 * columns]
    return part.reshape(rows, 2, columns, 2, -1).mean((1, 3)).astype(np.float32)


class TestRefine:
    @pytest.mark.parametrize("half", [(0, 0), (1, 0), (0, 1), (1, 1)])
    def test_moves_cut_from_finer_pixels_are_seen(self, half):
        fine = ground(256)
        patch = halved(fine, 40, 40, 48, 48)
        size = 48 + 2 * REACH
        window = halved(fine, 40 - 2 * REACH - half[0], 40 - 2 * REACH - half[1], size, size)
        found = refine(patch, window, (REACH, REACH), ROLES, DEFAULT_EVIDENCE)
        assert (found.row - REACH, found.col - REACH) == pytest.approx((half[0] / 2, half[1] / 2), abs=0.02)
        assert found.sigma < 0.05

    def test_an_answer_two_pixels_off_is_mended(self):
        fine = ground(256)
        patch, window = halved(fine, 40, 40, 48, 48), halved(fine, 8, 8, 80, 80)
        found = refine(patch, window, (18, 14), ROLES, DEFAULT_EVIDENCE)
        assert (found.row, found.col) == pytest.approx((16, 16), abs=0.01)

    def test_the_border_of_an_image_draws_nothing(self):
        """Where the window ends at the patch, the peak is that of what both show."""
        fine = ground(256)
        patch, window = halved(fine, 41, 41, 48, 48), halved(fine, 40, 40, 60, 60)
        found = refine(patch, window, (0, 0), ROLES, DEFAULT_EVIDENCE)
        assert (found.row, found.col) == pytest.approx((0.5, 0.5), abs=0.03)

    @pytest.mark.parametrize("at", [(0, 0), (12, 12)])
    def test_no_place_lies_beyond_the_window(self, at):
        """Half a pixel outside of it, as it is: the last place inside is the nearest."""
        fine = ground(256)
        corner = [41 + 2 * k + (1 if k else -1) for k in at]
        patch, window = halved(fine, *corner, 48, 48), halved(fine, 41, 41, 60, 60)
        found = refine(patch, window, at, ROLES, DEFAULT_EVIDENCE)
        assert (found.row, found.col) == at
        assert found.sigma < 0.1

    def test_no_data_is_left_out(self):
        fine = ground(256)
        patch, window = halved(fine, 41, 41, 48, 48), halved(fine, 8, 8, 80, 80)
        window[:30] = 0
        found = refine(patch, window, (16, 16), ROLES, DEFAULT_EVIDENCE)
        assert (found.row, found.col) == pytest.approx((16.5, 16.5), abs=0.03)

    def test_flat_ground_gives_the_answer_back_and_no_error_bound(self):
        flat = np.full((48, 48, 4), 500, np.float32)
        found = refine(flat, np.full((60, 60, 4), 500, np.float32), (6, 6), ROLES, DEFAULT_EVIDENCE)
        assert (found.row, found.col, found.sigma) == (6, 6, np.inf)

    def test_noise_widens_the_standard_error(self):
        fine = ground(256)
        rng = np.random.default_rng(1)
        patch, window = halved(fine, 40, 40, 48, 48), halved(fine, 24, 24, 64, 64)
        clean = refine(patch, window, (8, 8), ROLES, DEFAULT_EVIDENCE).sigma
        noisy = refine(
            patch,
            window + rng.normal(0, 400, window.shape).astype(np.float32),
            (8, 8),
            ROLES,
            DEFAULT_EVIDENCE,
        ).sigma
        assert noisy > 1.8 * clean

    @pytest.mark.parametrize("noise", [30.0, 80.0])
    def test_errors_under_noise_stay_within_what_is_told(self, noise):
        """Of independent noise the error told is too large, never too small: real ground errs alike over blocks."""
        fine = ground(256)
        rng = np.random.default_rng(2)
        clean = halved(fine, 24, 24, 64, 64)
        patch = halved(fine, 40, 40, 48, 48)
        rows = []
        for _ in range(12):
            window = clean + rng.normal(0, noise, clean.shape).astype(np.float32)
            found = refine(patch, window, (8, 8), ROLES, DEFAULT_EVIDENCE)
            rows.append((found.row - 8, found.col - 8, found.sigma))
        rows = np.array(rows)
        assert np.sqrt((rows[:, :2] ** 2).mean()) < 1.1 * rows[:, 2].mean()

    @pytest.mark.parametrize("slope", [0.01, 0.2, 4.0])
    def test_the_error_told_is_drawn_a_fifth_of_the_way_to_the_usual_one(self, slope):
        """By hand: four blocks that pull up, down, left and right of one peak, of which two tell the rest."""
        y, x = np.mgrid[-1:2, -1:2]
        peak = -(y**2 + x**2) / 2
        sums = np.array([peak + slope * y, peak - slope * y, peak + slope * x, peak - slope * x])
        by_blocks = 2 * slope**2 / 4**2 * (ALIKE**2 * 4 / 2)
        rows, both, columns = _covariance(sums.reshape(2, 2, 3, 3))
        assert both == pytest.approx(0)
        assert np.sqrt([rows, columns]) == pytest.approx(by_blocks ** (0.8 / 2) * 0.05**0.2)
        assert _covariance(sums[:2].reshape(1, 2, 3, 3)) == (np.inf, 0, np.inf)


class TestLagProducts:
    def test_as_loops(self):
        rng = np.random.default_rng(3)
        own = rng.normal(size=(3, 11, 13)).astype(np.float32)
        other = rng.normal(size=(3, 13, 15)).astype(np.float32)
        out = np.empty((2, 2, 3, 3))
        lag_products(own, other, 8, out)
        np.testing.assert_allclose(out, naive_lag_products(own, other, 8), rtol=1e-5, atol=1e-5)


def test_evidence_of_a_moved_window_is_evidence():
    """Fields of what the spline gives are what the search itself would see there."""
    picture = ground(64)
    moved = Spline(picture).moved(1, 1)
    for own, other in zip(
        channels(picture, ROLES, DEFAULT_EVIDENCE), channels(moved, ROLES, DEFAULT_EVIDENCE), strict=True
    ):
        assert np.abs(own.stacks[0][:, 11:41, 11:41] - other.stacks[0][:, 10:40, 10:40]).max() < 0.05
