"""How chips are brought to the scenes' pixels, and which searches that makes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.formats.raster import Raster, RasterSource
from matcher.geo.grid import Affine, compose, ground_pixel
from matcher.geo.resample import shrink, turn
from matcher.locating.area import Near, area
from matcher.locating.tiles import Box, TiledSource
from matcher.settings import MIN_SIDE

TRIED = (1.0, 0.5, 2.0, 2 / 3, 1.5, 0.8, 1.25)  # scales tried where a chip does not say its pixel size
LARGEST = 2048  # px a side of a chip
_Key = tuple[bool, tuple[int, int], float, tuple[Box | None, ...]]
_SAME = 0.01  # pixel sizes that differ by less are one


@dataclass(frozen=True)
class Variant:
    """One way to lay a chip on some scenes.

    Attributes
    ----------
    chip : int
    scale : float
        Scene pixels a chip pixel.
    rotation : float
        Degrees anticlockwise.
    first : bool
        Whether it is tried before the others, which serve the chips still in doubt.
    """

    chip: int
    scale: float
    rotation: float
    first: bool

    @property
    def chip_shrink(self) -> float:
        """Chip pixels a pixel of the search: that of the coarser of both sides."""
        return max(1 / self.scale, 1.0)

    @property
    def scene_shrink(self) -> float:
        """Scene pixels a pixel of the search."""
        return max(self.scale, 1.0)

    def side(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width in the search of a chip of a shape."""
        return int(shape[0] / self.chip_shrink + 1e-9), int(shape[1] / self.chip_shrink + 1e-9)

    def lay(self, chip: NDArray) -> NDArray:
        """The chip as it is searched for."""
        turned = turn(chip, self.rotation)
        return turned if self.chip_shrink == 1.0 else shrink(turned, self.chip_shrink)

    def affine(self, shape: tuple[int, ...], row: float, col: float) -> Affine:
        """Column and row in the chip to column and row in the scene, for a place of the search."""
        angle = math.radians(self.rotation)
        cos, sin = math.cos(angle), math.sin(angle)
        y, x = shape[0] / 2, shape[1] / 2
        turned = (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)
        k, f = 1 / self.chip_shrink, self.scene_shrink
        laid = (k, 0.0, col, 0.0, k, row)
        return compose((f, 0.0, 0.0, 0.0, f, 0.0), compose(laid, turned))


@dataclass
class Search:
    """Variants of one size that are sought in the same pieces of the same scenes."""

    tiles: TiledSource
    variants: list[Variant]


def parse_scale(text: str | float) -> float | None:
    """``auto`` as None, or a number of scene pixels a chip pixel.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 / 64 <= value <= 64:
        raise SettingsError(f"--scale {text}: give auto, or scene pixels a chip pixel from 1/64 to 64")
    return value


def searches(
    chips: RasterSource,
    scenes: RasterSource,
    scale: float | None,
    rotations: Sequence[float],
    near: Near | None,
) -> list[Search]:
    """All searches that some chips need, those of first variants in front.

    Raises
    ------
    MatcherError
        If a chip is too large, or too small at the scenes' pixel size.
    """
    kinds = _by_pixel(
        scenes, [k for k in range(len(chips)) if chips.rasters[k].georef] if scale is None else []
    )
    found: dict[_Key, list[Variant]] = {}
    for k in range(len(chips)):
        _check_chip(chips, k)
        box = near.of(chips.rasters[k]) if near is not None else None
        for variant, where in _variants(chips, k, scale, rotations, kinds, scenes):
            side = variant.side(chips.shape(k))
            if min(side) < MIN_SIDE:
                if not variant.first:
                    continue
                raise MatcherError(
                    f"{chips.where(k)}: is {side[0]} x {side[1]} px at the scenes' pixel size (scale "
                    f"{variant.scale:.3g}); the least that can be matched is {MIN_SIDE} x {MIN_SIDE}"
                )
            areas = _areas(scenes, where, side, variant.scene_shrink, box)
            if any(areas):
                found.setdefault((variant.first, side, variant.scene_shrink, areas), []).append(variant)
    in_turn = sorted(found.items(), key=lambda item: not item[0][0])
    return [
        Search(TiledSource(scenes, side, shrink=factor, areas=areas), variants)
        for (_, side, factor, areas), variants in in_turn
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


def _by_pixel(scenes: RasterSource, asked: Sequence[int]) -> dict[float, list[int]]:
    """Scenes by their pixel size on the ground, metres; empty where nobody asks or a scene does not say."""
    if not asked or any(raster.georef is None for raster in scenes.rasters):
        return {}
    out: dict[float, list[int]] = {}
    for k, raster in enumerate(scenes.rasters):
        assert raster.georef is not None
        size = ground_pixel(raster.georef, raster.height, raster.width)
        like = next((known for known in out if abs(size / known - 1) < _SAME), size)
        out.setdefault(like, []).append(k)
    return out


def _variants(
    chips: RasterSource,
    k: int,
    scale: float | None,
    rotations: Sequence[float],
    kinds: dict[float, list[int]],
    scenes: RasterSource,
) -> list[tuple[Variant, list[int]]]:
    """The variants of one chip, each with the scenes it is for."""
    raster, count = chips.rasters[k], len(scenes)
    every = list(range(count))
    pairs: list[tuple[float, list[int], bool]]
    if scale is not None:
        pairs = [(scale, every, True)]
    elif kinds and raster.georef is not None:
        pairs = [
            (_ratio(raster, scenes.rasters[which[0]], size), which, True) for size, which in kinds.items()
        ]
    else:
        pairs = [(tried, every, tried == 1.0) for tried in TRIED]
    angles = [0.0, *(float(a) for a in rotations if a != 0)]
    return [
        (Variant(k, value, angle, first and angle == 0), which)
        for value, which, first in pairs
        for angle in angles
    ]


def _ratio(chip: Raster, scene: Raster, size: float) -> float:
    """Scene pixels a chip pixel, for scenes of `size` metres a pixel on the ground; nearly 1 is 1."""
    assert chip.georef is not None
    assert scene.georef is not None
    if chip.georef.crs == scene.georef.crs:
        scale = math.sqrt(math.prod(chip.georef.pixel) / math.prod(scene.georef.pixel))
    else:
        scale = ground_pixel(chip.georef, chip.height, chip.width) / size
    return 1.0 if abs(scale - 1) < 2 * _SAME else scale


def _areas(
    scenes: RasterSource,
    where: Sequence[int],
    side: tuple[int, int],
    factor: float,
    box: tuple[float, float, float, float] | None,
) -> tuple[Box | None, ...]:
    """The part of every scene that is searched."""
    out: list[Box | None] = []
    for k, raster in enumerate(scenes.rasters):
        if k not in where:
            out.append(None)
        elif box is not None:
            out.append(area(raster, box, side, factor))
        else:
            out.append(Box(0, 0, int(raster.height / factor + 1e-9), int(raster.width / factor + 1e-9)))
    return tuple(
        None if b is None or b.bottom - b.top < side[0] or b.right - b.left < side[1] else b for b in out
    )


def constant(array: NDArray) -> bool:
    """Whether all valid pixels of a chip are alike, so that nothing can place it."""
    valid = array[(array != 0).any(-1)]
    return len(valid) == 0 or bool((valid == valid[:1]).all())


class Laid:
    """Chips as they are searched for, a `matcher.formats.base.Source`."""

    def __init__(self, chips: RasterSource, variants: Sequence[Variant]) -> None:
        self.name = chips.name
        self.ids = np.arange(len(variants), dtype=np.int64)
        self._chips = chips
        self._variants = variants

    def __len__(self) -> int:
        return len(self._variants)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) in the search."""
        variant = self._variants[index]
        shape = self._chips.shape(variant.chip)
        return (*variant.side(shape), shape[2])

    def where(self, index: int) -> str:
        """The chip's file."""
        return self._chips.where(self._variants[index].chip)

    def __getitem__(self, index: int) -> NDArray:
        """A chip, turned and resampled."""
        variant = self._variants[index]
        return variant.lay(self._chips[variant.chip])
