"""Maps of patches over targets by one transform a pair: the signs of a target's fields with a patch's whitened fields.

A pair's spectra are summed over fields before one inverse transform. A map may be folded: of a piece of a target its
quarters are laid over each other first, and one transform of a quarter's size sees them all. What stands out of a
quarter by z deviations stands out of the sum of four by z / 2, and lies at one of four places.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from matcher.kernels.sweep import folded_signs, highest_places, part_spectra, place_sum, summed_product
from matcher.search.candidates import APART
from matcher.search.correlation import forward
from matcher.search.pyramid.index import Index
from matcher.threads import spread

_LONGEST = 320  # px: targets are cut into pieces, whose transforms stay in the cache
_FOLD = 256  # px: folded pieces are twice as long, and what is at most `_LONGEST` is not folded: it would gain little
_STEP = 32  # px: lengths of transforms are multiples, so that pieces of similar size share patches' spectra
_PATCH_MOST, _TARGET_MOST = 127.0, 32767.0  # of an int8 and an int16
_EVEN = 1e-12  # of spectra: nothing but rounding


@dataclass(frozen=True)
class Pieces:
    """How targets of one shape are cut.

    Attributes
    ----------
    size : (int, int)
        Height and width of a piece.
    corners : tuple of (int, int)
        Where they begin.
    places : (int, int)
        Rows and columns of its map that are read.
    transform : (int, int)
        The transform's shape: a larger piece is folded.
    """

    size: tuple[int, int]
    corners: tuple[tuple[int, int], ...]
    places: tuple[int, int]
    transform: tuple[int, int]

    @classmethod
    def whole(cls, shape: Sequence[int], side: tuple[int, int]) -> "Pieces":
        """Pieces that are not folded."""
        size, corners = _cut(shape, side, _longest(side))
        places = (size[0] - side[0] + 1, size[1] - side[1] + 1)
        return cls(size, corners, places, _transform_shape(*size))

    @classmethod
    def folded(cls, shape: Sequence[int], side: tuple[int, int]) -> "Pieces":
        """Larger pieces, folded in two along each axis on which they are longer than a whole one may be."""
        size, corners = _cut(shape, side, (2 * _FOLD, 2 * _FOLD))
        rows, columns = (
            (_FOLD, _FOLD) if n > _LONGEST else (of, n - own + 1)
            for n, of, own in zip(size, _transform_shape(*size), side, strict=True)
        )
        return cls(size, corners, (rows[1], columns[1]), (rows[0], columns[0]))

    @property
    def share(self) -> float:
        """Of the places that are summed at one of the map."""
        return math.prod(of / n for n, of in zip(self.size, self.transform, strict=True) if of < n)

    def unfolded(self, place: tuple[int, int], side: tuple[int, int]) -> list[tuple[int, int]]:
        """The places of a piece that lie at one of its map and hold a patch whole."""
        rows, columns = (
            range(at, of - own + 1, step)
            for at, of, own, step in zip(place, self.size, side, self.transform, strict=True)
        )
        return [(y, x) for y in rows for x in columns]


def _longest(side: tuple[int, int]) -> tuple[int, int]:
    return max(_LONGEST, 4 * side[0]), max(_LONGEST, 4 * side[1])


def _transform_shape(height: int, width: int) -> tuple[int, int]:
    """The shape of the transforms for pieces of height x width pixels, even."""
    rows, columns = (
        2 * scipy.fft.next_fast_len(-(-n // _STEP) * _STEP // 2, real=True) for n in (height, width)
    )
    return rows, columns


def _cut(
    shape: Sequence[int], side: tuple[int, int], longest: tuple[int, int]
) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """The size of a target's pieces, and where they begin."""
    rows, columns = (_cut_axis(*one) for one in zip(shape, side, longest, strict=True))
    size = (rows[1] + side[0] - 1, columns[1] + side[1] - 1)
    return size, tuple((y, x) for y in rows[0] for x in columns[0])


def _cut_axis(length: int, side: int, longest: int) -> tuple[list[int], int]:
    """Where the pieces of a target begin along one axis, and how many places lie in each."""
    places = length - side + 1
    count = -(-places // (longest - side + 1))
    each = -(-places // count)
    return [min(k * each, places - each) for k in range(count)], each


def folded_extents(shapes: Iterable[Sequence[int]], side: tuple[int, int]) -> NDArray[np.int64]:
    """Pixels that the folded maps of targets of these heights and widths have room for, (targets,): what they cost."""
    known: dict[tuple[int, int], int] = {}
    extents = []
    for height, width in shapes:
        shape = (int(height), int(width))
        if shape not in known:
            pieces = Pieces.folded(shape, side)
            known[shape] = 4 * len(pieces.corners) * math.prod(pieces.transform)
        extents.append(known[shape])
    return np.array(extents, np.int64)


def spectra_bytes(side: tuple[int, int], planes: int) -> int:
    """The most that a patch's spectra take, bytes."""
    height, width = _transform_shape(*_longest(side))
    return 2 * planes * height * (width // 2 + 1)


@dataclass(frozen=True)
class Peaks:
    """The highest places of one patch's maps, two a piece of a target, in order of targets and pieces.

    Attributes
    ----------
    target : ndarray of int64, (m,)
    corner : ndarray of int64, (m, 2)
        Where the piece begins, (y, x).
    place : ndarray of int64, (m, 2)
        In the piece's map.
    score : ndarray of float32, (m,)
        Deviations above the map's mean; -1 where a map has no second place.
    noise : ndarray of float64, (m, 2)
        Mean and deviation of the sum at a place of the target.
    """

    target: NDArray[np.int64]
    corner: NDArray[np.int64]
    place: NDArray[np.int64]
    score: NDArray[np.float32]
    noise: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray, ...]:
        """The fields in their order."""
        return self.target, self.corner, self.place, self.score, self.noise

    def take(self, rows: NDArray[np.integer] | slice) -> "Peaks":
        """Some of them, by their numbers `rows` (k,)."""
        return Peaks(*(array[rows] for array in self.arrays()))


@dataclass(frozen=True)
class _Spectra:
    """Spectra in whole numbers, (rows, planes, 2, columns): a fraction of the memory to read for every pair."""

    parts: NDArray[np.signedinteger]
    scale: float

    @classmethod
    def of(cls, fields: NDArray[np.float32], shape: tuple[int, int], kind: type, most: float) -> "_Spectra":
        spectra = forward(fields, shape)
        scale = most / max(float(np.abs(spectra.view(np.float32)).max()), _EVEN)
        parts: NDArray[np.signedinteger] = np.empty((shape[0], len(fields), 2, shape[1] // 2 + 1), kind)
        part_spectra(spectra, scale, parts)
        return cls(parts, scale)


def highest(
    index: Index,
    templates: Sequence[NDArray[np.float32]],
    wanted: Sequence[NDArray[np.int64]],
    cut: Callable[[Sequence[int], tuple[int, int]], Pieces],
) -> list[Peaks]:
    """The highest places of patches in targets.

    Parameters
    ----------
    index : Index
    templates : sequence of ndarray (planes, height, width), float32
    wanted : sequence of ndarray of int64, (m,)
        In which targets each is sought.
    cut : callable
        `Pieces.whole` or `Pieces.folded`.
    """
    by_target: dict[int, list[int]] = {}
    for n, own_targets in enumerate(wanted):
        for k in own_targets.tolist():
            by_target.setdefault(k, []).append(n)
    by_shape: dict[tuple[int, int], list[int]] = {}
    for k in sorted(by_target):
        shape = cut(index.shapes[k].tolist(), index.plan.side).transform
        by_shape.setdefault(shape, []).append(k)
    owners: list[NDArray[np.int64]] = []
    seen: list[Peaks] = []
    for shape, targets in sorted(by_shape.items()):
        rows = sorted({n for k in targets for n in by_target[k]})

        def own(n: int, shape: tuple[int, int] = shape) -> _Spectra:
            return _Spectra.of(templates[n], shape, np.int8, _PATCH_MOST)

        spectra = dict(zip(rows, spread(own, rows), strict=True))

        def one(k: int, spectra: dict[int, _Spectra] = spectra) -> Peaks:
            return _peaks(index, k, cut, [spectra[n] for n in by_target[k]])

        for k, peaks in zip(targets, spread(one, targets), strict=True):
            owners.append(np.repeat(by_target[k], len(peaks.target) // len(by_target[k])))
            seen.append(peaks)
    return _by_patch(len(templates), owners, seen)


def _by_patch(count: int, owners: Sequence[NDArray[np.int64]], seen: Sequence[Peaks]) -> list[Peaks]:
    """The peaks of each of so many patches, by targets; of every block of peaks is told whose they are."""
    if not seen:
        none, places = np.empty(0, np.int64), np.empty((0, 2), np.int64)
        return [Peaks(none, places, places, none.astype(np.float32), places.astype(np.float64))] * count
    owner = np.concatenate(owners)
    peaks = Peaks(*(np.concatenate(arrays) for arrays in zip(*(one.arrays() for one in seen), strict=True)))
    order = np.lexsort((peaks.target, owner))  # the pieces of a target stay in their order
    peaks, ends = peaks.take(order), np.searchsorted(owner[order], np.arange(count + 1))
    return [peaks.take(slice(*of)) for of in pairwise(ends.tolist())]


def _peaks(
    index: Index,
    target: int,
    cut: Callable[[Sequence[int], tuple[int, int]], Pieces],
    patches: Sequence[_Spectra],
) -> Peaks:
    """The two highest places of each patch in every piece of one target, patch by patch."""
    import cv2  # only where there is doubt: it takes a tenth of a second

    bits = index.fine_of(target)
    pieces = cut(index.shapes[target].tolist(), index.plan.side)
    room = tuple(min(one, of) for one, of in zip(pieces.size, pieces.transform, strict=True))
    fields = np.empty((len(bits), *room), np.float32)
    product, values = (np.empty(pieces.transform, np.float32) for _ in range(2))
    score = np.empty((len(patches), len(pieces.corners), 2), np.float32)
    place = np.empty((*score.shape, 2), np.int64)
    noise = np.empty_like(score, np.float64)
    for c, corner in enumerate(pieces.corners):
        folded_signs(bits, corner, pieces.size, fields)
        own = _Spectra.of(fields, pieces.transform, np.int16, _TARGET_MOST)
        for n, patch in enumerate(patches):
            summed_product(patch.parts, own.parts, product)
            cv2.dft(product, values, flags=cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT)
            own_map = values[: pieces.places[0]]
            highest_places(own_map, pieces.places[1], APART, score[n, c], place[n, c], noise[n, c])
            noise[n, c] /= patch.scale * own.scale * product.size  # the transform is not scaled
    noise *= (pieces.share, math.sqrt(pieces.share))
    corners = np.tile(np.repeat(np.array(pieces.corners), 2, axis=0), (len(patches), 1))
    noise = np.repeat(noise.reshape(-1, 2), 2, axis=0)
    return Peaks(np.full(len(corners), target), corners, place.reshape(-1, 2), score.ravel(), noise)


def verified(
    index: Index, template: NDArray[np.float32], peaks: Peaks
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best of the places of targets that lie at each peak of a folded map: places (m, 2), scores (m,).

    `template` (planes, height, width) are the fields of the patch's coded part. Scores are deviations above the mean of
    the target's own map; -1 where no place holds the patch whole.
    """
    side = index.plan.side
    place = np.zeros_like(peaks.place)
    score = np.full(len(place), -1, np.float32)
    for m, target in enumerate(peaks.target.tolist()):
        bits = index.fine_of(target)
        pieces = Pieces.folded(index.shapes[target].tolist(), side)
        mean, deviation = peaks.noise[m].tolist()
        for y, x in pieces.unfolded((int(peaks.place[m, 0]), int(peaks.place[m, 1])), side):
            at = (y + int(peaks.corner[m, 0]), x + int(peaks.corner[m, 1]))
            value = (place_sum(bits, at, template) - mean) / max(deviation, _EVEN)
            if value > score[m]:
                score[m], place[m] = value, at
    return place, score
