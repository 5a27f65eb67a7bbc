"""Plain correlation: zero-mean normalised cross-correlation (Lewis 1995) of the bands and of NDVI."""

import numpy as np
from numpy.typing import NDArray

from matcher.errors import SettingsError
from matcher.evidence.channel import Channel
from matcher.imagery import Roles


def bands(dn: NDArray[np.float32], valid: NDArray[np.bool_], _roles: Roles) -> list[Channel]:
    """ZNCC of every band, the mean over bands; invalid pixels hold the mean of the valid ones."""
    stacks = tuple(_filled(dn[..., b], valid)[np.newaxis] for b in range(dn.shape[2]))
    return [Channel("bands", stacks, centred=True, weight=1.0)]


def ndvi(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """ZNCC of the normalised difference vegetation index, (nir - red) / (nir + red), 0 where both are dark."""
    if roles.nir is None or roles.red is None:
        raise SettingsError(
            "evidence ndvi needs bands named red and nir: name them with --bands, or leave ndvi out"
        )
    near, red = dn[..., roles.nir], dn[..., roles.red]
    total = near + red
    index = np.where(total > 1, (near - red) / np.maximum(total, 1), 0).astype(np.float32)
    return [Channel("ndvi", (_filled(index, valid)[np.newaxis],), centred=True, weight=1.0)]


def _filled(band: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    if valid.all():
        return np.ascontiguousarray(band)
    mean = band[valid].mean(dtype=np.float64) if valid.any() else 0.0
    return np.where(valid, band, np.float32(mean))
