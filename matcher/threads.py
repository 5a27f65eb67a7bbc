"""Threads in one place: numba, FFT and BLAS threads are set where a run starts, never inside a kernel."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

from matcher.errors import MatcherError

_LOT = 16  # items handed to a thread at once at most, since handing one over costs a tenth of a millisecond …
_LOTS = 8  # … and lots a thread at least, so that none waits long for another
Item = TypeVar("Item")
Made = TypeVar("Made")
_ONE_RUN = (
    threading.RLock()
)  # numba's workqueue layer aborts when two threads call parallel kernels (numba #8563)


class _TimesHeld(threading.local):
    """How often this thread holds the lock."""

    times = 0


class _OneBlasThread:
    """While any thread is in a run, also one that waits, BLAS has one thread; changed under the lock only."""

    def __init__(self) -> None:
        self._runs, self._limits = 0, contextlib.ExitStack()

    def __enter__(self) -> None:
        import threadpoolctl

        if not self._runs:
            self._limits.enter_context(threadpoolctl.threadpool_limits(1, user_api="blas"))
        self._runs += 1

    def __exit__(self, *_error: object) -> None:
        self._runs -= 1
        if not self._runs:
            self._limits.close()


_HELD, _BLAS = _TimesHeld(), _OneBlasThread()


class _Fork:
    """Whether this process is a fork of one whose kernels had run: GNU's OpenMP ends it at the first that it runs."""

    fatal = False

    def look(self) -> None:
        """Called in a new fork."""
        parallel = sys.modules.get("numba.np.ufunc.parallel")
        self.fatal = sys.platform == "linux" and getattr(parallel, "_threading_layer", None) == "omp"

    def check(self) -> None:
        """Raise MatcherError where a kernel would end the process without a word that can be caught."""
        if self.fatal:
            raise MatcherError(
                "this process was forked from one that had matched, and OpenMP cannot go on in a fork: start processes "
                "by multiprocessing.get_context('spawn')"
            )


_FORK = _Fork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_FORK.look)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited(threads: int | None) -> Iterator[int]:
    """Run with so many threads at one level: numba's kernels and `spread` take them, BLAS and FFTs one.

    A second run in another Python thread waits.

    Raises
    ------
    MatcherError
        In a process that was forked after kernels had run, where OpenMP would end it.
    """
    import numba

    _FORK.check()
    with _ONE_RUN:
        wanted = min(threads or usable_cores(), numba.config.NUMBA_NUM_THREADS)
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        _HELD.times += 1
        try:
            with _BLAS:
                yield wanted
        finally:
            _HELD.times -= 1
            numba.set_num_threads(before)


@contextmanager
def waiting() -> Iterator[None]:
    """Within, other threads may run: this one, which `limited` let run, waits for what they or other processes do."""
    times = _HELD.times
    for _ in range(times):
        _ONE_RUN.release()
    try:
        yield
    finally:
        for _ in range(times):
            _ONE_RUN.acquire()


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Within, numba's kernels take so many threads at most: one that has nothing to do is waited for at every call."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(before, count)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Items in their order, the next one made by another thread while one is worked on, where `limited` set several."""
    import numba

    if numba.get_num_threads() == 1:
        yield from items
        return
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield cast(Item, item)


def spread(function: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    """The function of every item, in order, by as many threads as `limited` set.

    It must leave the interpreter's lock to others for most of its time (FFTs, kernels with ``nogil``) and must not
    call kernels with ``parallel``.
    """
    import numba

    threads, held = numba.get_num_threads(), list(items)
    lot = max(1, min(_LOT, len(held) // (_LOTS * threads)))

    def some(start: int) -> list[Made]:
        return [function(item) for item in held[start : start + lot]]

    with ThreadPoolExecutor(threads) as pool:
        return [made for part in pool.map(some, range(0, len(held), lot)) for made in part]
