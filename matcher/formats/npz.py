"""The bytes of ``.npy`` files and of ``.npz`` members: read by offset, checked, and never unpickled."""

import io
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.files import CHUNK, FileBytes, problem

_HEAD = 12_000
"""Bytes in which a header must end; NumPy itself refuses headers beyond 10,000."""
_DEFLATE_RATIO = 1032
"""The most that deflate can shrink anything: a member that claims more is damaged."""
_MANY = 0xFFFF
"""The count of an archive with so many members or more."""


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


class Archive:
    """An open ``.npz`` file; it may be pickled, and is opened again on the other side.

    Raises
    ------
    BadZipFile, or other errors of `zipfile`
        If the directory is damaged.
    """

    def __init__(self, file: FileBytes) -> None:
        self.file = file
        self.zip = zipfile.ZipFile(_Stream(file))
        # zipfile takes a damaged directory for a shorter one; the count stands at the end of the file, where it fits.
        end = file.read(file.size - 22 - len(self.zip.comment), 22)
        count = int.from_bytes(end[10:12], "little")
        if count not in (len(self.zip.infolist()), _MANY) or len(self.zip.infolist()) < count:
            raise zipfile.BadZipFile

    def __reduce__(self) -> tuple[Any, ...]:
        return Archive, (self.file,)


class _Stream(io.RawIOBase):
    """A `FileBytes` as a file object."""

    def __init__(self, file: FileBytes) -> None:
        self._file, self._at = file, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        if self._at < 0:
            raise OSError("before the file")
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(self._file.size - self._at, 0)
        data = self._file.read(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data


@dataclass(frozen=True)
class Member:
    """One array of an archive.

    Attributes
    ----------
    archive : Archive
    info : ZipInfo
        Where it is, its sizes and its checksum.
    """

    archive: Archive
    info: zipfile.ZipInfo

    @property
    def key(self) -> str:
        """Its name, without ``.npy``."""
        return self.info.filename[: -len(".npy")]

    @property
    def name(self) -> str:
        """File and key, for messages."""
        return f"{self.archive.file.path}, array {self.key!r}"

    @property
    def packed(self) -> bool:
        """Whether it is deflated."""
        return self.info.compress_type != zipfile.ZIP_STORED

    @property
    def start(self) -> int:
        """Its first byte in the archive."""
        return self.info.header_offset

    def pieces(self) -> Iterator[bytes]:
        """Its content in pieces of bounded size; raises FormatError at the end where the checksum fails."""
        total = 0
        try:
            with self.archive.zip.open(self.info) as stream:
                while piece := stream.read(CHUNK):
                    total += len(piece)
                    yield piece
        except FormatError:
            raise
        except Exception:  # zipfile lets errors of many kinds through on damaged members
            raise FormatError(f"{self.name}: is corrupt (its checksum does not hold)") from None
        if total != self.info.file_size:
            raise FormatError(f"{self.name}: is corrupt (its checksum does not hold)")

    def check(self) -> NpyHeader:
        """Read it through and return its header."""
        header = None
        for piece in self.pieces():
            header = header or parse_npy_header(self.name, piece[:_HEAD], self.info.file_size)
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

        A deflated member is unpacked into a temporary file, which goes when it is closed.
        """
        if not self.packed:
            # The length of the name and of what follows it stand at bytes 26 and 28 of the 30 before them.
            lengths = self.archive.file.read(self.start + 26, 4)
            named, more = (int.from_bytes(part, "little") for part in (lengths[:2], lengths[2:]))
            return self.archive.file, self.start + 30 + named + more
        try:
            fd, path = tempfile.mkstemp(prefix="matcher-")
            try:
                with open(fd, "wb") as copy:
                    copy.writelines(self.pieces())
            except BaseException:
                os.unlink(path)
                raise
            return FileBytes(path, fleeting=True), 0
        except OSError as error:
            raise MatcherError(
                f"{self.name}: cannot be unpacked into {tempfile.gettempdir()}: {problem(error)}; "
                "make room there, set TMPDIR, or save it without compression"
            ) from None


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
        archive = Archive(file)
    except Exception:  # zipfile lets errors of many kinds through on damaged directories
        raise FormatError(f"{file.path}: is not a .npz archive, or is damaged (truncated?)") from None
    members: dict[str, Member] = {}
    for info in archive.zip.infolist():
        _check(file, info)
        member = Member(archive, info)
        if member.key in members:
            raise FormatError(f"{member.name}: stands twice in the archive")
        members[member.key] = member
    return members


def _check(file: FileBytes, info: zipfile.ZipInfo) -> None:
    """Refuse what is no array, packed in another way than NumPy's, or said to be larger than it can be."""
    name = f"{file.path}, array {info.filename!r}"
    if not info.filename.endswith(".npy"):
        raise FormatError(f"{name}: is not an array; an archive of numpy.savez was expected")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(f"{name}: is encrypted or packed in a way that numpy does not write")
    stored = info.compress_type == zipfile.ZIP_STORED
    most = info.compress_size if stored else info.compress_size * _DEFLATE_RATIO + 64
    if info.file_size > most or info.header_offset + info.compress_size > file.size:
        raise FormatError(f"{name}: is damaged, or its archive is truncated")
