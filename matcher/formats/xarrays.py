"""DataArrays and Datasets of xarray as rasters: bands, dates and place are told as those of Zarr stores are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from matcher.formats.gather import uniform
from matcher.formats.raster import Raster, RasterSource
from matcher.formats.reader import Asked
from matcher.formats.zarrs import Store, raster_of


def is_xarray(what: Any) -> bool:
    """Whether something is a DataArray or a Dataset, or a sequence of them; xarray is not imported to tell."""
    if isinstance(what, list | tuple):
        return len(what) > 0 and all(map(is_xarray, what))
    kind = type(what)
    return kind.__module__.split(".")[0] == "xarray" and kind.__name__ in ("DataArray", "Dataset")


def open_xarrays(what: Any, asked: Asked) -> RasterSource:
    """The rasters of one or several DataArrays or Datasets, one a date of each.

    Raises
    ------
    FormatError
        If one has no axes x and y, or nothing says which of its bands are which.
    """
    given: Sequence[Any] = what if isinstance(what, list | tuple) else [what]
    rasters = [raster for k, one in enumerate(given) for raster in _rasters(one, k, len(given), asked)]
    if asked.offset is not None:
        rasters = [replace(raster, offset=asked.offset) for raster in rasters]
    source = RasterSource(rasters, asked.name, np.arange(len(rasters), dtype=np.int64))
    return source if asked.mixed else uniform(source)


def _rasters(one: Any, number: int, of: int, asked: Asked) -> list[Raster]:
    own = getattr(one, "name", None)
    called = str(own) if own else asked.noun
    called = called if of == 1 else f"{called} {number}"
    data = one if type(one).__name__ == "Dataset" else _dataset(one)
    store = Store(called, data)
    names = [called] if len(store.dates) == 1 else [f"{called}, {date}" for date in store.dates]
    return [replace(raster_of(store, "", k, name, asked.bands), opener=store) for k, name in enumerate(names)]


def _dataset(array: Any) -> Any:
    """A DataArray as a Dataset, its attributes kept; `band` stays an axis."""
    name = str(array.name) if array.name else "values"
    return array.rename(name).to_dataset(promote_attrs=False)
