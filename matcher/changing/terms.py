"""What speaks for change at every pixel: what the other date does not explain, and structure that disagrees."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.evidence.pixels import HAZE

NAMES = ("residual", "structure")
_BLUR = 1.0  # px, before the regression: what is left of misregistration and noise
_GATHER = 1.5  # px, over which residuals are gathered
_FLOOR = 0.1  # log units: a residual's deviation is not held to be smaller
_TUNING = 1.5  # deviations, from where a pixel counts less
_STEPS = 12  # of weighing anew, by when nothing moves any more
_RIDGE = 1e-5  # a pixel: what keeps even ground solvable, and changes nothing else
_NEAR = 3.0  # px, over which structure is compared
_GRADIENT = 0.7  # px
_FAINT = 0.02  # log units a pixel: fainter gradients count less
_LEAST = 1e-4  # weight, and product of gradients, that is divided by


def smooth(values: NDArray, sigma: float, weight: NDArray | None = None) -> NDArray[np.float64]:
    """Gaussian mean over rows and columns, weighted by (height, width) where given; 0 where nothing weighs."""
    sigmas = (sigma, sigma) + (0,) * (values.ndim - 2)
    if weight is None:
        out: NDArray[np.float64] = ndimage.gaussian_filter(values.astype(np.float64), sigmas, mode="reflect")
        return out
    wide = weight.astype(np.float64)
    share = ndimage.gaussian_filter(wide, sigma, mode="reflect").reshape(
        wide.shape + (1,) * (values.ndim - 2)
    )
    weighed = values * wide.reshape(share.shape)
    out = ndimage.gaussian_filter(weighed, sigmas, mode="reflect") / np.maximum(share, 1e-6)
    return np.where(share > 1e-3, out, 0.0)


def logarithm(dn: NDArray) -> NDArray[np.float64]:
    """Log of DN plus `HAZE`, of pixels `dn` (height, width, bands)."""
    out: NDArray[np.float64] = np.log(np.maximum(dn.astype(np.float64), 0) + HAZE)
    return out


def terms(
    patch: NDArray[np.float32], window: NDArray[np.float32], clear: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The terms of `NAMES`, (height, width, 2), 0 where a pixel is not clear.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN of one ground on two dates.
    clear : ndarray (height, width), bool
        Where both show the ground; only such pixels are fitted.
    """
    both = np.stack([residual(patch, window, clear), disagreement(patch, window, clear)], -1)
    return np.where(clear[..., np.newaxis], both, 0.0)


def residual(
    patch: NDArray[np.float32], window: NDArray[np.float32], clear: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How little each date is explained by the other: log of 0.1 plus squared deviations, (height, width).

    Each date's log bands are fitted, over the clear pixels, by the other's, their squares and their surroundings
    (regression by iteratively reweighted least squares, so that a change does not bend the fit that is to show
    it); the rest, gathered over 1.5 px, is measured by its own covariance (Mahalanobis 1936). What a season does to
    all ground of a kind is explained, and what happens to one place is not. Both directions are added.
    """
    if clear.sum() < 64:
        return np.zeros(clear.shape)
    logs = [smooth(logarithm(a), _BLUR, clear) for a in (patch, window)]
    total = np.zeros(clear.shape)
    for known, asked in ((logs[0], logs[1]), (logs[1], logs[0])):
        design, wanted = _design(known, clear), asked[clear]
        rest, weight = _robust(design, wanted)
        covariance = (rest * weight[:, None]).T @ rest / weight.sum() + _FLOOR**2 * np.eye(rest.shape[1])
        spread = np.zeros(asked.shape)
        spread[clear] = rest
        spread = smooth(spread, _GATHER, clear)
        total += np.einsum("yxi,ij,yxj->yx", spread, np.linalg.inv(covariance), spread)
    out: NDArray[np.float64] = np.log(total + 0.1)
    return out


def agreement(
    patch: NDArray[np.float32], window: NDArray[np.float32], clear: NDArray[np.bool_], reach: float = _NEAR
) -> NDArray[np.float64]:
    """Mean cosine of twice the angle between the dates' gradients, -1..1, over some px; 0 where nothing shows.

    Gradients are of log bands, and count by the product of their magnitudes, the faint ones less. Doubled angles
    take no notice of dark turned bright (see `matcher.evidence.gradient_phase`).
    """
    above = np.zeros(clear.shape)
    below = np.zeros(clear.shape)
    logs = [
        logarithm(np.where(clear[..., None], a, np.nan_to_num(_middle(a, clear)))) for a in (patch, window)
    ]
    for b in range(patch.shape[2]):
        (ya, xa), (yb, xb) = (_gradient(a[..., b]) for a in logs)
        first, second = ya**2 + xa**2, yb**2 + xb**2
        scale = (np.sqrt(first) + _FAINT) * (np.sqrt(second) + _FAINT)
        cosine = (xa**2 - ya**2) * (xb**2 - yb**2) + 4 * xa * ya * xb * yb
        above += cosine / scale
        below += first * second / scale + _LEAST
    out: NDArray[np.float64] = smooth(above, reach, clear) / np.maximum(smooth(below, reach, clear), _LEAST)
    return out


def disagreement(
    patch: NDArray[np.float32], window: NDArray[np.float32], clear: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Minus the log of `agreement` brought to 0.02..1, (height, width): 0 where structure is the same."""
    out: NDArray[np.float64] = -np.log(np.clip((1 + agreement(patch, window, clear)) / 2, 0.02, 1))
    return out


def _middle(dn: NDArray, clear: NDArray[np.bool_]) -> NDArray:
    """The median of each band over clear pixels: what stands in for the others."""
    return np.median(dn[clear], axis=0) if clear.any() else np.zeros(dn.shape[2])


def _gradient(band: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        ndimage.gaussian_filter(band, _GRADIENT, order=(1, 0), mode="reflect"),
        ndimage.gaussian_filter(band, _GRADIENT, order=(0, 1), mode="reflect"),
    )


def _design(logs: NDArray[np.float64], clear: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Columns of a regression over clear pixels: 1, standardised log bands, their means over 1 px, their squares."""
    values = logs[clear]
    scaled = (logs - values.mean(0)) / (values.std(0) + 1e-3)
    columns = np.concatenate([scaled, smooth(scaled, _BLUR, clear), scaled**2], -1)[clear]
    return np.column_stack([np.ones(len(columns)), columns])


def _robust(
    design: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Residuals (n, bands) and weights (n,) of a regression that outliers do not bend."""
    weight = np.ones(len(design))
    ridge = _RIDGE * len(design) * np.eye(design.shape[1])
    rest = wanted
    for _ in range(_STEPS):
        weighed = (design * weight[:, None]).T
        rest = wanted - design @ np.linalg.solve(weighed @ design + ridge, weighed @ wanted)
        scale = 1.4826 * np.median(np.abs(rest), 0) + 1e-3
        size = np.sqrt(((rest / scale) ** 2).mean(1))
        weight = 1 / np.maximum(1, size / _TUNING) ** 2
    return rest, weight
