"""Threads: one level at a time, given back as they were, and the same answers from several callers at once."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
import threadpoolctl

import matcher
from matcher.threads import ahead, limited, spread, usable_cores, waiting
from tests.search.test_pyramid import noisy, rows_of, smooth

# Three callers, each with a first call of its own, on numba's own threading layer, which aborts the process when two
# threads are in parallel kernels at once.
_AT_ONCE = """
import threading
from concurrent.futures import ThreadPoolExecutor
from tests.search.test_threads import ask, problems
import numba
barrier = threading.Barrier(3)
def run(k):
    barrier.wait()
    return ask(k, "pyramid")
with ThreadPoolExecutor(3) as pool:
    together = list(pool.map(run, range(3)))
assert numba.threading_layer() == "workqueue", numba.threading_layer()
assert together == [ask(k, "pyramid") for k in range(3)]
print("same")
"""

# A fork after a match: OpenMP would end it by SIGTERM, and where another thread matches it would wait for ever.
_FORKED = """
import os, sys, threading
import matcher
from matcher.threads import limited
from tests.search.test_threads import ask
import numba
ask(0, "exhaustive")
assert numba.threading_layer() == "omp", numba.threading_layer()
held, done = threading.Event(), threading.Event()
def other():
    with limited(1):
        held.set()
        done.wait()
thread = threading.Thread(target=other)
thread.start()
held.wait()
fork = os.fork()
if not fork:
    try:
        ask(0, "exhaustive")
    except matcher.MatcherError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
status = os.waitpid(fork, 0)[1]
done.set()
thread.join()
ask(0, "exhaustive")  # the process itself goes on
sys.exit(status)
"""


def problems(k):
    images = [smooth(100, 90 + 10 * k, seed=10 * k + n) for n in range(2)]
    patches = [
        noisy(images[n][y : y + 40, x : x + 40], seed=n) for n, y, x in ((0, 3, 5), (1, 60, 50), (1, 17, 2))
    ]
    patches.append(smooth(40, 40, seed=50 + k))  # of nowhere: doubtful
    return images, patches


def ask(k, search):
    return rows_of(matcher.match(*problems(k), search=search, threads=1 + k % 2))


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_three_callers_at_once(search):
    alone = [ask(k, search) for k in range(3)]
    barrier = threading.Barrier(3)

    def run(k):
        barrier.wait()
        return ask(k, search)

    with ThreadPoolExecutor(3) as pool:
        for _ in range(2):
            assert list(pool.map(run, range(3))) == alone


@pytest.mark.slow
def test_three_callers_at_once_where_numba_would_abort():
    done = subprocess.run(
        [sys.executable, "-c", _AT_ONCE],
        env={**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "same\n"


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP alone ends forks")
def test_a_fork_after_a_match_is_told():
    done = subprocess.run(
        [sys.executable, "-c", _FORKED],
        env={**os.environ, "NUMBA_THREADING_LAYER": "omp"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "start processes by multiprocessing.get_context('spawn')" in done.stdout


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_reads_ahead_in_no_other(threads):
    def made():
        for _ in range(3):
            yield threading.get_ident()

    with limited(threads):
        if numba.get_num_threads() < threads:
            pytest.skip("one core")
        elsewhere = {ident != threading.get_ident() for ident in ahead(made())}
    assert elsewhere == {threads > 1}


def test_a_caller_may_match_while_it_matches():
    """A progress callback that matches does not wait for itself."""
    seen = []

    def progress(_done, _pairs):
        if not seen:
            seen.append(ask(0, "pyramid"))

    images, patches = problems(1)
    matcher.match(images, patches, progress=progress)
    assert seen[0] == ask(0, "pyramid")


def blas_threads():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_threads_are_given_back():
    before, blas = numba.get_num_threads(), blas_threads()

    def fail():
        with limited(1) as cores:
            assert cores == numba.get_num_threads() == 1
            assert set(blas_threads()) <= {1}
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (numba.get_num_threads(), blas_threads()) == (before, blas)


@pytest.mark.parametrize("threads", [None, 1, 2, 1000])
def test_no_more_than_numba_has(threads):
    with limited(threads) as cores:
        assert 1 <= cores <= min(threads or usable_cores(), numba.config.NUMBA_NUM_THREADS)
        assert cores == numba.get_num_threads()


@pytest.mark.parametrize("threads", [1, 2])
def test_spread_keeps_the_order_and_hands_errors_on(threads):
    with limited(threads):
        for count in (1, 50, 1003):  # one by one, and many at once
            assert spread(lambda k: k * k, range(count)) == [k * k for k in range(count)]
        with pytest.raises(ZeroDivisionError):
            spread(lambda k: 1 // (k - 7), range(20))
        assert spread(np.sqrt, []) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_cores_are_those_this_process_may_use():
    assert usable_cores() == len(os.sched_getaffinity(0))


def test_another_runs_while_one_waits():
    """It is let in by one that waits, however deep, and shut out again; BLAS stays at one thread for both."""
    inside, seen = threading.Event(), []

    def other():
        with limited(1):
            inside.set()
            seen.extend(blas_threads())

    def blas_threads():
        return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]

    before = blas_threads()
    with limited(1), limited(1):
        with waiting():
            first = threading.Thread(target=other)
            first.start()
            assert inside.wait(60)
            first.join()
        assert set(blas_threads()) <= {1}
        inside.clear()
        second = threading.Thread(target=other)
        second.start()
        assert not inside.wait(0.2)
    second.join()
    assert set(seen) <= {1}
    assert blas_threads() == before
    with waiting():  # who holds nothing gives nothing away
        pass
