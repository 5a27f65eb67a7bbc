"""Zarr stores as xarray writes them: bands or dates of one grid, by xarray, which is imported where one is read.

A store is read as CF has it: arrays over two axes of the ground (x and y, longitude and latitude) and, if it likes,
``time`` and ``band``; coordinates give the transform, ``spatial_ref`` or attributes the CRS, ``_FillValue`` no data,
``scale_factor`` and ``add_offset`` the values. Several arrays are a band each, by their names; several dates are a
raster each.
"""

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats.bandnames import choose, name_of
from matcher.formats.gather import Entry, RasterForm
from matcher.formats.georef import Georef, as_on_the_map
from matcher.formats.handles import HANDLES, Window
from matcher.formats.raster import Band, Raster
from matcher.geo.grid import Grid
from matcher.version import install_command

SUFFIXES = (".zarr", ".zarr.zip")
_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
_X = ("x", "lon", "longitude", "easting", "long")
_Y = ("y", "lat", "latitude", "northing")
_TIME = ("time", "date", "t", "datetime")
_EVEN = 0.01  # of a step: coordinates that leave an even grid by more, rounding aside, are no grid


class ZarrReader(RasterForm):
    """Stores of bands or dates; every date is a raster."""

    name = f"Zarr stores ({', '.join(SUFFIXES)})"

    def claims(self, path: str) -> bool:
        """Whether a path has one of the suffixes, or is a folder that Zarr wrote."""
        low = path.lower().rstrip("/\\")
        return low.endswith(SUFFIXES) or any(os.path.isfile(os.path.join(path, mark)) for mark in _MARKS)

    def entries(self, paths: Sequence[str]) -> list[Entry]:
        """A raster a date of every store."""
        return [entry for path in paths for entry in _entries(path)]


def _entries(path: str) -> list[Entry]:
    try:
        with HANDLES.lock:
            dates = HANDLES.get(path, Store).dates
    except FormatError as error:
        fault = error

        def fail(_: Sequence[str] | None) -> Raster:
            raise fault

        return [Entry(path, fail, (path,))]
    names = [path] if len(dates) == 1 else [f"{path}, {date}" for date in dates]
    return [Entry(name, partial(_raster, path, k, name), (path,)) for k, name in enumerate(names)]


def _raster(path: str, date: int, name: str, bands: Sequence[str] | None) -> Raster:
    """One date of a store."""
    with HANDLES.lock:
        return raster_of(HANDLES.get(path, Store), path, date, name, bands)


def raster_of(store: "Store", path: str, date: int, name: str, bands: Sequence[str] | None) -> Raster:
    """One date of an open store as a raster whose bands are in the file `path`."""
    choice = choose(name, store.names, [False] * len(store.names), bands, in_order=store.in_order)
    first = date * len(store.names)
    return Raster(
        name, *store.georef.turned.shape((store.height, store.width)), store.dtype,
        tuple(Band(path, first + k, n) for k, n in zip(choice.indices, choice.names, strict=True)),
        Store, store.georef.grid, ungridded=store.georef.why, against=choice.against, assumed=choice.assumed,
        label=store.dates[date],
        turned=store.georef.turned,
    )  # fmt: skip


@dataclass(frozen=True)
class _Layer:
    """One band of a store: its array, and its number along the axis of bands, if it has one."""

    array: Any
    axis: str | None = None
    number: int = 0


class Store:
    """An open store, a `matcher.formats.handles.Handle`.

    Attributes
    ----------
    names : list of str or None
        Of its bands, where it says them.
    in_order : bool
        Whether the bands have an order: arrays of their own have none.
    dates : list of str
    height, width : int
    dtype : str
        Of the values that `read` gives.
    georef : Georef
    """

    def __init__(self, path: str, data: Any = None) -> None:
        self._path = path
        self._data = _open(path) if data is None else data
        self._y, self._x = _axes(path, self._data)
        arrays = _arrays(path, self._data, self._y, self._x)
        times = sorted({d for a in arrays for d in map(str, a.dims) if d.lower() in _TIME})
        self._time = times[0] if times else None
        self._layers, self.names = _layers(path, arrays, {self._y, self._x, *times[:1]})
        self.in_order = self._layers[0].axis is not None
        self.dates = _dates(self._data, self._time)
        self.height, self.width = (int(self._data.sizes[axis]) for axis in (self._y, self._x))
        if not self.dates or not self.height or not self.width:
            raise FormatError(f"{path}: holds no picture, its arrays are empty")
        kinds = {_dtype(layer.array) for layer in self._layers}
        self.dtype = str(np.result_type(*kinds))
        (self._flip_y, rows), (self._flip_x, columns) = (
            _steps(self._data, axis, down) for axis, down in ((self._y, True), (self._x, False))
        )
        shape = (self.height, self.width)
        self.georef = _georef(self._data, arrays[0], rows, columns, self._x, shape)
        if self.georef.grid is None:
            self._flip_y = self._flip_x = False

    def close(self) -> None:
        """Let go of the store."""
        self._data.close()

    def read(self, indices: list[int], window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (bands, height, width) of a window, north up, and where they are no data."""
        row, col, height, width = window
        rows = _span(row, height, self.height, self._flip_y)
        columns = _span(col, width, self.width, self._flip_x)
        values = np.empty((len(indices), height, width), self.dtype)
        empty = np.zeros((height, width), bool)
        for n, index in enumerate(indices):
            date, k = divmod(index - 1, len(self._layers))
            part, none = self._read(self._layers[k], date, {self._y: rows, self._x: columns})
            values[n] = part[:: -1 if self._flip_y else 1, :: -1 if self._flip_x else 1]
            empty |= none[:: -1 if self._flip_y else 1, :: -1 if self._flip_x else 1]
        return values, empty

    def _read(self, layer: _Layer, date: int, where: dict[str, Any]) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (rows, columns) of a band as the store has them, and where they are its fill value."""
        array = layer.array
        if layer.axis is not None:
            where = where | {layer.axis: layer.number}
        if self._time is not None and self._time in array.dims:
            where = where | {self._time: date}
        try:
            raw = array.isel(where).transpose(self._y, self._x).to_numpy()
        except Exception as error:  # codecs and stores raise errors of many kinds
            raise FormatError(f"{self._path}: the array {array.name} cannot be read: {error}") from None
        empty = np.zeros(raw.shape, bool)
        for value in _fills(array):  # 0 is no data where all bands say so, which needs no mask
            empty |= np.isnan(raw) if math.isnan(value) else raw == value
        scale, offset = _scaling(array)
        return (raw if (scale, offset) == (1.0, 0.0) else (raw * scale + offset)), empty


def _open(path: str) -> Any:
    """The store's own data set, values as stored."""
    try:
        import xarray
        import zarr  # noqa: F401 (xarray's reader of stores)
    except ImportError:
        raise FormatError(f"{path}: reading Zarr needs xarray and zarr: {install_command('zarr')}") from None
    if not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    for times in (True, False):  # dates of calendars that xarray does not know stay numbers
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return xarray.open_zarr(path, chunks=None, mask_and_scale=False, decode_times=times)
        except Exception as error:  # stores and codecs raise errors of many kinds
            fault = error
    text = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
    raise FormatError(
        f"{path}: cannot be opened as a Zarr store that xarray wrote: {text}; its arrays need names for their axes"
    ) from None


def _axes(path: str, data: Any) -> tuple[str, str]:
    """The axes of the ground, y and x."""
    sizes = {str(name): name for array in data.data_vars.values() for name in array.dims}
    found = [next((name for name in sizes if name.lower() in known), None) for known in (_Y, _X)]
    if found[0] is None or found[1] is None:
        has = ", ".join(sizes) or "none"
        inside = (
            sorted(name for name in os.listdir(path) if _is_group(os.path.join(path, name)))
            if os.path.isdir(path)
            else []
        )
        groups = f"; name one of its groups, such as {os.path.join(path, inside[0])}" if inside else ""
        raise FormatError(f"{path}: has no array over x and y (its axes: {has}){groups}")
    return found[0], found[1]


def _is_group(path: str) -> bool:
    return any(os.path.isfile(os.path.join(path, mark)) for mark in _MARKS)


def _arrays(path: str, data: Any, y: str, x: str) -> list[Any]:
    """The store's arrays of numbers over the ground."""
    found = [a for a in data.data_vars.values() if {y, x} <= set(a.dims) and a.dtype.kind in "uif"]
    if not found:
        raise FormatError(f"{path}: has no array of numbers over {y} and {x}")
    return found


def _layers(path: str, arrays: list[Any], ground: set[str]) -> tuple[list[_Layer], list[str | None]]:
    """The bands, and their names: those of an array with an axis of bands, or one of every array."""
    over = [(a, [str(d) for d in a.dims if d not in ground]) for a in arrays]
    stacks = [(a, axes) for a, axes in over if axes]
    if any(len(axes) > 1 for _, axes in stacks) or len(stacks) > 1:
        has = "; ".join(f"{a.name} over {', '.join(map(str, a.dims))}" for a, _ in over)
        raise FormatError(
            f"{path}: nothing says which of its axes are bands ({has}); write one array over band and "
            f"{', '.join(sorted(ground))}"
        )
    if not stacks:
        names = [_name(str(a.name), a.attrs) for a in arrays]
        return [_Layer(a) for a in arrays], ["gray"] if names == [None] else names
    array, (axis,) = stacks[0]
    count = int(array.sizes[axis])
    said = array.attrs.get("long_name")
    if not isinstance(said, list | tuple) or len(said) != count:
        said = [""] * count
    labels = array[axis].to_numpy().tolist() if axis in array.coords else [""] * count
    beside = [
        c
        for c in ("common_name", "eo:common_name", "band_name")
        if c in array.coords and array[c].dims == (axis,)
    ]
    named = array[beside[0]].to_numpy().tolist() if beside else [""] * count
    known = [
        name_of(str(one)) or name_of(str(label)) or name_of(str(text))
        for one, label, text in zip(named, labels, said, strict=True)
    ]
    return [_Layer(array, axis, k) for k in range(count)], ["gray"] if known == [None] else known


def _name(name: str, attrs: dict[str, Any]) -> str | None:
    """The band of an array by its own name, or what its attributes call it."""
    for text in (attrs.get("common_name"), name, attrs.get("long_name"), attrs.get("standard_name")):
        if isinstance(text, str) and (known := name_of(text)):
            return known
    return None


def _dates(data: Any, time: str | None) -> list[str]:
    """What each date is called: the day, with the time of day where two fall on one."""
    if time is None:
        return [""]
    if time not in data.coords:
        return [str(k) for k in range(int(data.sizes[time]))]
    values = data[time].to_numpy()
    if values.dtype.kind != "M":
        return [str(value) for value in values.tolist()]
    days = [str(day) for day in values.astype("datetime64[D]")]
    return days if len(set(days)) == len(days) else [str(at) for at in values.astype("datetime64[s]")]


def _fills(array: Any) -> list[float]:
    """What an array has where there is no data, but for 0."""
    found = [
        array.attrs.get(key, array.encoding.get(key)) for key in ("_FillValue", "missing_value", "nodata")
    ]
    numbers = [float(value) for value in found if isinstance(value, int | float | np.number)]
    return [value for value in numbers if value != 0]


def _scaling(array: Any) -> tuple[float, float]:
    """Factor and offset of stored values."""
    both = [array.attrs.get(key, array.encoding.get(key)) for key in ("scale_factor", "add_offset")]
    return (1.0 if both[0] is None else float(both[0])), (0.0 if both[1] is None else float(both[1]))


def _dtype(array: Any) -> np.dtype:
    """Of an array's values, scaled."""
    own: np.dtype = array.dtype.newbyteorder("=")
    return own if _scaling(array) == (1.0, 0.0) else np.dtype(np.float32)


def _span(start: int, count: int, length: int, flipped: bool) -> slice:
    """A span of a picture in the store's own order."""
    return slice(length - start - count, length - start) if flipped else slice(start, start + count)


def _steps(data: Any, axis: str, down: bool) -> tuple[bool, tuple[float, float] | str]:
    """Whether an axis runs against a picture's (rows down from north, columns right to east), and its grid.

    The grid is the outer edge of the first pixel of the picture, and the step to the next; or why there is none.
    """
    if axis not in data.coords:
        return False, f"has no coordinates along {axis}"
    stored = data[axis].to_numpy()
    centres = stored.astype(np.float64)
    rounding = np.finfo(stored.dtype).eps * np.abs(centres).max() if stored.dtype.kind == "f" else 0.0
    if len(centres) < 2:
        return False, f"has one coordinate along {axis}"
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    even = centres[0] + step * np.arange(len(centres))
    if step == 0 or not np.abs(centres - even).max() <= _EVEN * abs(step) + rounding:
        return False, f"has uneven coordinates along {axis}"
    flipped = bool((step > 0) if down else (step < 0))
    if flipped:
        centres, step = centres[::-1], -step
    return flipped, (float(centres[0] - step / 2), float(step))


def _georef(
    data: Any,
    array: Any,
    rows: tuple[float, float] | str,
    columns: tuple[float, float] | str,
    x: str,
    shape: tuple[int, int],
) -> Georef:
    """Where a store lies, or why that cannot be said."""
    crs = _crs(data, array, x)
    if crs is None:
        return Georef(None, "has no CRS: write one, such as by rioxarray's rio.write_crs")
    if isinstance(rows, str) or isinstance(columns, str):
        told = _told(data, array)
        if told is None:
            return Georef(None, next(why for why in (rows, columns) if isinstance(why, str)))
        return as_on_the_map(Grid(crs, told, shape))
    (top, down), (left, right) = rows, columns
    return as_on_the_map(Grid(crs, Affine(right, 0, left, 0, down, top), shape))


def _told(data: Any, array: Any) -> Affine | None:
    """The transform that the grid mapping says in GDAL's order, where there are no coordinates."""
    mapping = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "spatial_ref"))
    said = data[mapping].attrs.get("GeoTransform", "") if mapping in data.variables else ""
    try:
        c, a, b, f, d, e = (float(part) for part in str(said).split())
    except ValueError:
        return None
    return Affine(a, b, c, d, e, f)


def _crs(data: Any, array: Any, x: str) -> str | None:
    """The CRS by the array's grid mapping, ``spatial_ref``, or attributes; WGS 84 for axes of degrees."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    mapping = array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "spatial_ref"))
    holders = [data[name].attrs for name in (mapping, "spatial_ref", "crs") if name in data.variables]
    said = [
        attrs[key]
        for attrs in (*holders, array.attrs, data.attrs)
        for key in (
            "crs_wkt",
            "spatial_ref",
            "proj:code",
            "proj:wkt2",
            "proj:epsg",
            "epsg",
            "epsg_code",
            "crs",
        )
        if attrs.get(key) not in (None, "")
    ]
    said += [
        data[key].item()
        for key in ("proj:code", "proj:epsg", "epsg")
        if key in data.coords and data[key].size == 1
    ]
    for text in said:
        try:
            crs = CRS.from_user_input(int(text) if str(text).isdigit() else text)
        except (CRSError, ValueError, TypeError):
            continue
        authority = crs.to_authority()
        return ":".join(authority) if authority else str(crs.to_wkt())
    degrees = str(data[x].attrs.get("units", "")).startswith("degree") if x in data.coords else False
    return "EPSG:4326" if degrees or x.lower() in ("lon", "longitude") else None
