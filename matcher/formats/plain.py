"""Pictures that say neither their bands nor where they lie: some of their bands, and the same as rasters."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher.formats.bandnames import choose, parse_bands
from matcher.formats.base import Joined, Source, Typed, Windowed
from matcher.formats.handles import Window
from matcher.formats.raster import Band, Raster, RasterSource
from matcher.settings import BANDS_BY_COUNT, Settings


class ChosenBands:
    """A source's pictures with some of their bands, in another order; a `matcher.formats.base.Windowed`.

    Parameters
    ----------
    source : Source
    bands : sequence of int
        Numbers of bands, from 0.

    Attributes
    ----------
    source : Source
        With all its bands.
    """

    def __init__(self, source: Source, bands: Sequence[int]) -> None:
        self.source, self._bands = source, list(bands)
        self.name, self.ids = source.name, source.ids

    def __len__(self) -> int:
        return len(self.source)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        height, width, _ = self.source.shape(index)
        return height, width, len(self._bands)

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        return self.source.where(index)

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands)."""
        return np.ascontiguousarray(self.source[index][..., self._bands])

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        """A window of one picture, (height, width, bands)."""
        return _window(self.source, index, (row, col, height, width))[..., self._bands]


class _HeldPicture:
    """One picture of a source as a `matcher.formats.handles.Handle`, which needs no opening."""

    def __init__(self, source: Source, index: int) -> None:
        self._source, self._index = source, index

    def read(self, indices: list[int], window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (bands, height, width) of a window; all of them are data."""
        part = _window(self._source, self._index, window)[..., [k - 1 for k in indices]]
        return np.moveaxis(part, -1, 0), np.zeros(part.shape[:2], bool)

    def close(self) -> None:
        """Nothing is held open."""


def with_bands(source: Source, wanted: Sequence[str] | None) -> Source:
    """The source, or where names of bands come with their numbers, with these bands.

    Raises
    ------
    FormatError
        If a band is not there.
    """
    if wanted is None or isinstance(source, RasterSource) or not parse_bands(wanted)[1]:
        return source
    count = source.shape(0)[2]
    choice = choose(source.where(0), [None] * count, [False] * count, wanted)
    return ChosenBands(source, [k - 1 for k in choice.indices])


def names_of(source: Source, wanted: Sequence[str] | None) -> tuple[str | None, ...]:
    """Names of a source's bands: what rasters say, what was asked for, or those of so many bands by default.

    Raises
    ------
    SettingsError
        If other numbers of bands are named than there are.
    """
    if isinstance(source, RasterSource):
        return source.band_names
    count = source.shape(0)[2]
    if wanted is not None:
        return Settings(bands=parse_bands(wanted)[0]).band_names(count)
    return BANDS_BY_COUNT.get(count, (None,) * count)


def with_offset(source: RasterSource, offset: float | None) -> RasterSource:
    """The rasters with an offset in place of what their files say is added to their values; as they are where None."""
    if offset is None:
        return source
    rasters = [replace(raster, offset=offset) for raster in source.rasters]
    return RasterSource(rasters, source.name, source.ids)


def as_rasters(source: Source, wanted: Sequence[str] | None = None) -> RasterSource:
    """A source as rasters: itself where it is that, otherwise without a place on Earth, bands named by their number.

    Raises
    ------
    SettingsError
        If other numbers of bands are named than there are.
    """
    if isinstance(source, RasterSource):
        return source
    names = names_of(source, wanted)
    rasters = []
    for k in range(len(source)):
        height, width, _ = source.shape(k)
        name = _called(source, k)
        bands = tuple(Band("", n, name) for n, name in enumerate(names, 1))
        rasters.append(
            Raster(
                name,
                height,
                width,
                source.dtype(k).str if isinstance(source, Typed) else "",
                bands,
                _HeldPicture(source, k),
                ungridded="does not say where it lies",
            )
        )
    return RasterSource(rasters, source.name, source.ids)


def _called(source: Source, index: int) -> str:
    """What one picture is called: its file, and its id where the file holds several."""
    whole = source.source if isinstance(source, ChosenBands) else source
    own = whole.part(index)[0] if isinstance(whole, Joined) else whole
    return own.name if len(own) == 1 else f"{own.name}, {source.ids[index]}"


def _window(source: Source, index: int, window: Window) -> NDArray:
    row, col, height, width = window
    if isinstance(source, Windowed):
        return source.read(index, row, col, height, width)
    return source[index][row : row + height, col : col + width]
