"""Worker processes of this machine: spawned, watched, replaced when they die or hang."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from matcher.errors import MatcherError
from matcher.result import Result
from matcher.runs.engines import DEATHS, PATIENCE, SetAside, Work, share_of
from matcher.runs.shards import Shard

_BEAT = 1.0  # seconds between looks at the clock
_SPAWN = multiprocessing.get_context("spawn")  # a fork after a parallel kernel hangs (numba #7872)


class LocalWorkers:
    """Several processes, one thread each.

    Parameters
    ----------
    count : int
        How many.
    patience : float
        Seconds without progress after which a worker is killed and its shard given to another.
    """

    def __init__(self, count: int, patience: float = PATIENCE) -> None:
        self.count, self.patience = count, patience

    def __call__(self, work: Work) -> Iterator[tuple[Shard, Result | SetAside]]:
        """Each shard with its answers, as they come; one that has killed three workers is set aside."""
        work.folder.indexes(work.job)
        digest = work.folder.post_job(share_of(work.job, self.count))
        crew = _Crew(work, digest, min(self.count, len(work.shards)), self.patience)
        try:
            yield from crew.results()
        finally:
            crew.stop()


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, folder: str, digest: str) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, folder, digest), daemon=True)
        self.shard: Shard | None = None
        self.ready = False  # has started up
        self.heard = time.monotonic()
        with _interrupts_blocked(), contextlib.suppress(BrokenPipeError):
            self.process.start()
        theirs.close()

    def give(self, shard: Shard) -> None:
        self.shard, self.heard = shard, time.monotonic()
        with contextlib.suppress(OSError):  # that it is dead is seen at the next look
            self.connection.send((shard.start, shard.stop))

    def end(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.connection.close()


class _Crew:
    def __init__(self, work: Work, digest: str, count: int, patience: float) -> None:
        self._work, self._digest, self._patience = work, digest, patience
        self._todo = deque(work.shards)
        self._deaths: Counter[Shard] = Counter()
        self._stillborn = 0
        self._crew: list[_Worker] = []
        for _ in range(count):
            self._hire()

    def results(self) -> Iterator[tuple[Shard, Result | SetAside]]:
        while self._todo or any(worker.shard for worker in self._crew):
            ready = wait([worker.connection for worker in self._crew], _BEAT)
            for worker in list(self._crew):
                if worker.connection in ready:
                    yield from self._hear(worker)
                elif time.monotonic() - worker.heard > self._patience and worker.shard:
                    yield from self._lose(worker, f"made no progress for {self._patience:g} s")

    def stop(self) -> None:
        for worker in self._crew:
            worker.end()
        self._crew.clear()

    def _hire(self) -> None:
        self._crew.append(_Worker(os.path.abspath(self._work.folder.path), self._digest))

    def _hear(self, worker: _Worker) -> Iterator[tuple[Shard, Result | SetAside]]:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._lose(worker, "died")
            return
        worker.heard = time.monotonic()
        if kind == "progress" and worker.shard is not None:
            self._work.report(worker.shard, content)
            return
        if kind == "error":
            raise content
        shard, worker.shard, worker.ready = worker.shard, None, True
        self._stillborn = 0
        self._hand_out()
        if kind == "result" and shard is not None:
            yield shard, content

    def _lose(self, worker: _Worker, how: str) -> Iterator[tuple[Shard, Result | SetAside]]:
        """A worker is gone: its shard goes to another, or is set aside."""
        worker.end()
        self._crew.remove(worker)
        shard = worker.shard
        if shard is None:
            self._stillborn += 1
            if self._stillborn >= DEATHS:
                raise MatcherError(
                    f"worker processes die at their start ({DEATHS} in a row): is there memory for them? Try fewer "
                    "workers; a script of your own starts them below `if __name__ == '__main__':`"
                )
        else:
            self._deaths[shard] += 1
            if self._deaths[shard] < DEATHS:
                self._todo.append(shard)
            else:
                yield shard, SetAside(f"the worker that had it {how}, and {DEATHS - 1} workers before it")
        self._hand_out()  # there may be a worker that had nothing left to do
        if len(self._crew) < len(self._todo) + sum(w.shard is not None for w in self._crew):
            self._hire()

    def _hand_out(self) -> None:
        """What is left to do goes to whoever waits for it."""
        for worker in self._crew:
            if self._todo and worker.ready and worker.shard is None:
                worker.give(self._todo.popleft())


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Children started here never see Ctrl-C, which goes to all of a terminal: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, folder: str, digest: str) -> None:
    """What a worker process does: shards, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A parent that was killed is told by the end of the file, a broken pipe or a reset, as the moment has it.
    with contextlib.suppress(EOFError, ConnectionError):
        _do_shards(connection, folder, digest)


def _do_shards(connection: Connection, folder: str, digest: str) -> None:
    from matcher.runs.station import do_shard, enter

    try:
        enter(folder, digest)
        connection.send(("ready", None))
        while True:
            start, stop = connection.recv()
            connection.send(("result", do_shard(folder, digest, start, stop, _beat(connection))))
    except (EOFError, ConnectionError):
        raise
    except MemoryError:
        os._exit(1)  # as if killed: another try may find more memory
    except Exception as error:  # handed to the parent, whichever it is
        connection.send(("error", error))


def _beat(connection: Connection) -> Any:
    def progress(done: int, _all: int) -> None:
        connection.send(("progress", done))

    return progress


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
