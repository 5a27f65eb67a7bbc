"""Coarse to fine: every patch goes from level to level for as long as it is in doubt."""

import logging
import math
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import Advance
from matcher.errors import MatcherError
from matcher.kernels.bits import CHUNK
from matcher.kernels.slide import ROW_SHIFT
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fitting
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.exact_tiles import in_doubt
from matcher.search.pyramid.hunt import KEYS_SHARE, Hunt
from matcher.search.pyramid.index import KEY_BYTES, Index, Layout, build_index, index_bytes
from matcher.search.pyramid.levels import (
    BLOCK,
    DOUBTFUL_BLOCK,
    FINAL,
    LEVELS,
    Level,
)
from matcher.search.task import Task
from matcher.threads import ahead

Block = tuple[NDArray[np.int64], list[NDArray[np.float32]]]  # which patches, and their pixels
log = logging.getLogger("matcher.pyramid")
INDEX_SHARE = 0.7  # of the memory, for the codes of the targets


def search_pyramid(
    task: Task, which: Sequence[int], report: Advance, index: Layout | None = None
) -> Candidates:
    """The best places of some patches of one shape, coarse to fine.

    With other evidence than the default the exact engine judges every patch, not the doubtful ones only.

    Parameters
    ----------
    task : Task
    which : sequence of int
        Indices of the patches, all of one shape.
    report : callable
        Called with the number of pairs done since the last call: a patch's are done when it is in doubt no more, or
        the last level has seen it.
    index : Index, optional
        What `index_targets` gave for these targets and this size of patches, or what answers as it does
        (`matcher.search.pyramid.divided`); by default it is made here.

    Raises
    ------
    MatcherError
        If the targets' codes do not fit the memory.
    """
    index = index or index_targets(task, task.patches.shape(which[0])[:2])
    hunt = Hunt(task, which, index, Candidates.empty(len(which), max(task.keep, FINAL)))
    left = np.ones(len(which), bool)
    for level in LEVELS:
        for rows, patches in _blocks(level, hunt):
            hunt.found.put(rows, level.look(hunt, rows, patches))
            sure = np.delete(rows, in_doubt(hunt.found.take(rows)))
            report(int(left[sure].sum()) * len(index))
            left[sure] = False
    report(int(left.sum()) * len(index))
    return hunt.found.first(task.keep)


def _blocks(level: Level, hunt: Hunt) -> Iterator[Block]:
    """The patches of a level, a block at a time, read ahead; how many and how long goes to the log."""
    begin = time.perf_counter()
    rows = level.rows(hunt)
    most = level.together(hunt) if len(rows) else 1
    parts = (rows[start : start + most] for start in range(0, len(rows), most))
    yield from ahead((part, [hunt.task.patches[hunt.which[k]] for k in part.tolist()]) for part in parts)
    log.debug("level %s: %d patches, %.2f s", level.name, len(rows), time.perf_counter() - begin)


def index_targets(task: Task, side: tuple[int, int]) -> Index:
    """The codes of all targets that a patch of `side` (height, width) fits into; an error where memory is short."""
    begin = time.perf_counter()
    targets, shapes = to_code(task, side)
    index = build_index(targets, shapes, task.roles, Plan.of(*side))
    log.debug("level index: %d targets, %.2f s", len(shapes), time.perf_counter() - begin)
    return index


def to_code(task: Task, side: tuple[int, int]) -> tuple[Iterator[NDArray[np.float32]], list[tuple[int, int]]]:
    """The targets that a patch of `side` fits into, DN, read one by one; and their heights and widths.

    Raises
    ------
    MatcherError
        If their codes do not fit the memory.
    """
    _check_memory(task, side)
    numbers = fitting(task.targets, side)
    return (task.targets[k] for k in numbers), [task.targets.shape(k)[:2] for k in numbers]


def key_bytes(shapes: Sequence[tuple[int, int]], plan: Plan, memory: int) -> int:
    """The most that the keys of a block of patches take in targets of these heights and widths, bytes."""
    chunks = sum(-(-math.prod((n + 1) // 2 for n in plan.places(*shape)) // CHUNK) for shape in shapes)
    columns = sum(width // plan.factor for _, width in shapes)
    return min(int(memory * KEYS_SHARE), KEY_BYTES * max(BLOCK * chunks, DOUBTFUL_BLOCK * columns))


def _check_memory(task: Task, side: tuple[int, int]) -> None:
    """The targets' codes stay in memory: they must fit their share of it, and each target the keys of a search."""
    numbers, plan = fitting(task.targets, side), Plan.of(*side)
    shapes = [task.targets.shape(k)[:2] for k in numbers]
    tallest = (1 << ROW_SHIFT) * plan.factor
    for k, (height, _) in zip(numbers, shapes, strict=True):
        if height > tallest:
            raise MatcherError(
                f"{task.targets.source.where(k)}: is {height} px high; with patches of this size the pyramid takes at "
                f"most {tallest}: use matcher locate, which cuts scenes into pieces, or --search exhaustive"
            )
    needed = index_bytes(shapes, task.roles, plan)
    if needed > INDEX_SHARE * task.memory:
        least = math.ceil(needed / INDEX_SHARE / (1 << 20))
        raise MatcherError(
            f"{task.targets.name}: the codes of {len(shapes)} images take {needed / (1 << 20):.0f} MiB, more than "
            f"{INDEX_SHARE:.0%} of the memory given: raise --memory to {least} MiB, or match the images in parts"
        )
