"""A window brought onto its patch: the rest of the shift, to a fraction of a pixel, and gain and offset a band."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.imagery import Roles
from matcher.search.subpixel import refine
from matcher.settings import DEFAULT_EVIDENCE

_RIM = 4  # px of a patch in which its inner part is sought
_LEAST = 12 + 2 * _RIM  # px a side, below which no shift is looked for
_STEPS = 10
_TUNING = 1.5  # deviations, from where a pixel counts less


def rest_shift(patch: NDArray[np.float32], window: NDArray[np.float32], roles: Roles) -> tuple[float, float]:
    """How far the ground lies off: the patch's pixel (y, x) is at (y + dy, x + dx) of the window.

    The patch less 4 px on each side is sought in the window near its own place (`matcher.search.subpixel`).

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN, of one size.
    roles : Roles

    Returns
    -------
    (float, float)
        At most 2.5 px each; 0 of patches below 20 px a side.
    """
    if min(patch.shape[:2]) < _LEAST:
        return 0.0, 0.0
    inner = patch[_RIM:-_RIM, _RIM:-_RIM]
    found = refine(inner, window, (_RIM, _RIM), roles, DEFAULT_EVIDENCE)
    return found.row - _RIM, found.col - _RIM


def moved(
    picture: NDArray[np.float32], corner: tuple[int, int], size: tuple[int, int], shift: tuple[float, float]
) -> NDArray[np.float32]:
    """A window of a picture moved by a fraction of a pixel, by cubic splines, with the picture's own surroundings.

    Parameters
    ----------
    picture : ndarray (height, width, bands), float32
    corner, size : (int, int)
        Of the window.
    shift : (float, float)
        (dy, dx), added to the corner.
    """
    pad = _RIM + 4
    rows = np.clip(np.arange(corner[0] - pad, corner[0] + size[0] + pad), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(corner[1] - pad, corner[1] + size[1] + pad), 0, picture.shape[1] - 1)
    around = picture[np.ix_(rows, columns)]
    if any(shift):
        empty = (around <= 0).all(-1)
        low, high = around.min(), around.max()
        around = np.clip(ndimage.shift(around, (-shift[0], -shift[1], 0), order=3, mode="nearest"), low, high)
        if empty.any():  # what a spline mixes with no data is none either
            spoilt = ndimage.binary_dilation(
                empty, np.ones((3, 3), bool), iterations=1 + int(max(map(abs, shift)))
            )
            around[spoilt] = 0
    out: NDArray[np.float32] = np.ascontiguousarray(around[pad:-pad, pad:-pad], np.float32)
    return out


def gains(
    patch: NDArray[np.float32], window: NDArray[np.float32], clear: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain and offset a band, (bands,) each, of the line patch = gain x window + offset over clear pixels.

    Least squares with Huber's weights (Huber, "Robust estimation of a location parameter", 1964).
    """
    bands = patch.shape[2]
    gain, offset = np.ones(bands), np.zeros(bands)
    if clear.sum() < 3:
        return gain, offset
    for b in range(bands):
        x, y = (a[..., b][clear].astype(np.float64) for a in (window, patch))
        weight = np.ones(len(x))
        for _ in range(_STEPS):
            total = weight.sum()
            mx, my = weight @ x / total, weight @ y / total
            spread = weight @ (x - mx) ** 2
            gain[b] = weight @ ((x - mx) * (y - my)) / spread if spread > 0 else 1.0
            offset[b] = my - gain[b] * mx
            off = np.abs(y - gain[b] * x - offset[b])
            weight = 1 / np.maximum(1, off / (_TUNING * (1.4826 * np.median(off) + 1)))
    return gain, offset
