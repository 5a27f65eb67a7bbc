"""Towns: streets, lots and roofs of every district, with heights and years of building."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.noise import Field
from matcher.simulate.parcels import LOTS, Blocks, Parcels, lots

# Lot (px), part of the lots built on, margin round a roof (px), height (px of 10 m), green between the houses.
DISTRICTS = {
    "old": (2.6, 0.9, 0.1, 1.3, 0.1),
    "suburb": (3.0, 0.7, 0.6, 0.7, 0.5),
    "towers": (6.0, 0.6, 1.5, 4.5, 0.35),
    "works": (11.0, 0.75, 1.0, 1.0, 0.12),
}

# Red, green, blue, near infrared of roofs: surface reflectance x 10,000, and their odds by district.
ROOFS = np.array(
    [
        (1700, 1150, 900, 2300),  # tiles
        (1250, 1230, 1200, 1450),  # grey
        (750, 760, 800, 950),  # dark
        (2300, 2250, 2150, 2500),  # concrete
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
    size, fill, margin, tall, green = (column[cells.number] for column in table.T)
    lot, distance = lots(parcels, size)
    odds = rng.random(LOTS, dtype=np.float32)
    width = np.clip(rng.normal(0.75, 0.3, cells.count), 0.3, 1.8).astype(np.float32)[cells.number]
    street = np.clip(width + 0.5 - parcels.edge, 0, 1)
    roof = np.clip(distance - margin + 0.5, 0, 1)
    roof *= 1 - street
    roof *= (odds[lot] < fill) & inside
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
    return Town(
        lot, roof, street, green * np.float32(1 - 0.8 * arid), np.ascontiguousarray(colours.T, np.float32),
        heights.astype(np.float32), built.astype(np.float32), gone.astype(np.float32),
    )  # fmt: skip
