"""The pictures that an index is of, opened by its catalogue: nothing of them is read but the windows asked for."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.bandnames import parse_bands
from matcher.formats.base import Source
from matcher.formats.catalog import Catalog, Origin, Pictured, read_catalog
from matcher.formats.files import FileBytes
from matcher.formats.fingerprint import Inputs, stamp_of
from matcher.formats.gather import Entry, RasterForm, tell_of
from matcher.formats.headers import raster_of
from matcher.formats.plain import ChosenBands
from matcher.formats.raster import Raster, RasterSource
from matcher.formats.reader import Reader
from matcher.formats.registry import expand

_SPELLED = 8  # ids or paths that a message names


class ExtentSource:
    """Pictures whose values lie in files one after another, a `matcher.formats.base.Windowed`.

    Parameters
    ----------
    name : str
        Where they come from, for messages.
    folder : str
        Of files that are named by a relative path.
    bands : int
        Of every picture.
    pictures : sequence of Pictured
    """

    def __init__(self, name: str, folder: str, bands: int, pictures: Sequence[Pictured]) -> None:
        self.name = name
        self.ids = np.array([one.id for one in pictures], np.int64)
        self._folder, self._bands, self._pictures = folder, bands, tuple(pictures)
        # Those in the folder are opened at once: a change of the index may remove them.
        inside = {one.file for one in pictures if not os.path.isabs(one.file)}
        self._files = {file: FileBytes(os.path.join(folder, file)) for file in sorted(inside)}

    def __len__(self) -> int:
        return len(self._pictures)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        one = self._pictures[index]
        return one.height, one.width, self._bands

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        return self._pictures[index].where

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands), with the values of the file; the caller's own copy."""
        height, width, _ = self.shape(index)
        return self.read(index, 0, 0, height, width)

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one picture, (height, width, bands): its rows are read, and no others."""
        one = self._pictures[index]
        if one.file not in self._files:
            self._files[one.file] = FileBytes(os.path.join(self._folder, one.file))
        dtype = np.dtype(one.dtype)
        step = one.width * self._bands * dtype.itemsize
        rows = range(one.height)[row : row + height]
        data = self._files[one.file].read(one.offset + rows.start * step, len(rows) * step)
        whole = np.frombuffer(data, dtype).reshape(len(rows), one.width, self._bands)
        return whole[:, col : col + width].astype(dtype.newbyteorder("="))


def open_catalogued(folder: AnyPath, bands: Sequence[str] | None = None) -> Source:
    """The pictures that an index directory is of, in its order, with its bands or some of them by name.

    Raises
    ------
    FormatError
        If it is no index, is not finished, or a file that it is of is gone or has changed.
    """
    catalog = read_catalog(folder)
    source = source_of(folder, catalog)
    own = tuple(catalog.made["bands"])
    wanted = own if bands is None else parse_bands(bands)[0]
    if tuple(wanted) == own:
        return source
    lacking = [name for name in wanted if name not in own]
    if lacking:
        raise FormatError(
            f"{os.fspath(folder)}: is an index of the bands {', '.join(own)}, without {lacking[0]}"
        )
    if isinstance(source, RasterSource):
        return source.select(wanted)
    return ChosenBands(source, [own.index(name) for name in wanted])


def source_of(folder: AnyPath, catalog: Catalog) -> Source:
    """The pictures of a catalogue in its order; raises as `open_catalogued` does."""
    name = os.fspath(folder)
    if not catalog.pictures:
        raise FormatError(
            f"{name}: is an index that is not finished; the command that made it, run again, goes on"
        )
    check_unchanged(name, catalog)
    if catalog.rasters:
        return _rasters(name, catalog)
    return ExtentSource(name, os.path.abspath(name), catalog.bands, catalog.pictures)


def check_unchanged(name: str, catalog: Catalog) -> None:
    """Raise a FormatError where a file is not the one that the index was made of, told by its size and time.

    Where these differ it is read through: a file that was copied or touched is the same.
    """
    ids: dict[int, list[int]] = {}
    for one in catalog.pictures:
        ids.setdefault(one.origin, []).append(one.id)
    changed: dict[str, Origin] = {}
    for number, own in ids.items():
        origin = catalog.origins[number]
        try:
            other = next((path for path, stamp in origin.stamps.items() if stamp_of(path)[:2] != stamp), None)
            if other is not None and Inputs(own=origin.paths).fingerprints["own"]["sha256"] != origin.sha256:
                changed[other] = origin
        except FormatError as error:
            more = " …" if len(own) > _SPELLED else ""
            raise FormatError(
                f"{error}, and {name} was made of it: put it back, or take out what was in it: matcher index remove "
                f"{name} {' '.join(map(str, own[:_SPELLED]))}{more}"
            ) from None
    if changed:
        paths = list(dict.fromkeys(path for origin in changed.values() for path in origin.paths))
        again = " ".join(paths if len(paths) <= _SPELLED else {one.name: 0 for one in changed.values()})
        raise FormatError(
            f"{next(iter(changed))}: has changed since {name} was made of it: matcher index replace {name} {again} "
            "takes it as it is now"
        )


def entries_of(paths: Sequence[str]) -> list[Entry]:
    """The rasters that some names stand for, not opened, each with the paths that it is found by."""
    by_reader: dict[Reader, list[str]] = {}
    for path in paths:
        for leaf, reader in expand(path):
            by_reader.setdefault(reader, []).append(leaf)
    return [
        replace(entry, paths=entry.paths or tuple(own))
        for reader, own in by_reader.items()
        if isinstance(reader, RasterForm)
        for entry in reader.entries(own)
    ]


def opened_again(
    origins: Sequence[Origin], places: Sequence[tuple[int, int]], bands: Sequence[str] | None
) -> list[Raster]:
    """Rasters by the numbers of their origins and their own there, opened by their readers with the bands asked for.

    Raises
    ------
    FormatError
        If one cannot be opened, or is not there any more.
    """
    known: dict[int, list[Entry]] = {}
    out = []
    for number, record in places:
        paths = origins[number].paths
        if number not in known:
            known[number] = entries_of(paths)
        if record >= len(known[number]):
            raise FormatError(f"{paths[0]}: holds fewer pictures than when the index was made of it")
        out.append(known[number][record].open(bands))
    return out


def _rasters(name: str, catalog: Catalog) -> RasterSource:
    """Rasters as the catalogue tells them, the others by headers alone; no file beside them is looked at."""
    own = tuple(catalog.made["bands"])
    asked = tuple(catalog.made["bands_asked"] or ()) or None
    untold = [(one.origin, one.record) for one in catalog.pictures if one.header is None]
    others = iter(opened_again(catalog.origins, untold, asked))
    rasters = []
    for one in catalog.pictures:
        raster = next(others) if one.header is None else raster_of(one.header)
        if (raster.height, raster.width) != (one.height, one.width):
            raise FormatError(f"{raster.name}: is not the picture that {name} was made of")
        offset = catalog.origins[one.origin].offset
        if offset is not None:
            raster = replace(raster, offset=offset)
        if raster.names != own and set(own) <= set(raster.names):
            (raster,) = RasterSource([raster], name).select(own).rasters
        rasters.append(raster)
    tell_of(rasters)
    return RasterSource(rasters, name, np.array([one.id for one in catalog.pictures], np.int64))


def bytes_of(picture: Pictured, bands: int) -> int:
    """Bytes of one picture's values."""
    return math.prod((picture.height, picture.width, bands)) * np.dtype(picture.dtype).itemsize
