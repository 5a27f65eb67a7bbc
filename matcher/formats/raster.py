"""Rasters: pictures that say which bands they have and where they lie, whatever reader they come from.

A raster is one file, or several of one grid that hold a band each, or a part of a store. No data, masks and alpha
become 0 in all bands, which the matcher reads as no data. Files are opened when first read, anew in every process, a
few at a time.
"""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, SettingsError
from matcher.formats.bandnames import ORDER
from matcher.formats.base import Source
from matcher.formats.georef import UPRIGHT, Turned
from matcher.formats.handles import HANDLES, Handle, Opener, Window
from matcher.formats.remote import is_remote
from matcher.geo.grid import Grid

_STRIP = 512  # rows read at once where a raster is read through


@dataclass(frozen=True)
class Band:
    """One band: its file, its number there (from 1), and what it is called where that is known."""

    path: str
    index: int
    name: str | None


@dataclass(frozen=True)
class Raster:
    """One scene or chip.

    Attributes
    ----------
    name : str
        The file, the folder of a product, or the files' common name, for people.
    height, width : int
    dtype : str
        Of the file; offsets can widen it. Empty where it is known only when values are read.
    bands : tuple of Band
    opener : callable or Handle
        Opens the bands' files: `matcher.formats.handles.Opener`; or what reads them without opening anything.
    georef : Grid, optional
        Where it lies, rows going down and columns right on the map; None where the file does not say.
    alpha : Band, optional
    offset : float
        Added to every valid value: -1000 in Sentinel-2 products since processing baseline 04.00.
    ungridded : str
        Why there is no `georef`, in words; empty where there is.
    against : tuple of str or None
        What the file itself calls its bands, where other names were given for them.
    assumed : bool
        Whether the fourth of its bands is near infrared because nothing says otherwise.
    label : str
        What tells it from others of one file, such as its date; empty where the file holds no other.
    turned : Turned
        How the file's pixels are laid for `georef`; height and width are those of the picture.
    """

    name: str
    height: int
    width: int
    dtype: str
    bands: tuple[Band, ...]
    opener: Opener | Handle
    georef: Grid | None = None
    alpha: Band | None = None
    offset: float = 0.0
    ungridded: str = ""
    against: tuple[str | None, ...] = ()
    assumed: bool = False
    label: str = ""
    turned: Turned = UPRIGHT

    def __post_init__(self) -> None:
        if not math.isfinite(self.offset):
            raise SettingsError(f"{self.name}: the offset {self.offset} is no finite number; give one")

    @property
    def names(self) -> tuple[str | None, ...]:
        """Names of its bands; None where nothing says."""
        return tuple(band.name for band in self.bands)


class RasterSource:
    """Rasters as images or patches, a `matcher.formats.base.Source` whose windows can be read alone.

    Parameters
    ----------
    rasters : sequence of Raster
    name : str
        Where they come from, for messages.
    ids : ndarray of int64, optional
        Of each; by default `number`.
    """

    def __init__(self, rasters: Sequence[Raster], name: str, ids: NDArray[np.int64] | None = None) -> None:
        self.rasters = tuple(rasters)
        self.name = name
        self.ids = number([raster.name for raster in self.rasters]) if ids is None else ids

    def dtype(self, index: int) -> np.dtype:
        """Of the values of one."""
        return np.dtype(self.rasters[index].dtype or self.read(index, 0, 0, 1, 1).dtype)

    @property
    def band_names(self) -> tuple[str | None, ...]:
        """Names of the bands that all have, in one order; None where nothing says.

        Raises
        ------
        FormatError
            If rasters share none.
        """
        kinds = list(dict.fromkeys(raster.names for raster in self.rasters))
        if len(kinds) == 1:
            return kinds[0]
        shared = [name for name in kinds[0] if name is not None and all(name in kind for kind in kinds)]
        if not shared:
            first = self.rasters[0]
            other = next(raster for raster in self.rasters if raster.names != kinds[0])
            raise FormatError(
                f"{other.name}: has the bands {_said(other)}, and {first.name} has {_said(first)}; choose bands that "
                "all have with --bands"
            )
        return tuple(sorted(shared, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each is called among the others: its date, or its file's name without folder and suffix."""
        return tuple(raster.label or _stem(raster.name) for raster in self.rasters)

    @property
    def in_order(self) -> bool:
        """Whether `ids` are numbers of the rasters' order, which their names do not say."""
        stems = [_stem(raster.name) for raster in self.rasters]
        if not all(raster.bands[0].path for raster in self.rasters):
            return False
        return not all(s.isdigit() and int(s) == k for s, k in zip(stems, self.ids.tolist(), strict=True))

    def __getstate__(self) -> dict[str, Any]:
        """With absolute paths: what is sent to another process may be read in another folder."""
        return self.__dict__ | {"rasters": tuple(_absolute(raster) for raster in self.rasters)}

    def __len__(self) -> int:
        return len(self.rasters)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        raster = self.rasters[index]
        return raster.height, raster.width, len(raster.bands)

    def where(self, index: int) -> str:
        """The file of one, for messages."""
        return self.rasters[index].name

    def select(self, names: Sequence[str]) -> "RasterSource":
        """The same rasters with some of their bands, by name."""
        return RasterSource([_select(raster, names) for raster in self.rasters], self.name, self.ids)

    def subset(self, which: Sequence[int]) -> "RasterSource":
        """Some of the rasters, with the ids they have here."""
        return RasterSource([self.rasters[k] for k in which], self.name, self.ids[list(which)])

    def check(self, index: int) -> None:
        """Read one raster through, a strip at a time.

        Raises
        ------
        FormatError
            If a part cannot be read, or no pixel is valid.
        """
        raster = self.rasters[index]
        seen = False
        for row in range(0, raster.height, _STRIP):
            seen |= bool(self.read(index, row, 0, min(_STRIP, raster.height - row), raster.width).any())
        if not seen:
            raise FormatError(_empty(raster))

    def __getitem__(self, index: int) -> NDArray:
        """One raster whole, (height, width, bands); an error where no pixel is valid."""
        raster = self.rasters[index]
        array = self.read(index, 0, 0, raster.height, raster.width)
        if not array.any():
            raise FormatError(_empty(raster))
        return array

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one raster, (height, width, bands), 0 in all bands where there is no data.

        Raises
        ------
        FormatError
            If the file cannot be read there.
        """
        raster = self.rasters[index]
        window = raster.turned.window(row, col, (height, width), (raster.height, raster.width))
        out = np.empty((*window[2:], 0))
        empty = np.zeros(window[2:], bool)
        for path in dict.fromkeys(band.path for band in raster.bands):
            where = [k for k, band in enumerate(raster.bands) if band.path == path]
            values, bad = self._read(raster, path, [raster.bands[k].index for k in where], window)
            if not out.size:
                out = np.empty((*window[2:], len(raster.bands)), raster.dtype or values.dtype)
            for k, value in zip(where, values, strict=True):
                out[..., k] = value
            empty |= bad
        if raster.alpha is not None:
            empty |= self._read(raster, raster.alpha.path, [raster.alpha.index], window)[0][0] == 0
        laid = raster.turned.lay(_finish(out, empty, raster.offset))
        return np.ascontiguousarray(laid)

    @staticmethod
    def _read(
        raster: Raster, path: str, indices: list[int], window: Window
    ) -> tuple[NDArray, NDArray[np.bool_]]:
        if not callable(raster.opener):
            return raster.opener.read(indices, window)
        with HANDLES.lock:
            return HANDLES.get(path, raster.opener).read(indices, window)


def file_names(source: Source) -> dict[int, str]:
    """By id what the files of pictures are called, without their folders; empty where pictures are no files."""
    if not isinstance(source, RasterSource) or not all(raster.bands[0].path for raster in source.rasters):
        return {}
    names = [os.path.basename(raster.name.rstrip("/")) for raster in source.rasters]
    return dict(zip(source.ids.tolist(), names, strict=True))


def _select(raster: Raster, names: Sequence[str]) -> Raster:
    own = raster.names
    return replace(raster, bands=tuple(replace(raster.bands[own.index(name)], name=name) for name in names))


def _absolute(raster: Raster) -> Raster:
    def moved(band: Band) -> Band:
        fixed = not band.path or is_remote(band.path)
        return band if fixed else replace(band, path=os.path.abspath(band.path))

    alpha = None if raster.alpha is None else moved(raster.alpha)
    return replace(raster, bands=tuple(map(moved, raster.bands)), alpha=alpha)


def _empty(raster: Raster) -> str:
    return f"{raster.name}: holds no valid pixel: all is no data, masked, transparent or 0; check its nodata value"


def _said(raster: Raster) -> str:
    return ", ".join(name or "unnamed" for name in raster.names)


def number(names: Sequence[str]) -> NDArray[np.int64]:
    """The number that each file is called by where all are, otherwise 0, 1, …"""
    stems = [_stem(name) for name in names]
    if all(s.isascii() and s.isdigit() and len(s) < 19 for s in stems) and len(set(map(int, stems))) == len(
        stems
    ):
        return np.array([int(s) for s in stems], np.int64)
    return np.arange(len(names), dtype=np.int64)


def stem_of(name: str) -> str:
    """What a file that is made of a raster is called, by the raster's name: without folder and suffix.

    Of one of several in a file it is the file's, and what tells it from the others: ``dates-3`` of ``dates.npy, 3``.
    A dash stands there for a slash or a colon, which names of files cannot have everywhere.
    """
    file, comma, label = name.rstrip("/").rpartition(", ")
    several = bool(comma and Path(file).suffix) and not Path(label).suffix
    told = re.sub(r"[/:\\]", "-", label)
    stem = f"{Path(file).stem}-{told}" if several else Path(name.rstrip("/")).stem
    return stem.replace("*", "bands")


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _finish(values: NDArray, empty: NDArray[np.bool_], offset: float) -> NDArray:
    """Offset added and no data set to 0; what is valid and would fall to 0 in all bands or below stays just above.

    Just above is 1 of whole numbers, and of floating ones what 1 DN is where they are reflectance.
    """
    if values.dtype.kind == "f":
        empty = empty | ~np.isfinite(values).all(-1)
    if offset:
        integer = values.dtype.kind in "ui"
        low, high = (1, np.iinfo(values.dtype).max) if integer else (1e-4, np.inf)
        empty = empty | (values == 0).all(-1)
        values = np.clip(values.astype(np.float64) + offset, low, high).astype(values.dtype)
    if empty.any():
        values[empty] = 0
    return values
