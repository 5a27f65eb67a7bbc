"""Where chips lie on Earth: the table that `matcher.locate` hands back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.geo.grid import Grid, crs_as_wkt, degrees
from matcher.values import brief
from matcher.version import install_command

COLUMNS = (
    "chip", "rank", "scene", "row", "col", "map_x", "map_y", "lon", "lat", "crs",
    "scale", "rotation", "score", "confidence", "reason", "chip_id", "scene_id",
)  # fmt: skip


@brief
@dataclass(frozen=True)
class Place:
    """One place of one chip, or that it was refused.

    Attributes
    ----------
    chip : str
        The chip's file.
    rank : int
        1 for the best place, 2 and more for other candidates; 0 where the chip is in none of the scenes.
    scene : str
        The scene's file; empty where refused.
    row, col : float
        The chip's top-left corner in the scene's pixels, from the outer corner of its first pixel; nan where refused.
    affine : Affine
        Column and row in the chip to column and row in the scene.
    size : (int, int)
        The chip's height and width, its own pixels.
    georef : Grid, optional
        Of the scene; None where it is a plain picture.
    scale : float
        Scene pixels a chip pixel.
    rotation : float
        Degrees that the chip was turned anticlockwise to lie as the scene does.
    score : float
        Log-likelihood ratio, nats.
    confidence : float
        From 0 to 1: how probable it is that this is the place.
    reason : str
        Why it is in doubt or refused, one of `matcher.decision.reasons.CODES`; empty where it is neither.
    chip_id, scene_id : int, optional
        Their numbers, as submissions and details have them; None where nothing numbers them, or refused.
    """

    chip: str
    rank: int
    scene: str
    row: float
    col: float
    affine: Affine
    size: tuple[int, int]
    georef: Grid | None
    scale: float
    rotation: float
    score: float
    confidence: float
    reason: str
    chip_id: int | None = None
    scene_id: int | None = None

    @property
    def transform(self) -> Affine | None:
        """The chip's own pixels to map coordinates of the scene's CRS; None where it has none."""
        return None if self.georef is None else self.georef.transform @ self.affine

    def outline(self) -> list[tuple[float, float]]:
        """Map coordinates of the chip's corners: top left, bottom left, bottom right, top right; empty without CRS."""
        transform = self.transform
        if transform is None:
            return []
        height, width = self.size
        return [transform @ point for point in ((0, 0), (0, height), (width, height), (width, 0))]

    def to_xarray(self, values: NDArray) -> Any:
        """The chip's pixels as a DataArray in their place on the map, as rioxarray reads them.

        Parameters
        ----------
        values : ndarray (height, width, bands) or (height, width)

        Raises
        ------
        MatcherError
            If the scene has no CRS, the values are of another size than the chip, or xarray is missing.
        """
        transform = self.transform
        if transform is None or self.georef is None:
            raise MatcherError(f"{self.chip}: was found in no scene with a CRS, so it has no place on a map")
        if values.shape[:2] != self.size:
            raise MatcherError(
                f"{self.chip}: is of {self.size} px, and values of {values.shape[:2]} were given"
            )
        xarray, crs = _xarray(), crs_as_wkt(self.georef.crs)
        stack = np.moveaxis(values.reshape(*self.size, -1), -1, 0)
        t = transform
        said = " ".join(repr(float(v)) for v in (t.c, t.a, t.b, t.f, t.d, t.e))
        coords: dict[str, Any] = {
            "band": np.arange(1, len(stack) + 1),
            "spatial_ref": ((), 0, {"crs_wkt": crs, "spatial_ref": crs, "GeoTransform": said}),
        }
        if t.b == 0 == t.d:
            coords["x"] = t.c + t.a * (np.arange(self.size[1]) + 0.5)
            coords["y"] = t.f + t.e * (np.arange(self.size[0]) + 0.5)
        name = self.chip.rstrip("/").rsplit("/", 1)[-1]
        told = {"grid_mapping": "spatial_ref", "scene": self.scene, "confidence": self.confidence}
        return xarray.DataArray(stack, coords, ("band", "y", "x"), name, told)

    def centre(self) -> tuple[float, float]:
        """Map coordinates of the chip's middle; nan without CRS."""
        transform = self.transform
        if transform is None:
            return math.nan, math.nan
        x, y = transform @ (self.size[1] / 2, self.size[0] / 2)
        return x, y


def _xarray() -> Any:
    try:
        import xarray
    except ImportError:
        raise MatcherError(f"DataArrays need xarray: {install_command('zarr')}") from None
    return xarray


def records(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Places as dictionaries of `COLUMNS`: map and geographic coordinates are the chip's middle; None where unknown.

    Rows and columns are to a tenth of a pixel, degrees to 1e-7.
    """
    out = []
    for place in places:
        x, y = place.centre()
        lon, lat = degrees(place.georef.crs, [(x, y)])[0] if place.georef else (math.nan, math.nan)
        refused = place.rank == 0
        row = {
            "chip": place.chip, "rank": place.rank, "scene": place.scene or None,
            "row": rounded(place.row, 1), "col": rounded(place.col, 1), "map_x": rounded(x, 8), "map_y": rounded(y, 8),
            "lon": rounded(lon, 7), "lat": rounded(lat, 7), "crs": place.georef.crs if place.georef else None,
            "scale": None if refused else round(place.scale, 6), "rotation": None if refused else place.rotation,
            "score": rounded(place.score, 3), "confidence": rounded(place.confidence, 4), "reason": place.reason,
            "chip_id": place.chip_id, "scene_id": place.scene_id,
        }  # fmt: skip
        out.append(row)
    return out


def rounded(value: float, digits: int) -> float | None:
    """A number as tables have it: to so many digits, and None where it is not finite."""
    return round(float(value), digits) if math.isfinite(value) else None
