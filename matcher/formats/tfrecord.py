"""TFRecord files: framing, checksums and offsets, without TensorFlow.

A record is eight bytes of length, the masked CRC-32C of these, the data, and the masked CRC-32C of the data,
all little-endian [1]_. A file has no header and no index, so it is read through once, both checksums of every
record checked, and the offsets kept; after that any record is read by its offset.

References
----------
.. [1] TensorFlow, "TFRecords format details", https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import google_crc32c
import numpy as np

from matcher.errors import FormatError, NoInputError
from matcher.formats.files import CHUNK, FileBytes, atomic_write, describe_magic

HEADER = 12
FOOTER = 4
MAX_RECORD = 1 << 30
"""The longest record read, in bytes; a length beyond it is damage (an official training series has 25 MB)."""


@dataclass(frozen=True)
class Record:
    """One record of a file as it was found.

    Attributes
    ----------
    file : FileBytes
    number : int
        From 0, in file order; a stretch of damage without a readable length counts as one.
    offset, length : int
        First byte of its header, and bytes of its data as far as the file has them.
    damage : str or None
        What is wrong with it, or None where both checksums hold.
    """

    file: FileBytes
    number: int
    offset: int
    length: int
    damage: str | None

    def data(self) -> bytes:
        """Its bytes, the checksum not looked at again."""
        return self.file.read(self.offset + HEADER, self.length)


def masked_crc(data: bytes) -> int:
    """CRC-32C of `data`, rotated and offset as TFRecord stores it."""
    return _mask(google_crc32c.value(data))


def frame(data: bytes) -> bytes:
    """`data` as one record: its length, the data, and both checksums."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _crc_bytes(length), data, _crc_bytes(data)))


def scan(file: FileBytes) -> Iterator[Record]:
    """All records of a file, read through once in pieces of bounded size, both checksums checked.

    After damage the scan goes on at the next place whose header and data both hold.

    Raises
    ------
    FormatError
        If the file is empty, compressed, or of another form that its first bytes name.
    """
    _refuse_other_forms(file)
    offset = number = 0
    while offset < file.size:
        record, end = _check(file, offset, number)
        yield record
        offset = end if end is not None else _next_sound(file, offset + 1)
        number += 1


def read_record(file: FileBytes, offset: int, length: int) -> bytes:
    """The data of one record that `scan` found sound, its checksum checked again.

    Raises
    ------
    FormatError
        If the file has changed since or can no longer be read; without the place, which the caller knows.
    """
    data = file.read(offset + HEADER, length)
    if _crc_bytes(data) != file.read(offset + HEADER + length, FOOTER):
        raise FormatError("has changed since the file was opened (the data checksum no longer holds)")
    return data


def write_records(path: str | os.PathLike[str], records: Iterable[bytes]) -> int:
    """Write records as a TFRecord file, which appears only when it is whole; returns how many.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    count = 0
    with atomic_write(path) as file:
        for data in records:
            file.write(frame(data))
            count += 1
    return count


def _mask(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_bytes(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc(data))


def _refuse_other_forms(file: FileBytes) -> None:
    if file.size == 0:
        raise NoInputError(f"{file.path}: is empty; a TFRecord file was expected")
    head = file.read(0, min(HEADER, file.size))
    what = describe_magic(head)
    if what is None or header_holds(head):
        return
    raise FormatError(f"{file.path}: is {what}; a TFRecord file was expected")


def header_holds(head: bytes) -> bool:
    """Whether these are the first twelve bytes of a record, by their checksum."""
    return len(head) == HEADER and _crc_bytes(head[:8]) == head[8:]


def _check(file: FileBytes, offset: int, number: int) -> tuple[Record, int | None]:
    """The record at `offset`, and where the next begins, or None where that must be searched for."""
    left = file.size - offset
    if left < HEADER:
        damage = f"the file ends in its header, {HEADER - left} bytes too early (truncated?)"
        return Record(file, number, offset, 0, damage), file.size
    head = file.read(offset, HEADER)
    if not header_holds(head):
        damage = "the checksum of its length does not hold (corrupt, or not a TFRecord file)"
        return Record(file, number, offset, 0, damage), None
    length = int.from_bytes(head[:8], "little")
    if length > MAX_RECORD:
        damage = f"its length, {length} bytes, is beyond any record ({MAX_RECORD} bytes at most)"
        return Record(file, number, offset, 0, damage), None
    missing = length + HEADER + FOOTER - left
    if missing > 0:
        damage = f"the file ends {missing} bytes before the record does (truncated?)"
        return Record(file, number, offset, min(length, left - HEADER), damage), None
    end = offset + HEADER + length + FOOTER
    if _data_crc(file, offset + HEADER, length) == file.read(end - FOOTER, FOOTER):
        return Record(file, number, offset, length, None), end
    # Bytes that were changed leave the next header where it should be; bytes that are missing do not.
    intact = end == file.size or (end + HEADER <= file.size and header_holds(file.read(end, HEADER)))
    record = Record(file, number, offset, length, "the checksum of its data does not hold (corrupt)")
    return record, end if intact else None


def _data_crc(file: FileBytes, offset: int, length: int) -> bytes:
    crc = 0
    for piece in file.chunks(offset, length):
        crc = google_crc32c.extend(crc, piece)
    return struct.pack("<I", _mask(crc))


def _next_sound(file: FileBytes, start: int) -> int:
    """The first offset from `start` at which a whole record stands, or the end of the file."""
    while start + HEADER + FOOTER <= file.size:
        piece = file.read(start, min(CHUNK, file.size - start))
        for k in _plausible_headers(piece, file.size - start):
            if header_holds(piece[k : k + HEADER]) and _check(file, start + k, 0)[0].damage is None:
                return start + k
        start += len(piece) - HEADER + 1
    return file.size


def _plausible_headers(piece: bytes, left: int) -> Iterator[int]:
    """Places in `piece` whose eight bytes, read as a length, fit into the rest of the file."""
    count = len(piece) - HEADER + 1
    small = np.frombuffer(piece, np.uint8)
    high_bytes_zero = np.ones(count, bool)
    for k in range(4, 8):
        high_bytes_zero &= small[k : k + count] == 0
    for k in np.flatnonzero(high_bytes_zero).tolist():
        if int.from_bytes(piece[k : k + 8], "little") <= min(MAX_RECORD, left - k):
            yield k
