"""How a chip is laid on a scene: the pixels of the search, and the chip brought to them.

A linear map takes columns and rows of the chip to columns and rows of the scene; it holds the pixel sizes of both sides
in both axes and any turn between them. The search works along the scene's own axes, on each at the pixel size of the
coarser side. The chip is shrunk by area means where it is finer, and resampled where it is turned or stretched by half
a pixel and more.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.geo.resample import shrink, shrunk, warp

_SAME = 0.02  # pixel sizes that differ by less are searched as one; the chip takes up the difference
_MOVED = 0.5  # px that a chip's corners may be off before it is resampled

Linear = tuple[float, float, float, float]


@dataclass(frozen=True)
class Variant:
    """One way to lay a chip on some scenes.

    Attributes
    ----------
    chip : int
    shape : (int, int)
        Of the chip.
    linear : tuple of 4 float
        (a, b, d, e): a column and a row of the chip are (a, d) and (b, e) columns and rows of the scene.
    first : bool
        Whether it is tried before the others, which serve the chips still in doubt.
    """

    chip: int
    shape: tuple[int, int]
    linear: Linear
    first: bool

    @property
    def scale(self) -> float:
        """Scene pixels along the side of a chip pixel, the geometric mean of both axes."""
        return scale_of(self.linear)

    @property
    def rotation(self) -> float:
        """Degrees, anticlockwise, by which the chip is turned to lie as the scene does."""
        return rotation_of(self.linear)

    @cached_property
    def shrink(self) -> tuple[float, float]:
        """Scene pixels a pixel of the search, down and across."""
        a, b, d, e = self.linear
        return _coarser(math.hypot(d, e)), _coarser(math.hypot(a, b))

    @cached_property
    def _chip_shrink(self) -> tuple[float, float]:
        """Chip pixels a pixel of the search, down and across the chip."""
        across, down = np.linalg.norm(self._to_search, axis=0).tolist()
        return max(1 / down, 1.0), max(1 / across, 1.0)

    @cached_property
    def _to_search(self) -> NDArray[np.float64]:
        """Columns and rows of the chip to those of the search."""
        return np.diag([1 / self.shrink[1], 1 / self.shrink[0]]) @ np.reshape(self.linear, (2, 2))

    @cached_property
    def _rest(self) -> NDArray[np.float64]:
        """What is left to do when the chip has been shrunk."""
        return self._to_search @ np.diag(self._chip_shrink[::-1])

    @cached_property
    def _quarter(self) -> NDArray[np.float64]:
        """The turn by right angles, or the flip, that is next to it."""
        rest = np.abs(self._rest)
        kept = np.eye(2) if rest[0, 0] + rest[1, 1] >= rest[0, 1] + rest[1, 0] else np.eye(2)[::-1]
        return kept * np.sign(self._rest)

    @property
    def _kept(self) -> tuple[int, int]:
        """Height and width of the chip when it has been shrunk."""
        return shrunk(self.shape, self._chip_shrink)

    @cached_property
    def side(self) -> tuple[int, int]:
        """Height and width of the chip in the search."""
        return self._kept if self._quarter[0, 0] else self._kept[::-1]

    def lay(self, chip: NDArray) -> NDArray:
        """The chip as it is searched for."""
        if max(self._chip_shrink) > 1.0:
            chip = shrink(chip, self._chip_shrink)
        corner = np.array(self._kept[::-1]) / 2
        off = self._rest - self._quarter
        if max(np.abs(off @ corner).max(), np.abs(off @ (corner * (1, -1))).max()) >= _MOVED:
            return warp(chip, self._rest, self.side)
        if not self._quarter[0, 0]:
            chip = chip.swapaxes(0, 1)
        across, down = self._quarter.sum(1).astype(int).tolist()
        return np.ascontiguousarray(chip[::down, ::across])

    def affine(self, row: float, col: float) -> Affine:
        """Column and row in the chip to column and row in the scene, for a place of the search."""
        (down, across), (height, width) = self._chip_shrink, self._kept
        (a, b), (d, e) = self._to_search.tolist()
        place = Affine.translation(col + self.side[1] / 2, row + self.side[0] / 2)
        from_middle = Affine(a, b, 0, d, e, 0) @ Affine.translation(-width * across / 2, -height * down / 2)
        return Affine.scale(self.shrink[1], self.shrink[0]) @ place @ from_middle


def scale_of(linear: Linear) -> float:
    """Scene pixels along the side of a chip pixel, the geometric mean of both axes."""
    a, b, d, e = linear
    return math.sqrt(abs(a * e - b * d))


def rotation_of(linear: Linear) -> float:
    """Degrees, anticlockwise, by which a chip is turned to lie as the scene does."""
    a, b, d, e = linear
    return round(math.degrees(math.atan2(b - d, a + e)), 3) + 0.0


def _coarser(size: float) -> float:
    """Scene pixels a pixel of the search, for chip pixels of so many. Rounded, so that chips share a search."""
    return 1.0 if size < 1 + _SAME else float(f"{size:.3g}")
