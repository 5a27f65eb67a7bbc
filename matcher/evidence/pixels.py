"""Which pixels say something of the ground: those with data, and in a patch those that no cloud or snow hides."""

import numpy as np
from numpy.typing import NDArray

from matcher.imagery import Roles

BRIGHT = 2000.0  # DN of the darkest visible band, where it is cloud or ground that cannot be told from it …
WHITE = 0.35  # … and how far the visible bands spread about their mean, of a cloud
HIDING = 3000.0  # DN of the same where a cloud hides the ground; bare fields and straw have 2,000 to 2,600
# Shares of a patch: of such pixels, at least and at most, and of these with their edges at most.
LITTLE, MOST, NEARLY_ALL = 0.05, 0.85, 0.92
EDGE = 2  # px
HAZE = 50.0  # DN, added before logarithms and ratios are taken, so that noise on dark water makes none


def valid_pixels(dn: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where all of a pixel's 3 x 3 neighbours hold data: (height, width, bands) to (height, width)."""
    if dn.size and dn.min() > 0:  # the common case, told many times faster than pixel by pixel
        return np.ones(dn.shape[:2], bool)
    nodata: NDArray[np.bool_] = np.all(dn <= 0, axis=-1)
    if nodata.any():
        nodata = _widened(nodata, 1)
    return ~nodata


def seen_pixels(dn: NDArray[np.float32], roles: Roles) -> NDArray[np.bool_]:
    """The `valid_pixels` of a patch that no cloud or snow hides, (height, width).

    What is very bright and white counts as hidden, and `EDGE` px about it. Where that is little, or leaves nearly
    nothing, it is ground like any other, and all valid pixels are seen; so too where one visible band tells no white.
    """
    valid = valid_pixels(dn)
    if len(roles.visible) < 2 or dn.max() < HIDING:
        return valid
    hidden = white_pixels(dn, roles, HIDING)
    if not LITTLE <= hidden.mean() <= MOST:
        return valid
    hidden = _widened(hidden, EDGE)
    return valid if hidden.mean() > NEARLY_ALL else valid & ~hidden


def white_pixels(dn: NDArray[np.float32], roles: Roles, bright: float = BRIGHT) -> NDArray[np.bool_]:
    """Where a picture is bright (DN) and white in the visible bands, as clouds and snow are: (height, width)."""
    visible = dn[..., list(roles.visible)]
    low, high = visible.min(-1), visible.max(-1)
    white: NDArray[np.bool_] = (low >= bright) & (high - low <= WHITE * visible.mean(-1))
    return white


def _widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Where the mask holds within so many pixels in both directions."""
    from scipy import ndimage  # takes a third of a second to load, and most pictures are without gaps

    out: NDArray[np.bool_] = ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=by)
    return out
