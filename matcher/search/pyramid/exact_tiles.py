"""The last level: the exact engine round the places that are still in doubt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import Channel, channels, templates
from matcher.imagery import Pictures
from matcher.search.candidates import Candidates
from matcher.search.correlation import target_spectra
from matcher.search.exhaustive import patch_peaks
from matcher.search.task import Task
from matcher.threads import ahead, spread

AROUND = 24  # px searched on every side of a candidate: enough places to know the noise by
MARGIN = 9  # px more that the fields of a tile need round it: the mean of log magnitude reaches 8
_TOGETHER = 32  # patches whose tiles are cut and held at once

Tile = tuple[NDArray[np.float32], tuple[int, int], tuple[int, int]]


def judge_exactly(
    patches: Sequence[NDArray[np.float32]],
    found: Candidates,
    task: Task,
) -> Candidates:
    """Places and scores of candidates anew, each by every pixel of a tile round it.

    Parameters
    ----------
    patches : sequence of ndarray (height, width, bands)
        DN, all of one shape.
    found : Candidates
        Of these patches.
    task : Task
        What they are sought in, and how they are compared.

    Returns
    -------
    Candidates
        Best first; scores are those of the exact engine, the noise being that of the tile.
    """
    place, score = found.place.copy(), np.full(found.score.shape, -1, np.float32)
    parts = [
        range(start, min(start + _TOGETHER, len(patches))) for start in range(0, len(patches), _TOGETHER)
    ]
    for rows, tiles in ahead((part, _cut(task.targets, found, part, patches[0].shape[:2])) for part in parts):

        def peaks(n: int, tiles: dict[tuple[int, int], Tile] = tiles) -> list[tuple[int, float, int, int]]:
            return _peaks(patches[n], n, tiles, task)

        for n, made in zip(rows, spread(peaks, rows), strict=True):
            for m, value, y, x in made:
                score[n, m], place[n, m] = value, (y, x)
    return Candidates(found.target, place, score).ranked(score)


def _cut(
    targets: Pictures, found: Candidates, rows: range, side: tuple[int, ...]
) -> dict[tuple[int, int], Tile]:
    """Pixels round each candidate (with a margin), where the tile begins in them, and in the target: (y, x)."""
    wanted = sorted((int(found.target[n, m]), n, m) for n in rows for m in range(found.target.shape[1]))
    out: dict[tuple[int, int], Tile] = {}
    for number, n, m in wanted:
        if number < 0:
            continue
        shape = targets.shape(number)[:2]
        size = [min(own + 2 * AROUND, of) for own, of in zip(side, shape, strict=True)]
        corner = [int(np.clip(found.place[n, m, a] - AROUND, 0, shape[a] - size[a])) for a in (0, 1)]
        low = [max(c - MARGIN, 0) for c in corner]
        high = [min(c + s + MARGIN, of) for c, s, of in zip(corner, size, shape, strict=True)]
        pixels = targets.crop(number, (low[0], low[1]), (high[0] - low[0], high[1] - low[1]))
        inner = (corner[0] - low[0], corner[1] - low[1])
        out[n, m] = (pixels, inner, (corner[0], corner[1]))
    return out


def _peaks(
    patch: NDArray[np.float32],
    n: int,
    tiles: dict[tuple[int, int], Tile],
    task: Task,
) -> list[tuple[int, float, int, int]]:
    """(candidate, score, y, x) of one patch's tiles; tiles of one size share their transforms."""
    own = templates(patch, task.roles, task.evidence, task.model.responses)
    by_size: dict[tuple[int, int], list[tuple[int, list[Channel], tuple[int, int]]]] = {}
    for (number, m), (pixels, inner, corner) in tiles.items():
        if number != n:
            continue
        size = (
            min(own[0].shape[0] + 2 * AROUND, pixels.shape[0] - inner[0]),
            min(own[0].shape[1] + 2 * AROUND, pixels.shape[1] - inner[1]),
        )
        fields = [channel.window(inner, size) for channel in channels(pixels, task.roles, task.evidence)]
        by_size.setdefault(size, []).append((m, fields, corner))
    out = []
    for group in by_size.values():
        score, place = patch_peaks(own, target_spectra([fields for _, fields, _ in group], own[0].shape))
        for k, (m, _, corner) in enumerate(group):
            y, x = place[k, 0]
            out.append((m, float(score[k, 0]), corner[0] + int(y), corner[1] + int(x)))
    return out
