"""What every reader offers: images or patches by index, read when asked for."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]


@runtime_checkable
class Source(Protocol):
    """Images or patches, in file order, each read when it is asked for.

    Attributes
    ----------
    name : str
        Where they come from, for messages: a path, or ``"array"``.
    ids : ndarray of int64, shape (n,)
        The id of each; no two alike.
    """

    name: str
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        """How many there are."""

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one, in pixels, without reading its pixels."""

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands), with the values and dtype of the file.

        Raises
        ------
        FormatError
            If its bytes cannot be read.
        """

    def where(self, index: int) -> str:
        """File, record and its offset or key, for messages: ``"a.tfrecords, record 3 at byte 912"``."""


@runtime_checkable
class Windowed(Protocol):
    """A source whose windows can be read alone, such as `matcher.formats.geotiff.RasterSource`."""

    name: str
    ids: NDArray[np.int64]

    def __len__(self) -> int: ...

    def shape(self, index: int) -> tuple[int, int, int]: ...

    def where(self, index: int) -> str: ...

    def __getitem__(self, index: int) -> NDArray: ...

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one picture, (height, width, bands)."""


@dataclass(frozen=True)
class Extent:
    """Where a picture's values lie in a file, one after another in C order: its first byte and their type."""

    path: str
    offset: int
    dtype: np.dtype


@runtime_checkable
class Laid(Protocol):
    """A source that can say where its pictures' values lie."""

    def extent(self, index: int) -> Extent | None:
        """Where one lies, or None where its values are packed, strewn or held in memory."""


@runtime_checkable
class Typed(Protocol):
    """A source whose pictures may be of several types, each known without reading it."""

    def dtype(self, index: int) -> np.dtype:
        """Of the values of one."""


@runtime_checkable
class Joined(Protocol):
    """A source of the pictures of several sources."""

    def part(self, index: int) -> tuple["Source", int]:
        """The source that one is of, and its number there."""


@dataclass(frozen=True)
class BadRecord:
    """One record that cannot be used.

    Attributes
    ----------
    file : str
        The path of the file.
    record : int
        Its number in the file, from 0; -1 where records have names (`reason` then says which).
    offset : int
        Its first byte in the file; -1 where the whole file is meant.
    id : int or None
        Its id where one can be read and is nobody else's; of a record whose checksum fails it is read from
        the damaged bytes, and so is probable, not certain.
    reason : str
        What is wrong.
    """

    file: str
    record: int
    offset: int
    id: int | None
    reason: str

    def __str__(self) -> str:
        record = f", record {self.record}" if self.record >= 0 else ""
        offset = (
            "" if self.offset < 0 else f" at byte {self.offset}" if record else f", at byte {self.offset}"
        )
        return f"{self.file}{record}{offset}: {self.reason}"


OnBad = Callable[[BadRecord], None]
"""Called with each bad record, where the caller wants to go on without them."""


def is_paths(what: Any) -> bool:
    """Whether something is a sequence of paths."""
    return (
        isinstance(what, Sequence)
        and len(what) > 0
        and not isinstance(what, str)
        and all(isinstance(one, str | os.PathLike) for one in what)
    )
