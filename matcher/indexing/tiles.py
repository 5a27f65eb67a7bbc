"""Large scenes as overlapping pieces of one size, so that the search sees only ordinary images.

A patch's top-left pixel, a *place*, can lie anywhere in a scene. Places are cut into blocks, and each piece is what
the windows of one block cover, and a rim on every side where there is one: every place lies in a piece, so nothing
is lost at the seams, and the rim keeps gradients near a piece's border whole. What lies in the rim of one piece is
found in the next one too, at the same place of the scene, and counts once.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.formats.base import Typed, Windowed
from matcher.geo.resample import shrink, shrunk

PLACES = 512  # of a piece, along each side, about
RIM = 8  # px; gradients and local means near a border see beyond it
_AHEAD = 12  # pieces read while those before them are worked on


@dataclass(frozen=True)
class Box:
    """A rectangle of one scene, pixels of the search: rows top to bottom - 1, columns left to right - 1."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Piece:
    """One piece: the scene's index, its top-left pixel there and its size, pixels of the search."""

    scene: int
    row: int
    col: int
    height: int
    width: int


class TiledSource:
    """Scenes as pieces, a `matcher.formats.base.Source` of ids 0, 1, ….

    Parameters
    ----------
    scenes : Windowed
    side : (int, int)
        Height and width of the patches, pixels of the search.
    shrink : (float, float)
        How many pixels of the scene a pixel of the search is, down and across, 1 or more.
    areas : sequence of Box or None, optional
        The part of each scene that is searched, pixels of the search; None leaves the scene out.
    places : int
        Places of a piece along each side, about.

    Raises
    ------
    MatcherError
        If no scene, or area, holds a patch of this size.
    """

    def __init__(
        self,
        scenes: Windowed,
        side: tuple[int, int],
        *,
        shrink: tuple[float, float] = (1.0, 1.0),
        areas: Sequence[Box | None] | None = None,
        places: int = PLACES,
    ) -> None:
        self.scenes = scenes
        self.side = side
        self.shrink = shrink
        self.name = scenes.name
        self.pieces = tuple(self._cut(areas, places))
        self.ids = np.arange(len(self.pieces), dtype=np.int64)
        self._empty: dict[int, bool] = {}
        # Not a method: in a circle of references the scenes, and their open files, would outlive a search.
        self._read = functools.partial(_read, scenes, self.pieces, shrink)
        self._ahead = _Ahead(self._read, len(self.pieces))
        if not self.pieces:
            raise MatcherError(
                f"{scenes.name}: no scene, or part that is searched, holds a chip of {side[0]} x {side[1]} px"
            )

    def _cut(self, areas: Sequence[Box | None] | None, places: int) -> Iterator[Piece]:
        for k in range(len(self.scenes)):
            size = shrunk(self.scenes.shape(k), self.shrink)
            box = Box(0, 0, size[0], size[1]) if areas is None else areas[k]
            if box is None:
                continue
            inside = Box(max(box.top, 0), max(box.left, 0), min(box.bottom, size[0]), min(box.right, size[1]))
            yield from pieces_of(k, inside, self.side, places)

    def __len__(self) -> int:
        return len(self.pieces)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of a piece."""
        piece = self.pieces[index]
        return piece.height, piece.width, self.scenes.shape(piece.scene)[2]

    def dtype(self, index: int) -> np.dtype:
        """Of the values of the scene that a piece is of."""
        scene = self.pieces[index].scene
        return self.scenes.dtype(scene) if isinstance(self.scenes, Typed) else self[index].dtype

    def where(self, index: int) -> str:
        """The scene and the piece's place in it, for messages."""
        piece = self.pieces[index]
        return f"{self.scenes.where(piece.scene)}, from row {piece.row}, column {piece.col}"

    def __getitem__(self, index: int) -> NDArray:
        """One piece, (height, width, bands); of pieces read in order the next ones are read meanwhile."""
        array = self._ahead[index]
        if index not in self._empty:
            self._empty[index] = not array.any()
        return array

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one piece, (height, width, bands)."""
        piece = self.pieces[index]
        part = Piece(piece.scene, piece.row + row, piece.col + col, height, width)
        return read_shrunk(self.scenes, part, self.shrink)

    def to_scene(
        self, target: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Places in pieces as places in scenes: (scene, row, column); of target -1, all are -1."""
        table = np.array([(p.scene, p.row, p.col) for p in self.pieces], np.int64)[np.maximum(target, 0)]
        there = target >= 0
        return (
            np.where(there, table[..., 0], -1),
            np.where(there, table[..., 1] + y, -1),
            np.where(there, table[..., 2] + x, -1),
        )

    def check_seen(self) -> None:
        """Raise where a scene was read, and nothing in it was valid."""
        for scene in range(len(self.scenes)):
            seen = [self._empty.get(k) for k, piece in enumerate(self.pieces) if piece.scene == scene]
            if seen and all(seen):
                raise MatcherError(
                    f"{self.scenes.where(scene)}: holds no valid pixel where it was searched: all is no data, masked, "
                    "transparent or 0; check its nodata value, or leave it out"
                )


class _Ahead:
    """Pieces by number; where they are asked for in order, a thread of its own reads the next ones already."""

    def __init__(self, read: Callable[[int], NDArray], count: int) -> None:
        self._read, self._count = read, count
        self._last = -2
        self._coming: dict[int, Future[NDArray]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __getitem__(self, index: int) -> NDArray:
        coming = self._coming.pop(index, None)
        if index == self._last + 1:
            self._order(index)
        else:
            self._forget()
        self._last = index
        return self._read(index) if coming is None else coming.result()

    def _order(self, index: int) -> None:
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="matcher-read")
        for k in range(index + 1, min(index + 1 + _AHEAD, self._count)):
            if k not in self._coming:
                self._coming[k] = self._pool.submit(self._read, k)
        if index == self._count - 1:
            self._forget()

    def _forget(self) -> None:
        for coming in self._coming.values():
            coming.cancel()
        self._coming.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None


def _read(scenes: Windowed, pieces: Sequence[Piece], factors: tuple[float, float], index: int) -> NDArray:
    return read_shrunk(scenes, pieces[index], factors)


def read_shrunk(scenes: Windowed, piece: Piece, factors: tuple[float, float]) -> NDArray:
    """A piece of a scene at `factors` of the scene's pixels a pixel, down and across, by area means."""
    if factors == (1.0, 1.0):
        return scenes.read(piece.scene, piece.row, piece.col, piece.height, piece.width)
    shape = scenes.shape(piece.scene)
    (top, bottom), (left, right) = (
        (int(first * f), min(int(np.ceil((first + count) * f)), whole))
        for first, count, f, whole in zip(
            (piece.row, piece.col), (piece.height, piece.width), factors, shape[:2], strict=True
        )
    )
    window = scenes.read(piece.scene, top, left, bottom - top, right - left)
    start = (piece.row * factors[0] - top, piece.col * factors[1] - left)
    return shrink(window, factors, (piece.height, piece.width), start)


def pieces_of(scene: int, box: Box, side: tuple[int, int], places: int = PLACES) -> Iterator[Piece]:
    """A part of a scene as pieces for patches of `side`; none where no patch fits."""
    columns = _spans(box.left, box.right, side[1], places)
    for top, bottom in _spans(box.top, box.bottom, side[0], places):
        for left, right in columns:
            yield Piece(scene, top, left, bottom - top, right - left)


def _spans(start: int, stop: int, side: int, places: int) -> list[tuple[int, int]]:
    """First and last + 1 pixel of pieces of one size whose places together are all of start … stop - side."""
    count = stop - start - side + 1
    if count < 1:
        return []
    pieces = -(-count // places)
    if pieces == 1:
        return [(start, stop)]
    size = min(-(-count // pieces) + side - 1 + 2 * RIM, stop - start)
    firsts = np.round(np.linspace(start, stop - size, pieces)).astype(int).tolist()
    return [(first, first + size) for first in firsts]
