"""Threads in one place: numba, FFT and BLAS threads are set where a run starts, never inside a kernel."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
    """Run with so many threads at one level: numba's kernels and the FFTs take them, BLAS takes one.

    A second run in another Python thread waits.
    """
    import numba
    import scipy.fft
    import threadpoolctl

    with _ONE_RUN:
        wanted = min(threads or usable_cores(), numba.config.NUMBA_NUM_THREADS)
        before = numba.get_num_threads()
        numba.set_num_threads(wanted)
        try:
            with scipy.fft.set_workers(wanted), threadpoolctl.threadpool_limits(1, user_api="blas"):
                yield wanted
        finally:
            numba.set_num_threads(before)
