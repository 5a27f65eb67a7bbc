"""Effort by doubt: every patch gets the cheap search, the doubtful ones more."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.imagery import Pictures
from matcher.kernels.bits import CHUNK
from matcher.kernels.slide import ROW_SHIFT
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.exhaustive import fitting, search_everywhere
from matcher.search.pyramid import exact_tiles
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.exact_tiles import in_doubt, judge_exactly, weigh
from matcher.search.pyramid.index import Index, build_index, code_patches, index_bytes
from matcher.search.pyramid.proposals import judge, propose_coarse, propose_middle
from matcher.search.task import Report, Task
from matcher.threads import ahead

Block = tuple[NDArray[np.int64], list[NDArray[np.float32]]]  # which patches, and their pixels
log = logging.getLogger("matcher.pyramid")
BLOCK = 1024  # patches coded and searched together
DEPTH = 128  # chunks refined for every patch
MIDDLE_DEPTH = 1024  # columns of the middle level refined for a doubtful one …
CLOSE_DEPTH = 2048  # … and of the places between
DOUBTFUL_BLOCK = 512  # doubtful patches searched together
FAINT = 20.0  # DN a pixel: the fine texture that only the close level sees is sensor noise where gradients are less
TEXTURED = 0.4  # of a patch's pixels that need stronger gradients for the close level to be worth its time
FINAL = 6  # targets that the exact engine judges for a patch still in doubt
CONVINCING = 60.0  # a score that hardly any wrong place reaches …
LEAD = (
    2.5  # … and hardly any leads the best other target by after the coarse level; chance goes far with many …
)
LATER_LEAD = 1.6  # … and after the middle level, among whose best the true place is seldom missing
EVERYWHERE = 48e6  # px of targets up to which what is still in doubt is searched exhaustively
KEYS_SHARE = 0.15  # of the memory, for the keys of a block of patches
_KEY = 4  # bytes of a key
INDEX_SHARE = 0.7  # of the memory, for the codes of the targets


def search_pyramid(
    task: Task, which: Sequence[int], report: Report, index: Index | None = None
) -> Candidates:
    """The best places of some patches of one shape, coarse to fine.

    With other evidence than the model was fitted to the exact engine judges every patch, not the doubtful ones only.

    Parameters
    ----------
    task : Task
    which : sequence of int
        Indices of the patches, all of one shape.
    report : callable
        Called with the number of pairs done since the last call.
    index : Index, optional
        What `index_targets` gave for these targets and this size of patches; by default it is made here.

    Raises
    ------
    MatcherError
        If the targets' codes do not fit the memory.
    """
    targets, patches, roles, keep = task.targets, task.patches, task.roles, task.keep
    side = patches.shape(which[0])[:2]
    index = index or index_targets(task, side)
    numbers = np.array(fitting(targets, side))
    found = Candidates.empty(len(which), max(keep, FINAL))
    everyone, pairs = np.arange(len(which)), len(numbers)
    room = int(task.memory * KEYS_SHARE) // _KEY

    def blocks(level: str, rows: NDArray[np.int64], most: int) -> Iterator[Block]:
        """The patches of a level, a block at a time, read ahead; how many and how long goes to the log."""
        begin = time.perf_counter()
        parts = (rows[start : start + most] for start in range(0, len(rows), most))
        yield from ahead((part, [patches[which[k]] for k in part.tolist()]) for part in parts)
        log.info("level %s: %d patches, %.2f s", level, len(rows), time.perf_counter() - begin)

    most = min(BLOCK, max(4, room // int(index.chunk_starts()[-1])))
    for rows, block in blocks("coarse", everyone, most):
        codes = code_patches(block, roles, index.plan)
        proposals = propose_coarse(index, codes, max(1, round(DEPTH * task.effort)))
        found.put(rows, judge(index, codes, proposals, len(found.target[0])))
        report(len(rows) * pairs)
    others = range(1, len(index.plan.phases))
    for level, phases, depth in (("middle", range(1), MIDDLE_DEPTH), ("close", others, CLOSE_DEPTH)):
        columns = int(index.columns(phases)[-1])
        if not columns:
            continue
        doubtful = _in_doubt(found, CONVINCING, LEAD if level == "middle" else LATER_LEAD)
        if level == "close":
            doubtful = doubtful[[_textured(patches[which[k]]) for k in doubtful.tolist()]]
        for rows, block in blocks(level, doubtful, min(DOUBTFUL_BLOCK, max(4, room // columns))):
            codes = code_patches(block, roles, index.plan)
            proposals = propose_middle(index, codes, phases, max(1, round(depth * task.effort)))
            deeper = judge(index, codes, proposals, len(found.target[0]))
            found.put(rows, _merged(found.take(rows), deeper))
    found = _to_targets(found, numbers, index.plan, side, targets)
    doubtful = in_doubt(found) if task.model.fits(task.evidence) else everyone
    for rows, block in blocks("exact", doubtful, DOUBTFUL_BLOCK):
        found.put(rows, judge_exactly(block, found.take(rows), task))
    doubtful = _in_doubt(found, exact_tiles.CONVINCING, exact_tiles.LEAD)
    if len(doubtful) and index.shapes.prod(1).sum() <= EVERYWHERE * task.effort:
        begin = time.perf_counter()
        wider = replace(task, keep=len(found.target[0]))
        found.put(
            doubtful, search_everywhere(wider, [which[k] for k in doubtful.tolist()], lambda _pairs: None)
        )
        log.info("level everywhere: %d patches, %.2f s", len(doubtful), time.perf_counter() - begin)
    return weigh(task, which, found).first(keep)


def _in_doubt(found: Candidates, convincing: float, lead: float) -> NDArray[np.int64]:
    """The patches whose best place scores less, or leads the best of another target by less."""
    best, second = found.score[:, 0], found.score[:, 1]
    return np.flatnonzero((best < convincing) | (best < lead * second))


def _textured(dn: NDArray[np.float32]) -> bool:
    """Whether a patch (DN, height x width x bands) has texture that stands out of sensor noise."""
    gy, gx = np.gradient(dn, axis=(0, 1))
    return bool((np.hypot(gy, gx) > FAINT).mean() >= TEXTURED)


def _merged(one: Candidates, other: Candidates) -> Candidates:
    """The best of both."""
    return best_by_target(one.beside(other), one.target.shape[1])


def index_targets(task: Task, side: tuple[int, int]) -> Index:
    """The codes of all targets that a patch of `side` (height, width) fits into; an error where memory is short."""
    _check_memory(task, side)
    begin = time.perf_counter()
    numbers = fitting(task.targets, side)
    shapes = [task.targets.shape(k)[:2] for k in numbers]
    index = build_index((task.targets[k] for k in numbers), shapes, task.roles, Plan.of(*side))
    log.info("level index: %d targets, %.2f s", len(numbers), time.perf_counter() - begin)
    return index


def key_bytes(shapes: Sequence[tuple[int, int]], plan: Plan, memory: int) -> int:
    """The most that the keys of a block of patches take in targets of these heights and widths, bytes."""
    chunks = sum(-(-math.prod(plan.places(*shape)) // CHUNK) for shape in shapes)
    columns = sum(width // plan.factor for _, width in shapes) * max(len(plan.phases) - 1, 1)
    return min(int(memory * KEYS_SHARE), _KEY * max(BLOCK * chunks, DOUBTFUL_BLOCK * columns))


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


def _to_targets(
    best: Candidates, numbers: NDArray[np.int64], plan: Plan, side: tuple[int, int], targets: Pictures
) -> Candidates:
    """Candidates of an index as candidates of the targets: their numbers, and the whole patch's corner."""
    target = np.where(best.target >= 0, numbers[best.target], -1)
    limits = np.array([targets.shape(k)[:2] for k in numbers.tolist()])[best.target] - np.array(side)
    place, rival_place = (
        np.clip(at - np.array(plan.margin), 0, limits) for at in (best.place, best.rival_place)
    )
    return replace(best, target=target, place=place, rival_place=rival_place)
