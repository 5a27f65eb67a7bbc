"""Worker processes and a Dask cluster: the same bytes, whoever dies meanwhile."""

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from matcher.errors import MatcherError, SettingsError
from matcher.runs import Batch, run
from matcher.runs.cluster import DaskCluster
from matcher.runs.engines import DEATHS
from matcher.runs.workers import LocalWorkers, _serve
from matcher.settings import Settings
from tests.runs_common import Trapped, expected_outputs, outputs, pictures, shard_files

# Starting workers takes seconds.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_core")]

BATCH = Batch(shard_size=2)
COUNT = 14


@pytest.fixture(scope="module")
def world():
    return pictures(patches=COUNT)


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    images, patches = world
    folder = tmp_path_factory.mktemp("whole")
    return expected_outputs(folder, images, Trapped(patches, -1, "", 0, folder))


def trapped(world, folder, mode, times, trap=5):
    return Trapped(world[1], trap, mode, times, folder)


def nobody_left():
    """Whether no child of this process is alive, given a moment."""
    for _ in range(100):
        if not multiprocessing.active_children():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("workers", [1, 3])
def test_worker_processes_give_the_same_bytes(world, whole, tmp_path, workers):
    reports = []
    patches = trapped(world, tmp_path, "", 0)
    run(
        world[0],
        patches,
        tmp_path / "run",
        batch=BATCH,
        engine=LocalWorkers(workers),
        progress=lambda *p: reports.append(p),
    )
    assert outputs(tmp_path / "run") == whole
    assert reports[-1] == (COUNT * 3, COUNT * 3)
    assert reports == sorted(reports)
    assert nobody_left()


@pytest.mark.parametrize("mode", ["kill", "memory"])
def test_a_worker_that_dies_is_replaced(world, whole, tmp_path, mode):
    patches = trapped(world, tmp_path, mode, DEATHS - 1, trap=9)
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(2))
    assert len(patches.sprung()) == DEATHS - 1
    assert patches.sprung()[0] > 0, "no shard was finished when the first worker died"
    assert outputs(tmp_path / "run") == whole
    assert nobody_left()


def test_the_shard_of_the_last_to_die_goes_to_a_worker_that_waits(world, whole, tmp_path):
    """The other worker has finished all there was by then, and is asked nothing more unless it is thought of."""
    patches = Trapped(world[1], 9, "last", 1, tmp_path, others=COUNT // 2 - 1)
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(2))
    assert patches.sprung() == [COUNT // 2 - 1]
    assert outputs(tmp_path / "run") == whole
    assert nobody_left()


@pytest.mark.parametrize("mode", ["stop", "hang"])
def test_a_worker_that_hangs_is_replaced(world, whole, tmp_path, mode):
    patches = trapped(world, tmp_path, mode, 1)
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(1, patience=10))
    assert len(patches.sprung()) == 1
    assert patches.sprung()[0] > 0
    assert outputs(tmp_path / "run") == whole
    assert nobody_left()


def test_a_poisonous_shard_is_set_aside_and_tried_again_later(world, whole, tmp_path):
    patches = trapped(world, tmp_path, "kill", DEATHS)
    with pytest.raises(MatcherError, match="set aside: patches 4 to 5"):
        run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(2))
    assert len(patches.sprung()) == DEATHS
    assert len(shard_files(tmp_path / "run")) == COUNT // 2 - 1
    assert not (tmp_path / "run" / "DONE").exists()
    (line,) = (tmp_path / "run" / "errors.jsonl").read_text().splitlines()
    assert json.loads(line)["start"] == 4
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(2))
    assert outputs(tmp_path / "run") == whole
    assert (tmp_path / "run" / "errors.jsonl").read_text() == ""


@pytest.mark.parametrize(("mode", "kind"), [("fault", MatcherError), ("bug", ZeroDivisionError)])
def test_an_error_in_a_worker_is_raised_here(world, whole, tmp_path, mode, kind):
    patches = trapped(world, tmp_path, mode, 1)
    with pytest.raises(kind, match=r"sprang|a bug"):
        run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(1))
    assert nobody_left()
    assert len(shard_files(tmp_path / "run")) >= patches.sprung()[0] > 0
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=LocalWorkers(1))
    assert outputs(tmp_path / "run") == whole


@pytest.mark.parametrize(
    "error", [EOFError(), ConnectionResetError(104, "reset"), BrokenPipeError(32, "broken")]
)
@pytest.mark.parametrize("when", ["hearing", "telling"])
def test_a_worker_whose_parent_is_gone_ends_quietly(monkeypatch, error, when):
    class Gone:
        sent = 0

        def send(self, _message):
            self.sent += 1
            if when == "telling":
                raise error

        def recv(self):
            raise error

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("matcher.runs.station.enter", lambda *_: None)
    gone = Gone()
    _serve(gone, "folder", "digest")
    assert gone.sent == 1


def test_workers_that_die_at_their_start_end_the_run(world, tmp_path, monkeypatch):
    monkeypatch.setattr("matcher.runs.folder.RunFolder.post_job", lambda _self, _job: "no such job")
    engine = LocalWorkers(2)
    with pytest.raises(MatcherError, match=r"job\.pickle"):
        run(world[0], trapped(world, tmp_path, "", 0), tmp_path / "run", batch=BATCH, engine=engine)
    assert nobody_left()


@pytest.fixture(scope="module")
def cluster():
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    settings = {"distributed.scheduler.allowed-failures": DEATHS - 1, "distributed.admin.log-length": 0}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as made,
    ):
        yield made


@pytest.mark.slow
def test_dask_gives_the_same_bytes_though_a_worker_is_killed_meanwhile(world, whole, tmp_path, cluster):
    folder = tmp_path / "run"
    seen = []

    def kill_one():
        while len(shard_files(folder)) < 2:
            time.sleep(0.005)
        pids = [w["pid"] for w in cluster.scheduler_info["workers"].values() if "pid" in w]
        pids = pids or [w.pid for w in cluster.workers.values()]
        os.kill(pids[0], signal.SIGKILL)
        seen.append(len(shard_files(folder)))

    killer = threading.Thread(target=kill_one)
    killer.start()
    patches = trapped(world, tmp_path, "", 0)
    run(world[0], patches, folder, batch=Batch(shard_size=1), engine=DaskCluster(cluster.scheduler_address))
    killer.join()
    assert 2 <= seen[0] < COUNT
    assert outputs(folder) == whole


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3, 50])
def test_dask_gives_the_same_bytes_by_parts_of_the_images(world, whole, tmp_path, cluster, parts):
    engine = DaskCluster(cluster.scheduler_address, parts=parts)
    patches = trapped(world, tmp_path, "", 0)
    run(world[0], patches, tmp_path / "run", batch=Batch(shard_size=5), engine=engine)
    assert outputs(tmp_path / "run") == whole


@pytest.mark.slow
def test_a_part_goes_to_another_worker_where_its_own_dies(world, whole, tmp_path, cluster):
    """The worker is killed while it holds a shard and a part of the images."""
    patches = trapped(world, tmp_path, "kill", 1, trap=9)
    engine = DaskCluster(cluster.scheduler_address, parts=3)
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=engine)
    assert len(patches.sprung()) == 1
    assert outputs(tmp_path / "run") == whole


@pytest.mark.slow
def test_errors_of_parts_reach_the_one_who_asked(world, tmp_path, cluster):
    with pytest.raises(MatcherError, match="sprang"):
        run(
            world[0],
            trapped(world, tmp_path, "fault", 1),
            tmp_path / "run",
            batch=BATCH,
            engine=DaskCluster(cluster.scheduler_address, parts=2),
        )
    with pytest.raises(SettingsError, match="--image-shards"):
        run(
            world[0],
            trapped(world, tmp_path, "", 0),
            tmp_path / "exhaustive",
            settings=Settings(search="exhaustive"),
            engine=DaskCluster(cluster.scheduler_address, parts=2),
        )
    assert not (tmp_path / "exhaustive").exists()


@pytest.mark.slow
def test_dask_sets_a_poisonous_shard_aside(world, whole, tmp_path, cluster):
    patches = trapped(world, tmp_path, "kill", DEATHS)
    engine = DaskCluster(cluster.scheduler_address)
    with pytest.raises(MatcherError, match="set aside: patches 4 to 5"):
        run(world[0], patches, tmp_path / "run", batch=BATCH, engine=engine)
    assert len(patches.sprung()) == DEATHS
    assert len(shard_files(tmp_path / "run")) == COUNT // 2 - 1
    run(world[0], patches, tmp_path / "run", batch=BATCH, engine=engine)
    assert outputs(tmp_path / "run") == whole


@pytest.mark.slow
def test_dask_errors_and_silence(world, tmp_path, cluster):
    patches = trapped(world, tmp_path, "fault", 1)
    with pytest.raises(MatcherError, match="sprang"):
        run(world[0], patches, tmp_path / "run", batch=BATCH, engine=DaskCluster(cluster.scheduler_address))
    hung = trapped(world, tmp_path / "hung", "hang", 1)
    with pytest.raises(MatcherError, match="no worker has answered for 4 s"):
        run(
            world[0],
            hung,
            tmp_path / "hung" / "run",
            batch=Batch(shard_size=100),
            engine=DaskCluster(cluster.scheduler_address, patience=4),
        )


def test_no_scheduler_there(world, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("matcher.runs.cluster.TIMEOUT", 1)
    with pytest.raises(MatcherError, match="no Dask scheduler answers"):
        run(
            world[0],
            trapped(world, tmp_path, "", 0),
            tmp_path / "run",
            engine=DaskCluster("tcp://127.0.0.1:1"),
        )
    assert not (tmp_path / "run" / "index").exists()
