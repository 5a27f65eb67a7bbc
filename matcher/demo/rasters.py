"""The sample as GeoTIFFs for `matcher.locate`: scenes of one date, and chips of another that lost their place."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.demo.sample import BANDS, SamplePlace, read_sample
from matcher.errors import MatcherError
from matcher.formats.files import atomic_write, problem
from matcher.formats.filled import OutputFolder
from matcher.formats.geotiff import import_rasterio, write_geotiff

SIDE = 96  # px of a chip
SEED = 0
_PIXEL = 10.0  # m
_NOISE = "noise.tif"
_TABLE = "chips.csv"


@dataclass(frozen=True)
class CutChip:
    """Where a chip was cut: its top-left corner in a place, or None for the chip that shows noise."""

    place: SamplePlace | None
    row: int = 0
    col: int = 0


def write_rasters(folder: str | os.PathLike[str]) -> dict[Path, CutChip]:
    """Write the sample's places as scenes, and a chip of the other date of each, as GeoTIFFs.

    Into `folder` go ``scenes/NAME.tif`` on a made-up grid of 10 m, ``chips/from-NAME.tif`` of 96 px, all of which lie
    at one wrong place, ``chips/noise.tif``, which belongs nowhere, and ``chips.csv``, which says where each was cut.

    Returns
    -------
    dict
        Chips in the order of their names, and where each was cut.

    Raises
    ------
    MatcherError
        If rasterio is missing, the folder cannot be written to, or holds other files of these names.
    """
    folder = Path(folder)
    import_rasterio(os.fspath(folder))
    places = sorted(read_sample(), key=lambda place: place.name)
    scenes = {f"scenes/{place.name}.tif": place for place in places}
    chips, pixels = _cut(places)
    inside = OutputFolder(folder, "demo")
    inside.make([*scenes, *chips, _TABLE])
    for name in ("scenes", "chips"):
        try:
            (folder / name).mkdir(exist_ok=True)
        except OSError as error:
            raise MatcherError(f"{folder / name}: cannot be made: {problem(error)}") from None
    for number, (name, place) in enumerate(scenes.items()):
        _write(folder / name, place.image, 500000.0 + 10000 * number, 5600000.0)
        inside.wrote(name)
    for name, values in pixels.items():
        _write(folder / name, values, 0.0, 0.0)
        inside.wrote(name)
    _write_table(folder / _TABLE, chips)
    inside.wrote(_TABLE)
    return {folder / name: cut for name, cut in chips.items()}


def _cut(places: list[SamplePlace]) -> tuple[dict[str, CutChip], dict[str, NDArray[np.uint16]]]:
    """Chips by their files' names: where they were cut, and their pixels."""
    rng = np.random.default_rng(SEED)
    chips, pixels = {}, {}
    for place in places:
        row, col = (int(rng.integers(side - SIDE + 1)) for side in place.other.shape[:2])
        name = f"chips/from-{place.name}.tif"
        chips[name] = CutChip(place, row, col)
        pixels[name] = place.other[row : row + SIDE, col : col + SIDE]
    chips[f"chips/{_NOISE}"] = CutChip(None)
    pixels[f"chips/{_NOISE}"] = rng.integers(200, 3000, (SIDE, SIDE, len(BANDS))).astype(np.uint16)
    return chips, pixels


def _write(path: Path, pixels: NDArray[np.uint16], east: float, north: float) -> None:
    """A GeoTIFF of (height, width, bands) whose bands say their names and colours."""
    from rasterio.enums import ColorInterp
    from rasterio.transform import from_origin

    def describe(dataset: Any) -> None:
        dataset.descriptions = BANDS
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)

    grid = {"crs": "EPSG:32631", "transform": from_origin(east, north, _PIXEL, _PIXEL), "nodata": 0}
    write_geotiff(path, np.moveaxis(pixels, -1, 0), {**grid, "photometric": "RGB", "alpha": "NO"}, describe)


def _write_table(path: Path, chips: dict[str, CutChip]) -> None:
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("chip", "scene", "row", "col", "scene date", "chip date"))
        for name, cut in chips.items():
            if cut.place is None:
                rows.writerow((name, "", "", "", "", ""))
            else:
                rows.writerow((name, f"scenes/{cut.place.name}.tif", cut.row, cut.col, *cut.place.dates))
