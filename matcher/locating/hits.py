"""Places that the search found: best first, each piece of ground once, and how sure the first is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.formats.raster import RasterSource
from matcher.geo.grid import distance
from matcher.geo.resample import shrunk
from matcher.imagery import to_dn
from matcher.indexing.tiles import Piece, read_shrunk
from matcher.locating.variants import Search, Variant
from matcher.matching.job import Job
from matcher.search.candidates import APART
from matcher.search.pose import Pose


@dataclass(frozen=True)
class Hit:
    """One place of one variant, pixels of the search, with what is needed to work on it further.

    `pose` is how the chip lies there where it is turned or scaled beside what the variant says; `row` and `col` are
    then its corner's as if it were not.
    """

    variant: Variant
    search: Search
    job: Job
    row_of: int
    piece: int
    scene: int
    row: int
    col: int
    score: float
    pose: Pose | None = None


@dataclass(frozen=True)
class _Spot:
    """Where a hit's middle lies, degrees, and how many metres off another is a place of its own."""

    place: tuple[float, float]
    reach: float


def ground_about(hit: Hit, rim: int) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The scene under a hit and `rim` px on each side, as far as there is any: DN, pixels of the search.

    And the row and column of its first pixel.
    """
    tiles = hit.search.tiles
    whole = shrunk(tiles.scenes.shape(hit.scene), tiles.shrink)
    top, left = max(hit.row - rim, 0), max(hit.col - rim, 0)
    bottom, right = (
        min(at + side + rim, size)
        for at, side, size in zip((hit.row, hit.col), tiles.side, whole, strict=True)
    )
    raw = read_shrunk(tiles.scenes, Piece(hit.scene, top, left, bottom - top, right - left), tiles.shrink)
    return to_dn(raw, hit.job.targets.value_range), (top, left)


def ordered(hits: list[Hit]) -> list[Hit]:
    """Hits best first."""
    return sorted(hits, key=lambda h: (-h.score, h.scene, h.row, h.col, h.variant.scale, h.variant.rotation))


def rival(scenes: RasterSource, hits: list[Hit]) -> Hit | None:
    """The best of some ordered hits that is another place than the first.

    In the same search of the same scene a place a few pixels off is another one, as in `Candidates`; another scale,
    rotation or scene may show the first place a little off, so there half a chip tells them apart.
    """
    for other in hits[1:]:
        one = hits[0]
        if _lie_alike(one, other):
            if max(abs(one.row - other.row), abs(one.col - other.col)) > APART:
                return other
        elif len(apart(scenes, [one, other])) == 2:
            return other
    return None


def _lie_alike(one: Hit, other: Hit) -> bool:
    """Whether two hits were found by one search of one scene."""
    if (one.variant, one.scene) != (other.variant, other.scene):
        return False
    if one.pose is None or other.pose is None:
        return one.pose is other.pose
    return bool((one.pose.matrix == other.pose.matrix).all())


def apart(scenes: RasterSource, hits: list[Hit]) -> list[Hit]:
    """Hits best first, without those on the ground of a better one, in the same scene or in another."""
    order = ordered(hits)
    spots = _ground(scenes, order)
    kept: list[int] = []
    for n, hit in enumerate(order):
        if not any(_same(hit, order[k], spots[n], spots[k]) for k in kept):
            kept.append(n)
    return [order[k] for k in kept]


def _middle(hit: Hit) -> tuple[float, float]:
    """Row and column of a hit's middle, scene pixels."""
    (high, wide), (down, across) = hit.search.tiles.side, hit.search.tiles.shrink
    return (hit.row + high / 2) * down, (hit.col + wide / 2) * across


def _half(hit: Hit) -> tuple[float, float]:
    """Half a chip's height and width, scene pixels."""
    (high, wide), (down, across) = hit.search.tiles.side, hit.search.tiles.shrink
    return high * down / 2, wide * across / 2


def _ground(scenes: RasterSource, hits: list[Hit]) -> list[_Spot | None]:
    """Where hits lie on the ground; needed only where there are several scenes."""
    out: list[_Spot | None] = [None] * len(hits)
    if len({hit.scene for hit in hits}) < 2:
        return out
    for scene in {hit.scene for hit in hits}:
        georef = scenes.rasters[scene].georef
        which = [n for n, hit in enumerate(hits) if hit.scene == scene]
        if georef is None:
            continue
        middles, halves = (np.array([of(hits[n]) for n in which])[:, ::-1] for of in (_middle, _half))
        spots = georef.to_degrees(middles)
        reach = np.max([distance(spots, georef.to_degrees(middles + halves * edge)) for edge in np.eye(2)], 0)
        for n, spot, far in zip(which, spots.tolist(), reach.tolist(), strict=True):
            out[n] = _Spot((spot[0], spot[1]), far)
    return out


def _same(one: Hit, other: Hit, spot: _Spot | None, there: _Spot | None) -> bool:
    """Whether two hits are one place: their middles nearer than half a chip in both directions."""
    if one.scene == other.scene:
        (y, x), (v, u), (high, wide) = _middle(one), _middle(other), _half(other)
        return abs(y - v) < high and abs(x - u) < wide
    if spot is None or there is None:
        return False
    return float(distance(spot.place, there.place)[0]) < there.reach


def shares(first: float, scores: Sequence[float]) -> list[float]:
    """Confidence of each candidate: what the first leaves, shared by likelihood, and never more than the one before."""
    rest = np.array(scores[1:], np.float64) / 2
    odds = np.exp(rest - rest.max()) if len(rest) else rest
    left = (1 - first) * odds / (1 + odds.sum())
    return [first, *np.minimum.accumulate(np.minimum(left, first)).tolist()]
