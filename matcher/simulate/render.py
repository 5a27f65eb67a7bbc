"""One date of a place: its ground, season and sky brought together as the instrument sees it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.covers import COVERS
from matcher.simulate.ground import PARCELS, TOWN, Ground
from matcher.simulate.light import cast_shadow, relief_light
from matcher.simulate.noise import Field, fractal, smooth, white
from matcher.simulate.plants import BANDS, LEAVES, Look, look
from matcher.simulate.seasons import Moment
from matcher.simulate.sensor import draw_shift, expose
from matcher.simulate.sky import HAZE, draw_sky

SEA = np.array((130, 290, 430, 40), np.float32)
SILT = np.array((900, 1000, 750, 250), np.float32)
ALGAE = np.array((350, 700, 380, 500), np.float32)
SNOW = np.array((8600, 8700, 8700, 7600), np.float32)
ASPHALT = np.array((950, 950, 940, 1150), np.float32)
SHADE = np.array((0.72, 0.68, 0.6, 0.78), np.float32)  # light that a cast shadow takes


@dataclass(frozen=True)
class Scene:
    """One date: ``dn`` (height, width, 4) uint16, raw (clouds and snow lie above 4095).

    ``cloud`` and ``snow`` are shares 0..1 a pixel, None where there is none; ``shift`` (dy, dx) px.
    """

    dn: NDArray[np.uint16]
    cloud: Field | None
    snow: Field | None
    shift: tuple[float, float]


def render(ground: Ground, moment: Moment, rng: np.random.Generator) -> Scene:
    """The place at a moment; ``rng`` is the date's own."""
    shape = ground.height.shape
    seen = look(ground, moment, rng)
    fresh = np.float32(0.75) * white(rng, shape) + np.float32(0.65) * smooth(rng, shape, 2.2)
    # Change comes in spots: much of the ground is as it was, some of it is not; and dates differ in it.
    spots = np.float32(1.3) * smooth(rng, shape, 9) + np.float32(rng.normal(-0.95, 0.8))
    fresh *= np.exp(np.minimum(spots, 0.8))
    patches = fractal(rng, shape, (30, 12, 5), 0.3)
    surface = _plants(ground, seen, fresh, patches)
    _lines(ground, moment, surface)
    _buildings(ground, moment, surface, fresh)
    snow = _snow(ground, moment, rng, surface)
    light = _light(ground, moment, seen)
    for band in range(BANDS):
        surface[band] *= light
    _shadows(ground, moment, surface)
    _waters(ground, moment, rng, surface)
    cloud = _air(ground, moment, rng, surface)
    shift = draw_shift(rng)
    dn = expose(surface, shift, rng)
    return Scene(np.ascontiguousarray(dn.transpose(1, 2, 0)), cloud, snow, shift)


def _blend(surface: Field, cover: Field, colour: NDArray) -> None:
    """Cover the surface by a colour of four numbers or (4, height, width)."""
    for band in range(BANDS):
        surface[band] += cover * (colour[band] - surface[band])


def _plants(ground: Ground, seen: Look, fresh: Field, patches: Field) -> Field:
    """Soil and leaves of every parcel, with their texture, (4, height, width)."""
    label = ground.label
    green = seen.green[label]
    built_up = label >= TOWN * PARCELS
    green = np.where(built_up, green * ground.town.green, green)
    patchy = seen.patchy[label]
    vary = patchy * (ground.soil + np.float32(0.6) * ground.fine)
    vary += np.float32(0.35) * np.abs(patchy) * patches
    if (seen.rows > 0).any():
        rows = seen.rows[label]
        rows *= np.sin(ground.across * (2 * np.pi / seen.row_length)[label] + seen.row_phase[label])
        vary += rows
    green += vary
    np.clip(green, 0, 1, out=green)
    bright = seen.rough[label] * ground.fine
    bright += seen.fresh[label] * fresh
    bright += np.float32(0.035) * patches
    bright -= np.float32(0.4) * vary
    bright += 1
    surface = np.empty((BANDS, *label.shape), np.float32)
    for band in range(BANDS):
        bare, leaf = seen.bare[band], seen.leaf[band]
        surface[band] = (leaf - bare)[label]
        surface[band] *= green
        surface[band] += bare[label]
        surface[band] *= bright
    return surface


def _lines(ground: Ground, moment: Moment, surface: Field) -> None:
    """Hedges or tracks between the parcels, and paved roads."""
    lasting = np.random.default_rng([ground.palette, 3])
    hedge = lasting.random() < 0.6 - 0.5 * ground.arid
    leafy = 0.4 + 0.6 * (0.3 < moment.phase < 0.85)
    track = surface[:, ::16, ::16].mean((1, 2)) * lasting.uniform(0.9, 1.6)
    tree = np.array(LEAVES["broad"]) * leafy + np.array((600, 550, 420, 1200)) * (1 - leafy)
    _blend(surface, ground.trees * np.float32(0.85), tree)
    _blend(surface, ground.line * np.float32(0.8), tree if hedge else track)
    _blend(surface, ground.road, ASPHALT * lasting.uniform(0.85, 1.5))


def _buildings(ground: Ground, moment: Moment, surface: Field, fresh: Field) -> None:
    """Streets and the roofs that stand at the moment; bare bright ground where one is being built."""
    town = ground.town
    lasting = np.random.default_rng([ground.palette, 4])
    _blend(surface, town.street * np.float32(0.85), ASPHALT * lasting.uniform(0.9, 1.3))
    year = moment.date.year + moment.date.timetuple().tm_yday / 365.25
    stands = (town.built <= year) & (town.gone > year)
    site = (town.built > year) & (town.built < year + 1.2)
    # The slope of a roof meets the sun differently each date.
    dated = np.random.default_rng([ground.palette, 5, moment.date.toordinal()])
    glance = np.exp(dated.normal(0, dated.uniform(0.05, 0.55), len(town.heights)))
    colours = np.where(site, np.array((2600, 2150, 1700, 3000))[:, None], town.colours * glance)
    cover = town.roof * (stands | site).astype(np.float32)[town.lot]
    texture = 1 + np.float32(0.07) * fresh + np.float32(0.06) * ground.fine
    for band in range(BANDS):
        surface[band] += cover * (colours[band].astype(np.float32)[town.lot] * texture - surface[band])


def _snow(ground: Ground, moment: Moment, rng: np.random.Generator, surface: Field) -> Field | None:
    """Snow by season, latitude and height; less under trees and on roads."""
    cold = abs(ground.latitude) / 10 - 6.3 + 2.4 * np.cos(2 * np.pi * (moment.phase - 0.04))
    cold += rng.normal(0, 0.5)
    # 650 m up are as cold as 4 degrees further north, say.
    level = ground.height / np.float32(400)
    if cold + float(level.max()) < 1.6 or ground.arid > 0.85:
        return None
    depth = level + np.float32(cold - 1.6)
    depth += np.float32(0.35) * fractal(rng, ground.height.shape, (30, 12, 5), 0.5)
    depth += np.float32(0.15) * ground.soil + np.float32(0.2) * ground.fine
    kind_factor = np.repeat(np.array((1.0, 0.35, 1.0, 0.75), np.float32), PARCELS)
    cover = np.clip(depth * 2, 0, 1) * kind_factor[ground.label]
    cover *= (1 - np.float32(0.6) * ground.road) * (1 - np.float32(0.7) * ground.trees)
    cover *= 1 - np.float32(0.5) * ground.line
    cover *= 1 - np.float32(0.6) * ground.town.street
    _blend(surface, cover, SNOW * rng.uniform(0.75, 1.0))
    return cover


def _light(ground: Ground, moment: Moment, seen: Look) -> Field:
    """Light of the relief and of the tree crowns, relative to flat ground."""
    light = relief_light(ground.height, ground.slope, moment.sun)
    sun = moment.sun
    crowns = seen.crowns[ground.label]
    low = 0.7 / sun[2]
    crowns *= ground.canopy[0] * np.float32(-sun[0] * low) + ground.canopy[1] * np.float32(-sun[1] * low)
    light *= np.clip(1 + crowns, 0.3, 2)
    return light


def _shadows(ground: Ground, moment: Moment, surface: Field) -> None:
    """Shadows of houses and of the edges of woods."""
    kind_height = np.repeat(np.array((0.0, 1.4, 0.0, 0.0), np.float32), PARCELS)
    height = kind_height[ground.label]
    town = ground.town
    height = np.maximum(height, np.where(town.roof > 0.5, town.heights[town.lot], 0))
    reach = min(float(height.max()) * np.hypot(moment.sun[0], moment.sun[1]) / moment.sun[2], 12.0)
    if reach < 1:
        return
    shadow = cast_shadow(height, moment.sun, reach)
    for band in range(BANDS):
        surface[band] *= 1 - SHADE[band] * shadow


def _waters(ground: Ground, moment: Moment, rng: np.random.Generator, surface: Field) -> None:
    """Sea, lakes and rivers at the date's level, with silt, algae, waves and glint."""
    if not (ground.water < 6).any():
        return
    shape = ground.height.shape
    lasting = np.random.default_rng([ground.palette, 6])
    level = float(rng.normal(0, 0.5 if ground.sea else 1.3 if COVERS[ground.cover].lakes else 0.7))
    distance = ground.water + np.float32(level)
    beach = np.exp(-np.clip(distance, 0, None) * lasting.uniform(0.6, 2.0)) * np.float32(
        lasting.uniform(0, 0.8)
    )
    _blend(surface, beach.astype(np.float32), np.array((1900, 1700, 1300, 2200)) * (1 - 0.2 * rng.random()))
    silt = np.clip(lasting.uniform(0, 0.5) + rng.normal(0, 0.1) + 0.25 * smooth(rng, shape, 100), 0, 1)
    silt = silt * np.exp(np.clip(distance, -60, 0) / np.float32(25 if ground.sea else 200))
    algae = np.clip(0.7 * smooth(lasting, shape, 60) + 0.2 * rng.normal(), 0, 1) * (
        0.0 if ground.sea else 0.8
    )
    wind = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    length = rng.uniform(5, 16)
    run = (np.cos(wind) * x + np.sin(wind) * y) * (2 * np.pi / length) + 1.5 * smooth(rng, shape, 40)
    waves = np.sin(run) * np.clip(1 + 0.7 * smooth(rng, shape, 25), 0, None) + 0.8 * white(rng, shape)
    strength = rng.lognormal(1.3, 0.7) * (1.0 if ground.sea else 0.35)
    # Glint: where the sun is high and the wind rough.
    glint = max(0.0, rng.normal(-0.4, 0.5)) * moment.sun[2] ** 2 * 220
    mottle = np.float32(strength) * waves + np.float32(glint) * (
        1 + 0.15 * smooth(rng, shape, 60) + 0.04 * waves
    )
    cover = np.clip(np.float32(0.5) - distance, 0, 1)
    for band in range(BANDS):
        water = SEA[band] + silt * (SILT[band] - SEA[band])
        water += algae * (ALGAE[band] - water)
        water += mottle
        surface[band] += cover * (water - surface[band])


def _air(ground: Ground, moment: Moment, rng: np.random.Generator, surface: Field) -> Field | None:
    """Haze and clouds over the surface; the clouds' opacity."""
    sky = draw_sky(rng, ground.height.shape, moment.sun, COVERS[ground.cover].cloudy)
    for band in range(BANDS):
        if sky.shadow is not None:
            surface[band] *= 1 - sky.shadow * np.float32(0.9 if band == 3 else 0.8)
        surface[band] *= sky.through[band]
        surface[band] += sky.haze * HAZE[band] + sky.path[band]
        if sky.cloud is not None:
            surface[band] += sky.cloud * (sky.brightness - surface[band])
    return sky.cloud
