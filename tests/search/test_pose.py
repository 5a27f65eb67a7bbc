"""Patches cut turned and scaled from ground that is known: what their parts say, and where the pose settles."""

from pathlib import Path

import numpy as np
import pytest

from matcher.imagery import Roles
from matcher.model import shipped
from matcher.search.pose import Pose, linear, settle
from matcher.search.votes import propose, reach
from matcher.settings import DEFAULT_EVIDENCE
from tests.search.test_subpixel import ground

ROLES = Roles.of(("red", "green", "blue", "nir"))
REAL = Path(__file__).parents[1] / "data" / "cities.npz"
SQUARE = np.eye(2)


def cut(picture, middle, side, matrix):
    """The patch of `side` px that `matrix` lays about a middle, rows first."""
    return Pose(np.array(middle, float), matrix).seen(picture, (0, 0), (side, side), 0)


def corner_error(pose, middle, matrix, side):
    corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)]) * side / 2
    off = corners @ pose.matrix.T + pose.middle - (corners @ matrix.T + middle)
    return float(np.hypot(*off.T).max())


def lie(degrees, growth, square=SQUARE):
    change = linear(
        (1 + growth) * np.cos(np.radians(degrees)) - 1, (1 + growth) * np.sin(np.radians(degrees)), square
    )
    return np.eye(2) + change


class TestPose:
    def test_a_straight_pose_sees_the_window(self):
        picture = ground(64)
        seen = Pose.straight(20, 11, (16, 24)).seen(picture, (0, 0), (16, 24), 3)
        assert seen == pytest.approx(picture[17:39, 8:38], abs=0.01)

    def test_what_lies_before_the_picture_s_first_pixel_is_counted(self):
        picture = ground(64)
        seen = Pose.straight(20, 11, (16, 24)).seen(picture[10:, 5:], (10, 5), (16, 24), 0)
        assert seen == pytest.approx(picture[20:36, 11:35], abs=0.5)

    def test_moved_is_seen_by_the_patch(self):
        """Ground that a turned patch sees one pixel to its right lies there by its own axes."""
        pose = Pose(np.array([30.0, 30.0]), lie(90, 0))
        assert pose.moved(np.array([0.0, 1.0]), np.zeros((2, 2))).middle == pytest.approx([29, 30])


class TestSettle:
    @pytest.mark.parametrize(("degrees", "growth"), [(1.0, 0.0), (-0.7, 0.008), (0.0, -0.01)])
    def test_small_turns_and_scales_are_found_from_straight(self, degrees, growth):
        picture, matrix = ground(256), lie(degrees, growth)
        patch = cut(picture, (120.3, 131.8), 64, matrix)
        made = settle(
            patch, picture, (0, 0), Pose.straight(88, 100, (64, 64)), SQUARE, ROLES, DEFAULT_EVIDENCE
        )
        assert corner_error(made.pose, (120.3, 131.8), matrix, 64) < 0.05
        assert made.far > 5 * made.sigma

    def test_a_straight_patch_is_straight(self):
        picture = ground(256)
        made = settle(
            picture[90:154, 70:134],
            picture,
            (0, 0),
            Pose.straight(91, 69, (64, 64)),
            SQUARE,
            ROLES,
            DEFAULT_EVIDENCE,
        )
        assert made.pose.middle == pytest.approx([122, 102], abs=0.02)
        assert made.far < 0.05

    def test_pixels_twice_as_long_as_wide(self):
        """What is turned on the ground is sheared in oblong pixels, and is found as a turn."""
        square = np.diag([2.0, 1.0])
        picture, matrix = ground(256), lie(1.2, 0.0, square)
        assert abs(matrix[0, 1] / matrix[1, 0]) == pytest.approx(0.25)
        patch = cut(picture, (128, 128), 64, matrix)
        made = settle(
            patch, picture, (0, 0), Pose.straight(96, 96, (64, 64)), square, ROLES, DEFAULT_EVIDENCE
        )
        assert corner_error(made.pose, (128, 128), matrix, 64) < 0.05

    def test_other_ground_and_no_data_have_no_pose_that_is_sure(self):
        picture, begin = ground(256), Pose.straight(96, 96, (64, 64))
        other = ground(256, seed=5)[96:160, 96:160]
        made = settle(other, picture, (0, 0), begin, SQUARE, ROLES, DEFAULT_EVIDENCE)
        assert made is None or made.far < 4 * made.sigma
        assert settle(other, np.zeros_like(picture), (0, 0), begin, SQUARE, ROLES, DEFAULT_EVIDENCE) is None


class TestPropose:
    @pytest.mark.parametrize(
        ("side", "degrees", "growth", "off"),
        [
            (64, 6.0, 0.0, (3, -2)),
            (64, -3.0, 0.04, (0, 4)),
            (48, 5.0, -0.02, (-2, 1)),
            (150, -4.0, 0.03, (5, -6)),
        ],
    )
    def test_parts_agree_on_turn_and_scale(self, side, degrees, growth, off):
        picture, matrix, middle = ground(384), lie(degrees, growth), np.array([190.4, 187.1])
        patch = cut(picture, middle, side, matrix)
        corner = np.rint(middle - side / 2).astype(int) + off
        rim = reach((side, side))
        top, left = corner - rim
        window = picture[top : top + side + 2 * rim, left : left + side + 2 * rim]
        found = propose(patch, window, rim, SQUARE, ROLES, DEFAULT_EVIDENCE, shipped().responses)
        pose = Pose.straight(*corner, (side, side)).moved(*found)
        assert corner_error(pose, middle, matrix, side) < 2
        assert np.hypot(*(pose.middle - middle)) < 0.5
        made = settle(patch, picture, (0, 0), pose, SQUARE, ROLES, DEFAULT_EVIDENCE)
        assert corner_error(made.pose, middle, matrix, side) < 0.1

    def test_other_ground_is_chance(self):
        picture, rim = ground(256), reach((64, 64))
        window = picture[80 - rim : 144 + rim, 80 - rim : 144 + rim]
        compared = ROLES, DEFAULT_EVIDENCE, shipped().responses
        assert propose(ground(256, seed=5)[80:144, 80:144], window, rim, SQUARE, *compared) is None
        assert propose(picture[80:144, 80:144], window, rim, SQUARE, *compared) is not None

    @pytest.mark.parametrize("seed", [1, 2])
    def test_twice_what_chance_comes_to_is_not(self, seed):
        """A part scores 25 and 34 in this noise, and 12 to 14 on other ground."""
        picture, rim = ground(256), reach((64, 64))
        window = picture[80 - rim : 144 + rim, 80 - rim : 144 + rim]
        noise = np.random.default_rng(seed).normal(0, 2000, (64, 64, 4)).astype(np.float32)
        compared = ROLES, DEFAULT_EVIDENCE, shipped().responses
        found = propose(picture[80:144, 80:144] + noise, window, rim, SQUARE, *compared)
        assert found is not None
        assert np.hypot(*found[0]) < 0.5


@pytest.mark.parametrize("city", ["milano", "rennes", "montpellier"])
@pytest.mark.parametrize(("degrees", "growth"), [(4.0, 0.0), (-5.0, 0.02), (2.0, -0.03)])
def test_another_date_of_a_real_city(city, degrees, growth):
    """Two patches of one place, straight and turned, lie on each other within half a pixel at the corners."""
    with np.load(REAL) as file:
        first, second = (file[f"{city}_{date}"].astype(np.float32) for date in ("first", "second"))
    compared = ROLES, DEFAULT_EVIDENCE
    begin = Pose.straight(28, 28, (64, 64))
    straight = settle(np.ascontiguousarray(second[12:76, 12:76]), first, (0, 0), begin, SQUARE, *compared)
    matrix = lie(degrees, growth)
    patch = cut(second, (44, 44), 64, matrix)
    rim = 20
    window = np.pad(first, ((rim, rim), (rim, rim), (0, 0)))[28 : 28 + 64 + 2 * rim, 28 : 28 + 64 + 2 * rim]
    found = propose(patch, window, rim, SQUARE, *compared, shipped().responses)
    turned = settle(patch, first, (0, 0), begin.moved(*found), SQUARE, *compared)
    assert corner_error(turned.pose, straight.pose.middle, straight.pose.matrix @ matrix, 64) < 0.5
