"""Pieces of scenes: nothing lost at the seams, the same place under every cut."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.errors import MatcherError
from matcher.geo.resample import shrink
from matcher.indexing.tiles import Box, TiledSource, _spans

RNG = np.random.default_rng(3)


class Memory:
    """Scenes in memory whose windows can be read."""

    def __init__(self, *arrays):
        self.arrays, self.name, self.ids = arrays, "memory", np.arange(len(arrays))

    def __len__(self):
        return len(self.arrays)

    def shape(self, index):
        return self.arrays[index].shape

    def where(self, index):
        return f"memory {index}"

    def __getitem__(self, index):
        return self.arrays[index]

    def read(self, index, row, col, height, width):
        out = self.arrays[index][row : row + height, col : col + width]
        assert out.shape[:2] == (height, width)
        return out


@given(st.integers(0, 50), st.integers(1, 900), st.integers(1, 90), st.integers(1, 200))
def test_every_place_lies_in_a_piece(start, length, side, places):
    spans = _spans(start, start + length, side, places)
    held = {p for first, last in spans for p in range(first, last - side + 1)}
    assert held == set(range(start, start + length - side + 1))
    assert all(start <= first and last <= start + length for first, last in spans)
    assert len({last - first for first, last in spans}) <= 1


def test_pieces_show_the_scene_and_know_their_place():
    scenes = Memory(RNG.integers(1, 99, (70, 90, 2)), RNG.integers(1, 99, (40, 33, 2)))
    tiles = TiledSource(scenes, (8, 12), places=16)
    assert len(tiles) > 10
    for k, piece in enumerate(tiles.pieces):
        part = scenes.arrays[piece.scene][piece.row :, piece.col :][: piece.height, : piece.width]
        np.testing.assert_array_equal(tiles[k], part)
        assert tiles.shape(k) == part.shape
    scene, row, col = tiles.to_scene(np.array([len(tiles) - 1, -1]), np.array([3, 0]), np.array([4, 0]))
    last = tiles.pieces[-1]
    assert (scene[0], row[0], col[0]) == (1, last.row + 3, last.col + 4)
    assert (scene[1], row[1], col[1]) == (-1, -1, -1)


def test_pieces_read_in_order_come_ahead_and_are_the_same():
    scenes = Memory(RNG.integers(1, 99, (70, 90, 2)))
    read = []
    plain, tiles = (TiledSource(scenes, (8, 12), places=8) for _ in range(2))
    tiles._ahead._read = lambda k: read.append(k) or plain._read(k)
    count = len(tiles)
    assert count > 40
    for k in [*range(count), 5, 6, 7, 3, *range(20)]:
        np.testing.assert_array_equal(tiles[k], plain._read(k))
    assert sorted(set(read)) == list(range(count))
    assert set(read[: count + 1]) == set(range(count))  # the first pass reads each once
    assert len(tiles._ahead._coming) <= 12
    part = tiles.read(3, 2, 1, 6, 5)
    np.testing.assert_array_equal(part, plain._read(3)[2:8, 1:6])


def test_a_piece_that_cannot_be_read_ahead_raises_where_it_is_asked_for():
    tiles = TiledSource(Memory(RNG.integers(1, 99, (70, 90, 2))), (8, 12), places=8)
    good = tiles._ahead._read

    def bad(k):
        if k == 4:
            raise MatcherError("four")
        return good(k)

    tiles._ahead._read = bad
    for k in range(4):
        tiles[k]
    with pytest.raises(MatcherError, match="four"):
        tiles[4]
    assert tiles[5].any()


def test_areas_and_scenes_too_small():
    scenes = Memory(np.ones((70, 90, 1)), np.ones((5, 5, 1)))
    tiles = TiledSource(scenes, (8, 8), areas=[Box(10, 20, 40, 50), None], places=10)
    assert min(p.row for p in tiles.pieces) == 10
    assert max(p.col + p.width for p in tiles.pieces) == 50
    assert {p.scene for p in TiledSource(scenes, (8, 8)).pieces} == {0}
    with pytest.raises(MatcherError, match="holds a chip of 100 x 8 px"):
        TiledSource(scenes, (100, 8))


def test_a_scene_without_data_is_told_once_it_was_read():
    tiles = TiledSource(Memory(np.ones((30, 30, 1)), np.zeros((30, 30, 1))), (8, 8))
    tiles.check_seen()
    assert tiles[0].any()
    tiles.check_seen()
    tiles[1]
    with pytest.raises(MatcherError, match="memory 1: holds no valid pixel"):
        tiles.check_seen()


@pytest.mark.parametrize("factor", [(2.0, 2.0), (1.5, 1.5), (2.37, 2.37), (1.0, 2.0), (1.83, 1.1)])
def test_shrunk_pieces_are_windows_of_the_shrunk_scene(factor):
    scene = RNG.integers(1, 4000, (120, 150, 2)).astype(np.uint16)
    whole = shrink(scene, factor)
    tiles = TiledSource(Memory(scene), (8, 8), shrink=factor, places=20)
    for k, piece in enumerate(tiles.pieces):
        part = whole[piece.row : piece.row + piece.height, piece.col : piece.col + piece.width]
        np.testing.assert_allclose(tiles[k].astype(float), part, atol=1)


def test_scenes_are_let_go_of_with_the_pieces():
    """Not only when circles of references are looked for: open files, and much memory, would wait for it."""
    tiles = TiledSource(Memory(np.ones((90, 90, 4), np.uint16)), (64, 64))
    left = weakref.ref(tiles)
    assert len(tiles[0])
    gc.disable()
    try:
        del tiles
        assert left() is None
    finally:
        gc.enable()
