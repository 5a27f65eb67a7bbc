"""A place of the synthetic Earth: the same for the same seed and number, whatever else is made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from matcher.simulate.covers import draw_cover
from matcher.simulate.ground import Ground, build_ground
from matcher.simulate.render import Scene, render
from matcher.simulate.seasons import Moment, draw_moments

MARGIN = 14  # pixels on every side that are made and cut off again: room for shifts and shadows


@dataclass(frozen=True)
class SimulatedPlace:
    """A place with its dates: ``scenes`` of size x size pixels, one a moment."""

    number: int
    cover: str
    latitude: float
    moments: list[Moment]
    scenes: list[Scene]


def generator(seed: int, *key: int) -> np.random.Generator:
    """A generator of its own for every key; nothing drawn from one moves another."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _cut(field: NDArray | None, size: int) -> NDArray | None:
    return None if field is None else field[MARGIN : MARGIN + size, MARGIN : MARGIN + size]


def make_ground(seed: int, number: int, size: int, *, stream: int = 0, cover: str | None = None) -> Ground:
    """The ground of place ``number``, with margins; ``cover`` None draws the kind from the default mix."""
    rng = generator(seed, stream, number, 0)
    drawn = draw_cover(rng.random())
    full = fft.next_fast_len(size + 2 * MARGIN, real=True)
    return build_ground(cover or drawn, (full, full), rng)


def make_place(
    seed: int, number: int, size: int, *, dates: int = 2, stream: int = 0, cover: str | None = None
) -> SimulatedPlace:
    """Place ``number`` of the world ``seed`` on ``dates`` dates.

    Parameters
    ----------
    seed, number : int
        Which world and which of its places, 0 or more.
    size : int
        Pixels of 10 m a side, 1 or more.
    dates : int
        How many different dates, 1 or more.
    stream : int
        0 for test places, 1 for training series, which are other places.
    cover : str, optional
        Kind of place, a key of ``covers.COVERS``; by default one is drawn from the default mix.

    Returns
    -------
    SimulatedPlace
        With one scene a date, (size, size, 4) uint16 of reflectance x 10,000.

    Raises
    ------
    KeyError
        If there is no such kind of place.
    ValueError
        If the seed or the number is negative.
    """
    ground = make_ground(seed, number, size, stream=stream, cover=cover)
    moments = draw_moments(generator(seed, stream, number, 1), ground.latitude, dates)
    scenes = []
    for k, moment in enumerate(moments):
        scene = render(ground, moment, generator(seed, stream, number, 2, k))
        dn, cloud, snow = (_cut(f, size) for f in (scene.dn, scene.cloud, scene.snow))
        assert dn is not None
        scenes.append(Scene(dn, cloud, snow, scene.shift))
    return SimulatedPlace(number, ground.cover, ground.latitude, moments, scenes)
