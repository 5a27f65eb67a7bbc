"""How chips are brought to the scenes' pixels, and which searches that makes."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError, SettingsError
from matcher.formats.raster import RasterSource
from matcher.geo.grid import Grid, Matrix, relation, upright
from matcher.geo.resample import rotation, shrunk
from matcher.indexing.tiles import Box, TiledSource
from matcher.locating.area import Area, Near, box
from matcher.locating.laying import Linear, Variant
from matcher.settings import MIN_SIDE

TRIED = (1.0, 0.5, 2.0, 2 / 3, 1.5, 0.8, 1.25)  # scales tried where a chip does not say its pixel size
# Turns that are tried for any, degrees: a chip that lies between two of them is found and laid as its ground says.
ANY = tuple(float(angle) for angle in range(-176, 177, 8) if angle)
LARGEST = 2048  # px a side of a chip
_OBLONG = 0.02  # a scene's pixels are oblong or turned where a chip of square ones would differ by more
_KEPT = 64 << 20  # bytes of chips as they are searched for, kept since resampling them takes long
_Key = tuple[bool, tuple[int, int], tuple[float, float], tuple[Box | None, ...]]


@dataclass
class Search:
    """Variants of one size that are sought in the same pieces of the same scenes, by the bands of these names."""

    tiles: TiledSource
    variants: list[Variant]
    bands: tuple[str, ...] | None


def parse_scale(text: str | float) -> float | None:
    """``auto`` as None, or a number of scene pixels a chip pixel.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if isinstance(text, str) and text == "auto":
        return None
    try:
        value = float(text) if isinstance(text, str | Real) and not isinstance(text, bool) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if not 1 / 64 <= value <= 64:
        given = text if isinstance(text, str) else checks.shown(text)
        raise SettingsError(f"--scale {given}: give auto, or scene pixels a chip pixel from 1/64 to 64")
    return value


def parse_rotations(text: str) -> tuple[float, ...]:
    """``any``, or degrees with commas between.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if text == "any":
        return ANY
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(
            f"--rotations {text}: give any, or degrees with commas between, such as -10,10"
        ) from None


def searches(
    chips: RasterSource,
    which: Sequence[int],
    scenes: RasterSource,
    scale: float | None,
    rotations: Sequence[float],
    near: Near | None,
    names: tuple[str, ...] | None,
) -> list[Search]:
    """All searches that some of the chips need, those of first variants in front.

    `names` are those of the bands that these chips and the scenes have.

    Raises
    ------
    MatcherError
        If a chip is too large, or too small at the scenes' pixel size.
    """
    found: dict[_Key, list[Variant]] = {}
    for k in which:
        _check_chip(chips, k)
        area = near.of(chips.rasters[k]) if near is not None else None
        for variant, where in _variants(chips, k, scale, rotations, scenes):
            if min(variant.side) < MIN_SIDE:
                if not variant.first:
                    continue
                raise MatcherError(
                    f"{chips.where(k)}: is {variant.side[0]} x {variant.side[1]} px at the scenes' pixel size (scale "
                    f"{variant.scale:.3g}); the least that can be matched is {MIN_SIDE} x {MIN_SIDE}"
                )
            boxes = _boxes(scenes, where, variant, area)
            if any(boxes):
                found.setdefault((variant.first, variant.side, variant.shrink, boxes), []).append(variant)
    in_turn = sorted(found.items(), key=lambda item: not item[0][0])
    return [
        Search(TiledSource(scenes, side, shrink=factors, areas=boxes), variants, names)
        for (_, side, factors, boxes), variants in in_turn
    ]


def _check_chip(chips: RasterSource, k: int) -> None:
    height, width, _ = chips.shape(k)
    if max(height, width) > LARGEST:
        raise MatcherError(
            f"{chips.where(k)}: is {height} x {width} px; chips are at most {LARGEST} px a side. If it is a scene, "
            "write the word `in` between chips and scenes"
        )
    if min(height, width) < MIN_SIDE:
        raise MatcherError(
            f"{chips.where(k)}: is {height} x {width} px; the least that can be matched is {MIN_SIDE} x {MIN_SIDE}"
        )


def _variants(
    chips: RasterSource, k: int, scale: float | None, rotations: Sequence[float], scenes: RasterSource
) -> list[tuple[Variant, list[int]]]:
    """The variants of one chip, each with the scenes it is for."""
    chip = chips.rasters[k]
    found: dict[tuple[bool, Linear], list[int]] = {}
    for n, scene in enumerate(scenes.rasters):
        for matrix, first in _matrices(chip.georef, scene.georef, scale):
            for angle in (0.0, *(float(angle) for angle in rotations if angle != 0)):
                linear = _rounded(matrix @ rotation(angle))
                where = found.setdefault((first and angle == 0, linear), [])
                if n not in where:
                    where.append(n)
    shape = chip.height, chip.width
    return [(Variant(k, shape, linear, first), where) for (first, linear), where in found.items()]


def _matrices(chip: Grid | None, scene: Grid | None, scale: float | None) -> list[tuple[Matrix, bool]]:
    """Columns and rows of a chip to those of one scene, in all ways that are tried, and which is tried first."""
    if chip is not None and scene is not None:
        stated = relation(chip, scene)
        return [(stated if scale is None else stated * (scale / _size(stated)), True)]
    sizes = TRIED if scale is None else (scale,)
    out: list[tuple[Matrix, bool]] = [(np.eye(2) * size, size == sizes[0]) for size in sizes]
    if scene is not None:  # whose pixels can be oblong or turned, which a chip that says nothing need not be
        straight = upright(scene)
        if np.abs(straight - np.eye(2)).max() > _OBLONG:
            out += [(straight * size, False) for size in sizes]
    return out


def _size(matrix: Matrix) -> float:
    return math.sqrt(abs(float(np.linalg.det(matrix))))


def _rounded(matrix: Matrix) -> Linear:
    """A matrix rounded, so that scenes of one pixel size share a search in spite of rounding errors."""
    digits = 11 - math.floor(math.log10(np.abs(matrix).max()))
    a, b, d, e = (round(float(value), digits) + 0.0 for value in matrix.ravel())
    return a, b, d, e


def _boxes(
    scenes: RasterSource, where: Sequence[int], variant: Variant, area: Area | None
) -> tuple[Box | None, ...]:
    """The part of every scene that is searched, pixels of the search."""
    out: list[Box | None] = [None] * len(scenes)
    for k in where:
        raster = scenes.rasters[k]
        if area is None:
            out[k] = Box(0, 0, *shrunk((raster.height, raster.width), variant.shrink))
        else:
            out[k] = box(raster, area, variant.side, variant.shrink)
    side = variant.side
    return tuple(
        None if b is None or b.bottom - b.top < side[0] or b.right - b.left < side[1] else b for b in out
    )


def constant(array: NDArray) -> bool:
    """Whether all valid pixels of a chip are alike, so that nothing can place it."""
    valid = array[(array != 0).any(-1)]
    return len(valid) == 0 or bool((valid == valid[:1]).all())


class LaidChips:
    """Chips as they are searched for, a `matcher.formats.base.Source`; the last that were read are kept."""

    def __init__(self, chips: RasterSource, variants: Sequence[Variant]) -> None:
        self.name = chips.name
        self.ids = np.arange(len(variants), dtype=np.int64)
        self.variants = variants
        self._chips = chips
        self._kept: OrderedDict[int, NDArray] = OrderedDict()
        self._room = _KEPT

    def __len__(self) -> int:
        return len(self.variants)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) in the search."""
        variant = self.variants[index]
        shape = self._chips.shape(variant.chip)
        return (*variant.side, shape[2])

    def where(self, index: int) -> str:
        """The chip's file."""
        return self._chips.where(self.variants[index].chip)

    def __getitem__(self, index: int) -> NDArray:
        """A chip, turned and resampled."""
        if index not in self._kept:
            variant = self.variants[index]
            self._kept[index] = variant.lay(self._chips[variant.chip])
            self._room -= self._kept[index].nbytes
            while self._room < 0 and len(self._kept) > 1:
                self._room += self._kept.popitem(last=False)[1].nbytes
        return self._kept[index]

    def that_can_be_placed(self) -> "LaidChips":
        """Those that are not constant."""
        good = [variant for k, variant in enumerate(self.variants) if not constant(self[k])]
        return self if len(good) == len(self) else LaidChips(self._chips, good)
