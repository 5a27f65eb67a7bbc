"""Evidence: reflectance to fields to correlate. One file a kind, and the table of their names."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.evidence import gradient_phase, plain
from matcher.evidence.channel import Channel
from matcher.imagery import Roles

__all__ = ["KINDS", "Channel", "channels", "valid_pixels"]

Kind = Callable[[NDArray[np.float32], NDArray[np.bool_], Roles], list[Channel]]

KINDS: dict[str, Kind] = {
    "bands": plain.bands,
    "ndvi": plain.ndvi,
    "phase": gradient_phase.phase,
    "phase2": gradient_phase.phase2,
    "magnitude": gradient_phase.magnitude,
}


def channels(dn: NDArray[np.float32], roles: Roles, names: tuple[str, ...]) -> list[Channel]:
    """The channels of a picture, in the order of `names`.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        Reflectance x 10,000; a pixel of 0 in all bands is no data.
    roles : Roles
    names : tuple of str
        Keys of `KINDS`.

    Raises
    ------
    SettingsError
        If a kind needs a band that is not there.
    """
    valid = valid_pixels(dn)
    return [channel for name in names for channel in KINDS[name](dn, valid, roles)]


def valid_pixels(dn: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where all of a pixel's 3 x 3 neighbours hold data: (height, width, bands) to (height, width)."""
    if dn.size and dn.min() > 0:  # the common case, told many times faster than pixel by pixel
        return np.ones(dn.shape[:2], bool)
    nodata: NDArray[np.bool_] = np.all(dn <= 0, axis=-1)
    if nodata.any():
        nodata = ndimage.binary_dilation(nodata, np.ones((3, 3), bool))
    return ~nodata
