"""Which records of an official file can be used, where they are, and what is wrong with the others."""

import logging
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.base import BadRecord, Extent, OnBad
from matcher.formats.example import Feature, find_int64, parse_example
from matcher.formats.files import FileBytes
from matcher.formats.recordtypes import OFFICIAL, TYPES, parse_type, spell_type, tell_type
from matcher.formats.tfrecord import HEADER, Record, read_record, scan

log = logging.getLogger("matcher")
SALVAGE = 64 << 20
"""Bytes of a damaged record that are searched for its id, at most."""
_SAMPLE = 6  # records of a file looked at to tell the type of their numbers


@dataclass(frozen=True)
class Kind:
    """What the records of a kind of file hold: the features' names, and in words what one is."""

    noun: str
    pixels: str
    id: str | None


IMAGES = Kind("image", "image_raw", "image_id")
PATCHES = Kind("patch", "patch_raw", "patch_id")
SERIES = Kind("series", "time_series_raw", None)


@dataclass(frozen=True)
class Shapes:
    """Byte counts to shapes: what was given, or a square of so many bands."""

    given: tuple[int, int, int] | None
    bands: int

    def __post_init__(self) -> None:
        if self.bands < 1 or (self.given is not None and (len(self.given) != 3 or min(self.given) < 1)):
            raise MatcherError(
                f"a shape is (height, width, bands), all above 0; got {self.given} and {self.bands} bands"
            )

    def of(self, size: int, itemsize: int) -> tuple[int, int, int] | None:
        """(height, width, bands) of `size` bytes, so many a value; None where they are none."""
        if self.given is not None:
            return self.given if math.prod(self.given) * itemsize == size else None
        side = math.isqrt(size // (itemsize * self.bands))
        return (side, side, self.bands) if 0 < side * side * self.bands * itemsize == size else None

    def refusal(self, size: int, dtype: np.dtype) -> str:
        """Why so many bytes are no picture of a type, and what to do."""
        name = spell_type(dtype)
        if self.given is not None:
            height, width, bands = self.given
            needed = math.prod(self.given) * dtype.itemsize
            return f"holds {size} bytes of pixels; {height} x {width} x {bands} of {name} are {needed}"
        return (
            f"holds {size} bytes of pixels, which is no square of {self.bands} bands of {name}"
            f"{_squares(size, dtype.itemsize)}; name its bands (--bands), its shape (--image-shape, --patch-shape; "
            "shape=(height, width, bands) in Python) or its type (--dtype)"
        )


def _squares(size: int, itemsize: int) -> str:
    """With how many bands `size` bytes are a square, in words; empty where with none."""
    fitting = [str(bands) for bands in range(1, 17) if Shapes(None, bands).of(size, itemsize)]
    return f", though it is one of {' or '.join(fitting)}" if fitting else ""


class RecordIndex:
    """Where the usable records of one file are, with their ids and byte counts.

    `fill` reads the file through; `settle` then says of which type its numbers are.
    """

    def __init__(self, file: FileBytes, kind: Kind, shapes: Shapes) -> None:
        self.file, self.kind, self.shapes = file, kind, shapes
        self.dtype = OFFICIAL
        self.numbers, self.offsets, self.lengths = array("q"), array("q"), array("q")
        self.ids, self.sizes = array("q"), array("q")
        self._firsts = array("q")  # first byte of the pixels, from the record's first
        self._bad: list[BadRecord] = []

    def fill(self, on_bad: OnBad | None, taken: dict[int, str]) -> None:
        """Read the file through; bad records are kept for `settle`, or without `on_bad` the first one raises.

        `taken` holds the ids of files read before, with their records; those of this one are added.
        """
        for record in scan(self.file):
            reason = record.damage
            if reason is None:
                try:
                    self._add(record, taken)
                    continue
                except FormatError as error:
                    reason = str(error)
            self._refuse(record.number, record.offset, self._salvage_id(record), reason, on_bad)
        if not self.offsets:
            self._raise_empty()

    def sample(self) -> list[memoryview]:
        """The pixels of a few records spread over the file."""
        last = len(self.offsets) - 1
        return [self._content(k) for k in sorted({round(j * last / (_SAMPLE - 1)) for j in range(_SAMPLE)})]

    def settle(self, dtype: np.dtype, on_bad: OnBad | None, taken: dict[int, str]) -> None:
        """Take the numbers to be of a type; records of other byte counts are bad. All bad ones go to `on_bad`."""
        self.dtype = dtype
        wrong = [k for k, size in enumerate(self.sizes) if self.shapes.of(size, dtype.itemsize) is None]
        for k in wrong:
            reason = self.shapes.refusal(self.sizes[k], dtype)
            identifier = self.ids[k] if self.kind.id is not None else None
            self._refuse(self.numbers[k], self.offsets[k], identifier, reason, on_bad)
        for column in (self.numbers, self.offsets, self.lengths, self.ids, self.sizes, self._firsts):
            for k in reversed(wrong if len(column) else []):
                del column[k]
        if not self.offsets:
            self._raise_empty()
        known = set(self.ids)
        for one in sorted(self._bad, key=lambda bad: bad.record):
            if one.id in known or taken.get(one.id if one.id is not None else -1, "") == "bad":
                one = replace(one, id=None)
            elif one.id is not None:
                taken[one.id] = "bad"
            assert on_bad is not None
            on_bad(one)

    def _refuse(
        self, number: int, offset: int, identifier: int | None, reason: str, on_bad: OnBad | None
    ) -> None:
        self._bad.append(BadRecord(self.file.path, number, offset, identifier, reason))
        if on_bad is None:
            raise FormatError(str(self._bad[0]))

    def _raise_empty(self) -> None:
        # Where everything is bad, the form is the likelier fault: say so once.
        raise NoInputError(
            f"{self.file.path}: holds no usable {self.kind.noun}; the first fault: {self._bad[0]}"
        )

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one record."""
        shape = self.shapes.of(self.sizes[index], self.dtype.itemsize)
        assert shape is not None
        return shape

    def where(self, index: int) -> str:
        return f"{self.file.path}, record {self.numbers[index]} at byte {self.offsets[index]}"

    def pixels(self, index: int) -> NDArray:
        """The values of one record, flat, as they lie in the file: not to be written to."""
        return np.frombuffer(self._content(index), self.dtype)

    def rows(self, index: int, first: int, last: int) -> NDArray:
        """Rows `first` to `last` - 1 of one record, (rows, width, bands): not to be written to.

        They alone are read: both checksums held when the file was opened, and hold as long as nobody wrote to it.
        """
        height, width, bands = self.shape(index)
        if self.file.changed():
            return self.pixels(index).reshape(height, width, bands)[first:last]
        each = width * bands * self.dtype.itemsize
        begin = self._start(index) + first * each
        try:
            data = self.file.read(begin, (last - first) * each)
        except FormatError as error:
            raise FormatError(f"{self.where(index)}: {error}") from None
        return np.frombuffer(data, self.dtype).reshape(last - first, width, bands)

    def extent(self, index: int) -> Extent:
        """Where the values of one record lie in the file."""
        return Extent(self.file.path, self._start(index), self.dtype)

    def _start(self, index: int) -> int:
        """The first byte in the file of the pixels of one record."""
        return self.offsets[index] + HEADER + self._firsts[index]

    def _content(self, index: int) -> memoryview:
        try:
            data = read_record(self.file, self.offsets[index], self.lengths[index])
            if self.file.changed():
                return self._pixels(parse_example(data))
        except FormatError as error:
            raise FormatError(f"{self.where(index)}: {error}") from None
        first = self._firsts[index]
        return memoryview(data)[first : first + self.sizes[index]]

    def _add(self, record: Record, taken: dict[int, str]) -> None:
        data = record.data()
        features = parse_example(data)
        pixels = self._pixels(features)
        size = len(pixels)
        if not any(self.shapes.of(size, dtype.itemsize) for dtype in (*TYPES, self.dtype)):
            raise FormatError(self.shapes.refusal(size, self.dtype))
        if self.kind.id is not None:
            identifier = self._id(features, self.kind.id)
            if identifier in taken:
                raise FormatError(f"{self.kind.id} {identifier} is taken by {taken[identifier]}")
            taken[identifier] = f"record {record.number}"
            self.ids.append(identifier)
        self.numbers.append(record.number)
        self.offsets.append(record.offset)
        self.lengths.append(record.length)
        self.sizes.append(size)
        self._firsts.append(_address(pixels) - _address(data))

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
            raise FormatError(f"lacks the feature {name!r} (its features: {has})")
        return features[name]

    def _salvage_id(self, record: Record) -> int | None:
        if self.kind.id is None or record.length > SALVAGE:
            return None
        value = find_int64(record.data(), self.kind.id)
        return value if value is not None and value >= 0 else None


def _address(data: bytes | memoryview) -> int:
    """Where bytes lie in memory."""
    address: int = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return address


def settle_all(parts: Sequence[RecordIndex], dtype: str | None, on_bad: OnBad | None) -> None:
    """Settle files that were filled: their numbers are of one type, the one that is named or can be told.

    Raises
    ------
    FormatError
        If it cannot be told; the message names the first file.
    """
    if dtype is None:
        contents = [content for part in parts for content in part.sample()]
        try:
            told = tell_type(contents, (size for part in parts for size in part.sizes), parts[0].shapes.of)
        except FormatError as error:
            raise FormatError(f"{parts[0].where(0)}: {error}") from None
        if told != OFFICIAL:
            log.info(
                "%s: its numbers are taken for %s; --dtype says otherwise",
                parts[0].file.path,
                spell_type(told),
            )
    else:
        told = parse_type(dtype)
    taken: dict[int, str] = {}
    for part in parts:
        part.settle(told, on_bad, taken)
