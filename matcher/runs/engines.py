"""Who does the shards: this process, worker processes of this machine, or a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from matcher.matching.job import Job
from matcher.matching.run import match_rows
from matcher.result import Result
from matcher.runs.folder import RunFolder
from matcher.runs.shards import Shard
from matcher.settings import LEAST_MEMORY, Settings

DEATHS = 3  # of workers in one shard's hands, after which it is set aside
PATIENCE = 3600.0  # seconds without progress after which a worker is taken for hung


@dataclass(frozen=True)
class SetAside:
    """What is handed over in place of a shard's answers where its workers died."""

    reason: str


@dataclass(frozen=True)
class Work:
    """What an engine is given.

    Attributes
    ----------
    job : Job
    folder : RunFolder
    shards : sequence of Shard
        Those to do.
    report : callable
        Called with a shard and the pairs of it that are done, now and then.
    """

    job: Job
    folder: RunFolder
    shards: Sequence[Shard]
    report: Callable[[Shard, int], None]


class Engine(Protocol):
    """Does shards, in any order; the caller alone writes into the run directory."""

    def __call__(self, work: Work) -> Iterator[tuple[Shard, Result | SetAside]]:
        """Each shard with its answers, as they come."""


@runtime_checkable
class Particular(Protocol):
    """An engine that cannot do every run."""

    def check(self, settings: Settings) -> None:
        """Raise, before anything is begun, where it cannot do a run of these settings."""


class InProcess:
    """Shard after shard in this process, with the job's threads."""

    def __call__(self, work: Work) -> Iterator[tuple[Shard, Result | SetAside]]:
        """Each shard with its answers."""
        indexes = work.folder.indexes(work.job)
        for shard in work.shards:
            rows = np.arange(shard.start, shard.stop)
            yield shard, match_rows(work.job, rows, lambda done, _all, s=shard: work.report(s, done), indexes)  # type: ignore[misc]


def share_of(job: Job, workers: int, threads: int = 1) -> Job:
    """The job as one of several processes does it: its own threads, a share of the memory."""
    memory = max(job.settings.memory // workers, LEAST_MEMORY)
    return replace(job, settings=replace(job.settings, threads=threads, memory=memory))
