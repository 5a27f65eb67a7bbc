"""The exhaustive search: every pixel of every target, by the exact engine."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import Advance
from matcher.evidence import Channel, channels, templates
from matcher.imagery import Pictures, Roles
from matcher.kernels.spectra import combine_peaks
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.correlation import (
    BATCH,
    Spectra,
    Units,
    score_maps,
    target_bytes,
    target_spectra,
    unit_fields,
)
from matcher.search.task import Task
from matcher.threads import spread

PRIOR_PLACES = 50.0  # the prior noise of a map counts as so many places; only tiny maps feel it
Peaks = tuple[NDArray[np.float32], NDArray[np.int64]]
_KEPT_SHARE = 1 / 16  # of the memory, for patches that are kept as they are sought
_TOGETHER = 32  # patches read at a time, where as many may be kept
_MAP_BYTES = 20  # a pixel and kind of evidence: spectra of the products, maps, what they are summed to


@dataclass(frozen=True)
class _Query:
    """A patch as it is sought: its row, its channels, and their fields as they are correlated."""

    row: int
    channels: Sequence[Channel]
    units: Units


def search_everywhere(
    task: Task, which: Sequence[int], report: Advance, wanted: NDArray[np.bool_] | None = None
) -> Candidates:
    """The best places of some patches of one shape.

    Parameters
    ----------
    task : Task
    which : sequence of int
        Indices of the patches, all of one shape.
    report : callable
        Called with the number of pairs done since the last call.
    wanted : ndarray (k, targets), bool, optional
        In which of the task's targets each is sought, by default in all.
    """
    targets, patches, roles, evidence, keep = task.targets, task.patches, task.roles, task.evidence, task.keep
    side = patches.shape(which[0])[:2]
    found = Candidates.empty(len(which), keep)
    queries = _Queries(task, which)
    seen = (k for k in fitting(targets, side) if wanted is None or wanted[:, k].any())
    by_shape = sorted(seen, key=lambda k: (targets.shape(k)[:2], k))
    for _, group in groupby(by_shape, key=lambda k: targets.shape(k)[:2]):
        for block in _blocks(list(group), targets, roles, evidence, task.memory // 2):
            fields = spread(lambda dn: channels(dn, roles, evidence), (targets[k] for k in block))
            spectra = target_spectra(fields, side, spread)
            numbers = np.array(block)

            rows = np.ones((len(which), len(block)), bool) if wanted is None else wanted[:, numbers]

            def peaks(query: _Query, spectra: Spectra = spectra, rows: NDArray[np.bool_] = rows) -> Peaks:
                return patch_peaks(query.channels, spectra, query.units, np.flatnonzero(rows[query.row]))

            done = chain.from_iterable(spread(peaks, batch) for batch in queries.batches())
            for n, (score, place) in enumerate(done):
                row, own = np.array([n]), numbers[rows[n]]
                # Best and second place of every target.
                more = Candidates.alone(
                    np.concatenate([own, own])[np.newaxis],
                    np.concatenate([place[:, 0], place[:, 1]])[np.newaxis],
                    np.concatenate([score[:, 0], score[:, 1]])[np.newaxis],
                )
                found.put(row, best_by_target(found.take(row).beside(more), keep))
                report(len(own))
    return found


class _Queries:
    """Patches as they are sought, a few at a time, for one block of targets after another.

    They are kept from block to block where all of them fit a share of the memory, and made anew where not.
    """

    def __init__(self, task: Task, which: Sequence[int]) -> None:
        self._task, self._which = task, which
        room = _room(task, task.patches.shape(which[0])[:2])
        self._keep = len(which) <= room
        self._batch = max(1, min(room, _TOGETHER))
        self._kept: list[list[_Query]] = []

    def batches(self) -> Iterator[list[_Query]]:
        """All of them, in order. Patches are read in this thread, since not every reader may be used by several."""
        if self._kept:
            yield from self._kept
            return
        for start in range(0, len(self._which), self._batch):
            which = self._which[start : start + self._batch]
            read = [(start + n, self._task.patches[k]) for n, k in enumerate(which)]
            batch = spread(self._query, read)
            if self._keep:
                self._kept.append(batch)
            yield batch

    def _query(self, read: tuple[int, NDArray[np.float32]]) -> _Query:
        row, dn = read
        own = templates(dn, self._task.roles, self._task.evidence, self._task.model.responses)
        return _Query(row, own, unit_fields(own))


def _room(task: Task, side: tuple[int, int]) -> int:
    """How many patches of `side` (height, width), as they are sought, fit their share of the memory."""
    return int(task.memory * _KEPT_SHARE) // _query_bytes(task, side)


def _query_bytes(task: Task, side: tuple[int, int]) -> int:
    """Bytes of a patch of `side` (height, width) as it is sought.

    Of its fields, and of the same as they are correlated, in double precision where they are centred.
    """
    own = channels(np.zeros((*side, task.patches.shape(0)[2]), np.float32), task.roles, task.evidence)
    return sum((3 if channel.centred else 2) * stack.nbytes for channel in own for stack in channel.stacks)


def fits(side: tuple[int, int], shape: tuple[int, ...]) -> bool:
    """Whether a patch of `side` (height, width) lies inside a picture of `shape` somewhere."""
    return side[0] <= shape[0] and side[1] <= shape[1]


def fitting(targets: Pictures, side: tuple[int, int]) -> list[int]:
    """The numbers of the targets that a patch of `side` lies inside somewhere."""
    return [k for k in range(len(targets)) if fits(side, targets.shape(k))]


def patch_peaks(
    patch: Sequence[Channel],
    targets: Spectra,
    units: Units | None = None,
    which: NDArray[np.int64] | None = None,
) -> Peaks:
    """Best and second place of one patch in targets of one shape: scores (targets, 2), places (targets, 2, 2).

    `units` are the patch's `unit_fields`, where they are known; `which` (k,) are the numbers of the targets that it is
    sought in, in ascending order, by default all.
    """
    count = len(targets) if which is None else len(which)
    score = np.empty((count, 2), np.float32)
    place = np.empty((count, 2, 2), np.int64)
    if not count:
        return score, place
    weights = np.array([channel.weight for channel in patch])
    prior = np.full(len(patch), 1.0 / (patch[0].shape[0] * patch[0].shape[1]))
    start = 0
    for maps, live in score_maps(patch, targets, units, which):
        part = slice(start, start + len(maps))
        combine_peaks(maps, live, weights, prior, PRIOR_PLACES, APART, score[part], place[part])
        start = part.stop
    return score, place


def bytes_a_target(shape: tuple[int, int, int], roles: Roles, evidence: tuple[str, ...]) -> int:
    """Bytes of each target of a block, fields and spectra, of height, width and bands."""
    first = channels(np.zeros(shape, np.float32), roles, evidence)
    # Fields are there once more while their spectra are stacked.
    fields = 2 * sum(stack.nbytes for channel in first for stack in channel.stacks)
    return target_bytes(first, *first[0].shape) + fields


def held_bytes(task: Task, side: tuple[int, int], count: int, threads: int, largest: float = math.inf) -> int:
    """The most that a search everywhere for `count` patches of `side` (height, width) holds, bytes.

    Patches as they are sought, a block of targets of at most `largest` px, and maps a thread.
    """
    shapes = (task.targets.shape(k) for k in fitting(task.targets, side))
    counts = Counter(shape for shape in shapes if shape[0] * shape[1] <= largest)
    most = 0
    for shape, targets in counts.items():
        each = bytes_a_target(shape, task.roles, task.evidence)
        block = min(targets, max(1, task.memory // 2 // each))
        maps = threads * min(BATCH, block) * _MAP_BYTES * len(task.evidence) * shape[0] * shape[1]
        most = max(most, block * each + maps)
    return most + min(count, max(1, _room(task, side))) * _query_bytes(task, side)


def _blocks(
    numbers: list[int], targets: Pictures, roles: Roles, evidence: tuple[str, ...], memory: int
) -> list[list[int]]:
    """Targets of one shape in blocks whose fields and spectra, which are there together for a while, fit the memory."""
    size = max(1, memory // bytes_a_target(targets.shape(numbers[0]), roles, evidence))
    return [numbers[k : k + size] for k in range(0, len(numbers), size)]
