"""Places worth a closer look, from codes at every few pixels."""

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.between import least_beside
from matcher.kernels.bits import KEY_SHIFT, chunk_minima, least_keys, places_of_chunks
from matcher.kernels.slide import ROW_SHIFT, column_minima
from matcher.search.pyramid.index import Index, Layout, PatchCodes
from matcher.threads import at_most, spread

_TOGETHER = 16  # rows of keys that one thread fills at a time
Nearest = tuple[NDArray[np.int64], NDArray[np.uint32]]  # columns of keys and the keys, (n, m) both


@dataclass(frozen=True)
class Proposals:
    """Places worth a closer look.

    Attributes
    ----------
    target : ndarray of int64, (n, m)
        -1 where there is no proposal.
    corner : ndarray of int64, (n, m, 2)
        (y, x) of the coded part's top-left pixel.
    radius : int
        How far off the true place may be, pixels.
    """

    target: NDArray[np.int64]
    corner: NDArray[np.int64]
    radius: int


@singledispatch
def propose_coarse(index: Layout, patches: PatchCodes, wide: int, depth: int) -> Proposals:
    """The `depth` best of the places beside the best of the `wide` best chunks, of all targets' coarse places.

    A chunk is of every second row and column of places: a quarter of the comparisons. The places between are compared
    only beside the likest of these.

    Parameters
    ----------
    index : Layout
    patches : PatchCodes
        n patches.
    wide, depth : int
        Chunks, and places proposed, a patch.
    """
    assert isinstance(index, Index)
    columns, keys = nearest_chunks(index, patches, wide)
    target, places = chunk_places(index, columns, keys)
    best, _ = nearest_beside(index, patches, target, places, depth)
    places = np.take_along_axis(places, best[..., np.newaxis], 1)
    return coarse_proposals(index, np.take_along_axis(target, best, 1), places)


def nearest_chunks(index: Index, patches: PatchCodes, wide: int) -> Nearest:
    """The `wide` best chunks of every second coarse place, least distance first."""
    return _least(_coarse_keys(index, patches)[: len(patches)], KEY_SHIFT, wide)


def chunk_places(
    index: Index, columns: NDArray[np.int64], keys: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best place of each of some chunks: targets (n, m), and rows and columns of the coarse grid (n, m, 2).

    `columns` (n, m) are the chunks' numbers among all targets', `keys` (n, m) their least distance and, in the lowest
    `KEY_SHIFT` bits, where in the chunk it is.
    """
    target, place = np.empty_like(columns), np.empty((*columns.shape, 2), np.int64)
    widths = np.ascontiguousarray(index.places()[:, 1])
    places_of_chunks(columns, keys, index.chunk_starts(), widths, target, place)
    return target, place


def nearest_beside(
    index: Index,
    patches: PatchCodes,
    target: NDArray[np.int64],
    places: NDArray[np.int64],
    depth: int,
    which: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Move places to the least distance beside them; the columns of the `depth` least, and all distances (n, m).

    Parameters
    ----------
    index : Index
    patches : PatchCodes
        n patches.
    target : ndarray (n, m), int64
    places : ndarray (n, m, 2), int64
        Rows and columns of the coarse grid; changed in place.
    depth : int
    which : ndarray (n, m), bool, optional
        Those that count, by default all.
    """
    distance, order = _keys(*target.shape), by_target(target)
    if which is not None:
        order = order[which.ravel()[order]]
        distance[:] = 64 * patches.coarse.shape[1] + 1  # more bits than can differ
    windows = (target, places, order)
    least_beside(index.coarse, index.coarse_starts, index.places(), patches.coarse, windows, distance)
    return _least(distance, 0, depth)[0], distance


def coarse_proposals(index: Layout, target: NDArray[np.int64], places: NDArray[np.int64]) -> Proposals:
    """Places of the coarse grid, `places` (n, m, 2) of `target` (n, m), as proposals."""
    stride = index.plan.stride
    return Proposals(target, places * stride, (stride + 1) // 2)


@singledispatch
def propose_middle(
    index: Layout,
    patches: PatchCodes,
    depth: int,
    wanted: NDArray[np.bool_] | None = None,
) -> Proposals:
    """The best place in each of the `depth` best columns of middle places.

    `wanted` (n, targets) says in which targets each patch is sought, by default in all; of others there are none.
    """
    assert isinstance(index, Index)
    return middle_proposals(index, patches, *nearest_columns(index, patches, depth, wanted))


def nearest_columns(
    index: Index, patches: PatchCodes, depth: int, wanted: NDArray[np.bool_] | None
) -> Nearest:
    """The `depth` best columns of middle places, least distance first, of targets that are `wanted` (n, targets)."""
    bounds, count = index.columns(), len(patches)
    keys, unseen = _keys(count, bounds[-1]), _unseen(patches) << ROW_SHIFT

    def empty(rows: slice) -> None:
        keys[rows] = unseen

    spread(empty, [slice(start, start + _TOGETHER) for start in range(0, count, _TOGETHER)])
    for k in range(len(index)):
        rows = np.arange(count) if wanted is None else np.flatnonzero(wanted[:, k])
        if bounds[k] == bounds[k + 1] or not len(rows):
            continue
        fours = np.concatenate([rows, np.full(-len(rows) % 4, count)])
        with at_most(len(fours) // 4):  # as many as are compared at once
            column_minima(index.windows(k), patches.middle, fours, keys[:, bounds[k] : bounds[k + 1]])
    return _least(keys, ROW_SHIFT, depth)


def middle_proposals(
    index: Layout, patches: PatchCodes, columns: NDArray[np.int64], keys: NDArray[np.uint32]
) -> Proposals:
    """The best places of some columns as proposals; none of columns that were not looked at.

    `columns` (n, m) are their numbers among all targets', `keys` (n, m) their least distance and, in the lowest
    `ROW_SHIFT` bits, its row.
    """
    bounds = index.columns()
    target = np.searchsorted(bounds, columns, side="right") - 1
    row = (keys & ((1 << ROW_SHIFT) - 1)).astype(np.int64)
    factor = index.plan.factor
    corner = np.stack([row, columns - bounds[target]], axis=-1) * factor
    target = np.where(keys >> ROW_SHIFT < _unseen(patches), target, -1)
    return Proposals(target, corner, (factor + 1) // 2 if factor > 1 else 0)


def _unseen(patches: PatchCodes) -> int:
    """More bits of middle codes than can differ."""
    return 64 * math.prod(patches.middle.shape[1:]) + 1


def _coarse_keys(index: Index, patches: PatchCodes) -> NDArray[np.uint32]:
    """Least distances of every patch in every chunk of every second place: (n filled up to 4, chunks) keys."""
    bounds = index.chunk_starts()
    padded = _padded(patches.coarse)
    out = _keys(len(padded), bounds[-1])
    places = ((index.places() + 1) // 2).prod(1)
    chunk_minima(index.coarse, index.coarse_starts, bounds, places, padded, out)
    return out


def _keys(rows: int, columns: int) -> NDArray[np.uint32]:
    """Room for keys: a slice of more, so that those of one target and of many have one layout, compiled for once."""
    return np.empty((rows, columns + 1), np.uint32)[:, :-1]


def _least(keys: NDArray[np.uint32], shift: int, depth: int) -> Nearest:
    """Columns of the `depth` least distances of each row, or of all where there are fewer, and their keys."""
    columns = np.empty((len(keys), min(depth, keys.shape[1])), np.int64)
    least = np.empty(columns.shape, np.uint32)
    least_keys(keys, shift, columns, least)
    return columns, least


def _padded(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Codes of patches, their number filled up to a multiple of 4."""
    return np.concatenate([codes, np.zeros((-len(codes) % 4, *codes.shape[1:]), np.uint64)])


def by_target(target: NDArray[np.int64]) -> NDArray[np.int64]:
    """Flat indices of candidates, those of one target together."""
    # Of 16 bits numpy sorts by counting, an order of magnitude faster.
    numbers = target.astype(np.int16) if target.max(initial=0) < 1 << 15 else target
    return np.argsort(numbers, axis=None, kind="stable")
