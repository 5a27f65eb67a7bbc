"""Whole commands where Windows is pretended (`tests.portable.windows`): the same answers, and its errors told."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import MatcherError
from matcher.formats import files
from matcher.formats.files import FileBytes, Layer, atomic_write
from tests.runs_common import pictures

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="open files are told from Linux's /proc"
)


def environment():
    """That of a process in which Windows is pretended."""
    paths = [str(HERE / "site"), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "MATCHER_PRETEND": "windows"}


def call(*arguments, cwd, code=0):
    command = [sys.executable, "-m", "matcher", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, timeout=300, check=False)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.stdout.decode("cp1252"), done.stderr.decode()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Images and patches as deflated archives, which are unpacked into files that are to go by themselves."""
    folder = tmp_path_factory.mktemp("inputs")
    images, patches = pictures(patches=6)
    np.savez_compressed(folder / "images.npz", images=np.stack(images))
    np.savez_compressed(folder / "patches.npz", patches=np.stack(patches))
    return folder


@pytest.fixture(scope="module")
def answers(inputs):
    command = [sys.executable, "-m", "matcher", "match", "images.npz", "patches.npz", "-o", "plain.csv", "-q"]
    root = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]))
    subprocess.run(command, cwd=inputs, env=os.environ | {"PYTHONPATH": root}, timeout=300, check=True)
    return (inputs / "plain.csv").read_bytes()


def test_pretence_bites(tmp_path):
    """A held file that is removed, and the others, fail as they do there."""
    code = (
        "import os; f = open('held', 'w')\n"
        "tries = [lambda: os.unlink('held'), lambda: os.replace('held', 'b'), lambda: os.open('.', 0), "
        "lambda: os.fsync(os.open('held', os.O_RDONLY)), lambda: os.fork(), lambda: print(chr(0x4e00))]\n"
        "for t in tries:\n"
        "    try: t()\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    assert done.stdout.decode().split() == [
        "PermissionError", "PermissionError", "PermissionError", "OSError", "AttributeError", "UnicodeEncodeError",
    ]  # fmt: skip


@pytest.mark.slow
def test_match_of_deflated_archives(inputs, answers):
    call("match", "images.npz", "patches.npz", "-o", "once.csv", "--details", "d.csv", "-q", cwd=inputs)
    assert (inputs / "once.csv").read_bytes() == answers


@pytest.mark.slow
def test_run_directory_with_workers_and_again(inputs, answers):
    command = (
        "match",
        "images.npz",
        "patches.npz",
        "--run-dir",
        "run",
        "--shard-size",
        "2",
        "--workers",
        "2",
        "-q",
    )
    for output in ("first.csv", "again.csv"):
        call(*command, "-o", output, cwd=inputs)
        assert (inputs / output).read_bytes() == answers


@pytest.mark.slow
def test_two_processes_in_one_run_directory(inputs):
    holder = (
        "import sys, time; from matcher.runs.folder import RunFolder\n"
        "with RunFolder('held').locked():\n"
        "    print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder], cwd=inputs, env=environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline().strip() == b"ready"
        _, said = call("match", "images.npz", "patches.npz", "--run-dir", "held", cwd=inputs, code=5)
        assert f"another run (process {process.pid}) works in it" in said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_cut_score_and_report(tmp_path):
    grain = np.random.default_rng(3).integers(300, 3000, (2, 12, 12, 4)).repeat(8, 1).repeat(8, 2)
    np.save(tmp_path / "place.npy", grain.astype(np.uint16))
    call(
        "cut",
        "place.npy",
        "-o",
        "out",
        "--side",
        "32",
        "--patches",
        "4",
        "--form",
        "arrays",
        "-q",
        cwd=tmp_path,
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".matcher-")) == [
        "answers.csv", "images.npz", "manifest.csv", "manifest.json", "patches.npy",
    ]  # fmt: skip
    call(
        "match", "out/images.npz", "out/patches.npy", "-o", "s.csv", "--details", "d.csv", "-q", cwd=tmp_path
    )
    call("score", "s.csv", "out/answers.csv", cwd=tmp_path)
    call("report", "out/images.npz", "out/patches.npy", "d.csv", "-o", "page.html", cwd=tmp_path)
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_cut_that_fails_leaves_nothing_and_says_why(tmp_path):
    np.save(tmp_path / "empty.npy", np.zeros((2, 64, 64, 4), np.uint16))
    _, said = call("cut", "empty.npy", "-o", "out", "--side", "32", "-q", cwd=tmp_path, code=1)
    assert "no window fits" in said
    assert not [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".matcher-")]


def test_folder_in_place_of_a_file(inputs, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    _, said = call("match", tmp_path / "folder.npy", "patches.npz", "-o", "s.csv", "-q", cwd=inputs, code=1)
    assert "folder.npy" in said


def test_names_that_the_code_page_lacks(inputs):
    """They are printed as escapes, and no command ends by them."""
    images = inputs / "影像.npz"
    images.write_bytes((inputs / "images.npz").read_bytes())
    out, _ = call("match", images.name, "patches.npz", "-o", "s.csv", "--dry-run", cwd=inputs)
    assert "\\u5f71\\u50cf.npz" in out


class TestFiles:
    """The parts of the above, here and now."""

    def test_fleeting_file_goes_when_it_may(self, tmp_path, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "The file is being used by another process", path)

        path = tmp_path / "scratch"
        path.write_bytes(b"content")
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse)
            file = FileBytes(path, fleeting=True)
        assert path.exists()
        assert file.read(0, 7) == b"content"
        del file
        assert not path.exists()

    def test_fleeting_file_goes_at_once_where_it_can(self, tmp_path):
        path = tmp_path / "scratch"
        path.write_bytes(b"content")
        file = FileBytes(path, fleeting=True)
        assert not path.exists()
        assert file.read(3, 4) == b"tent"

    def test_reading_without_pread(self, tmp_path, monkeypatch):
        monkeypatch.delattr(os, "pread")
        path = tmp_path / "file"
        path.write_bytes(bytes(range(200)))
        file = FileBytes(path)
        assert file.read(150, 3) == bytes([150, 151, 152])
        assert file.read(10, 2) == bytes([10, 11])

    @pytest.mark.parametrize(("times", "code", "written"), [(2, 32, True), (9, 32, False), (1, 19, False)])
    def test_a_scanner_that_looks_at_a_file(self, tmp_path, monkeypatch, times, code, written):
        """It is waited for, but not for ever, and nothing else is."""
        path, left, real = tmp_path / "out.csv", [times], os.replace

        def replace(old, new):
            if left[0]:
                left[0] -= 1
                error = PermissionError(13, "Access is denied", new)
                error.winerror = code
                raise error
            real(old, new)

        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)

        def write():
            with atomic_write(path, "w") as file:
                file.write("text")

        if written:
            write()
        else:
            with pytest.raises(MatcherError, match="cannot be written: Access is denied"):
                write()
        assert path.exists() == written
        assert [p.name for p in tmp_path.iterdir()] == (["out.csv"] if written else [])


class TestMac:
    """macOS: the disk's own cache is flushed by a call of its own, which not every file system has."""

    @pytest.mark.parametrize("works", [True, False])
    def test_full_sync(self, tmp_path, monkeypatch, works):
        calls = []

        class Fcntl:
            F_FULLFSYNC = 51

            @staticmethod
            def fcntl(_descriptor, number):
                calls.append(number)
                if not works:
                    raise OSError(45, "Operation not supported")

        monkeypatch.setattr(files, "fcntl", Fcntl)
        monkeypatch.setattr(os, "fsync", lambda _descriptor: calls.append("fsync"))
        with open(tmp_path / "file", "wb") as file:
            Layer().sync(file.fileno())
        assert calls == ([51] if works else [51, "fsync"])


def test_archive_of_sources_is_deflated(inputs):
    """What the tests above need."""
    with zipfile.ZipFile(inputs / "images.npz") as archive:
        assert archive.infolist()[0].compress_type == zipfile.ZIP_DEFLATED
