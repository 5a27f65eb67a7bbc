"""Which records of an official file can be used, where they are, and what is wrong with the others."""

import math
from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.base import BadRecord, OnBad
from matcher.formats.example import Feature, find_int64, parse_example
from matcher.formats.files import FileBytes
from matcher.formats.tfrecord import Record, read_record, scan

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


@dataclass(frozen=True)
class Shapes:
    """Byte counts to shapes."""

    given: tuple[int, int, int] | None
    bands: int

    def __post_init__(self) -> None:
        if self.bands < 1 or (self.given is not None and (len(self.given) != 3 or min(self.given) < 1)):
            raise MatcherError(
                f"a shape is (height, width, bands), all above 0; got {self.given} and {self.bands} bands"
            )

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
                f"holds {size} bytes of pixels, which is no square of {self.bands} bands of float16"
                f"{_squares(size)}; name its bands (--bands), or open it with its shape (matcher.open_images "
                "or open_patches, shape=(height, width, bands))"
            )
        return side, side, self.bands


def _squares(size: int) -> str:
    """With how many bands `size` bytes of float16 are a square, in words; empty where with none."""
    fitting = [
        str(bands)
        for bands in range(1, 17)
        if size % (2 * bands) == 0 and 0 < math.isqrt(size // (2 * bands)) ** 2 == size // (2 * bands)
    ]
    return f", though it is one of {' or '.join(fitting)}" if fitting else ""


class RecordIndex:
    """Where the usable records of one file are, with their ids and byte counts."""

    def __init__(self, file: FileBytes, kind: Kind, shapes: Shapes) -> None:
        self.file, self.kind, self.shapes = file, kind, shapes
        self.numbers, self.offsets, self.lengths = array("q"), array("q"), array("q")
        self.ids, self.sizes = array("q"), array("q")

    def fill(self, on_bad: OnBad | None, taken: dict[int, str]) -> None:
        """Read the file through; bad records go to `on_bad` once all is read, or the first one raises.

        `taken` holds the ids of files read before, with their records; those of this one are added.
        """
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
            raise NoInputError(
                f"{self.file.path}: holds no usable {self.kind.noun}; the first fault: {bad[0]}"
            )
        for one in bad:
            if one.id in taken:
                one = replace(one, id=None)
            elif one.id is not None:
                taken[one.id] = f"record {one.record}"
            assert on_bad is not None
            on_bad(one)

    def where(self, index: int) -> str:
        return f"{self.file.path}, record {self.numbers[index]} at byte {self.offsets[index]}"

    def pixels(self, index: int) -> NDArray:
        """The float16 values of one record, flat, as they lie in the file: not to be written to."""
        try:
            data = read_record(self.file, self.offsets[index], self.lengths[index])
            content = self._pixels(parse_example(data))
        except FormatError as error:
            raise FormatError(f"{self.where(index)}: {error}") from None
        return np.frombuffer(content, "<f2")

    def _add(self, record: Record, taken: dict[int, str]) -> None:
        features = parse_example(record.data())
        size = len(self._pixels(features))
        self.shapes.of(size)
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
