"""No command destroys a file: outputs against inputs, folders that are filled, run directories."""

import os
import shutil
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import COMMANDS, main
from matcher.cli.paths import Filled, Read, RunDir, Written, check
from matcher.errors import MatcherError
from matcher.formats.outputs import check_outputs
from tests.search.test_inside import write

KINDS = (Read, Written, Filled, RunDir)


def commands():
    context = click.Context(main)
    return {name: main.get_command(context, name) for name in COMMANDS}


def params(command, *kinds):
    return [param for param in command.params if isinstance(param.type, kinds)]


def text_outputs(command):
    return [param for param in params(command, Written) if not param.type.by_ending]


PAIRS = [
    (name, read.name, written.name)
    for name, command in commands().items()
    for read in params(command, Read)
    for written in params(command, Written)
]


def spell(command, values):
    """Arguments of a command line from values by parameter."""
    out = []
    for param in command.params:
        value = values.get(param.name)
        if value is None:
            continue
        out += [str(value)] if isinstance(param, click.Argument) else [param.opts[-1], str(value)]
    return out


def test_every_path_is_of_a_kind():
    """What is written is known of every command; a plain path would be checked by nobody."""
    for name, command in commands().items():
        for param in command.params:
            assert type(param.type) is not click.Path, (name, param.name)
            if param.type is click.STRING:
                assert param.metavar not in ("FILE", "DIR", "[FILE]"), (name, param.name)


@pytest.mark.parametrize(("name", "read", "written"), PAIRS)
@pytest.mark.parametrize(
    "way", ["itself", "symlink", "hard link", "dots", "linked folder", "in a folder", "list"]
)
def test_an_output_is_no_input(name, read, written, way, tmp_path):
    """Whatever way leads to it, an input is refused as an output before it is opened."""
    command = commands()[name]
    folder = tmp_path / "in"
    folder.mkdir()
    files = {param.name: folder / f"{param.name}.txt" for param in params(command, Read)}
    for path in files.values():
        path.write_text("# mine\n")
    own = files[read]
    given, output = dict(files), own
    if way == "symlink":
        output = tmp_path / "other.csv"
        output.symlink_to(own)
    elif way == "hard link":
        output = tmp_path / "other.csv"
        os.link(own, output)
    elif way == "dots":
        output = folder / ".." / "in" / own.name
    elif way == "linked folder":
        (tmp_path / "also").symlink_to(folder)
        output = tmp_path / "also" / own.name
    elif way == "in a folder":
        given[read] = folder
    elif way == "list":
        given[read] = tmp_path / "all.txt"
        given[read].write_text(f"# pictures\nin/{own.name}\n")
    given |= {param.name: tmp_path / "new.npz" for param in params(command, Written) if param.required}
    given[written] = output
    if read == "config" and given[read] != own:
        pytest.skip("options are in one file")
    if (
        any(param.name == read and param.type.file_okay is False for param in command.params)
        and way != "in a folder"
    ):
        pytest.skip("is a folder")
    for param in command.params:  # a folder where only a folder will do
        if param.name in given and isinstance(param.type, Read) and not param.type.file_okay:
            given[param.name] = folder if param.name == read else None
    before = own.read_bytes()
    done = CliRunner().invoke(main, [name, *spell(command, given)])
    assert done.exit_code == 1, done.output
    assert "write to another file" in done.output
    assert own.read_bytes() == before


@pytest.mark.parametrize("name", [name for name, c in commands().items() if len(params(c, Written)) > 1])
def test_two_outputs_are_two_files(name, tmp_path):
    command = commands()[name]
    files = {
        param.name: tmp_path / f"{param.name}.csv"
        for param in params(command, Read)
        if param.name != "config"
    }
    for path in files.values():
        path.write_text("mine")
    first, second = params(command, Written)[:2]
    for other in (tmp_path / "a.csv", tmp_path / "A.csv", tmp_path / "link" / "a.csv"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path)
        given = {**files, first.name: tmp_path / "a.csv", second.name: other}
        done = CliRunner().invoke(main, [name, *spell(command, given)])
        assert done.exit_code == 1, done.output
        assert "another output too" in done.output


def test_text_does_not_replace_a_picture(tmp_path):
    """A picture that is there is not overwritten by a table, though it is no input of this command."""
    np.save(tmp_path / "precious.npy", np.zeros(3))
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("Patch ID,Result\n0,5 70 9\n")
    before = (tmp_path / "precious.npy").read_bytes()
    arguments = ["score", "a.csv", "b.csv", "--json", "precious.npy"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "NumPy" in done.output
    assert (tmp_path / "precious.npy").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("real.tif", b"II*\x00"),
        ("real.tiff", b"MM\x00+"),
        ("keep.npz", b"PK\x03\x04"),
        ("p.png", b"\x89PNG"),
        ("p.jpg", b"\xff\xd8\xff"),
        ("t.parquet", b"PAR1"),
        ("t.gpkg", b"SQLite format 3\x00"),
    ],
)
@pytest.mark.parametrize("command", [name for name, c in commands().items() if text_outputs(c)])
def test_text_replaces_nothing_whatever_its_ending(command, name, head, tmp_path, monkeypatch):
    """An ending that some outputs have proves nothing of an option that writes text."""
    monkeypatch.chdir(tmp_path)
    chosen = commands()[command]
    (tmp_path / name).write_bytes(head + b" mine")
    given = {param.name: f"{param.name}.in" for param in params(chosen, Read) if param.required}
    for path in given.values():
        (tmp_path / path).write_text("mine")
    given |= {param.name: "new.npz" for param in params(chosen, Written) if param.required}
    for param in text_outputs(chosen):
        done = CliRunner().invoke(main, [command, *spell(chosen, {**given, param.name: name})])
        assert done.exit_code == 1, done.output
        assert f"{name}: is a" in done.output
        assert "which would be lost" in done.output
        assert (tmp_path / name).read_bytes() == head + b" mine"


def test_outputs_by_their_ending_and_texts_are_written_again(tmp_path):
    archive, text = tmp_path / "model.npz", tmp_path / "table.png"
    archive.write_bytes(b"PK\x03\x04")
    text.write_text("Patch ID,Result\n")
    check_outputs([text], [], [archive])
    with pytest.raises(MatcherError, match="zip archive"):
        check_outputs([archive])


def test_sources_of_a_virtual_raster_are_inputs(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"pixels")
    (tmp_path / "a.vrt").write_text('<V><SourceFilename relativeToVRT="1">a.tif</SourceFilename></V>')
    done = CliRunner().invoke(
        main, ["locate", str(tmp_path / "a.vrt"), str(tmp_path), "--json", str(tmp_path / "a.tif")]
    )
    assert done.exit_code == 1
    assert "input" in done.output


def tree(folder):
    """What lies in a folder, whoever wrote it; lists of what was written aside."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- folders that are filled ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A scene, two chips, a series of two dates, arrays of both, and where the chips lie."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(5)
    scene = np.kron(rng.integers(300, 3000, (40, 40, 4)), np.ones((3, 3, 1))).astype(np.uint16)
    scene += rng.integers(0, 60, scene.shape, dtype=np.uint16)
    write(folder / "scenes/T31.tif", scene)
    write(folder / "chips/T31.tif", scene[20:60, 30:70])
    write(folder / "more/7.tif", scene[60:100, 50:90])
    np.save(folder / "i.npy", scene[np.newaxis])
    np.save(folder / "p.npy", scene[np.newaxis, 20:60, 30:70])
    np.save(folder / "series.npy", np.stack([scene, scene]))
    np.save(folder / "other.npy", np.stack([scene[::-1], scene[::-1]]))
    (folder / "s.csv").write_text("Patch ID,Result\n0,0 30 20\n")
    return folder


FILLED = {
    "locate": (
        ["locate", "chips/T31.tif", "more/7.tif", "in", "scenes/T31.tif", "--write-georeferenced", "out"],
        ["T31.tif", "7.tif"],
    ),
    "change": (
        ["change", "i.npy", "p.npy", "s.csv", "-o", "out", "--forms", "npz,tif,png"],
        ["0.tif", "0.png", "0.npz"],
    ),
    "change matched": (["change", "i.npy", "p.npy", "-o", "out"], ["0.npz"]),
    "cut": (
        ["cut", "series.npy", "-o", "out", "--side", "32", "--patches", "2"],
        ["test_images.tfrecords", "test_patches.tfrecords", "answers.csv", "manifest.csv", "manifest.json"],
    ),
    "cut arrays": (
        ["cut", "series.npy", "-o", "out", "--side", "32", "--patches", "2", "--form", "arrays"],
        ["images.npz", "patches.npy"],
    ),
    "cut pairs": (
        ["cut", "series.npy", "other.npy", "-o", "out", "--side", "32", "--pairs", "2"],
        ["pairs.npz"],
    ),
    "simulate": (
        ["simulate", "out", "--images", "1", "--patches-per-image", "1", "--seed", "0", "--size", "64"],
        ["test_images.tfrecords", "test_patches.tfrecords", "answers.csv", "groups.csv"],
    ),
    "demo": (["demo", "out", "-q"], ["test_images.tfrecords", "submission.csv", "matches.png"]),
}


def test_every_command_that_fills_a_folder_is_tried():
    tried = {arguments[0] for arguments, _ in FILLED.values()} | {"align"}
    assert tried == {name for name, command in commands().items() if params(command, Filled)}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case == "demo" else []) for case in FILLED]
)
def test_a_filled_folder_keeps_what_others_put_there(case, world, tmp_path, monkeypatch):
    """Foreign files of the names stop the command before any work; its own of an earlier time are replaced."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    arguments, names = FILLED[case]
    out = tmp_path / "out"
    out.mkdir()
    for name in names:
        for foreign in ("file", "link"):
            if foreign == "file":
                (out / name).write_text("mine")
            else:
                (tmp_path / "far").write_text("mine")
                (out / name).symlink_to(tmp_path / "far")
            before = tree(tmp_path)
            done = CliRunner().invoke(main, arguments)
            assert done.exit_code == 1, (name, done.output)
            assert name in done.output
            assert tree(tmp_path) == before
            (out / name).unlink()
    (out / "notes.txt").write_text("mine")
    for _ in range(2):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
    assert (out / "notes.txt").read_text() == "mine"
    written = {path.name for path in out.glob("[!.]*")} - {"notes.txt"}
    assert set(names) <= written
    changed = out / names[0]
    changed.write_bytes(changed.read_bytes() + b"edited by hand")
    before = tree(tmp_path)
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1, done.output
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["T31.csv", "T31.tif", "notes.txt", "align.json"])
def test_align_takes_an_empty_folder_or_its_own(name, world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("{}")
    before = tree(tmp_path)
    done = CliRunner().invoke(main, ["align", "scenes/T31.tif", "in", "scenes/T31.tif", "--folder", "out"])
    assert done.exit_code == 1, done.output
    assert "name" in done.output
    assert "folder" in done.output
    assert tree(tmp_path) == before


def test_own_outputs_that_are_inputs_now_stay(world, tmp_path, monkeypatch):
    """What an earlier call wrote is an input like any other when it is named as one."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    first = ["locate", "chips/T31.tif", "scenes/T31.tif", "--write-georeferenced", "out"]
    assert CliRunner().invoke(main, first).exit_code == 0
    before = tree(tmp_path)
    done = CliRunner().invoke(main, ["locate", "out", "in", "scenes/T31.tif", "--write-georeferenced", "out"])
    assert done.exit_code == 1, done.output
    assert "input" in done.output
    assert tree(tmp_path) == before


def test_chips_of_one_name_get_names_of_their_own(world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    shutil.copy("more/7.tif", "more/t31.TIF")
    done = CliRunner().invoke(
        main,
        ["locate", "chips/T31.tif", "more/t31.TIF", "in", "scenes/T31.tif", "--write-georeferenced", "out"],
    )
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").glob("*.tif")} == {"T31.tif", "t31-2.tif"}


def test_a_dry_run_makes_nothing(world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    more = ["--write-georeferenced", "out", "--dry-run"]
    assert CliRunner().invoke(main, ["locate", "chips/T31.tif", "scenes/T31.tif", *more]).exit_code == 0
    arguments = ["match", "i.npy", "p.npy", "--run-dir", "run", "--dry-run"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "run").exists()


# --- run directories --------------------------------------------------------------------------------------------

MATCH = ["match", "i.npy", "p.npy", "--run-dir", "run", "-q"]


@pytest.mark.parametrize(
    "name",
    [
        "thesis.txt", ".thesis.tmp", "notes/.a.csv.k3j2.tmp", "submission.csv", "details.csv", "errors.jsonl", "DONE",
        "run.json", "lock", "shards/mine.txt", "shards", "index/sides.json", "job.pickle",
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry", [False, True])
def test_a_folder_that_is_no_run_is_refused(name, dry, world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / name).parent.mkdir(parents=True)
    (tmp_path / "run" / name).write_text('{"mine": 1}')
    before = tree(tmp_path)
    done = CliRunner().invoke(main, [*MATCH, *(["--dry-run"] if dry else [])])
    assert done.exit_code == 1, done.output
    assert "no run directory" in done.output
    assert tree(tmp_path) == before


def test_files_of_others_in_a_run_stay(world, tmp_path, monkeypatch):
    """Only what a killed run was writing is swept, and only where runs write."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, MATCH).exit_code == 0
    others = ["notes/.matcher-0123abcd.tmp", ".program.lock.tmp", "draft.tmp", "shards/.hidden", "x.npz.part"]
    own = [".matcher-0123abcd.tmp", "shards/.matcher-0123abcd.tmp", "index/.matcher-0123abcd.tmp"]
    for name in others + own:
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text("mine")
    done = CliRunner().invoke(main, MATCH)
    assert done.exit_code == 0, done.output
    assert all((tmp_path / "run" / name).exists() for name in others)
    assert not any((tmp_path / "run" / name).exists() for name in own)


def test_a_run_that_was_killed_at_its_start_goes_on(world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run/shards").mkdir(parents=True)
    (tmp_path / "run/lock").write_text("4711\n")
    (tmp_path / "run/.matcher-0123abcd.tmp").write_text("half")
    assert CliRunner().invoke(main, MATCH).exit_code == 0
    for damage in ("", "{", '{"check": 1}'):  # its shards are there: they say whose they are
        (tmp_path / "run/run.json").write_text(damage)
        assert CliRunner().invoke(main, MATCH).exit_code == 0


def test_outputs_and_inputs_against_the_run_directory(world, tmp_path, monkeypatch):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for more in ([], ["-o", "run/submission.csv", "--details", "run/details.csv"]):
        assert CliRunner().invoke(main, [*MATCH, *more]).exit_code == 0
    before = tree(tmp_path)
    for name in ("run.json", "DONE", "errors.jsonl", "lock"):
        done = CliRunner().invoke(main, [*MATCH, "-o", f"run/../run/{name}"])
        assert done.exit_code == 1, done.output
        assert tree(tmp_path) == before
    done = CliRunner().invoke(main, [*MATCH, "--ids", "run/submission.csv"])
    assert done.exit_code == 1, done.output
    assert "input" in done.output
    for name in ("run.json", "submission.csv", "DONE"):
        done = CliRunner().invoke(main, ["merge", "run", "-o", f"run/{name}"])
        assert done.exit_code == 1, done.output
    assert tree(tmp_path) == before
    assert CliRunner().invoke(main, ["merge", "run", "-o", "run/merged.csv"]).exit_code == 0
    assert CliRunner().invoke(main, ["merge", "run", "-o", "run/merged.csv"]).exit_code == 0


def test_a_run_directory_among_the_images_goes_on(world, tmp_path, monkeypatch):
    """However the folder is spelt: by its name, with a slash, or from inside."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    for where, scenes, chips, run in [
        (tmp_path, "scenes", "chips", "scenes/run"),
        (tmp_path, "scenes/", tmp_path / "chips", "scenes/run/"),
        (tmp_path / "scenes", ".", "../chips/", "run"),
    ]:
        monkeypatch.chdir(where)
        done = CliRunner().invoke(main, ["match", scenes, str(chips), "--run-dir", run])
        assert done.exit_code == 0, done.output
        assert ("1 of 1 shards are finished" in done.output) == (scenes != "scenes")


class TestAnIndexAsInput:
    """Its own files, and those that its images are read from, are files of the input."""

    @pytest.fixture
    def made(self, tmp_path):
        images = np.random.default_rng(3).integers(200, 3000, (3, 70, 80, 4)).astype(np.uint16)
        np.savez(tmp_path / "images.npz", **{str(k): image for k, image in enumerate(images)})
        matcher.make_index(tmp_path / "images.npz", tmp_path / "index", [64])
        return tmp_path

    def test_its_files_are_not_written_over(self, made):
        inside = sorted((made / "index").iterdir())
        assert {path.name for path in inside} >= {"index.json", "64x64-0.codes"}
        for path in inside:
            with pytest.raises(MatcherError, match="is a file of the input"):
                check_outputs([path], [made / "index"])

    def test_its_images_are_not_written_over(self, made):
        with pytest.raises(MatcherError, match=r"images\.npz: is a file of the input"):
            check_outputs([], [made / "index"], [made / "images.npz"])

    def test_other_files_are_free(self, made):
        check_outputs([made / "submission.csv"], [made / "index"])


@pytest.mark.parametrize("inside", ["shards/000000000-000000024.shard", "index/64x64-0.codes", "run.json"])
def test_files_of_a_run_are_not_written_over(tmp_path, inside):
    command = commands()["match"]
    values = {"images": "i.npz", "patches": "p.npz", "run_dir": str(tmp_path / "run")}
    (tmp_path / "run" / inside).parent.mkdir(parents=True, exist_ok=True)
    for name in ("output", "details"):
        with pytest.raises(MatcherError, match="is a file of the run directory"):
            check(command, {**values, name: str(tmp_path / "run" / inside)})
    own = {name: str(tmp_path / "run" / f"{name}.csv") for name in ("submission", "details")}
    check(command, {**values, "output": own["submission"], "details": own["details"], "xy_order": "xy"})
    for wrong in (
        {"output": own["details"]},
        {"details": own["submission"]},
        {"output": own["submission"], "xy_order": "yx"},
    ):
        with pytest.raises(MatcherError, match="is a file of the run directory"):
            check(command, values | wrong)


@pytest.mark.parametrize("name", sorted(commands()))
def test_what_is_printed_is_json_alone(name):
    """Of any other output "-" would be the name of a file."""
    command = commands()[name]
    for param in params(command, Written):
        value = ("-",) if param.multiple else "-"
        if param.name == "json_to":
            check(command, {param.name: value})
            continue
        with pytest.raises(MatcherError, match="/dev/stdout"):
            check(command, {param.name: value})


@pytest.mark.skipif(sys.platform == "win32", reason="has no /dev/stdout")
class TestStandardOutput:
    WRITES = """
import subprocess
import sys
from matcher.formats.files import atomic_write
from matcher.formats.outputs import check_outputs
check_outputs(["/dev/stdout"], sys.argv[1:])
with atomic_write("/dev/stdout", "w") as file:
    file.write("answers")
"""

    def test_a_pipe_is_written_to(self):
        done = subprocess.run([sys.executable, "-c", self.WRITES], capture_output=True, check=True)
        assert done.stdout == b"answers"

    def test_a_file_that_it_is_joined_to_is_kept(self, tmp_path):
        log = tmp_path / "log"
        log.write_text("before, ")
        with open(log, "a", encoding="utf-8") as file:
            subprocess.run([sys.executable, "-c", self.WRITES], stdout=file, check=True)
        assert log.read_text() == "before, answers"
        with open(log, "a", encoding="utf-8") as file:
            done = subprocess.run(
                [sys.executable, "-c", self.WRITES, log], stdout=file, stderr=subprocess.PIPE, check=False
            )
        assert b"is an input too" in done.stderr
        assert log.read_text() == "before, answers"
