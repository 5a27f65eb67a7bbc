"""Maps of patches over targets by one transform a pair: the signs of a target's fields with a patch's whitened fields.

A pair's spectra are summed over fields before one inverse transform, which sees two pieces of the target that lie
beside each other: one is its real part, the other its imaginary one. Large pieces are folded: their quarters are laid
over each other first, and a transform of a quarter's size sees them all. What stands out of a quarter by z deviations
stands out of the sum of four by z / 2, and lies at one of four places.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.sweep import (
    best_unfolded,
    folded_signs,
    highest_places,
    highest_then_product,
    part_spectra,
    summed_product,
)
from matcher.search.candidates import APART
from matcher.search.paired import room, transform
from matcher.search.pyramid.index import Index
from matcher.threads import spread

_FOLD = (256, 128)  # px: rows and columns of folded transforms …
_UNFOLDED = (320, 192)  # … and of pieces that are not folded along them: they would gain little
_STEP = 32  # px: lengths of transforms are multiples, so that pieces of similar size share patches' spectra
_TOGETHER = 5 << 20  # bytes of spectra of targets that a patch's, once read from memory, are multiplied with
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
        Where they begin; of each two that follow each other one transform is taken.
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
    def of(cls, shape: Sequence[int], side: tuple[int, int], close: bool = False) -> "Pieces":
        """Pieces folded in two along each axis on which they are long, or `close` along rows only.

        A target of 512 x 512 px is two.
        """
        size, corners = _cut(shape, side)
        unfolded = (_UNFOLDED[0], size[1]) if close else _UNFOLDED
        rows, columns = (
            (fold, fold) if n > longest else (of, n - own + 1)
            for n, longest, fold, of, own in zip(
                size, unfolded, _FOLD, _transform_shape(*size), side, strict=True
            )
        )
        return cls(size, corners, (rows[1], columns[1]), (rows[0], columns[0]))

    @property
    def share(self) -> float:
        """Of the places that are summed at one of the map."""
        return math.prod(of / n for n, of in zip(self.size, self.transform, strict=True) if of < n)

    def pairs(self) -> list[NDArray[np.int64]]:
        """The corners of pieces that share a transform: (2, 2) each."""
        return list(np.array(self.corners).reshape(-1, 2, 2))


def _transform_shape(height: int, width: int) -> tuple[int, int]:
    """The shape of the transforms for pieces of height x width pixels."""
    return -(-height // _STEP) * _STEP, -(-width // _STEP) * _STEP


def _cut(shape: Sequence[int], side: tuple[int, int]) -> tuple[tuple[int, int], tuple[tuple[int, int], ...]]:
    """The size of a target's pieces, and where they begin: an even number of them, row by row."""
    longest = _longest(side)
    rows = _cut_axis(shape[0], side[0], longest[0], 1)
    columns = _cut_axis(shape[1], side[1], longest[1], 2)
    size = (rows[1] + side[0] - 1, columns[1] + side[1] - 1)
    return size, tuple((y, x) for y in rows[0] for x in columns[0])


def _longest(side: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest pieces."""
    return 2 * _FOLD[0], 2 * _FOLD[1] + side[1] // 2


def _cut_axis(length: int, side: int, longest: int, together: int) -> tuple[list[int], int]:
    """Where the pieces of a target begin along one axis, a multiple of `together`, and how many places lie in each."""
    places = length - side + 1
    count = -(-places // ((longest - side + 1) * together)) * together
    each = -(-places // count)
    return [min(k * each, places - each) for k in range(count)], each


def extents_of(shapes: Iterable[Sequence[int]], side: tuple[int, int]) -> NDArray[np.int64]:
    """Pixels that maps of targets of these heights and widths would have unfolded, (targets,): what they cost."""
    known: dict[tuple[int, int], int] = {}
    extents = []
    for height, width in shapes:
        shape = (int(height), int(width))
        if shape not in known:
            pieces = Pieces.of(shape, side)
            known[shape] = 4 * len(pieces.corners) * math.prod(pieces.transform)
        extents.append(known[shape])
    return np.array(extents, np.int64)


def spectra_bytes(shapes: Iterable[Sequence[int]], side: tuple[int, int], planes: int) -> int:
    """The most that the spectra of a patch of `side` (height, width) take for targets of some shapes, bytes."""
    known = {(int(height), int(width)) for height, width in shapes}
    pieces = [Pieces.of(shape, side, close) for shape in known for close in (False, True)]
    return 2 * planes * max((math.prod(one.transform) for one in pieces), default=1)


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
    def of(cls, fields: NDArray[np.float32], width: int, kind: type, most: float) -> "_Spectra":
        """Of complex fields of so many columns, (planes, `room`), transformed in place."""
        transform(fields, width)
        scale = most / max(float(fields.max()), -float(fields.min()), _EVEN)
        parts: NDArray[np.signedinteger] = np.empty((fields.shape[1], len(fields), 2, width), kind)
        part_spectra(fields.reshape(*fields.shape[:2], -1), scale, parts)
        return cls(parts, scale)

    @classmethod
    def of_patch(cls, template: NDArray[np.float32], shape: tuple[int, int]) -> "_Spectra":
        """Of a patch's fields, `template` (planes, height, width), by transforms of some shape."""
        fields = np.zeros((len(template), *room(shape)), np.float32)
        fields[:, : template.shape[1], : template.shape[2], 0] = template
        return cls.of(fields, shape[1], np.int8, _PATCH_MOST)


@dataclass(frozen=True)
class _Pair:
    """Two pieces of a target that share a transform.

    Attributes
    ----------
    target : int
    pieces : Pieces
        All of the target.
    corners : ndarray of int64, (2, 2)
        Where the two begin.
    patches : list of int
        Which patches are sought there.
    """

    target: int
    pieces: Pieces
    corners: NDArray[np.int64]
    patches: list[int]

    def spectra(self, index: Index) -> _Spectra:
        """Of its fields."""
        bits, (rows, columns) = index.fine_of(self.target), self.pieces.transform
        fold = min(self.pieces.size[0], rows), min(self.pieces.size[1], columns)
        fields = np.empty((len(bits), *room((rows, columns))), np.float32)
        folded_signs(bits, self.corners, self.pieces.size, fold, fields)
        return _Spectra.of(fields, columns, np.int16, _TARGET_MOST)

    def peaks(
        self, score: NDArray[np.float32], place: NDArray[np.int64], noise: NDArray[np.float64]
    ) -> Peaks:
        """The peaks of its patches, by patches and pieces: scores and places (n, 2, 2), noise of what was summed."""
        share = np.array([self.pieces.share, math.sqrt(self.pieces.share)])
        corner = np.tile(np.repeat(self.corners, 2, axis=0), (len(self.patches), 1))
        each = np.repeat((noise * share).reshape(-1, 2), 2, axis=0)
        return Peaks(np.full(len(corner), self.target), corner, place.reshape(-1, 2), score.ravel(), each)


def highest(
    index: Index,
    templates: Sequence[NDArray[np.float32]],
    wanted: Sequence[NDArray[np.int64]],
    close: bool,
) -> list[Peaks]:
    """The highest places of patches in targets.

    Parameters
    ----------
    index : Index
    templates : sequence of ndarray (planes, height, width), float32
    wanted : sequence of ndarray of int64, (m,)
        In which targets each is sought.
    close : bool
        Whether targets are folded less.
    """
    by_target: dict[int, list[int]] = {}
    for n, own_targets in enumerate(wanted):
        for k in own_targets.tolist():
            by_target.setdefault(k, []).append(n)
    by_shape: dict[tuple[int, int], list[_Pair]] = {}
    for k in sorted(by_target):
        pieces = Pieces.of(index.shapes[k].tolist(), index.plan.side, close)
        pairs = by_shape.setdefault(pieces.transform, [])
        pairs += [_Pair(k, pieces, corners, by_target[k]) for corners in pieces.pairs()]
    owners: list[NDArray[np.int64]] = []
    seen: list[Peaks] = []
    for shape, pairs in sorted(by_shape.items()):
        rows = sorted({n for pair in pairs for n in pair.patches})

        def own(n: int, shape: tuple[int, int] = shape) -> _Spectra:
            return _Spectra.of_patch(templates[n], shape)

        spectra = dict(zip(rows, spread(own, rows), strict=True))

        def some(lot: list[_Pair], spectra: dict[int, _Spectra] = spectra) -> list[Peaks]:
            return _peaks(index, lot, spectra)

        each = 4 * len(index.channel) * math.prod(shape)
        together = max(1, _TOGETHER // each)
        lots = [pairs[start : start + together] for start in range(0, len(pairs), together)]
        seen += [peaks for lot in spread(some, lots) for peaks in lot]
        owners += [np.repeat(pair.patches, 4) for pair in pairs]
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


def _peaks(index: Index, pairs: Sequence[_Pair], patches: Mapping[int, _Spectra]) -> list[Peaks]:
    """The two highest places of patches in both pieces of each pair, whose transforms are of one shape.

    Patch by patch, so that its spectra are read from memory once; each is one of a pair's patches, in order.
    """
    import cv2

    spectra = [pair.spectra(index) for pair in pairs]
    rows, columns = pairs[0].pieces.transform
    picture = np.empty(room((rows, columns)), np.float32)
    values, flat = picture[:, :columns], picture.reshape(rows, -1)
    maps = sorted((patch, k, n) for k, pair in enumerate(pairs) for n, patch in enumerate(pair.patches))
    found = (
        np.empty((len(maps), 2, 2), np.float32),
        np.empty((len(maps), 2, 2, 2), np.int64),
        np.empty((len(maps), 2, 2)),
    )
    for m, (patch, k, _) in enumerate(maps):
        if m == 0:
            summed_product(patches[patch].parts, spectra[k].parts, flat)
        else:
            places = pairs[maps[m - 1][1]].pieces.places
            highest_then_product(flat, places, APART, m - 1, found, patches[patch].parts, spectra[k].parts)
        cv2.dft(values, values, flags=cv2.DFT_INVERSE)
    score, place, noise = found
    highest_places(flat, pairs[maps[-1][1]].pieces.places, APART, score[-1], place[-1], noise[-1])
    scale = np.array([patches[patch].scale * spectra[k].scale for patch, k, _ in maps])
    noise /= scale[:, np.newaxis, np.newaxis] * (rows * columns)  # the transform is not scaled
    of = np.array([k for _, k, _ in maps])
    return [pair.peaks(*(array[of == k] for array in found)) for k, pair in enumerate(pairs)]


def verified(
    index: Index, template: NDArray[np.float32], peaks: Peaks, close: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best of the places of targets that lie at each peak of a folded map: places (m, 2), scores (m,).

    `template` (planes, height, width) are the fields of the patch's coded part, `close` is what `highest` was told.
    Scores are deviations above the mean of the target's own map; -1 where no place holds the patch whole.
    """
    side = index.plan.side
    shapes, which = np.unique(index.shapes[peaks.target], axis=0, return_inverse=True)
    pieces = (Pieces.of(shape, side, close) for shape in shapes.tolist())
    cuts = np.array([(*one.size, *one.transform) for one in pieces], np.int64).reshape(-1, 4)[which.ravel()]
    place = np.zeros_like(peaks.place)
    score = np.empty(len(place), np.float32)
    codes = (index.fine, index.fine_starts, index.shapes)
    best_unfolded(codes, (peaks.target, peaks.corner, peaks.place, peaks.noise), cuts, template, place, score)
    return place, score
