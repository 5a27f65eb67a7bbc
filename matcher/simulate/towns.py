"""Towns: streets, lots and roofs of every district, with heights and years of building."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.noise import Field
from matcher.simulate.parcels import LOTS, PARCELS, Blocks, Parcels, lots

# Lot (px), part of the lots built on, margin round a roof (px), height (px of 10 m), green between.
DISTRICTS = {
    "old": (2.6, 0.9, 0.1, 1.3, 0.2),
    "suburb": (3.0, 0.7, 0.6, 0.7, 0.75),
    "towers": (6.0, 0.6, 1.5, 4.5, 0.5),
    "works": (11.0, 0.75, 1.0, 1.0, 0.2),
}

# Red, green, blue, near infrared of roofs: surface reflectance x 10,000, and their odds by district.
ROOFS = np.array(
    [
        (1450, 980, 760, 2000),  # tiles
        (1000, 980, 960, 1200),  # grey
        (600, 610, 650, 800),  # dark
        (1900, 1850, 1780, 2100),  # concrete
        (4300, 4300, 4200, 4400),  # white
        (1100, 1500, 2500, 2300),  # blue metal
        (3000, 2500, 2000, 3300),  # sand
    ],
    np.float32,
)
ROOF_ODDS = {
    "old": (0.5, 0.25, 0.12, 0.1, 0.03, 0.0, 0.0),
    "suburb": (0.4, 0.25, 0.2, 0.1, 0.04, 0.01, 0.0),
    "towers": (0.05, 0.3, 0.15, 0.35, 0.13, 0.02, 0.0),
    "works": (0.05, 0.27, 0.13, 0.25, 0.2, 0.1, 0.0),
}
FIRST_YEAR, LAST_YEAR = 2015.0, 2021.0


@dataclass(frozen=True)
class Town:
    """Arrays (height, width) and tables of lots.

    Attributes
    ----------
    lot : ndarray of intp
        The lot's number, 0 .. LOTS - 1.
    roof : ndarray of float32
        Cover of the pixel by a roof, if the lot is built on, 0..1.
    street : ndarray of float32
        Cover by paved ground, 0..1.
    green : ndarray of float32
        Part of the ground between roofs that grows something, 0..1.
    colours : (4, LOTS) float32, surface reflectance x 10,000.
    heights : (LOTS,) float32, pixels.
    built, gone : (LOTS,) float32, the years a roof stands from and until.
    """

    lot: NDArray[np.intp]
    roof: Field
    street: Field
    green: Field
    colours: Field
    heights: Field
    built: Field
    gone: Field


def _mix(rng: np.random.Generator, arid: float) -> list[str]:
    names = list(DISTRICTS)
    odds = rng.dirichlet([1.2, 1.5, 0.6, 0.8])
    if arid > 0.8:
        odds = rng.dirichlet([0.6, 2.0, 0.6, 0.6])
    return [names[k] for k in rng.choice(len(names), 64, p=odds)]


def _roof_colours(rng: np.random.Generator, districts: list[str], arid: float) -> NDArray[np.float64]:
    """(lots, 4) surface reflectance x 10,000 of the roof on every lot, by the kind of its district."""
    limits = np.array([np.cumsum(ROOF_ODDS[name]) for name in districts])
    which = (rng.random((len(districts), 1)) > limits).sum(1).clip(0, len(ROOFS) - 1)
    if arid > 0.7:
        pale = rng.random(len(districts)) < 0.6
        which[pale] = rng.choice([3, 4, 6], int(pale.sum()), p=[0.4, 0.25, 0.35])
    spread = rng.normal(0, 0.16, (len(districts), 1)) + rng.normal(0, 0.03, (len(districts), 4))
    return ROOFS[which] * np.exp(spread)


def build_town(
    rng: np.random.Generator, parcels: Parcels, cells: Blocks, inside: NDArray[np.bool_], arid: float
) -> Town:
    """Streets and roofs where ``inside``; every block is a district of one kind."""
    kinds = _mix(rng, arid)
    style = [kinds[k] for k in rng.integers(0, len(kinds), cells.count)]
    table = np.array([DISTRICTS[name] for name in style], np.float32)
    table[:, 0] *= np.exp(rng.normal(0, 0.2, cells.count))
    size, fill, margin, green = (table[:, k][cells.number] for k in (0, 1, 2, 4))
    lot, distance = lots(parcels, size)
    odds = rng.random(LOTS, dtype=np.float32)
    width = np.clip(rng.normal(0.75, 0.3, cells.count), 0.3, 1.8).astype(np.float32)[cells.number]
    avenue = rng.choice([0.0, 1.0, 1.6], p=[0.5, 0.3, 0.2])
    street = np.clip(width + 0.5 - parcels.edge, 0, 1)
    np.maximum(street, np.clip(avenue + 0.5 - cells.edge, 0, 1), out=street)
    # Some city blocks are built up closely, some hardly: parks, yards, car parks.
    dense = np.clip(rng.normal(1.0, 0.3, PARCELS), 0, 1.4).astype(np.float32)[parcels.number]
    roof = np.clip(distance - margin + 0.5, 0, 1)
    roof *= 1 - street
    roof *= (odds[lot] < fill * dense) & inside
    street *= inside
    # Lots share numbers between districts: the last district that has a number says how such lots look.
    home = np.zeros(LOTS, np.intp)
    home[lot.ravel()] = cells.number.ravel()
    colours = _roof_colours(rng, [style[k] for k in home], arid)
    heights = table[home, 3] * np.exp(rng.normal(0, 0.4, LOTS))
    years = rng.uniform(FIRST_YEAR, LAST_YEAR, (2, LOTS))
    restless = rng.uniform(0.01, 0.08)
    built = np.where(rng.random(LOTS) < restless, years[0], 0)
    gone = np.where(rng.random(LOTS) < restless / 3, years[1], 9999)
    green = np.clip(green * (1.7 - 0.7 * dense) * np.float32(1 - 0.8 * arid), 0, 1)
    tables = (np.ascontiguousarray(colours.T), heights, built, gone)
    return Town(lot, roof, street, green, *(t.astype(np.float32) for t in tables))


def add_farms(rng: np.random.Generator, town: Town, open_land: NDArray[np.bool_], edge: Field) -> None:
    """Put up single houses, one to three roofs each, near the borders of parcels in open land (in place)."""
    height, width = edge.shape
    density = np.exp(rng.uniform(np.log(0.1), np.log(1.0)))
    for _ in range(int(density * height * width / 1500)):
        y, x = int(rng.integers(2, height - 6)), int(rng.integers(2, width - 6))
        if not open_land[y, x] or edge[y, x] > 4:
            continue
        for _ in range(rng.integers(1, 4)):
            top, left = y + int(rng.integers(-2, 3)), x + int(rng.integers(-2, 3))
            here = np.s_[
                max(top, 0) : top + int(rng.integers(1, 4)), max(left, 0) : left + int(rng.integers(1, 4))
            ]
            town.roof[here] = rng.uniform(0.5, 1)
            town.lot[here] = rng.integers(LOTS)
