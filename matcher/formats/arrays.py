"""Pictures in NumPy's own files and in memory: ``.npy`` stacks, ``.npz`` archives, arrays and lists.

A stack is (n, height, width, bands), or (n, height, width) for one band; a picture alone is (height, width,
bands) or (height, width). What has a checksum is read through once when it is opened; pixels are read when
asked for.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError, NoInputError
from matcher.formats.base import BadRecord, Extent, Laid, OnBad, Source
from matcher.formats.npz import Member, NpyHeader, open_archive, open_npy


class ArraySource:
    """Pictures in memory, a `matcher.formats.base.Source`.

    Parameters
    ----------
    arrays : ndarray, or sequence of ndarrays
        A stack, or one array a picture; sizes may differ in a sequence, numbers of bands may not.
    ids : array-like of int, optional
        Their ids; 0, 1, … by default.
    name : str
        Where they come from, for messages.

    Raises
    ------
    FormatError
        If there are none, one is empty, not of numbers or of a wrong number of axes, or ids are doubled,
        negative or too few.
    """

    def __init__(
        self, arrays: NDArray | Sequence[ArrayLike], ids: ArrayLike | None = None, *, name: str = "array"
    ) -> None:
        self.name = name
        self._arrays: Sequence[NDArray]
        if isinstance(arrays, np.ndarray):
            _check_pixels(name, arrays.dtype, arrays.shape, stack=True)
            self._arrays = list(arrays)
        else:
            try:
                self._arrays = [np.asarray(a) for a in arrays]
            except ValueError as error:
                raise FormatError(f"{name}: is not a list of arrays: {error}") from None
            for k, a in enumerate(self._arrays):
                _check_pixels(f"{name}, picture {k}", a.dtype, a.shape)
        self._arrays = [a[..., None] if a.ndim == 2 else a for a in self._arrays]
        self.ids = _check_ids(name, len(self._arrays), ids)
        _check_bands(self)

    def __len__(self) -> int:
        return len(self._arrays)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        height, width, bands = self._arrays[index].shape
        return height, width, bands

    def dtype(self, index: int) -> np.dtype:
        """Of the values of one."""
        return self._arrays[index].dtype

    def where(self, index: int) -> str:
        """Name and place of one, for messages."""
        return f"{self.name}, picture {range(len(self))[index]}"

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands): a view of what was given, not a copy."""
        return self._arrays[index]


class StackSource:
    """A stack in a ``.npy`` file or in a ``.npz``, a `matcher.formats.base.Source`.

    Parameters
    ----------
    path : path
    key : str, optional
        The array of the archive, which may have another called ``ids``; without it the file is a ``.npy``.

    Raises
    ------
    FormatError
        If the file is missing, damaged, or holds no stack of numbers, or its ids do not fit.
    """

    def __init__(self, path: AnyPath, key: str | None = None) -> None:
        self._recipe = (os.path.abspath(path), key)
        self.name = self._path = os.fspath(path)
        ids = member = None
        self._start = 0
        if key is None:
            self._file, self._header = open_npy(path)
        else:
            members = open_archive(path)
            member = members[key]
            self.name = member.name
            self._header = member.check()
            if "ids" in members:
                ids = members["ids"].load(members["ids"].check())
        header = self._header
        _check_pixels(self.name, header.dtype, header.shape, stack=True)
        height, width, *bands = header.shape[1:]
        self._shape = (height, width, *bands) if bands else (height, width, 1)
        self.ids = _check_ids(self.name, header.shape[0], ids)
        if member is not None:
            self._file, self._start = member.seekable()
        self._start += header.start
        self._size = header.nbytes // len(self.ids)
        # In Fortran order a picture's values are strewn over the whole file: such a stack is held in memory.
        self._whole = self._read(0, header.nbytes, header.shape, "F") if header.fortran else None

    def __reduce__(self) -> tuple[Any, ...]:
        return StackSource, self._recipe

    def __len__(self) -> int:
        return len(self.ids)

    def shape(self, index: int) -> tuple[int, int, int]:  # noqa: ARG002 (all are alike)
        """(height, width, bands) of one."""
        height, width, bands = self._shape
        return height, width, bands

    def where(self, index: int) -> str:
        """File and record, and its offset in the array's file, for messages."""
        index = range(len(self))[index]
        return f"{self.name}, record {index} at byte {self._header.start + index * self._size}"

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands), with the values of the file; the caller's own copy."""
        index = range(len(self))[index]
        if self._whole is not None:
            return np.array(self._whole[index], order="C").reshape(self._shape)
        return self._read(index * self._size, self._size, self._shape, "C")

    def extent(self, index: int) -> Extent | None:
        """Where one lies in the file; None where it was unpacked, or is strewn over it."""
        if self._whole is not None or self._file.path != self._path:
            return None
        return Extent(self._path, self._start + index * self._size, self._header.dtype)

    def _read(self, offset: int, size: int, shape: tuple[int, ...], order: Any) -> NDArray:
        flat = np.frombuffer(self._file.read(self._start + offset, size), self._header.dtype)
        return flat.astype(self._header.dtype.newbyteorder("=")).reshape(shape, order=order)


class ArchiveSource:
    """A ``.npz`` of one array a picture, a `matcher.formats.base.Source`.

    Where all names are whole numbers they are the ids; where none is, ids are 0, 1, … in the order of the
    file. Sizes and dtypes may differ, numbers of bands may not.

    Parameters
    ----------
    path : path
    on_bad : callable, optional
        Called with a `BadRecord` for each array that is corrupt or no picture, which is then left out.

    Raises
    ------
    FormatError
        If the file is missing or damaged, names mix numbers and words, or (without `on_bad`) an array is
        corrupt or no picture.
    """

    def __init__(self, path: AnyPath, on_bad: OnBad | None = None) -> None:
        self.name = os.fspath(path)
        self._members: list[Member] = []
        self._headers: list[NpyHeader] = []
        members = open_archive(path)
        found = []
        for identifier, member in zip(_ids_of_keys(self.name, list(members)), members.values(), strict=True):
            try:
                header = member.check()
                _check_pixels(member.name, header.dtype, header.shape)
            except FormatError as error:
                if on_bad is None:
                    raise
                reason = str(error).removeprefix(f"{self.name}, ")
                on_bad(BadRecord(self.name, -1, member.start, identifier, reason))
                continue
            self._members.append(member)
            self._headers.append(header)
            found.append(identifier)
        self.ids = _check_ids(self.name, len(found), found)
        _check_bands(self)

    def __len__(self) -> int:
        return len(self.ids)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        height, width, *bands = self._headers[index].shape
        return height, width, bands[0] if bands else 1

    def dtype(self, index: int) -> np.dtype:
        """Of the values of one."""
        return self._headers[index].dtype

    def where(self, index: int) -> str:
        """File, key and offset of one, for messages."""
        return f"{self._members[index].name} at byte {self._members[index].start}"

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands), with the values of the file; the caller's own copy."""
        picture = self._members[index].load(self._headers[index])
        return np.ascontiguousarray(picture).reshape(self.shape(index))

    def extent(self, index: int) -> Extent | None:
        """Where one lies in the file; None where it is packed, or in Fortran order."""
        member, header = self._members[index], self._headers[index]
        if member.packed or header.fortran:
            return None
        file, start = member.seekable()
        return Extent(file.path, start + header.start, header.dtype)


class JoinedSource:
    """The pictures of several sources as one, a `matcher.formats.base.Source`.

    Where each numbers its own from 0 they are numbered on; otherwise all keep their ids.

    Parameters
    ----------
    parts : sequence of Source
    name : str
        Where they come from, for messages.

    Raises
    ------
    FormatError
        If two pictures have one id, or numbers of bands differ.
    """

    def __init__(self, parts: Sequence[Source], name: str) -> None:
        self.name = name
        self._parts = tuple(parts)
        self._at = [(part, k) for part in parts for k in range(len(part))]
        in_order = all((part.ids == np.arange(len(part))).all() for part in parts)
        ids = np.arange(len(self._at)) if in_order else np.concatenate([part.ids for part in parts])
        taken: dict[int, int] = {}
        for k, identifier in enumerate(ids.tolist()):
            if identifier in taken:
                raise FormatError(
                    f"{self.where(k)}: has the id {identifier}, as {self.where(taken[identifier])} has"
                )
            taken[identifier] = k
        self.ids = ids.astype(np.int64)
        _check_bands(self)

    def __len__(self) -> int:
        return len(self._at)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        part, k = self._at[index]
        return part.shape(k)

    def where(self, index: int) -> str:
        """File and record of one, for messages."""
        part, k = self._at[index]
        return part.where(k)

    def part(self, index: int) -> tuple[Source, int]:
        """The source that one is of, and its number there."""
        return self._at[index]

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands)."""
        part, k = self._at[index]
        return part[k]

    def extent(self, index: int) -> Extent | None:
        """Where one lies, if its own source says so."""
        part, k = self._at[index]
        return part.extent(k) if isinstance(part, Laid) else None


def open_npz(path: AnyPath, name: str, on_bad: OnBad | None = None) -> StackSource | ArchiveSource:
    """A ``.npz`` of either form: a stack called `name` (``images``, ``patches``), or one array a picture.

    A file whose one array, beside ``ids``, has four axes is a stack whatever its name.

    Raises
    ------
    FormatError
        As `StackSource` and `ArchiveSource`.
    """
    members = open_archive(path)
    if not members:
        raise FormatError(f"{os.fspath(path)}: holds no array")
    for key in (name, "images", "patches"):
        if key in members:
            return StackSource(path, key)
    others = [key for key in members if key != "ids"]
    if len(others) == 1 and len(members[others[0]].check().shape) == 4:
        return StackSource(path, others[0])
    return ArchiveSource(path, on_bad)


def _ids_of_keys(name: str, keys: list[str]) -> list[int]:
    numeric = [
        key for key in keys if key.isascii() and key.isdigit() and len(key) < 20 and int(key) < 1 << 63
    ]
    if not numeric:
        return list(range(len(keys)))
    if len(numeric) != len(keys):
        other = next(key for key in keys if key not in numeric)
        raise FormatError(
            f"{name}: its arrays are called by ids ({numeric[0]}) and by other names ({other!r}); "
            "call all by their ids, or put them into one array called 'images' or 'patches'"
        )
    return [int(key) for key in keys]


def _check_pixels(name: str, dtype: np.dtype, shape: tuple[int, ...], stack: bool = False) -> None:
    axes = (
        "(n, height, width, bands) or (n, height, width)"
        if stack
        else "(height, width, bands) or (height, width)"
    )
    if dtype.kind not in "uif":
        raise FormatError(f"{name}: holds values of dtype {dtype}; whole or floating numbers were expected")
    if len(shape) - stack not in (2, 3):
        raise FormatError(f"{name}: has the shape {shape}; {axes} was expected")
    if 0 in shape[stack:]:
        raise FormatError(f"{name}: has the shape {shape}, which holds no pixel")
    if stack and len(shape) == 3 and shape[2] <= 4 < min(shape[:2]):
        raise FormatError(
            f"{name}: has the shape {shape}, which looks like one picture and not like a stack of pictures "
            f"{shape[2]} px wide; give it a first axis (array[None])"
        )


def _check_ids(name: str, count: int, ids: ArrayLike | None) -> NDArray[np.int64]:
    if count == 0:
        raise NoInputError(f"{name}: holds no picture")
    given = np.arange(count) if ids is None else np.asarray(ids)
    if given.dtype.kind not in "iu" or given.shape != (count,):
        raise FormatError(
            f"{name}: has {count} pictures, and ids of dtype {given.dtype} and shape {given.shape}; "
            "one whole number each was expected"
        )
    values, counts = np.unique(given, return_counts=True)
    if values[0] < 0 or int(values[-1]) > np.iinfo(np.int64).max:
        raise FormatError(f"{name}: the id {values[0] if values[0] < 0 else values[-1]} is out of range")
    if counts.max() > 1:
        raise FormatError(f"{name}: the id {values[counts.argmax()]} stands {counts.max()} times")
    return given.astype(np.int64)


def _check_bands(source: Source) -> None:
    first = source.shape(0)[2]
    for k in range(1, len(source)):
        if source.shape(k)[2] != first:
            raise FormatError(
                f"{source.where(k)}: has {source.shape(k)[2]} bands, the first picture has {first}; "
                "all must have the same"
            )
