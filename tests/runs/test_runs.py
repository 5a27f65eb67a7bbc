"""Run directories, resume, bad records, parts and merge."""

import json
import multiprocessing
import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import matcher
from matcher.cli import main
from matcher.errors import FormatError, MatcherError, NoInputError, ResumeError, SettingsError
from matcher.formats.columns import read_ids
from matcher.formats.official import write_images, write_patches
from matcher.matching.job import prepare
from matcher.matching.run import map_indexes, match_rows, write_indexes
from matcher.runs import Batch, merge, run, run_at_once
from matcher.runs.shards import Shard, cut, from_table, to_table
from tests.runs_common import SMALL, Answering, expected_outputs, outputs, pictures, shard_files, write_inputs

pytestmark = pytest.mark.usefixtures("one_core")


def cli(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("count", "size", "parts"), [(11, 4, 1), (11, 1, 3), (2, 5, 3), (7, 7, 7), (1, 1, 1)]
)
def test_every_cut_covers_every_patch_once(count, size, parts):
    rows = [
        row
        for k in range(1, parts + 1)
        for shard in cut(count, size, (k, parts))
        for row in range(shard.start, shard.stop)
    ]
    assert rows == list(range(count))


@pytest.mark.parametrize(
    ("search", "size"),
    [
        ("pyramid", 1),
        ("pyramid", 2),
        ("pyramid", 7),
        ("pyramid", 100),
        ("exhaustive", 2),
        ("exhaustive", 100),
    ],
)
def test_any_cut_gives_the_same_bytes(world, tmp_path, search, size):
    whole = expected_outputs(tmp_path / "whole", *world, search=search)
    run(*world, tmp_path / "run", matcher.Settings(search=search), batch=Batch(shard_size=size))
    assert outputs(tmp_path / "run") == whole


def test_patches_of_several_sizes(tmp_path):
    images, patches = pictures()
    patches += [images[0][5:35, 8:40], images[1][:24, :20]]
    run(images, patches, tmp_path / "run", batch=SMALL)
    assert outputs(tmp_path / "run") == expected_outputs(tmp_path / "whole", images, patches)


def test_the_index_is_made_once_and_read_back_as_it_was(world, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        "matcher.runs.folder.write_indexes", lambda *args: made.append(1) or write_indexes(*args)
    )
    run(*world, tmp_path / "run", batch=Batch(shard_size=2))
    assert len(made) == 1
    shutil.rmtree(tmp_path / "run" / "shards")
    run(*world, tmp_path / "run", batch=Batch(shard_size=2))
    assert len(made) == 1


def test_codes_on_disk_are_those_in_memory(world, tmp_path):
    job = prepare(*world)
    (kept,) = write_indexes(job, tmp_path)
    index, again = job.index(kept.side), map_indexes(job, tmp_path, [kept])[kept.side]
    assert again.plan == index.plan
    for name in ("shapes", "channel", "sizes", "colour", "colour_starts"):
        assert np.array_equal(getattr(index, name), getattr(again, name)), name
    for k in range(len(index)):
        for n, part in enumerate(("fine", "middle", "coarse")):
            one, other = (
                getattr(each, part)[getattr(each, f"{part}_starts")[k] :][: each.sizes[k, n]]
                for each in (index, again)
            )
            assert np.array_equal(one, other), part
    assert np.array_equal(match_rows(job, indexes={kept.side: again}).score, match_rows(job).score)


@pytest.mark.parametrize("ending", [".codes", ".colour", ".json"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_codes_that_are_damaged_are_made_anew(world, tmp_path, ending, how):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    wanted = outputs(folder)
    (path,) = (folder / "index").glob(f"*{ending}")
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(
            content[:-8] if how == "cut" else content[:-5] + bytes([content[-5] ^ 4]) + content[-4:]
        )
    shutil.rmtree(folder / "shards")
    run(*world, folder, batch=SMALL)
    assert outputs(folder) == wanted
    assert path.read_bytes() == content


def test_codes_that_are_mapped_do_not_count_as_a_processs_memory(world, tmp_path, monkeypatch):
    job = prepare(*world)
    kept = write_indexes(job, tmp_path)
    indexes = map_indexes(job, tmp_path, kept)
    monkeypatch.setattr("matcher.search.pyramid.cascade.INDEX_SHARE", 1e-9)
    with pytest.raises(MatcherError, match="memory"):
        match_rows(job)
    assert match_rows(job, indexes=indexes).ids.tolist() == list(range(1000, 1011))


def test_results_survive_a_table(answers):
    again = from_table(to_table(answers))
    for name in answers.__dataclass_fields__:
        old, new = getattr(answers, name), getattr(again, name)
        if name == "reason":
            assert old == new
        else:
            assert old.dtype == new.dtype
            np.testing.assert_array_equal(old, new)


def test_run_directory_holds_what_it_says(world, whole, tmp_path):
    outcome = run(*world, tmp_path / "run", batch=SMALL)
    assert outcome.exit_code == 0
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["resolved"]["bands"] == ["red", "green", "blue", "nir"]
    assert facts["resolved"]["value_range"] == {"images": "signed", "patches": "signed"}
    assert facts["identity"]["versions"]["matcher"] == matcher.__version__
    assert len(facts["identity"]["images"]["sha256"]) == 64
    assert [path.name for path in shard_files(tmp_path / "run")] == [s.file for s in cut(11, 4)]
    assert (tmp_path / "run" / "errors.jsonl").read_text() == ""
    assert json.loads((tmp_path / "run" / "DONE").read_text())["rows"] == 11
    assert outputs(tmp_path / "run") == whole


def test_resume_does_only_what_is_missing(world, whole, answers, tmp_path, caplog):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    shard_files(folder)[1].unlink()
    for name in ("DONE", "submission.csv"):
        (folder / name).unlink()
    engine = Answering(answers)
    done = []
    with caplog.at_level("INFO", "matcher"):
        run(*world, folder, batch=SMALL, engine=engine, progress=lambda *pair: done.append(pair))
    assert engine.asked == [(4, 8)]
    assert [text for text in caplog.messages if "searching" in text] == [
        "searching 4 of 11 patches in 3 images"
    ]
    assert done[-1] == (33, 33)
    assert outputs(folder) == whole


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"settings": matcher.Settings(effort=2)}, "settings.effort was 1.0 and is 2.0"),
        ({"settings": matcher.Settings(evidence=("phase",))}, "settings.evidence"),
        ({"batch": Batch(shard_size=5)}, "shard_size was 4 and is 5"),
        ({"batch": Batch(shard_size=4, part=(1, 2))}, "part"),
        ({"batch": Batch(shard_size=4, skip_bad=True)}, "skip_bad"),
        ({"batch": Batch(shard_size=4, must_answer=(1000,))}, "ids"),
    ],
)
def test_another_run_is_refused_and_the_difference_named(world, tmp_path, change, named):
    folder = tmp_path / "run"
    run(*world, folder, batch=SMALL)
    before = outputs(folder)
    with pytest.raises(ResumeError, match=named.replace(".", r"\.")):
        run(*world, folder, **{"batch": SMALL, **change})
    assert outputs(folder) == before


def test_changed_input_and_version_are_refused(tmp_path, monkeypatch):
    images, patches = write_inputs(tmp_path)
    run(images, patches, tmp_path / "run", batch=SMALL)
    with monkeypatch.context() as patch:
        patch.setattr("matcher.identity.VERSION", "9")
        with pytest.raises(ResumeError, match=r"versions\.matcher was .* and is 9"):
            run(images, patches, tmp_path / "run", batch=SMALL)
    write_inputs(tmp_path, seed=1)
    with pytest.raises(ResumeError, match=r"images\.sha256"):
        run(images, patches, tmp_path / "run", batch=SMALL)


@pytest.mark.parametrize("form", ["file", "files", "folder", "glob", "list"])
def test_renamed_rasters_are_another_run(tmp_path, form):
    """They are numbered by their names: the answers of the old ones would name images that are not there."""
    rng = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("1", "2")[form == "file" :]:
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(tmp_path / "a" / f"{name}.png")
    patches = [np.asarray(Image.open(tmp_path / "a" / "2.png"))[5:25, 8:28]]

    def images(folder):
        paths = sorted(folder.glob("*.png"))
        (folder / "all.txt").write_text("\n".join(path.name for path in paths))
        return {"file": paths[-1], "files": paths, "folder": folder, "glob": folder / "*.png"}.get(
            form, folder / "all.txt"
        )

    first = run(images(tmp_path / "a"), patches, tmp_path / "run").result
    assert first.image.tolist() == [2]
    for path in (tmp_path / "a").glob("*.png"):
        shutil.copy(path, tmp_path / "b")
    if form in ("file", "files"):  # the same names elsewhere are the same run
        assert run(images(tmp_path / "b"), patches, tmp_path / "run").result.image.tolist() == [2]
    (tmp_path / "b" / "2.png").rename(tmp_path / "b" / "7.png")
    with pytest.raises(ResumeError, match=r"images\.sha256"):
        run(images(tmp_path / "b"), patches, tmp_path / "run")


def test_what_no_answer_depends_on_may_change(world, whole, tmp_path):
    folder = tmp_path / "run"
    run(*world, folder, matcher.Settings(threads=1), batch=SMALL)
    shard_files(folder)[0].unlink()
    moved = tmp_path / "moved"
    moved.mkdir()
    there = [shutil.copy(path, moved) for path in world]
    run(*there, folder, matcher.Settings(threads=2, memory=300 << 20), batch=SMALL)
    assert outputs(folder) == whole


def test_a_least_confidence_is_chosen_after_the_shards(world, whole, answers, tmp_path):
    """Finished shards serve any of them; the submission stays; parts are refused when they are merged."""
    folder = tmp_path / "run"
    answers = replace(answers, confidence=np.linspace(0, 1, len(answers), dtype=np.float32))
    engine = Answering(answers)
    run(*world, folder, batch=SMALL, engine=engine)
    stamps = [path.stat().st_mtime_ns for path in shard_files(folder)]
    least = 0.5
    outcome = run(*world, folder, matcher.Settings(min_confidence=least), batch=SMALL)
    assert [path.stat().st_mtime_ns for path in shard_files(folder)] == stamps
    assert outcome.result.refused.tolist() == [True] * 5 + [False] * 6
    assert outputs(folder)[0] == whole[0]
    assert outputs(folder)[1].count(b",none,,") == 5
    parts = [tmp_path / "part1", tmp_path / "part2"]
    for k, part in enumerate(parts, 1):
        run(*world, part, batch=Batch(shard_size=2, part=(k, 2)), engine=engine)
    assert merge(parts, least).result.refused.tolist() == outcome.result.refused.tolist()
    merged = ("merge", *parts, "-o", tmp_path / "s.csv", "--details", tmp_path / "d.csv")
    assert cli(*merged, "--min-confidence", least).exit_code == 0
    assert ((tmp_path / "s.csv").read_bytes(), (tmp_path / "d.csv").read_bytes()) == outputs(folder)


def test_the_second_run_in_a_directory_is_refused(world, answers, whole, tmp_path):
    folder = tmp_path / "run"
    inside, leave = threading.Event(), threading.Event()

    class Waiting(Answering):
        def __call__(self, work):
            inside.set()
            assert leave.wait(30)
            yield from super().__call__(work)

    first = threading.Thread(
        target=run, args=(*world, folder), kwargs={"batch": SMALL, "engine": Waiting(answers)}
    )
    first.start()
    assert inside.wait(30)
    try:
        with pytest.raises(ResumeError, match=f"process {os.getpid()}"):
            run(*world, folder, batch=SMALL)
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool, pytest.raises(ResumeError, match="another run"):
            pool.apply(run, (*world, folder), {"batch": SMALL})
    finally:
        leave.set()
        first.join()
    assert outputs(folder) == whole


def test_a_sound_shard_of_another_run_is_never_overwritten(world, tmp_path):
    run(*world, tmp_path / "a", batch=SMALL)
    run(*world, tmp_path / "b", matcher.Settings(effort=2), batch=SMALL)
    strange = shard_files(tmp_path / "b")[0]
    shutil.copy(strange, shard_files(tmp_path / "a")[0])
    with pytest.raises(ResumeError, match="another run"):
        run(*world, tmp_path / "a", batch=SMALL)
    assert shard_files(tmp_path / "a")[0].read_bytes() == strange.read_bytes()


def bad_world(folder):
    """Patch 3 has a NaN, patch 5 is too small, patch 7's checksum fails; image 1 has a NaN."""
    images, patches = pictures(images=4)
    images[1] = images[1].copy()
    images[1][3, 4, 1] = np.nan
    patches[3] = np.full_like(patches[3], np.nan)
    patches[5] = patches[5][:8, :8]
    paths = folder / "images.tfrecords", folder / "patches.tfrecords"
    write_images(paths[0], images, range(100, 104))
    write_patches(paths[1], patches, range(1000, 1011))
    content = bytearray(paths[1].read_bytes())
    content[content.index(patches[7].tobytes()) + 100] ^= 1
    paths[1].write_bytes(content)
    return paths


def test_bad_records_stop_the_run_and_are_named(tmp_path):
    images, patches = bad_world(tmp_path)
    with pytest.raises(MatcherError, match=r"patches\.tfrecords, record 7 at byte \d+"):
        run(images, patches, tmp_path / "run")
    assert not shard_files(tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize("at_once", [False, True])
def test_skipped_records_are_listed_and_answered_with_placeholders(tmp_path, at_once):
    images, patches = bad_world(tmp_path)
    batch = Batch(shard_size=3, skip_bad=True, must_answer=(1000, 1003, 4000))
    if at_once:
        outcome = run_at_once(images, patches, batch=batch)
        listed = list(outcome.skipped)
    else:
        outcome = run(images, patches, tmp_path / "run", batch=batch)
        listed = [json.loads(line) for line in (tmp_path / "run" / "errors.jsonl").read_text().splitlines()]
    assert outcome.exit_code == 3
    assert outcome.result.ids[:8].tolist() == [1000, 1001, 1002, 1004, 1006, 1008, 1009, 1010]
    assert sorted(outcome.result.ids[8:].tolist()) == [1003, 1005, 1007, 4000]
    assert outcome.result.reason[8:] == ("placeholder",) * 4
    assert set(outcome.result.image.tolist()) <= {100, 102, 103}
    assert {(one["what"], one["record"], one["id"]) for one in listed} == {
        ("images", 1, 101),
        ("patches", 3, 1003),
        ("patches", 5, 1005),
        ("patches", 7, 1007),
        ("ids", None, 4000),
    }
    assert all(one["offset"] > 0 for one in listed if one["what"] != "ids")
    assert all(one["reason"] and one["file"] for one in listed)


def test_no_valid_input_has_its_own_exit_code(tmp_path):
    images, patches = write_inputs(tmp_path)
    small = tmp_path / "small.tfrecords"
    write_patches(small, [np.zeros((8, 8, 4), np.float16)] * 2)
    with pytest.raises(NoInputError, match=r"small\.tfrecords"):
        run(images, small, tmp_path / "run", batch=Batch(skip_bad=True))
    assert cli("match", images, small, "--skip-bad", "-o", tmp_path / "s.csv").exit_code == 4
    rubbish = tmp_path / "rubbish.tfrecords"
    rubbish.write_bytes(patches.read_bytes()[:100])
    assert cli("match", images, rubbish, "--skip-bad", "-o", tmp_path / "s.csv").exit_code == 4
    assert not (tmp_path / "s.csv").exists()


def test_exit_codes_of_the_command(world, whole, tmp_path):
    out = tmp_path / "s.csv"
    common = ("match", *world, "--run-dir", tmp_path / "run", "--shard-size", 4)
    first = cli(*common, "-o", out, "--details", tmp_path / "d.csv")
    assert first.exit_code == 0, first.output
    assert (out.read_bytes(), (tmp_path / "d.csv").read_bytes()) == whole
    assert first.stdout == ""
    assert cli(*common, "-o", out).exit_code == 0
    refused = cli(*common, "--effort", 3)
    assert refused.exit_code == 5
    assert "settings.effort was 1.0 and is 3.0" in refused.stderr
    assert cli("match", *world).exit_code == 2
    assert cli("match", *world, "-o", out, "--workers", 2).exit_code == 2
    assert cli(*common, "--shard", "3/2").exit_code == 2
    assert cli(*common, "--workers", 2, "--scheduler", "tcp://nowhere:1").exit_code == 2
    refused = cli(*common, "--workers", 2, "--image-shards", 2)
    assert refused.exit_code == 2
    assert "give --scheduler" in refused.stderr
    parts = ("--run-dir", tmp_path / "parts", "--scheduler", "tcp://nowhere:1", "--image-shards", 2)
    for more in ((), ("--dry-run",)):
        refused = cli("match", *world, *parts, "--search", "exhaustive", *more)
        assert refused.exit_code == 2
        assert "--search exhaustive has none" in refused.stderr
    assert not (tmp_path / "parts").exists()
    assert cli("match", tmp_path / "none.npy", world[1], "--run-dir", tmp_path / "x").exit_code == 1
    ids = tmp_path / "ids.csv"
    ids.write_text("Patch ID,Result\n1000,1 2 3\n77,\n")
    skipped = cli("match", *world, "-o", out, "--ids", ids)
    assert skipped.exit_code == 3
    assert "(id 77)" in skipped.stderr
    assert out.read_text().splitlines()[-1] == "77,100 0 0"


@pytest.mark.parametrize(
    ("text", "named"),
    [("", "no id"), ("id\n1\nx\n", "line 3"), ("1\n1\n", "stands in line 1"), ("-4\n", "line 1")],
)
def test_lists_of_ids(tmp_path, text, named):
    path = tmp_path / "ids.txt"
    path.write_text(text)
    with pytest.raises(MatcherError, match=named):
        read_ids(str(path))
    path.write_text("patch_id\n5\n\n 7 \n")
    assert read_ids(str(path)) == (5, 7)


def parts_of(world, folder, parts, size=2, **options):
    folders = [folder / f"part{k}" for k in range(1, parts + 1)]
    for k, one in enumerate(folders, 1):
        run(*world, one, batch=Batch(shard_size=size, part=(k, parts), **options))
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 3, 5])
def test_parts_merge_to_the_same_bytes(world, whole, tmp_path, parts):
    folders = parts_of(world, tmp_path, parts)
    out = tmp_path / "s.csv", tmp_path / "d.csv"
    done = cli("merge", *reversed(folders), "-o", out[0], "--details", out[1])
    assert done.exit_code == 0, done.output
    assert tuple(path.read_bytes() for path in out) == whole


@pytest.mark.slow
def test_more_parts_than_patches(world, tmp_path):
    folders = parts_of(world, tmp_path, 13)
    assert merge(folders).result.ids.tolist() == list(range(1000, 1011))


def test_placeholders_are_merged_once(world, tmp_path):
    folders = parts_of(world, tmp_path, 3, must_answer=(7, 1000))
    outcome = merge(folders)
    assert outcome.exit_code == 3
    assert outcome.result.ids.tolist() == [*range(1000, 1011), 7]
    assert cli("merge", *folders, "-o", tmp_path / "s.csv").exit_code == 3


def test_merge_names_what_is_missing_doubled_unfinished_or_damaged(world, tmp_path):
    a, b, c = parts_of(world, tmp_path, 3)
    with pytest.raises(MatcherError, match="patches 3 to 6 are in no directory: shard 2/3 is missing"):
        merge([a, c])
    with pytest.raises(MatcherError, match="shard 3/3 is missing"):
        merge([a, b])
    shutil.copytree(b, tmp_path / "part2copy")
    with pytest.raises(MatcherError, match=r"in both .*part2.* and .*copy"):
        merge([a, b, tmp_path / "part2copy", c])
    run(*world, tmp_path / "other", matcher.Settings(effort=2), batch=Batch(part=(2, 3)))
    with pytest.raises(ResumeError, match=r"settings\.effort"):
        merge([a, tmp_path / "other", c])
    with pytest.raises(FormatError, match="no run directory"):
        merge([a, tmp_path / "nowhere", c])
    path = shard_files(b)[1]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(FormatError, match=f"{path.name}.*damaged.*part2 again"):
        merge([a, b, c])
    path.unlink()
    with pytest.raises(MatcherError, match=r"part2: patches 5 to 6 are not finished"):
        merge([a, b, c])
    assert cli("merge", a, b, c, "-o", tmp_path / "s.csv").exit_code == 1
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("wrong", [{"shard_size": 0}, {"part": (0, 2)}, {"part": (3, 2)}])
def test_a_batch_is_checked(wrong):
    with pytest.raises(SettingsError):
        Batch(**wrong)


def test_arrays_and_sources_run_too(tmp_path):
    images, patches = pictures()
    whole = expected_outputs(tmp_path / "whole", images, patches)
    run(images, patches, tmp_path / "run", batch=SMALL)
    assert outputs(tmp_path / "run") == whole
    again = run(np.stack(images), np.stack(patches), tmp_path / "run", batch=SMALL)
    assert len(again.result) == 11
    with pytest.raises(ResumeError, match="patches"):
        run(images, patches[:-1], tmp_path / "run", batch=SMALL)
    run(matcher.open_images(images), matcher.open_patches(patches), tmp_path / "sources", batch=SMALL)
    assert outputs(tmp_path / "sources") == whole


def test_shards_say_their_patches():
    assert str(Shard(4, 8)) == "patches 4 to 7"
