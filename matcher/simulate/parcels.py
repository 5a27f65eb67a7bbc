"""The map of ownership: blocks between roads, strips and parcels within them, lots within town blocks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.simulate.noise import Field

PARCELS = 2048  # parcel numbers are hashes into this many; parcels far apart may share one and do no harm
LOTS = 4096

_TABLE_STEP = 32  # entries of the table of cuts for one unit of length
_TABLE_UNITS = 512


@dataclass(frozen=True)
class Blocks:
    """Cells between the roads: ``number`` (height, width) intp below ``count``, ``edge`` px to the border."""

    number: NDArray[np.intp]
    edge: Field
    count: int


@dataclass(frozen=True)
class Parcels:
    """Parcels within blocks, all arrays (height, width).

    Attributes
    ----------
    number : ndarray of intp
        The parcel, 0 .. PARCELS - 1.
    edge : ndarray of float32
        Distance to the border of the parcel, pixels.
    across : ndarray of float32
        Coordinate across the parcel's rows, pixels.
    place : 4 ndarrays of float32
        Part of the parcel's width and length (0 .. 1), and these in pixels.
    """

    number: NDArray[np.intp]
    edge: Field
    across: Field
    place: tuple[Field, Field, Field, Field]


def blocks(rng: np.random.Generator, y: Field, x: Field, spacing: float) -> Blocks:
    """Cells of a jittered lattice of about ``spacing`` pixels.

    ``y`` and ``x`` are the coordinates, (height, width), warped as the borders shall bend.
    """
    low_y, low_x = float(y.min()), float(x.min())
    rows = int((float(y.max()) - low_y) / spacing) + 3
    cols = int((float(x.max()) - low_x) / spacing) + 3
    jitter = rng.uniform(0.12, 0.88, (2, rows, cols)).astype(np.float32)
    seed_y = ((np.arange(rows)[:, None] - 1 + jitter[0]) * spacing + low_y).astype(np.float32).ravel()
    seed_x = ((np.arange(cols)[None, :] - 1 + jitter[1]) * spacing + low_x).astype(np.float32).ravel()
    cell = ((y - low_y) / spacing).astype(np.intp) * cols + ((x - low_x) / spacing).astype(np.intp) + cols + 1
    nearest = np.zeros(y.shape, np.intp)
    best = np.full(y.shape, np.inf, np.float32)
    second = np.full(y.shape, np.inf, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            other = cell + (dy * cols + dx)
            ddy = y - seed_y[other]
            ddx = x - seed_x[other]
            distance = ddy * ddy
            distance += ddx * ddx
            closer = distance < best
            np.minimum(second, np.where(closer, best, distance), out=second)
            np.copyto(nearest, other, where=closer)
            np.minimum(best, distance, out=best)
    # Half the difference of the distances is close to the distance to the border, near the border.
    edge = np.float32(0.5) * (np.sqrt(second) - np.sqrt(best))
    return Blocks(nearest, edge, rows * cols)


def _cuts(rng: np.random.Generator, spread: float) -> tuple[Field, NDArray[np.intp]]:
    """Random cuts of a line into pieces of mean length 1: positions, and the piece of each table entry."""
    lengths = np.exp(rng.normal(0, spread, 2 * _TABLE_UNITS)).clip(0.3, 4)
    edges = np.concatenate([[0], np.cumsum(lengths / lengths.mean())])
    at = np.arange(_TABLE_UNITS * _TABLE_STEP) / _TABLE_STEP
    return edges.astype(np.float32), np.searchsorted(edges, at, "right") - 1


def _cut(
    along: Field, cuts: tuple[Field, NDArray[np.intp]], unit: Field
) -> tuple[NDArray[np.intp], Field, Field, Field]:
    """The piece each coordinate lies in, distance to the nearer end (px), place in it (0..1), length (px)."""
    edges, table = cuts
    along = np.mod(along, np.float32(_TABLE_UNITS - 1))
    piece = table[(along * _TABLE_STEP).astype(np.intp)]
    start = edges[piece]
    length = edges[piece + 1] - start
    part = along - start
    # The table is cut at 1/32 of a unit: the last sliver of a piece may be read as the next one's.
    np.clip(part, 0, length, out=part)
    distance = np.minimum(part, length - part) * unit
    part /= length
    return piece, distance, part, length * unit


def divide(
    rng: np.random.Generator,
    y: Field,
    x: Field,
    cells: Blocks,
    units: tuple[NDArray, NDArray],
    angles: NDArray,
) -> Parcels:
    """Divide every block into strips and these into parcels, along the block's own axes.

    Parameters
    ----------
    units : mean width and length of a parcel in pixels, each (cells.count,).
    angles : directions of the blocks' strips, radians, (cells.count,).
    """
    number = cells.number
    tables = (np.cos(angles), np.sin(angles), *units, rng.uniform(0, 400, cells.count))
    cos, sin, unit_u, unit_v, start = (t.astype(np.float32)[number] for t in tables)
    u = cos * x + sin * y
    v = cos * y - sin * x
    cuts = _cuts(rng, 0.45)
    i, edge_u, part_u, size_u = _cut(u / unit_u + start, cuts, unit_u)
    salt = rng.uniform(0, 400, 4096).astype(np.float32)
    j, edge_v, part_v, size_v = _cut(v / unit_v + salt[(i * 31 + number) & 4095], cuts, unit_v)
    parcel = (number * 7919 + i * 613 + j * 131) & (PARCELS - 1)
    edge = np.minimum(np.minimum(edge_u, edge_v), cells.edge)
    return Parcels(parcel, edge, u, (part_u, part_v, size_u, size_v))


def lots(parcels: Parcels, unit: Field) -> tuple[NDArray[np.intp], Field]:
    """Lots of about ``unit`` (height, width) px within parcels: number below LOTS, px to the edge."""
    part_u, part_v, size_u, size_v = parcels.place
    number = parcels.number * 37
    nearest = np.full(part_u.shape, np.inf, np.float32)
    for part, size, factor in ((part_u, size_u, 101), (part_v, size_v, 17)):
        count = np.maximum(np.rint(size / unit), 1)
        where = part * count
        index = np.minimum(np.floor(where), count - 1)
        where -= index
        distance = np.minimum(where, 1 - where)
        distance *= size / count
        np.minimum(nearest, distance, out=nearest)
        number = number + index.astype(np.intp) * factor
    return number & (LOTS - 1), nearest
