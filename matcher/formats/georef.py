"""What a raster file says of where it lies, read as north up; world files and ``.aux.xml`` beside pictures too."""

import functools
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.geo.grid import Grid, to_geographic

_WORLD_FILES = (".wld", ".pgw", ".pngw", ".jgw", ".jpgw", ".jpegw")
_COMPASS = {"north", "east", "south", "west"}


@dataclass(frozen=True)
class Turned:
    """How the pixels of a file are laid so that the picture's rows go down and its columns right on the map.

    Attributes
    ----------
    swapped : bool
        Rows and columns change places, before anything else.
    rows, columns : bool
        Rows or columns run the other way.
    """

    swapped: bool = False
    rows: bool = False
    columns: bool = False

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The shape of the picture for that of the file, and the other way round."""
        return shape[::-1] if self.swapped else shape

    def window(
        self, row: int, col: int, shape: tuple[int, int], whole: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """A window of the picture, whose shape is `whole`, as row, column, height and width in the file."""
        row = whole[0] - row - shape[0] if self.rows else row
        col = whole[1] - col - shape[1] if self.columns else col
        return (col, row, shape[1], shape[0]) if self.swapped else (row, col, shape[0], shape[1])

    def in_file(self, row: float, col: float, whole: tuple[int, int]) -> tuple[float, float]:
        """A point of the picture, whose shape is `whole`, as row and column in the file."""
        row = whole[0] - row if self.rows else row
        col = whole[1] - col if self.columns else col
        return (col, row) if self.swapped else (row, col)

    def in_picture(self, row: float, col: float, whole: tuple[int, int]) -> tuple[float, float]:
        """A point of the file as row and column in the picture, whose shape is `whole`."""
        row, col = (col, row) if self.swapped else (row, col)
        return whole[0] - row if self.rows else row, whole[1] - col if self.columns else col

    def lay(self, array: NDArray) -> NDArray:
        """Pixels as the file has them, (height, width) or with bands behind, as the picture has them."""
        array = array.swapaxes(0, 1) if self.swapped else array
        return array[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


UPRIGHT = Turned()


@dataclass(frozen=True)
class Georef:
    """Where a picture lies, or in words why that cannot be said, and how its file's pixels are turned for it."""

    grid: Grid | None
    why: str = ""
    turned: Turned = UPRIGHT


def read_georef(dataset: Any, path: str) -> Georef:
    """What a rasterio dataset says of where it lies."""
    transform, shape = dataset.transform, (dataset.height, dataset.width)
    if transform.is_identity and (dataset.gcps[0] or dataset.rpcs is not None):
        return Georef(
            None, "has ground control points or RPCs and no transform: warp it first, such as by `gdalwarp`"
        )
    crs = _name(dataset.crs) if dataset.crs is not None else _prj(path)
    if not crs:
        beside = " and no .prj or .aux.xml beside it that tells it" if not transform.is_identity else ""
        return Georef(None, f"has no CRS{beside}: set one, such as by `rio edit-info --crs EPSG:32631`")
    if transform.is_identity:
        return Georef(None, "has a CRS and no transform: georeference it first")
    return as_on_the_map(Grid(crs, Affine(*transform[:6]), shape))


def has_sidecar(path: str) -> bool:
    """Whether a world file or an ``.aux.xml`` lies beside a picture."""
    stem = os.path.splitext(path)[0]
    names = [path + ".aux.xml", *(stem + end for low in _WORLD_FILES for end in (low, low.upper()))]
    return any(os.path.exists(name) for name in names)


def as_on_the_map(grid: Grid) -> Georef:
    """The grid of a file, turned by right angles and flipped until rows go down and columns right on the map.

    Without a grid and with the reason in words where it lies nowhere on Earth.
    """
    if why := _nowhere(grid):
        return Georef(None, why)
    a, b, _, d, e, _ = grid.transform[:6]
    swapped = abs(a * e) < abs(b * d)
    if swapped:
        a, b, d, e = b, a, e, d
    back = {"west", "south"} <= _directions(grid.crs)  # coordinates grow so in CRS of South Africa
    turned = Turned(swapped, rows=(e > 0) != back, columns=(a < 0) != back)
    high, wide = turned.shape(grid.shape)
    # Pixels of the picture to pixels of the file: the flips first, and then the exchange.
    to_file = Affine(
        -1 if turned.columns else 1, 0, wide if turned.columns else 0,
        0, -1 if turned.rows else 1, high if turned.rows else 0,
    )  # fmt: skip
    if swapped:
        to_file = Affine(0, 1, 0, 1, 0, 0) @ to_file
    laid = replace(grid, transform=grid.transform @ to_file, shape=(high, wide))
    return Georef(laid if turned != UPRIGHT else grid, turned=turned)


@functools.lru_cache(64)
def _directions(crs: str) -> frozenset[str]:
    """Where the axes of a CRS point to, on the ground; empty where it is none of the Earth's surface."""
    from pyproj.exceptions import CRSError, ProjError

    try:
        axes = to_geographic(crs).source_crs.axis_info
    except (ProjError, CRSError):
        return frozenset()
    found = frozenset(axis.direction for axis in axes) - {"up", "down"}
    return found if found <= _COMPASS else frozenset()


def _nowhere(grid: Grid) -> str:
    """Why a grid does not lie on the Earth; empty where it does."""
    if not _directions(grid.crs):
        return "has a CRS that is local, or none of the Earth's surface: give it one that is"
    linear = np.reshape(grid.transform[:6], (2, 3))[:, :2]
    if not np.isfinite(linear).all() or abs(np.linalg.det(linear)) == 0:
        return "has a transform without an extent: georeference it anew"
    with np.errstate(all="ignore"):
        ground = grid.ground()
    if not np.isfinite(ground).all() or abs(np.linalg.det(ground)) == 0:
        return f"lies nowhere on Earth by its transform and its CRS ({grid.crs[:40]}): they do not fit each other"
    return ""


def _name(crs: Any) -> str:
    """A rasterio CRS as AUTHORITY:CODE, or else as WKT."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.to_wkt())


def _prj(path: str) -> str:
    """The CRS of a ``.prj`` file beside a raster; empty where there is none that can be read."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    for end in (".prj", ".PRJ"):
        try:
            with open(os.path.splitext(path)[0] + end, encoding="utf-8", errors="replace") as file:
                return _name(CRS.from_wkt(file.read(100_000)))
        except (OSError, CRSError):
            continue
    return ""
