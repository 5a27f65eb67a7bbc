"""The challenge's TFRecords: test images, test patches and training series, read lazily and written.

Every record is an Example with one feature of little-endian float16 pixels in C order and, but for the
series, one int64 id. The records carry no shape: it follows from the byte count (square, so many bands), or
is given.
"""

import math
import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.base import BadRecord, OnBad
from matcher.formats.example import Feature, encode_example, find_int64, parse_example
from matcher.formats.files import FileBytes
from matcher.formats.tfrecord import Record, read_record, scan, write_records

Path = str | os.PathLike[str]
DATES = 12
BANDS = 4
SALVAGE = 64 << 20
"""Bytes of a damaged record that are searched for its id, at most."""


@dataclass(frozen=True)
class Kind:
    """What the records of a kind of file hold: the features' names, and in words what one is."""

    noun: str
    pixels: str
    id: str | None


IMAGES = Kind("image", "image_raw", "image_id")
PATCHES = Kind("patch", "patch_raw", "patch_id")
SERIES = Kind("series", "time_series_raw", None)


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
        self._index = _Index(self._file, kind, _Shapes(shape, bands))
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
        return self._index.pixels(index).reshape(self.shape(index))


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
        self._parts: list[_Index] = []
        for path in paths:
            self._parts.append(_Index(FileBytes(path), SERIES, _Shapes(shape, dates * bands)))
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
        return np.ascontiguousarray(channels.transpose(2, 0, 1, 3))

    def _find(self, index: int) -> "tuple[_Index, int]":
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
    channels = (np.moveaxis(s, 0, 2).reshape(*s.shape[1:3], -1) for s in map(np.asarray, series))
    return write_records(path, (encode_example({SERIES.pixels: _to_bytes(c)}) for c in channels))


@dataclass(frozen=True)
class _Shapes:
    """Byte counts to shapes."""

    given: tuple[int, int, int] | None
    bands: int

    def of(self, size: int) -> tuple[int, int, int]:
        """(height, width, bands) of `size` bytes of float16, or a FormatError without the place."""
        if self.given is not None:
            height, width, bands = self.given
            if height * width * bands * 2 != size:
                raise FormatError(
                    f"holds {size} bytes of pixels; {height} x {width} x {bands} of float16 are "
                    f"{height * width * bands * 2}"
                )
            return self.given
        side = math.isqrt(size // (2 * self.bands))
        if side == 0 or side * side * self.bands * 2 != size:
            raise FormatError(
                f"holds {size} bytes of pixels, which is no square of {self.bands} bands of float16; give "
                "its shape or the number of bands"
            )
        return side, side, self.bands


class _Index:
    """Where the usable records of one file are, with their ids and byte counts."""

    def __init__(self, file: FileBytes, kind: Kind, shapes: _Shapes) -> None:
        self.file, self.kind, self.shapes = file, kind, shapes
        self.numbers, self.offsets, self.lengths = array("q"), array("q"), array("q")
        self.ids, self.sizes = array("q"), array("q")

    def fill(self, on_bad: OnBad | None) -> None:
        """Read the file through; bad records go to `on_bad` once all is read, or the first one raises."""
        taken: dict[int, int] = {}
        bad: list[BadRecord] = []
        for record in scan(self.file):
            reason = record.damage
            if reason is None:
                try:
                    self._add(record, taken)
                    continue
                except FormatError as error:
                    reason = str(error)
            bad.append(
                BadRecord(self.file.path, record.number, record.offset, self._salvage_id(record), reason)
            )
            if on_bad is None:
                raise FormatError(str(bad[0]))
        if not self.offsets:
            # Where everything is bad, the form is the likelier fault: say so once.
            raise FormatError(
                f"{self.file.path}: holds no usable {self.kind.noun}; the first fault: {bad[0]}"
            )
        for one in bad:
            if one.id in taken:
                one = replace(one, id=None)
            elif one.id is not None:
                taken[one.id] = one.record
            assert on_bad is not None
            on_bad(one)

    def where(self, index: int) -> str:
        return f"{self.file.path}, record {self.numbers[index]} at byte {self.offsets[index]}"

    def pixels(self, index: int) -> NDArray:
        """The float16 values of one record, flat."""
        try:
            data = read_record(self.file, self.offsets[index], self.lengths[index])
            content = self._pixels(parse_example(data))
        except FormatError as error:
            raise FormatError(f"{self.where(index)}: {error}") from None
        return np.frombuffer(content, "<f2").astype(np.float16)

    def _add(self, record: Record, taken: dict[int, int]) -> None:
        features = parse_example(record.data())
        size = len(self._pixels(features))
        self.shapes.of(size)
        if self.kind.id is not None:
            identifier = self._id(features, self.kind.id)
            if identifier in taken:
                raise FormatError(f"{self.kind.id} {identifier} is taken by record {taken[identifier]}")
            taken[identifier] = record.number
            self.ids.append(identifier)
        self.numbers.append(record.number)
        self.offsets.append(record.offset)
        self.lengths.append(record.length)
        self.sizes.append(size)

    def _pixels(self, features: dict[str, Feature]) -> memoryview:
        value = self._feature(features, self.kind.pixels)
        if not isinstance(value, list) or len(value) != 1:
            raise FormatError(f"its feature {self.kind.pixels!r} is not one string of bytes")
        return value[0]

    def _id(self, features: dict[str, Feature], name: str) -> int:
        value = self._feature(features, name)
        if isinstance(value, list) or value.dtype != np.int64 or len(value) != 1:
            raise FormatError(f"its feature {name!r} is not one whole number")
        if value[0] < 0:
            raise FormatError(f"its {name} is negative: {value[0]}")
        return int(value[0])

    def _feature(self, features: dict[str, Feature], name: str) -> Feature:
        if name not in features:
            has = ", ".join(repr(k)[:40] for k in sorted(features)[:5]) or "none"
            raise FormatError(f"lacks the feature {name!r} of a {self.kind.noun} (its features: {has})")
        return features[name]

    def _salvage_id(self, record: Record) -> int | None:
        if self.kind.id is None or record.length > SALVAGE:
            return None
        value = find_int64(record.data(), self.kind.id)
        return value if value is not None and value >= 0 else None


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


def _to_bytes(picture: NDArray) -> bytes:
    if picture.ndim != 3:
        raise MatcherError(f"a picture has (height, width, bands), not the shape {picture.shape}")
    return picture.astype("<f2").tobytes()
