"""Dates: the season and the sun."""

import datetime
from dataclasses import dataclass

import numpy as np

YEARS = (2015, 2020)
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
        year = int(rng.integers(*YEARS))
        # The clear season is pictured more often.
        phase = rng.normal(0.53, 0.22) % 1.0
        day = int(phase * 365 + (182 if latitude < 0 else 0)) % 365
        date = datetime.date(year, 1, 1) + datetime.timedelta(days=day)
        if all(date != other.date for other in out):
            names = ("winter", "spring", "summer", "autumn")
            season = names[int((phase * 12 + 1) // 3) % 4]
            out.append(Moment(date, season, phase, sun_direction(latitude, day)))
    return out


def sun_direction(latitude: float, day: int) -> tuple[float, float, float]:
    """Unit vector to the sun at the overpass, (south, east, up); at least 12 degrees up."""
    declination = np.deg2rad(-23.44) * np.cos(2 * np.pi * (day + 10) / 365)
    hour, lat = np.deg2rad(15 * (OVERPASS - 12)), np.deg2rad(latitude)
    up = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(lat) * np.sin(declination) - np.sin(lat) * np.cos(declination) * np.cos(hour)
    lifted = max(up, np.sin(np.deg2rad(12)))
    flat = np.sqrt((1 - lifted**2) / max(east**2 + north**2, 1e-9))
    return float(-north * flat), float(east * flat), float(lifted)
