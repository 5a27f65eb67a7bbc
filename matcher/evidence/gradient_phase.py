"""Gradient phase, signed and sign-blind, of bands and of band ratios, and gradient magnitude.

Signed: the direction of every band's gradient; its correlation is a sum of cosines of the angles between gradients
(orientation correlation, Fitch et al., "Orientation correlation", BMVC 2002). Sign-blind: the same with the angle
doubled, so that an edge whose sides swap dark and bright keeps its value. Ratios of bands show what is of another kind,
in sun and in shade and under thin haze, and say what the bands, which are much alike, do not: which side of an edge is
the greener lasts where which side is the brighter does not.

A gradient is as long as it stands out of those about it (divisive normalisation: Heeger, "Normalization of cell
responses in cat striate cortex", Visual Neuroscience 9, 1992), whatever the light: the directions of strong edges last
from date to date, those of what lies between them are noise as often as not.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.channel import Channel
from matcher.evidence.pixels import HAZE
from matcher.imagery import Roles
from matcher.kernels.fields import log_magnitude, prominent_gradients

SIGMA, REACH = 0.5, 2  # px, of the Gaussian derivative of the sign-blind phase
# Weights of plain central differences, as `gaussian_weights` gives others.
DIFFERENCES = (np.array([1, 0], np.float32), np.array([1], np.float32))
SHARE = 0.5  # of the size of the gradients about it that a gradient stands out of, beside its own
ENERGY = 0.43  # a pixel and band of textured ground: mean square of what so remains
MAGNITUDE_FLOOR = 10.0  # DN
MAGNITUDE_HALF = 7  # px; the local mean is over 15
MAGNITUDE_ENERGY = 0.25  # a pixel and band, of textured ground
RATIO_SIGMA, RATIO_REACH = 0.7, 3  # px; ratios are noisier than bands
LOGS = 1000.0  # of ratios in the units of the kernels, whose gradients below 0.001 are none


@lru_cache(maxsize=8)
def gaussian_weights(sigma: float, reach: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of a Gaussian derivative: of the smoothing at 0 .. reach px, of the differences 1 .. reach px away."""
    offsets = np.arange(reach + 1)
    smooth = np.exp(-0.5 * (offsets / sigma) ** 2)
    smooth /= smooth[0] + 2 * smooth[1:].sum()
    return smooth.astype(np.float32), (offsets[1:] * smooth[1:] / sigma**2).astype(np.float32)


def signed_fields(
    dn: NDArray[np.float32], valid: NDArray[np.bool_], which: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Gradients as long as they stand out: dn (…, H, W, B) to (…, 2 K, H, W), the K row components first.

    Of the bands `which`, by default all. At most 1 long; 0 where invalid or flat.
    """
    return _prominent(_by_band(dn), valid, which, DIFFERENCES, doubled=False)


def blind_fields(
    dn: NDArray[np.float32], valid: NDArray[np.bool_], which: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Vectors of the doubled gradient angle, as `signed_fields`, sines first."""
    return _prominent(_by_band(dn), valid, which, gaussian_weights(SIGMA, REACH), doubled=True)


def magnitude_fields(dn: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Log of gradient magnitude plus 10 DN less its mean over 15 px: dn (…, H, W, B) to (…, B, H, W)."""
    planar = _by_band(dn)
    out = np.empty((len(planar), 1, *planar.shape[1:]), np.float32)
    for picture, fields in zip(planar, out, strict=True):
        log_magnitude(picture, MAGNITUDE_FLOOR, MAGNITUDE_HALF, fields[0])
    return _masked(out, valid)


def ratio_fields(
    dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles, doubled: bool = True
) -> NDArray[np.float32]:
    """Gradients of ratios of bands, in logs, as long as they stand out: (…, 2 ratios, H, W).

    Each visible band over the one before it, and near infrared over the first. Of the doubled angle, sines first, as
    `blind_fields`; or as they are, as `signed_fields`.
    """
    logs = np.maximum(_by_band(dn), 0) + np.float32(HAZE)
    np.log(logs, out=logs)
    logs *= np.float32(LOGS)
    pairs = ratio_pairs(roles)
    ratios = np.empty((len(logs), len(pairs), *logs.shape[2:]), np.float32)
    for k, (above, below) in enumerate(pairs):
        np.subtract(logs[:, above], logs[:, below], out=ratios[:, k])
    weights = gaussian_weights(RATIO_SIGMA, RATIO_REACH) if doubled else DIFFERENCES
    return _prominent(ratios, valid, None, weights, doubled)


def ratio_pairs(roles: Roles) -> list[tuple[int, int]]:
    """Bands whose ratios are looked at, the first over the second: neighbours, and near infrared over the first."""
    pairs = list(zip(roles.visible[1:], roles.visible, strict=False))
    return pairs if roles.nir is None else [*pairs, (roles.nir, roles.visible[0])]


def phase(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Signed phase: visible bands and near infrared apart, since from date to date only one may keep its sign."""
    return _by_role("phase", signed_fields, dn, valid, roles)


def phase2(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Sign-blind phase, visible bands and near infrared apart, since a cloud's haze veils the visible first."""
    return _by_role("phase2", blind_fields, dn, valid, roles)


def ratio(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Sign-blind phase of band ratios; no channel where there is one band."""
    return _of_ratios("ratio", dn, valid, roles, doubled=True)


def ratio_signed(dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles) -> list[Channel]:
    """Signed phase of band ratios, of which side of an edge is the redder; no channel where there is one band."""
    return _of_ratios("ratio-signed", dn, valid, roles, doubled=False)


def magnitude(dn: NDArray[np.float32], valid: NDArray[np.bool_], _roles: Roles) -> list[Channel]:
    """Gradient magnitude of all bands."""
    fields = magnitude_fields(dn, valid)
    return [_channel("magnitude", fields, 0.25, MAGNITUDE_ENERGY * fields.shape[-3])]


def _channel(name: str, fields: NDArray[np.float32], weight: float, energy: float) -> Channel:
    """A channel of one stack; `energy` is that of a pixel full of texture."""
    return Channel(name, (fields,), False, weight, energy=energy)


def _of_ratios(
    name: str, dn: NDArray[np.float32], valid: NDArray[np.bool_], roles: Roles, doubled: bool
) -> list[Channel]:
    """The channel of all ratios, where there are any."""
    if dn.shape[-1] < 2:
        return []
    fields = ratio_fields(dn, valid, roles, doubled)
    return [_channel(name, fields, 1.0, ENERGY * fields.shape[-3] / 2)]


def _by_role(
    name: str, made: Callable[..., NDArray[np.float32]], dn: NDArray, valid: NDArray, roles: Roles
) -> list[Channel]:
    """A channel of the visible bands' components, and one of near infrared where there is one."""
    groups = {name: roles.visible} | ({} if roles.nir is None else {f"{name}-nir": (roles.nir,)})
    return [_channel(key, made(dn, valid, which), 1.0, ENERGY * len(which)) for key, which in groups.items()]


def _by_band(dn: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures (…, H, W, B), or one, band by band: (pictures, B, H, W)."""
    planar: NDArray[np.float32] = np.ascontiguousarray(np.moveaxis(dn, -1, -3), np.float32)
    return planar.reshape(-1, *planar.shape[-3:])


def _prominent(
    planar: NDArray[np.float32],
    valid: NDArray[np.bool_],
    which: Sequence[int] | None,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    doubled: bool,
) -> NDArray[np.float32]:
    """Prominent gradients of some bands of pictures (pictures, B, H, W): (…, fields, H, W) as `valid` is (…, H, W)."""
    chosen = np.arange(planar.shape[1]) if which is None else np.array(which, np.int64)
    shape = planar.shape[2:]
    out = np.empty((len(planar), 2, len(chosen), *shape), np.float32)
    seen = np.ascontiguousarray(valid).reshape(-1, *shape)
    prominent_gradients(planar, chosen, seen, weights, doubled, SHARE, out)
    return out.reshape(*valid.shape[:-2], -1, *shape)


def _masked(fields: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fields (pictures, 1, K, H, W), 0 where they are not valid (…, H, W): (…, fields, H, W)."""
    if not valid.all():
        for picture, seen in zip(fields, valid.reshape(-1, *valid.shape[-2:]), strict=True):
            picture[..., ~seen] = 0
    return fields.reshape(*valid.shape[:-2], -1, *valid.shape[-2:])
