"""A search as it goes from level to level: what is known, what is made once for all of them, what has room."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fitting
from matcher.search.pyramid.index import Layout, PatchCodes, code_patches
from matcher.search.pyramid.judging import judge
from matcher.search.pyramid.promise import Promise, promise_of
from matcher.search.pyramid.proposals import Proposals
from matcher.search.task import Task

KEYS_SHARE = 0.15  # of the memory, for the keys of a block of patches
KNOWN_SHARE = 1 / 64  # of the memory, for how unlike targets are to patches in doubt
Patches = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Hunt:
    """A search as it goes from level to level.

    Attributes
    ----------
    task : Task
    which : sequence of int
        Indices of the patches, all of one shape.
    index : Index, or another layout that answers as one
    found : Candidates
        What is known so far, changed in place; targets by their numbers in the task.
    """

    task: Task
    which: Sequence[int]
    index: Layout
    found: Candidates
    _known: dict[int, NDArray[np.float32]] = field(default_factory=dict)  # distances, by row

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The numbers in the task of the targets of the index."""
        return np.array(fitting(self.task.targets, self.index.plan.whole))

    @cached_property
    def promise(self) -> Promise:
        """In which order targets are worth a look."""
        return promise_of(self.index, self.task)

    def distances(self, rows: NDArray[np.int64], patches: Patches) -> NDArray[np.float32]:
        """How unlike patches, rows of `found`, all targets are: (k, targets). Levels ask again; what fits is kept."""
        new = [k for k, row in enumerate(rows.tolist()) if row not in self._known]
        out = np.empty((len(rows), len(self.index)), np.float32)
        if new:
            out[new] = self.promise.distances([patches[k] for k in new], self.task.roles)
        for k, row in enumerate(rows.tolist()):
            if row in self._known:
                out[k] = self._known[row]
        left = int(self.task.memory * KNOWN_SHARE) // max(out[0].nbytes, 1) - len(self._known)
        self._known.update({int(rows[k]): out[k].copy() for k in new[: max(left, 0)]})
        return out

    def codes(self, patches: Patches) -> PatchCodes:
        """Codes of some of the patches."""
        return code_patches(patches, self.task.roles, self.index.plan)

    def judged(self, codes: PatchCodes, proposals: Proposals) -> Candidates:
        """The best of some proposals, as candidates in the task's targets."""
        return self.placed(judge(self.index, codes, proposals, self.found.target.shape[1]))

    def placed(self, best: Candidates) -> Candidates:
        """Candidates of the index as candidates of the task: targets' numbers, and the whole patch's corner."""
        plan = self.index.plan
        target = np.where(best.target >= 0, self.numbers[best.target], -1)
        limits = self.index.shapes[best.target] - np.array(plan.whole)
        place, rival_place = (
            np.clip(at - np.array(plan.margin), 0, limits) for at in (best.place, best.rival_place)
        )
        return replace(best, target=target, place=place, rival_place=rival_place)

    def depth(self, count: int) -> int:
        """So many, as the effort says."""
        return max(1, round(count * self.task.effort))

    def block(self, most: int) -> int:
        """How many patches are read together, at most so many."""
        return self.task.block(self.index.plan.whole, most)

    def keys(self, columns: int) -> int:
        """How many patches' keys, so many a patch, have room."""
        return max(4, int(self.task.memory * KEYS_SHARE) // self.index.key_bytes(columns))
