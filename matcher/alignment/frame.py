"""The moving scene's grid over the reference: where its chips lie there, and the reference as that grid sees it.

All coordinates count pixels from the outer corner of the first one. What is searched is the moving scene's grid; where
the reference has larger pixels, that grid with its pixels shrunk to theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.formats.raster import Raster, RasterSource
from matcher.geo.grid import Grid
from matcher.geo.resample import interpolated, shrink
from matcher.imagery import to_dn

IDENTITY = Affine.identity()
_SAME = 1e-4  # px over a chip: grids that differ by less are one
_NODES = 8.0  # px between the points of a window at which a bent field is looked up; splines between them
_LARGER = 1.25  # reference pixels a moving one, from where the moving scene is shrunk


@dataclass(frozen=True)
class Side:
    """One scene: its raster in a source, its value range, its place (None for both scenes where neither has one)."""

    source: RasterSource
    index: int
    value_range: str
    georef: Grid | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.source.shape(self.index)[:2]

    @property
    def raster(self) -> Raster:
        """It in its source."""
        return self.source.rasters[self.index]

    @property
    def name(self) -> str:
        """The file."""
        return self.source.where(self.index)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """DN of a window that may reach beyond the scene, where it holds 0: no data."""
        rows, columns = self.size
        inside = max(top, 0), max(left, 0), min(top + height, rows), min(left + width, columns)
        bands = self.source.shape(self.index)[2]
        out = np.zeros((height, width, bands), np.float32)
        if inside[0] < inside[2] and inside[1] < inside[3]:
            raw = self.source.read(
                self.index, inside[0], inside[1], inside[2] - inside[0], inside[3] - inside[1]
            )
            dn = to_dn(raw, self.value_range)
            dn[(raw == 0).all(-1)] = 0
            out[inside[0] - top : inside[2] - top, inside[1] - left : inside[3] - left] = dn
        return out


@dataclass(frozen=True)
class Frame:
    """Two scenes, and what is known of how they lie before tie points are sought.

    Attributes
    ----------
    moving, reference : Side
    shrink : float
        Moving pixels a pixel of the search, 1 or more.
    prior : Affine
        Column and row of the moving scene to where the reference has that ground on the moving scene's grid.
    bent : callable, optional
        Instead of the prior: points (n, 2) to their shifts (n, 2), rows first, moving pixels.
    """

    moving: Side
    reference: Side
    shrink: float
    prior: Affine = IDENTITY
    bent: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None

    def to_reference(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 2) of the moving scene's grid, rows first, as rows and columns of the reference."""
        own, other = self.moving.georef, self.reference.georef
        if own is None or other is None:
            return points
        if own.crs == other.crs:
            return moved(~other.transform @ own.transform, points)
        return other.to_pixels(own.to_degrees(points[:, ::-1]))[:, ::-1]

    def from_reference(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The reverse of `to_reference`."""
        return Frame(self.reference, self.moving, 1.0).to_reference(points)

    def predicted(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 2) of the moving scene moved by the prior, or as the field bends them, rows first."""
        return moved(self.prior, points) if self.bent is None else points + self.bent(points)

    def chip(self, top: float, left: float, side: int) -> NDArray[np.float32]:
        """DN of a chip of `side` px of the search at a corner in moving pixels."""
        if self.shrink == 1:
            return self.moving.read(int(top), int(left), side, side)
        size = int(np.ceil(side * self.shrink)) + 1
        return shrink(self.moving.read(int(top), int(left), size, size), self.shrink, (side, side))

    def window(
        self, top: float, left: float, side: int, rim: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The reference under a chip and `rim` px of the search about it, as `predicted`.

        Returns
        -------
        window : ndarray (side + 2 rim, side + 2 rim, bands), float32
        start : ndarray (2,)
            Where the window's corner lies by the prior, px of the search from the chip's corner: -rim but for a
            fraction of a pixel.
        """
        to_ref = self._local(top, left, side)
        size = side + 2 * rim
        start = np.full(2, -float(rim))
        nothing = np.zeros((size, size, self.moving.source.shape(0)[2]), np.float32)
        if not np.isfinite(to_ref[:6]).all():  # no place that the reference's CRS reaches
            return nothing, start
        if self.bent is not None:
            places = self._bent_places(top, left, size, rim)
            return nothing if places is None else self._resampled(to_ref, *places), start
        a, b, c, d, e, f = to_ref[:6]
        if max(abs(a - 1), abs(b), abs(d), abs(e - 1)) * size < _SAME:
            corner = np.array([f, c]) - rim
            whole = np.rint(corner)
            dn = self.reference.read(int(whole[0]), int(whole[1]), size, size)
            return dn, -rim + whole - corner
        at = np.arange(size) - rim + 0.5
        col, row = (u * at + v * at[:, np.newaxis] + w for u, v, w in ((a, b, c), (d, e, f)))
        return self._resampled(to_ref, row, col), start

    def _local(self, top: float, left: float, side: int) -> Affine:
        """Column and row of the search, from a chip's corner, to the reference's: linear about the chip's middle."""
        half = side / 2
        steps = np.array([(half, half), (half, half + 1), (half + 1, half)]) * self.shrink
        middle, right, below = self.to_reference(self.predicted(np.array([top, left]) + steps))
        (d, a), (e, b) = right - middle, below - middle
        return Affine(a, b, middle[1] - half * (a + b), d, e, middle[0] - half * (d + e))

    def _bent_places(
        self, top: float, left: float, size: int, rim: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Rows and columns of the reference (size, size) under the middles of a window's pixels, where it bends.

        None where the reference's CRS does not reach all of them.
        """
        from scipy.interpolate import RectBivariateSpline

        nodes = np.linspace(-rim, size - rim, max(int(np.ceil(size / _NODES)) + 1, 4))
        lattice = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
        there = self.to_reference(self.predicted(np.array([top, left]) + self.shrink * lattice))
        if not np.isfinite(there).all():
            return None
        at = np.arange(size) - rim + 0.5
        row, col = (RectBivariateSpline(nodes, nodes, v.reshape(len(nodes), -1))(at, at) for v in there.T)
        return row, col

    def _resampled(
        self, to_ref: Affine, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """The reference at rows and columns, by splines; area means first where its own pixels are smaller."""
        steps = np.hypot(to_ref.a, to_ref.d), np.hypot(to_ref.b, to_ref.e)
        factor = max(int(min(steps) + 0.25), 1)
        top, left = (int(np.floor(v.min())) - 3 * factor for v in (row, col))
        height, width = (
            -(-(int(np.ceil(v.max())) + 3 * factor - start) // factor) * factor
            for v, start in ((row, top), (col, left))
        )
        dn = self.reference.read(top, left, height, width)
        if factor > 1:
            dn = shrink(dn, factor)
        places = np.stack([(row - top) / factor - 0.5, (col - left) / factor - 0.5])
        return interpolated(dn, places)


def frame(moving: Side, reference: Side) -> Frame:
    """The frame of two scenes, with what their own grids say as the prior."""
    plain = Frame(moving, reference, 1.0)
    to_ref = plain._local(moving.size[0] / 2, moving.size[1] / 2, 1)
    larger = 1 / np.sqrt(abs(to_ref.determinant))
    return Frame(moving, reference, float(larger) if larger >= _LARGER else 1.0)


def moved(by: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2), rows first, moved by a transform of columns and rows."""
    row, col = points.T
    return np.stack([by.d * col + by.e * row + by.f, by.a * col + by.b * row + by.c], -1)
