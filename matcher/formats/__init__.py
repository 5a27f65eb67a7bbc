"""Files in and out: readers of images, patches and training series behind one protocol, and writers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.base import BadRecord, OnBad, Source

if TYPE_CHECKING:
    from matcher.formats.official import OfficialSeries

__all__ = ["BadRecord", "OnBad", "Source", "open_images", "open_patches", "open_series"]

Shape = tuple[int, int, int]
What = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | NDArray | Sequence[ArrayLike] | Source

READABLE = "a .tfrecords, .npy or .npz file, or rasters (GeoTIFF, JPEG2000, PNG, JPEG)"


def open_images(
    what: What,
    *,
    shape: Shape | None = None,
    bands: int | None = None,
    ids: ArrayLike | None = None,
    on_bad: OnBad | None = None,
) -> Source:
    """Open images of any height, width and dtype.

    Parameters
    ----------
    what : path, ndarray, sequence of ndarrays, or Source
        A file (``.tfrecords``, ``.npy``, ``.npz``); rasters as `matcher.formats.rasters.open_rasters` reads them
        (a GeoTIFF, JPEG2000, PNG or JPEG file, a folder, a glob, a text list, a ``.SAFE`` folder, several); a stack
        (n, height, width, bands) or (n, height, width); one array an image; or what was opened before, which is
        handed back.
    shape : (height, width, bands), optional
        Of every image. TFRecords do not say it: by default each is square.
    bands : int, optional
        How many bands every image has; by default what the file says, or 4 in TFRecords.
    ids : array-like of int, optional
        Ids of arrays in memory; 0, 1, … by default.
    on_bad : callable, optional
        Called with a `BadRecord` for each bad record, which is then left out; without it the first one
        raises.

    Returns
    -------
    Source
        The images, read when asked for.

    Raises
    ------
    FormatError
        If the file is missing, damaged, empty or of another form, or a record is bad; the message names file,
        record and offset.
    MatcherError
        If `what` is nothing that can be read, or an option does not fit it.
    """
    return _open(what, "images", shape, bands, ids, on_bad)


def open_patches(
    what: What,
    *,
    shape: Shape | None = None,
    bands: int | None = None,
    ids: ArrayLike | None = None,
    on_bad: OnBad | None = None,
) -> Source:
    """Open patches; everything as in `open_images`."""
    return _open(what, "patches", shape, bands, ids, on_bad)


def open_series(
    what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    shape: Shape | None = None,
    dates: int = 12,
    bands: int = 4,
    on_bad: OnBad | None = None,
) -> "OfficialSeries":
    """Open official training series.

    Parameters
    ----------
    what : path, or sequence of paths
        A TFRecord file, a folder of ``*.tfrecords`` (read in the order of their names), or several files.
    shape : (height, width, channels), optional
        Of every record, channels = dates x bands; by default each is square.
    dates, bands : int
        Dates of a series, and bands of a date.
    on_bad : callable, optional
        As in `open_images`.

    Returns
    -------
    OfficialSeries
        ``series[i]`` is (dates, height, width, bands), float16.

    Raises
    ------
    FormatError, MatcherError
        As `open_images`.
    """
    from matcher.formats.official import OfficialSeries

    if isinstance(what, str | os.PathLike):
        folder = Path(what)
        paths: list[Any] = sorted(folder.glob("*.tfrecord*")) if folder.is_dir() else [what]
        if not paths:
            raise FormatError(f"{folder}: has no file *.tfrecords in it")
    else:
        paths = list(what)
    return OfficialSeries(paths, shape=shape, dates=dates, bands=bands, on_bad=on_bad)


def _open(
    what: Any, noun: str, shape: Shape | None, bands: int | None, ids: ArrayLike | None, on_bad: OnBad | None
) -> Source:
    if shape is not None and (len(shape) != 3 or bands not in (None, shape[2])):
        wanted = "" if bands is None else f" of {bands} bands"
        raise MatcherError(f"the shape {tuple(shape)} is not (height, width, bands){wanted}")
    if isinstance(what, str | os.PathLike):
        if ids is not None:
            raise MatcherError(f"{os.fspath(what)}: ids can be given with arrays only; a file has its own")
        source = _open_path(os.fspath(what), noun, shape, bands, on_bad)
    elif isinstance(what, Source):
        source = what
    elif is_paths(what):
        from matcher.formats.rasters import open_rasters

        source = open_rasters(what, on_bad=on_bad)
    elif hasattr(what, "__array__") or isinstance(what, Sequence):
        from matcher.formats.arrays import ArraySource

        arrays = np.asarray(what) if hasattr(what, "__array__") else what
        source = ArraySource(arrays, ids, name=f"array of {noun}")
    else:
        raise MatcherError(f"{noun} are {READABLE}, an array or a list of arrays, not {type(what).__name__}")
    if not len(source):
        raise NoInputError(f"{source.name}: holds no picture")
    return _agreeing(source, shape, bands)


def is_paths(what: Any) -> bool:
    """Whether something is a sequence of paths."""
    return (
        isinstance(what, Sequence)
        and len(what) > 0
        and not isinstance(what, str)
        and all(isinstance(one, str | os.PathLike) for one in what)
    )


def _open_path(path: str, noun: str, shape: Shape | None, bands: int | None, on_bad: OnBad | None) -> Source:
    """The reader of a file or folder: each kind is one line here and one module beside."""
    from matcher.formats import arrays, official
    from matcher.formats.rasterfiles import is_raster

    if is_raster(path):
        from matcher.formats.rasters import open_rasters

        return open_rasters(path, on_bad=on_bad)
    if not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    form = _form(path)
    if form == ".tfrecords":
        kind = official.IMAGES if noun == "images" else official.PATCHES
        given = shape[2] if shape else official.BANDS if bands is None else bands
        return official.OfficialSource(path, kind, shape=shape, bands=given, on_bad=on_bad)
    if form == ".npy":
        return arrays.StackSource(path)
    if form == ".npz":
        return arrays.open_npz(path, noun, on_bad)
    raise FormatError(f"{path}: is {form}; {noun} are read from {READABLE}")


def _form(path: str) -> str:
    """A file's form by its name, or else by its first bytes: an extension, or words for what is not read."""
    suffix = Path(path).suffix.lower()
    if suffix in (".npy", ".npz", ".tfrecords"):
        return suffix
    if suffix == ".tfrecord":
        return ".tfrecords"
    from matcher.formats.files import FileBytes, describe_magic
    from matcher.formats.tfrecord import HEADER, header_holds

    file = FileBytes(path)
    head = file.read(0, min(HEADER, file.size))
    if header_holds(head):
        return ".tfrecords"
    if head.startswith(b"\x93NUMPY"):
        return ".npy"
    if head.startswith(b"PK\x03\x04"):
        return ".npz"
    return describe_magic(head) or "of no form that is known"


def _agreeing(source: Source, shape: Shape | None, bands: int | None) -> Source:
    """The source, or an error where a picture is not what the caller said."""
    for k in range(len(source)):
        has = source.shape(k)
        if (shape is not None and has != tuple(shape)) or (bands is not None and has[2] != bands):
            wanted = f"the shape {tuple(shape)}" if shape is not None else f"{bands} bands"
            raise FormatError(f"{source.where(k)}: has the shape {has}; {wanted} was asked for")
    return source
