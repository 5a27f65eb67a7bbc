"""The moved scene and the displacement field as GeoTIFFs."""

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from matcher.alignment.fits import Transform
from matcher.alignment.frame import moved
from matcher.alignment.run import Alignment
from matcher.errors import MatcherError
from matcher.formats.files import atomic_path
from matcher.formats.geotiff import gdal_errors, import_rasterio
from matcher.formats.raster import Raster
from matcher.geo.grid import Grid

RESAMPLINGS = {"nearest": 0, "bilinear": 1, "cubic": 3}
_BLOCK = 512  # px a side of what is warped at once
_LATTICE = 16  # px between the points where a bent transform is worked out; linear between
_FIELD = 4_000_000  # pixels of a displacement field at most
_STEPS = 8  # of the inverse; each leaves a hundredth of the error and less, for fields that bend so little
_LINEAR = ("shift", "similarity", "affine")


def write_field(path: str | os.PathLike[str], made: Alignment) -> None:
    """Write how far the moving scene's ground lies off, by the transform: two bands on its grid, float32.

    Band 1 is to be added to a point's x, band 2 to its y, in map units (in pixels right and down without a CRS). The
    pixels are those of the scene, or 2, 4, … times as large so that they are at most 4 million.

    Raises
    ------
    MatcherError
        If rasterio is missing or the file cannot be written.
    """
    rasterio = import_rasterio(os.fspath(path))
    step = 1
    while (made.size[0] // step) * (made.size[1] // step) > _FIELD:
        step *= 2
    height, width = (-(-n // step) for n in made.size)
    rows, columns = np.mgrid[:height, :width].astype(np.float64) * step + step / 2
    shifts = made.transform.shifts(np.stack([rows.ravel(), columns.ravel()], -1)).reshape(height, width, 2)
    down, right = np.moveaxis(shifts, -1, 0)
    where: dict[str, Any] = {}
    if made.georef is not None:
        t = made.georef.transform
        right, down = t.a * right + t.b * down, t.d * right + t.e * down
        where = {"crs": made.georef.crs, "transform": t @ Affine.scale(step)}
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 2, "dtype": "float32", "compress": "deflate",
        "predictor": 3, "tiled": True, **where,
    }  # fmt: skip
    with (
        warnings.catch_warnings(),
        atomic_path(path) as temporary,
        gdal_errors(os.fspath(path), "cannot be written"),
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(temporary, "w", **profile) as file:
            file.write(np.stack([right, down]).astype(np.float32))
            unit = "map units" if made.georef is not None else "px"
            for k, axis in enumerate(("x", "y"), 1):
                file.set_band_description(k, f"{axis} shift, {unit}")


@dataclass(frozen=True)
class Onto:
    """The grid that a scene is warped onto, and how.

    Attributes
    ----------
    grid : Grid, optional
        By default the scene's own; the transform alone is edited where that is enough.
    resampling : str
        One of `RESAMPLINGS`.
    """

    grid: Grid | None = None
    resampling: str = "cubic"


def check_moved(name: str, georef: Grid | None, raster: Raster) -> None:
    """Raise where a scene, by its name, cannot be moved: it has no place, or is not one file of this disk."""
    files = {band.path for band in raster.bands}
    if georef is None:
        raise MatcherError(f"{name}: says no place, so it cannot be moved to another: take its tie points")
    if len(files) != 1:
        raise MatcherError(
            f"{name}: is {len(files)} files, and a moved scene is one: align one file that holds its bands"
        )
    if not os.path.isfile(next(iter(files))):
        raise MatcherError(
            f"{name}: is no file of this disk, which a moved scene is made of: copy it to one GeoTIFF first"
        )


def write_moved(path: str | os.PathLike[str], made: Alignment, raster: Raster, onto: Onto) -> str:
    """Write the moving scene where the reference has its ground: one file as one GeoTIFF, with all its bands.

    Where the transform is a shift, a similarity or affine and no other grid is asked for, the file is copied and its
    transform edited: no pixel is touched. Otherwise it is warped, on its own grid or the one given.

    Returns
    -------
    str
        ``edited`` or ``warped``.

    Raises
    ------
    MatcherError
        If the scene has no place, is not one file of this disk, or the output cannot be written.
    """
    check_moved(made.moving, made.georef, raster)
    file = raster.bands[0].path
    if made.transform.kind in _LINEAR and onto.grid is None:
        _edit(file, path, made)
        return "edited"
    _warp(file, path, made, onto)
    return "warped"


def correction(made: Alignment) -> Affine:
    """Map coordinates of the moving scene to those that the reference has, for a linear transform."""
    assert made.georef is not None
    (f, c), (e, b), (d, a) = made.transform.matrix.tolist()
    own = made.georef.transform
    return own @ Affine(1 + a, b, c, d, 1 + e, f) @ ~own


def _edit(source: str, path: str | os.PathLike[str], made: Alignment) -> None:
    rasterio = import_rasterio(source)
    assert made.georef is not None
    with gdal_errors(source, "cannot be opened"), rasterio.open(source) as dataset:
        whole, transform = dataset.driver == "GTiff" and len(dataset.files) == 1, dataset.transform
    with atomic_path(path) as temporary:
        if whole:
            shutil.copyfile(source, temporary)
        with gdal_errors(os.fspath(path), "cannot be written"):
            if not whole:  # a mask in a file beside it comes with it
                from rasterio.shutil import copy

                with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                    copy(source, temporary, driver="GTiff", compress="deflate", BIGTIFF="IF_SAFER")
                Path(f"{temporary}.aux.xml").unlink(missing_ok=True)  # what GeoTIFF has no place for
            with rasterio.open(temporary, "r+") as file:
                file.transform = correction(made) @ transform
                if file.crs is None:
                    file.crs = made.georef.crs  # which a .prj beside the scene tells
                file.update_tags(**_tags(made))


def _tags(made: Alignment) -> dict[str, str]:
    figure = made.accuracy()["rmse"].value
    return {
        "MATCHER_REFERENCE": made.reference,
        "MATCHER_TRANSFORM": made.transform.kind,
        "MATCHER_RMSE_PX": f"{figure:.4f}",
    }


class Inverse:
    """From where the reference has ground to the moving scene's pixel that shows it: p with p + shift(p) = place."""

    def __init__(self, transform: Transform, size: tuple[int, int]) -> None:
        self._transform = transform
        self._lattice: NDArray[np.float64] | None = None
        if transform.bent is not None:
            lines = [np.arange(0, n + _LATTICE, _LATTICE, dtype=np.float64) for n in size]
            at = np.stack(np.meshgrid(*lines, indexing="ij"), -1)
            self._lattice = np.moveaxis(transform.shifts(at.reshape(-1, 2)).reshape(at.shape), -1, 0)

    def __call__(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places (n, 2) of the moving scene's grid, rows first, to its pixels."""
        at = places.copy()
        for _ in range(_STEPS):
            at = places - self._shifts(at)
        return at

    def _shifts(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._lattice is None:
            return self._transform.shifts(at)
        points = at.T / _LATTICE
        return np.stack(
            [ndimage.map_coordinates(layer, points, order=1, mode="nearest") for layer in self._lattice], -1
        )


def _warp(source: str, path: str | os.PathLike[str], made: Alignment, onto: Onto) -> None:
    rasterio = import_rasterio(source)
    assert made.georef is not None
    own = made.georef
    grid = onto.grid or own
    inverse = Inverse(made.transform, made.size)
    with (
        warnings.catch_warnings(),
        atomic_path(path) as temporary,
        gdal_errors(os.fspath(path), "cannot be warped"),
        rasterio.open(source) as dataset,
    ):
        warnings.simplefilter("ignore", rasterio.errors.NodataShadowWarning)
        to_file = ~dataset.transform @ own.transform
        nodata = dataset.nodata
        if nodata is None and not _alphas(dataset).any():
            nodata = 0
        profile = {
            "driver": "GTiff", "height": grid.shape[0], "width": grid.shape[1], "count": dataset.count,
            "dtype": dataset.dtypes[0], "crs": grid.crs, "transform": grid.transform, "nodata": nodata,
            "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "BIGTIFF": "IF_SAFER",
        }  # fmt: skip
        with rasterio.open(temporary, "w", **profile) as out:
            _describe(out, dataset, made)  # before the pixels, as `write_geotiff` does
            for window, centres in _blocks(grid):
                at = inverse(_on(own, grid, centres))
                values = _sampled(dataset, moved(to_file, at), (window.height, window.width), onto, nodata)
                out.write(values, window=window)


def _describe(out: Any, dataset: Any, made: Alignment) -> None:
    out.scales, out.offsets = dataset.scales, dataset.offsets
    out.units = [unit or "" for unit in dataset.units]
    out.update_tags(**{k: v for k, v in dataset.tags().items() if k != "AREA_OR_POINT"}, **_tags(made))
    for k in dataset.indexes:
        out.update_tags(k, **dataset.tags(k))
        if dataset.descriptions[k - 1]:
            out.set_band_description(k, dataset.descriptions[k - 1])
    out.colorinterp = dataset.colorinterp


def _blocks(grid: Grid) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """Windows of a grid, and the middles of their pixels, (n, 2), rows first."""
    from rasterio.windows import Window

    for top in range(0, grid.shape[0], _BLOCK):
        for left in range(0, grid.shape[1], _BLOCK):
            height, width = min(_BLOCK, grid.shape[0] - top), min(_BLOCK, grid.shape[1] - left)
            rows, columns = np.mgrid[top : top + height, left : left + width] + 0.5
            yield Window(left, top, width, height), np.stack([rows.ravel(), columns.ravel()], -1)


def _on(own: Grid, grid: Grid, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows and columns of a grid as those of the moving scene's."""
    if grid.crs == own.crs:
        return moved(~own.transform @ grid.transform, places)
    return own.to_pixels(grid.to_degrees(places[:, ::-1]))[:, ::-1]


def _alphas(dataset: Any) -> NDArray[np.bool_]:
    """Which bands say how transparent the others are."""
    return np.array([kind.name == "alpha" for kind in dataset.colorinterp])


def _sampled(
    dataset: Any, at: NDArray[np.float64], size: Sequence[int], onto: Onto, nodata: float | None
) -> NDArray:
    """All bands at places of a file, (n, 2) rows first; no data beyond it and where no data takes part.

    Where nodata is None an alpha band tells it, which is 0 there as all others are.
    """
    from rasterio.windows import Window

    alphas = _alphas(dataset)
    fills = [None if alpha else nodata for alpha in alphas]
    out = np.zeros((dataset.count, *size), dataset.dtypes[0])
    out[~alphas] = nodata or 0
    order = RESAMPLINGS[onto.resampling]
    inside = ((at >= 0) & (at <= (dataset.height, dataset.width))).all(-1)
    if not inside.any():
        return out
    low = np.maximum(np.floor(at[inside].min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(at[inside].max(0)).astype(int) + 4, (dataset.height, dataset.width))
    window = Window(low[1], low[0], high[1] - low[1], high[0] - low[0])
    values, masks = dataset.read(window=window), dataset.read_masks(window=window)
    masks[alphas] = values[alphas] != 0
    points = (at[inside] - low - 0.5).T
    flat = out.reshape(dataset.count, -1)
    for b in range(dataset.count):
        empty = masks[b] == 0
        if empty.all():
            continue
        band = values[b].astype(np.float64)
        if empty.any():
            nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
            band = band[tuple(nearest)]
        found = ndimage.map_coordinates(band, points, order=order, mode="nearest")
        if empty.any():
            share = ndimage.map_coordinates(
                empty.astype(np.float32), points, order=min(order, 1), mode="nearest"
            )
            spoilt = share > 0.01
        else:
            spoilt = np.zeros(len(found), bool)
        flat[b, inside] = np.where(spoilt, fills[b] or 0, _as(found, out.dtype, fills[b]))
    return out


def _as(values: NDArray[np.float64], dtype: np.dtype, nodata: float | None) -> NDArray:
    """Values in a dtype, rounded where it is whole; a valid one that would become nodata moves one step off."""
    if dtype.kind not in "ui":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    out = np.clip(np.rint(values), limits.min, limits.max)
    if nodata is None:
        return out.astype(dtype)
    return np.where(out == nodata, out + (1 if nodata < limits.max else -1), out).astype(dtype)
