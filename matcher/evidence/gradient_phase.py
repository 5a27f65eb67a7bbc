"""Gradient phase, signed and sign-blind, and gradient magnitude.

Signed: the unit gradient of every band; its correlation is the sum of cosines of the angles between gradients
(orientation correlation, Fitch et al., "Orientation correlation", BMVC 2002). Sign-blind: the same with the angle
doubled, so that an edge whose sides swap dark and bright keeps its value.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.channel import Channel
from matcher.imagery import Roles
from matcher.kernels.fields import doubled_gradient, log_magnitude, unit_gradient

SIGMA = 0.7  # px, of the Gaussian derivative of the sign-blind phase
REACH = 3  # px
MAGNITUDE_FLOOR = 10.0  # DN
MAGNITUDE_HALF = 7  # px; the local mean is over 15


def gaussian_weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of the smoothing at 0 .. 3 px, and of the differences 1 .. 3 px away, of the Gaussian derivative."""
    offsets = np.arange(REACH + 1)
    smooth = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    smooth /= smooth[0] + 2 * smooth[1:].sum()
    return smooth.astype(np.float32), (offsets[1:] * smooth[1:] / SIGMA**2).astype(np.float32)


def signed_fields(dn: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Unit gradients: dn (H, W, B) to (2 B, H, W), the B row components first; 0 where invalid or flat."""
    out = np.empty((2 * dn.shape[2], *dn.shape[:2]), np.float32)
    unit_gradient(_by_band(dn), out)
    return _masked(out, valid)


def blind_fields(dn: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Unit vectors of the doubled gradient angle: dn (H, W, B) to (2 B, H, W), sines first."""
    out = np.empty((2 * dn.shape[2], *dn.shape[:2]), np.float32)
    doubled_gradient(_by_band(dn), *gaussian_weights(), out)
    return _masked(out, valid)


def magnitude_fields(dn: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Log of gradient magnitude plus 10 DN less its mean over 15 px: dn (H, W, B) to (B, H, W)."""
    out = np.empty((dn.shape[2], *dn.shape[:2]), np.float32)
    log_magnitude(_by_band(dn), MAGNITUDE_FLOOR, MAGNITUDE_HALF, out)
    return _masked(out, valid)


def phase(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Signed phase: visible bands and near infrared apart, since from date to date only one may keep its sign."""
    return _by_role("phase", signed_fields(dn, valid), roles)


def phase2(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Sign-blind phase, visible bands and near infrared apart, since a cloud's haze veils the visible first."""
    return _by_role("phase2", blind_fields(dn, valid), roles)


def magnitude(dn: NDArray[np.float32], valid: NDArray[np.bool_], _roles: Roles) -> list[Channel]:
    """Gradient magnitude of all bands."""
    return [Channel("magnitude", (magnitude_fields(dn, valid),), centred=False, weight=0.25)]


def _by_role(name: str, fields: NDArray[np.float32], roles: Roles) -> list[Channel]:
    """A channel of the visible bands' components, and one of near infrared where there is one."""
    bands = len(fields) // 2
    groups = {name: roles.visible} | ({} if roles.nir is None else {f"{name}-nir": (roles.nir,)})
    return [
        Channel(key, (fields[[*which, *(bands + k for k in which)]],), centred=False, weight=1.0)
        for key, which in groups.items()
    ]


def _by_band(dn: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(dn.transpose(2, 0, 1))


def _masked(fields: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not valid.all():
        fields[:, ~valid] = 0
    return fields
