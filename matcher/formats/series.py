"""Co-registered time series of any form behind one small protocol: a date is read when it is asked for."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.reader import Asked, Series
from matcher.formats.registry import series_in
from matcher.settings import SeriesOptions

__all__ = ["Places", "Series", "SeriesInput", "distinct_series", "iterate_series", "paths_of"]


SeriesInput = AnyPath | NDArray | Series | Sequence[AnyPath | NDArray | Series]
_ONE = (str, os.PathLike, np.ndarray, Series)


def iterate_series(what: SeriesInput, options: SeriesOptions | None = None) -> Iterator[Series]:
    """Series of some files or folders in order, one open at a time.

    Parameters
    ----------
    what : path, ndarray or Series, or a sequence of these
        Official training TFRecords (a file, or a folder of them); ``.npy`` (dates, height, width, bands), or with
        the places as a first axis; ``.npz`` with such an array called ``images`` and, if it likes, ``dates`` and
        ``group``; a folder, glob or list with a raster a date, in the order of their names; a Zarr store; an array
        (dates, height, width, bands), whose place is called by its number in the sequence.
    options : SeriesOptions, optional
        Say how many dates and bands TFRecords have.

    Raises
    ------
    FormatError
        If one is missing, damaged, or none of these.
    """
    options = options or SeriesOptions()
    for k, given in enumerate(_each(what)):
        if isinstance(given, Series):
            yield given
            continue
        if hasattr(given, "__array__"):
            yield _array(np.asarray(given), k)
            continue
        if not isinstance(given, str | os.PathLike):
            raise FormatError(
                f"series {k}: is a {type(given).__name__}; give a path, an array of (dates, height, width, bands) or a "
                "Series"
            )
        path = checks.path("series", given)
        if not os.path.exists(path) and not any(c in path for c in "*?["):
            raise FormatError(f"{path}: there is no such file")
        asked = Asked(path, noun="dates", count=options.series_bands)
        for one in series_in(path, asked, options.series_dates):
            # On Linux a name need not be text; a place's goes into tables and draws its windows.
            yield replace(one, place=one.place.encode("utf-8", "backslashreplace").decode())


def distinct_series(what: SeriesInput, options: SeriesOptions | None = None) -> Iterator[Series]:
    """The same, each place once.

    Raises
    ------
    FormatError
        As `iterate_series`, or if two places have one name, by which answers and tables would mistake them, or the same
        pixels.
    """
    names: set[str] = set()
    seen = Places()
    for one in iterate_series(what, options):
        if one.place in names:
            raise FormatError(f"{one.file}: a place called {one.place} was read before; names must differ")
        names.add(one.place)
        seen.add(one)
        yield one


class Places:
    """The series that were read, of which no two may be of one place: what is fitted or cut takes them for different.

    A series is known again by the pixels of its first date that is not constant, whatever its file is called.
    """

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}  # names by digests

    def add(self, series: Series) -> None:
        """Take note of one more; a FormatError where its pixels are those of an earlier one."""
        for date in range(series.shape[0]):
            pixels = np.ascontiguousarray(series.read(date))
            if (pixels != pixels[:1, :1]).any():
                digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape}".encode())
                digest.update(pixels.reshape(-1).view(np.uint8).data)
                break
        else:
            return
        key = digest.hexdigest()
        if key in self._seen:
            raise FormatError(
                f"{series.file}: is given twice: {series.place} has the pixels of {self._seen[key]}; give each series "
                "once"
            )
        self._seen[key] = f"{series.place}, {series.file}"


def paths_of(what: SeriesInput) -> list[AnyPath]:
    """The paths among what `iterate_series` takes."""
    return [given for given in _each(what) if isinstance(given, str | os.PathLike)]


def _each(what: SeriesInput) -> Sequence[AnyPath | NDArray | Series]:
    if isinstance(what, _ONE):
        return [what]
    if not isinstance(what, Iterable) or not (several := list(what)):
        raise FormatError(
            f"series {checks.shown(what)}: give a path, an array of (dates, height, width, bands), a Series, or one or "
            "more of these"
        )
    return several


def _array(stack: NDArray, number: int) -> Series:
    if stack.dtype.kind not in "uif" or stack.ndim != 4 or not stack.size:
        raise FormatError(
            f"series {number}: is an array of the shape {stack.shape} of {stack.dtype}; numbers of (dates, height, "
            "width, bands) were expected"
        )
    dates = tuple(map(str, range(len(stack))))
    return Series(str(number), f"series {number}", "", stack.shape, dates, lambda date: stack[date])
