"""Places as files: CSV, GeoJSON, GeoPackage, GeoParquet, and chips as GeoTIFFs with the transform found."""

import csv
import json
import os
import struct
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write
from matcher.formats.filled import OutputFolder
from matcher.formats.geopackage import import_pyogrio, write_geopackage
from matcher.formats.georef import Turned
from matcher.formats.geotiff import Dataset, gdal_errors, import_rasterio, write_geotiff
from matcher.formats.handles import HANDLES
from matcher.formats.opening import open_rasters
from matcher.formats.outputs import check_ending
from matcher.formats.pictures import Picture
from matcher.formats.raster import Raster, RasterSource, stem_of
from matcher.geo.grid import degrees
from matcher.geo.place import COLUMNS, Place, records
from matcher.version import install_command

Ring = list[tuple[float, float]]
_POINT = "AREA_OR_POINT"  # of the file's own transform; here all are of areas

GEOREFERENCED = "locate"  # whose files `write_georeferenced` may replace


def write_places(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    """Write places in the form that the path's suffix names; the file appears when it is whole.

    Parameters
    ----------
    path : path
        ``.csv``: a row a place, `matcher.geo.place.COLUMNS`. ``.geojson`` or ``.json``: a feature a place, its outline
        in longitude and latitude, refused chips without geometry. ``.parquet``: the same as GeoParquet 1.1 (extra
        ``geoparquet``). ``.gpkg``: the same as GeoPackage (extra ``geopackage``), with a style for QGIS beside it.
    places : sequence of Place

    Raises
    ------
    MatcherError
        If the suffix is none of these, the file cannot be written, or pyarrow or pyogrio is missing.
    """
    check_suffix(path)
    _WRITERS[Path(path).suffix.lower()](path, places)


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise where `write_places` has no form for a path's suffix, or what it needs is not installed."""
    ending = check_ending(path, "places", _WRITERS)
    if ending == ".parquet":
        _pyarrow(path)
    elif ending == ".gpkg":
        import_pyogrio(path)


def _write_csv(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: "" if value is None else value for key, value in row.items()} for row in records(places)
        )


def outline(place: Place) -> list[Ring]:
    """The chip's corners as closed rings of longitude and latitude, anticlockwise; empty without CRS, or off the Earth.

    One ring, or one on either side of the meridian of 180 degrees where the chip lies across it (RFC 7946, 3.1.9).

    Raises
    ------
    MatcherError
        If the chip lies so, and the package antimeridian is missing.
    """
    if place.georef is None:
        return []
    ring = [(lon, lat) for lon, lat in degrees(place.georef.crs, place.outline()).tolist()]
    if not np.isfinite(ring).all():  # such as a corner beyond the disc that a geostationary satellite sees
        return []
    if any(abs(a[0] - b[0]) > 180 for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)):
        return _cut(ring)
    if _area(ring) < 0:
        ring = ring[::-1]
    return [[*ring, ring[0]]]


def _cut(ring: Ring) -> list[Ring]:
    """A ring that goes across 180 degrees as rings that do not; about a pole, up to it."""
    try:
        import antimeridian
    except ImportError:
        raise MatcherError(
            f"outlines across 180 degrees need antimeridian: {install_command('geo')}"
        ) from None
    shape = antimeridian.fix_shape({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    parts = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
    return [[(float(x), float(y)) for x, y, *_ in outer] for outer, *_ in parts]


def _area(ring: Ring) -> float:
    """Twice the signed area of a ring; positive where it runs anticlockwise."""
    following = [*ring[1:], ring[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True))


def _write_geojson(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    features = []
    for place, row in zip(places, records(places), strict=True):
        rings = [[[round(v, 7) for v in point] for point in ring] for ring in outline(place)]
        shape: dict[str, Any] | None = None
        if rings:
            shape = {"type": "Polygon", "coordinates": [rings[0]]}
        if len(rings) > 1:
            shape = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
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
    kinds = dict.fromkeys(("rank", "chip_id", "scene_id"), pyarrow.int64())
    kinds |= dict.fromkeys(("chip", "scene", "crs", "reason"), pyarrow.string())
    columns = {
        name: pyarrow.array([row[name] for row in rows], kinds.get(name, pyarrow.float64()))
        for name in COLUMNS
    }
    outlines = [outline(place) for place in places]
    shapes = [_wkb(rings) if rings else None for rings in outlines]
    columns["geometry"] = pyarrow.array(shapes, pyarrow.binary())
    points = np.array([point for rings in outlines for ring in rings for point in ring]).reshape(-1, 2)
    types = {"Polygon" if len(rings) == 1 else "MultiPolygon" for rings in outlines if rings}
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(types)}
    if len(points):
        column["bbox"] = [*points.min(0).tolist(), *points.max(0).tolist()]
    meta = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pyarrow.table(columns).replace_schema_metadata({"geo": json.dumps(meta)})
    with atomic_write(path) as file:
        pyarrow.parquet.write_table(table, file)


def _write_gpkg(path: str | os.PathLike[str], places: Sequence[Place]) -> None:
    rows = records(places)
    kinds: dict[str, type] = dict.fromkeys(("rank", "chip_id", "scene_id"), int)
    kinds |= dict.fromkeys(("chip", "scene", "crs", "reason"), str)
    columns = {name: (kinds.get(name, float), [row[name] for row in rows]) for name in COLUMNS}
    outlines = [outline(place) for place in places]
    shapes = [_multi_polygon(rings) if rings else None for rings in outlines]
    write_geopackage(path, "places", shapes, columns, kind="MultiPolygon", crs="EPSG:4326")
    _write_style(Path(path).with_suffix(".qml"))


def _write_style(path: Path) -> None:
    """The style that QGIS finds beside a layer of its name; one that is there, somebody's own, stays."""
    if not path.exists():
        with atomic_write(path, "w") as file:
            file.write(resources.files("matcher").joinpath("data/places.qml").read_text(encoding="utf-8"))


def _wkb(rings: Sequence[Ring]) -> bytes:
    """A polygon of one ring, or several polygons, as little-endian well-known binary."""
    return _polygon(rings[0]) if len(rings) == 1 else _multi_polygon(rings)


def _polygon(ring: Ring) -> bytes:
    points = b"".join(struct.pack("<2d", *point) for point in ring)
    return struct.pack("<BIII", 1, 3, 1, len(ring)) + points


def _multi_polygon(rings: Sequence[Ring]) -> bytes:
    return struct.pack("<BII", 1, 6, len(rings)) + b"".join(map(_polygon, rings))


_WRITERS: dict[str, Callable[[str | os.PathLike[str], Sequence[Place]], None]] = {
    ".csv": _write_csv,
    ".geojson": _write_geojson,
    ".gpkg": _write_gpkg,
    ".json": _write_geojson,
    ".parquet": _write_parquet,
}


def georeferenced_names(chips: Sequence[str]) -> dict[str, str]:
    """The names that `write_georeferenced` gives the files of some chips: those of the chips, and no two alike."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for chip in dict.fromkeys(chips):
        stem = stem_of(chip)
        name, number = f"{stem}.tif", 2
        while name.casefold() in taken:
            name, number = f"{stem}-{number}.tif", number + 1
        taken.add(name.casefold())
        out[chip] = name
    return out


def write_georeferenced(
    folder: str | os.PathLike[str],
    places: Sequence[Place],
    chips: RasterSource | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> list[str]:
    """Write each chip that was found as a GeoTIFF with the transform found: all its bands, values and no data.

    Parameters
    ----------
    folder : path
        Made where it is not there; a file is called after the chip. Files that an earlier call wrote are replaced.
    places : sequence of Place
        Of all chips; only those of rank 1 in a scene with a CRS are written.
    chips : RasterSource, optional
        The chips, where they are open; by default each is opened by its name.
    inputs : sequence of paths
        What must not be replaced, beside the chips and scenes of the places.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    MatcherError
        If a chip cannot be read, a file cannot be written, or one of its name is there that no earlier call wrote.
    """
    names = georeferenced_names([place.chip for place in places])
    found = [place for place in places if place.rank == 1 and place.georef is not None]
    inside = OutputFolder(folder, GEOREFERENCED)
    inside.make(
        [names[place.chip] for place in found],
        [*inputs, *(place.chip for place in places), *(place.scene for place in found)],
    )
    out: list[str] = []
    for place in found:
        target = Path(folder) / names[place.chip]
        _write_chip(target, place, chips)
        inside.wrote(names[place.chip])
        out.append(str(target))
    return out


def _write_chip(target: Path, place: Place, chips: RasterSource | None) -> None:
    import_rasterio(str(target))
    values, profile, describe = _contents(place.chip, chips)
    assert place.georef is not None
    assert place.transform is not None

    def tell(dataset: Any) -> None:
        describe(dataset)
        dataset.update_tags(MATCHER_SCENE=place.scene, MATCHER_CONFIDENCE=f"{place.confidence:.4f}")

    profile |= {"crs": place.georef.crs, "transform": place.transform}
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
            return np.moveaxis(raster.turned.lay(array), -1, 0), extra, lambda _dataset: None
        if not isinstance(handles[0], Dataset):
            return _read(source, raster)
        datasets = [handle.dataset for handle in handles]
        with gdal_errors(chip, "cannot be read"):
            values = np.concatenate([dataset.read() for dataset in datasets])
            values = np.moveaxis(raster.turned.lay(np.moveaxis(values, 0, -1)), -1, 0)
            nodata = datasets[0].nodata
            describe = _described(datasets, raster.turned)
    extra = {"photometric": "MINISBLACK"}
    return values, extra if nodata is None else {**extra, "nodata": nodata}, describe


def _described(datasets: Sequence[Any], turned: Turned) -> Callable[[Any], None]:
    """What sets on another dataset what some say of their bands: names, colours, scales, units, tags and masks."""
    from rasterio.enums import MaskFlags

    bands = [(dataset, k) for dataset in datasets for k in dataset.indexes]
    flags = datasets[0].mask_flag_enums[0]
    mask = None
    if len(datasets) == 1 and MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        mask = turned.lay(datasets[0].read_masks(1))

    def describe(out: Any) -> None:
        out.scales = [dataset.scales[k - 1] for dataset, k in bands]
        out.offsets = [dataset.offsets[k - 1] for dataset, k in bands]
        out.units = [dataset.units[k - 1] or "" for dataset, k in bands]
        out.update_tags(**{key: value for key, value in datasets[0].tags().items() if key != _POINT})
        for n, (dataset, k) in enumerate(bands, 1):
            out.update_tags(n, **dataset.tags(k))
        if len(datasets) == 1:
            out.colorinterp = datasets[0].colorinterp
            _name_bands(out, datasets[0].descriptions)
        if mask is not None:
            out.write_mask(mask)

    return describe


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
    return values, extra, lambda dataset: _name_bands(dataset, raster.names)


def _name_bands(dataset: Any, names: Sequence[str | None]) -> None:
    for k, name in enumerate(names, 1):
        if name:
            dataset.set_band_description(k, name)
