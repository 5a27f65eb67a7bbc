"""Co-registered time series of any form behind one small protocol: a date is read when it is asked for."""

import os
from collections.abc import Iterator, Sequence

from matcher.errors import FormatError
from matcher.formats.base import Path
from matcher.formats.reader import Asked, Series
from matcher.formats.registry import series_in

__all__ = ["Series", "iterate_series"]


def iterate_series(paths: Sequence[Path], *, dates: int = 12, bands: int = 4) -> Iterator[Series]:
    """Series of some files or folders in order, one open at a time.

    Parameters
    ----------
    paths : sequence of paths
        Official training TFRecords (a file, or a folder of them); ``.npy`` (dates, height, width, bands), or with
        the places as a first axis; ``.npz`` with such an array called ``images`` and, if it likes, ``dates`` and
        ``group``; a folder, glob or list with a raster a date, in the order of their names; a Zarr store.
    dates, bands : int
        Of TFRecords, which do not say it.

    Raises
    ------
    FormatError
        If one is missing, damaged, or none of these.
    """
    for given in paths:
        path = os.fspath(given)
        if not os.path.exists(path) and not any(c in path for c in "*?["):
            raise FormatError(f"{path}: there is no such file")
        yield from series_in(path, Asked(path, noun="dates", count=bands), dates)
