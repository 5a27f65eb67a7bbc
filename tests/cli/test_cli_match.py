"""``matcher match`` and ``matcher demo`` through their runner: what is written and printed, where, and exit codes."""

import io
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import matcher
from matcher.cli import main
from matcher.cli.options import Size, spell_size
from matcher.cli.progress import EVERY, Bar, Lines, spell_time
from matcher.formats.official import write_images, write_patches
from matcher.formats.submission import read_submission
from matcher.imagery import to_official
from matcher.result import read_details
from matcher.settings import Settings

CORNERS = ((1, 20, 10), (0, 3, 31), (2, 0, 0))  # image, x, y


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenge")
    images = np.random.default_rng(4).integers(200, 3000, (3, 96, 96, 4)).astype(np.uint16)
    patches = np.stack([images[k, y : y + 64, x : x + 64] for k, x, y in CORNERS])
    write_images(folder / "images.tfrecords", map(to_official, images), [7, 8, 9])
    write_patches(folder / "patches.tfrecords", map(to_official, patches), [30, 10, 20])
    np.savez(folder / "images.npz", **{str(7 + k): image for k, image in enumerate(images)})
    np.savez(folder / "patches.npz", patches=patches, ids=[30, 10, 20])
    return folder


def run(*arguments):
    return CliRunner().invoke(main, ["match", *map(str, arguments)])


EXPECTED = "Patch ID,Result\n30,8 20 10\n10,7 3 31\n20,9 0 0\n"


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
@pytest.mark.parametrize("form", ["tfrecords", "npz"])
def test_submission_and_details(world, tmp_path, form, search):
    out, details = tmp_path / "submission.csv", tmp_path / "details.csv"
    result = run(
        world / f"images.{form}",
        world / f"patches.{form}",
        "-o",
        out,
        "--details",
        details,
        "--search",
        search,
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "3 images of 96 x 96 px, bands red,green,blue,nir" in result.stderr
    assert ("values signed (detected)" if form == "tfrecords" else "values dn (detected)") in result.stderr
    assert out.read_text() == EXPECTED
    table = read_details(details)
    assert table.image.tolist() == [8, 7, 9]
    assert (table.confidence > 0.99).all()
    assert (table.score > table.runner_up_score).all()
    assert table.reason == ("", "", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["details.csv", "submission.csv"]


def test_refused_answers(world, tmp_path):
    np.savez(
        tmp_path / "p.npz", patches=np.random.default_rng(9).integers(200, 3000, (1, 64, 64, 4)), ids=[5]
    )
    out, details = tmp_path / "s.csv", tmp_path / "d.csv"
    common = (world / "images.npz", tmp_path / "p.npz", "--details", details, "--range", "dn", "-o", out)
    result = run(*common, "--min-confidence", 0.9)
    assert result.exit_code == 0, result.output
    assert re.search(r": 1 answer in \d+:\d\d: ", result.stderr)
    assert ": 1 patch of 64 x 64 px" in result.stderr
    assert "searching 1 patch in 3 images" in result.stderr
    assert "1 in none of these images" in result.stderr
    assert len(read_submission(out)) == 1
    assert details.read_text().splitlines()[1].startswith("5,none,,,")
    guess = out.read_bytes()
    result = run(*common)
    assert "them refused" not in result.stderr
    assert not read_details(details).refused.any()
    assert out.read_bytes() == guess


def test_dry_run_says_what_would_be_done_and_writes_nothing(world, tmp_path):
    out, folder = tmp_path / "s.csv", tmp_path / "run"
    common = (world / "images.npz", world / "patches.npz", "--dry-run", "--threads", 1)
    result = run(*common, "-o", out, "--run-dir", folder, "--shard-size", 2)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    lines = result.stdout.splitlines()
    assert (
        f"{world / 'images.npz'}: 3 images of 96 x 96 px, bands red,green,blue,nir, values dn (detected)"
        in lines
    )
    assert lines[1].endswith("3 patches of 64 x 64 px, bands red,green,blue,nir, values dn (detected)")
    assert lines[2] == "9 pairs of patch and image, search pyramid, evidence phase,phase2,ratio,ratio-signed"
    assert re.fullmatch(r"codes of the images 0\.\d MiB, about 0\.\d GiB of memory", lines[3])
    assert re.match(r"roughly 0:0\d on 1 cores", lines[4])
    assert lines[5:] == [f"would work in {folder}: 2 shards of 3 patches", f"would write {out}"]
    parted = ("--run-dir", folder, "--scheduler", "tcp://none", "--image-shards")
    for shards, said in ((2, 2), (9, 3)):  # never more than images
        each = re.search(r"(\d) parts of the images .* about (\S+) MiB", run(*common, *parted, shards).stdout)
        codes = float(re.search(r"images (\S+) MiB", result.stdout)[1])
        assert int(each[1]) == said
        assert abs(float(each[2]) - codes / said) <= 0.1
    assert "parts of the images" not in run(*common, *parted, 1).stdout
    assert list(tmp_path.iterdir()) == []
    assert run(*common, "--search", "exhaustive").stdout.endswith("would write nothing: see --output\n")
    assert run(*common, "--range", "8bit", "-o", out).stdout.count("values 8bit\n") == 2


def test_dry_run_meets_the_errors_of_the_run(world):
    result = run(world / "patches.npz", world / "images.npz", "--dry-run")
    assert result.exit_code == 1
    assert "are images and patches swapped?" in result.stderr
    assert result.stdout == ""
    assert run(world / "images.npz", world / "patches.npz", "--dry-run", "--workers", 2).exit_code == 2


def test_quiet_says_nothing(world, tmp_path):
    result = run(world / "images.npz", world / "patches.npz", "-o", tmp_path / "s.csv", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "s.csv").read_text() == EXPECTED


def test_xy_order(world, tmp_path):
    result = run(world / "images.npz", world / "patches.npz", "-o", tmp_path / "s.csv", "--xy-order", "yx")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "s.csv").read_text().splitlines()[1] == "30,8 10 20"
    assert read_submission(tmp_path / "s.csv", xy_order="yx").x.tolist() == [20, 3, 0]


@pytest.mark.parametrize("option", ["-o", "--details"])
def test_outputs_that_cannot_be_written_are_refused_before_anything_is_read(tmp_path, option):
    """The inputs do not exist: that the output is named shows that it was looked at first."""
    given = {"-o": tmp_path / "s.csv", "--details": tmp_path / "d.csv"} | {option: tmp_path / "no" / "s.csv"}
    result = run("gone.npz", "gone.npz", *[part for pair in given.items() for part in pair])
    assert result.exit_code == 1
    assert "its folder does not exist" in result.stderr
    assert str(given[option]) in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_outputs_never_replace_inputs_or_each_other(world, tmp_path):
    images = world / "images.npz"
    before = images.read_bytes()
    result = run(images, world / "patches.npz", "-o", images)
    assert result.exit_code == 1
    assert "is an input too" in result.stderr
    assert images.read_bytes() == before
    result = run(images, world / "patches.npz", "-o", tmp_path / "a", "--details", tmp_path / "a")
    assert result.exit_code == 1
    assert "is another output too" in result.stderr
    result = run(images, world / "patches.npz", "-o", tmp_path)
    assert "is a folder" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--evidence", "phase,colour", "'colour' is not one of"),
        ("--evidence", "phase,phase", "'phase' is named twice"),
        ("--evidence", "", "empty name"),
        ("--bands", "red,,nir", "empty name"),
        ("--search", "guess", "'guess' is not one of"),
        ("--range", "10bit", "'10bit' is not one of"),
        ("--effort", "0", "0.1"),
        ("--effort", "nan", "effort"),
        ("--threads", "0", "x>=1"),
        ("--min-confidence", "2", "0<=x<=1"),
        ("--memory", "much", "not a size such as 2GiB"),
        ("--memory", "1MiB", "give 256MiB or more"),
    ],
)
def test_usage_errors(world, tmp_path, option, value, says):
    result = run(world / "images.npz", world / "patches.npz", "-o", tmp_path / "s.csv", option, value)
    assert result.exit_code == (1 if value == "nan" else 2)
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 << 30),
        ("500MB", 500_000_000),
        ("1.5G", 1_500_000_000),
        ("300 mib", 300 << 20),
        ("4096", 4096),
    ],
)
def test_sizes(text, size):
    assert Size().convert(text, None, None) == size


def test_spelled_sizes_read_back():
    for size in (1 << 30, 3 << 20, 5 << 10, 1000, Settings.memory):
        assert Size().convert(spell_size(size), None, None) == size


def test_options_reach_the_api_by_the_same_names_and_defaults(world, tmp_path, monkeypatch):
    got = []

    def fake(_images, _patches, settings=None, **options):
        got.append(replace(settings or Settings(), **options))
        raise matcher.MatcherError("far enough")

    monkeypatch.setattr("matcher.matching.run.prepare", fake)
    monkeypatch.setattr("matcher.runs.ready.prepare", fake)
    common = (world / "images.npz", world / "patches.npz", "-o", tmp_path / "s.csv")
    assert run(*common).exit_code == 1
    assert got.pop() == Settings()
    chosen = ("--bands", "red, green,blue,nir", "--range", "dn", "--evidence", "bands,ndvi")
    more = (
        "--search",
        "exhaustive",
        "--effort",
        "2.5",
        "--threads",
        "3",
        "--memory",
        "1GiB",
        "--min-confidence",
        0.25,
    )
    assert "far enough" in run(*common, *chosen, *more).stderr
    assert got.pop() == Settings(
        bands=("red", "green", "blue", "nir"),
        value_range="dn",
        evidence=("bands", "ndvi"),
        search="exhaustive",
        effort=2.5,
        threads=3,
        memory=1 << 30,
        min_confidence=0.25,
    )


def test_lines_now_and_then_with_the_time_left():
    now = [100.0]
    out = io.StringIO()
    lines = Lines(out, "pairs", clock=lambda: now[0])
    for second in range(1, 91):
        now[0] = 100.0 + second
        lines(second * 10, 1000)
    written = out.getvalue().splitlines()
    assert len(written) == 90 // EVERY
    assert written[0] == "matcher: 30% of 1,000 pairs, 0:30 gone, about 1:10 left"
    now[0] += 100
    lines(1000, 1000)  # done: the command itself says so
    assert out.getvalue().splitlines() == written


def test_bar_shows_what_is_done():
    out = io.StringIO()
    bar = Bar(out, "pairs")
    bar(250, 1000)
    bar(1000, 1000)
    bar.close()
    assert "100%" in out.getvalue()


def test_spelled_times():
    assert [spell_time(s) for s in (0, 59.6, 754, 3723)] == ["0:00", "1:00", "12:34", "1:02:03"]


HEAVY = {"numpy", "numba", "scipy", "cv2", "skimage", "tensorflow", "PIL", "tqdm"}


@pytest.mark.parametrize("arguments", [["--help"], ["match", "--help"], ["demo", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom matcher.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & HEAVY
    assert "matcher" in done.stdout


@pytest.mark.slow
def test_demo(tmp_path):
    result = CliRunner().invoke(main, ["demo", str(tmp_path / "new" / "demo"), "-q"])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "new" / "demo"
    assert {p.name for p in folder.glob("[!.]*")} == {
        "test_images.tfrecords", "test_patches.tfrecords", "answers.csv", "groups.csv",
        "submission.csv", "details.csv", "matches.png",
    }  # fmt: skip
    again = matcher.score(folder / "submission.csv", folder / "answers.csv", folder / "groups.csv")
    assert str(again) in result.stdout
    assert again.total > 0.8
    assert set(again.groups) == {"cities", "clouds", "farmland", "seasons"}
    assert (folder / "submission.csv").read_text().splitlines()[1] in result.stdout
    with Image.open(folder / "matches.png") as picture:
        assert min(picture.size) > 500
        assert len(picture.getcolors(1 << 24)) > 1000


def test_demo_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["demo", str(tmp_path / "file" / "demo")])
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr
    assert "Traceback" not in result.output
