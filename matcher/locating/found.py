"""The places of chips as one list, which notebooks show as a table with pictures."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.formats.notebook import ROWS, pictures, table, window
from matcher.formats.raster import RasterSource
from matcher.formats.recalled import Recalled, Showing
from matcher.geo.place import Place, records

_HEADS = ("chip", "scene", "row", "col", "lon", "lat", "scale", "confidence", "reason")
_SHOWN = ("red", "green", "blue")
_LARGEST = 1024  # pixels a side of the ground that is read to be shown


class Places(Showing[tuple[RasterSource, RasterSource]], list[Place]):
    """What `matcher.locate` hands back: for each chip in turn its places, best first.

    Parameters
    ----------
    places : iterable of Place
    chips, scenes : RasterSource
        What was located, and where; files are opened again when they are shown.
    """

    def __init__(self, places: Iterable[Place], chips: RasterSource, scenes: RasterSource) -> None:
        super().__init__(places)
        self._pictures = Recalled((chips, scenes))

    def to_dicts(self) -> list[dict[str, Any]]:
        """A dictionary a place, of the columns of `matcher locate -o`: what `pandas.DataFrame` takes.

        `map_x` to `lat` are of the chip's middle; rows and columns are to a tenth of a pixel, degrees to 1e-7; None
        stands where there is nothing to tell.
        """
        return records(self)

    def __repr__(self) -> str:
        few = ", ".join(map(repr, self[:1])) + ", …" * (len(self) > 1)
        return f"Places({self._told()}: [{few}])"

    def _told(self) -> str:
        best = [place for place in self if place.rank < 2]
        return f"{sum(place.rank > 0 for place in best)} of {len(best)} chips found"

    def _repr_html_(self) -> str:
        """The least sure best places as a table: the chip, the ground found for it, and where that is."""
        best = [place for place in self if place.rank < 2]
        least = sorted(best, key=lambda place: place.confidence)[:ROWS]
        heads, rows, lacking = self._illustrated(
            [*_HEADS],
            [_row(place, told) for place, told in zip(least, records(least), strict=True)],
            lambda row, sources: _drawn(least[row], *sources),
        )
        which = f"; the {len(least)} least sure" if len(least) < len(best) else ""
        return table(heads, rows, self._told() + which + lacking)


def _row(place: Place, told: dict[str, Any]) -> list[object]:
    """The cells of a place, beside its pictures."""
    chip, scene = (value.rstrip("/").rsplit("/", 1)[-1] for value in (place.chip, place.scene))
    where = ["" if told[key] is None else told[key] for key in ("row", "col", "lon", "lat", "scale")]
    return [chip, scene or "in none of these scenes", *where, f"{place.confidence:.3f}", place.reason]


def _drawn(place: Place, chips: RasterSource, scenes: RasterSource) -> list[object]:
    """The chip and the ground found for it, as images; an empty cell where there is none."""
    chip = next(k for k, raster in enumerate(chips.rasters) if raster.name == place.chip)
    shown, names = [_colours(chips, chip)[chip]], ["chip"]
    if place.rank:
        scene = next(k for k, raster in enumerate(scenes.rasters) if raster.name == place.scene)
        ground = _ground(scenes, scene, place)
        if ground is not None:
            shown, names = [*shown, ground], ["chip", "found"]
    drawn: list[object] = [*pictures(shown, names)]
    return [*drawn, ""][:2]


def _ground(scenes: RasterSource, scene: int, place: Place) -> NDArray | None:
    """The scene's own pixels under a chip; None where they are too many to be read for a look."""
    high, wide, _ = scenes.shape(scene)
    height, width = place.size
    ring = [place.affine @ point for point in ((0, 0), (0, height), (width, height), (width, 0))]
    (left, top), (right, bottom) = np.rint(np.min(ring, 0)), np.rint(np.max(ring, 0))
    y, x = int(max(top, 0)), int(max(left, 0))
    size = int(min(bottom, high)) - y, int(min(right, wide)) - x
    if not 0 < min(size) <= max(size) <= _LARGEST:
        return None
    return window(_colours(scenes, scene), scene, (y, x), size)


def _colours(source: RasterSource, index: int) -> RasterSource:
    """The source with red, green and blue alone, where that picture has them."""
    names: Sequence[str | None] = source.rasters[index].names
    if not all(name in names for name in _SHOWN):
        return source
    rasters = list(source.rasters)
    rasters[index] = source.subset([index]).select(_SHOWN).rasters[0]
    return RasterSource(rasters, source.name, source.ids)
