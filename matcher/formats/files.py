"""Files read by offset and written whole: the only places that touch the disk.

Reading is by plain positioned reads, never by memory maps: mapped pages count as memory of the process.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from typing import IO, Any

from matcher import checks
from matcher.errors import FormatError, MatcherError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CHUNK = 4 << 20
"""Bytes read at once where a file is read through: bounded, whatever a length field says."""

_LOOKED_AT = (5, 32)  # Windows: access is denied, the file is used by another process
_OPEN = re.compile(r"/proc/[^/]+/fd/[0-9]+|/dev/fd/[0-9]+")  # what a process holds open, by its number
_TEMPORARY = re.compile(r"\.matcher-[0-9a-f]{8}\.tmp")

# What the first bytes of a file give away, longest first.
_MAGICS = (
    (b"SQLite format 3\x00", "an SQLite database (GeoPackage?)"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x93NUMPY", "a NumPy .npy file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"PK\x03\x04", "a zip archive (.npz?)"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"II+\x00", "a TIFF picture"),
    (b"MM\x00+", "a TIFF picture"),
    (b"PAR1", "a Parquet table"),
    (b"RIFF", "a WebP picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "compressed with gzip (unpack it first)"),
    *((bytes([0x78, level]), "compressed with zlib (unpack it first)") for level in (0x01, 0x5E, 0x9C, 0xDA)),
)


def describe_magic(head: bytes) -> str | None:
    """What a file that starts with `head` is, in words, where its first bytes say so; otherwise None."""
    return next((what for magic, what in _MAGICS if head.startswith(magic)), None)


def key_of(content: dict[str, Any]) -> str:
    """A name for what JSON holds, by which it is known again: the SHA-256 of it, in whatever order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def problem(error: OSError) -> str:
    """The cause of a failed file operation in the system's words, without its number."""
    return error.strerror or str(error)


class FileBytes:
    """One file, read by offset from any thread; it may be pickled, and is opened again on the other side.

    Parameters
    ----------
    path : path
        A regular file.
    fleeting : bool
        Whether to remove it: at once where the system lets open files be removed, otherwise when it is closed.

    Raises
    ------
    FormatError
        If it is missing, a folder, unreadable, or not the file that was pickled.
    """

    def __init__(self, path: str | os.PathLike[str], *, fleeting: bool = False) -> None:
        self.path = checks.path("path", path)
        try:
            self._fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise FormatError(f"{self.path}: there is no such file") from None
        except (OSError, ValueError) as error:
            if os.path.isdir(self.path):  # which Windows does not open at all
                raise FormatError(f"{self.path}: is a folder, not a file") from None
            what = problem(error) if isinstance(error, OSError) else str(error)
            raise FormatError(f"{self.path}: cannot be opened: {what}") from None
        left = self.path if fleeting and not _removed(self.path) else None
        self._close = weakref.finalize(self, _close, self._fd, left)
        status = os.fstat(self._fd)
        if stat.S_ISDIR(status.st_mode):
            raise FormatError(f"{self.path}: is a folder, not a file")
        self._lock = threading.Lock()
        self.size = status.st_size
        self.stamp = (status.st_size, status.st_mtime_ns)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (os.path.abspath(self.path), self.stamp)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`, or a FormatError where the file ends before or cannot be read."""
        parts = []
        while size > 0:
            try:
                part = self._read_some(offset, min(size, CHUNK))
            except OSError as error:
                raise FormatError(f"{self.path}: cannot be read at byte {offset}: {problem(error)}") from None
            if not part:
                raise FormatError(f"{self.path}: ends at byte {offset}, {size} bytes too early")
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def changed(self) -> bool:
        """Whether it was written to since it was opened, by its size and time."""
        status = os.fstat(self._fd)
        return (status.st_size, status.st_mtime_ns) != self.stamp

    def chunks(self, offset: int, size: int) -> Iterator[bytes]:
        """The same bytes in pieces of at most `CHUNK`."""
        for start in range(offset, offset + size, CHUNK):
            yield self.read(start, min(CHUNK, offset + size - start))

    def _read_some(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, size, offset)
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, size)


def _removed(path: str) -> bool:
    try:
        os.unlink(path)
    except PermissionError:  # Windows, while it is open
        return False
    return True


def _close(descriptor: int, left: str | None) -> None:
    """Close a file, and remove it where a path is left."""
    os.close(descriptor)
    if left is not None:
        with contextlib.suppress(OSError):
            os.unlink(left)


def _reopen(path: str, stamp: tuple[int, int]) -> FileBytes:
    file = FileBytes(path)
    if file.stamp != stamp:
        raise FormatError(f"{path}: has changed since it was first opened; run again")
    return file


class Layer:
    """What writing does to the disk, one method an operation: `layer` can be put out by one that fails."""

    def raw(self, descriptor: int) -> io.RawIOBase:
        """An unbuffered file over an open descriptor; its `write` is what reaches the system."""
        return io.FileIO(descriptor, "wb")

    def sync(self, descriptor: int) -> None:
        """Bring a file's content to the disk, on macOS past the cache of the disk itself."""
        if hasattr(fcntl, "F_FULLFSYNC"):
            with contextlib.suppress(OSError):  # not every file system has it
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
        os.fsync(descriptor)

    def replace(self, old: str, new: str) -> None:
        """Rename a file in place of what is there.

        On Windows a file cannot be replaced while another program, often a virus scanner, looks at it: a little later
        it can.
        """
        for wait in (0.1, 0.4, 1.0):
            try:
                os.replace(old, new)
            except PermissionError as error:
                if getattr(error, "winerror", None) not in _LOOKED_AT:
                    raise
                time.sleep(wait)
            else:
                return
        os.replace(old, new)

    def sync_folder(self, folder: str) -> None:
        """Bring a folder's names to the disk, where the system can."""
        if not hasattr(os, "O_DIRECTORY"):
            return
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP):
                raise

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)


layer = Layer()


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is there to be written to as it is: a terminal, a pipe, or a file that is open (/dev/stdout)."""
    name = os.path.abspath(path)
    if os.path.islink(name):
        name = os.path.join(os.path.dirname(name), os.readlink(name))
    name = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))
    kept = os.path.isfile(path) and _OPEN.fullmatch(name) is None
    return os.path.exists(path) and not kept and not os.path.isdir(path)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears under its name only when it is whole.

    It is written under a temporary name in the same folder, brought to the disk, then renamed, and the folder
    brought to the disk; where the body raises, nothing is left and what was there before stays. A stream
    (`is_stream`) is written to directly.

    Parameters
    ----------
    path : path
    mode : {"wb", "w"}
        Text is UTF-8 with its line ends as written.

    Raises
    ------
    MatcherError
        If the folder is missing or the file cannot be written.
    """
    path = checks.path("path", path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    with _write_errors(path):
        if is_stream(path):
            with open(path, mode.replace("w", "a"), **text) as file:  # a log that it is joined to is kept
                yield file
            return
        with _replacing(path) as (descriptor, _):
            buffered: Any = io.BufferedWriter(layer.raw(descriptor))
            with io.TextIOWrapper(buffered, **text) if text else buffered as file:
                yield file
                file.flush()
                layer.sync(file.fileno())


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """The same for libraries that write a file by its name: the name of an empty file, which takes the path's place.

    Raises
    ------
    MatcherError
        As `atomic_write`.
    """
    with _write_errors(path), _replacing(path) as (descriptor, temporary):
        os.close(descriptor)
        yield temporary
        with open(temporary, "rb") as file:
            layer.sync(file.fileno())


@contextlib.contextmanager
def _write_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MatcherError(
            f"{os.fspath(path)}: cannot be written: its folder does not exist; make it first"
        ) from None
    except OSError as error:
        raise MatcherError(f"{os.fspath(path)}: cannot be written: {problem(error)}") from None


@contextlib.contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """A new file, open to be written, and its name, beside the one that it takes the place of when the body is done."""
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise MatcherError(f"{os.fspath(path)}: is a folder; name a file to write")
    descriptor, temporary = _create(os.path.dirname(target))
    try:
        yield descriptor, temporary
        with contextlib.suppress(FileNotFoundError):  # a new file has the rights that the umask leaves it
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        layer.replace(temporary, target)
        layer.sync_folder(os.path.dirname(target))
    except BaseException:
        with contextlib.suppress(OSError):
            layer.remove(temporary)
        raise


def _create(folder: str) -> tuple[int, str]:
    """A new file of a name that nothing else has: its descriptor and path."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(folder, f".matcher-{secrets.token_hex(4)}.tmp")
        with contextlib.suppress(FileExistsError):
            return os.open(path, flags, 0o666), path


def is_temporary(name: str) -> bool:
    """Whether a file's name is one that `atomic_write` gives to what is not whole yet."""
    return _TEMPORARY.fullmatch(name) is not None
