"""The part of the ground that all dates of a series show."""

import logging

from matcher.errors import FormatError
from matcher.formats.base import Source
from matcher.formats.raster import RasterSource
from matcher.geo.grid import Grid, common

log = logging.getLogger("matcher")


def shared(source: Source) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Row and column, in each picture, of the first pixel that all show, and the height and width of what they share.

    Raises
    ------
    FormatError
        If pictures that do not say where they lie are of different sizes, or the grids of those that do differ by more
        than whole pixels.
    """
    grids = [raster.georef for raster in source.rasters] if isinstance(source, RasterSource) else []
    known = [grid for grid in grids if grid is not None]
    if known and len(known) == len(grids):
        return _cropped(source, known)
    if known:
        log.warning("%s: not every date says where it lies; taken to lie on each other", source.name)
    first = source.shape(0)
    for k in range(len(source)):
        if source.shape(k) != first:
            raise FormatError(
                f"{source.where(k)}: is of {source.shape(k)}; {first} was expected, as the first date is"
            )
    return [(0, 0)] * len(source), first[:2]


def _cropped(source: Source, grids: list[Grid]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    for k, grid in enumerate(grids):
        if common([grids[0], grid]) is None:
            what = "another CRS" if grid.crs != grids[0].crs else "another grid, not off by whole pixels,"
            raise FormatError(
                f"{source.where(k)}: has {what} than {source.where(0)}, a date of the same place: bring all to one "
                "grid, such as by `rio warp --like`"
            )
    found = common(grids)
    if found is None or 0 in found[1]:
        raise FormatError(f"{source.name}: its dates show no ground that all of them share")
    corners, shape = found
    if any(grid.shape != shape for grid in grids):
        log.warning("%s: cropped to the %d x %d px that all dates show", source.name, *shape)
    return corners, shape
