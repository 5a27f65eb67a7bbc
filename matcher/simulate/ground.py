"""The lasting part of a place: relief, water, who owns what, woods, towns, roads, soil."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.covers import COVERS, Cover, Span
from matcher.simulate.noise import Field, fractal, smooth, threshold, white
from matcher.simulate.parcels import PARCELS, Blocks, Parcels, blocks, divide
from matcher.simulate.towns import Town, add_farms, build_town

PIXEL = 10.0  # metres
FIELD, WOOD, WILD, TOWN = range(4)
LABELS = 4 * PARCELS
LEVELS = 256  # of woods and wild ground, see build_ground
FAR = 60.0  # distances to water are cut off here, pixels


@dataclass(frozen=True)
class Ground:
    """All that stays from date to date; arrays are (height, width) float32 unless said otherwise.

    Attributes
    ----------
    label : ndarray of intp
        ``kind * PARCELS + parcel``, kind one of FIELD, WOOD, WILD, TOWN.
    height, slope : heights in metres, and (down, right) slopes in metres a metre, (2, height, width).
    water : signed distance to the shore in pixels, negative in water, at the usual level.
    sea : whether the water is the sea.
    trees : cover of single trees and copses, 0..1.
    line, road : cover of hedges, ditches and tracks between parcels, and of paved roads, 0..1.
    across : coordinate across the parcels' rows, pixels.
    soil, fine, canopy : lasting textures of deviation 1: coarse, fine, and slopes of tree crowns (2, ...).
    latitude : degrees; arid : 0..1; palette: number that tells the place's own colours.
    """

    cover: str
    label: NDArray[np.intp]
    height: Field
    slope: Field
    water: Field
    sea: bool
    trees: Field
    line: Field
    road: Field
    across: Field
    soil: Field
    fine: Field
    canopy: Field
    town: Town
    latitude: float
    arid: float
    palette: int


def _draw(rng: np.random.Generator, span: Span) -> float:
    return float(rng.uniform(*span))


def _slopes(field: Field) -> Field:
    down, right = np.gradient(field)
    return np.stack([down, right]).astype(np.float32)


def _relief(rng: np.random.Generator, shape: tuple[int, int], cover: Cover, arid: float) -> Field:
    deviation = _draw(rng, cover.relief)
    height = fractal(rng, shape, (280, 140, 70, 35, 17), 1.3)
    if deviation > 30:  # ridges and the valleys that run down from them, to the gullies
        ridges = 1 - np.abs(fractal(rng, shape, (170, 90, 45, 24, 12, 6), 1.0))
        height *= np.float32(0.6)
        height += np.float32(1.1) * ridges
    height *= np.float32(deviation)
    if arid > 0.85 and rng.random() < 0.6:  # dunes: steep on the lee side
        angle, length = rng.uniform(0, np.pi), rng.uniform(8, 30)
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        phase = (np.cos(angle) * x + np.sin(angle) * y + smooth(rng, shape, 60) * length) / length
        phase += 0.25 * smooth(rng, shape, 15)
        saw = np.mod(phase, 1)
        crest = np.where(saw < 0.7, saw / 0.7, (1 - saw) / 0.3)
        height += (crest * length * rng.uniform(0.3, 1.0)).astype(np.float32) * np.clip(
            smooth(rng, shape, 90) + 0.7, 0, 1
        )
    return height


def _shore(level: Field) -> Field:
    """Signed distance in pixels to where ``level`` is 0, good near there, cut off at FAR."""
    steepness = np.hypot(*np.gradient(level)) + np.float32(1e-4)
    return np.clip(level / steepness, -FAR, FAR)


def _water(rng: np.random.Generator, shape: tuple[int, int], cover: Cover) -> tuple[Field, bool]:
    """Signed distance to the shore and whether the water is the sea."""
    share = _draw(rng, cover.water)
    water = np.full(shape, FAR, np.float32)
    sea = not cover.lakes and share > 0.15
    if share > 0.003:
        bed = fractal(rng, shape, (70, 35, 18, 9, 5) if cover.lakes else (260, 110, 50, 25, 12, 6), 0.9)
        water = _shore(threshold(bed, share) - bed)
    if cover.arid[1] < 0.85 and rng.random() < 0.35:
        course = fractal(rng, shape, (300, 120, 50), 1.3)
        river = np.abs(_shore(course)) - np.float32(np.exp(rng.uniform(np.log(0.5), np.log(8))))
        np.minimum(water, river, out=water)
    return water, sea


def _roads(rng: np.random.Generator, shape: tuple[int, int], cells: Blocks, y: Field, x: Field) -> Field:
    """Cover of country roads along the blocks' borders and of a highway or two."""
    half = rng.choice([0.0, 0.35, 0.5, 0.8], cells.count, p=[0.2, 0.4, 0.3, 0.1]).astype(np.float32)
    road = np.clip(half[cells.number] + 0.5 - cells.edge, 0, 1)
    road *= (half > 0)[cells.number] * np.float32(0.8)
    for _ in range(rng.integers(0, 3)):
        angle = rng.uniform(0, np.pi)
        line = np.cos(angle) * x + np.sin(angle) * y + 25 * smooth(rng, shape, 180)
        line -= np.float32(rng.uniform(0.15, 0.85) * shape[0] * (np.cos(angle) + np.sin(angle)))
        width = rng.uniform(0.7, 2.2)
        np.maximum(road, np.clip(width + 0.5 - np.abs(line), 0, 1), out=road)
    return road


def _kinds(
    rng: np.random.Generator, cover: Cover, parcels: Parcels, town: Field, height: Field
) -> NDArray[np.intp]:
    """FIELD, WOOD, WILD or TOWN for every pixel; woods follow the parcels where they are few."""
    shape = height.shape
    wood_share = _draw(rng, cover.wood)
    chance = rng.standard_normal((2, PARCELS), dtype=np.float32)
    rank = 1.0 - wood_share
    wood = fractal(rng, shape, (120, 60, 25, 12, 6), 0.6) + np.float32(1.2 * rank) * chance[0][parcels.number]
    kind = np.full(shape, FIELD, np.intp)
    wild = fractal(rng, shape, (150, 70, 30, 12), 0.8) + np.float32(0.7) * chance[1][parcels.number]
    if cover.relief[1] > 60:
        wild += height / (np.std(height) + 1)
    kind[wild > threshold(wild, _draw(rng, cover.wild))] = WILD
    kind[wood > threshold(wood, wood_share)] = WOOD
    kind[(town > 0) & (chance[1][parcels.number] < 1.5)] = TOWN  # the rest are parks and plots
    return kind


def _town_mask(
    rng: np.random.Generator, cover: Cover, cells: Blocks, shape: tuple[int, int]
) -> tuple[Field, NDArray[np.bool_]]:
    """Above 0 where built-up; which blocks are so (they have streets)."""
    share = _draw(rng, cover.town)
    urban = fractal(rng, shape, (220, 90, 45), 0.9)
    sums = np.bincount(cells.number.ravel(), urban.ravel(), cells.count)
    sizes = np.bincount(cells.number.ravel(), minlength=cells.count)
    mean = (sums / np.maximum(sizes, 1)).astype(np.float32)
    rank = mean + rng.normal(0, 0.35, cells.count).astype(np.float32)
    mask = rank[cells.number] + 0.25 * urban + 0.12 * smooth(rng, shape, 14)
    mask -= np.float32(threshold(mask, share))
    streets = np.bincount(cells.number.ravel(), (mask > 0).ravel(), cells.count) > 0.3 * sizes
    mask *= streets[cells.number]
    return mask, streets


def build_ground(cover_name: str, shape: tuple[int, int], rng: np.random.Generator) -> Ground:
    """Lay out a place of a kind.

    Parameters
    ----------
    cover_name : str
        A key of ``covers.COVERS``.
    shape : (int, int)
        Height and width in pixels of 10 m.
    rng : numpy.random.Generator
        The place's own; the same generator in the same state lays out the same place.

    Returns
    -------
    Ground
        Its arrays are (height, width).

    Raises
    ------
    KeyError
        If there is no such kind of place.
    """
    cover = COVERS[cover_name]
    arid = _draw(rng, cover.arid)
    latitude = _draw(rng, cover.latitude) * (1 if rng.random() < 0.75 else -1)
    height = _relief(rng, shape, cover, arid)
    water, sea = _water(rng, shape, cover)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    bend = np.float32(rng.uniform(1, 14))
    warped_y, warped_x = y + bend * smooth(rng, shape, 90), x + bend * smooth(rng, shape, 90)
    cells = blocks(rng, warped_y, warped_x, _draw(rng, cover.block))
    mask, streets = _town_mask(rng, cover, cells, shape)
    units, angles = _layout(rng, cover, cells.count, streets)
    parcels = divide(rng, warped_y, warped_x, cells, units, angles)
    kind = _kinds(rng, cover, parcels, mask, height)
    # What is not tilled has no parcels: its number is a level of a random field, neighbours differ little.
    levels = fractal(rng, shape, (90, 40, 18, 9), 0.6) * np.float32(LEVELS / 8) + np.float32(LEVELS / 2)
    natural = np.clip(levels, 0, LEVELS - 1).astype(np.intp)
    label = kind * PARCELS + np.where((kind == WOOD) | (kind == WILD), natural, parcels.number)
    road = _roads(rng, shape, cells, warped_y, warped_x)
    # Few roads where nobody tills or builds.
    road *= np.where((kind == WOOD) | (kind == WILD), np.clip(3 * smooth(rng, shape, 80) - 1, 0, 1), 1)
    town = build_town(rng, parcels, cells, kind == TOWN, arid)
    add_farms(rng, town, (kind == FIELD) & (water > 3), parcels.edge)
    marked = rng.uniform(-1.2, 1, PARCELS).clip(0, 1).astype(np.float32)
    line = np.clip(0.9 - parcels.edge, 0, 1) * marked[parcels.number] * (kind == FIELD)
    leafy = (
        np.repeat(np.array((0.5, 0.0, 1.0, 1.0), np.float32), PARCELS)
        * (1 - 0.9 * arid)
        * rng.uniform(0.3, 1)
    )
    clump = np.float32(0.75) * smooth(rng, shape, 2.2) + np.float32(0.65) * smooth(rng, shape, 18)
    trees = np.clip((clump + leafy.astype(np.float32)[label] - np.float32(2.0)) * 2, 0, 1)
    fine = np.float32(0.8) * white(rng, shape) + np.float32(0.6) * smooth(rng, shape, 2.5)
    crowns = _slopes(white(rng, shape) + 1.4 * smooth(rng, shape, 3) + 1.5 * smooth(rng, shape, 7))
    return Ground(
        cover=cover_name,
        label=label,
        height=height,
        slope=_slopes(height) / np.float32(PIXEL),
        water=water,
        sea=sea,
        trees=trees,
        line=line,
        road=road,
        across=parcels.across,
        soil=fractal(rng, shape, (60, 25, 11, 5), 0.35),
        fine=fine,
        canopy=crowns,
        town=town,
        latitude=latitude,
        arid=arid,
        palette=int(rng.integers(2**31)),
    )


def _layout(
    rng: np.random.Generator, cover: Cover, count: int, streets: NDArray[np.bool_]
) -> tuple[tuple[NDArray, NDArray], NDArray]:
    """Mean width and length of the parcels of every block (px), and their direction (radians)."""
    width = np.exp(rng.uniform(np.log(cover.width[0]), np.log(cover.width[1]), count))
    length = width * rng.uniform(*cover.length, count)
    city_width = rng.uniform(7, 15, count)
    city_length = city_width * rng.uniform(1, 2, count)
    units = (np.where(streets, city_width, width), np.where(streets, city_length, length))
    turn = 0.05 if cover.lakes else rng.uniform(0.1, 0.6)
    return units, rng.uniform(0, np.pi) + rng.normal(0, turn, count)
