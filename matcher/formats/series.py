"""Co-registered time series of any form behind one small protocol: a date is read when it is asked for."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats import open_series
from matcher.formats.npz import open_archive, open_npy
from matcher.formats.rasterfiles import is_raster
from matcher.formats.rasters import open_rasters

Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Series:
    """One place on several dates, all on one grid.

    Attributes
    ----------
    place : str
        A name of its own: the file's, and the record's where the file holds several.
    file : str
    group : str
        What kind of place it is; blank where the file does not say.
    shape : (int, int, int, int)
        (dates, height, width, bands).
    dates : tuple of str
        What the file says of each date, or else its number.
    read : callable
        The values of one date, (height, width, bands), by its number.
    """

    place: str
    file: str
    group: str
    shape: tuple[int, int, int, int]
    dates: tuple[str, ...]
    read: Callable[[int], NDArray]


def iterate_series(paths: Sequence[Path_], *, dates: int = 12, bands: int = 4) -> Iterator[Series]:
    """Series of some files or folders in order, one open at a time.

    Parameters
    ----------
    paths : sequence of paths
        Official training TFRecords (a file, or a folder of them); ``.npy`` (dates, height, width, bands), or with
        the places as a first axis; ``.npz`` with such an array called ``images`` and, if it likes, ``dates`` and
        ``group``; a folder with a raster a date, in the order of their names.
    dates, bands : int
        Of TFRecords, which do not say it.

    Raises
    ------
    FormatError
        If one is missing, damaged, or none of these.
    """
    for given in paths:
        path = os.fspath(given)
        if not os.path.exists(path):
            raise FormatError(f"{path}: there is no such file")
        low = path.lower()
        if os.path.isdir(path):
            inside = sorted(Path(path).glob("*.tfrecord*"))
            if not inside:
                yield _rasters(path)
            for file in inside:
                yield from _records(os.fspath(file), dates, bands)
        elif low.endswith(".npy"):
            yield from _npy(path)
        elif low.endswith(".npz"):
            yield _npz(path)
        elif is_raster(path):
            raise FormatError(f"{path}: is one raster; a series is a folder with a raster a date")
        else:
            yield from _records(path, dates, bands)


def _records(path: str, dates: int, bands: int) -> Iterator[Series]:
    source = open_series(path, dates=dates, bands=bands)
    for k in range(len(source)):
        held: list[NDArray] = []

        def read(date: int, k: int = k, held: list[NDArray] = held) -> NDArray:
            if not held:
                held.append(source[k])
            picture: NDArray = held[0][date]
            return picture

        yield Series(f"{Path(path).stem}-{k}", path, "", source.shape(k), _numbers(dates), read)


def _npy(path: str) -> Iterator[Series]:
    _, header = open_npy(path)
    if header.dtype.kind not in "uif" or len(header.shape) not in (4, 5) or 0 in header.shape:
        raise FormatError(
            f"{path}: has the shape {header.shape} of {header.dtype}; (dates, height, width, bands), or places before "
            "it, was expected"
        )
    stack = np.load(path, mmap_mode="r")
    for k, one in enumerate(stack if stack.ndim == 5 else stack[np.newaxis]):
        name = Path(path).stem if stack.ndim == 4 else f"{Path(path).stem}-{k}"
        yield Series(name, path, "", one.shape, _numbers(len(one)), lambda date, one=one: np.array(one[date]))  # type: ignore[misc]


def _npz(path: str) -> Series:
    members = open_archive(path)
    if "images" not in members:
        raise FormatError(f"{path}: has no array 'images' of (dates, height, width, bands)")
    arrays = {
        key: members[key].load(members[key].check()) for key in ("images", "dates", "group") if key in members
    }
    stack = arrays["images"]
    if stack.ndim != 4 or stack.dtype.kind not in "uif" or not stack.size:
        raise FormatError(
            f"{path}, array 'images': has the shape {stack.shape} of {stack.dtype}; (dates, height, width, bands) was "
            "expected"
        )
    dates = (
        tuple(str(d) for d in np.atleast_1d(arrays["dates"])) if "dates" in arrays else _numbers(len(stack))
    )
    if len(dates) != len(stack):
        raise FormatError(f"{path}: names {len(dates)} dates of {len(stack)}")
    group = str(arrays["group"]) if "group" in arrays else ""
    return Series(Path(path).stem, path, group, stack.shape, dates, lambda date: stack[date])


def _rasters(path: str) -> Series:
    source = open_rasters(path)
    shape = source.shape(0)
    for k in range(len(source)):
        if source.shape(k) != shape:
            raise FormatError(
                f"{source.where(k)}: is of {source.shape(k)}; {shape} was expected, as the first date is"
            )
    dates = tuple(Path(raster.name).stem for raster in source.rasters)
    return Series(Path(path).name, path, "", (len(source), *shape), dates, lambda date: source[date])


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))
