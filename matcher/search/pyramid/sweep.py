"""The sweep: every pixel of the likeliest targets, by one transform a pair and less.

What pooling wipes out (texture of one or two pixels, ground beside a patch's clouds) is seen at full resolution only.
The exact engine takes an inverse transform for every kind of evidence, so that their maps can be weighed by what each
is worth; here a pair's spectra are summed before one inverse transform of a map. A patch's clouds are left out, its
fields are whitened as the exact engine's are; the targets' fields are the signs that the codes hold, so that no
picture is read again. Maps are folded, and their highest places verified: a true place stands out of its map by 12
deviations in the median of those that other levels miss, so that half of it will do to be noticed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import templates
from matcher.evidence.pixels import seen_pixels
from matcher.imagery import Roles
from matcher.kernels.content import strong_pixels
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.correlation import whitened
from matcher.search.pyramid.codes import Plan, plane_kinds
from matcher.search.pyramid.index import Index, Layout
from matcher.search.pyramid.maps import extents_of, highest, spectra_bytes, verified
from matcher.search.pyramid.promise import likest_first
from matcher.search.task import Task
from matcher.threads import spread

# Pixels of targets that a patch in doubt is looked for in, the most promising targets first; farther where nothing in
# these stands out. The first targets are folded less: they hold nearly all that is found in small sets, and much in
# large ones. In the challenge, where colour says less, half of what the sweep finds lies beyond the first 48 million.
# Reaches are each patch's own, which costs as much in a large set as in a small one; what counts is the room of maps,
# so that small targets, which fill theirs in part, count for what they cost.
REACHES = (24e6, 64e6, 240e6)
STANDS_OUT = 7.5  # deviations above a map's mean that hardly any wrong place reaches
# Targets whose best place the exact engine judges, and deviations that they are at most below the best: of the places
# that are found at all, 19 in 20 are the best of all or less than one deviation below.
TOP, NEAR = 8, 1.0
# A patch of at most so many px a side has fewer pixels to stand out by: of 51 and 87 of 32 px that are in doubt among
# 600 images, two and four more are found where so many places are judged, at no more than a tenth of the time.
SMALL, SMALL_TOP, SMALL_NEAR = 48, 24, 3.0
# A patch with gradients stronger than `FAINT` DN a pixel at this share of its pixels is worth the whole reach, one with
# fewer so much less, and at least the least part of it: water and cloud are seldom placed, and are many.
RICH, LEAST = 0.25, 0.125
FAINT = 20.0
# Deviations above a folded map's mean from which on a place is verified: none of 83 true ones that are among the two
# highest of their map has less than 4.4. To verify what chance has above it costs a tenth of the maps.
VERIFIED = 4.5
_NOTHING = 1e-6  # energy a number of fields below which they are flat
SPECTRA_SHARE = 0.15  # of the memory, for the spectra of a block of patches

Swept = tuple[int, NDArray[np.float32]]  # a patch's number in the task, and its template


@dataclass(frozen=True)
class _Query:
    """A patch as it is swept.

    Attributes
    ----------
    number : int
        Of the patch in the task.
    template : ndarray (planes, height, width), float32
    order : ndarray (targets,), int64
        Targets in order of promise.
    ends : tuple of int
        How many of them have been looked at after each step: one at least, and none for a patch without texture.
    """

    number: int
    template: NDArray[np.float32]
    order: NDArray[np.int64]
    ends: tuple[int, ...]

    @classmethod
    def of(
        cls,
        number: int,
        template: NDArray[np.float32],
        order: NDArray[np.int64],
        extents: NDArray[np.int64],
        share: float,
    ) -> "_Query":
        """A patch that is worth a share of the whole reach; `extents` (targets,) of their maps."""
        if not template.any():
            return cls(number, template, order, (0,) * len(REACHES))
        extent = np.cumsum(extents[order])
        ends = [max(int(np.searchsorted(extent, reach * share, side="right")), 1) for reach in REACHES]
        return cls(number, template, order, tuple(ends))

    def wanted(self, step: int) -> NDArray[np.int64]:
        """The targets that a step looks at."""
        return self.order[self.ends[step - 1] if step else 0 : self.ends[step]]


def held_bytes(
    shapes: Iterable[Sequence[int]], plan: Plan, planes_: int, memory: int, together: int, threads: int
) -> int:
    """The most that a sweep holds, bytes: spectra of patches, and work of every thread.

    Parameters
    ----------
    shapes : iterable of (int, int)
        Heights and widths of the targets.
    plan : Plan
    planes_ : int
        Fields of a patch.
    memory : int
        Bytes of the whole match.
    together : int
        Patches that are swept at once, at most.
    threads : int
    """
    each = spectra_bytes(shapes, plan.side, planes_)
    return min(together * each, max(int(memory * SPECTRA_SHARE), each)) + 16 * threads * each


def sweep(
    task: Task,
    index: Layout,
    distances: NDArray[np.float32],
    which: Sequence[int],
    patches: Sequence[NDArray[np.float32]],
) -> Candidates:
    """The best places of patches in the targets that they are likest to lie in, by every pixel.

    Parameters
    ----------
    task : Task
    index : Index
    distances : ndarray (k, targets), float32
        How unlike the patches the targets are (`matcher.search.pyramid.promise`).
    which : sequence of int
        Numbers of the patches in the task.
    patches : sequence of ndarray (height, width, bands), float32
        DN, all of one shape.

    Returns
    -------
    Candidates
        Targets by their number in the index, places of the patch's coded part, one a target; scores are deviations
        above the map's mean. What a patch gets depends on nothing but itself and the targets.
    """
    orders, extents = spread(likest_first, distances), extents_of(index.shapes, index.plan.side)

    def query(n: int) -> _Query:
        own, share = template(patches[n], task, index.plan), task.effort * worth(patches[n], task.roles)
        return _Query.of(which[n], own, orders[n], extents, share)

    queries = spread(query, range(len(patches)))
    top, depth = (SMALL_TOP, SMALL_NEAR) if max(index.plan.whole) <= SMALL else (TOP, NEAR)
    found = Candidates.empty(len(queries), top)
    for step in range(len(REACHES)):
        rows = np.flatnonzero(found.score[:, 0] < STANDS_OUT)
        some = [queries[n] for n in rows]
        own = [(query.number, query.template) for query in some]
        seen = sweep_targets(index, own, [query.wanted(step) for query in some], step == 0)
        found.put(rows, best_by_target(found.take(rows).beside(seen), top))
    near = found.score >= found.score[:, :1] - depth
    return replace(found, target=np.where(near, found.target, -1), score=np.where(near, found.score, -1))


def worth(dn: NDArray[np.float32], roles: Roles) -> float:
    """Which share of the reach a patch is worth, by how much of what is seen of it has gradients above noise.

    `dn` is (height, width, bands).
    """
    share = strong_pixels(dn, seen_pixels(dn, roles), FAINT) / (dn.shape[0] * dn.shape[1])
    return float(np.clip(share / RICH, LEAST, 1))


def template(dn: NDArray[np.float32], task: Task, plan: Plan) -> NDArray[np.float32]:
    """The fields of a patch's coded part as they are swept: (planes, h, w), each kind of energy 1, or 0 where flat.

    `dn` is the whole patch, (height, width, bands). They are the exact engine's, summed over bands as planes are: of
    the kinds that the task's evidence names, or of all where it names none of them.
    """
    (height, width), (top, left) = plan.side, plan.margin
    own = np.ascontiguousarray(dn[top : top + height, left : left + width])
    # Each has two planes; where it comes twice, the second is near infrared's.
    kinds = plane_kinds(task.roles)[::2]
    every = tuple(dict.fromkeys(kinds))
    known = tuple(kind for kind in every if kind in task.evidence) or every
    made = {one.name: one for one in templates(own, task.roles, known, task.model.responses)}
    out = np.zeros((2 * len(kinds), height, width), np.float32)
    for k, kind in enumerate(kinds):
        channel = made.get(kind if kinds.index(kind) == k else f"{kind}-nir")
        if channel is None:
            continue
        summed = channel.stacks[0].reshape(2, -1, height, width).sum(1)
        pair = whitened(summed, channel.response)
        energy = float(np.square(pair, dtype=np.float64).sum())
        if energy > _NOTHING * pair.size:
            out[2 * k : 2 * k + 2] = pair / np.sqrt(energy)
    return out


@singledispatch
def sweep_targets(
    index: Layout, patches: Sequence[Swept], wanted: Sequence[NDArray[np.int64]], close: bool
) -> Candidates:
    """The best places of every patch in the targets that it wants, whose numbers (k,) `wanted` has.

    With `close` the targets are folded less.
    """
    assert isinstance(index, Index)
    templates = [own for _, own in patches]
    peaks = highest(index, templates, wanted, close)

    def one(n: int) -> Candidates:
        seen = peaks[n].take(np.flatnonzero(peaks[n].score >= VERIFIED))
        place, score = verified(index, templates[n], seen, close)
        target = np.where(score >= 0, seen.target, -1)
        alone = Candidates.alone(target[np.newaxis], place[np.newaxis], score[np.newaxis])
        return best_by_target(alone, SMALL_TOP)

    found = Candidates.empty(len(patches), SMALL_TOP)
    for n, best in enumerate(spread(one, range(len(patches)))):
        found.put(np.array([n]), best)
    return found
