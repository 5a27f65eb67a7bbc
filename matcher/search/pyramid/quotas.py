"""Which keys of several parts are the best of all, told by how many each part has at each distance."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from matcher.search.pyramid.parts import Part
from matcher.search.pyramid.proposals import Nearest
from matcher.search.pyramid.ragged import slim


def distances(_part: Part, nearest: Nearest, shift: int) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """How many keys a patch has at each distance: the least distance (n,), and counts from it on (n, distances)."""
    distance = (nearest[1] >> shift).astype(np.int64)  # ascending
    n, m = distance.shape
    if not m:
        return np.zeros(n, np.int64), np.zeros((n, 0), np.int16)
    first = distance[:, 0]
    span = int((distance[:, -1] - first).max()) + 1
    flat = np.arange(n)[:, np.newaxis] * span + distance - first[:, np.newaxis]
    return first, slim(np.bincount(flat.ravel(), minlength=n * span).reshape(n, span))


def quotas(
    told: Mapping[int, tuple[NDArray[np.int64], NDArray[np.integer]]], depth: int
) -> dict[int, NDArray[np.int64]]:
    """How many of its first keys each part has among the `depth` best of all: (n,) a part; parts of none are left out.

    told is what `distances` says of each part. Of equal distances those of lower parts, whose targets are lower, come
    first.
    """
    told = {p: (first, counts.astype(np.int64)) for p, (first, counts) in sorted(told.items()) if counts.size}
    low = min(int(first.min()) for first, _ in told.values())
    high = max(int(first.max()) + counts.shape[1] for first, counts in told.values())
    n = len(next(iter(told.values()))[0])
    rows = np.arange(n)
    total = np.zeros((n, high - low), np.int64)
    for first, counts in told.values():
        total[rows[:, np.newaxis], (first - low)[:, np.newaxis] + np.arange(counts.shape[1])] += counts
    up_to = np.concatenate([np.zeros((n, 1), np.int64), np.cumsum(total, 1)], 1)
    last = (up_to < depth).sum(1) - 1  # the distance at which the depth is reached, or the end
    left = depth - up_to[rows, last]
    out = {}
    for p, (first, counts) in told.items():
        own = np.concatenate([np.zeros((n, 1), np.int64), np.cumsum(counts, 1)], 1)
        at = np.clip(last + low - first, -1, counts.shape[1])
        below, through = (own[rows, np.clip(k, 0, counts.shape[1])] for k in (at, at + 1))
        given = np.minimum(through - below, left)
        left = left - given
        if (below + given).any():
            out[p] = below + given
    return out
