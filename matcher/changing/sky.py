"""Cloud and cloud shadow told apart from change, from what two dates of one ground show."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.changing.terms import agreement, logarithm
from matcher.evidence.pixels import BRIGHT
from matcher.imagery import Roles

_BODY_LIGHT = 1500.0  # DN in every visible band, all over a cloud; in its midst it is `BRIGHT`
_BRIGHTER = 500.0  # DN more than on the other date, in every visible band
_RIM = 200.0  # DN more, beside a cloud
_WHITE = (0.9, 0.95)  # blue of red and of green, at least, in the midst: sand, soil and straw have less
_PALE = (0.8, 0.9)  # all over
_CLIPPED = 3000.0  # DN in every visible band on both dates: cloud on both
_BODY = 5  # px: what is narrower is no cloud and no shadow
_AREA = 150  # px of a cloud or shadow, at least: a large roof has 100
_GROW = 6  # px that a rim reaches
_DARKER = -0.35  # log units in near infrared (or all bands where there is none), beside the usual difference
_DARKER_VISIBLE = -0.12  # log units in every visible band
_WATER = 0.9  # near infrared of green on the darker date: below, it is water
_SCATTERED = 0.05  # share of a window that looks like cloud: then smaller clouds count too
_SMALL = (3, 12)  # px: their width and area
_LIT = 0.75  # quantile that stands for ground in the sun where there are clouds
# Mean agreement of structure in a shadow, at least: water and burns have none of the ground's.
_KEPT, _KEPT_NEAR = 0.5, 0.1


def cloud_and_shadow(
    patch: NDArray[np.float32], window: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where either date shows cloud, and where shadow of one, (height, width) each.

    A cloud is bright and white, much brighter than the same ground on the other date, and of some size, unless clouds
    are scattered over the window. A shadow
    darkens all bands and leaves the ground's structure to be seen; water that came leaves none.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN of one ground on two dates.
    valid : ndarray (height, width), bool
    roles : Roles
    """
    light = [a[..., list(roles.visible)].min(-1) for a in (patch, window)]
    white = _white(patch, roles, _WHITE) & _white(window, roles, _WHITE)
    both = _sized((np.minimum(*light) > _CLIPPED) & white, _AREA)
    clouds = [
        (_bodies(own, other, _white(dn, roles, _WHITE), _white(dn, roles, _PALE)) | both) & valid
        for own, other, dn in ((light[0], light[1], patch), (light[1], light[0], window))
    ]
    cloud: NDArray[np.bool_] = clouds[0] | clouds[1]
    clear = valid & ~cloud
    shadow = np.zeros(valid.shape, bool)
    if clear.sum() < 64:
        return cloud, shadow
    step = logarithm(patch) - logarithm(window)
    alike = agreement(patch, window, clear)
    for sign, own, dn in ((1, clouds[0], patch), (-1, clouds[1], window)):
        shadow |= _shadows(sign * step, dn, clear, alike, bool(own.any()), roles)
    return cloud, shadow


def _shadows(
    step: NDArray[np.float64],
    dn: NDArray[np.float32],
    clear: NDArray[np.bool_],
    alike: NDArray[np.float64],
    cloudy: bool,
    roles: Roles,
) -> NDArray[np.bool_]:
    """Where a date lies in shadow: how much darker it is than the other, in logs; near clouds less is enough."""
    usual = np.quantile(step[clear], _LIT if cloudy else 0.5, axis=0)
    less = ndimage.median_filter(np.where(clear[..., None], step - usual, 0), (3, 3, 1))
    near = less.mean(-1) if roles.nir is None else less[..., roles.nir]
    dark = (near < _DARKER) & (less[..., list(roles.visible)] < _DARKER_VISIBLE).all(-1) & clear
    if roles.nir is not None:
        dark &= dn[..., roles.nir] > _WATER * dn[..., roles.visible[len(roles.visible) // 2]]
    labels, count = ndimage.label(_sized(dark, *(_SMALL[::-1] if cloudy else (_AREA, _BODY))))
    kept = np.zeros(count + 1, bool)
    if count:
        kept[1:] = ndimage.mean(alike, labels, np.arange(1, count + 1)) >= (_KEPT_NEAR if cloudy else _KEPT)
    out: NDArray[np.bool_] = kept[labels]
    return out


def _white(dn: NDArray[np.float32], roles: Roles, least: tuple[float, float]) -> NDArray[np.bool_]:
    """Where the last of the visible bands (blue) is not much below the first and the middle one (red, green)."""
    first, middle, last = roles.visible[0], roles.visible[len(roles.visible) // 2], roles.visible[-1]
    out: NDArray[np.bool_] = (dn[..., last] >= least[0] * dn[..., first]) & (
        dn[..., last] >= least[1] * dn[..., middle]
    )
    return out


def _bodies(
    own: NDArray, other: NDArray, white: NDArray[np.bool_], pale: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Bodies of cloud with their rims."""
    alike = (own > BRIGHT) & (own > other + _BRIGHTER) & white
    midst = _sized(alike, _AREA) if alike.mean() < _SCATTERED else _sized(alike, _SMALL[1], _SMALL[0])
    if not midst.any():
        return midst
    body = (own > _BODY_LIGHT) & (own > other + _BRIGHTER) & pale
    body = ndimage.binary_propagation(midst, mask=body | midst)
    rim = (own > other + _RIM) & pale
    grown: NDArray[np.bool_] = ndimage.binary_dilation(body, iterations=_GROW, mask=rim | body)
    return ndimage.binary_dilation(grown, np.ones((3, 3), bool))


def _sized(mask: NDArray[np.bool_], area: int, width: int = _BODY) -> NDArray[np.bool_]:
    """The parts of a mask that are at least `width` px wide and have at least `area` pixels."""
    wide = np.pad(mask, width, mode="edge")
    wide = ndimage.binary_opening(wide, np.ones((width, width), bool))[width:-width, width:-width]
    labels, count = ndimage.label(wide)
    if not count:
        return wide
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    out: NDArray[np.bool_] = (sizes >= area)[labels]
    return out
