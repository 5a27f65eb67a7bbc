"""Coarse to fine: pooled codes at every few pixels propose places, fine codes near them decide."""

import math
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.between import least_beside
from matcher.kernels.bits import KEY_SHIFT, chunk_minima, least_keys
from matcher.kernels.fine import FineCodes, refine, sample_agreement
from matcher.kernels.rivals import places_apart
from matcher.kernels.slide import ROW_SHIFT, column_minima
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.pyramid.codes import CHANNELS
from matcher.search.pyramid.index import Index, Layout, PatchCodes
from matcher.threads import at_most

_NOISE_WINDOWS = 64  # that tell the noise of codes, so that its deviation is good to a tenth
WIDER = 2  # strides that a place may be off from the best proposal of its target
RIVALS = 4  # places of the best target that are looked at for its rival
# Steps that spread numbers, and places in a square, evenly however many are taken: one over the golden ratio, and over
# the plastic number and its square (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
_GOLDEN = 0.6180339887498949
_PLASTIC = (0.7548776662466927, 0.5698402909980532)
Noise = tuple[NDArray[np.float32], NDArray[np.float32]]  # mean and deviation
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
    keys = _coarse_keys(index, patches)
    columns = _least(keys, KEY_SHIFT, wide)[: len(patches)]
    return columns, np.take_along_axis(keys[: len(patches)], columns, axis=1)


def chunk_places(
    index: Index, columns: NDArray[np.int64], keys: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best place of each of some chunks: targets (n, m), and rows and columns of the coarse grid (n, m, 2).

    `columns` (n, m) are the chunks' numbers among all targets', `keys` (n, m) their least distance and, in the lowest
    `KEY_SHIFT` bits, where in the chunk it is.
    """
    bounds = index.chunk_starts()
    target = np.searchsorted(bounds, columns, side="right") - 1
    inside = (keys & ((1 << KEY_SHIFT) - 1)).astype(np.int64)
    flat = ((columns - bounds[target]) << KEY_SHIFT) + inside
    width = (index.places()[:, 1][target] + 1) // 2
    return target, np.stack([flat // width, flat % width], axis=-1) * 2


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
    distance, order = _keys(*target.shape), _by_target(target)
    if which is not None:
        order = order[which.ravel()[order]]
        distance[:] = 64 * patches.coarse.shape[1] + 1  # more bits than can differ
    windows = (target, places, order)
    least_beside(index.coarse, index.coarse_starts, index.places(), patches.coarse, windows, distance)
    return _least(distance, 0, depth), distance


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
    bounds = index.columns()
    keys = _keys(len(patches), bounds[-1])
    keys[:] = _unseen(patches) << ROW_SHIFT
    for k in range(len(index)):
        rows = np.arange(len(patches)) if wanted is None else np.flatnonzero(wanted[:, k])
        if bounds[k] == bounds[k + 1] or not len(rows):
            continue
        padded = _padded(patches.middle[rows])
        own = _keys(len(padded), bounds[k + 1] - bounds[k])
        with at_most(len(padded) // 4):  # as many as are compared at once
            column_minima(index.windows(k), padded, own)
        keys[rows, bounds[k] : bounds[k + 1]] = own[: len(rows)]
    columns = _least(keys, ROW_SHIFT, depth)
    return columns, np.take_along_axis(keys, columns, axis=1)


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


def judge(index: Layout, patches: PatchCodes, proposals: Proposals, keep: int) -> Candidates:
    """Refine proposals by the fine codes and keep the best place of the `keep` best targets of each patch.

    Along rows of fields or a road many places fit about alike from afar, and the nearest proposal may be a stride or
    two off: what is kept is refined once more, with a wider reach.

    Parameters
    ----------
    index : Layout
    patches : PatchCodes
    proposals : Proposals
        Of each patch.
    keep : int
        Targets a patch.
    """
    noise = _general_noise(index, patches)
    found = best_by_target(_refined(index, patches, proposals, noise), keep)
    wider = Proposals(found.target, found.place, WIDER * index.plan.stride)
    wide = _refined(index, patches, wider, noise)
    found = best_by_target(wide.beside(found.rivals()), keep)
    return _with_rivals(index, patches, *_judge_pairs(index, patches, found))


def _refined(index: Layout, patches: PatchCodes, proposals: Proposals, noise: Noise) -> Candidates:
    """The best place near each proposal, by fine codes against some noise: a mean and deviation, (n, channels)."""
    mean, deviation = noise
    scale = (1 / deviation).astype(np.float32)
    return Candidates.alone(proposals.target, *near_best(index, patches, proposals, mean, scale))


@singledispatch
def near_best(
    index: Layout,
    patches: PatchCodes,
    proposals: Proposals,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best place near each proposal, (n, m, 2), and its score, (n, m) (`matcher.kernels.fine.refine`).

    `mean` and `scale` (n, channels) are of each patch's noise: agreeing bits, and one over their deviation.
    """
    assert isinstance(index, Index)
    score = np.empty(proposals.target.shape, np.float32)
    place = np.zeros((*proposals.target.shape, 2), np.int64)
    windows = (proposals.target, proposals.corner, _by_target(proposals.target))
    refine(_fine(index, patches), windows, proposals.radius, (mean, scale), (score, place))
    return place, score


def _with_rivals(index: Layout, patches: PatchCodes, found: Candidates, noise: Noise) -> Candidates:
    """Candidates with the rival of each patch's best sought in all of its target, whose noise is given.

    The search hands over the best place of many at once, and of two that lie together knows only one.
    """
    target = np.ascontiguousarray(found.target[:, 0])
    corner = apart_places(index, patches, target, np.ascontiguousarray(found.place[:, 0]))
    which = np.where(corner[..., 0] >= 0, target[:, np.newaxis], -1)
    near = Proposals(which, np.maximum(corner, 0), index.plan.stride)
    more = _refined(index, patches, near, noise)
    return best_by_target(found.beside(more), found.target.shape[1])


@singledispatch
def apart_places(
    index: Layout, patches: PatchCodes, target: NDArray[np.int64], corner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Other places of each patch's `target` (n,) apart from `corner` (n, 2): (n, `RIVALS`, 2), -1 for none.

    See `matcher.kernels.rivals`.
    """
    assert isinstance(index, Index)
    out = np.empty((len(target), RIVALS, 2), np.int64)
    plan = index.plan
    codes = (index.coarse, index.coarse_starts, index.places(), patches.coarse)
    places_apart(*codes, (target, corner), plan.stride, max(APART, plan.cell), out)
    return out


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


def _least(keys: NDArray[np.uint32], shift: int, depth: int) -> NDArray[np.int64]:
    """Columns of the `depth` least distances of each row, or of all where there are fewer."""
    columns = np.empty((len(keys), min(depth, keys.shape[1])), np.int64)
    least_keys(keys, shift, columns.shape[1], columns)
    return columns


def _padded(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Codes of patches, their number filled up to a multiple of 4."""
    return np.concatenate([codes, np.zeros((-len(codes) % 4, *codes.shape[1:]), np.uint64)])


def _fine(index: Index, patches: PatchCodes) -> FineCodes:
    """What the fine kernels take first."""
    return (index.fine, index.fine_starts, index.shapes, patches.fine, patches.masks, index.channel)


@singledispatch
def agreement(
    index: Layout,
    patches: PatchCodes,
    target: NDArray[np.int64],
    corner: NDArray[np.int64],
    repeats: int = 1,
) -> NDArray[np.int32]:
    """Agreeing bits at windows of targets: (n, windows, channels).

    `target` (n, windows) names each target `repeats` times running, `corner` (n, windows, 2) the windows' top-left
    pixels (y, x).
    """
    assert isinstance(index, Index)
    out = np.empty((*target.shape, CHANNELS), np.int32)
    together = _by_target(target[:, ::repeats])[:, np.newaxis] * repeats + np.arange(repeats)
    sample_agreement(_fine(index, patches), (target, corner, together.ravel()), out)
    return out


def _by_target(target: NDArray[np.int64]) -> NDArray[np.int64]:
    """Flat indices of candidates, those of one target together."""
    # Of 16 bits numpy sorts by counting, an order of magnitude faster.
    numbers = target.astype(np.int16) if target.max(initial=0) < 1 << 15 else target
    return np.argsort(numbers, axis=None, kind="stable")


def _spread(shapes: NDArray[np.int64], side: tuple[int, int]) -> NDArray[np.int64]:
    """Quasi-random corners inside targets, the R2 sequence (Roberts 2018): (…, windows, 2) from shapes (…, 2)."""
    steps = (0.5 + np.multiply.outer(np.arange(_NOISE_WINDOWS), np.array(_PLASTIC))) % 1.0
    free = shapes - np.array(side) + 1
    out: NDArray[np.int64] = (steps * free[..., np.newaxis, :]).astype(np.int64)
    return out


def _moments(agree: NDArray[np.int32], axis: int) -> Noise:
    return agree.mean(axis).astype(np.float32), (agree.std(axis) + 1.0).astype(np.float32)


def _general_noise(index: Layout, patches: PatchCodes) -> Noise:
    """Mean and deviation of each patch's agreement over windows spread over all targets: (n, channels)."""
    steps = np.arange(_NOISE_WINDOWS)
    which = ((steps * _GOLDEN) % 1.0 * len(index)).astype(np.int64)
    corner = _spread(index.shapes[which], index.plan.side)[steps, steps]
    target, corner = np.tile(which, (len(patches), 1)), np.tile(corner, (len(patches), 1, 1))
    return _moments(agreement(index, patches, target, corner), 1)


def _judge_pairs(index: Layout, patches: PatchCodes, found: Candidates) -> tuple[Candidates, Noise]:
    """Scores anew, against the noise of each patch in each target itself; and the noise in the best of them."""
    n, m = found.target.shape
    there = found.target >= 0
    corner = _spread(index.shapes[np.maximum(found.target, 0)], index.plan.side)
    target = np.repeat(found.target, _NOISE_WINDOWS, axis=1)
    noise = agreement(index, patches, target, corner.reshape(n, -1, 2), _NOISE_WINDOWS).reshape(
        n, m, _NOISE_WINDOWS, CHANNELS
    )
    mean, deviation = _moments(noise, 2)
    best, rival = (
        _scored(index, patches, one.target, one.place, mean, deviation)
        for one in (replace(found, target=np.where(there, found.target, -1)), found.rivals())
    )
    ranked = replace(found, rival=rival).ranked(best)
    first = np.lexsort((found.target, -best), axis=-1)[:, :1, np.newaxis]
    mean, deviation = (np.take_along_axis(part, first, axis=1)[:, 0] for part in (mean, deviation))
    return ranked, (mean, deviation)


def _scored(
    index: Layout,
    patches: PatchCodes,
    target: NDArray[np.int64],
    place: NDArray[np.int64],
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Scores of places against a noise of their own; -1 where there is no target."""
    z = np.maximum((agreement(index, patches, target, place) - mean) / deviation, 0)
    out: NDArray[np.float32] = np.where(target >= 0, (z * z).sum(-1), -1).astype(np.float32)
    return out
