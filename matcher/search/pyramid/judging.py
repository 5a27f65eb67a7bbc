"""Which proposals are the best, by the fine codes near them, against the noise of each patch; and their rivals."""

from dataclasses import replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.fine import FineCodes, refine, sample_agreement
from matcher.kernels.rivals import places_apart
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.pyramid.codes import CHANNELS
from matcher.search.pyramid.index import Index, Layout, PatchCodes
from matcher.search.pyramid.proposals import Proposals, by_target
from matcher.threads import spread

_NOISE_WINDOWS = 64  # that tell the noise of codes, so that its deviation is good to a tenth
WIDER = 2  # strides that a place may be off from the best proposal of its target
RIVALS = 4  # places of the best target that are looked at for its rival
_TOGETHER = 16  # patches whose rivals one thread looks for at a time
# Steps that spread numbers, and places in a square, evenly however many are taken: one over the golden ratio, and over
# the plastic number and its square (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018).
_GOLDEN = 0.6180339887498949
_PLASTIC = (0.7548776662466927, 0.5698402909980532)
Noise = tuple[NDArray[np.float32], NDArray[np.float32]]  # mean and deviation


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
    windows = (proposals.target, proposals.corner, by_target(proposals.target))
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
    known, apart = (target, corner), max(APART, plan.cell)
    parts = [(n, min(n + _TOGETHER, len(target))) for n in range(0, len(target), _TOGETHER)]
    spread(lambda rows: places_apart(*codes, rows, known, plan.stride, apart, out), parts)
    return out


def _fine(index: Index, patches: PatchCodes) -> FineCodes:
    """What the fine kernels take first."""
    channel = tuple(index.channel.tolist())
    return (index.fine, index.fine_starts, index.shapes, patches.fine, patches.masks, channel)


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
    together = by_target(target[:, ::repeats])[:, np.newaxis] * repeats + np.arange(repeats)
    sample_agreement(_fine(index, patches), (target, corner, together.ravel()), out)
    return out


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
