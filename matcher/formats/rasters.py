"""From what a user names to rasters: a file, a folder, a glob, a text list, a Sentinel-2 product, or several."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats import safe
from matcher.formats.bandnames import ORDER, choose, name_of, split_band
from matcher.formats.base import BadRecord, OnBad
from matcher.formats.geotiff import HANDLES, Band, Raster, RasterSource, band_names, gdal_errors, number
from matcher.formats.rasterfiles import Path_, expand
from matcher.geo.grid import GeoRef

log = logging.getLogger("matcher")


def open_rasters(
    what: Path_ | Sequence[Path_],
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    on_bad: OnBad | None = None,
) -> RasterSource:
    """Open rasters.

    Parameters
    ----------
    what : path, or sequence of paths
        Each a file (GeoTIFF, JPEG2000, PNG, JPEG), a folder, a glob, a ``.txt`` list with a path a line (relative
        to the list), or a Sentinel-2 ``.SAFE`` folder. Files of one band that differ only in a band's name
        (``_B04``, ``_nir``) are one raster.
    bands : sequence of str, optional
        Which bands, in order; see `matcher.formats.bandnames.choose`.
    offset : float, optional
        Added to every valid value; by default what the product's metadata say, otherwise 0.
    on_bad : callable, optional
        Called with a `BadRecord` for each raster that cannot be used, which is then left out; each is read through to
        find out. The others keep their numbers.

    Raises
    ------
    FormatError
        If there is none, or one cannot be used; the message names the file.
    """
    given = [what] if isinstance(what, str | os.PathLike) else list(what)
    paths = [path for item in given for path in expand(os.fspath(item))]
    if not paths:
        raise FormatError("no raster was named")
    doubled = next((p for p in paths if paths.count(p) > 1), None) if len(set(paths)) < len(paths) else None
    if doubled is not None:
        raise FormatError(f"{doubled}: is named twice; give each file once")
    named = os.fspath(given[0]) if len(given) == 1 else f"{os.fspath(given[0])} and {len(given) - 1} more"
    groups = _grouped(paths)
    ids = number([name for name, _ in groups])
    found: dict[int, Raster] = {}
    bad: list[BadRecord] = []
    for k, (name, files) in enumerate(groups):
        try:
            raster = _open_group(name, files, bands)
        except FormatError as error:
            if on_bad is None:
                raise
            bad.append(bad_raster(name, int(ids[k]), error))
            continue
        found[k] = raster if offset is None else replace(raster, offset=offset)
    if on_bad is not None:
        found = _sound(found, ids, bad)
        for one in bad:
            on_bad(one)
        if not found:
            raise NoInputError(f"{named}: not one raster of it can be used; the first fault: {bad[0]}")
    _warn_of_names(list(found.values()))
    return RasterSource(list(found.values()), named, ids[list(found)])


def bad_raster(name: str, number: int, error: Exception) -> BadRecord:
    """A raster that cannot be used, and why."""
    return BadRecord(name, -1, -1, number, str(error).removeprefix(f"{name}: "))


def _sound(found: dict[int, Raster], ids: NDArray[np.int64], bad: list[BadRecord]) -> dict[int, Raster]:
    """Those rasters that have the bands most have, and can be read from end to end; the others are added to `bad`."""
    kinds = Counter(band_names(raster) for raster in found.values())
    usual = max(kinds, key=lambda names: kinds[names]) if kinds else ()
    out = {}
    for k, raster in found.items():
        try:
            if band_names(raster) != usual:
                has, most = (", ".join(name or "unnamed" for name in b) for b in (band_names(raster), usual))
                raise FormatError(f"{raster.name}: has the bands {has}, and most have {most}")
            RasterSource([raster], raster.name).check(0)
        except FormatError as error:
            bad.append(bad_raster(raster.name, int(ids[k]), error))
        else:
            out[k] = raster
    return out


def _warn_of_names(rasters: Sequence[Raster]) -> None:
    """Say so where given names of bands are not those of the files; once for all files."""
    against = [raster for raster in rasters if raster.against]
    if against:
        own, taken = (
            ", ".join(name or "unnamed" for name in names)
            for names in (against[0].against, band_names(against[0]))
        )
        more = f" and {len(against) - 1} more" if len(against) > 1 else ""
        log.warning(
            "%s%s: calls its bands %s; taken as %s, as was asked for", against[0].name, more, own, taken
        )


def common_bands(
    chips: RasterSource, scenes: RasterSource
) -> tuple[RasterSource, RasterSource, tuple[str, ...] | None]:
    """Both sides with the bands that they share, in one order, and their names where they are known.

    Raises
    ------
    MatcherError
        If they share none, or nothing says which do.
    """
    left, right = chips.band_names, scenes.band_names
    if None in left or None in right:
        if len(left) != len(right):
            raise MatcherError(
                f"{chips.name} has {len(left)} bands and {scenes.name} {len(right)}, and nothing says which are the "
                "same: name them with --bands, and in locate the chips' with --chip-bands"
            )
        known = next((names for names in (left, right) if None not in names), None)
        return chips, scenes, known  # type: ignore[return-value]
    shared = [name for name in right if name in left]
    shared.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    if not shared:
        raise MatcherError(
            f"{chips.name} has the bands {', '.join(map(str, left))} and {scenes.name} {', '.join(map(str, right))}: "
            "none is the same; choose with --bands, and in locate --chip-bands"
        )
    names = tuple(str(name) for name in shared)
    return chips.select(names), scenes.select(names), names


def _grouped(paths: list[str]) -> list[tuple[str, list[str]]]:
    """Files a raster: those whose names differ only in the band belong together."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        folder, base = os.path.split(path)
        common, band = split_band(os.path.splitext(base)[0])
        key = (
            path
            if band is None or os.path.isdir(path)
            else os.path.join(folder, common + os.path.splitext(base)[1])
        )
        groups.setdefault(key, []).append(path)
    return [(key if len(files) > 1 else files[0], files) for key, files in groups.items()]


def _open_group(name: str, files: list[str], bands: Sequence[str] | None) -> Raster:
    if safe.is_safe(name):
        by_name = safe.band_files(name)
        raster = _joined(name, [_single(path, band) for band, path in by_name.items()], bands)
        return replace(raster, offset=safe.offset(name))
    if len(files) == 1:
        return _open_file(name, bands)
    singles = [_single(path, split_band(os.path.splitext(os.path.basename(path))[0])[1]) for path in files]
    return _joined(name, singles, bands)


def _single(path: str, band: str | None) -> Raster:
    """A file of one band whose name is told by the file's."""
    raster = _open_file(path, None)
    if len(raster.bands) != 1:
        raise FormatError(
            f"{path}: its name says that it is band {band}, and it has {len(raster.bands)} bands"
        )
    return replace(raster, bands=(replace(raster.bands[0], name=band),))


def _joined(name: str, singles: list[Raster], bands: Sequence[str] | None) -> Raster:
    """Files of a band each as one raster; an error where their grids differ."""
    first = singles[0]
    for other in singles[1:]:
        if (other.height, other.width) != (first.height, first.width):
            raise FormatError(
                f"{other.name}: is {other.height} x {other.width} px, and {first.name}, a band of the same raster, "
                f"is {first.height} x {first.width}: bring them to one grid"
            )
        if other.georef != first.georef:
            raise FormatError(
                f"{other.name}: has another CRS or transform than {first.name}, a band of the same raster: bring "
                "them to one grid"
            )
        if other.dtype != first.dtype:
            raise FormatError(
                f"{other.name}: holds {other.dtype}, and {first.name}, of the same raster, {first.dtype}"
            )
    known = [raster.bands[0].name for raster in singles]
    choice = choose(name, known, [False] * len(known), bands, in_order=False)
    chosen = tuple(
        replace(singles[k - 1].bands[0], name=n) for k, n in zip(choice.indices, choice.names, strict=True)
    )
    return replace(first, name=name, bands=chosen)


def _open_file(path: str, bands: Sequence[str] | None) -> Raster:
    with HANDLES.lock:
        handle = HANDLES.get(path)
        if isinstance(handle, np.ndarray):
            return _from_picture(path, handle.shape, str(handle.dtype), bands)
        with gdal_errors(path, "cannot be opened as a raster"):
            return _from_dataset(path, handle, bands)


def _from_picture(path: str, shape: tuple[int, ...], dtype: str, bands: Sequence[str] | None) -> Raster:
    kinds = {
        1: ["gray"],
        2: ["gray", "alpha"],
        3: ["red", "green", "blue"],
        4: ["red", "green", "blue", "alpha"],
    }
    names = kinds.get(shape[2], ["unnamed"] * shape[2])
    choice = choose(path, [n if n != "alpha" else None for n in names], [n == "alpha" for n in names], bands)
    return _raster(path, shape[0], shape[1], dtype, choice, None, "a picture without a place on Earth")


def _from_dataset(path: str, dataset: Any, bands: Sequence[str] | None) -> Raster:
    if dataset.count == 0:
        raise FormatError(f"{path}: has no band; name one of its subdatasets or export it as GeoTIFF")
    colours = [colour.name for colour in dataset.colorinterp]
    if "palette" in colours:
        raise FormatError(
            f"{path}: holds numbers of palette colours, which cannot be matched; expand it first, such as by "
            "gdal_translate -expand rgb"
        )
    kinds = set(dataset.dtypes)
    if any(kind.startswith("complex") for kind in kinds):
        raise FormatError(f"{path}: holds complex values; write their magnitude as real numbers first")
    known = [name_of(d, c) for d, c in zip(dataset.descriptions, colours, strict=True)]
    if len(known) > 1:  # GDAL calls the first of several bands gray for want of anything better
        known = [None if name == "gray" else name for name in known]
    choice = choose(path, known, [colour == "alpha" for colour in colours], bands)
    kinds = {dataset.dtypes[k - 1] for k in choice.indices}
    if len(kinds) > 1:
        raise FormatError(f"{path}: its bands hold different kinds of numbers ({', '.join(sorted(kinds))})")
    georef, why = _georef(dataset)
    return _raster(path, dataset.height, dataset.width, kinds.pop(), choice, georef, why)


def _georef(dataset: Any) -> tuple[GeoRef | None, str]:
    """Where a dataset lies, or why that cannot be said."""
    transform = tuple(dataset.transform)[:6]
    if dataset.crs is None:
        return None, "has no CRS: set one, such as by `rio edit-info --crs EPSG:32631`"
    if dataset.transform.is_identity:
        return None, "has a CRS and no transform: georeference it first"
    if abs(transform[1]) > 1e-9 * abs(transform[0]) or abs(transform[3]) > 1e-9 * abs(transform[4]):
        return None, "has a rotated or sheared transform: warp it to north up first, such as by `rio warp`"
    authority = dataset.crs.to_authority()
    return GeoRef(":".join(authority) if authority else dataset.crs.to_wkt(), transform), ""


def _raster(
    path: str, height: int, width: int, dtype: str, choice: Any, georef: GeoRef | None, why: str
) -> Raster:
    bands = tuple(Band(path, k, n) for k, n in zip(choice.indices, choice.names, strict=True))
    alpha = None if choice.alpha is None else Band(path, choice.alpha, "alpha")
    return Raster(path, height, width, dtype, bands, georef, alpha, ungridded=why, against=choice.against)
