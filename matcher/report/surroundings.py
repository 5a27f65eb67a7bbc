"""Pictures of a chip and of a place of it: the ground there as the chip lies, and the scene all around it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image

from matcher.formats.thumbs import chosen, joint_limits, stretch
from matcher.geo.place import Place
from matcher.geo.resample import shrink
from matcher.imagery import Pictures

CHIP_SIDE = 144  # px of a chip as it is shown
WIDE_SIDE = 280  # px of the scene about it
_AROUND = 3.0  # times the place's extent that is shown of its scene
_LEAST = 96  # scene pixels that are shown at least
_STRIP = 1 << 25  # numbers of a scene that are read at once

Picture = NDArray[np.uint8]
Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class Cutout:
    """A part of a scene, pixels: first row and column, height and width."""

    row: int
    col: int
    height: int
    width: int


def corners(place: Place) -> Ring:
    """The chip's corners in the scene, (column, row) in scene pixels, going round."""
    height, width = place.size
    return [place.affine @ point for point in ((0, 0), (0, height), (width, height), (width, 0))]


def around(place: Place, shape: tuple[int, ...]) -> Cutout:
    """The part of a scene of `shape` that is shown about a place."""
    (left, top), (right, bottom) = np.min(corners(place), 0), np.max(corners(place), 0)
    side = max(_AROUND * max(right - left, bottom - top), _LEAST)
    rows = _span((top + bottom) / 2, side, shape[0])
    columns = _span((left + right) / 2, side, shape[1])
    return Cutout(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


def _span(middle: float, side: float, whole: int) -> tuple[int, int]:
    """First and last + 1 pixel of `side` about a middle, moved into the scene where it leaves it."""
    first = min(max(round(middle - side / 2), 0), max(whole - math.ceil(side), 0))
    return first, min(first + math.ceil(side), whole)


def read_small(scenes: Pictures, number: int, box: Cutout, side: int) -> tuple[NDArray[np.float32], int]:
    """A part of a scene as DN of about `side` px, by area means, and how many of its pixels one of them is.

    Read in strips: however large the part is, little of it is in memory at once.
    """
    factor = max(math.ceil(max(box.height, box.width) / side), 1)
    if factor == 1:
        return scenes.crop(number, (box.row, box.col), (box.height, box.width)), 1
    bands = scenes.shape(number)[2]
    rows, columns = max(box.height // factor, 1), max(box.width // factor, 1)
    step = max(_STRIP // (box.width * bands * factor), 1)
    parts = []
    for first in range(0, rows, step):
        count = min(step, rows - first)
        high = min(count * factor, box.height - first * factor)
        strip = scenes.crop(number, (box.row + first * factor, box.col), (high, box.width))
        parts.append(shrink(strip, float(factor), (count, columns)))
    return np.concatenate(parts), factor


def seen_as_chip(scenes: Pictures, number: int, place: Place) -> tuple[NDArray[np.float32], Affine]:
    """The scene about a place as DN, as fine as a chip is shown, and the map from the chip's pixels to its own."""
    outline = np.array(corners(place))
    high, wide = scenes.shape(number)[:2]
    left, top = np.maximum(np.floor(outline.min(0)).astype(int) - 2, 0).tolist()
    right, bottom = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, (wide, high)).tolist()
    box = Cutout(top, left, max(bottom - top, 1), max(right - left, 1))
    dn, factor = read_small(scenes, number, box, 2 * CHIP_SIDE)
    moved = Affine.scale(1 / factor) @ Affine.translation(-left, -top) @ place.affine
    return dn, moved


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a chip is shown: its own, or `CHIP_SIDE` the longer side."""
    share = min(CHIP_SIDE / max(size), 1.0)
    return max(round(size[0] * share), 1), max(round(size[1] * share), 1)


def as_chip(picture: Picture, moved: Affine, size: tuple[int, int]) -> Picture:
    """A picture of a scene turned and stretched to lie as a chip of `size` pixels does; black beyond it."""
    height, width = shown_size(size)
    back = moved @ Affine.scale(size[1] / width, size[0] / height)
    image = Image.fromarray(picture)
    turned = image.transform((width, height), Image.Transform.AFFINE, back[:6], Image.Resampling.BILINEAR)
    return np.asarray(turned)


def chip_pictures(
    chip: NDArray[np.float32], found: Sequence[tuple[NDArray[np.float32], Affine]], false_colour: bool
) -> list[Picture]:
    """A chip and what was found for it, brightened alike, all as the chip lies.

    Parameters
    ----------
    chip : ndarray (height, width, bands), DN
    found : sequence of (ndarray, Affine)
        As `seen_as_chip` hands them over, the best first; the others are brightened as the best is.
    """
    size = (chip.shape[0], chip.shape[1])
    pictures = [chosen(dn, false_colour) for dn in (chip, *(dn for dn, _ in found))]
    limits = joint_limits(pictures[:2])
    own, *others = (stretch(picture, limits) for picture in pictures)
    small = Image.fromarray(own).resize(shown_size(size)[::-1], Image.Resampling.BOX)
    return [
        np.asarray(small),
        *(as_chip(other, moved, size) for other, (_, moved) in zip(others, found, strict=True)),
    ]
