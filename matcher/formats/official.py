"""The challenge's TFRecords: test images, test patches and training series, read lazily and written.

Every record is an Example with one feature of little-endian float16 pixels in C order and, but for the
series, one int64 id. The records carry no shape: it follows from the byte count (square, so many bands), or
is given.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.base import OnBad
from matcher.formats.example import encode_example
from matcher.formats.files import FileBytes
from matcher.formats.records import IMAGES, PATCHES, SERIES, Kind, RecordIndex, Shapes
from matcher.formats.tfrecord import write_records

Path = str | os.PathLike[str]
DATES = 12
BANDS = 4


class OfficialSource:
    """Images or patches of one official TFRecord file, a `matcher.formats.base.Source`.

    Opening reads the file through once: checksums, ids and byte counts of all records are checked then, and
    pixels are read, and their checksum checked again, when asked for.

    Parameters
    ----------
    path : path
    kind : Kind
        `IMAGES` or `PATCHES`.
    shape : (height, width, bands), optional
        Of every record; without it each is square, of its own size, with `bands` bands.
    bands : int
        Bands of every record where `shape` is not given.
    on_bad : callable, optional
        Called with a `BadRecord` for each record that cannot be used, which is then left out; without it the
        first one raises.

    Raises
    ------
    FormatError
        If the file is missing, empty, compressed, of another form, holds no usable record, or (without
        `on_bad`) any record is corrupt, lacks a feature, has a byte count that fits no shape, or an id that
        is negative or taken.
    """

    def __init__(
        self,
        path: Path,
        kind: Kind,
        *,
        shape: tuple[int, int, int] | None = None,
        bands: int = BANDS,
        on_bad: OnBad | None = None,
    ) -> None:
        self.name = os.fspath(path)
        self._kind = kind
        self._file = FileBytes(path)
        self._index = RecordIndex(self._file, kind, Shapes(shape, bands))
        self._index.fill(on_bad)
        self.ids: NDArray[np.int64] = np.array(self._index.ids, np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        return self._index.shapes.of(self._index.sizes[index])

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        return self._index.where(index)

    def __getitem__(self, index: int) -> NDArray:
        """One picture, float16 (height, width, bands), the caller's own copy."""
        return self._index.pixels(index).reshape(self.shape(index)).astype(np.float16)

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one picture, float16 (height, width, bands), the caller's own copy."""
        picture = self._index.pixels(index).reshape(self.shape(index))
        return picture[row : row + height, col : col + width].astype(np.float16)


class OfficialSeries:
    """Training series of one or more official TFRecord files, in the order given.

    Parameters
    ----------
    paths : sequence of paths
    shape : (height, width, channels), optional
        Of every record, channels = dates x bands; without it each is square.
    dates, bands : int
        Dates of a series, and bands of a date; date i is channels i * bands to (i + 1) * bands.
    on_bad : callable, optional
        As for `OfficialSource`.

    Raises
    ------
    FormatError
        As for `OfficialSource`; or if `shape` does not agree with `dates` and `bands`.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        shape: tuple[int, int, int] | None = None,
        dates: int = DATES,
        bands: int = BANDS,
        on_bad: OnBad | None = None,
    ) -> None:
        if shape is not None and shape[2] != dates * bands:
            raise MatcherError(f"a shape of {shape[2]} channels does not hold {dates} dates of {bands} bands")
        self._dates, self._bands = dates, bands
        self._parts: list[RecordIndex] = []
        for path in paths:
            self._parts.append(RecordIndex(FileBytes(path), SERIES, Shapes(shape, dates * bands)))
            self._parts[-1].fill(on_bad)
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
        part, k = self._find(index)
        height, width, _ = part.shapes.of(part.sizes[k])
        return self._dates, height, width, self._bands

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        part, k = self._find(index)
        return part.where(k)

    def __getitem__(self, index: int) -> NDArray:
        """One series, float16 (dates, height, width, bands), the caller's own copy."""
        part, k = self._find(index)
        dates, height, width, bands = self.shape(index)
        channels = part.pixels(k).reshape(height, width, dates, bands)
        return np.array(channels.transpose(2, 0, 1, 3), np.float16, order="C")

    def _find(self, index: int) -> tuple[RecordIndex, int]:
        index = range(len(self))[index]
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self._parts[part], index - (int(self._ends[part - 1]) if part else 0)


def write_images(path: Path, images: Iterable[NDArray], ids: Iterable[int] | None = None) -> int:
    """Write images, each (height, width, bands), as an official file; returns how many.

    Values are written as they are, as float16 (the official ones lie in [-1, 1]); ids are 0, 1, … unless
    given.

    Raises
    ------
    MatcherError
        If there are fewer ids than images or the other way round, or the file cannot be written.
    """
    return write_records(path, _examples(images, ids, IMAGES))


def write_patches(path: Path, patches: Iterable[NDArray], ids: Iterable[int] | None = None) -> int:
    """Write patches, each (height, width, bands), as an official file; otherwise as `write_images`."""
    return write_records(path, _examples(patches, ids, PATCHES))


def write_series(path: Path, series: Iterable[NDArray]) -> int:
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
