"""Tie points as files: CSV, GeoJSON, GeoPackage, QGIS's ``.points``, and a script of GDAL's GCPs; and read again."""

import csv
import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write, problem
from matcher.formats.geopackage import import_pyogrio, write_geopackage
from matcher.formats.georef import UPRIGHT, Turned
from matcher.formats.outputs import check_ending
from matcher.geo.grid import Grid, degrees

COLUMNS = (
    "id", "row", "col", "down", "right", "sigma", "left_down", "left_right", "confidence", "used", "reason",
    "map_x", "map_y", "shift_x", "shift_y", "lon", "lat",
)  # fmt: skip
_TIES = ("row", "col", "down", "right", "sigma", "confidence", "reason")  # what is read again
_GCPS = ("mapX", "mapY", "sourceX", "sourceY", "enable")

TieRow = Mapping[str, Any]
Rows = list[tuple[float, float, float, float, float, float, str]]


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raise where `write_ties` has no form for a path's suffix, or what it needs is not installed."""
    if check_ending(path, "tie points", _WRITERS) == ".gpkg":
        import_pyogrio(path)


def check_place(path: str | os.PathLike[str], grid: Grid | None) -> None:
    """Raise where the form that a path's suffix names needs a place, and the moving scene says none."""
    if Path(path).suffix.lower() != ".csv":
        _placed(path, grid)


def write_ties(
    path: str | os.PathLike[str], records: Sequence[TieRow], grid: Grid | None, turned: Turned = UPRIGHT
) -> None:
    """Write tie points in the form that the path's suffix names; the file appears when it is whole.

    Parameters
    ----------
    path : path
        ``.csv``: a row a point, `COLUMNS`. ``.geojson``: points in longitude and latitude, where the moving scene says
        that they are. ``.gpkg``: GeoPackage in the moving scene's CRS (extra ``geopackage``). ``.points``: what
        QGIS's georeferencer opens. ``.gcps``: options of ``gdal_translate``, a line a point used.
    records : sequence of dict
        `COLUMNS` of each point; None where unknown.
    grid : Grid, optional
        Of the moving scene; None where it has none.
    turned : Turned
        How the moving scene's file is turned for its grid: programs that read ``.points`` and ``.gcps`` count rows and
        columns in the file.

    Raises
    ------
    MatcherError
        If the suffix is none of these, the form needs a CRS and there is none, or the file cannot be written.
    """
    check_suffix(path)
    _WRITERS[Path(path).suffix.lower()](path, records, grid, turned)


def read_ties(path: str | os.PathLike[str], grid: Grid | None, turned: Turned = UPRIGHT) -> Rows:
    """Read tie points that `write_ties` wrote, perhaps mended by hand, or QGIS wrote.

    Parameters
    ----------
    path : path
        ``.csv``, ``.geojson`` or ``.points``.
    grid : Grid, optional
        Of the moving scene, which ``.points`` files need: their targets are map coordinates, in the CRS that their
        first line says or else in the scene's.
    turned : Turned
        As of `write_ties`.

    Returns
    -------
    list of (row, col, down, right, sigma, confidence, reason)
        As `matcher.alignment.ties.tie_points` takes them; a point that is not used has a reason, ``left out`` where the
        file says no other.

    Raises
    ------
    FormatError
        If the file cannot be read, lacks a column or has a value that is no number; the message names the line.
    """
    suffix = Path(path).suffix.lower()
    name = os.fspath(path)
    if suffix not in (".csv", ".geojson", ".json", ".points"):
        raise FormatError(f"{name}: tie points are read from .csv, .geojson or .points")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FormatError(f"{name}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        what = problem(error) if isinstance(error, OSError) else "it is no text"
        raise FormatError(f"{name}: cannot be read: {what}") from None
    if suffix == ".points":
        return _read_gcps(name, text, grid, turned)
    return _read_table(name, _features(name, text) if suffix != ".csv" else _lines(name, text, _TIES[:4]))


def _lines(name: str, text: str, needed: Sequence[str]) -> Iterable[tuple[str, TieRow]]:
    """(where, row) of a CSV's rows; lines that begin with # are passed over."""
    kept = [(k, line) for k, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not kept:
        raise FormatError(f"{name}: is empty")
    reader = csv.DictReader([line for _, line in kept])
    missing = [column for column in needed if column not in (reader.fieldnames or ())]
    if missing:
        raise FormatError(f"{name}, line {kept[0][0]}: has no column {missing[0]!r}")
    for row, (number, _) in zip(reader, kept[1:], strict=False):
        yield f"{name}, line {number}", row


def _features(name: str, text: str) -> Iterable[tuple[str, TieRow]]:
    try:
        features = json.loads(text)["features"]
        rows = [feature["properties"] for feature in features]
        if not all(isinstance(row, dict) for row in rows):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise FormatError(f"{name}: is no GeoJSON FeatureCollection of tie points") from None
    for k, row in enumerate(rows, 1):
        yield f"{name}, feature {k}", row


def _number(where: str, row: TieRow, column: str, default: float | None = None) -> float:
    value = row.get(column)
    if value in (None, ""):
        if default is None:
            raise FormatError(f"{where}: has no {column}")
        return default
    try:
        number = float(str(value))
    except ValueError:
        raise FormatError(f"{where}: {column} is {value!r}, which is no number") from None
    if not math.isfinite(number):
        raise FormatError(f"{where}: {column} is {value!r}; a finite number was expected")
    return number


def _read_table(name: str, rows: Iterable[tuple[str, TieRow]]) -> Rows:
    out: Rows = []
    for where, row in rows:
        used = str(row.get("used", "1")).strip().lower() not in ("0", "false", "no")
        reason = "" if used else str(row.get("reason") or "left out")
        default = None if used else math.nan
        place = (_number(where, row, "row"), _number(where, row, "col"))
        shift = (_number(where, row, "down", default), _number(where, row, "right", default))
        sigma = _number(where, row, "sigma", 0.1 if used else math.nan)
        out.append((*place, *shift, sigma, _number(where, row, "confidence", 1.0), reason))
    if not out:
        raise FormatError(f"{name}: holds no tie point")
    return out


def _read_gcps(name: str, text: str, grid: Grid | None, turned: Turned) -> Rows:
    """QGIS's points: map coordinates, and columns and rows of the file that count down from 0."""
    if grid is None:
        raise FormatError(
            f"{name}: .points hold map coordinates, and the moving scene has no place; give .csv"
        )
    out: Rows = []
    crs = _crs_of(name, text, grid)
    for where, row in _lines(name, text, _GCPS[:4]):
        x, y, file_col, row_up = (_number(where, row, column) for column in _GCPS[:4])
        at, col = turned.in_picture(-row_up, file_col, grid.shape)
        there = ~grid.transform @ (x, y) if crs == grid.crs else grid.to_pixels(degrees(crs, [(x, y)]))[0]
        if not np.isfinite(there).all():
            raise FormatError(f"{where}: {x!r}, {y!r} is no place in {crs}")
        used = str(row.get("enable", "1")).strip() != "0"
        out.append(
            (at, col, float(there[1]) - at, float(there[0]) - col, 0.1, 1.0, "" if used else "left out")
        )
    if not out:
        raise FormatError(f"{name}: holds no tie point")
    return out


def _crs_of(name: str, text: str, grid: Grid) -> str:
    """The CRS that the line ``#CRS: …`` names; the moving scene's where none does, or where it is the same."""
    import pyproj

    said = next((line[5:].strip() for line in text.splitlines() if line.startswith("#CRS:")), "")
    if not said or said == grid.crs:
        return grid.crs
    try:
        same = pyproj.CRS.from_user_input(said).equals(
            pyproj.CRS.from_user_input(grid.crs), ignore_axis_order=True
        )
    except pyproj.exceptions.CRSError:
        raise FormatError(
            f"{name}: its line #CRS: names no CRS ({said!r}); write one, such as {grid.crs}"
        ) from None
    return grid.crs if same else said


def _write_csv(
    path: str | os.PathLike[str], records: Sequence[TieRow], _grid: Grid | None, _turned: Turned
) -> None:
    with atomic_write(path, "w") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: "" if row[k] is None else row[k] for k in COLUMNS} for row in records)


def _placed(path: str | os.PathLike[str], grid: Grid | None) -> Grid:
    if grid is None:
        raise MatcherError(
            f"{os.fspath(path)}: needs a scene that says where it lies; write tie points as .csv"
        )
    return grid


def _write_geojson(
    path: str | os.PathLike[str], records: Sequence[TieRow], grid: Grid | None, _turned: Turned
) -> None:
    _placed(path, grid)
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
            "properties": {k: row[k] for k in COLUMNS},
        }
        for row in records
    ]
    with atomic_write(path, "w") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file, indent=1, allow_nan=False)
        file.write("\n")


def _write_points(
    path: str | os.PathLike[str], records: Sequence[TieRow], grid: Grid | None, turned: Turned
) -> None:
    grid = _placed(path, grid)
    with atomic_write(path, "w") as file:
        file.write(f"#CRS: {grid.crs}\n" + ",".join((*_GCPS, "dX", "dY", "residual")) + "\n")
        for row in records:
            if row["down"] is None:
                continue
            x, y = grid.to_map(row["col"] + row["right"], row["row"] + row["down"])
            file_row, file_col = turned.in_file(row["row"], row["col"], grid.shape)
            numbers = (x, y, file_col, -file_row)
            left = (row["left_right"], row["left_down"])
            size = math.hypot(*left)
            file.write(",".join(map(repr, numbers)) + f",{int(row['used'])},{left[0]},{left[1]},{size:.4f}\n")


def _write_gcps(
    path: str | os.PathLike[str], records: Sequence[TieRow], grid: Grid | None, turned: Turned
) -> None:
    grid = _placed(path, grid)
    with atomic_write(path, "w") as file:
        for row in records:
            if row["used"]:
                x, y = grid.to_map(row["col"] + row["right"], row["row"] + row["down"])
                file_row, file_col = turned.in_file(row["row"], row["col"], grid.shape)
                file.write(f"-gcp {file_col!r} {file_row!r} {x!r} {y!r}\n")


def _write_gpkg(
    path: str | os.PathLike[str], records: Sequence[TieRow], grid: Grid | None, _turned: Turned
) -> None:
    import_pyogrio(path)
    grid = _placed(path, grid)
    points = [struct.pack("<BI2d", 1, 1, row["map_x"], row["map_y"]) for row in records]
    kinds = {"reason": str, "id": int, "used": int}
    columns = {name: (kinds.get(name, float), [row[name] for row in records]) for name in COLUMNS}
    write_geopackage(path, "tie points", points, columns, kind="Point", crs=grid.crs)


_WRITERS: dict[str, Callable[[str | os.PathLike[str], Sequence[TieRow], Grid | None, Turned], None]] = {
    ".csv": _write_csv,
    ".geojson": _write_geojson,
    ".gpkg": _write_gpkg,
    ".points": _write_points,
    ".gcps": _write_gcps,
}
