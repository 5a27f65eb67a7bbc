"""An index answers as the images themselves do, byte for byte, reads windows of them only, and refuses what differs."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import pickle
import re

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.errors import FormatError, MatcherError, ResumeError, SettingsError
from matcher.formats.arrays import ArraySource
from matcher.formats.catalog import NAME, Kept, read_catalog, write_catalog
from matcher.formats.files import FileBytes
from matcher.formats.official import write_images
from matcher.indexing import codefiles, completing, making, opened
from matcher.indexing.making import add_images, remove_images, replace_images
from matcher.indexing.telling import describe, faults
from matcher.matching.estimate import estimate
from matcher.matching.job import prepare
from matcher.runs import run
from tests.runs_common import SIDE, outputs, pictures


def told(folder, images, patches, **options):
    """What a match writes, as bytes."""
    folder.mkdir(exist_ok=True)
    result = matcher.match(images, patches, **options)
    result.to_submission(folder / "submission.csv")
    result.to_details(folder / "details.csv")
    return outputs(folder)


def write(form, path, images):
    """Images in a form of file: its path."""
    if form == "tfrecords":
        write_images(path / "i.tfrecords", images, range(100, 100 + len(images)))
        return path / "i.tfrecords"
    if form == "npy":
        np.save(path / "i.npy", np.stack(images))
        return path / "i.npy"
    save = np.savez_compressed if "packed" in form else np.savez
    if "stack" in form:
        save(path / "i.npz", images=np.stack(images), ids=np.arange(7, 7 + len(images)))
    else:
        save(path / "i.npz", **{str(100 + k): image for k, image in enumerate(images)})
    return path / "i.npz"


@pytest.mark.parametrize("form", ["tfrecords", "npy", "stack", "stack packed", "archive", "archive packed"])
def test_the_answers_are_those_of_the_images(tmp_path, made, form):
    images, patches = made
    path = write(form, tmp_path, images)
    wanted = told(tmp_path / "out", path, patches)
    matcher.make_index(path, tmp_path / "index", [SIDE])
    assert told(tmp_path / "by", tmp_path / "index", patches) == wanted
    opened = pickle.loads(pickle.dumps(matcher.open_index(tmp_path / "index")))
    assert told(tmp_path / "by", opened, patches) == wanted
    assert opened.sides == ((SIDE, SIDE),)


def test_it_serves_any_model_effort_and_evidence(tmp_path, files, index):
    for options in ({"effort": 0.3}, {"evidence": ("phase",)}, {"search": "exhaustive"}, {"prior": 0.9}):
        assert told(tmp_path / "a", index, files[1], **options) == told(
            tmp_path / "b", files[0], files[1], **options
        )


def test_windows_alone_are_read(monkeypatch, index):
    read = []
    inner = FileBytes.read

    def counted(self, offset, size):
        if self.path.endswith("images.npz"):
            read.append(size)
        return inner(self, offset, size)

    opened = matcher.open_index(index)
    monkeypatch.setattr(FileBytes, "read", counted)
    opened.source.read(2, 10, 20, 7, 9)
    assert read == [7 * 64 * 4 * 2]
    opened.index((SIDE, SIDE))
    assert len(read) == 1


def test_sizes_that_it_has_no_codes_for_are_answered_too(tmp_path, made, files, index, caplog):
    smaller = [patch[:18, :18] for patch in made[1]]
    assert told(tmp_path / "a", index, smaller) == told(tmp_path / "b", files[0], smaller)
    assert "holds codes for 20 x 20 px" in caplog.text
    matcher.make_index(files[0], index, [18])
    assert matcher.open_index(index).sides == ((18, 18), (SIDE, SIDE))
    caplog.clear()
    assert told(tmp_path / "a", index, smaller) == told(tmp_path / "b", files[0], smaller)
    assert "holds codes" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_images_come_and_go_in_any_order(tmp_path, made, files, index, seed, monkeypatch):
    """Each state answers as images in its order do; a reader of an earlier one is not disturbed."""
    rng = np.random.default_rng(seed)
    state = dict(zip(range(100, 105), made[0], strict=True))
    fresh, _ = pictures(images=6, patches=1, seed=50 + seed)
    before, first = matcher.open_index(index), told(tmp_path / "first", files[0], files[1])
    coded = []
    monkeypatch.setattr(completing, "_code", _counting(coded))
    for step in range(6):
        kind = (
            ("add", "remove", "replace")[step % 3] if seed == 0 else rng.choice(["add", "remove", "replace"])
        )
        path = tmp_path / f"more{step}.npz"
        coded.clear()
        if kind == "remove" and len(state) > 2:
            gone = int(rng.choice(list(state)))
            del state[gone]
            remove_images(index, [gone])
            assert not coded
        elif kind == "replace":
            number = int(rng.choice(list(state)))
            state[number] = fresh[step]
            np.savez(path, **{str(number): fresh[step]})
            replace_images(index, path)
            assert len(coded) == 1
        else:
            state[200 + step] = fresh[step]
            np.savez(path, **{str(200 + step): fresh[step]})
            add_images(index, path)
            assert len(coded) == 1
        plain = ArraySource(list(state.values()), list(state))
        assert told(tmp_path / "a", index, files[1]) == told(tmp_path / "b", plain, files[1])
    assert told(tmp_path / "a", before, files[1]) == first
    assert not list(faults(index))


def _counting(coded):
    inner = completing._code

    def code(pictures, which, *rest):
        coded.extend(which)
        return inner(pictures, which, *rest)

    return code


class TestReadersOfAnEarlierState:
    """What is opened is what is answered, whatever is changed before it is first asked."""

    def test_codes_are_written_behind_those_of_images_that_are_gone(self, tmp_path, made, files, index):
        wanted, before = told(tmp_path / "a", files[0], files[1]), matcher.open_index(index)
        remove_images(index, [104])
        np.savez(tmp_path / "one.npz", **{"300": made[0][4][:, ::-1]})
        add_images(index, tmp_path / "one.npz")
        assert told(tmp_path / "b", before, files[1]) == wanted

    def test_files_that_are_removed(self, tmp_path, files, index):
        wanted, before = told(tmp_path / "a", files[0], files[1]), matcher.open_index(index)
        sent = pickle.dumps(before)
        remove_images(index, [100, 101, 102])
        assert told(tmp_path / "b", before, files[1]) == wanted
        with pytest.raises(FormatError, match="was changed meanwhile; open it again"):
            pickle.loads(sent)

    def test_pixels_that_are_removed(self, tmp_path, made):
        path = write("archive packed", tmp_path, made[0][:2])
        matcher.make_index(path, tmp_path / "index", [SIDE])
        before = matcher.open_index(tmp_path / "index").source
        np.savez(tmp_path / "flat.npz", **{"100": made[0][2], "101": made[0][3]})
        replace_images(tmp_path / "index", tmp_path / "flat.npz")
        assert all(map(np.array_equal, before, made[0][:2]))

    def test_a_change_between_the_catalogue_and_the_files(self, index, monkeypatch):
        inner, calls = opened.read_catalog, []

        def read(folder):
            catalog = inner(folder)
            calls.append(folder)
            if len(calls) == 1:
                remove_images(index, [100, 101, 102])
            return catalog

        monkeypatch.setattr(opened, "read_catalog", read)
        assert len(matcher.open_index(index)) == 2


def test_what_is_gone_does_not_stay_on_the_disk(tmp_path, made, files, index):
    remove_images(index, [100, 101, 102])
    (kept,) = read_catalog(index).kept
    held = sum(path.stat().st_size for path in index.iterdir() if path.name.startswith("20x20"))
    assert held == sum(kept.code_bytes) + sum(kept.colour_bytes)
    plain = ArraySource(made[0][3:], [103, 104])
    assert told(tmp_path / "a", index, files[1]) == told(tmp_path / "b", plain, files[1])


@pytest.mark.parametrize("after", [0, 2, 4])
def test_a_command_that_was_killed_goes_on(tmp_path, files, monkeypatch, after):
    class Killed(BaseException):
        pass

    inner = completing._code

    def dies(*arguments):
        for n, one in enumerate(inner(*arguments)):
            if n == after:
                raise Killed
            yield one

    folder = tmp_path / "killed"
    monkeypatch.setattr(completing, "_EVERY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(completing, "_code", dies)
        with pytest.raises(Killed):
            matcher.make_index(files[0], folder, [SIDE])
    if after:
        with pytest.raises(FormatError, match="not finished"):
            matcher.open_index(folder)
        assert ["not finished" in line for line in faults(folder)] == [True]
    coded = []
    monkeypatch.setattr(completing, "_code", _counting(coded))
    matcher.make_index(files[0], folder, [SIDE])
    assert len(coded) == 5 - after
    assert told(tmp_path / "a", folder, files[1]) == told(tmp_path / "b", files[0], files[1])
    coded.clear()
    matcher.make_index(files[0], folder, [SIDE])
    assert not coded


def test_a_change_that_was_stopped_and_done_leaves_no_word_of_it(tmp_path, made, index, monkeypatch):
    class Stopped(BaseException):
        pass

    def stop(done, total):
        if done == total - 1:
            raise Stopped

    np.savez(tmp_path / "more.npz", **{"300": made[0][0][::-1], "301": made[0][1][::-1]})
    monkeypatch.setattr(completing, "_EVERY", 0.0)
    with pytest.raises(Stopped):
        add_images(index, tmp_path / "more.npz", progress=stop)
    assert "a change of it was stopped" in describe(index)[-1]
    add_images(index, tmp_path / "more.npz")
    assert "stopped" not in describe(index)[-1]
    assert read_catalog(index).pending is None


class TestAFullDisk:
    """One error, whatever is buffered."""

    class Full(io.FileIO):
        def write(self, _data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @pytest.fixture(autouse=True)
    def full(self, monkeypatch):
        def opened_full(path, mode, buffering):
            return io.BufferedRandom(self.Full(path, mode.replace("b", "")), buffering)

        monkeypatch.setattr(codefiles, "open", opened_full, raising=False)

    def test_while_codes_are_written(self, tmp_path, files):
        with pytest.raises(MatcherError, match=r"20x20-0\.codes: cannot be written: No space left"):
            matcher.make_index(files[0], tmp_path / "full", [SIDE])

    def test_while_something_else_fails(self, tmp_path):
        def parts():
            yield np.ones(3)
            raise KeyError

        with pytest.raises(KeyError), codefiles.CodeWriter(tmp_path, Kept((SIDE, SIDE)), ()) as writer:
            writer._write(0, parts())

    def test_at_the_end(self, tmp_path):
        with (
            pytest.raises(MatcherError, match="cannot be written: No space left"),
            codefiles.CodeWriter(tmp_path, Kept((SIDE, SIDE)), ()) as writer,
        ):
            writer._write(0, [np.ones(3)])


def test_a_disk_that_is_full_before_a_process_says_its_number(tmp_path, files, index):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file may grow
    try:
        with making.held(index), making.held(tmp_path / "new"):
            (tmp_path / "new" / "20x20-0.codes").touch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    matcher.make_index(files[0], tmp_path / "new", [SIDE])
    with making.held(index):
        assert (index / "lock").read_text() == f"{os.getpid()}\n"


class TestWhatDiffers:
    """Each difference is named, and nothing is answered."""

    def test_versions_and_kernels(self, index, files):
        catalog = read_catalog(index)
        for name in ("matcher", "kernels", "numba", "codes"):
            made = {**catalog.made, "versions": {**catalog.made["versions"], name: "old"}}
            write_catalog(index, dataclasses.replace(catalog, made=made))
            with pytest.raises(FormatError, match=f"{name} was old and is"):
                matcher.match(index, files[1])

    def test_bands(self, index, files):
        with pytest.raises(SettingsError, match="bands were red,green,blue,nir and are blue,green,red,nir"):
            matcher.match(index, files[1], bands=("blue", "green", "red", "nir"))

    def test_value_range(self, index, files):
        with pytest.raises(FormatError, match="value range was signed and is dn"):
            matcher.match(index, files[1], value_range="dn")

    def test_images(self, index, files, made):
        same = files[0].read_bytes()
        np.savez(files[0], **{"100": made[0][1]})
        with pytest.raises(FormatError, match=r"images\.npz: has changed"):
            matcher.match(index, files[1])
        files[0].write_bytes(same)  # another time of change, and the same content
        os.utime(files[0], (1, 1))
        matcher.match(index, files[1])
        files[0].unlink()
        with pytest.raises(FormatError, match="no such file"):
            matcher.match(index, files[1])

    def test_another_index(self, index, files, tmp_path, made):
        np.savez(tmp_path / "other.npz", **{"1": made[0][0]})
        with pytest.raises(ResumeError, match="holds another index: images was"):
            matcher.make_index(tmp_path / "other.npz", index, [SIDE])
        with pytest.raises(ResumeError, match="value_range was signed and is reflectance"):
            matcher.make_index(files[0], index, [SIDE], value_range="reflectance")

    def test_ids(self, index, tmp_path, made):
        np.savez(tmp_path / "one.npz", **{"100": made[0][0]})
        with pytest.raises(FormatError, match="has the id 100, which the index holds"):
            add_images(index, tmp_path / "one.npz")
        np.savez(tmp_path / "one.npz", **{"9": made[0][0]})
        with pytest.raises(FormatError, match="has the id 9, which the index does not hold"):
            replace_images(index, tmp_path / "one.npz")
        with pytest.raises(FormatError, match="holds no image of the id 9"):
            remove_images(index, [9])
        with pytest.raises(FormatError, match="no image any more"):
            remove_images(index, range(100, 105))

    def test_folders_of_others(self, tmp_path, files):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("mine")
        with pytest.raises(MatcherError, match="is no index, and is not empty"):
            matcher.make_index(files[0], tmp_path / "mine", [SIDE])
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]

    @pytest.mark.parametrize(
        "mine",
        [
            {"24x24-0.codes": "mine"},
            {"x.pixels": "mine", "lock": "1\n"},
            {"my.codes": "mine", "lock": "1\n"},
            {"lock": "mine"},
            {"index.json": "{}"},
        ],
    )
    def test_files_of_others_whose_names_are_alike(self, tmp_path, files, mine):
        (tmp_path / "mine").mkdir()
        for name, text in mine.items():
            (tmp_path / "mine" / name).write_text(text)
        with pytest.raises(MatcherError, match=r"is not empty|is damaged"):
            matcher.make_index(files[0], tmp_path / "mine", [SIDE])
        assert {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()} == mine

    def test_files_of_others_in_an_index_stay(self, index):
        for name in ("my.codes", "x.pixels", "notes.txt"):
            (index / name).write_text("mine")
        remove_images(index, [100, 101, 102])
        for name in ("my.codes", "x.pixels", "notes.txt"):
            assert (index / name).read_text() == "mine"

    def test_nothing_is_left_where_nothing_can_be_made(self, tmp_path, files):
        new = tmp_path / "new"
        for change in (
            lambda: matcher.make_index(tmp_path / "nosuch.npz", new, [SIDE]),
            lambda: add_images(new, files[0]),
            lambda: replace_images(new, files[0]),
            lambda: remove_images(new, [1]),
        ):
            with pytest.raises(FormatError):
                change()
            assert not new.exists()

    @pytest.mark.parametrize("sides", [64, "64", [64.0], ["64"], [(64,)], [(64, 64, 1)], [None], None, [5]])
    def test_sizes_that_are_none(self, tmp_path, files, sides):
        with pytest.raises(SettingsError, match=r"size|least"):
            matcher.make_index(files[0], tmp_path / "new", sides)

    def test_numbers_of_other_kinds(self, tmp_path, files):
        matcher.make_index(files[0], tmp_path / "new", np.array([SIDE]))
        assert matcher.open_index(tmp_path / "new").sides == ((SIDE, SIDE),)
        with pytest.raises(SettingsError, match="list of whole numbers"):
            remove_images(tmp_path / "new", ["100"])
        assert len(remove_images(tmp_path / "new", [np.int64(100)]).pictures) == 4

    def test_no_path(self, files):
        with pytest.raises(MatcherError, match="no path"):
            matcher.open_index(None)
        with pytest.raises(MatcherError, match="no path"):
            matcher.make_index(files[0], None, [SIDE])

    def test_two_writers(self, index):
        with making.held(index), pytest.raises(ResumeError, match="works in it"):
            remove_images(index, [100])

    def test_arrays(self, tmp_path, made):
        with pytest.raises(MatcherError, match="name paths, not arrays"):
            matcher.make_index(made[0], tmp_path / "index", [SIDE])

    def test_damage(self, index):
        path = next(index.glob("*.codes"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert ["image 102 are damaged" in line for line in faults(index)] == [True]
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(FormatError, match="bytes too early"):
            matcher.open_index(index).index((SIDE, SIDE))

    @pytest.mark.parametrize(
        "where", [("pictures", "height"), ("pictures", "id", 0), ("made", "value_range"), ()]
    )
    def test_a_damaged_catalogue(self, index, where):
        content = json.loads((index / NAME).read_text())
        inside = content
        for key in where[:-1]:
            inside = inside[key]
        if where:
            inside[where[-1]] = 7
        (index / NAME).write_text(json.dumps(content if where else [content]))
        for ask in (matcher.open_index, describe, lambda folder: list(faults(folder))):
            with pytest.raises(FormatError, match="is damaged"):
                ask(index)

    def test_another_form(self, index):
        content = json.loads((index / NAME).read_text())
        (index / NAME).write_text(json.dumps({**content, "matcher index": 1}))
        with pytest.raises(FormatError, match="is of form 1, and this version reads form 3: make it anew"):
            matcher.open_index(index)


def test_a_run_directory_of_an_index(tmp_path, files, index):
    """Its workers read the index, and its codes are not kept once more."""
    wanted = told(tmp_path / "out", files[0], files[1])
    run(index, files[1], tmp_path / "run")
    assert outputs(tmp_path / "run") == wanted
    assert not list((tmp_path / "run").rglob("*.codes"))
    add_images(index, _more(tmp_path))
    with pytest.raises(ResumeError, match="images"):
        run(index, files[1], tmp_path / "run")


def _more(folder):
    np.savez(folder / "more.npz", **{"300": pictures(images=1, patches=1, seed=9)[0][0]})
    return folder / "more.npz"


def test_numbers_go_on_where_images_are_numbered_in_order(tmp_path, made):
    for name, part in (("a", made[0][:3]), ("b", made[0][3:])):
        np.save(tmp_path / f"{name}.npy", np.stack(part))
    matcher.make_index(tmp_path / "a.npy", tmp_path / "index", [SIDE])
    add_images(tmp_path / "index", tmp_path / "b.npy")
    both = [tmp_path / "a.npy", tmp_path / "b.npy"]
    assert told(tmp_path / "x", tmp_path / "index", made[1]) == told(tmp_path / "y", both, made[1])


def test_images_of_one_content_are_coded_once(tmp_path, made):
    np.save(tmp_path / "a.npy", np.stack(made[0]))
    matcher.make_index(tmp_path / "a.npy", tmp_path / "index", [SIDE])
    add_images(tmp_path / "index", tmp_path / "a.npy")
    assert any(
        ", 0.0 MiB of it of images that are no longer there" in line for line in describe(tmp_path / "index")
    )
    assert not list(faults(tmp_path / "index"))


def test_what_a_packed_file_holds_is_kept_unpacked(tmp_path, made):
    """And goes when nothing is of it any more."""
    path = write("archive packed", tmp_path, made[0][:2])
    matcher.make_index(path, tmp_path / "index", [SIDE])
    assert len(list((tmp_path / "index").glob("*.pixels"))) == 1
    np.savez(tmp_path / "flat.npz", **{"100": made[0][2], "101": made[0][3]})
    replace_images(tmp_path / "index", tmp_path / "flat.npz")
    assert not list((tmp_path / "index").glob("*.pixels"))
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    matcher.match(tmp_path / "index", made[1])


def test_rankings_by_the_directory(files, index):
    by, of = (matcher.retrieve(what, files[1], value_range="signed") for what in (index, files[0]))
    assert np.array_equal(by.score, of.score)
    assert np.array_equal(by.image, of.image)


def test_a_dry_run_counts_no_codes_that_are_there(made, files, index):
    """Those of a size that the index does not hold are made, and counted."""
    by, of = (estimate(prepare(what, files[1], value_range="signed")) for what in (index, files[0]))
    (kept,) = read_catalog(index).kept
    assert by.stored == of.codes == sum(kept.code_bytes) + sum(kept.colour_bytes)
    assert by.codes == of.stored == 0
    assert by.fits
    assert by.seconds < of.seconds
    smaller = estimate(prepare(index, [patch[:18, :18] for patch in made[1]]))
    assert smaller.stored == 0 < smaller.codes
    said = CliRunner().invoke(main, ["match", str(index), str(files[1]), "--dry-run", "--range", "signed"])
    assert re.search(r"^codes of the index 0\.\d MiB, mapped, about 0\.\d GiB of memory$", said.output, re.M)
