"""Places as files: CSV, GeoJSON, GeoParquet, and chips as GeoTIFFs with the transform found."""

import csv
import json
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write, problem
from matcher.formats.geotiff import Dataset, gdal_errors, import_rasterio, write_geotiff
from matcher.formats.handles import HANDLES
from matcher.formats.opening import open_rasters
from matcher.formats.pictures import Picture
from matcher.formats.raster import Raster, RasterSource, band_names
from matcher.geo.grid import to_degrees
from matcher.geo.place import COLUMNS, Place, records
from matcher.version import install_command


def write_places(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    """Write places in the form that the path's suffix names; the file appears when it is whole.

    Parameters
    ----------
    path : path
        ``.csv``: a row a place, `matcher.geo.place.COLUMNS`. ``.geojson`` or ``.json``: a feature a place, its outline
        in longitude and latitude, refused chips without geometry. ``.parquet``: the same as GeoParquet 1.1 (extra
        ``geoparquet``).
    places : sequence of Place

    Raises
    ------
    MatcherError
        If the suffix is none of these, the file cannot be written, or pyarrow is missing.
    """
    check_suffix(path)
    _WRITERS[Path(path).suffix.lower()](path, places)


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise where `write_places` has no form for a path's suffix, or what it needs is not installed."""
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise MatcherError(
            f"{os.fspath(path)}: places are written as {', '.join(_WRITERS)}; choose one of them"
        )
    if suffix == ".parquet":
        _pyarrow(path)


def _write_csv(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: "" if value is None else value for key, value in row.items()} for row in records(places)
        )


def outline(place: Place) -> list[tuple[float, float]]:
    """The chip's corners as a closed ring of longitude and latitude, anticlockwise; empty without CRS."""
    if place.georef is None:
        return []
    ring = to_degrees(place.georef, place.outline())
    if _area(ring) < 0:
        ring = ring[::-1]
    return [*ring, ring[0]]


def _area(ring: Sequence[tuple[float, float]]) -> float:
    """Twice the signed area of a ring; positive where it runs anticlockwise."""
    following = [*ring[1:], ring[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True))


def _write_geojson(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    features = []
    for place, row in zip(places, records(places), strict=True):
        ring = [[round(v, 7) for v in point] for point in outline(place)]
        shape = {"type": "Polygon", "coordinates": [ring]} if ring else None
        features.append({"type": "Feature", "geometry": shape, "properties": row})
    with atomic_write(path, "w") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file, indent=1, allow_nan=False)
        file.write("\n")


def _pyarrow(path: str | os.PathLike[str]) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MatcherError(
            f"{os.fspath(path)}: writing GeoParquet needs pyarrow: {install_command('geoparquet')}"
        ) from None
    return pyarrow


def _write_parquet(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    pyarrow = _pyarrow(path)
    rows = records(places)
    kinds = {"rank": pyarrow.int64()} | dict.fromkeys(("chip", "scene", "crs", "reason"), pyarrow.string())
    columns = {
        name: pyarrow.array([row[name] for row in rows], kinds.get(name, pyarrow.float64()))
        for name in COLUMNS
    }
    rings = [outline(place) for place in places]
    columns["geometry"] = pyarrow.array([_wkb(ring) if ring else None for ring in rings], pyarrow.binary())
    points = np.array([point for ring in rings for point in ring]).reshape(-1, 2)
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Polygon"]}
    if len(points):
        column["bbox"] = [*points.min(0).tolist(), *points.max(0).tolist()]
    meta = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pyarrow.table(columns).replace_schema_metadata({"geo": json.dumps(meta)})
    with atomic_write(path) as file:
        pyarrow.parquet.write_table(table, file)


def _wkb(ring: Sequence[tuple[float, float]]) -> bytes:
    """A polygon of one ring as little-endian well-known binary."""
    points = b"".join(struct.pack("<2d", *point) for point in ring)
    return struct.pack("<BIII", 1, 3, 1, len(ring)) + points


_WRITERS: dict[str, Callable[[str | os.PathLike[str], Sequence[Place]], None]] = {
    ".csv": _write_csv,
    ".geojson": _write_geojson,
    ".json": _write_geojson,
    ".parquet": _write_parquet,
}


def write_georeferenced(
    folder: str | os.PathLike[str], places: Sequence[Place], chips: RasterSource | None = None
) -> list[str]:
    """Write each chip that was found as a GeoTIFF with the transform found: all its bands, values and no data.

    Parameters
    ----------
    folder : path
        Made where it is not there; a file is called after the chip.
    places : sequence of Place
        Only those of rank 1 in a scene with a CRS are written.
    chips : RasterSource, optional
        The chips, where they are open; by default each is opened by its name.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    MatcherError
        If a chip cannot be read or a file cannot be written.
    """
    found = [place for place in places if place.rank == 1 and place.georef is not None]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MatcherError(f"{os.fspath(folder)}: cannot be made: {problem(error)}") from None
    out: list[str] = []
    for place in found:
        stem = Path(place.chip).stem.replace("*", "bands")
        target = Path(folder) / f"{stem}.tif"
        number = 2
        while str(target) in out:
            target = Path(folder) / f"{stem}-{number}.tif"
            number += 1
        if target.exists() and os.path.exists(place.chip) and os.path.samefile(target, place.chip):
            raise MatcherError(f"{target}: is the chip itself; write georeferenced chips to another folder")
        _write_chip(target, place, chips)
        out.append(str(target))
    return out


def _write_chip(target: Path, place: Place, chips: RasterSource | None) -> None:
    rasterio = import_rasterio(str(target))
    values, profile, describe = _contents(place.chip, chips)
    assert place.georef is not None
    assert place.transform is not None

    def tell(dataset: Any) -> None:
        describe(dataset)
        dataset.update_tags(MATCHER_SCENE=place.scene, MATCHER_CONFIDENCE=f"{place.confidence:.4f}")

    profile |= {"crs": place.georef.crs, "transform": rasterio.Affine(*place.transform)}
    write_geotiff(target, values, profile, tell)


def _contents(chip: str, chips: RasterSource | None) -> tuple[NDArray, dict[str, Any], Callable[[Any], None]]:
    """A chip's values (bands, height, width), what goes with them, and what sets bands' names, colours and tags."""
    source = _open_again(chip) if chips is None else chips
    raster = next(raster for raster in source.rasters if raster.name == chip)
    paths = list(dict.fromkeys(band.path for band in raster.bands))
    if not callable(raster.opener):
        return _read(source, raster)
    with HANDLES.lock:
        handles = [HANDLES.get(path, raster.opener) for path in paths]
        if isinstance(handles[0], Picture):
            array = handles[0].array
            rgb = array.shape[2] >= 3
            extra = {"photometric": "RGB"} | ({"alpha": "YES"} if array.shape[2] == 4 else {}) if rgb else {}
            return np.moveaxis(array, -1, 0), extra, lambda _dataset: None
        if not isinstance(handles[0], Dataset):
            return _read(source, raster)
        datasets = [handle.dataset for handle in handles]
        with gdal_errors(chip, "cannot be read"):
            values = np.concatenate([dataset.read() for dataset in datasets])
            first = datasets[0]
            nodata, names, colours = first.nodata, first.descriptions, first.colorinterp
            scales, offsets = (sum((getattr(d, key) for d in datasets), ()) for key in ("scales", "offsets"))

    def describe(dataset: Any) -> None:
        dataset.scales, dataset.offsets = scales, offsets
        if len(datasets) == 1:
            dataset.colorinterp = colours
            _name_bands(dataset, names)

    extra = {"photometric": "MINISBLACK"}
    return values, extra if nodata is None else {**extra, "nodata": nodata}, describe


def _open_again(chip: str) -> RasterSource:
    """A chip by its name; whatever bands it has, for all of its file is written."""
    try:
        return open_rasters(chip)
    except FormatError:
        return open_rasters(chip, ["first=1"])


def _read(source: RasterSource, raster: Raster) -> tuple[NDArray, dict[str, Any], Callable[[Any], None]]:
    """A chip that is no file of its own, as it was matched: 0 in all bands is no data."""
    values = np.moveaxis(source.read(source.rasters.index(raster), 0, 0, raster.height, raster.width), -1, 0)
    extra = {"photometric": "MINISBLACK", "nodata": 0}
    return values, extra, lambda dataset: _name_bands(dataset, band_names(raster))


def _name_bands(dataset: Any, names: Sequence[str | None]) -> None:
    for k, name in enumerate(names, 1):
        if name:
            dataset.set_band_description(k, name)
