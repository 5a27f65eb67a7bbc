"""Pictures at other pixel sizes and turned: area means, and linear maps; pixels without data stay without."""

import math

import numpy as np
from numpy.typing import NDArray

_SHARE = 0.75  # of a pixel's area that must hold data


def shrink(
    array: NDArray,
    factor: float | tuple[float, float],
    size: tuple[int, int] | None = None,
    start: tuple[float, float] = (0.0, 0.0),
) -> NDArray:
    """A picture with larger pixels: the mean over the area of each, exact for any factor.

    Parameters
    ----------
    array : ndarray (height, width, bands)
        A pixel of 0 in all bands is no data.
    factor : float or (float, float)
        Old pixels a new one, down and across; 1 or more.
    size : (int, int), optional
        Height and width of the result; by default as many whole pixels as there are.
    start : (float, float)
        Where the first new pixel begins, in old pixels from the corner, rows first.

    Returns
    -------
    ndarray (size[0], size[1], bands)
        Of the dtype given; 0 where more than a quarter of the area is no data.
    """
    factors = factor if isinstance(factor, tuple) else (factor, factor)
    if size is None:
        size = shrunk(array.shape, factors)
    valid = (array != 0).any(-1)
    means = _areas(array.astype(np.float64), factors, size, start)
    if valid.all():
        return _as(means, array.dtype)
    share = _areas(valid[..., np.newaxis].astype(np.float64), factors, size, start)
    enough = share > _SHARE - 1e-9
    return _as(np.where(enough, means / np.where(enough, share, 1), 0), array.dtype)


def shrunk(shape: tuple[int, ...], factors: tuple[float, float]) -> tuple[int, int]:
    """Height and width in whole pixels of `factors` old ones."""
    return int(shape[0] / factors[0] + 1e-9), int(shape[1] / factors[1] + 1e-9)


def turn(array: NDArray, degrees: float) -> NDArray:
    """A picture turned anticlockwise about its centre, of the same size; 0 where nothing was."""
    if degrees == 0:
        return array
    return warp(array, rotation(degrees), (array.shape[0], array.shape[1]))


def rotation(degrees: float) -> NDArray[np.float64]:
    """The matrix that turns columns and rows anticlockwise, as they are seen with rows going down."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def warp(array: NDArray, matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray:
    """A picture moved by a linear map about its centre, which becomes the centre of a picture of another size.

    Parameters
    ----------
    array : ndarray (height, width, bands)
        A pixel of 0 in all bands is no data.
    matrix : ndarray (2, 2)
        Columns and rows of the picture to columns and rows of the result.
    size : (int, int)
        Height and width of the result.

    Returns
    -------
    ndarray (size[0], size[1], bands)
        Of the dtype given, by cubic splines; 0 where there was nothing, or no data.
    """
    from scipy import ndimage  # takes a third of a second to load, and most scenes are read as they are

    back = np.linalg.inv(matrix)[::-1, ::-1]  # rows first
    centre = np.array(array.shape[:2]) / 2 - back @ (np.array(size) / 2)
    options = {
        "offset": centre + back @ (0.5, 0.5) - 0.5,
        "output_shape": size,
        "mode": "constant",
        "cval": 0,
    }
    valid = ndimage.affine_transform((array != 0).any(-1).astype(np.float32), back, order=1, **options)
    moved = np.stack(
        [
            ndimage.affine_transform(array[..., b].astype(np.float64), back, order=3, **options)
            for b in range(array.shape[2])
        ],
        axis=-1,
    )
    moved[valid < 0.999] = 0
    return _as(moved, array.dtype)


def interpolated(dn: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """A picture read at any places, by cubic splines.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        A pixel of 0 and less in all bands is no data.
    places : ndarray (2, …)
        Rows and columns, counted from the middle of the first pixel.

    Returns
    -------
    ndarray (…, bands), float32
        0 where a pixel without data takes part; beyond the borders the picture repeats its last pixels.
    """
    from scipy import ndimage

    empty = np.all(dn <= 0, axis=-1)
    if empty.all():
        return np.zeros((*places.shape[1:], dn.shape[2]), np.float32)
    if empty.any():
        nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
        dn = dn[tuple(nearest)]
    out = np.stack(
        [
            ndimage.map_coordinates(dn[..., b], places, np.float32, order=3, mode="nearest")
            for b in range(dn.shape[2])
        ],
        axis=-1,
    )
    if empty.any():
        out[ndimage.map_coordinates(empty.astype(np.float32), places, order=1, mode="nearest") > 0.01] = 0
    return np.ascontiguousarray(out)


def _areas(
    values: NDArray[np.float64],
    factors: tuple[float, float],
    size: tuple[int, int],
    start: tuple[float, float],
) -> NDArray[np.float64]:
    """Means over areas of `factors` px: differences of cumulative sums, linear between pixels' borders."""
    for axis in (0, 1):
        moved = np.moveaxis(values, axis, 0)
        sums = np.concatenate([np.zeros_like(moved[:1]), np.cumsum(moved, axis=0)])
        edges = np.clip(start[axis] + factors[axis] * np.arange(size[axis] + 1), 0, len(moved))
        below = np.minimum(edges.astype(int), len(moved) - 1)
        part = (edges - below).reshape(-1, *[1] * (moved.ndim - 1))
        at = sums[below] + part * (sums[below + 1] - sums[below])
        values = np.moveaxis(np.diff(at, axis=0) / factors[axis], 0, axis)
    return values


def _as(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Values in a dtype, rounded and clipped where it is a whole one."""
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return np.ascontiguousarray(values.astype(dtype))


class Spline:
    """A picture that is read between its pixels, by cubic splines (Unser, "Splines: a perfect fit", 1999).

    Parameters
    ----------
    picture : ndarray (height, width, bands), float32
        A pixel of 0 and less in all bands is no data: it holds the nearest pixel's values, so that none ring about it.
    """

    def __init__(self, picture: NDArray[np.float32]) -> None:
        from scipy import ndimage

        self._empty: NDArray[np.bool_] = np.asarray((picture <= 0).all(-1))
        if self._empty.any() and not self._empty.all():
            nearest = ndimage.distance_transform_edt(self._empty, return_distances=False, return_indices=True)
            picture = picture[tuple(nearest)]
        knots = picture.astype(np.float64)
        for axis in (0, 1):
            knots = ndimage.spline_filter1d(knots, 3, axis, mode="mirror")
        self._knots = knots

    def moved(self, down: float, right: float) -> NDArray[np.float32]:
        """The picture as it is `down` and `right` px further on, (height, width, bands).

        What is read from no data, in part, is 0; beyond the borders the picture repeats its last pixels.
        """
        values, seen = self._knots, self._empty
        for axis, shift in ((0, down), (1, right)):
            values = _along(values, axis, shift)
            if seen.any():
                seen = _near(seen, axis, shift)
        out = values.astype(np.float32)
        if seen.any():
            out[seen] = 0
        return np.ascontiguousarray(out)


def _along(knots: NDArray[np.float64], axis: int, shift: float) -> NDArray[np.float64]:
    """Values of a cubic spline along one axis, at every pixel and a shift."""
    whole = int(np.floor(shift))
    t = shift - whole
    weights = (
        (1 - t) ** 3 / 6,
        (4 - 6 * t**2 + 3 * t**3) / 6,
        (1 + 3 * t + 3 * t**2 - 3 * t**3) / 6,
        t**3 / 6,
    )
    return sum(
        (w * _taken(knots, axis, whole + k) for k, w in zip(range(-1, 3), weights, strict=True)),
        np.zeros(1),
    )


def _near(empty: NDArray[np.bool_], axis: int, shift: float) -> NDArray[np.bool_]:
    """Where the pixels about a moved one are no data, along one axis."""
    whole = int(np.floor(shift))
    pair = [_taken(empty, axis, whole + k) for k in (0, 1)]
    return pair[0] if shift == whole else pair[0] | pair[1]


def _taken(array: NDArray, axis: int, shift: int) -> NDArray:
    length = array.shape[axis]
    return np.take(array, np.clip(np.arange(length) + shift, 0, length - 1), axis)
