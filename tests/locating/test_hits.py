"""When two hits are one place, and which of them counts as the first one's rival."""

from types import SimpleNamespace

import pytest
from affine import Affine

from matcher.geo.grid import Grid
from matcher.locating.hits import Hit, apart, ordered, rival
from matcher.locating.laying import Variant

SIDE = (40, 60)  # height and width of the chip
VARIANTS = [Variant(n, SIDE, (1.0, 0.0, 0.0, 1.0), True) for n in range(2)]


def hit(row, col, score, *, scene=0, shrink=(1.0, 1.0), variant=0):
    search = SimpleNamespace(tiles=SimpleNamespace(side=SIDE, shrink=shrink))
    return Hit(VARIANTS[variant], search, None, 0, 0, scene, row, col, score)


def scenes(*grids):
    return SimpleNamespace(rasters=[SimpleNamespace(georef=grid) for grid in grids])


def grid_at(col, row, size=10.0):
    """A grid of `size` m whose corner lies so many pixels of 10 m right of and below the first one's."""
    transform = Affine(size, 0, 600000 + 10 * col, 0, -size, 5700000 - 10 * row)
    return Grid("EPSG:32631", transform, (400, 400))


class TestApart:
    @pytest.mark.parametrize(
        ("down", "across", "one"),
        [(0, 0, True), (19, 29, True), (12, 20, True), (20, 0, False), (0, 30, False), (21, 31, False)],
    )
    @pytest.mark.parametrize("shrink", [(1.0, 1.0), (2.0, 3.0)])
    def test_half_a_chip_tells_places_of_a_scene_apart(self, down, across, one, shrink):
        hits = [hit(100, 100, 50.0, shrink=shrink), hit(100 - down, 100 + across, 60.0, shrink=shrink)]
        assert apart(scenes(None), hits) == ([hits[1]] if one else [hits[1], hits[0]])

    @pytest.mark.parametrize(("off", "one"), [(0, True), (16, True), (28, True), (32, False), (45, False)])
    @pytest.mark.parametrize("way", [(0, 1), (1, 0)])
    def test_the_same_ground_in_two_scenes(self, off, one, way):
        """Nearer than half the chip's longer side, on the ground, whichever pixels the scenes count by."""
        down, across = off * way[0], off * way[1]
        two = scenes(grid_at(0, 0), grid_at(35, -22))
        hits = [hit(100, 100, 60.0), hit(122 + down, 65 + across, 50.0, scene=1)]
        assert apart(two, hits) == (hits[:1] if one else hits)

    def test_scenes_without_a_grid_share_no_ground(self):
        hits = [hit(100, 100, 60.0), hit(100, 100, 50.0, scene=1)]
        assert apart(scenes(grid_at(0, 0), None), hits) == hits

    def test_best_first_and_ties_by_scene_and_place(self):
        hits = [hit(9, 9, 5.0, scene=1), hit(9, 8, 5.0), hit(8, 9, 5.0), hit(200, 200, 7.0, scene=1)]
        assert ordered(hits) == [hits[3], hits[2], hits[1], hits[0]]


class TestRival:
    def test_in_one_search_a_few_pixels_make_another_place(self):
        first, near, next_ = hit(100, 100, 60.0), hit(106, 94, 55.0), hit(100, 107, 40.0)
        assert rival(scenes(None), [first, near, next_]) is next_
        assert rival(scenes(None), [first, near]) is None

    def test_between_searches_half_a_chip_does(self):
        first, near, far = hit(100, 100, 60.0), hit(110, 110, 55.0, variant=1), hit(125, 100, 40.0, variant=1)
        assert rival(scenes(None), [first, near, far]) is far
        assert rival(scenes(None), [first, near]) is None
