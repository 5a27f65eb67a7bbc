"""An index in parts, each of consecutive targets and searched where its codes are held: what is asked, what is merged.

Whoever searches holds no codes. Distances, places and scores come back, and every answer is that of one index of all
targets, byte for byte: keys are ranked by distance and then by target, parts follow each other as their targets do, and
noise is told from the same windows in the same order. Before places are sent, parts tell how many keys they have at
each distance, so that of all parts together no more places are sent than one index would look at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.bits import KEY_SHIFT
from matcher.kernels.slide import ROW_SHIFT
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.pyramid.codes import CHANNELS
from matcher.search.pyramid.index import Layout, PatchCodes
from matcher.search.pyramid.judging import RIVALS, agreement, apart_places, near_best
from matcher.search.pyramid.parts import Helpers, Part
from matcher.search.pyramid.promise import Promise, promise_of
from matcher.search.pyramid.proposals import (
    Nearest,
    Proposals,
    chunk_places,
    coarse_proposals,
    middle_proposals,
    nearest_beside,
    nearest_chunks,
    nearest_columns,
    propose_coarse,
    propose_middle,
)
from matcher.search.pyramid.quotas import distances, quotas
from matcher.search.pyramid.ragged import Ragged, slim
from matcher.search.pyramid.sweep import SMALL_TOP, Swept, sweep_targets, template
from matcher.search.task import Task
from matcher.threads import spread

_ORDERING = 24  # bytes a patch and target that are held where targets are ordered by their promise


@dataclass(frozen=True)
class Divided(Layout):
    """What stands for an index where others hold its parts.

    Attributes
    ----------
    bounds : ndarray of int64, (parts + 1,)
        The first target of each part, and the number of all.
    helpers : Helpers
    """

    bounds: NDArray[np.int64]
    helpers: Helpers

    @classmethod
    def of(cls, layout: Layout, bounds: NDArray[np.int64], helpers: Helpers) -> "Divided":
        """Of an index that `bounds` cut."""
        return cls(layout.plan, layout.shapes, layout.channel, bounds, helpers)

    @property
    def parts(self) -> range:
        """Numbers of the parts."""
        return range(len(self.bounds) - 1)

    def key_bytes(self, columns: int) -> int:
        """Bytes that the keys of one patch in so many columns take: those of one part, and the targets' order here."""
        return super().key_bytes(columns // len(self.parts)) + _ORDERING * len(self)

    def owned(self, target: NDArray[np.int64]) -> dict[int, NDArray[np.bool_]]:
        """By part: which of some targets, `target` (…), are its, a mask (…); parts of none are left out."""
        owner = np.searchsorted(self.bounds, target, side="right") - 1
        return {p: owner == p for p in np.unique(owner[target >= 0]).tolist()}

    def ask_all(self, function: Callable[..., Any], *given: Any) -> dict[int, Any]:
        """What every part says to the same."""
        return self.helpers.ask(function, dict.fromkeys(self.parts, given))

    def quotas(self, held: Mapping[int, Any], shift: int, depth: int) -> dict[int, NDArray[np.int64]]:
        """How many of the keys that each part holds are among the `depth` best (`matcher.search.pyramid.quotas`)."""
        told = self.helpers.ask(distances, {p: (one, shift) for p, one in held.items()})
        return quotas(told, depth)


@propose_coarse.register
def _(index: Divided, patches: PatchCodes, wide: int, depth: int) -> Proposals:
    codes = index.helpers.share(patches)
    held = index.helpers.hold(_nearest_chunks, dict.fromkeys(index.parts, (codes, wide)))
    share = index.quotas(held, KEY_SHIFT, wide)
    calls = {p: (codes, held[p], quota, depth) for p, quota in share.items()}
    moved, apart, target, places = _side_by_side(index.helpers.ask(_coarse_places, calls), (-1, 0, -1, 0))
    key = np.where(moved < 0, np.iinfo(np.int64).max, (moved << 32) | apart)
    best = np.argsort(key, axis=1, kind="stable")[:, : min(depth, wide, int(index.chunk_starts()[-1]))]
    return coarse_proposals(
        index, np.take_along_axis(target, best, 1), np.take_along_axis(places, best[..., np.newaxis], 1)
    )


def _nearest_chunks(part: Part, patches: PatchCodes, wide: int) -> Nearest:
    return nearest_chunks(part.index, patches, wide)


def _coarse_places(
    part: Part, patches: PatchCodes, nearest: Nearest, quota: NDArray[np.int64], depth: int
) -> Ragged:
    """Of a quota of a patch's chunks: the `depth` best places beside their best, and what tells which are better."""
    columns, keys = nearest[0][:, : quota.max()], nearest[1][:, : quota.max()]
    mask = np.arange(columns.shape[1]) < quota[:, np.newaxis]
    target, places = chunk_places(part.index, columns, keys)
    best, distance = nearest_beside(part.index, patches, target, places, depth, mask)
    mask = np.arange(best.shape[1]) < quota[:, np.newaxis]
    apart, target = (np.take_along_axis(a, best, 1) for a in (keys >> KEY_SHIFT, target + part.first))
    places = np.take_along_axis(places, best[..., np.newaxis], 1)
    return Ragged.of(mask, np.take_along_axis(distance, best, 1), apart, target, places)


@propose_middle.register
def _(
    index: Divided,
    patches: PatchCodes,
    depth: int,
    wanted: NDArray[np.bool_] | None = None,
) -> Proposals:
    codes = index.helpers.share(patches)
    calls: dict[int, tuple[Any, ...]] = {}
    for p in index.parts:
        own = (
            None if wanted is None else np.packbits(wanted[:, index.bounds[p] : index.bounds[p + 1]], axis=1)
        )
        calls[p] = (codes, depth, own)
    held = index.helpers.hold(_nearest_columns, calls)
    share = index.quotas(held, ROW_SHIFT, depth)
    bounds = index.columns()
    calls = {p: (held[p], quota) for p, quota in share.items()}
    said = index.helpers.ask(_first_keys, calls)
    begins = {p: int(bounds[index.bounds[p]]) for p in said}
    columns, keys = _side_by_side(said, (-1, 0))
    widths = [said[p].counts.max(initial=0) for p in sorted(said)]
    columns += np.where(columns < 0, 0, np.repeat([begins[p] for p in sorted(said)], widths))
    key = np.where(columns < 0, np.iinfo(np.int64).max, keys >> ROW_SHIFT)
    best = np.argsort(key, axis=1, kind="stable")[:, : min(depth, int(bounds[-1]))]
    columns, keys = (np.take_along_axis(array, best, 1) for array in (columns, keys))
    return middle_proposals(index, patches, columns, keys.astype(np.uint32))


def _nearest_columns(
    part: Part, patches: PatchCodes, depth: int, wanted: NDArray[np.uint8] | None
) -> Nearest:
    bits = None if wanted is None else np.unpackbits(wanted, axis=1, count=len(part.index)).astype(bool)
    return nearest_columns(part.index, patches, depth, bits)


def _first_keys(_part: Part, nearest: Nearest, quota: NDArray[np.int64]) -> Ragged:
    columns, keys = (array[:, : quota.max()] for array in nearest)
    return Ragged.of(np.arange(columns.shape[1]) < quota[:, np.newaxis], columns, keys)


def _side_by_side(said: Mapping[int, Ragged], fills: Sequence[int]) -> list[NDArray[np.int64]]:
    """The arrays of all parts' answers beside each other, in the parts' order, short rows filled."""
    padded = [said[p].padded(*fills) for p in sorted(said)]
    return [np.concatenate(arrays, axis=1) for arrays in zip(*padded, strict=True)]


@near_best.register
def _(
    index: Divided,
    patches: PatchCodes,
    proposals: Proposals,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    codes = index.helpers.share(patches)
    owned = index.owned(proposals.target)
    some = {p: _windows(index, p, mask, proposals.target, proposals.corner) for p, mask in owned.items()}
    calls = {p: (codes, one, proposals.radius, mean, scale) for p, one in some.items()}
    place = np.zeros((*proposals.target.shape, 2), np.int64)
    score = np.full(proposals.target.shape, -1, np.float32)
    for p, (at, value) in index.helpers.ask(_near_best, calls).items():
        place[owned[p]], score[owned[p]] = at, value
    return place, score


def _near_best(
    part: Part,
    patches: PatchCodes,
    windows: Ragged,
    radius: int,
    mean: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> tuple[NDArray[np.integer], NDArray[np.float32]]:
    target, corner = windows.padded(-1, 0)
    place, score = near_best(part.index, patches, Proposals(target, corner, radius), mean, scale)
    return slim(place[windows.mask]), score[windows.mask]


@agreement.register
def _(
    index: Divided,
    patches: PatchCodes,
    target: NDArray[np.int64],
    corner: NDArray[np.int64],
    repeats: int = 1,
) -> NDArray[np.int32]:
    codes = index.helpers.share(patches)
    owned = index.owned(target)
    calls = {p: (codes, _windows(index, p, mask, target, corner), repeats) for p, mask in owned.items()}
    out = np.full((*target.shape, CHANNELS), -1, np.int32)
    for p, agree in index.helpers.ask(_agreement, calls).items():
        out[owned[p]] = agree
    return out


def _agreement(part: Part, patches: PatchCodes, windows: Ragged, repeats: int) -> NDArray[np.integer]:
    target, corner = windows.padded(-1, 0)
    return slim(agreement(part.index, patches, target, corner, repeats)[windows.mask])


def _windows(
    index: Divided,
    part: int,
    mask: NDArray[np.bool_],
    target: NDArray[np.int64],
    corner: NDArray[np.int64],
) -> Ragged:
    return Ragged.of(mask, target - index.bounds[part], corner)


@apart_places.register
def _(
    index: Divided, patches: PatchCodes, target: NDArray[np.int64], corner: NDArray[np.int64]
) -> NDArray[np.int64]:
    codes = index.helpers.share(patches)
    owned = index.owned(target)
    calls = {}
    for p, rows in owned.items():
        calls[p] = (codes, np.where(rows, target - index.bounds[p], -1), corner)
    out = np.full((len(target), RIVALS, 2), -1, np.int64)
    for p, places in index.helpers.ask(_apart_places, calls).items():
        out[owned[p]] = places
    return out


def _apart_places(
    part: Part, patches: PatchCodes, target: NDArray[np.int64], corner: NDArray[np.int64]
) -> NDArray[np.integer]:
    return slim(apart_places(part.index, patches, target, corner)[target >= 0])


class DividedPromise(Promise):
    """The promise of targets whose windows' statistics others hold."""

    def __init__(self, index: Divided) -> None:
        self._index, self._pixels = index, index.shapes.prod(1)

    def nearest(self, statistics: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """As of `Promise`, each part's targets told by it."""
        said = self._index.ask_all(_nearest_windows, np.stack(statistics))
        return np.concatenate([said[p] for p in sorted(said)], axis=1)


@promise_of.register
def _(index: Divided, _task: Task) -> Promise:
    return DividedPromise(index)


def _nearest_windows(part: Part, statistics: NDArray[np.float32]) -> NDArray[np.float32]:
    return part.promise.nearest(list(statistics))


@sweep_targets.register
def _(
    index: Divided, patches: Sequence[Swept], wanted: Sequence[NDArray[np.int64]], close: bool
) -> Candidates:
    calls, rows = {}, {}
    for p in index.parts:
        low, high = index.bounds[p : p + 2]
        own = [targets[(targets >= low) & (targets < high)] - low for targets in wanted]
        rows[p] = np.array([n for n, targets in enumerate(own) if len(targets)], np.int64)
        if len(rows[p]):
            calls[p] = ([patches[n][0] for n in rows[p]], [own[n] for n in rows[p]], close)
    found = Candidates.empty(len(patches), SMALL_TOP)
    for p, seen in sorted(index.helpers.ask(_sweep_targets, calls).items()):
        found.put(rows[p], best_by_target(found.take(rows[p]).beside(seen), SMALL_TOP))
    return found


def _sweep_targets(
    part: Part, which: Sequence[int], wanted: Sequence[NDArray[np.int64]], close: bool
) -> Candidates:
    """The patches are read here: they are few, and templates take more than what files hold."""
    patches = [part.task.patches[k] for k in which]
    templates = spread(lambda dn: template(dn, part.task, part.index.plan), patches)
    seen = sweep_targets(part.index, list(zip(which, templates, strict=True)), wanted, close)
    return replace(seen, target=np.where(seen.target >= 0, seen.target + part.first, -1))
