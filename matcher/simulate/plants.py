"""What grows and what lies bare: every label's colours and textures on a date."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.ground import FIELD, LABELS, LEVELS, TOWN, WILD, WOOD, Ground
from matcher.simulate.noise import Field
from matcher.simulate.parcels import PARCELS
from matcher.simulate.seasons import Moment

BANDS = 4
TROPICS = 20  # degrees of latitude within which woods stay green

# Surface reflectance x 10,000: red, green, blue, near infrared.
SOILS = np.array(
    [(800, 680, 540, 1250), (1150, 900, 680, 1800), (1600, 1050, 650, 2200), (1800, 1450, 1050, 2400)]
)
SAND = np.array((3500, 2750, 1950, 4300))
ROCK = np.array((1500, 1350, 1150, 1900))
STRAW = np.array((1700, 1400, 900, 2700))
LEAVES = {
    "crop": (330, 640, 360, 4000),
    "grass": (520, 790, 460, 3100),
    "rape": (1400, 1500, 500, 4200),
    "scrub": (850, 950, 620, 2700),
    "broad": (300, 560, 300, 3900),
    "conifer": (240, 370, 240, 2400),
    "garden": (500, 750, 450, 3000),
}
BARE_WOOD = np.array((900, 830, 650, 1900))


def _rise(phase: NDArray, start: NDArray, end: NDArray) -> NDArray:
    """Growth from ``start`` to ``end`` of the year, 0..1, with smooth flanks."""
    steepness = 28.0
    return 1 / (1 + np.exp(-steepness * (phase - start))) - 1 / (1 + np.exp(-steepness * (phase - end)))


def _walk(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four random functions of a label's level, (4, PARCELS), of deviation about 1, that run on smoothly.

    The numbers of woods and wild ground are levels of a random field, so what they look like must run on too.
    """
    level = np.arange(PARCELS) % LEVELS / LEVELS
    waves = np.arange(1, 4)
    strength = rng.normal(0, 1, (4, 2, 3)) / np.sqrt(waves)
    turns = 2 * np.pi * waves[:, None] * level
    total: NDArray[np.float64] = strength[:, 0] @ np.cos(turns) + strength[:, 1] @ np.sin(turns)
    return total / np.sqrt((1 / waves).sum())


@dataclass(frozen=True)
class Look:
    """Every label's look on one date; tables (LABELS,) or (4, LABELS), float32.

    Attributes
    ----------
    bare, leaf : (4, ...) reflectance x 10,000 of the ground and of what grows there.
    green : part of the ground that is covered by leaves.
    patchy : how far the lasting soil texture shows in ``green``; its sign differs between crops.
    rough : strength of the fine texture in the brightness; ``fresh``: of the part that is of this date only.
    crowns : strength of the shading of tree crowns.
    rows, row_length, row_phase : strength, period in pixels and phase of the rows.
    """

    bare: Field
    leaf: Field
    green: Field
    patchy: Field
    rough: Field
    fresh: Field
    crowns: Field
    rows: Field
    row_length: Field
    row_phase: Field


def _crops(rng: np.random.Generator, moment: Moment, jitter: Field) -> tuple[NDArray[np.intp], Field, Field]:
    """Every parcel's crop in the moment's year, its leaf cover and the part of the rest that is straw."""
    phase = np.float32(moment.phase) + jitter
    crop = rng.choice(5, PARCELS, p=[0.3, 0.25, 0.25, 0.08, 0.12])
    # Winter cereal, maize, grass, rape, bare and mixed.
    starts = np.array([-0.2, 0.42, 0.12, -0.2, 0.2], np.float32)
    ends = np.array([0.5, 0.73, 0.93, 0.52, 0.45], np.float32)
    most = np.array([0.95, 0.95, 0.85, 0.95, 0.3], np.float32)[crop]
    winter = np.isin(crop, (0, 3))
    green = most * _rise(phase, starts[crop], ends[crop])
    green = np.where(winter, green * np.clip(0.35 + 3 * (phase - 0.08), 0.35, 1), green)
    green = np.where(winter & (phase > 0.82), 0.3, green)  # next year's seed
    green = np.where(crop == 2, np.maximum(green, 0.5), green) * rng.uniform(0.75, 1.0, PARCELS)
    straw = np.where(winter & (phase > 0.48) & (phase < 0.7), rng.uniform(0, 1, PARCELS) > 0.35, 0.0)
    return crop, green.astype(np.float32), straw.astype(np.float32)


@dataclass(frozen=True)
class _Year:
    """What the looks of all kinds of ground are made from.

    ``lasting`` draws what never changes, ``yearly`` what changes with the year; ``soil`` is a colour (4,),
    ``shade`` and ``wet`` factors a parcel, ``leafy`` how far woods are in leaf, ``drift`` from ``_walk``.
    """

    ground: Ground
    moment: Moment
    lasting: np.random.Generator
    yearly: np.random.Generator
    soil: NDArray
    shade: NDArray
    wet: NDArray
    leafy: float
    drift: NDArray


Table = dict[str, NDArray | float]


def _field(year: _Year) -> Table:
    jitter = year.lasting.normal(0, 0.03, PARCELS).astype(np.float32)
    crop, green, straw = _crops(year.yearly, year.moment, jitter)
    leaf = np.array([LEAVES[n] for n in ("crop", "crop", "grass", "rape", "grass")], float)[crop]
    if not 0.28 < year.moment.phase < 0.4:  # rape is yellow while it flowers
        leaf[crop == 3] = LEAVES["crop"]
    spread = year.yearly.normal(0, 0.1, (PARCELS, 1)) + year.yearly.normal(0, 0.04, (PARCELS, BANDS))
    green = green * (0.35 + 0.65 * (1 - year.ground.arid))
    return {
        "bare": (year.soil + straw[:, None] * (STRAW - year.soil)) * (year.shade * year.wet)[:, None],
        "leaf": leaf * np.exp(spread),
        "green": green,
        "patchy": year.yearly.normal(0.02, 0.16, PARCELS),
        "rough": 0.055 + 0.05 * (1 - green),
        "fresh": 0.045 + 0.045 * year.yearly.random(PARCELS),
        "crowns": 0.0,
        "rows": 0.035 * year.yearly.random(PARCELS) ** 2,
    }


def _wood(year: _Year) -> Table:
    share = year.lasting.normal(-0.5 if abs(year.ground.latitude) > TROPICS else -3, 0.7)
    conifer = year.drift[2] + 0.5 * year.drift[3] < share
    tint = np.exp(0.14 * year.drift[0])[:, None]
    return {
        "bare": BARE_WOOD * tint,
        "leaf": np.where(conifer[:, None], LEAVES["conifer"], LEAVES["broad"]) * tint,
        "green": np.where(conifer, 0.9, 0.08 + 0.85 * year.leafy),
        "patchy": 0.05,
        "rough": 0.08,
        "fresh": 0.1,
        "crowns": np.where(conifer, 0.10, 0.07),
        "rows": 0.0,
    }


def _wild(year: _Year) -> Table:
    arid, moist = year.ground.arid, 1 - year.ground.arid
    rocky = np.clip(0.5 * year.drift[1], 0, 0.8)[:, None]
    colour = year.soil + rocky * (ROCK * (1 + 0.7 * arid) - year.soil)
    return {
        "bare": colour * (np.exp(0.1 * year.drift[0]) * year.wet.mean() ** 0.7)[:, None],
        "leaf": np.tile(LEAVES["scrub" if arid > 0.35 else "grass"], (PARCELS, 1)),
        "green": moist * (0.45 + 0.4 * year.leafy) * np.clip(0.8 + 0.25 * year.drift[2], 0, 1),
        "patchy": 0.10 * moist + 0.015,
        "rough": 0.085 - 0.045 * arid,
        "fresh": 0.09 - 0.06 * arid,
        "crowns": 0.02 * moist,
        "rows": 0.0,
    }


def _town(year: _Year) -> Table:
    yard = 0.5 * year.soil + 0.5 * np.array((1050, 1020, 960, 1350))
    return {
        "bare": yard * (year.shade * year.wet**0.6)[:, None],
        "leaf": np.tile(LEAVES["garden"], (PARCELS, 1)),
        "green": 0.45 + 0.5 * year.leafy,  # times the district's green, pixel by pixel
        "patchy": 0.1,
        "rough": 0.09,
        "fresh": 0.10,
        "crowns": 0.05,
        "rows": 0.0,
    }


def look(ground: Ground, moment: Moment, rng: np.random.Generator) -> Look:
    """What every label looks like at a moment; ``rng`` draws what is of this date only."""
    lasting = np.random.default_rng([ground.palette, 1])
    yearly = np.random.default_rng([ground.palette, 2, moment.date.year])
    soil = SOILS[lasting.integers(len(SOILS))] * lasting.uniform(0.85, 1.15)
    soil = soil + max(0.0, ground.arid - 0.6) * 2.2 * (SAND - soil)
    leafy = float(_rise(np.array(moment.phase), np.array(0.3), np.array(0.86)))
    if abs(ground.latitude) < TROPICS:
        leafy = 0.8 + 0.2 * leafy
    year = _Year(
        ground,
        moment,
        lasting,
        yearly,
        soil,
        shade=np.exp(lasting.normal(0, 0.09, PARCELS) + yearly.normal(0, 0.12, PARCELS)),
        wet=np.exp(rng.normal(-0.12, 0.15) + rng.normal(0, 0.12, PARCELS)),
        leafy=leafy,
        drift=_walk(lasting),
    )
    makers = {FIELD: _field, WOOD: _wood, WILD: _wild, TOWN: _town}
    tables = [makers[kind](year) for kind in range(len(makers))]
    for table in tables:
        table["row_length"] = yearly.uniform(2.5, 9, PARCELS)
        table["row_phase"] = yearly.uniform(0, 6, PARCELS)
    joined: dict[str, Field] = {}
    for name in Look.__dataclass_fields__:
        columns = [np.asarray(table[name], np.float32) for table in tables]
        if name in ("bare", "leaf"):
            joined[name] = np.ascontiguousarray(np.concatenate(columns).T)
        else:
            joined[name] = np.concatenate([np.broadcast_to(c, PARCELS) for c in columns])
    assert joined["green"].shape == (LABELS,)
    return Look(**joined)
