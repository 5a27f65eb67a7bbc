"""The bytes of ``.npy`` files and of ``.npz`` members: read by offset, checked, and never unpickled."""

import io
import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.files import CHUNK, FileBytes, problem

_HEAD = 12_000
"""Bytes in which a header must end; NumPy itself refuses headers beyond 10,000."""
_DEFLATE_RATIO = 1032
"""The most that deflate can shrink anything: a member that claims more is damaged."""


@dataclass(frozen=True)
class NpyHeader:
    """Shape, dtype and memory order of a saved array, and the byte at which its values start."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int

    @property
    def nbytes(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def parse_npy_header(name: str, head: bytes, size: int) -> NpyHeader:
    """The header of an array of `size` bytes in all, from its first bytes.

    Raises
    ------
    FormatError
        If it is no array file, holds Python objects, or `size` is not what the header asks for.
    """
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = reader(stream)
    except Exception:  # numpy lets errors of its parser through, of many kinds
        raise FormatError(f"{name}: is not an array in NumPy's .npy form, or its header is damaged") from None
    if dtype.hasobject:
        raise FormatError(f"{name}: holds Python objects, which are not read; save arrays of numbers")
    header = NpyHeader(tuple(int(n) for n in shape), dtype, bool(fortran), stream.tell())
    if min(header.shape, default=0) < 0 or header.start + header.nbytes != size:
        raise FormatError(
            f"{name}: has {size - header.start} bytes of values; an array of shape {header.shape} "
            f"and dtype {dtype} has {header.nbytes} (truncated?)"
        )
    return header


def open_npy(path: str | os.PathLike[str]) -> tuple[FileBytes, NpyHeader]:
    """A ``.npy`` file and its header."""
    file = FileBytes(path)
    if file.size == 0:
        raise NoInputError(f"{file.path}: is empty; a .npy file was expected")
    return file, parse_npy_header(file.path, file.read(0, min(_HEAD, file.size)), file.size)


@dataclass(frozen=True)
class Member:
    """One array of an archive.

    Attributes
    ----------
    file : FileBytes
    key : str
        Its name, without ``.npy``.
    start, packed : int
        Where its bytes are in the file, as they are stored.
    size, crc : int
        Its bytes when unpacked, and their CRC-32.
    deflated : bool
    """

    file: FileBytes
    key: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool

    @property
    def name(self) -> str:
        """File and key, for messages."""
        return f"{self.file.path}, array {self.key!r}"

    def pieces(self) -> Iterator[bytes]:
        """Its content in pieces of bounded size; raises FormatError at the end where the checksum fails."""
        crc = total = 0
        for piece in self._inflate() if self.deflated else self.file.chunks(self.start, self.packed):
            crc = zlib.crc32(piece, crc)
            total += len(piece)
            if total > self.size:
                break
            yield piece
        if total != self.size or crc != self.crc:
            raise FormatError(f"{self.name}: is corrupt (its checksum does not hold)")

    def check(self) -> NpyHeader:
        """Read it through and return its header."""
        header = None
        for piece in self.pieces():
            header = header or parse_npy_header(self.name, piece[:_HEAD], self.size)
        if header is None:
            raise FormatError(f"{self.name}: is empty")
        return header

    def load(self, header: NpyHeader) -> NDArray:
        """The whole array, in the machine's byte order."""
        values = np.empty(header.nbytes, np.uint8)
        at = -header.start
        for piece in self.pieces():
            skip = min(max(-at, 0), len(piece))
            values[max(at, 0) : at + len(piece)] = np.frombuffer(piece, np.uint8)[skip:]
            at += len(piece)
        array = values.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
        return array.astype(header.dtype.newbyteorder("="), copy=False)

    def seekable(self) -> tuple[FileBytes, int]:
        """A file in which it lies unpacked, and the byte at which it begins there.

        A deflated member is unpacked into a temporary file, which has no name and goes with the process.
        """
        if not self.deflated:
            return self.file, self.start
        try:
            fd, path = tempfile.mkstemp(prefix="matcher-")
            try:
                with open(fd, "wb") as copy:
                    copy.writelines(self.pieces())
                return FileBytes(path), 0
            finally:
                os.unlink(path)
        except OSError as error:
            raise MatcherError(
                f"{self.name}: cannot be unpacked into {tempfile.gettempdir()}: {problem(error)}; "
                "make room there, set TMPDIR, or save it without compression"
            ) from None

    def _inflate(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self.file.chunks(self.start, self.packed):
                while packed:
                    if piece := inflater.decompress(packed, CHUNK):
                        yield piece
                    packed = inflater.unconsumed_tail
            while piece := inflater.decompress(inflater.unconsumed_tail, CHUNK):
                yield piece
        except zlib.error as error:
            raise FormatError(f"{self.name}: is corrupt ({error})") from None


def open_archive(path: str | os.PathLike[str]) -> dict[str, Member]:
    """The arrays of a ``.npz`` file by name, in the order of the file; nothing of them is read yet.

    Raises
    ------
    FormatError
        If the file is missing, empty or no archive, or is packed in a way that NumPy does not write.
    """
    file = FileBytes(path)
    if file.size == 0:
        raise NoInputError(f"{file.path}: is empty; a .npz file was expected")
    try:
        with zipfile.ZipFile(file.path) as archive:
            infos = archive.infolist()
        # zipfile takes a damaged directory for a shorter one; the count stands at the end of the file.
        end = file.read(file.size - 22, 22)
        if end[:4] != b"PK\x05\x06" or int.from_bytes(end[10:12], "little") != len(infos) & 0xFFFF:
            raise zipfile.BadZipFile
    except Exception:  # zipfile lets errors of many kinds through on damaged directories
        raise FormatError(f"{file.path}: is not a .npz archive, or is damaged (truncated?)") from None
    members: dict[str, Member] = {}
    for info in infos:
        member = _member(file, info)
        if member.key in members:
            raise FormatError(f"{member.name}: stands twice in the archive")
        members[member.key] = member
    return members


def _member(file: FileBytes, info: zipfile.ZipInfo) -> Member:
    name = f"{file.path}, array {info.filename!r}"
    if not info.filename.endswith(".npy"):
        raise FormatError(f"{name}: is not an array; an archive of numpy.savez was expected")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(f"{name}: is encrypted or packed in a way that numpy does not write")
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if not 0 <= info.header_offset <= file.size - 30:
        raise FormatError(f"{file.path}: its directory is damaged")
    local = file.read(info.header_offset, 30)
    named = int.from_bytes(local[26:28], "little")
    start = info.header_offset + 30 + named + int.from_bytes(local[28:30], "little")
    whole = local[:4] == b"PK\x03\x04" and start + info.compress_size <= file.size
    if deflated:
        whole = whole and info.file_size <= info.compress_size * _DEFLATE_RATIO + 64
    else:
        whole = whole and info.file_size == info.compress_size
    # The directory has no checksum; each name stands twice, so one that has changed shows.
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"
    if (
        not whole
        or file.read(info.header_offset + 30, named).decode(encoding, "replace") != info.orig_filename
    ):
        raise FormatError(f"{name}: is damaged, or its archive is truncated")
    key = info.filename[: -len(".npy")]
    return Member(file, key, start, info.compress_size, info.file_size, info.CRC, deflated)
