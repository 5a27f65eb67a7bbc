"""Raster files: GeoTIFF, JPEG2000, PNG, JPEG and what else GDAL reads, and Sentinel-2 products."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from matcher.errors import FormatError
from matcher.formats import safe
from matcher.formats.bandnames import ORDER, by_landsat, choose, name_of, split_band
from matcher.formats.gather import Entry, RasterForm
from matcher.formats.georef import Georef, has_sidecar, read_georef
from matcher.formats.geotiff import Dataset, gdal_errors, open_dataset
from matcher.formats.handles import HANDLES
from matcher.formats.pictures import SUFFIXES as PICTURES
from matcher.formats.pictures import Picture, is_picture
from matcher.formats.raster import Band, Raster
from matcher.formats.reader import Asked, Series
from matcher.formats.remote import VIRTUAL, ending, is_remote

SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", *PICTURES)
_OTHERS = (".json", ".geojson", ".zarr")  # of virtual file systems, what another reader may claim


class RasterReader(RasterForm):
    """Raster files, and Sentinel-2 products as they are handed out.

    Files of one band that differ only in a band's name (``_B04``, ``_nir``) are one raster.
    """

    name = f"rasters ({', '.join(SUFFIXES)} or Sentinel-2's .SAFE, .SAFE.zip, MTD_MSIL*.xml)"

    def claims(self, path: str) -> bool:
        """Whether a path names a raster or a Sentinel-2 product."""
        if is_remote(path):
            return ending(path) in SUFFIXES or (path.startswith(VIRTUAL) and ending(path) not in _OTHERS)
        return path.lower().endswith(SUFFIXES) or safe.is_safe(path)

    def entries(self, paths: Sequence[str]) -> list[Entry]:
        """Files, products, and files of a band each that are one raster."""
        return [
            Entry(name, partial(_open_group, name, files), tuple(files))
            for name, files in _grouped(list(paths))
        ]

    def files(self, path: str) -> list[str]:
        """All files of a product; of a raster also what GDAL reads beside it: masks, world files, a VRT's parts."""
        if is_remote(path):
            return [path]
        if safe.is_safe(path) and not safe.is_zipped(path):
            return super().files(safe.folder_of(path))
        try:
            with open_dataset(path) as dataset:
                beside = list(dataset.files)
        except FormatError:
            beside = []
        return [path, *sorted(file for file in beside if file != path and os.path.isfile(file))]

    def series(self, name: str, paths: Sequence[str], asked: Asked, dates: int) -> Iterator[Series]:
        """A raster a date, in the order of their names."""
        if paths == [name] and not os.path.isdir(name):
            raise FormatError(f"{name}: is one raster; a series is a folder with a raster a date")
        return super().series(name, paths, asked, dates)


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
    out: list[tuple[str, list[str]]] = []
    for key, files in groups.items():
        visible = {name for file in files if (name := _band(file)) in ORDER}
        out += [(key, files)] if len(visible) > 1 else [(file, [file]) for file in files]
    return out


def _band(path: str) -> str | None:
    """The band that a file's name says it is."""
    return split_band(os.path.splitext(os.path.basename(path))[0])[1]


def _open_group(name: str, files: list[str], bands: Sequence[str] | None) -> Raster:
    if not is_remote(name) and safe.is_safe(name):
        by_name = safe.band_files(name)
        raster = open_bands(name, list(by_name.values()), list(by_name), bands)
        own = os.path.abspath(name) if safe.is_zipped(name) else safe.folder_of(os.path.abspath(name))
        return replace(raster, offset=safe.offset(name), label=os.path.splitext(os.path.basename(own))[0])
    if len(files) == 1:
        return open_file(name, bands)
    return open_bands(name, files, [_band(path) for path in files], bands)


def _single(path: str, band: str | None) -> Raster:
    """A file of one band whose name is told by the file's."""
    raster = open_file(path, None)
    if len(raster.bands) != 1:
        raise FormatError(
            f"{path}: its name says that it is band {band}, and it has {len(raster.bands)} bands"
        )
    return replace(raster, bands=(replace(raster.bands[0], name=band),))


def open_bands(
    name: str, files: Sequence[str], known: Sequence[str | None], bands: Sequence[str] | None
) -> Raster:
    """Those of some files of a band each that are wanted, as one raster; an error where their grids differ."""
    choice = choose(name, known, [False] * len(known), bands, in_order=False)
    singles = [_single(files[k - 1], known[k - 1]) for k in choice.indices]
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
    chosen = tuple(replace(single.bands[0], name=n) for single, n in zip(singles, choice.names, strict=True))
    return replace(first, name=name, bands=chosen)


def open_file(path: str, bands: Sequence[str] | None) -> Raster:
    """One file as a raster, with its bands or those asked for."""
    with HANDLES.lock:
        handle = HANDLES.get(path, open_handle)
        if isinstance(handle, Picture):
            return _from_picture(path, handle.array.shape, str(handle.array.dtype), bands)
        with gdal_errors(path, "cannot be opened as a raster"):
            return _from_dataset(path, handle.dataset, bands)


def open_handle(path: str) -> Picture | Dataset:
    """A raster file, opened by what reads it."""
    return Picture(path) if is_picture(path) and not is_remote(path) else Dataset(path)


def _from_picture(path: str, shape: tuple[int, ...], dtype: str, bands: Sequence[str] | None) -> Raster:
    kinds = {
        1: ["gray"],
        2: ["gray", "alpha"],
        3: ["red", "green", "blue"],
        4: ["red", "green", "blue", "alpha"],
    }
    names = kinds.get(shape[2], ["unnamed"] * shape[2])
    choice = choose(path, [n if n != "alpha" else None for n in names], [n == "alpha" for n in names], bands)
    georef = Georef(None, "is a picture without a place on Earth: no world file or .aux.xml lies beside it")
    if has_sidecar(path):
        with open_dataset(path) as dataset, gdal_errors(path, "cannot be opened as a raster"):
            georef = read_georef(dataset, path)
    return _raster(path, (shape[0], shape[1]), dtype, choice, georef)


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
    stem = os.path.splitext(os.path.basename(path))[0]
    described = by_landsat(stem, dataset.descriptions)
    known = [name_of(d, c) for d, c in zip(described, colours, strict=True)]
    if len(known) > 1:  # GDAL calls the first of several bands gray for want of anything better
        known = [None if name == "gray" else name for name in known]
    choice = choose(path, known, [colour == "alpha" for colour in colours], bands)
    kinds = {dataset.dtypes[k - 1] for k in choice.indices}
    if len(kinds) > 1:
        raise FormatError(f"{path}: its bands hold different kinds of numbers ({', '.join(sorted(kinds))})")
    return _raster(path, (dataset.height, dataset.width), kinds.pop(), choice, read_georef(dataset, path))


def _raster(path: str, shape: tuple[int, int], dtype: str, choice: Any, georef: Georef) -> Raster:
    bands = tuple(Band(path, k, n) for k, n in zip(choice.indices, choice.names, strict=True))
    alpha = None if choice.alpha is None else Band(path, choice.alpha, "alpha")
    return Raster(
        path, *georef.turned.shape(shape), dtype, bands, open_handle, georef.grid, alpha,
        ungridded=georef.why, against=choice.against, assumed=choice.assumed, turned=georef.turned,
    )  # fmt: skip
