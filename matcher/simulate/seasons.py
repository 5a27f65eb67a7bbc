"""Dates: the season, the sun, what grows and what it looks like."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.ground import FIELD, LABELS, TOWN, WILD, WOOD, Ground
from matcher.simulate.noise import Field
from matcher.simulate.parcels import PARCELS

BANDS = 4
YEARS = (2015.6, 2019.9)
OVERPASS = 10.5  # mean solar time of Sentinel-2's descending pass, hours


@dataclass(frozen=True)
class Moment:
    """One date at a place.

    Attributes
    ----------
    date : datetime.date
    season : "spring", "summer", "autumn", "winter", of the place's hemisphere.
    phase : place in the hemisphere's growing year, 0..1 (0 is its 1st of January, a northern one).
    sun : unit vector to the sun (down, right, up).
    """

    date: datetime.date
    season: str
    phase: float
    sun: tuple[float, float, float]


def draw_moments(rng: np.random.Generator, latitude: float, count: int) -> list[Moment]:
    """``count`` different dates, in an order that tells nothing."""
    out: list[Moment] = []
    while len(out) < count:
        year = rng.uniform(*YEARS)
        # The clear season is pictured more often.
        phase = rng.normal(0.53, 0.2) % 1.0
        day = int(phase * 365 + (182 if latitude < 0 else 0)) % 365
        date = datetime.date(int(year), 1, 1) + datetime.timedelta(days=day)
        if all(date != other.date for other in out):
            names = ("winter", "spring", "summer", "autumn")
            season = names[int((phase * 12 + 1) // 3) % 4]
            out.append(Moment(date, season, phase, sun_direction(latitude, day)))
    return out


def sun_direction(latitude: float, day: int) -> tuple[float, float, float]:
    """Unit vector to the sun at the overpass: (down the image = south, right = east, up); at least 12 degrees up."""
    declination = np.deg2rad(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    hour, lat = np.deg2rad(15 * (OVERPASS - 12)), np.deg2rad(latitude)
    up = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(lat) * np.sin(declination) - np.sin(lat) * np.cos(declination) * np.cos(hour)
    lifted = max(up, np.sin(np.deg2rad(12)))
    flat = np.sqrt((1 - lifted**2) / max(east**2 + north**2, 1e-9))
    return float(-north * flat), float(east * flat), float(lifted)


# Surface reflectance x 10,000: red, green, blue, near infrared.
SOILS = np.array(
    [(1050, 850, 650, 1600), (1600, 1200, 850, 2300), (2050, 1350, 850, 2700), (2300, 1850, 1350, 3000)]
)
SAND = np.array((3500, 2750, 1950, 4300))
ROCK = np.array((1500, 1350, 1150, 1900))
STRAW = np.array((1900, 1550, 1000, 3000))
LEAVES = {
    "crop": (350, 680, 380, 4400),
    "grass": (600, 880, 520, 3500),
    "rape": (1400, 1500, 500, 4200),
    "scrub": (850, 950, 620, 2700),
    "broad": (300, 560, 300, 3900),
    "conifer": (240, 370, 240, 2400),
    "garden": (500, 750, 450, 3000),
}
BARE_WOOD = np.array((900, 830, 650, 1900))


def _rise(phase: Field, start: Field, end: Field) -> Field:
    """Growth from ``start`` to ``end`` of the year, 0..1, with smooth flanks."""
    steepness = 28.0
    return 1 / (1 + np.exp(-steepness * (phase - start))) - 1 / (1 + np.exp(-steepness * (phase - end)))


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
    starts = np.array(
        [-0.2, 0.42, 0.12, -0.2, 0.2], np.float32
    )  # winter cereal, maize, grass, rape, bare and mixed
    ends = np.array([0.5, 0.73, 0.93, 0.52, 0.45], np.float32)
    most = np.array([0.95, 0.95, 0.85, 0.95, 0.3], np.float32)[crop]
    winter = np.isin(crop, (0, 3))
    green = most * _rise(phase, starts[crop], ends[crop])
    green = np.where(winter, green * np.clip(0.35 + 3 * (phase - 0.08), 0.35, 1), green)
    green = np.where(winter & (phase > 0.82), 0.3, green)  # next year's seed
    green = np.where(crop == 2, np.maximum(green, 0.5), green) * rng.uniform(0.75, 1.0, PARCELS)
    straw = np.where(winter & (phase > 0.48) & (phase < 0.7), rng.uniform(0, 1, PARCELS) > 0.35, 0.0)
    return crop, green.astype(np.float32), straw.astype(np.float32)


def look(ground: Ground, moment: Moment, rng: np.random.Generator) -> Look:
    """What every label looks like at a moment; ``rng`` draws what is of this date only."""
    lasting = np.random.default_rng([ground.palette, 1])
    yearly = np.random.default_rng([ground.palette, 2, moment.date.year])
    moist = 1 - ground.arid
    soil = SOILS[lasting.integers(len(SOILS))] * lasting.uniform(0.85, 1.15)
    soil = soil + max(0.0, ground.arid - 0.6) * 2.2 * (SAND - soil)
    shade = np.exp(lasting.normal(0, 0.09, PARCELS)) * np.exp(yearly.normal(0, 0.07, PARCELS))
    wet = np.exp(rng.normal(-0.12, 0.15)) * np.exp(rng.normal(0, 0.07, PARCELS))
    leaf_year = float(_rise(np.float32(moment.phase), np.float32(0.3), np.float32(0.86)))  # type: ignore[arg-type]
    tropic = abs(ground.latitude) < 20
    leaf_year = 0.8 + 0.2 * leaf_year if tropic else leaf_year
    tables: dict[str, list[Field]] = {name: [] for name in Look.__dataclass_fields__}
    ones = np.ones(PARCELS, np.float32)
    jitter = lasting.normal(0, 0.03, PARCELS).astype(np.float32)
    crop, crop_green, straw = _crops(yearly, moment, jitter)

    def put(bare: NDArray, leaf: NDArray, green: NDArray, numbers: dict[str, NDArray | float]) -> None:
        tables["bare"].append(np.broadcast_to(bare.T if bare.ndim == 2 else bare[:, None], (BANDS, PARCELS)))
        tables["leaf"].append(np.broadcast_to(leaf.T if leaf.ndim == 2 else leaf[:, None], (BANDS, PARCELS)))
        tables["green"].append(np.asarray(green) * ones)
        for name, value in numbers.items():
            tables[name].append(np.asarray(value) * ones)

    for kind in (FIELD, WOOD, WILD, TOWN):
        if kind == FIELD:
            names = ["crop", "crop", "grass", "rape", "grass"]
            leaf = np.array([LEAVES[n] for n in names], float)[crop]
            flowering = (crop == 3) & (0.28 < moment.phase < 0.4)
            leaf[(crop == 3) & ~flowering] = LEAVES["crop"]
            leaf *= np.exp(yearly.normal(0, 0.1, (PARCELS, 1)) + yearly.normal(0, 0.04, (PARCELS, BANDS)))
            bare = (soil + straw[:, None] * (STRAW - soil)) * (shade * wet)[:, None]
            green = crop_green * (0.35 + 0.65 * moist)
            numbers = {
                "patchy": yearly.normal(0.02, 0.09, PARCELS), "rough": 0.012 + 0.012 * (1 - green),
                "fresh": 0.018 + 0.012 * yearly.random(PARCELS), "crowns": 0.0,
                "rows": 0.035 * yearly.random(PARCELS) ** 2,
            }  # fmt: skip
        elif kind == WOOD:
            conifer = lasting.random(PARCELS) < lasting.uniform(0, 0.7 if abs(ground.latitude) > 20 else 0.05)
            tint = np.exp(lasting.normal(0, 0.08, (PARCELS, 1)))
            leaf = np.where(conifer[:, None], LEAVES["conifer"], LEAVES["broad"]) * tint
            bare = np.broadcast_to(BARE_WOOD, (PARCELS, BANDS)) * tint
            green = np.where(conifer, 0.9, 0.08 + 0.85 * leaf_year)
            numbers = {
                "patchy": 0.05, "rough": 0.03, "fresh": 0.035, "crowns": np.where(conifer, 0.10, 0.07), "rows": 0.0,
            }  # fmt: skip
        elif kind == WILD:
            rocky = lasting.random(PARCELS) < 0.3
            ground_colour = np.where(rocky[:, None], soil + 0.6 * (ROCK - soil), soil)
            bare = ground_colour * (shade**0.7 * wet**0.7)[:, None]
            leaf = np.broadcast_to(LEAVES["scrub" if ground.arid > 0.35 else "grass"], (PARCELS, BANDS))
            green = moist * (0.45 + 0.4 * leaf_year) * lasting.uniform(0.6, 1, PARCELS)
            numbers = {
                "patchy": 0.10 * moist + 0.015, "rough": 0.045 - 0.02 * ground.arid, "fresh": 0.025, "crowns": 0.02 * moist,
                "rows": 0.0,
            }  # fmt: skip
        else:
            yard = 0.5 * soil + 0.5 * np.array((1350, 1300, 1200, 1650))
            bare = yard * (shade * wet**0.6)[:, None]
            leaf = np.broadcast_to(LEAVES["garden"], (PARCELS, BANDS))
            green = (0.45 + 0.5 * leaf_year) * ones  # times the district's green, pixel by pixel
            numbers = {"patchy": 0.1, "rough": 0.05, "fresh": 0.03, "crowns": 0.02, "rows": 0.0}
        numbers |= {"row_length": yearly.uniform(2.5, 9, PARCELS), "row_phase": yearly.uniform(0, 6, PARCELS)}
        put(bare, leaf, green, numbers)
    joined = {name: np.concatenate(parts, -1).astype(np.float32) for name, parts in tables.items()}
    assert joined["green"].shape == (LABELS,)
    return Look(**joined)
