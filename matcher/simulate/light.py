"""Sunlight on the ground: shading of slopes, shadows cast by hills, trees and houses."""

import numpy as np

from matcher.simulate.ground import PIXEL
from matcher.simulate.noise import Field

Sun = tuple[float, float, float]
AMBIENT = 0.18  # part of the light that comes from the sky


def shading(slope: Field, sun: Sun) -> Field:
    """Light on slopes (2, height, width), m per m, relative to flat ground: (height, width)."""
    light = slope[0] * np.float32(-sun[0]) + slope[1] * np.float32(-sun[1])
    light += np.float32(sun[2])
    light /= np.sqrt(1 + slope[0] ** 2 + slope[1] ** 2)
    np.clip(light, 0, None, out=light)
    light *= np.float32((1 - AMBIENT) / sun[2])
    light += np.float32(AMBIENT)
    return light


def _moved(field: Field, dy: int, dx: int) -> Field:
    """What lies (dy, dx) pixels away from every pixel; the border's own value beyond the border."""
    height, width = field.shape
    dy, dx = int(np.clip(dy, -height, height)), int(np.clip(dx, -width, width))
    return np.roll(field, (-dy, -dx), (0, 1))


def cast_shadow(height: Field, sun: Sun, reach: float, softness: float = 0.7) -> Field:
    """Depth of the shadow, 0..1, that ``height`` (in pixels) casts on itself within ``reach`` pixels.

    Wraps round at the borders: callers keep a margin.
    """
    flat = float(np.hypot(sun[0], sun[1]))
    rise = sun[2] / flat  # per pixel of distance
    depth = np.zeros_like(height)
    step = max(1.0, reach / 10)
    for k in range(1, int(reach / step) + 1):
        distance = k * step
        dy, dx = round(sun[0] / flat * distance), round(sun[1] / flat * distance)
        blocked = _moved(height, dy, dx)
        blocked -= height
        blocked -= np.float32(float(np.hypot(dy, dx)) * rise)
        np.maximum(depth, blocked, out=depth)
    depth /= np.float32(softness)
    return np.minimum(depth, 1, out=depth)


def relief_light(height: Field, slope: Field, sun: Sun) -> Field:
    """Shading of the relief, and the shadows of hills where slopes are steeper than the sun."""
    light = shading(slope, sun)
    steepest = float(np.abs(slope).max())
    if steepest * np.hypot(sun[0], sun[1]) > sun[2]:
        shadow = cast_shadow(height / np.float32(PIXEL), sun, 40.0, 1.5)
        light *= 1 - np.float32(1 - AMBIENT) * shadow
    return light
