"""Images, patches and training series of any form that a reader opens: the doors for every command."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path as Folder
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher import checks
from matcher.aliases import AnyPath
from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.arrays import ArraySource
from matcher.formats.bandnames import parse_bands
from matcher.formats.base import OnBad, Shape, Source, is_paths
from matcher.formats.catalog import is_index
from matcher.formats.catalogued import open_catalogued
from matcher.formats.gather import common_bands
from matcher.formats.official import OfficialSeries
from matcher.formats.pixel_sizes import check_pixel_sizes
from matcher.formats.plain import as_rasters, names_of, with_bands, with_offset
from matcher.formats.raster import RasterSource
from matcher.formats.reader import Asked
from matcher.formats.registry import open_paths, readable
from matcher.formats.xarrays import is_xarray, open_xarrays
from matcher.settings import Settings, with_options

log = logging.getLogger("matcher")
_SHAPE = "three whole numbers above 0: height, width and bands"
What = AnyPath | Sequence[AnyPath] | NDArray | Sequence[ArrayLike] | Source


def open_images(
    what: What,
    *,
    shape: Shape | None = None,
    bands: int | Sequence[str] | None = None,
    ids: ArrayLike | None = None,
    dtype: str | None = None,
    on_bad: OnBad | None = None,
) -> Source:
    """Open images of any height, width and dtype.

    Parameters
    ----------
    what : path, sequence of paths, ndarray, sequence of ndarrays, or Source
        What a reader opens (`matcher.formats.registry`): files of the challenge (``.tfrecords``), ``.npy``, ``.npz``,
        rasters (GeoTIFF, JPEG2000, PNG, JPEG, a ``.SAFE`` folder, what GDAL reads as ``/vsicurl/…``), Zarr stores, STAC
        items and collections, a folder of them, a glob, a text list; DataArrays or Datasets of xarray;
        a stack (n, height, width, bands) or (n, height, width); one array an image; or what was opened before, which
        is handed back.
    shape : (height, width, bands), optional
        Of every image. TFRecords do not say it: by default each is square.
    bands : int or sequence of str, optional
        How many bands every image has, by default what the file says, or 4 in TFRecords; or which bands to take, by
        their names: see `matcher.formats.bandnames.choose`.
    ids : array-like of int, optional
        Ids of arrays in memory; 0, 1, … by default.
    dtype : str, optional
        Of the values of TFRecords, such as ``float32`` or ``>u2``; told from bytes and values by default.
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
    return _open(what, "images", shape, bands, ids, dtype, on_bad)


def open_patches(
    what: What,
    *,
    shape: Shape | None = None,
    bands: int | Sequence[str] | None = None,
    ids: ArrayLike | None = None,
    dtype: str | None = None,
    on_bad: OnBad | None = None,
) -> Source:
    """Open patches; everything as in `open_images`."""
    return _open(what, "patches", shape, bands, ids, dtype, on_bad)


def open_rasters(
    what: What,
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    on_bad: OnBad | None = None,
    *,
    noun: str = "images",
    mixed: bool = False,
    shape: Shape | None = None,
    dtype: str | None = None,
) -> RasterSource:
    """Open pictures as rasters, which say their bands and place; pictures that do not become rasters without a place.

    Parameters
    ----------
    what : path, sequence of paths, array or Source
        As for `open_images`.
    bands : sequence of str, optional
        Which bands, in order; see `matcher.formats.bandnames.choose`.
    offset : float, optional
        Added to every valid value, of arrays and records too; by default what the product's metadata say, otherwise 0.
    on_bad : callable, optional
        Called with a `BadRecord` for each raster that cannot be used, which is then left out; each is read through to
        find out. The others keep their numbers.
    noun : str
        What is sought where a file holds both: ``images`` or ``patches``.
    mixed : bool
        Whether rasters may have different bands; else those that all have are read.
    shape, dtype : optional
        As for `open_images`.

    Raises
    ------
    FormatError
        If there is none, or one cannot be used; the message names the file.
    """
    names = None if bands is None else tuple(bands)
    asked = Asked(_name(what, noun), noun, names, shape, None, dtype, offset, on_bad, mixed)
    # Readers of rasters have added it; what was no raster before, or was opened before, has not.
    return with_offset(as_rasters(_sources(what, asked, None), names), offset)


def open_files(
    paths: Sequence[AnyPath], settings: Settings, offset: float | None = None, on_bad: OnBad | None = None
) -> Source:
    """Images of files, as `open_pair` and `open_rasters` open them; raises as `open_images` does."""
    asked = Asked(
        _name(paths, "images"),
        "images",
        settings.bands,
        settings.image_shape,
        None,
        settings.dtype,
        offset,
        on_bad,
    )
    return _agreeing(_sources(paths, asked, None), settings.image_shape, None)


def open_pair(
    images: What,
    patches: What,
    settings: Settings,
    *,
    nouns: tuple[str, str] = ("images", "patches"),
    on_bad_image: OnBad | None = None,
    on_bad_patch: OnBad | None = None,
) -> tuple[Source, Source, Settings]:
    """Images and patches with the bands that both have, and the settings with these bands' names where they are known.

    Parameters
    ----------
    images, patches : as for `open_images`
    settings : Settings
        Bands of both sides, shapes and type of records; the rest is not used.
    nouns : (str, str)
        What is sought in each, where a file holds both.
    on_bad_image, on_bad_patch : callable, optional
        As `on_bad` of `open_images`.

    Raises
    ------
    MatcherError
        As `open_images`; or if both sides say their bands and share none, or say pixels of different sizes.
    """
    shapes = (settings.image_shape, settings.patch_shape)
    sources = []
    for what, noun, shape, on_bad in zip(
        (images, patches), nouns, shapes, (on_bad_image, on_bad_patch), strict=True
    ):
        asked = Asked(_name(what, noun), noun, settings.bands, shape, None, settings.dtype, None, on_bad)
        sources.append(_agreeing(_sources(what, asked, None), shape, None))
    targets, queries, names = pair_bands(sources[0], sources[1], settings.bands)
    if isinstance(targets, RasterSource) and isinstance(queries, RasterSource):
        check_pixel_sizes(queries, targets)
    return targets, queries, settings if names is None else replace(settings, bands=names)


def pair_bands(
    images: Source, patches: Source, wanted: Sequence[str] | None = None
) -> tuple[Source, Source, tuple[str, ...] | None]:
    """Two open sources with the bands that both have; see `open_pair`.

    Pictures that do not say their bands (arrays, records) are taken to have those of rasters of so many bands that they
    are paired with, or else red, green, blue and near infrared in this order.
    """
    given = None if wanted is None else parse_bands(wanted)[0]
    both = [isinstance(source, RasterSource) for source in (images, patches)]
    if not any(both):
        return images, patches, given
    if not all(both):
        rasters, plain = (images, patches) if both[0] else (patches, images)
        assert isinstance(rasters, RasterSource)
        known = rasters.band_names
        if len(known) == plain.shape(0)[2]:
            return images, patches, None if None in known else known  # type: ignore[return-value]
        log.info(
            "%s: does not say its bands, taken as %s", plain.name, ",".join(map(str, names_of(plain, given)))
        )
    queries, targets, names = common_bands(as_rasters(patches, given), as_rasters(images, given))
    return targets, queries, names


def open_series(
    what: AnyPath | Sequence[AnyPath],
    *,
    shape: Shape | None = None,
    dates: int = 12,
    bands: int = 4,
    dtype: str | None = None,
    on_bad: OnBad | None = None,
) -> OfficialSeries:
    """Open official training series.

    Parameters
    ----------
    what : path, or sequence of paths
        A TFRecord file, a folder of ``*.tfrecords`` (read in the order of their names), or several files.
    shape : (height, width, channels), optional
        Of every record, channels = dates x bands; by default each is square.
    dates, bands : int
        Dates of a series, and bands of a date.
    dtype, on_bad : optional
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
    checks.function("on_bad", on_bad)
    dates, bands = checks.whole("dates", dates, 1), checks.whole("bands", bands, 1)
    shape, dtype = _shape(shape), with_options(None, {"dtype": dtype}).dtype
    if isinstance(what, str | os.PathLike):
        folder = Folder(checks.path("series", what))
        paths: list[Any] = sorted(folder.glob("*.tfrecord*")) if folder.is_dir() else [what]
        if not paths:
            raise FormatError(f"{folder}: has no file *.tfrecords in it")
    elif is_paths(what) or (isinstance(what, Sequence) and not what):
        paths = list(what)
    else:
        raise checks.refusal("series", what, "a path, or a list of paths")
    return OfficialSeries(paths, shape=shape, dates=dates, bands=bands, dtype=dtype, on_bad=on_bad)


def _open(
    what: Any,
    noun: str,
    shape: Shape | None,
    bands: int | Sequence[str] | None,
    ids: ArrayLike | None,
    dtype: str | None,
    on_bad: OnBad | None,
) -> Source:
    checks.function("on_bad", on_bad)
    count, names = None, None
    if isinstance(bands, Integral | float):
        count = checks.whole("bands", bands, 1)
    elif bands is not None:
        names = checks.words("bands", bands)
    shape = _shape(shape)
    if shape is not None and count not in (None, shape[2]):
        raise MatcherError(f"the shape {shape} is not (height, width, bands) of {count} bands")
    dtype = with_options(None, {"dtype": dtype}).dtype
    asked = Asked(_name(what, noun), noun, names, shape, count, dtype, on_bad=on_bad)
    return _agreeing(_sources(what, asked, ids), shape, count)


def _shape(given: Any) -> Shape | None:
    """Height, width and bands, or whatever the last axis counts."""
    if given is None:
        return None
    height, width, last = checks.wholes("shape", given, _SHAPE, count=3, least=1)
    return height, width, last


def _sources(what: Any, asked: Asked, ids: ArrayLike | None) -> Source:
    """The pictures, by a reader or from memory, with the bands asked for."""
    source: Source
    if isinstance(what, str | os.PathLike) or is_paths(what):
        if ids is not None:
            raise MatcherError(f"{asked.name}: ids can be given with arrays only; a file has its own")
        source = _of_paths([what] if isinstance(what, str | os.PathLike) else what, asked)
    elif isinstance(what, Source):
        source = what
    elif is_xarray(what):
        source = open_xarrays(what, asked)
    elif hasattr(what, "__array__") or (isinstance(what, Sequence) and not isinstance(what, bytes)):
        _refuse_masks(what, asked.name)
        _refuse_objects(what, asked.name)
        source = ArraySource(np.asarray(what) if hasattr(what, "__array__") else what, ids, name=asked.name)
    else:
        given = type(what).__name__
        if isinstance(what, Iterable) and not isinstance(what, Mapping | bytes):
            raise MatcherError(
                f"{asked.noun} are looked through more than once: give list(...) of the {given}"
            )
        raise MatcherError(
            f"{asked.noun} are a file or folder ({readable()}), an array or a list of arrays, not {given}"
        )
    if not len(source):
        raise NoInputError(f"{source.name}: holds no picture")
    return with_bands(source, asked.bands)


def _refuse_masks(what: Any, name: str) -> None:
    """Raise where an array masks some of its values: what stands below the mask would be read as ground."""
    for one in [what] if hasattr(what, "__array__") else what:
        if isinstance(one, np.ma.MaskedArray) and np.ma.getmaskarray(one).any():
            raise FormatError(
                f"{name}: is a masked array, and a mask is not read: set masked pixels to 0 in all bands, which is no "
                "data (array.filled(0); where values are signed, from -1 to 1, array.filled(-1))"
            )


def _refuse_objects(what: Any, name: str) -> None:
    """Raise where an array, or a column of a table, holds paths or arrays, which as a list can be read."""
    if getattr(what, "ndim", 0) == 1 and getattr(what.dtype, "kind", "") in ("O", "U", "T"):
        raise FormatError(
            f"{name}: is a {type(what).__name__} of texts or objects, not of numbers: give list(...) of it"
        )


def _of_paths(paths: Sequence[AnyPath], asked: Asked) -> Source:
    """The pictures of some names, or those that an index directory is of."""
    index = next((path for path in paths if is_index(path)), None)
    if index is None:
        return open_paths(paths, asked)
    if len(paths) > 1:
        raise FormatError(
            f"{os.fspath(index)}: is an index, which is named alone; matcher index add takes more images"
        )
    return open_catalogued(index, asked.bands)


def _name(what: Any, noun: str) -> str:
    """What the user named, for messages."""
    if isinstance(what, str | os.PathLike):
        return checks.path(noun, what)
    if is_paths(what):
        first, *_ = (checks.path(noun, one) for one in what)
        return first if len(what) == 1 else f"{first} and {len(what) - 1} more"
    return f"array of {noun}"


def _agreeing(source: Source, shape: Shape | None, count: int | None) -> Source:
    """The source, or an error where a picture is not what the caller said."""
    for k in range(len(source)):
        has = source.shape(k)
        if (shape is not None and has != tuple(shape)) or (count is not None and has[2] != count):
            wanted = f"the shape {tuple(shape)}" if shape is not None else f"{count} bands"
            raise FormatError(f"{source.where(k)}: has the shape {has}; {wanted} was asked for")
    return source
