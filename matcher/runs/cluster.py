"""A Dask cluster as the engine, which takes shards of patches, and parts of the images; needs the extra ``dask``."""

import asyncio
import concurrent.futures
import json
import os
import queue
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matcher.errors import MatcherError, SettingsError
from matcher.result import Result
from matcher.runs.engines import PATIENCE, SetAside, Work, share_of
from matcher.runs.parts import do_shard_by_parts
from matcher.runs.shards import Shard
from matcher.runs.station import do_shard
from matcher.settings import Settings
from matcher.version import install_command

_BEAT = 1.0
TIMEOUT = 30.0  # seconds to reach the scheduler


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
    parts : int
        Into how many parts of consecutive images their codes are cut. With more than one a worker holds the codes of a
        part; what is found in the parts is merged by the worker that has the shard. Answers are the same.
    """

    def __init__(self, address: str, patience: float = PATIENCE, parts: int = 1) -> None:
        self.address, self.patience, self.parts = address, patience, parts

    def check(self, settings: Settings) -> None:
        """Raise `SettingsError` where the address can be none, or images are in parts and the search knows no codes."""
        _scheduler(self.address)
        if self.parts > 1 and settings.search != "pyramid":
            raise SettingsError(
                "parts of the images are searched by their codes: --image-shards needs --search pyramid"
            )

    def __call__(self, work: Work) -> Iterator[tuple[Shard, Result | SetAside]]:
        """Each shard with its answers, as they come."""
        client = _connect(self.address)  # before the codes are made, which may take long
        try:
            work.folder.indexes(work.job)
            digest = work.folder.post_job(share_of(work.job, 1))
            yield from self._results(client, work, digest)
        finally:
            client.close()  # cancels what is still to do

    def _results(self, client: Any, work: Work, digest: str) -> Iterator[tuple[Shard, Result | SetAside]]:
        from distributed import KilledWorker

        folder = os.path.abspath(work.folder.path)
        todo = deque(work.shards)
        running: dict[Any, Shard] = {}
        done: queue.Queue[Any] = queue.Queue()
        heard = time.monotonic()
        while todo or running:
            # No more tasks than workers: a task that waits beside a deadly one would be blamed with it.
            room = max(len(client.nthreads()), 1) - len(running)
            for _ in range(min(room, len(todo))):
                shard = todo.popleft()
                key = f"matcher-{work.folder.run[:12]}-{shard.start}-{shard.stop}-{time.time_ns()}"
                task = (folder, digest, shard.start, shard.stop)
                if self.parts > 1:
                    future = client.submit(do_shard_by_parts, *task, self.parts, key=key, pure=False)
                else:
                    future = client.submit(do_shard, *task, key=key, pure=False)
                running[future] = shard
                future.add_done_callback(done.put)
            try:
                future = done.get(timeout=_BEAT)
            except queue.Empty:
                future = None
            if future is None and time.monotonic() - heard > self.patience:
                raise MatcherError(
                    f"{self.address}: no worker has answered for {self.patience:g} s; what is done is kept"
                )
            if future is not None:
                heard = time.monotonic()
                shard = running.pop(future)
                try:
                    answer: Result | SetAside = future.result()
                except KilledWorker as error:
                    answer = SetAside(f"its workers died ({error})")
                except (asyncio.CancelledError, concurrent.futures.CancelledError, OSError) as error:
                    raise MatcherError(
                        f"{self.address}: the cluster is lost ({error}); what is done is kept"
                    ) from None
                yield shard, answer


def _scheduler(address: str) -> str:
    """The address that is given, or that a scheduler file holds; a client of none would wait for a minute to be gone.

    Raises
    ------
    SettingsError
        If it names no scheduler by its form.
    MatcherError
        If Dask is not installed.
    """
    try:
        from distributed.comm.addressing import parse_address, parse_host_port
        from distributed.comm.registry import get_backend
    except ImportError as error:
        raise MatcherError(
            f"Dask distributed cannot be loaded ({error}): {install_command('dask')}"
        ) from None
    named = address
    try:
        if os.path.isfile(address):
            named = str(json.loads(Path(address).read_text("utf-8"))["address"])
        scheme, location = parse_address(named)
        get_backend(scheme)
        if scheme in ("tcp", "tls", "ws", "wss"):
            parse_host_port(location)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{address!r}: is neither the address of a Dask scheduler, such as tcp://HOST:8786, nor a file that one "
            f"wrote ({error})"
        ) from None
    return named


def _connect(address: str) -> Any:
    address = _scheduler(address)
    from distributed import Client

    try:
        return Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise MatcherError(f"{address}: no Dask scheduler answers there: {error}") from None
