"""Places as files: CSV, GeoJSON, GeoParquet, and chips as GeoTIFFs with the transform found."""

import csv
import json
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matcher.errors import MatcherError
from matcher.formats.files import atomic_write, problem
from matcher.formats.geotiff import HANDLES, gdal_errors, import_rasterio
from matcher.formats.pictures import is_picture
from matcher.formats.rasters import open_rasters
from matcher.formats.safe import is_safe
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


def write_georeferenced(folder: str | os.PathLike[str], places: Sequence[Place]) -> list[str]:
    """Write each chip that was found as a GeoTIFF with the transform found: all its bands, values and no data.

    Parameters
    ----------
    folder : path
        Made where it is not there; a file is called after the chip.
    places : sequence of Place
        Only those of rank 1 in a scene with a CRS are written.

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
        _write_chip(target, place)
        out.append(str(target))
    return out


def _write_chip(target: Path, place: Place) -> None:
    rasterio = import_rasterio(str(target))
    values, profile, describe = _contents(place.chip)
    assert place.georef is not None
    assert place.transform is not None
    profile |= {
        "driver": "GTiff", "crs": place.georef.crs, "transform": rasterio.Affine(*place.transform),
        "count": values.shape[0], "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype.name,
        "compress": "deflate",
    }  # fmt: skip
    try:
        fd, temporary = tempfile.mkstemp(prefix=f".{target.stem[:80]}.", suffix=".tif", dir=target.parent)
    except OSError as error:
        raise MatcherError(f"{target}: cannot be written: {problem(error)}") from None
    os.close(fd)
    try:
        with (
            gdal_errors(str(target), "cannot be written"),
            rasterio.open(temporary, "w", **profile) as dataset,
        ):
            dataset.write(values)
            describe(dataset)
            dataset.update_tags(MATCHER_SCENE=place.scene, MATCHER_CONFIDENCE=f"{place.confidence:.4f}")
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _contents(chip: str) -> tuple[Any, dict[str, Any], Callable[[Any], None]]:
    """A chip's values (bands, height, width), what goes with them, and what sets bands' names and colours."""
    if is_picture(chip):
        with HANDLES.lock:
            array = HANDLES.get(chip)
        rgb = array.shape[2] >= 3
        extra = {"photometric": "RGB"} | ({"alpha": "YES"} if array.shape[2] == 4 else {}) if rgb else {}
        return np.moveaxis(array, -1, 0), extra, lambda _dataset: None
    if is_safe(chip) or "*" in chip:
        raster = open_rasters(chip if is_safe(chip) else chip.replace("*", "[A-Za-z0-9]*")).rasters[0]
        paths = [band.path for band in raster.bands]
    else:
        paths = [chip]
    with HANDLES.lock:
        datasets = [HANDLES.get(path) for path in paths]
        with gdal_errors(chip, "cannot be read"):
            values = np.concatenate([dataset.read() for dataset in datasets])
            first = datasets[0]
            nodata, names, colours = first.nodata, first.descriptions, first.colorinterp

    def describe(dataset: Any) -> None:
        if len(datasets) == 1:
            dataset.colorinterp = colours
            for k, name in enumerate(names, 1):
                if name:
                    dataset.set_band_description(k, name)

    extra = {"photometric": "MINISBLACK"}
    return values, extra if nodata is None else {**extra, "nodata": nodata}, describe
