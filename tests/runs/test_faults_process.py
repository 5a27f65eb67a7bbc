"""Real processes: killed at random moments, signalled, short of memory, without a cache of kernels."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import matcher
from matcher.runs import Batch, run
from tests.runs_common import (
    CLI,
    environment,
    expected_outputs,
    outputs,
    python,
    shard_files,
    write_inputs,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
KILLS = 50
# Imports everything once, then forks a child a line, before any parallel kernel has run; a run's time is its own.
FORKING = """
import os, sys
import numpy, matcher, matcher.runs, matcher.formats.official
from matcher.runs import Batch, run
for line in sys.stdin:
    images, patches, folder = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if not pid:
        run(images, patches, folder, matcher.Settings(threads=1), batch=Batch(shard_size=1))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Forks:
    """A process that starts runs on request."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def start(self, images, patches, folder):
        self.process.stdin.write(f"{images}\t{patches}\t{folder}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def status(self):
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    world = write_inputs(tmp_path, patches=60)
    whole = expected_outputs(tmp_path / "whole", *world, threads=1)
    random_moments = random.Random(0)
    forks = Forks()
    hits, finished = [], 0
    folder = tmp_path / "run0"
    try:
        while len(hits) < KILLS:
            before = len(shard_files(folder))
            target = before + random_moments.randint(1, 12)
            pid = forks.start(*world, folder)
            limit = time.monotonic() + 120
            while len(shard_files(folder)) < target and not (folder / "DONE").exists():
                assert time.monotonic() < limit
                time.sleep(0.0005)
            time.sleep(random_moments.uniform(0, 0.01))
            with contextlib.suppress(ProcessLookupError):  # it was faster still, and is gone
                os.kill(pid, signal.SIGKILL)
            if forks.status() != signal.SIGKILL:
                pass  # it was faster: the directory is finished
            elif not (folder / "DONE").exists():
                there = shard_files(folder)
                assert len(there) > before
                hits.append(len(there))
            if (folder / "DONE").exists():
                assert outputs(folder) == whole
                finished += 1
                folder = tmp_path / f"run{finished}"
    finally:
        forks.close()
    kept = {path: path.stat().st_mtime_ns for path in shard_files(folder)}
    run(*world, folder, matcher.Settings(threads=1), batch=Batch(shard_size=1))
    assert outputs(folder) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert min(hits) > 0
    assert len(set(hits)) > 15, "the kills hit few different moments"


def _take_sigint():
    """A shell that starts the tests in the background has them ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == pid:
                        found.append(int(entry))
            except OSError:
                continue
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGINT, 130, 0),
        (signal.SIGTERM, 143, 0),
        (signal.SIGINT, 130, 2),
        (signal.SIGTERM, 143, 2),
        (signal.SIGKILL, -9, 2),
    ],
)
def test_signals_leave_a_resumable_directory_and_no_orphan(tmp_path, number, code, workers):
    world = write_inputs(tmp_path, patches=80)
    folder = tmp_path / "run"
    command = [
        "match",
        *map(str, world),
        "--run-dir",
        str(folder),
        "--shard-size",
        "1",
        "--threads",
        "1",
        "-q",
    ]
    more = ["--workers", str(workers)] if workers else []
    process = subprocess.Popen(
        [sys.executable, *CLI, *command, *more],
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        start_new_session=True,
        preexec_fn=_take_sigint,
    )
    limit = time.monotonic() + 120
    while len(shard_files(folder)) < 3:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.005)
    children = children_of(process.pid)
    assert len(children) >= workers
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as Ctrl-C does: everybody gets it
    else:
        process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code, errors
    assert "Traceback" not in errors, errors
    reached = len(shard_files(folder))
    assert 3 <= reached < 80
    assert not (folder / "DONE").exists()
    limit = time.monotonic() + 20
    while any(map(alive, children)):
        assert time.monotonic() < limit, "a worker outlived its parent"
        time.sleep(0.05)
    done = python(*CLI, *command)
    assert done.returncode == 0, done.stderr
    assert outputs(folder) == expected_outputs(tmp_path / "whole", *world, threads=1)
    assert not list(folder.rglob(".*.tmp"))


THREADS = """
import hashlib, json, sys
from pathlib import Path
import matcher
from matcher.runs import Batch, run
images, patches, home = sys.argv[1:]
digests = []
for threads in (1, 2, 4):
    for size in (60, 9):
        folder = Path(home, f"{threads}-{size}")
        run(images, patches, folder, matcher.Settings(threads=threads), batch=Batch(shard_size=size))
        digests.append(hashlib.sha256((folder / "details.csv").read_bytes()).hexdigest())
import numba
print(json.dumps([digests, numba.config.NUMBA_NUM_THREADS]))
"""


@pytest.mark.slow
def test_threads_and_shards_do_not_change_a_byte(tmp_path):
    world = write_inputs(tmp_path, patches=60)
    done = python("-c", THREADS, *world, tmp_path / "runs", env={"NUMBA_NUM_THREADS": "4"})
    assert done.returncode == 0, done.stderr
    digests, threads = json.loads(done.stdout)
    assert threads == 4
    assert len(digests) == 6
    assert len(set(digests)) == 1


LIMITED = """
import resource, sys
from matcher import Settings
from matcher.runs import Batch, run
images, few, many, folder, room = sys.argv[1:]
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmPeak"))
run(images, few, folder + "-few", Settings(threads=1), batch=Batch(shard_size=100))
resource.setrlimit(resource.RLIMIT_AS, (peak() + int(room),) * 2)
print(len(run(images, many, folder + "-many", Settings(threads=1), batch=Batch(shard_size=100)).result))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_ten_times_the_input_in_the_same_memory(tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    options = {"images": 2, "size": 80, "side": 64}
    images, few = write_inputs(tmp_path / "few", patches=200, **options)
    _, many = write_inputs(tmp_path / "many", patches=2000, **options)
    room = 16 << 20
    assert many.stat().st_size > 3 * room
    done = python("-c", LIMITED, images, few, many, tmp_path / "run", room)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2000"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_too_little_memory_is_a_clear_error(tmp_path):
    world = write_inputs(tmp_path)
    script = textwrap.dedent("""
        import sys
        import matcher.indexing.codefiles
        from matcher.cli import main
        def greedy(*_arguments, **_options):
            bytearray(1 << 62)
        matcher.indexing.codefiles.coded = greedy
        main(sys.argv[1:])
    """)
    done = python("-c", script, "match", *world, "--run-dir", tmp_path / "run")
    assert done.returncode == 1
    assert "out of memory" in done.stderr
    assert "Traceback" not in done.stderr


KERNEL = """
import numpy as np
from matcher.kernels.fields import unit_gradient
band = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
down, across = np.empty((2, 16, 16), np.float32)
unit_gradient(band, down, across)
print(float(np.abs(down).sum() + np.abs(across).sum()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["cold", "corrupt", "truncated", "unwritable"])
def test_eight_processes_and_the_cache_of_kernels(tmp_path, state):
    cache = tmp_path / "cache"
    settings = {**environment(), "NUMBA_CACHE_DIR": str(cache)}
    if state in ("corrupt", "truncated"):
        assert python("-c", KERNEL, env={"NUMBA_CACHE_DIR": str(cache)}).returncode == 0
        files = [path for path in cache.rglob("*") if path.suffix in (".nbi", ".nbc")]
        assert files
        for path in files:
            path.write_bytes(
                b"\x80" * 99 if state == "corrupt" else path.read_bytes()[: path.stat().st_size // 2]
            )
    if state == "unwritable":
        cache.write_text("a file where the folder should be")
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", KERNEL],
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    answers = [process.communicate(timeout=300) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 8, answers
    assert len({out for out, _ in answers}) == 1
