"""The exact engine round some places: what is in doubt is told by the noise of the ground about it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import Channel, channels_of_all, joined, templates
from matcher.imagery import Pictures
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.correlation import spectra_of_all
from matcher.search.exhaustive import bytes_a_target, patch_peaks
from matcher.search.task import Task
from matcher.threads import ahead, spread

AROUND = 24  # px searched on every side of a candidate: enough places to rank candidates by …
WIDE = 48  # … and to know the noise by, from which follows how sure an answer is
# A score that chance hardly reaches is weighed whatever its lead, since a twin may be near; a lower one only with a
# lead that is worth a second look.
NOTABLE, HOPELESS = 60.0, 1.15
MARGIN = 9  # px more that the fields of a tile need round it: the mean of log magnitude reaches 8
# Codes are one bit a pixel: the exact engine takes what they say by less, and mends most of the surest wrong answers.
CONVINCING, LEAD = 90.0, 2.0
CLEAR = 2.5  # a lead, of a convincing score, by which an answer is as sure as any
_TOGETHER = 32  # patches whose tiles are cut and held at once
_BLOCK = 512  # patches held at once

Tile = tuple[NDArray[np.float32], tuple[int, int], tuple[int, int]]
Found = tuple[
    int, NDArray[np.float32], NDArray[np.int64]
]  # candidate; score and place of the best and the second


def in_doubt(found: Candidates, lead: float = LEAD) -> NDArray[np.int64]:
    """The patches whose best place does not stand out, in its score or its lead over the best other place anywhere."""
    best, second = found.score[:, 0], found.runner_up().score[:, 0]
    return np.flatnonzero((best < CONVINCING) | (best < lead * second))


def weigh(task: Task, which: Sequence[int], found: Candidates) -> Candidates:
    """Candidates whose two best places are judged by the ground about them, where they do not stand out.

    Of a map, or of codes, the noise is that of all of a target, in which rugged ground stands out from flat, and which
    depends on how large the target is. A tile's is that of the ground about a place: the same for any search, size of
    scene and cut into pieces. Those that chance explains are left alone.

    Parameters
    ----------
    task : Task
    which : sequence of int
        Indices of the patches, all of one shape.
    found : Candidates
        Of these patches; changed in place.
    """
    doubtful = in_doubt(found, CLEAR)
    best, second = found.score[doubtful, 0], found.runner_up().score[doubtful, 0]
    doubtful = doubtful[(best >= NOTABLE) | (best >= HOPELESS * second)]
    if not len(doubtful):
        return found
    block = task.block(task.patches.shape(which[0])[:2], _BLOCK)
    for start in range(0, len(doubtful), block):
        rows = doubtful[start : start + block]
        some = found.take(rows)
        two = some.first(1).without_rivals().beside(some.runner_up().without_rivals())
        judged = judge_exactly([task.patches[which[k]] for k in rows.tolist()], two, task, WIDE)
        found.put(rows, judged.before(some))
    return found


def judge_exactly(
    patches: Sequence[NDArray[np.float32]],
    found: Candidates,
    task: Task,
    around: int = AROUND,
) -> Candidates:
    """Places and scores of candidates, and of the best one's rival, anew, each by every pixel of a tile round it.

    Parameters
    ----------
    patches : sequence of ndarray (height, width, bands)
        DN, all of one shape.
    found : Candidates
        Of these patches.
    task : Task
        What they are sought in, and how they are compared.
    around : int
        Pixels searched on every side of a candidate.

    Returns
    -------
    Candidates
        Best first; scores are those of the exact engine, the noise being that of the tile. Where a rival was not known
        it is the best other place of the tile.
    """
    wanted = found.beside(found.first(1).rivals())
    out = Candidates.empty(*wanted.target.shape)
    side = (patches[0].shape[0], patches[0].shape[1])
    pixels, work = _tile_bytes(task, side, around)
    candidates = wanted.target.shape[1]
    most, some = task.together(candidates * pixels, _TOGETHER), task.together(work, candidates)
    parts = [range(start, min(start + most, len(patches))) for start in range(0, len(patches), most)]
    for rows, tiles in ahead((part, _cut(task.targets, wanted, part, side, around)) for part in parts):

        def peaks(n: int, tiles: dict[int, dict[int, Tile]] = tiles) -> list[Found]:
            own = templates(patches[n], task.roles, task.evidence, task.model.responses)
            all_ = list(tiles.get(n, {}).items())
            lots = (dict(all_[start : start + some]) for start in range(0, len(all_), some))
            return [found for lot in lots for found in _peaks(own, lot, task, around)]

        for n, made in zip(rows, spread(peaks, rows), strict=True):
            for m, score, place in made:
                out.target[n, m] = wanted.target[n, m]
                (out.score[n, m], out.rival[n, m]), (out.place[n, m], out.rival_place[n, m]) = score, place
    return best_by_target(out, found.target.shape[1])


def tile_bytes(task: Task, side: tuple[int, int], count: int, candidates: int, threads: int) -> int:
    """The most that judging so many patches of `side` (height, width) holds, bytes.

    Pixels of tiles, read ahead where there are several threads; fields and spectra of some tiles a thread.
    """
    pixels, work = _tile_bytes(task, side, AROUND)
    of_patch = (candidates + 1) * pixels
    read = of_patch * task.together(of_patch, min(_TOGETHER, count))
    return read * (2 if threads > 1 else 1) + threads * work * task.together(work, candidates + 1)


def _tile_bytes(task: Task, side: tuple[int, int], around: int) -> tuple[int, int]:
    """The most that a candidate takes, bytes: the pixels that are read, and the fields and spectra made of them."""
    height, width = (length + 2 * (around + MARGIN) for length in side)
    shape = (height, width, task.patches.shape(0)[2])
    return task.pixel_bytes(height * width), bytes_a_target(shape, task.roles, task.evidence)


def _cut(
    targets: Pictures, found: Candidates, rows: range, side: tuple[int, int], around: int
) -> dict[int, dict[int, Tile]]:
    """Tiles by patch and candidate: pixels (with a margin), where the tile begins in them, and in the target (y, x)."""
    wanted = sorted((int(found.target[n, m]), n, m) for n in rows for m in range(found.target.shape[1]))
    out: dict[int, dict[int, Tile]] = {}
    for number, n, m in wanted:
        if number < 0:
            continue
        shape = targets.shape(number)[:2]
        size = [min(own + 2 * around, of) for own, of in zip(side, shape, strict=True)]
        corner = [int(np.clip(found.place[n, m, a] - around, 0, shape[a] - size[a])) for a in (0, 1)]
        low = [max(c - MARGIN, 0) for c in corner]
        high = [min(c + s + MARGIN, of) for c, s, of in zip(corner, size, shape, strict=True)]
        pixels = targets.crop(number, (low[0], low[1]), (high[0] - low[0], high[1] - low[1]))
        inner = (corner[0] - low[0], corner[1] - low[1])
        out.setdefault(n, {})[m] = (pixels, inner, (corner[0], corner[1]))
    return out


def _peaks(patch: Sequence[Channel], tiles: dict[int, Tile], task: Task, around: int) -> list[Found]:
    """What each of some tiles, by candidate, holds for a patch; tiles of one size share their transforms."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for m, (pixels, inner, _) in tiles.items():
        alike.setdefault((*pixels.shape, *inner), []).append(m)
    by_size: dict[tuple[int, int], list[tuple[list[int], list[Channel]]]] = {}
    for (height, width, _, top, left), which in alike.items():
        size = (
            min(patch[0].shape[0] + 2 * around, height - top),
            min(patch[0].shape[1] + 2 * around, width - left),
        )
        made = channels_of_all([tiles[m][0] for m in which], task.roles, task.evidence)
        windows = [channel.window((top, left), size) for channel in made]
        by_size.setdefault(size, []).append((which, windows))
    out = []
    for group in by_size.values():
        many = joined([channels for _, channels in group])
        score, place = patch_peaks(patch, spectra_of_all(many, patch[0].shape))
        for k, m in enumerate(m for which, _ in group for m in which):
            out.append((m, score[k], place[k] + np.array(tiles[m][2])))
    return out
