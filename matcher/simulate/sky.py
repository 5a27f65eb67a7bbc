"""The air between: haze, clouds and their shadows."""

from dataclasses import dataclass

import numpy as np

from matcher.simulate.noise import Field, knots, read_knots, smooth, white

REACH = 140  # a cloud's shadow falls at most so many pixels from it


@dataclass(frozen=True)
class Sky:
    """Haze as ``path`` (DN added) and ``through`` (factor), (4,) each, with ``haze`` (height, width) about 1.

    ``cloud`` and ``shadow``: opacity of clouds and depth of their shadows, 0..1, or None under a clear sky.
    """

    path: Field
    through: Field
    haze: Field
    cloud: Field | None
    shadow: Field | None
    brightness: Field | None


PATH = np.array((150, 280, 560, 30), np.float32)  # clear air, sun overhead
HAZE = np.array((500, 600, 750, 250), np.float32)  # for one unit of aerosol
THROUGH = np.array((0.93, 0.89, 0.84, 0.97), np.float32)
DENSE = np.array((0.86, 0.83, 0.79, 0.91), np.float32)  # for one unit of aerosol


def draw_clouds(
    rng: np.random.Generator, shape: tuple[int, int], sun: tuple[float, float, float], share: float
) -> tuple[Field, Field, Field]:
    """Opacity, depth of the shadow (0..1) and brightness (DN) of one layer of broken cloud over a share of the area."""
    size = float(np.exp(rng.uniform(np.log(14), np.log(70))))
    layers = [(size * f, f**0.75) for f in (2.2, 1.0, 0.5, 0.25, 0.12, 0.06) if size * f > 2]
    fields = [(knots(rng, shape, s, REACH), s, g) for s, g in layers]
    power = np.sqrt(sum(g * g for _, _, g in fields))

    def read(shift: tuple[float, float]) -> Field:
        parts = (read_knots(k, shape, s, shift, REACH) * np.float32(g / power) for k, s, g in fields)
        return np.add.reduce(list(parts))

    body = read((0.0, 0.0))
    level = float(np.quantile(body[::4, ::4], 1 - share))
    thick = rng.uniform(1.5, 5.0)
    height = rng.uniform(60, 250)  # in pixels of 10 m
    flat = height / sun[2]
    # The shadow at a place is that of the cloud that stands between it and the sun.
    shadow = _opacity(read((sun[0] * flat, sun[1] * flat)) - np.float32(level), thick)
    shadow *= np.float32(rng.uniform(0.5, 0.75))
    depth = body - np.float32(level)
    opacity = _opacity(depth, thick)
    lumps = smooth(rng, shape, max(size / 6, 3)) + np.float32(0.5) * white(rng, shape)
    brightness = 2300 + 1900 * np.clip(depth * thick / 2, 0, 2) * (1 + np.float32(0.12) * lumps)
    return opacity, shadow, brightness.astype(np.float32)


def _opacity(depth: Field, thick: float) -> Field:
    """What part of the light a cloud holds back, 0..1, where it is so deep; thin at its rims."""
    path = np.clip(depth + np.float32(0.25), 0, None)
    path *= path * np.float32(thick)
    return 1 - np.exp(-path)


def draw_sky(
    rng: np.random.Generator, shape: tuple[int, int], sun: tuple[float, float, float], cloudy: float
) -> Sky:
    """The air of one date; ``cloudy`` are the odds of clouds."""
    mass = 1 / sun[2]
    aerosol = float(rng.lognormal(-2.3, 0.7)) * mass**0.5
    haze = 1 + np.float32(0.12) * smooth(rng, shape, 170) + np.float32(0.04) * smooth(rng, shape, 50)
    cloud = shadow = brightness = None
    if rng.random() < cloudy:
        share = float(rng.beta(0.7, 1.8))
        cloud, shadow, brightness = draw_clouds(rng, shape, sun, min(max(share, 0.01), 0.95))
    elif rng.random() < 0.1:
        aerosol += rng.uniform(0.3, 1.2)
        haze += np.float32(0.3) * smooth(rng, shape, 90)
    np.clip(haze, 0.2, 2.5, out=haze)
    return Sky(
        path=PATH * np.float32(mass**0.5), through=(THROUGH * DENSE**aerosol).astype(np.float32),
        haze=haze * np.float32(aerosol), cloud=cloud, shadow=shadow, brightness=brightness,
    )  # fmt: skip
