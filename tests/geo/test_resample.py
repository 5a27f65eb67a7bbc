"""Pictures at other pixel sizes, turned, and read between their pixels: by loops and by splines of another make."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from matcher.geo.resample import Spline, interpolated, rotation, shrink, shrunk, turn, warp

RNG = np.random.default_rng(3)
# The values of a spline depend on far pixels by less than a factor of 0.27 a pixel: in the middle, on no border.
NOISE = RNG.uniform(100, 4000, (61, 65, 2)).astype(np.float32)
MIDDLE = np.mgrid[27:34, 28:36].astype(float)


def by_scipy(picture, rows, columns):
    """A picture at every pair of some rows and some columns, by cubic splines through its pixels."""
    picture = picture.astype(np.float64)
    down = CubicSpline(np.arange(len(picture)), picture)(rows)
    return CubicSpline(np.arange(picture.shape[1]), down, axis=1)(columns)


def naive_shrink(array, factors, size, start):
    """Loops over new pixels and old ones: the mean of what holds data, by the area of each that lies inside."""
    out = np.zeros((*size, array.shape[2]))
    for r in range(size[0]):
        for c in range(size[1]):
            top, left = start[0] + r * factors[0], start[1] + c * factors[1]
            total, area = np.zeros(array.shape[2]), 0.0
            for y in range(array.shape[0]):
                for x in range(array.shape[1]):
                    down = max(min(top + factors[0], y + 1) - max(top, y), 0)
                    across = max(min(left + factors[1], x + 1) - max(left, x), 0)
                    if array[y, x].any():
                        total += down * across * array[y, x]
                        area += down * across
            if area / (factors[0] * factors[1]) > 0.75 - 1e-9:
                out[r, c] = total / area
    return out


class TestShrink:
    @pytest.mark.parametrize("factors", [(1.0, 1.0), (2.37, 1.4), (1.0, 3.0)])
    @pytest.mark.parametrize("holes", [False, True])
    def test_as_loops(self, factors, holes):
        array = RNG.uniform(1, 4000, (17, 14, 2))
        if holes:
            array[RNG.random(array.shape[:2]) < 0.15] = 0
            array[3, 4, 0] = 0  # of one band: data
        size, start = (5, 4), (1.3, 0.6)
        expected = naive_shrink(array, factors, size, start)
        np.testing.assert_allclose(shrink(array, factors, size, start), expected, rtol=1e-9)
        whole = shrink(array, factors)
        assert whole.shape[:2] == shrunk(array.shape, factors)
        expected = naive_shrink(array, factors, whole.shape[:2], (0, 0))
        np.testing.assert_allclose(whole, expected, rtol=1e-9)

    def test_by_hand(self):
        array = RNG.random((12, 12, 1)) + 1
        np.testing.assert_allclose(shrink(array, 3.0)[..., 0], array.reshape(4, 3, 4, 3).mean((1, 3)))
        ramp = np.arange(1.0, 31.0).reshape(1, 30, 1).repeat(30, 0)
        expected = [(1 + 2 + 3 / 2) / 2.5, (3 / 2 + 4 + 5) / 2.5]
        np.testing.assert_allclose(shrink(ramp, 2.5)[0, :2, 0], expected)

    def test_a_quarter_may_be_without_data(self):
        array = RNG.random((12, 12, 1)) + 1
        array[:6, :6] = 0
        assert (shrink(array, 3.0)[:2, :2] == 0).all()
        assert shrink(array, 4.0)[0, 1, 0] == 0  # half of its area is no data
        assert shrink(array, 4.0)[1, 1, 0] == pytest.approx(array[4:8, 4:8][array[4:8, 4:8] > 0].mean())
        assert shrink(array, 4.0)[2, 2, 0] >= 1

    def test_whole_numbers_are_rounded(self):
        array = np.array([[1, 2], [2, 2]], np.uint16)[..., np.newaxis]
        assert shrink(array, 2.0).dtype == np.uint16
        assert shrink(array, 2.0)[0, 0, 0] == 2

    def test_whole_pixels_that_there_are(self):
        assert shrunk((33, 66, 4), (1.1, 1.1)) == (
            30,
            60,
        )  # where 33 / 1.1 is less than 30 by an error of float64
        assert shrunk((30, 29), (3.0, 3.0)) == (10, 9)


class TestWarp:
    def test_a_turn_is_anticlockwise(self):
        np.testing.assert_allclose(rotation(90) @ (1, 0), (0, -1), atol=1e-12)
        np.testing.assert_allclose(rotation(30) @ (1, 0), (0.75**0.5, -0.5))
        array = np.zeros((41, 41, 1), np.uint16)
        array[:] = 100
        array[20, 30] = 9000  # right of the centre goes up
        turned = turn(array, 90)
        assert turned[10, 20, 0] > 5000
        assert turn(array, 0) is array
        corner = turn(array, 30)
        assert corner[0, 0, 0] == 0
        assert corner[20, 10, 0] == 100

    @pytest.mark.parametrize("dtype", [np.float32, np.uint16])
    def test_a_linear_map_about_the_centre(self, dtype):
        """A plane stays a plane under splines, so that each new pixel tells where it was read."""
        rows, columns = np.mgrid[:60, :70].astype(float)
        plane = np.stack([100 + 9 * rows + 5 * columns, 1000 - 7 * columns], -1).astype(dtype)
        matrix, size = np.array([[1.6, 0.3], [-0.4, 1.2]]), (31, 42)
        seen = warp(plane, matrix, size)
        down, right = np.mgrid[: size[0], : size[1]] + 0.5
        x, y = np.tensordot(np.linalg.inv(matrix), [right - size[1] / 2, down - size[0] / 2], 1)
        x, y = x + 70 / 2 - 0.5, y + 60 / 2 - 0.5
        expected = np.stack([100 + 9 * y + 5 * x, 1000 - 7 * x], -1)
        assert seen.dtype == dtype
        assert np.abs(seen - expected).max() < (0.51 if dtype == np.uint16 else 0.01)

    def test_splines_are_cubic(self):
        rows, columns = MIDDLE[0][:, 0], MIDDLE[1][0]
        seen = warp(NOISE, np.eye(2), (60, 64))
        at = (slice(27, 34), slice(28, 36))
        np.testing.assert_allclose(seen[at], by_scipy(NOISE, rows + 0.5, columns + 0.5), rtol=1e-4)

    def test_what_lies_half_a_pixel_beside_no_data_or_the_border_is_none(self):
        array = np.full((41, 41, 1), 900.0)
        array[20, 25] = 0
        seen = warp(array, np.eye(2), (42, 42))[..., 0] == 0
        expected = np.zeros((42, 42), bool)
        expected[20:22, 25:27] = True
        expected[[0, -1]] = expected[:, [0, -1]] = True
        np.testing.assert_array_equal(seen, expected)

    def test_splines_that_overshoot_are_cut_off_at_what_a_dtype_holds(self):
        array = np.where(RNG.random((40, 40, 1)) < 0.5, 1, 255).astype(np.uint8)
        exact = warp(array.astype(np.float64), rotation(17), (20, 20))
        assert exact.min() < -10
        assert exact.max() > 265
        np.testing.assert_array_equal(warp(array, rotation(17), (20, 20)), exact.round().clip(0, 255))


class TestInterpolated:
    def test_splines_are_cubic(self):
        np.testing.assert_allclose(interpolated(NOISE, MIDDLE), NOISE[27:34, 28:36], rtol=1e-5)
        rows, columns = MIDDLE[0][:, 0] + 0.3, MIDDLE[1][0] - 0.4
        seen = interpolated(NOISE, np.stack(np.meshgrid(rows, columns, indexing="ij")))
        assert seen.dtype == np.float32
        np.testing.assert_allclose(seen, by_scipy(NOISE, rows, columns), rtol=1e-4)

    def test_beyond_the_borders_the_last_pixels_are_repeated(self):
        seen = interpolated(NOISE, np.array([[-5.0, 70.0], [-3.0, 90.0]]))
        np.testing.assert_allclose(seen, NOISE[[0, -1], [0, -1]], rtol=1e-4)

    def test_no_data_is_none_and_rings_nowhere(self):
        dn = np.full((40, 40, 2), 0.7, np.float32)
        dn[10, 10, 0] = 0  # of one band: data
        dn[20, 15:] = (0, -3)
        off = np.array([0, 0.005, 0.015, 0.5, 1])
        seen = interpolated(dn, np.stack([19 + off, np.full(5, 25.0)]))
        assert (seen > 0).all(1).tolist() == [True, True, False, False, False]
        far = interpolated(dn, np.stack([[17.0, 18.0, 19.0, 21.0], np.full(4, 25.0)]))
        np.testing.assert_allclose(far, 0.7, rtol=1e-5)
        assert interpolated(dn, np.array([[10.0], [10.0]]))[0, 1] > 0.5
        assert not interpolated(np.zeros_like(dn), MIDDLE).any()


class TestSpline:
    @pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -3.0), (0.37, -0.81), (-1.6, 0.0)])
    def test_splines_are_cubic(self, shift):
        moved = Spline(NOISE).moved(*shift)[27:34, 28:36]
        rows, columns = MIDDLE[0][:, 0] + shift[0], MIDDLE[1][0] + shift[1]
        assert moved.dtype == np.float32
        np.testing.assert_allclose(moved, by_scipy(NOISE, rows, columns), rtol=1e-4)

    def test_a_wave_is_read_between_pixels(self):
        at = np.arange(60)
        picture = np.tile((1000 + 100 * np.sin(at / 4))[:, None, None], (1, 20, 1)).astype(np.float32)
        moved = Spline(picture).moved(0.37, 0)
        np.testing.assert_allclose(moved[10:50, 5, 0], 1000 + 100 * np.sin((at[10:50] + 0.37) / 4), atol=0.05)

    @pytest.mark.parametrize(
        ("shift", "rows", "columns"),
        [
            ((0, 0), [20], [30]),
            ((0.5, 0), [19, 20], [30]),
            ((-1, 0.3), [21], [29, 30]),
            ((2, -0.5), [18], [30, 31]),
        ],
    )
    def test_what_is_read_from_no_data_is_none(self, shift, rows, columns):
        picture = np.full((50, 60, 2), 0.7, np.float32)
        picture[20, 30] = (0, -2)
        picture[5, 5, 0] = 0  # of one band: data
        moved = Spline(picture).moved(*shift)
        none = np.zeros(picture.shape[:2], bool)
        none[np.ix_(rows, columns)] = True
        np.testing.assert_array_equal((moved == 0).all(-1), none)
        np.testing.assert_allclose(moved[16:][~none[16:]], 0.7, rtol=1e-5)  # nothing rings about it

    def test_beyond_the_borders_the_last_pixels_are_repeated(self):
        bend = 100 * np.cos(np.linspace(0, np.pi, 12))  # level at either end
        picture = (500 + bend[:, np.newaxis] + 2 * bend)[..., np.newaxis].astype(np.float32)
        moved = Spline(picture).moved(3, -4)
        np.testing.assert_allclose(moved[-3:, :5], 500 - 100 + 200, atol=2.5)

    def test_a_picture_without_data(self):
        assert not Spline(np.zeros((30, 30, 2), np.float32)).moved(0.5, 0.5).any()
