"""A reader of one's own: flat files of pixels, ``scene.flat``, with what they are in ``scene.flat.json`` beside them.

The JSON file has height, width, dtype, bands (their names in order) and, where the picture lies somewhere on Earth, crs
and transform (a, b, c, d, e, f). Pixels lie row by row, the bands of a pixel beside each other.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from affine import Affine

from matcher.errors import FormatError
from matcher.formats.bandnames import choose
from matcher.formats.gather import Entry, RasterForm
from matcher.formats.raster import Band, Raster
from matcher.geo.grid import Grid


class FlatReader(RasterForm):
    """Every file is a raster, which says its bands and its place."""

    name = "flat files (.flat)"

    def claims(self, path: str) -> bool:
        """By the name alone."""
        return path.endswith(".flat")

    def files(self, path: str) -> list[str]:
        """The pixels, and what says what they are: a run notices where either has changed."""
        return [path, f"{path}.json"]

    def entries(self, paths: Sequence[str]) -> list[Entry]:
        """A raster a file, opened when it is its turn."""
        return [Entry(path, partial(raster, path)) for path in paths]


def raster(path: str, wanted: Sequence[str] | None) -> Raster:
    """What a file says of itself, with the bands that were asked for."""
    said = header(path)
    choice = choose(path, said["bands"], [False] * len(said["bands"]), wanted)
    bands = tuple(Band(path, k, name) for k, name in zip(choice.indices, choice.names, strict=True))
    shape = said["height"], said["width"]
    georef = Grid(said["crs"], Affine(*said["transform"]), shape) if "crs" in said else None
    return Raster(
        path, said["height"], said["width"], said["dtype"], bands, Flat, georef, ungridded="has no crs"
    )


def header(path: str) -> dict[str, Any]:
    """The JSON file beside a file."""
    try:
        with open(f"{path}.json", encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError) as error:
        raise FormatError(f"{path}: its header {path}.json cannot be read: {error}") from None


class Flat:
    """An open file, which hands over windows of its bands."""

    def __init__(self, path: str) -> None:
        said = header(path)
        shape = (said["height"], said["width"], len(said["bands"]))
        try:
            self._values = np.memmap(path, said["dtype"], "r", shape=shape)
        except (OSError, ValueError) as error:
            raise FormatError(f"{path}: cannot be read: {error}") from None

    def close(self) -> None:
        """The memory map goes with the object."""

    def read(self, indices: list[int], window: tuple[int, int, int, int]) -> tuple[Any, Any]:
        """Values (bands, height, width) of a window, and where they are no data: nowhere."""
        row, col, height, width = window
        part = self._values[row : row + height, col : col + width, [k - 1 for k in indices]]
        return np.moveaxis(part, -1, 0), np.zeros((height, width), bool)
