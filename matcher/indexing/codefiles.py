"""The files that hold codes, of an index and of a run directory: two a patch size, raw numbers, never overwritten.

One picture follows another. A picture's codes are those of its pieces in order, of each the fine, the middle and the
coarse ones; its colour is in a file of its own. New pictures are written behind all that a file holds, so that a reader
of any earlier state is not disturbed; only files that no catalogue has published yet are written on where what is known
of them ends, over what a killed process left behind that.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.catalog import Kept, Row
from matcher.formats.files import FileBytes, problem
from matcher.imagery import Roles
from matcher.search.pyramid.codes import Codes, Plan
from matcher.search.pyramid.index import PARTS, coded

ENDINGS = (".codes", ".colour")
_WORD = 8  # bytes: where pictures begin


def paths_of(folder: Path, kept: Kept) -> tuple[Path, Path]:
    """The files of codes and of colour."""
    codes, colour = (folder / f"{kept.name}{ending}" for ending in ENDINGS)
    return codes, colour


class CodeWriter:
    """Appends pictures to the files of one patch size.

    Parameters
    ----------
    folder : Path
    kept : Kept
        Which size, and what must stay.
    also : iterable of Row
        Of further pictures that must stay.
    """

    def __init__(self, folder: Path, kept: Kept, also: Iterable[Row]) -> None:
        self._paths = paths_of(folder, kept)
        self._at = list(ends([*kept.rows(), *also]))
        if kept.codes:  # a reader may know of what this catalogue does not
            self._at = [max(at, _end(path)) for path, at in zip(self._paths, self._at, strict=True)]
        self._sums, self._begun = [0, 0], list(self._at)
        self._files: list[Any] = []

    def __enter__(self) -> "CodeWriter":
        for path, at in zip(self._paths, self._at, strict=True):
            with _errors(path):
                file = open(path, "r+b" if path.exists() else "w+b", buffering=1 << 20)
                self._files.append(file)
                file.seek(at)
        return self

    def __exit__(self, kind: type | None, *_error: object) -> None:
        faults = []
        for file, path in zip(self._files, self._paths, strict=False):
            try:
                file.close()  # which writes what is buffered
            except OSError as error:
                faults.append((path, error))
        if faults and kind is None:
            with _errors(faults[0][0]):
                raise faults[0][1]

    def write(self, codes: Codes, which: int, colour: NDArray[np.float32]) -> None:
        """Append one piece: its codes among those of a batch, and its colour."""
        self._write(0, [getattr(codes, part)[which] for part in PARTS])
        self._write(1, [colour])

    def end_picture(self) -> Row:
        """All pieces of a picture are written: what a catalogue tells of it."""
        sizes = [at - begun for at, begun in zip(self._at, self._begun, strict=True)]
        row = (*self._begun, *sizes, *self._sums)
        self._sums, self._begun = [0, 0], list(self._at)
        return row  # type: ignore[return-value]

    def flush(self) -> None:
        """Bring all to the disk, before a catalogue says that it is there."""
        for file, path in zip(self._files, self._paths, strict=True):
            with _errors(path):
                file.flush()
                os.fsync(file.fileno())

    def copy(self, folder: Path, kept: Kept) -> Iterator[Row]:
        """Append all pictures of other files of the size."""
        files = [FileBytes(path) for path in paths_of(folder, kept)]
        for row in kept.rows():
            for which, file in enumerate(files):
                for piece in file.chunks(row[which], row[which + 2]):
                    self._write(which, [np.frombuffer(piece, np.uint8)])
            yield self.end_picture()

    def _write(self, which: int, parts: Sequence[NDArray]) -> None:
        with _errors(self._paths[which]):
            for part in parts:
                data = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
                self._files[which].write(data)
                self._sums[which] = google_crc32c.extend(self._sums[which], bytes(data))
                self._at[which] += len(data)


def _end(path: Path) -> int:
    """Where a file ends, at a whole number of words; 0 where there is none."""
    with _errors(path):
        return -(-path.stat().st_size // _WORD) * _WORD if path.exists() else 0


class _errors:
    """Errors of the disk as those of a user."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, OSError):
            raise MatcherError(f"{self._path}: cannot be written: {problem(error)}") from None


def ends(rows: Iterable[Row]) -> tuple[int, int]:
    """Where some pictures end in both files."""
    codes = colour = 0
    for row in rows:
        codes, colour = max(codes, row[0] + row[2]), max(colour, row[1] + row[3])
    return codes, colour


def write_codes(
    folder: Path, side: tuple[int, int], pictures: Iterable[NDArray[np.float32]], roles: Roles
) -> Kept:
    """Write the codes of pictures (DN, height x width x bands), each whole, for patches of one size into a folder.

    What a file of them held before is written over.

    Raises
    ------
    MatcherError
        If a file cannot be written, or a picture cannot be read.
    """
    kept, rows = Kept(side), []
    with CodeWriter(folder, kept, ()) as writer:
        for _, codes, colour in coded(pictures, roles, Plan.of(*side)):
            for n, seen in enumerate(colour):
                writer.write(codes, n, seen)
                rows.append(writer.end_picture())
        writer.flush()
    return kept.with_rows(rows, {})


def damaged(folder: Path, kept: Kept) -> Iterator[int]:
    """The pictures whose codes or colour are not what was written."""
    files = [FileBytes(path) for path in paths_of(folder, kept)]
    for k, row in enumerate(kept.rows()):
        if any(_sum(file, row[n], row[n + 2]) != row[n + 4] for n, file in enumerate(files)):
            yield k


def _sum(file: FileBytes, start: int, size: int) -> int:
    crc = 0
    try:
        for piece in file.chunks(start, size):
            crc = google_crc32c.extend(crc, piece)
    except FormatError:
        return -1
    return crc
