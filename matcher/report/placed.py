"""Places that `matcher locate` wrote, as answers of a page: chips are patches, scenes are images."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.formats.base import Source
from matcher.formats.files import problem
from matcher.result import Result

_SUFFIXES = (".geojson", ".json")
_SCALES = (1e-6, np.inf)
_NEEDED = ("chip", "rank", "scene", "row", "col", "scale", "confidence")


def is_places(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds places: GeoJSON by its ending, CSV by its header."""
    if Path(path).suffix.lower() in _SUFFIXES:
        return True
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.readline().startswith("chip,")
    except (OSError, UnicodeDecodeError):
        return False


def read_placed(
    path: str | os.PathLike[str], images: Source, patches: Source
) -> tuple[Result, dict[int, float]]:
    """The best place of every chip as a `Result`, and by the chip's id how many scene pixels one of its pixels is.

    Raises
    ------
    FormatError
        If the file is damaged, a number is none or cannot be, or a chip has two best places.
    MatcherError
        If a chip or a scene is not among those given.
    """
    name = os.fspath(path)
    numbered = ((f"{name}, place {n}", row) for n, row in enumerate(_records(name), 1))
    rows = [(where, row) for where, row in numbered if _number(where, row, "rank", (0, np.inf), 0.0) <= 1]
    scenes, chips = _numbers(images), _numbers(patches)
    whole, real, reasons, scales = [], [], [], {}
    for where, row in rows:
        patch = int(patches.ids[_find(name, chips, "chip", str(row["chip"]))])
        if patch in scales:
            raise FormatError(f"{where}: is a second best place of {row['chip']}")
        refused = not row["scene"]
        image = -1 if refused else int(images.ids[_find(name, scenes, "scene", str(row["scene"]))])
        y, x = -1, -1
        if not refused:
            y, x = (max(round(_number(where, row, key, empty=None)), 0) for key in ("row", "col"))
        whole.append((patch, image, x, y))
        score, sure = _number(where, row, "score"), _number(where, row, "confidence", (0, 1))
        real.append((score, sure))
        reasons.append(str(row.get("reason") or ""))
        scales[patch] = _number(where, row, "scale", _SCALES, 1.0)
    ids, image_, x_, y_ = np.array(whole, np.int64).reshape(-1, 4).T.copy()
    scores, sures = np.array(real, np.float32).reshape(-1, 2).T.copy()
    none = np.full(len(ids), -1)
    blank = np.full(len(ids), np.nan, np.float32)
    return Result(ids, image_, x_, y_, scores, none, blank, sures, tuple(reasons), image_ < 0), scales


def _number(
    where: str,
    row: dict[str, Any],
    key: str,
    limits: tuple[float, float] = (-np.inf, np.inf),
    empty: float | None = np.nan,
) -> float:
    """A number of a place within limits; `empty` where it says none, which without that is a fault."""
    value = row.get(key)
    if value in (None, "") and empty is not None:
        return empty
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and limits[0] <= number <= limits[1]):
        raise FormatError(f"{where}: its {key} is {value!r}, which it cannot be")
    return number


def _records(name: str) -> list[dict[str, Any]]:
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            if Path(name).suffix.lower() in _SUFFIXES:
                held = json.load(file)
                listed = held if isinstance(held, list) else [f["properties"] for f in held["features"]]
                rows = [dict(row) for row in listed]
            else:
                rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {problem(error)}") from None
    except (ValueError, KeyError, TypeError, csv.Error):
        raise FormatError(f"{name}: is not a file of places, as `matcher locate -o` writes them") from None
    missing = [key for key in _NEEDED if any(key not in row for row in rows)]
    if missing:
        raise FormatError(
            f"{name}: its places have no {missing[0]!r}; were they written by `matcher locate -o`?"
        )
    return rows


def _numbers(source: Source) -> dict[str, int]:
    """The numbers of pictures by what places call them, and by their files' names alone."""
    rasters: NDArray | Any = getattr(source, "rasters", None)
    if rasters is None:
        raise MatcherError(f"{source.name}: places name rasters; give the chips and scenes that were located")
    names = [raster.name for raster in rasters]
    return {Path(name).name: k for k, name in enumerate(names)} | {name: k for k, name in enumerate(names)}


def _find(name: str, numbers: dict[str, int], noun: str, wanted: str) -> int:
    for key in (wanted, Path(wanted).name):
        if key in numbers:
            return numbers[key]
    raise MatcherError(f"{name}: names the {noun} {wanted}, which is not among those given")
