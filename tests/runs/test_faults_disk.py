"""Every operation on the disk fails or is the process's last; every byte of what is finished is damaged."""

import errno
import os
import shutil
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import matcher
from matcher.errors import FormatError, MatcherError, ResumeError
from matcher.formats import files
from matcher.runs import Batch, run
from matcher.runs.shards import Shard, read_shard, write_shard
from tests.runs_common import (
    BROKEN,
    NO_SPACE,
    SMALL,
    Answering,
    DyingLayer,
    Killed,
    expected_outputs,
    outputs,
    part_of,
    shard_files,
    write_inputs,
)

pytestmark = pytest.mark.usefixtures("one_core")


def put_out(monkeypatch, layer):
    monkeypatch.setattr(files, "layer", layer)
    return layer


def count_operations(world, folder, monkeypatch):
    with monkeypatch.context() as patch:
        layer = put_out(patch, DyingLayer())
        run(*world, folder, batch=SMALL)
    shutil.rmtree(folder)
    return layer.log


@pytest.mark.slow
def test_the_process_dies_at_every_write_fsync_and_rename(world, whole, tmp_path, monkeypatch):
    log = count_operations(world, tmp_path / "run", monkeypatch)
    assert {"write", "sync", "replace", "sync_folder"} == set(log)
    with_shards = 0
    for at in range(len(log)):
        folder = tmp_path / f"run{at}"
        with monkeypatch.context() as patch:
            layer = put_out(patch, DyingLayer(at))
            with pytest.raises(Killed):
                run(*world, folder, batch=SMALL)
        assert (layer.hit, layer.count) == (log[at], at + 1)
        assert at == len(log) - 1 or not (folder / "DONE").exists()
        kept = {path: path.stat().st_ino for path in shard_files(folder)}
        with_shards += bool(kept)
        run(*world, folder, batch=SMALL)
        assert outputs(folder) == whole, f"killed at operation {at}, a {log[at]}"
        assert {path: path.stat().st_ino for path in kept} == kept, "a finished shard was done again"
        assert not list(folder.rglob(".*.tmp"))
        shutil.rmtree(folder)
    assert with_shards > len(log) // 5


@pytest.mark.slow
def test_every_operation_fails_once(world, whole, tmp_path, monkeypatch):
    log = count_operations(world, tmp_path / "run", monkeypatch)
    both = [(at, code) for at in range(len(log)) for code in (NO_SPACE, BROKEN)]
    tried = [(at, code) for at, code in both if log[at] == "write" or code == (NO_SPACE, BROKEN)[at % 2]]
    for at, code in tried:
        folder = tmp_path / f"run{at}-{code}"
        with monkeypatch.context() as patch:
            layer = put_out(patch, DyingLayer(at, code))
            with pytest.raises(MatcherError, match=os.strerror(code)):
                run(*world, folder, batch=SMALL)
        assert layer.hit == log[at]
        assert not list(folder.rglob(".*.tmp"))
        run(*world, folder, batch=SMALL)
        assert outputs(folder) == whole
        shutil.rmtree(folder)
    assert {"write", "sync", "replace", "sync_folder"} == {log[at] for at, _ in tried}


@pytest.mark.parametrize("code", [None, NO_SPACE, BROKEN])
def test_a_plain_output_is_whole_or_as_it_was(answers, tmp_path, monkeypatch, code):
    path = tmp_path / "s.csv"
    path.write_text("old")
    with monkeypatch.context() as patch:
        log = put_out(patch, DyingLayer()).log
        answers.to_submission(path)
    new = path.read_bytes()
    for at in range(len(log)):
        path.write_text("old")
        with monkeypatch.context() as patch:
            put_out(patch, DyingLayer(at, code))
            with pytest.raises(Killed if code is None else MatcherError):
                answers.to_submission(path)
        assert path.read_bytes() == (b"old" if log.index("replace") >= at else new)


@pytest.mark.slow
def test_a_finished_shard_shows_every_flipped_bit_and_every_truncation(answers, tmp_path):
    shard = Shard(0, 2)
    path = os.fspath(tmp_path / "a.shard")
    write_shard(path, "run", shard, part_of(answers, 0, 2))
    content = (tmp_path / "a.shard").read_bytes()
    assert read_shard(path, "run", shard).ids.tolist() == [1000, 1001]
    rng = np.random.default_rng(0)
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << int(rng.integers(8))
        for wrong in (damaged, content[:at]):
            (tmp_path / "a.shard").write_bytes(wrong)
            with pytest.raises(FormatError, match=r"a\.shard"):
                read_shard(path, "run", shard)


@pytest.mark.slow
def test_a_damaged_shard_is_done_again(world, whole, answers, tmp_path):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    victim = shard_files(folder)[1]
    content = victim.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(content), 40, replace=False).tolist():
        for wrong in (content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], content[:at]):
            victim.write_bytes(wrong)
            engine = Answering(answers)
            run(*world, folder, batch=SMALL, engine=engine)
            assert engine.asked == [(4, 8)]
            assert victim.read_bytes() == content
            assert outputs(folder) == whole


@pytest.mark.slow
def test_any_other_file_of_the_directory_may_be_damaged_or_lost(world, whole, tmp_path):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    rng = np.random.default_rng(1)
    tried = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "lock"):
        content = path.read_bytes()
        wrongs = [None, content[: len(content) // 2], b"\xff" * len(content)]
        if content:
            at = int(rng.integers(len(content)))
            wrongs.append(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        for wrong in wrongs:
            path.unlink()
            if wrong is not None:
                path.write_bytes(wrong)
            shard_files(folder)[-1].unlink(missing_ok=True)
            run(*world, folder, batch=SMALL)
            assert outputs(folder) == whole, path
            tried += 1
    assert tried > 40


@pytest.mark.parametrize("name", ["index", "shards"])
def test_a_file_where_a_folder_of_the_run_is_to_be(world, whole, tmp_path, name):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    shutil.rmtree(folder / name)
    if name == "index":
        shard_files(folder)[0].unlink()
    (folder / name).write_text("")
    with pytest.raises(MatcherError, match=r"run.*: cannot be made.*File exists"):
        run(*world, folder, batch=SMALL)
    (folder / name).unlink()
    run(*world, folder, batch=SMALL)
    assert outputs(folder) == whole


def test_where_a_run_directory_cannot_be(world, whole, tmp_path):
    (tmp_path / "file").write_text("")
    for impossible in (tmp_path / "file", tmp_path / "file" / "run", "/proc/self/run", "\0"):
        with pytest.raises(MatcherError):
            run(*world, impossible, batch=SMALL)
    deep = tmp_path / "not" / "yet" / "there"
    run(*world, deep, batch=SMALL)
    assert outputs(deep) == whole


def test_outputs_that_cannot_be_written_are_refused_before_the_run(world, tmp_path):
    from click.testing import CliRunner

    from matcher.cli import main

    for output in (tmp_path / "missing" / "s.csv", tmp_path, "/proc/self/s.csv"):
        done = CliRunner().invoke(
            main, ["match", *map(str, (*world, "--run-dir", tmp_path / "run", "-o", output))]
        )
        assert done.exit_code == 1
        assert str(output) in done.stderr
        assert not (tmp_path / "run").exists()


def test_a_read_only_disk(world, whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    run(*world, folder, batch=Batch(shard_size=4))
    shard_files(folder)[0].unlink()
    with monkeypatch.context() as patch:
        put_out(patch, DyingLayer(0, errno.EROFS))
        with pytest.raises(MatcherError, match="Read-only"):
            run(*world, folder, batch=SMALL)
    run(*world, folder, batch=SMALL)
    assert outputs(folder) == whole


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system")
def test_output_on_another_file_system(world, whole, tmp_path):
    import tempfile

    from click.testing import CliRunner

    from matcher.cli import main

    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("the same file system")
        output = os.path.join(other, "s.csv")
        arguments = ["match", *map(str, (*world, "--run-dir", tmp_path / "run", "-o", output))]
        assert CliRunner().invoke(main, arguments).exit_code == 0
        with open(output, "rb") as file:
            assert file.read() == whole[0]


@pytest.mark.parametrize("name", ["a b", "a\nb", "Größe 東京 🛰", "-o", "%s{0}", "'\"\\"])
def test_paths_of_any_name(whole, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    world = write_inputs(folder)
    run(*world, folder / name, batch=SMALL)
    run(*world, folder / name, batch=SMALL)
    assert outputs(folder / name) == whole


@pytest.mark.parametrize("how", ["rename", "in place", "removed"])
def test_an_input_replaced_during_the_run(answers, tmp_path, how):
    images, patches = write_inputs(tmp_path)
    kept = patches.read_bytes()

    class Replacing(Answering):
        def __call__(self, work):
            for number, done in enumerate(super().__call__(work)):
                if number == 1:
                    other = tmp_path / "other.tfrecords"
                    other.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
                    if how == "rename":
                        os.replace(other, patches)
                    elif how == "removed":
                        patches.unlink()
                    else:
                        patches.write_bytes(kept)
                        os.utime(patches, ns=(1, 1))
                yield done

    with pytest.raises(MatcherError, match=r"patches\.tfrecords: (was changed|there is no such file)"):
        run(images, patches, tmp_path / "run", batch=SMALL, engine=Replacing(answers))
    assert len(shard_files(tmp_path / "run")) == 1
    if how == "rename":
        with pytest.raises(ResumeError, match=r"patches\.sha256"):
            run(images, patches, tmp_path / "run", batch=SMALL)
    patches.write_bytes(kept)
    engine = Answering(answers)
    run(images, patches, tmp_path / "run", batch=SMALL, engine=engine)
    assert engine.asked == [(4, 8), (8, 11)]


def test_the_api_from_three_threads(world, whole, tmp_path):
    errors = []

    def work(k):
        try:
            run(*world, tmp_path / f"run{k}", batch=SMALL)
            assert outputs(tmp_path / f"run{k}") == whole
            assert matcher.match(*world).ids.tolist() == list(range(1000, 1011))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


class Survival(RuleBasedStateMachine):
    """Run, kill, corrupt, change and resume in any order: the outputs, once there, are the right ones."""

    @initialize()
    def begin(self):
        import tempfile
        from pathlib import Path

        self.home = Path(tempfile.mkdtemp(prefix="matcher-survival-"))
        self.folder = self.home / "run"
        self.world = write_inputs(self.home)
        if not hasattr(Survival, "answers"):
            Survival.answers = matcher.match(*self.world)
            Survival.whole = expected_outputs(self.home / "whole", *self.world)
        self.done = False

    def go(self, **options):
        return run(*self.world, self.folder, **{"batch": SMALL, "engine": Answering(self.answers), **options})

    @rule()
    def resume(self):
        self.go()
        self.done = True

    @rule(at=st.integers(0, 80), code=st.sampled_from([None, NO_SPACE, BROKEN]))
    def fail(self, at, code):
        before, files.layer = files.layer, DyingLayer(at, code)
        try:
            self.go()
            self.done = True
        except (Killed, MatcherError):
            self.done = False
        finally:
            files.layer = before

    @precondition(lambda self: self.folder.exists())
    @rule(
        which=st.integers(0, 1000), at=st.integers(0, 100_000), how=st.sampled_from(["flip", "cut", "remove"])
    )
    def corrupt(self, which, at, how):
        there = sorted(p for p in self.folder.rglob("*") if p.is_file())
        path = there[which % len(there)]
        content = bytearray(path.read_bytes())
        if how == "remove":
            path.unlink()
        elif content:
            content[at % len(content)] ^= 1 << (at % 8)
            path.write_bytes(content if how == "flip" else content[: at % len(content)])
        self.done = False

    @precondition(lambda self: (self.folder / "run.json").exists())
    @rule(what=st.sampled_from(["effort", "shard_size", "input"]))
    def change(self, what):
        try:
            options = {
                "effort": {"settings": matcher.Settings(effort=3)},
                "shard_size": {"batch": Batch(shard_size=3)},
                "input": {},
            }[what]
            sound = self.sound()
            kept = self.world[1].read_bytes()
            if what == "input":
                write_inputs(self.home, patches=10)
            shards = {p: p.read_bytes() for p in shard_files(self.folder)}
            if sound:
                with pytest.raises(ResumeError):
                    self.go(**options)
                assert {p: p.read_bytes() for p in shard_files(self.folder)} == shards
        finally:
            self.world[1].write_bytes(kept)

    def sound(self):
        from matcher.runs.folder import RunFolder

        try:
            RunFolder(self.folder).read_run()
        except FormatError:
            return False
        return True

    @invariant()
    def finished_is_right(self):
        if getattr(self, "done", False):
            assert outputs(self.folder) == self.whole
            assert (self.folder / "DONE").exists()

    def teardown(self):
        try:
            if hasattr(self, "folder"):
                self.go()
                assert outputs(self.folder) == self.whole
        finally:
            shutil.rmtree(getattr(self, "home", ""), ignore_errors=True)


TestSurvival = pytest.mark.slow(Survival.TestCase)
TestSurvival.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
