"""Whether rasters that are compared pixel by pixel, and say how large their pixels are, say the same."""

import numpy as np

from matcher.errors import MatcherError
from matcher.formats.raster import Raster, RasterSource
from matcher.geo.grid import Grid, relation

_ALIKE = 0.03  # by which pixel sizes may differ, as a share


def check_pixel_sizes(patches: RasterSource, images: RasterSource) -> None:
    """Raise where a patch and an image state different pixel sizes, or, of one CRS, different directions.

    Raises
    ------
    MatcherError
        It names both files and points to `matcher locate`.
    """
    for patch in _kinds(patches):
        for image in _kinds(images):
            if not _alike(patch.georef, image.georef):
                raise MatcherError(
                    f"{patch.name}: has pixels of {_said(patch)}, and {image.name} of {_said(image)}, which cannot be "
                    "compared pixel by pixel; use `matcher locate`, which brings them to one grid"
                )


def _kinds(source: RasterSource) -> list[Raster]:
    """The first raster of each pixel size and CRS, of those that say so."""
    found: dict[tuple[object, ...], Raster] = {}
    for raster in source.rasters:
        grid = raster.georef
        if grid is not None:
            # A pixel of degrees is wider or narrower on the ground with the latitude.
            size = [float(f"{metres:.2g}") for metres in _metres(grid)]
            linear = [float(f"{grid.transform[k]:.4g}") for k in (0, 1, 3, 4)]
            found.setdefault((grid.crs, *size, *linear), raster)
    return list(found.values())


def _alike(one: Grid | None, other: Grid | None) -> bool:
    if one is None or other is None:
        return True
    if one.crs == other.crs:
        return bool(np.abs(relation(one, other) - np.eye(2)).max() <= _ALIKE)
    return bool(np.abs(np.array(_metres(one)) / _metres(other) - 1).max() <= _ALIKE)


def _metres(grid: Grid) -> tuple[float, float]:
    """Width and height of a pixel on the ground."""
    across, down = np.linalg.norm(grid.ground(), axis=0).tolist()
    return across, down


def _said(raster: Raster) -> str:
    assert raster.georef is not None
    across, down = _metres(raster.georef)
    turned = abs(raster.georef.transform.b) > _ALIKE * abs(raster.georef.transform.a)
    return f"{across:.4g} x {down:.4g} m{', turned' if turned else ''}"
