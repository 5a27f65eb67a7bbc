"""What opening a raster tells, as JSON: an index keeps it, so that a search need not open every raster first."""

from dataclasses import MISSING, fields
from typing import Any

from affine import Affine

from matcher.formats.georef import Turned
from matcher.formats.raster import Band, Raster
from matcher.formats.rasters import open_handle
from matcher.formats.zarrs import Store
from matcher.geo.grid import Grid

_OPENERS = {"gdal": open_handle, "zarr": Store}
_DEFAULTS = {one.name: one.default for one in fields(Raster) if one.default is not MISSING}


def header_of(raster: Raster) -> dict[str, Any] | None:
    """A raster as JSON has it, of what is not as by default; None where it is not opened by a path alone."""
    opener = next((name for name, opener in _OPENERS.items() if raster.opener is opener), None)
    if opener is None:
        return None
    told = {one.name: getattr(raster, one.name) for one in fields(raster)}
    told = {name: value for name, value in told.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
    told |= {"opener": opener, "bands": [_of_band(band) for band in raster.bands]}
    if raster.alpha is not None:
        told["alpha"] = _of_band(raster.alpha)
    if raster.georef is not None:
        grid = raster.georef
        told["georef"] = [grid.crs, [*grid.transform[:6]], [*grid.shape]]
    if "turned" in told:
        told["turned"] = [getattr(raster.turned, one.name) for one in fields(Turned)]
    return told


def raster_of(header: dict[str, Any]) -> Raster:
    """The raster that `header_of` took."""
    told = dict(header)
    told |= {"opener": _OPENERS[told["opener"]], "bands": tuple(Band(*one) for one in told["bands"])}
    if "alpha" in told:
        told["alpha"] = Band(*told["alpha"])
    if "georef" in told:
        crs, transform, shape = told["georef"]
        told["georef"] = Grid(crs, Affine(*transform), (shape[0], shape[1]))
    if "against" in told:
        told["against"] = tuple(told["against"])
    if "turned" in told:
        told["turned"] = Turned(*told["turned"])
    return Raster(**told)


def _of_band(band: Band) -> list[Any]:
    return [band.path, band.index, band.name]
