"""The challenge's TFRecords: test images, test patches and training series, read lazily and written.

Every record is an Example with one feature of pixels in C order and, but for the series, one int64 id. The
records carry no shape: it follows from the byte count (square, so many bands), or is given. The challenge's pixels are
little-endian float16; other types are told from bytes and values, or given.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path as Folder

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError, MatcherError
from matcher.formats.bandnames import parse_bands
from matcher.formats.base import Extent, OnBad, Source
from matcher.formats.example import encode_example
from matcher.formats.files import FileBytes
from matcher.formats.reader import Asked, Reader, Series
from matcher.formats.records import IMAGES, PATCHES, SERIES, Kind, RecordIndex, Shapes, settle_all
from matcher.formats.tfrecord import header_holds, write_records

DATES = 12
BANDS = 4


class TFRecordReader(Reader):
    """The challenge's TFRecords; several files (shards) are read as one where their ids allow it."""

    name = "TFRecords of the challenge (.tfrecords)"

    def claims(self, path: str) -> bool:
        """Whether a path has one of the suffixes."""
        return path.lower().endswith((".tfrecords", ".tfrecord"))

    def recognises(self, head: bytes) -> bool:
        """By the checksum of the first record's length."""
        return header_holds(head)

    def open(self, paths: Sequence[str], asked: Asked) -> Source:
        """Images or patches of one file or of several."""
        kind = PATCHES if asked.noun == "patches" else IMAGES
        count = asked.shape[2] if asked.shape else asked.count or _named(asked.bands) or BANDS
        return OfficialSource(
            paths,
            kind,
            name=asked.name,
            shape=asked.shape,
            bands=count,
            dtype=asked.dtype,
            on_bad=asked.on_bad,
        )

    def series(self, name: str, paths: Sequence[str], asked: Asked, dates: int) -> Iterator[Series]:  # noqa: ARG002
        """A series a record."""
        for path in paths:
            source = OfficialSeries([path], dates=dates, bands=asked.count or BANDS, dtype=asked.dtype)
            for k in range(len(source)):
                yield Series(
                    f"{Folder(path).stem}-{k}", path, "", source.shape(k), tuple(map(str, range(dates))),
                    _held(source, k),
                )  # fmt: skip


def _named(bands: Sequence[str] | None) -> int | None:
    """How many bands records have, where all of them are named in order."""
    return None if bands is None or parse_bands(bands)[1] else len(bands)


def _held(source: "OfficialSeries", k: int) -> Callable[[int], NDArray]:
    """What reads a date of one record, which is read once."""
    held: list[NDArray] = []

    def read(date: int) -> NDArray:
        if not held:
            held.append(source[k])
        picture: NDArray = held[0][date]
        return picture

    return read


class OfficialSource:
    """Images or patches of official TFRecord files, a `matcher.formats.base.Source`.

    Opening reads the files through once: checksums, ids and byte counts of all records are checked then. Pixels are
    read when asked for: of a whole picture the checksum is checked again, of a window where the file was written to.

    Parameters
    ----------
    paths : sequence of paths
        In whose order the records stand.
    kind : Kind
        `IMAGES` or `PATCHES`.
    name : str, optional
        Where they come from, for messages; by default the first file.
    shape : (height, width, bands), optional
        Of every record; without it each is square, of its own size, with `bands` bands.
    bands : int
        Bands of every record where `shape` is not given.
    dtype : str, optional
        Of the values; by default told from byte counts and values (`matcher.formats.recordtypes`).
    on_bad : callable, optional
        Called with a `BadRecord` for each record that cannot be used, which is then left out; without it the
        first one raises.

    Raises
    ------
    FormatError
        If a file is missing, empty, compressed, of another form, holds no usable record, or (without
        `on_bad`) any record is corrupt, lacks a feature, has a byte count that fits no shape, or an id that
        is negative or taken.
    """

    def __init__(
        self,
        paths: Sequence[AnyPath],
        kind: Kind,
        *,
        name: str | None = None,
        shape: tuple[int, int, int] | None = None,
        bands: int = BANDS,
        dtype: str | None = None,
        on_bad: OnBad | None = None,
    ) -> None:
        self.name = os.fspath(paths[0]) if name is None else name
        self._parts = [RecordIndex(FileBytes(path), kind, Shapes(shape, bands)) for path in paths]
        taken: dict[int, str] = {}
        for part in self._parts:
            part.fill(on_bad, taken)
            if len(self._parts) > 1:
                taken |= {k: f"{part.file.path}, {taken[k]}" for k in part.ids}
        settle_all(self._parts, dtype, on_bad)
        self.ids: NDArray[np.int64] = np.concatenate([np.array(part.ids, np.int64) for part in self._parts])
        self._ends = np.cumsum([len(part.ids) for part in self._parts])

    def __len__(self) -> int:
        return len(self.ids)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        part, k = _find(self._parts, self._ends, index)
        return part.shape(k)

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        part, k = _find(self._parts, self._ends, index)
        return part.where(k)

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands) in the file's type, the caller's own copy."""
        part, k = _find(self._parts, self._ends, index)
        return part.pixels(k).reshape(self.shape(index)).astype(part.dtype.newbyteorder("="))

    def extent(self, index: int) -> Extent:
        """Where one lies in its file."""
        part, k = _find(self._parts, self._ends, index)
        return part.extent(k)

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one picture, (height, width, bands) in the file's type, the caller's own copy."""
        part, k = _find(self._parts, self._ends, index)
        rows = part.rows(k, row, row + height)
        return rows[:, col : col + width].astype(part.dtype.newbyteorder("="))


def _find(parts: Sequence[RecordIndex], ends: NDArray[np.int64], index: int) -> tuple[RecordIndex, int]:
    """The file of a record of several files, and the record's place among the usable ones there."""
    index = range(int(ends[-1]))[index]
    part = int(np.searchsorted(ends, index, side="right"))
    return parts[part], index - (int(ends[part - 1]) if part else 0)


class OfficialSeries:
    """Training series of one or more official TFRecord files, in the order given.

    Parameters
    ----------
    paths : sequence of paths
    shape : (height, width, channels), optional
        Of every record, channels = dates x bands; without it each is square.
    dates, bands : int
        Dates of a series, and bands of a date; date i is channels i * bands to (i + 1) * bands.
    dtype : str, optional
        As for `OfficialSource`.
    on_bad : callable, optional
        As for `OfficialSource`.

    Raises
    ------
    FormatError
        As for `OfficialSource`; or if `shape` does not agree with `dates` and `bands`.
    """

    def __init__(
        self,
        paths: Iterable[AnyPath],
        *,
        shape: tuple[int, int, int] | None = None,
        dates: int = DATES,
        bands: int = BANDS,
        dtype: str | None = None,
        on_bad: OnBad | None = None,
    ) -> None:
        if shape is not None and shape[2] != dates * bands:
            raise MatcherError(f"a shape of {shape[2]} channels does not hold {dates} dates of {bands} bands")
        self._dates, self._bands = dates, bands
        self._parts: list[RecordIndex] = []
        for path in paths:
            self._parts.append(RecordIndex(FileBytes(path), SERIES, Shapes(shape, dates * bands)))
            self._parts[-1].fill(on_bad, {})
            settle_all(self._parts[-1:], dtype, on_bad)
        if not self._parts:
            raise FormatError("no file of training series was given")
        self.name = ", ".join(part.file.path for part in self._parts[:2]) + (
            ", …" if len(self._parts) > 2 else ""
        )
        self._ends = np.cumsum([len(part.offsets) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def shape(self, index: int) -> tuple[int, int, int, int]:
        """(dates, height, width, bands) of one."""
        part, k = _find(self._parts, self._ends, index)
        height, width, _ = part.shape(k)
        return self._dates, height, width, self._bands

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        part, k = _find(self._parts, self._ends, index)
        return part.where(k)

    def __getitem__(self, index: int) -> NDArray:
        """One series, (dates, height, width, bands) in the file's type, the caller's own copy."""
        part, k = _find(self._parts, self._ends, index)
        dates, height, width, bands = self.shape(index)
        channels = part.pixels(k).reshape(height, width, dates, bands)
        return np.array(channels.transpose(2, 0, 1, 3), part.dtype.newbyteorder("="), order="C")


def write_images(path: AnyPath, images: Iterable[NDArray], ids: Iterable[int] | None = None) -> int:
    """Write images, each (height, width, bands), as an official file; returns how many.

    Values are written as they are, as float16 (the official ones lie in [-1, 1]); ids are 0, 1, … unless
    given.

    Raises
    ------
    MatcherError
        If there are fewer ids than images or the other way round, or the file cannot be written.
    """
    return write_records(path, _examples(images, ids, IMAGES))


def write_patches(path: AnyPath, patches: Iterable[NDArray], ids: Iterable[int] | None = None) -> int:
    """Write patches, each (height, width, bands), as an official file; otherwise as `write_images`."""
    return write_records(path, _examples(patches, ids, PATCHES))


def write_series(path: AnyPath, series: Iterable[NDArray]) -> int:
    """Write training series, each (dates, height, width, bands), as an official file; returns how many."""
    channels = map(_to_channels, map(np.asarray, series))
    return write_records(path, (encode_example({SERIES.pixels: _to_bytes(c)}) for c in channels))


def _examples(pictures: Iterable[NDArray], ids: Iterable[int] | None, kind: Kind) -> Iterator[bytes]:
    assert kind.id is not None
    numbered = zip(count(), pictures) if ids is None else zip(ids, pictures, strict=True)
    seen: set[int] = set()
    try:
        for identifier, picture in numbered:
            if identifier < 0 or identifier in seen:
                raise MatcherError(f"{kind.id} {identifier} is negative or given twice")
            seen.add(int(identifier))
            yield encode_example({kind.pixels: _to_bytes(np.asarray(picture)), kind.id: int(identifier)})
    except ValueError as error:
        raise MatcherError(f"cannot write {kind.noun} {len(seen)}: {error}") from None


def _to_channels(series: NDArray) -> NDArray:
    if series.ndim != 4:
        raise MatcherError(f"a series has (dates, height, width, bands), not the shape {series.shape}")
    return np.moveaxis(series, 0, 2).reshape(*series.shape[1:3], -1)


def _to_bytes(picture: NDArray) -> bytes:
    if picture.ndim != 3:
        raise MatcherError(f"a picture has (height, width, bands), not the shape {picture.shape}")
    return picture.astype("<f2").tobytes()
