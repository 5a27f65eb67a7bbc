"""Effort by doubt: every patch gets the cheap search, the doubtful ones more."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.candidates import Candidates, best_by_target
from matcher.exhaustive import fits
from matcher.imagery import Pictures, Roles
from matcher.pyramid.codes import Plan
from matcher.pyramid.finish import judge_exactly
from matcher.pyramid.index import Index, build_index, code_patches
from matcher.pyramid.search import judge, propose_coarse, propose_middle

BLOCK = 1024  # patches coded and searched together
DEPTH = 128  # chunks refined for every patch
DEEP = 2048  # columns of the middle level refined for a doubtful one
DOUBTFUL_BLOCK = 256  # doubtful patches searched together
FINAL = 8  # targets that the exact engine judges for a patch still in doubt
CONVINCING = 60.0  # a score that no wrong place reaches
Report = Callable[[int], None]


def search_pyramid(
    targets: Pictures,
    patches: Pictures,
    which: Sequence[int],
    roles: Roles,
    evidence: tuple[str, ...],
    keep: int,
    exact: bool,
    effort: float,
    report: Report,
    index: Index | None = None,
) -> Candidates:
    """The best places of some patches of one shape, coarse to fine.

    Parameters
    ----------
    targets, patches : Pictures
    which : sequence of int
        Indices of the patches, all of one shape.
    roles : Roles
    evidence : tuple of str
        What the exact engine compares.
    keep : int
        Targets kept a patch.
    exact : bool
        Whether the exact engine judges every patch, not the doubtful ones only.
    effort : float
        Multiplies how many candidates are refined.
    report : callable
        Called with the number of pairs done since the last call.
    index : Index, optional
        What `index_targets` gave for these targets and this size of patches; by default it is made here.
    """
    side = patches.shape(which[0])[:2]
    plan = Plan.of(*side)
    fitting = np.array(_fitting(targets, side))
    index = index or index_targets(targets, side, roles)
    found = Candidates.empty(len(which), keep)
    for start in range(0, len(which), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(which)))
        block = [patches[which[k]] for k in rows.tolist()]
        best = _search_block(index, block, roles, max(keep, FINAL), effort)
        best = _to_targets(best, fitting, plan, side, targets)
        doubtful = np.arange(len(rows)) if exact else np.flatnonzero(best.score[:, 0] < CONVINCING)
        doubted = [block[n] for n in doubtful.tolist()]
        best.put(doubtful, judge_exactly(targets, doubted, best.take(doubtful), roles, evidence))
        found.put(rows, Candidates(best.target[:, :keep], best.place[:, :keep], best.score[:, :keep]))
        report(len(rows) * len(fitting))
    return found


def index_targets(targets: Pictures, side: tuple[int, int], roles: Roles) -> Index:
    """The codes of all targets that a patch of `side` (height, width) fits into."""
    return build_index((targets[k] for k in _fitting(targets, side)), roles, Plan.of(*side))


def _fitting(targets: Pictures, side: tuple[int, int]) -> list[int]:
    return [k for k in range(len(targets)) if fits(side, targets.shape(k))]


def _search_block(
    index: Index, block: list[NDArray[np.float32]], roles: Roles, keep: int, effort: float
) -> Candidates:
    codes = code_patches(block, roles, index.plan)
    best = judge(index, codes, propose_coarse(index, codes, round(DEPTH * effort)), keep)
    doubtful = np.flatnonzero(best.score[:, 0] < CONVINCING)
    for start in range(0, len(doubtful), DOUBTFUL_BLOCK):
        rows = doubtful[start : start + DOUBTFUL_BLOCK]
        part = codes.take(rows)
        deeper = judge(index, part, propose_middle(index, part, round(DEEP * effort)), keep)
        both = [best.take(rows), deeper]
        best.put(
            rows,
            best_by_target(
                np.concatenate([c.target for c in both], axis=1),
                np.concatenate([c.place for c in both], axis=1),
                np.concatenate([c.score for c in both], axis=1),
                keep,
            ),
        )
    return best


def _to_targets(
    best: Candidates, numbers: NDArray[np.int64], plan: Plan, side: tuple[int, int], targets: Pictures
) -> Candidates:
    """Candidates of an index as candidates of the targets: their numbers, and the whole patch's corner."""
    target = np.where(best.target >= 0, numbers[best.target], -1)
    limits = np.array([targets.shape(k)[:2] for k in numbers.tolist()])[best.target] - np.array(side)
    place = np.clip(best.place - np.array(plan.margin), 0, limits)
    return Candidates(target, place, best.score)
