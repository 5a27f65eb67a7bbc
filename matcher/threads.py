"""Threads in one place: numba, FFT and BLAS threads are set where a run starts, never inside a kernel."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

Item = TypeVar("Item")
Made = TypeVar("Made")
_ONE_RUN = (
    threading.RLock()
)  # numba's workqueue layer aborts when two threads call parallel kernels (numba #8563)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited(threads: int | None) -> Iterator[int]:
    """Run with so many threads at one level: numba's kernels and `spread` take them, BLAS and FFTs one.

    A second run in another Python thread waits.
    """
    import numba
    import threadpoolctl

    with _ONE_RUN:
        wanted = min(threads or usable_cores(), numba.config.NUMBA_NUM_THREADS)
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            with threadpoolctl.threadpool_limits(1, user_api="blas"):
                yield wanted
        finally:
            numba.set_num_threads(before)


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

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        return list(pool.map(function, items))
