"""Coarse to fine: pooled codes at every few pixels propose places, fine codes near them decide."""

import numpy as np
from numpy.typing import NDArray

from matcher.candidates import Candidates, best_by_target
from matcher.kernels.bits import KEY_SHIFT, chunk_minima, least_keys, refine, sample_agreement
from matcher.pyramid.codes import CHANNELS, WEIGHTS
from matcher.pyramid.index import Index, PatchCodes

_NOISE_WINDOWS = 128
_GOLDEN = 0.6180339887498949
_PLASTIC = (0.7548776662466927, 0.5698402909980532)


def coarse_keys(index: Index, patches: PatchCodes) -> NDArray[np.uint32]:
    """Least coarse distances of every patch in every chunk of every target: (n, chunks) keys."""
    count = len(patches)
    padded = np.zeros((-(-count // 4) * 4, patches.coarse.shape[1]), np.uint64)
    padded[:count] = patches.coarse
    bounds = index.chunks
    out = np.empty((len(padded), bounds[-1]), np.uint32)
    for k, codes in enumerate(index.coarse):
        chunk_minima(codes, padded, out[:, bounds[k] : bounds[k + 1]])
    return out[:count]


def search(index: Index, patches: PatchCodes, keys: NDArray[np.uint32], depth: int, keep: int) -> Candidates:
    """Refine the `depth` best chunks of each patch and keep the best place of the `keep` best targets."""
    depth = min(depth, keys.shape[1])
    columns = np.empty((len(keys), depth), np.int64)
    least_keys(keys, depth, columns)
    target, corner = _corners(index, keys, columns)
    mean, deviation = _general_noise(index, patches)
    score, place = _refine(index, patches, target, corner, mean, deviation)
    best = best_by_target(target, place, score, keep)
    return _judge_pairs(index, patches, best)


def _corners(
    index: Index, keys: NDArray[np.uint32], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Target and (y, x) corner, pixels, of the best place in each chosen chunk."""
    bounds = index.chunks
    target = np.searchsorted(bounds, columns, side="right") - 1
    chunk = columns - bounds[target]
    inside = (np.take_along_axis(keys, columns, axis=1) & ((1 << KEY_SHIFT) - 1)).astype(np.int64)
    flat = (chunk << KEY_SHIFT) + inside
    widths = np.array([index.plan.places(h, w)[1] for _, h, w in index.shapes.tolist()])[target]
    corner = np.stack([flat // widths, flat % widths], axis=-1) * index.plan.stride
    return target, corner


def _refine(
    index: Index,
    patches: PatchCodes,
    target: NDArray[np.int64],
    corner: NDArray[np.int64],
    mean: NDArray[np.float32],
    deviation: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    score = np.empty(target.shape, np.float32)
    place = np.zeros((*target.shape, 2), np.int64)
    scale = (np.sqrt(WEIGHTS) / deviation).astype(np.float32)
    radius = index.plan.stride // 2 + 1
    arrays = (index.planes, index.starts, index.shapes, patches.fine, patches.masks, index.channel)
    refine(*arrays, target, corner, radius, mean, scale, score, place)
    return score, place


def _agreement(
    index: Index, patches: PatchCodes, target: NDArray[np.int64], corner: NDArray[np.int64]
) -> NDArray[np.int32]:
    out = np.empty((*target.shape, CHANNELS), np.int32)
    arrays = (index.planes, index.starts, index.shapes, patches.fine, patches.masks, index.channel)
    sample_agreement(*arrays, target, corner, out)
    return out


def _spread(shapes: NDArray[np.int64], side: tuple[int, int], salt: NDArray[np.int64]) -> NDArray[np.int64]:
    """Quasi-random corners inside targets: the R2 sequence of Roberts, (…, 2) from shapes (…, 2)."""
    steps = (0.5 + np.multiply.outer(salt, np.array(_PLASTIC))) % 1.0
    return (steps * (shapes - np.array(side) + 1)).astype(np.int64)


def _moments(agree: NDArray[np.int32], axis: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean = agree.mean(axis)
    return mean.astype(np.float32), (agree.std(axis) + 1.0).astype(np.float32)


def _general_noise(index: Index, patches: PatchCodes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation of each patch's agreement over windows spread over all targets: (n, channels)."""
    steps = np.arange(_NOISE_WINDOWS)
    which = ((steps * _GOLDEN) % 1.0 * len(index)).astype(np.int64)
    corner = _spread(index.shapes[which, 1:], index.plan.side, steps)
    many = (len(patches), _NOISE_WINDOWS)
    agree = _agreement(
        index,
        patches,
        np.ascontiguousarray(np.broadcast_to(which, many)),
        np.ascontiguousarray(np.broadcast_to(corner, (*many, 2))),
    )
    return _moments(agree, 1)


def _judge_pairs(index: Index, patches: PatchCodes, found: Candidates) -> Candidates:
    """Scores anew, against the noise of each patch in each target itself."""
    n, m = found.target.shape
    steps = np.arange(_NOISE_WINDOWS)
    there = found.target >= 0
    shapes = index.shapes[np.maximum(found.target, 0), 1:]
    corner = _spread(
        np.broadcast_to(shapes[:, :, np.newaxis], (n, m, _NOISE_WINDOWS, 2)), index.plan.side, steps
    )
    target = np.broadcast_to(found.target[:, :, np.newaxis], (n, m, _NOISE_WINDOWS)).reshape(n, -1)
    noise = _agreement(index, patches, target, corner.reshape(n, -1, 2)).reshape(
        n, m, _NOISE_WINDOWS, CHANNELS
    )
    mean, deviation = _moments(noise, 2)
    agree = _agreement(index, patches, found.target, found.place)
    z = np.maximum((agree - mean) / deviation, 0)
    score = np.where(there, (z * z * WEIGHTS).sum(-1), -1).astype(np.float32)
    order = np.lexsort((found.target, -score), axis=-1)
    rows = np.arange(n)[:, np.newaxis]
    return Candidates(found.target[rows, order], found.place[rows, order], score[rows, order])
