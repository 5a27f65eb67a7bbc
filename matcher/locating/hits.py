"""Places that the search found: best first, each piece of ground once, and how sure the first is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matcher.decision.confidence import confidence
from matcher.formats.raster import RasterSource
from matcher.geo.grid import to_degrees
from matcher.locating.variants import Search, Variant
from matcher.matching.job import Job

_KM_A_DEGREE = 111.195


@dataclass(frozen=True)
class Hit:
    """One place of one variant, pixels of the search, with what is needed to work on it further."""

    variant: Variant
    search: Search
    job: Job
    row_of: int
    piece: int
    scene: int
    row: int
    col: int
    score: float


def apart(scenes: RasterSource, hits: list[Hit]) -> list[Hit]:
    """Hits best first, without those on the ground of a better one, in the same scene or in another."""
    order = sorted(hits, key=lambda h: (-h.score, h.scene, h.row, h.col, h.variant.scale, h.variant.rotation))
    spots = _ground(scenes, order)
    kept: list[int] = []
    for n, hit in enumerate(order):
        if not any(_same(scenes, hit, order[k], spots[n], spots[k]) for k in kept):
            kept.append(n)
    return [order[k] for k in kept]


def _middle(hit: Hit) -> tuple[float, float]:
    """Row and column of a hit's middle, scene pixels."""
    high, wide = hit.search.tiles.side
    return (hit.row + high / 2) * hit.search.tiles.shrink, (hit.col + wide / 2) * hit.search.tiles.shrink


def _ground(scenes: RasterSource, hits: list[Hit]) -> list[tuple[float, float] | None]:
    """Longitude and latitude of hits' middles; only where there are several scenes is anybody asking."""
    out: list[tuple[float, float] | None] = [None] * len(hits)
    if len({hit.scene for hit in hits}) < 2:
        return out
    for scene in {hit.scene for hit in hits}:
        georef = scenes.rasters[scene].georef
        which = [n for n, hit in enumerate(hits) if hit.scene == scene]
        if georef is not None:
            middles = [_middle(hits[n]) for n in which]
            for n, spot in zip(
                which, to_degrees(georef, [georef.to_map(x, y) for y, x in middles]), strict=True
            ):
                out[n] = spot
    return out


def _same(
    scenes: RasterSource,
    one: Hit,
    other: Hit,
    spot: tuple[float, float] | None,
    there: tuple[float, float] | None,
) -> bool:
    """Whether two hits are one place: their middles nearer than half a chip in both directions."""
    high, wide = (n * other.search.tiles.shrink / 2 for n in other.search.tiles.side)
    if one.scene == other.scene:
        (y, x), (v, u) = _middle(one), _middle(other)
        return abs(y - v) < high and abs(x - u) < wide
    georef = scenes.rasters[other.scene].georef
    if spot is None or there is None or georef is None:
        return False
    v, u = _middle(other)
    edges = to_degrees(georef, [georef.to_map(u + wide, v), georef.to_map(u, v + high)])
    reach = max(math.dist(_flat(edge, there[1]), _flat(there, there[1])) for edge in edges)
    return math.dist(_flat(spot, there[1]), _flat(there, there[1])) < reach


def _flat(spot: tuple[float, float], latitude: float) -> tuple[float, float]:
    """Degrees as kilometres on a plane that touches at a latitude."""
    return spot[0] * math.cos(math.radians(latitude)) * _KM_A_DEGREE, spot[1] * _KM_A_DEGREE


def sure(hits: list[Hit]) -> float:
    """Confidence of the first of some hits that lie apart."""
    if not hits:
        return 0.0
    second = hits[1].score if len(hits) > 1 else -1.0
    first, other = (np.array([score], np.float32) for score in (hits[0].score, second))
    return float(confidence(first, other, hits[0].job.model.trust)[0])


def shares(first: float, scores: Sequence[float]) -> list[float]:
    """Confidence of each candidate: what the first leaves, by likelihood, and never more than the one before."""
    rest = np.array(scores[1:], np.float64) / 2
    odds = np.exp(rest - rest.max()) if len(rest) else rest
    left = (1 - first) * odds / (1 + odds.sum())
    return [first, *np.minimum.accumulate(np.minimum(left, first)).tolist()]
