"""Where chips lie on Earth: the table that `matcher.locate` hands back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine

from matcher.geo.grid import Grid, degrees

COLUMNS = (
    "chip", "rank", "scene", "row", "col", "map_x", "map_y", "lon", "lat", "crs",
    "scale", "rotation", "score", "confidence", "reason", "chip_id", "scene_id",
)  # fmt: skip


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

    def centre(self) -> tuple[float, float]:
        """Map coordinates of the chip's middle; nan without CRS."""
        transform = self.transform
        if transform is None:
            return math.nan, math.nan
        x, y = transform @ (self.size[1] / 2, self.size[0] / 2)
        return x, y


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
            "row": _round(place.row, 1), "col": _round(place.col, 1), "map_x": _round(x, 8), "map_y": _round(y, 8),
            "lon": _round(lon, 7), "lat": _round(lat, 7), "crs": place.georef.crs if place.georef else None,
            "scale": None if refused else round(place.scale, 6), "rotation": None if refused else place.rotation,
            "score": _round(place.score, 3), "confidence": _round(place.confidence, 4), "reason": place.reason,
            "chip_id": place.chip_id, "scene_id": place.scene_id,
        }  # fmt: skip
        out.append(row)
    return out


def _round(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
