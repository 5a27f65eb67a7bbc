"""A Dask cluster as the engine; needs the extra ``dask``."""

import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from matcher.errors import MatcherError
from matcher.result import Result
from matcher.runs.engines import PATIENCE, SetAside, Work, share_of
from matcher.runs.shards import Shard
from matcher.runs.station import do_shard

_BEAT = 1.0


class DaskCluster:
    """The workers of a Dask scheduler; a task is a shard of patches against all images.

    The run directory and the inputs must be where all workers see them by the same path; what moves through
    Dask is three numbers a task and its answers. Workers should have one thread each. A task goes to at most
    one worker more than the scheduler's ``allowed-failures``: 2 there sets a poisonous one aside after three
    deaths.

    Parameters
    ----------
    address : str
        Of the scheduler: ``tcp://host:8786``, or a scheduler file's path.
    patience : float
        Seconds without any answer after which the run is given up.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        self.address, self.patience = address, patience

    def __call__(self, work: Work) -> Iterator[tuple[Shard, Result | SetAside]]:
        """Each shard with its answers, as they come."""
        work.folder.indexes(work.job)
        digest = work.folder.post_job(share_of(work.job, 1))
        client = _connect(self.address)
        try:
            yield from self._results(client, work, digest)
        finally:
            client.close()  # cancels what is still to do

    def _results(self, client: Any, work: Work, digest: str) -> Iterator[tuple[Shard, Result | SetAside]]:
        from distributed import KilledWorker, wait

        folder = os.path.abspath(work.folder.path)
        todo = deque(work.shards)
        running: dict[Any, Shard] = {}
        heard = time.monotonic()
        while todo or running:
            # No more tasks than workers: a task that waits beside a deadly one would be blamed with it.
            room = max(len(client.nthreads()), 1) - len(running)
            for _ in range(min(room, len(todo))):
                shard = todo.popleft()
                key = f"matcher-{work.folder.run[:12]}-{shard.start}-{shard.stop}-{time.time_ns()}"
                future = client.submit(do_shard, folder, digest, shard.start, shard.stop, key=key, pure=False)
                running[future] = shard
            done = _first_done(wait, running)
            if not done and time.monotonic() - heard > self.patience:
                raise MatcherError(
                    f"{self.address}: no worker has answered for {self.patience:g} s; what is done is kept"
                )
            for future in done:
                heard = time.monotonic()
                shard = running.pop(future)
                try:
                    yield shard, future.result()
                except KilledWorker as error:
                    yield shard, SetAside(f"its workers died ({error})")


def _first_done(wait: Any, running: dict[Any, Shard]) -> list[Any]:
    try:
        return list(wait(list(running), timeout=_BEAT, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise MatcherError(f"Dask distributed cannot be loaded ({error}); install the extra 'dask'") from None
    try:
        if os.path.isfile(address):
            return Client(scheduler_file=address, timeout=30, set_as_default=False)
        return Client(address, timeout=30, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise MatcherError(f"{address}: no Dask scheduler answers there: {error}") from None
