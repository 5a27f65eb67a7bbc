"""The sweep: every pixel of the likeliest targets, by one transform a pair.

What pooling wipes out (texture of one or two pixels, ground beside a patch's clouds) is seen at full resolution only.
The exact engine takes an inverse transform for every kind of evidence, so that their maps can be weighed by what each
is worth; here a pair's spectra are summed before one inverse transform of a map. A patch's clouds are left out, its
fields are whitened as the exact engine's are; the targets' fields are the signs that the codes hold, so that no
picture is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
import scipy
from numpy.typing import NDArray

from matcher.evidence.pixels import seen_pixels
from matcher.imagery import Roles
from matcher.kernels.sweep import highest_places, part_spectra, signs_of_bits, summed_product
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.correlation import forward, whitened
from matcher.search.pyramid.codes import Plan, plane_kinds, planes
from matcher.search.pyramid.index import Index, Layout
from matcher.search.pyramid.promise import Promise
from matcher.search.task import Task
from matcher.threads import spread

# Pixels of targets that a patch in doubt is looked for in, the most promising targets first; the next number where
# nothing in these stands out. Among 26 to 72 million pixels more than half of what is found lies within the first, and
# 87 % and more within the second; a reach of 48 million takes nearly twice the time. Bounds of each patch's own, which
# costs as much in a large set as in a small one.
REACHES = (4e6, 16e6)
STANDS_OUT = 7.5  # deviations above a map's mean that hardly any wrong place reaches
# Targets whose best place the exact engine judges, and deviations that they are at most below the best: of the places
# that are found at all, 19 in 20 are the best of all or less than one deviation below.
TOP, NEAR = 8, 1.0
# A patch with gradients stronger than `FAINT` DN a pixel at this share of its pixels is worth the whole reach, one with
# fewer so much less, and at least the least part of it: water and cloud are seldom placed, and are many.
RICH, LEAST = 0.25, 0.125
FAINT = 20.0
_LONGEST = 320  # px: targets are cut into pieces, whose transforms stay in the cache
_MOST = 32767.0  # of an int16
_NOTHING = 1e-6  # energy a number of fields below which they are flat
_STEP = 32  # px: lengths of transforms are multiples, so that pieces of similar size share patches' spectra
SPECTRA_SHARE = 0.15  # of the memory, for the spectra of a block of patches

# Of one patch in one target: scores (1, m) and places (1, m, 2).
Peaks = tuple[NDArray[np.float32], NDArray[np.int64]]
Order = tuple[NDArray[np.int64], NDArray[np.int64]]  # as `Promise.orders` tells it
Swept = tuple[int, NDArray[np.float32]]  # a patch's number in the task, and its template


@dataclass(frozen=True)
class _Pieces:
    """How targets of one shape are cut: the pieces' size, their corners, places in each, the transform's shape."""

    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]
    places: tuple[int, int]
    transform: tuple[int, int]

    @classmethod
    def of(cls, shape: Sequence[int], side: tuple[int, int]) -> "_Pieces":
        rows, columns = (_cut(of, own) for of, own in zip(shape, side, strict=True))
        size = (rows[1] + side[0] - 1, columns[1] + side[1] - 1)
        corners = tuple((y, x) for y in rows[0] for x in columns[0])
        return cls(size, corners, (rows[1], columns[1]), transform_shape(*size))


def transform_shape(height: int, width: int) -> tuple[int, int]:
    """The shape of the transforms for pieces of height x width pixels."""
    rows, columns = (scipy.fft.next_fast_len(-(-n // _STEP) * _STEP, real=True) for n in (height, width))
    return rows, columns


def _cut(length: int, side: int) -> tuple[list[int], int]:
    """Where the pieces of a target begin along one axis, and how many places lie in each."""
    places = length - side + 1
    count = -(-places // (max(_LONGEST, 4 * side) - side + 1))
    each = -(-places // count)
    return [min(k * each, places - each) for k in range(count)], each


def spectra_bytes(side: tuple[int, int], planes_: int) -> int:
    """The most that a patch's spectra take, bytes."""
    height, width = transform_shape(*(max(_LONGEST, 4 * n) for n in side))
    return 4 * planes_ * height * (width // 2 + 1)


@dataclass(frozen=True)
class _Query:
    """A patch as it is swept.

    Attributes
    ----------
    number : int
        Of the patch in the task.
    template : ndarray (planes, height, width), float32
    order, area : ndarray (targets,), int64
        Targets in order of promise, and the pixels of all up to each.
    reaches : tuple of float
        Pixels of targets that are looked at, from step to step.
    """

    number: int
    template: NDArray[np.float32]
    order: NDArray[np.int64]
    area: NDArray[np.int64]
    reaches: tuple[float, ...]

    @classmethod
    def of(cls, number: int, dn: NDArray[np.float32], task: Task, plan: Plan, promise: Order) -> "_Query":
        share = task.effort * worth(dn, task.roles)
        return cls(number, template(dn, task, plan), *promise, tuple(reach * share for reach in REACHES))

    def wanted(self, step: int) -> NDArray[np.int64]:
        """The targets within a reach and beyond the one before; the most promising one always, none for a patch
        without texture.
        """
        if not self.template.any():
            return self.order[:0]
        first, last = (
            max(int(np.searchsorted(self.area, self.reaches[k], side="right")), 1) if k >= 0 else 0
            for k in (step - 1, step)
        )
        return self.order[first:last]


def held_bytes(side: tuple[int, int], planes_: int, memory: int, together: int, threads: int) -> int:
    """The most that a sweep of so many patches at once holds, bytes: their spectra, and work of every thread."""
    each = spectra_bytes(side, planes_)
    return min(together * each, max(int(memory * SPECTRA_SHARE), each)) + 8 * threads * each


def sweep(
    task: Task,
    index: Layout,
    promise: Promise,
    which: Sequence[int],
    patches: Sequence[NDArray[np.float32]],
) -> Candidates:
    """The best places of patches in the targets that they are likest to lie in, by every pixel.

    Parameters
    ----------
    task : Task
    index : Index
    promise : Promise
        Of this index.
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
    orders = promise.orders(patches, task.roles)

    def query(n: int) -> _Query:
        return _Query.of(which[n], patches[n], task, index.plan, orders[n])

    queries = spread(query, range(len(patches)))
    found = Candidates.empty(len(queries), TOP)
    for step in range(len(REACHES)):
        rows = np.flatnonzero(found.score[:, 0] < STANDS_OUT)
        some = [queries[n] for n in rows]
        own = [(query.number, query.template) for query in some]
        seen = sweep_targets(index, own, [query.wanted(step) for query in some])
        found.put(rows, best_by_target(found.take(rows).beside(seen), TOP))
    near = found.score >= found.score[:, :1] - NEAR
    return replace(found, target=np.where(near, found.target, -1), score=np.where(near, found.score, -1))


def worth(dn: NDArray[np.float32], roles: Roles) -> float:
    """Which share of the reach a patch is worth, by how much of what is seen of it has gradients above noise."""
    gy, gx = np.gradient(dn, axis=(0, 1))
    strong = (np.hypot(gy, gx) > FAINT).any(-1) & seen_pixels(dn, roles)
    return float(np.clip(strong.mean() / RICH, LEAST, 1))


def template(dn: NDArray[np.float32], task: Task, plan: Plan) -> NDArray[np.float32]:
    """The fields of a patch's coded part as they are swept: (planes, h, w), each kind of energy 1, or 0 where flat.

    Of the kinds that the task's evidence names, or of all where it names none of them.
    """
    (height, width), (top, left) = plan.side, plan.margin
    own = np.ascontiguousarray(dn[top : top + height, left : left + width])
    fields = planes(own, seen_pixels(own, task.roles), task.roles)
    kinds = plane_kinds(task.roles)
    known = set(kinds).intersection(task.evidence) or set(kinds)
    for p in range(0, len(fields), 2):  # the two components of a kind
        if kinds[p] not in known:
            fields[p : p + 2] = 0
            continue
        pair = whitened(fields[p : p + 2], task.model.responses.get(kinds[p], ()))
        energy = float(np.square(pair, dtype=np.float64).sum())
        fields[p : p + 2] = pair / np.sqrt(energy) if energy > _NOTHING * pair.size else 0
    return fields


@singledispatch
def sweep_targets(index: Layout, patches: Sequence[Swept], wanted: Sequence[NDArray[np.int64]]) -> Candidates:
    """The best places of every patch in the targets that it wants."""
    assert isinstance(index, Index)
    by_target: dict[int, list[int]] = {}
    for n, own in enumerate(wanted):
        for k in own.tolist():
            by_target.setdefault(k, []).append(n)
    by_shape: dict[tuple[int, int], list[int]] = {}
    for k in sorted(by_target):
        shape = _Pieces.of(index.shapes[k].tolist(), index.plan.side).transform
        by_shape.setdefault(shape, []).append(k)
    seen: list[list[Candidates]] = [[Candidates.empty(1, 1)] for _ in patches]
    for shape, targets in sorted(by_shape.items()):
        rows = sorted({n for k in targets for n in by_target[k]})

        def spectra_of(n: int, shape: tuple[int, int] = shape) -> NDArray[np.int16]:
            return _quantised(patches[n][1], shape)

        spectra = dict(zip(rows, spread(spectra_of, rows), strict=True))

        def one(k: int, spectra: dict[int, NDArray] = spectra) -> list[Peaks]:
            return _peaks(index, k, [spectra[n] for n in by_target[k]])

        for k, peaks in zip(targets, spread(one, targets), strict=True):
            for n, (score, place) in zip(by_target[k], peaks, strict=True):
                seen[n].append(Candidates.alone(np.full(score.shape, k), place, score))
    found = Candidates.empty(len(patches), TOP)
    for n, parts in enumerate(seen):
        columns = zip(*(part.arrays() for part in parts), strict=True)
        found.put(np.array([n]), best_by_target(Candidates(*(np.concatenate(c, 1) for c in columns)), TOP))
    return found


def _quantised(template: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.int16]:
    """A template's spectra in whole numbers, (rows, planes, 2, columns): half the memory to read for every pair."""
    parts = np.empty((shape[0], len(template), 2, shape[1] // 2 + 1), np.float32)
    part_spectra(forward(template, shape), parts)
    parts *= _MOST / np.abs(parts).max()
    out: NDArray[np.int16] = np.rint(parts).astype(np.int16)
    return out


def _peaks(index: Index, target: int, spectra: list[NDArray[np.int16]]) -> list[Peaks]:
    """The two best places of each patch in every piece of one target."""
    bits = index.fine_of(target)
    pieces = _Pieces.of(index.shapes[target].tolist(), index.plan.side)
    fields = np.empty((len(bits), *pieces.size), np.float32)
    spectrum = np.empty((pieces.transform[0], len(bits), 2, pieces.transform[1] // 2 + 1), np.float32)
    product = np.empty((spectrum.shape[0], spectrum.shape[3]), np.complex64)
    score = np.empty((len(spectra), len(pieces.corners), 2), np.float32)
    place = np.empty((*score.shape, 2), np.int64)
    for c, corner in enumerate(pieces.corners):
        signs_of_bits(bits, corner, fields)
        part_spectra(forward(fields, pieces.transform), spectrum)
        for n, patch in enumerate(spectra):
            summed_product(patch, spectrum, product)
            half = scipy.fft.ifft(product, axis=0)[: pieces.places[0]]
            values = scipy.fft.irfft(half, n=pieces.transform[1], axis=1)
            highest_places(values, pieces.places[1], APART, score[n, c], place[n, c])
        place[:, c] += np.array(corner)
    return [(s.reshape(1, -1), p.reshape(1, -1, 2)) for s, p in zip(score, place, strict=True)]
