"""Rasters with a place on Earth (GeoTIFF, JPEG2000, whatever GDAL reads) and plain pictures, windows read lazily.

A raster is one file, or several of one grid that hold a band each. No data, masks and alpha become 0 in all bands,
which the matcher reads as no data. Datasets are opened when first read, anew in every process, a few at a time.
"""

import contextlib
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats.pictures import is_picture, read_picture
from matcher.geo.grid import GeoRef
from matcher.version import install_command

_OPEN = 12  # datasets or pictures held open a process
_STRIP = 512  # rows read at once where a raster is read through
_CACHE_MB = 192  # of decoded blocks, all datasets together


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
        Of the file; offsets can widen it.
    bands : tuple of Band
    georef : GeoRef, optional
        None where the file says no CRS, or its transform is the identity.
    alpha : Band, optional
    offset : float
        Added to every valid value: -1000 in Sentinel-2 products since processing baseline 04.00.
    ungridded : str
        Why there is no `georef`, in words; empty where there is.
    against : tuple of str or None
        What the file itself calls its bands, where other names were given for them.
    """

    name: str
    height: int
    width: int
    dtype: str
    bands: tuple[Band, ...]
    georef: GeoRef | None = None
    alpha: Band | None = None
    offset: float = 0.0
    ungridded: str = ""
    against: tuple[str | None, ...] = ()


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
        first = self.rasters[0]
        for raster in self.rasters:
            if band_names(raster) != band_names(first):
                raise FormatError(
                    f"{raster.name}: has the bands {_said(raster)}, and {first.name} has {_said(first)}; choose "
                    "bands that all have with --bands"
                )

    @property
    def band_names(self) -> tuple[str | None, ...]:
        """Names of the bands, the same in all; None where nothing says."""
        return band_names(self.rasters[0])

    @property
    def in_order(self) -> bool:
        """Whether `ids` are numbers of the rasters' order, which their names do not say."""
        stems = [_stem(raster.name) for raster in self.rasters]
        return not all(s.isdigit() and int(s) == k for s, k in zip(stems, self.ids.tolist(), strict=True))

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
        chosen = [
            replace(r, bands=tuple(next(b for b in r.bands if b.name == name) for name in names))
            for r in self.rasters
        ]
        return RasterSource(chosen, self.name, self.ids)

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
        window = (row, col, height, width)
        out = np.empty((height, width, len(raster.bands)), raster.dtype)
        empty = np.zeros((height, width), bool)
        for path in dict.fromkeys(band.path for band in raster.bands):
            where = [k for k, band in enumerate(raster.bands) if band.path == path]
            values, bad = _read(path, [raster.bands[k].index for k in where], window)
            for k, value in zip(where, values, strict=True):
                out[..., k] = value
            empty |= bad
        if raster.alpha is not None:
            empty |= _read(raster.alpha.path, [raster.alpha.index], window)[0][0] == 0
        return _finish(out, empty, raster.offset)


def band_names(raster: Raster) -> tuple[str | None, ...]:
    """Names of a raster's bands; None where nothing says."""
    return tuple(band.name for band in raster.bands)


def _empty(raster: Raster) -> str:
    return f"{raster.name}: holds no valid pixel: all is no data, masked, transparent or 0; check its nodata value"


def _said(raster: Raster) -> str:
    return ", ".join(name or "unnamed" for name in band_names(raster))


def number(names: Sequence[str]) -> NDArray[np.int64]:
    """The number that each file is called by where all are, otherwise 0, 1, …"""
    stems = [_stem(name) for name in names]
    if all(s.isascii() and s.isdigit() and len(s) < 19 for s in stems) and len(set(map(int, stems))) == len(
        stems
    ):
        return np.array([int(s) for s in stems], np.int64)
    return np.arange(len(names), dtype=np.int64)


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _finish(values: NDArray, empty: NDArray[np.bool_], offset: float) -> NDArray:
    """Offset added and no data set to 0; what is valid and would fall to 0 in all bands or below stays just above."""
    if values.dtype.kind == "f":
        empty = empty | ~np.isfinite(values).all(-1)
    if offset:
        integer = values.dtype.kind in "ui"
        low, high = (1, np.iinfo(values.dtype).max) if integer else (1, np.inf)
        empty = empty | (values == 0).all(-1)
        values = np.clip(values.astype(np.float64) + offset, low, high).astype(values.dtype)
    if empty.any():
        values[empty] = 0
    return values


class _Handles:
    """Open datasets and decoded pictures of this process, the least used closed first."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._open: OrderedDict[str, tuple[tuple[int, int] | None, Any]] = OrderedDict()
        self._pid = os.getpid()

    def get(self, path: str) -> Any:
        """A rasterio dataset, or a picture's array (height, width, bands)."""
        if self._pid != os.getpid():  # a handle must not cross a fork
            self._open, self._pid = OrderedDict(), os.getpid()
        stamp = _stamp(path)
        if path in self._open and self._open[path][0] != stamp:
            self._close(self._open.pop(path)[1])
        if path not in self._open:
            self._open[path] = stamp, read_picture(path) if is_picture(path) else open_dataset(path)
            while len(self._open) > _OPEN:
                self._close(self._open.popitem(last=False)[1][1])
        self._open.move_to_end(path)
        return self._open[path][1]

    @staticmethod
    def _close(handle: Any) -> None:
        if not isinstance(handle, np.ndarray):
            handle.close()


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of a file, which tell that it was replaced."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


HANDLES = _Handles()


def open_dataset(path: str) -> Any:
    """A rasterio dataset.

    Raises
    ------
    FormatError
        If rasterio is missing, or the file is missing, damaged or of no form that it reads.
    """
    rasterio = import_rasterio(path)
    if not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    with (
        gdal_errors(path, "cannot be opened as GeoTIFF, JPEG2000 or another raster"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path)


@contextlib.contextmanager
def gdal_errors(path: str, what: str) -> Iterator[None]:
    """GDAL with this package's cache; what it raises becomes a FormatError that names the file."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB):
            yield
    except (RasterioError, CPLE_BaseError) as error:
        raise FormatError(f"{path}: {what}: {_one_line(error, path)}; is the file whole?") from None


def import_rasterio(path: str) -> Any:
    """The rasterio module, or a FormatError that says how to get it."""
    try:
        import rasterio
        import rasterio.errors
    except ImportError:
        raise FormatError(
            f"{path}: reading GeoTIFF and JPEG2000 needs rasterio: {install_command('geo')}"
        ) from None
    return rasterio


def _read(
    path: str, indices: list[int], window: tuple[int, int, int, int]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Values (bands, height, width) of a window and where they are no data."""
    row, col, height, width = window
    with HANDLES.lock:
        handle = HANDLES.get(path)
        if isinstance(handle, np.ndarray):
            part = handle[row : row + height, col : col + width][..., [k - 1 for k in indices]]
            return np.moveaxis(part, -1, 0), np.zeros((height, width), bool)
        return _read_dataset(handle, path, indices, window)


def _read_dataset(
    dataset: Any, path: str, indices: list[int], window: tuple[int, int, int, int]
) -> tuple[NDArray, NDArray[np.bool_]]:
    from rasterio.enums import MaskFlags
    from rasterio.windows import Window

    row, col, height, width = window
    area = Window(col, row, width, height)
    empty = np.zeros((height, width), bool)
    with gdal_errors(path, f"cannot be read at row {row}, column {col}"):
        values = dataset.read(indices, window=area)
        for value, index in zip(values, indices, strict=True):
            flags = dataset.mask_flag_enums[index - 1]
            nodata = dataset.nodatavals[index - 1]
            if MaskFlags.nodata in flags and nodata is not None:
                if nodata != 0:  # 0 is no data where all bands say so, which needs no mask
                    empty |= np.isnan(value) if np.isnan(nodata) else value == nodata
            elif MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
                empty |= dataset.read_masks(index, window=area) == 0
    return values, empty


def _one_line(error: BaseException, path: str) -> str:
    """GDAL's message in one line, with its cause, without the path that stands before it already."""
    cause = error.__cause__ or error.__context__
    text = str(cause or error).splitlines()[0] if str(cause or error) else type(error).__name__
    for spelling in (f"'{path}' ", f"{path}: ", f"'{path}'", path, f"{os.path.basename(path)}, "):
        text = text.replace(spelling, "")
    return text.strip().rstrip(".")
