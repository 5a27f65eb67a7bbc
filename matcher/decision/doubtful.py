"""Which answers the search leaves in doubt, and what they are settled on: the colour of every target's windows."""

from collections.abc import Sequence

import numpy as np

from matcher.decision.colour import Colours
from matcher.decision.confidence import confidence
from matcher.decision.reasons import BLIND, IN_DOUBT, fault
from matcher.decision.settle import Ground, settle
from matcher.evidence.colour import statistics
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fitting
from matcher.search.pyramid.index import Index
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE


def settle_doubtful(
    task: Task, bands: Sequence[str], which: Sequence[int], found: Candidates, index: Index | None
) -> Candidates:
    """Candidates of patches of one size with those in doubt settled by colour.

    With other evidence than the default they are left alone: what a score is worth beside colour was fitted to that.

    Parameters
    ----------
    task : Task
    bands : sequence of str
        Names of the bands, in order.
    which : sequence of int
        Indices of the patches.
    found : Candidates
        What the search found for them; changed in place.
    index : Index, optional
        Holds the colour of the targets' windows; without it they are made here.
    """
    if task.evidence != DEFAULT_EVIDENCE:
        return found
    doubtful = np.flatnonzero(confidence(found.score[:, 0], found.score[:, 1], task.model.trust) < IN_DOUBT)
    seen, own, flat = [], [], []
    for n in doubtful.tolist():
        patch = task.patches[which[n]]
        wrong = fault(patch, task.roles)
        if wrong not in BLIND:
            seen.append(n)
            flat.append(wrong == "flat")
            own.append(statistics(patch, (patch.shape[0], patch.shape[1]))[0, 0])
    if seen:
        ground = _ground(task, bands, task.patches.shape(which[0])[:2], index)
        if ground.colours.known:
            rows = np.array(seen)
            found.put(rows, settle(found.take(rows), np.stack(own), np.array(flat), ground))
    return found


def _ground(task: Task, bands: Sequence[str], side: tuple[int, int], index: Index | None) -> Ground:
    """The targets that a patch of `side` fits into, with the colour of their windows."""
    targets = task.targets
    numbers = np.array(fitting(targets, side))
    if index is None:
        made = [statistics(targets[k], side) for k in numbers.tolist()]
        values = np.concatenate([one.reshape(-1, one.shape[-1]) for one in made])
        starts = np.concatenate([[0], np.cumsum([one.shape[0] * one.shape[1] for one in made])])
    else:
        values, starts = index.colour, index.colour_starts
    shapes = np.array([targets.shape(k)[:2] for k in numbers.tolist()])
    return Ground(
        Colours(values, starts.astype(np.int64), bands, task.model.colour),
        numbers,
        shapes,
        side,
        task.model.odds,
    )
