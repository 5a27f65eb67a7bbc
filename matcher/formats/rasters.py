"""From what a user names to rasters: a file, a folder, a glob, a text list, a Sentinel-2 product, or several."""

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matcher.errors import FormatError
from matcher.formats import safe
from matcher.formats.bandnames import choose, name_of, split_band
from matcher.formats.geotiff import HANDLES, Band, GeoRef, Raster, RasterSource, gdal_errors
from matcher.formats.pictures import SUFFIXES as PICTURES

SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", *PICTURES)
LISTS = (".txt", ".lst")
Path_ = str | os.PathLike[str]


def is_raster(path: str) -> bool:
    """Whether a path is something that `open_rasters` reads, by its name: a raster, a list, a folder, a glob."""
    low = path.lower()
    return low.endswith(SUFFIXES) or low.endswith(LISTS) or os.path.isdir(path) or _is_glob(path)


def open_rasters(
    what: Path_ | Sequence[Path_], bands: Sequence[str] | None = None, offset: float | None = None
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

    Raises
    ------
    FormatError
        If there is none, or one cannot be used; the message names the file.
    """
    given = [what] if isinstance(what, str | os.PathLike) else list(what)
    paths = [path for item in given for path in _expand(os.fspath(item))]
    if not paths:
        raise FormatError("no raster was named")
    doubled = next((p for p in paths if paths.count(p) > 1), None) if len(set(paths)) < len(paths) else None
    if doubled is not None:
        raise FormatError(f"{doubled}: is named twice; give each file once")
    rasters = [_open_group(name, files, bands) for name, files in _grouped(paths)]
    if offset is not None:
        rasters = [replace(raster, offset=offset) for raster in rasters]
    named = os.fspath(given[0]) if len(given) == 1 else f"{os.fspath(given[0])} and {len(given) - 1} more"
    return RasterSource(rasters, named)


def _is_glob(path: str) -> bool:
    return any(c in path for c in "*?[") and not os.path.exists(path)


def _expand(path: str) -> list[str]:
    """The files (and ``.SAFE`` folders) that one name stands for, in order."""
    if _is_glob(path):
        found = [p for p in sorted(glob.glob(path, recursive=True)) if _is_file(p) or safe.is_safe(p)]
        if not found:
            raise FormatError(f"{path}: matches no raster")
        return found
    if safe.is_safe(path):
        return [path]
    if os.path.isdir(path):
        inside = sorted(os.path.join(path, name) for name in os.listdir(path))
        found = [p for p in inside if _is_file(p) or safe.is_safe(p)]
        if not found:
            raise FormatError(
                f"{path}: is a folder without rasters ({', '.join(SUFFIXES)} or .SAFE); other pictures are read from "
                "a .tfrecords, .npy or .npz file"
            )
        return found
    if not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    return _listed(path) if path.lower().endswith(LISTS) else [path]


def _is_file(path: str) -> bool:
    return path.lower().endswith(SUFFIXES) and os.path.isfile(path)


def _listed(path: str) -> list[str]:
    """The paths of a text list, relative to it; blank lines and those with # are passed over."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: is no list of paths: {error}") from None
    out = []
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            full = os.path.join(os.path.dirname(path), entry)
            if not os.path.exists(full):
                raise FormatError(f"{path}, line {number}: there is no file {full}")
            out.append(full)
    if not out:
        raise FormatError(f"{path}: lists no file")
    return out


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
    choice = choose(name, known, [False] * len(known), bands)
    chosen = tuple(
        replace(singles[k - 1].bands[0], name=n) for k, n in zip(choice.indices, choice.names, strict=True)
    )
    return replace(first, name=name, bands=chosen)


def _open_file(path: str, bands: Sequence[str] | None) -> Raster:
    import numpy as np

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
    return Raster(path, height, width, dtype, bands, georef, alpha, ungridded=why)
