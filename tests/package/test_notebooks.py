"""Results as notebooks show them, and tables that can be joined: ids and files' names in each."""

import csv
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.formats.recalled import Recalled
from matcher.result import read_details
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground, other_date

pytest.importorskip("rasterio")
SIDE = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images and two patches as GeoTIFFs, each patch cut from the image of its letter."""
    path = tmp_path_factory.mktemp("notebooks")
    for kind in ("images", "patches"):
        (path / kind).mkdir()
    for k, name in enumerate("ab"):
        land = ground(120, 130, k)
        write(path / "images" / f"{name}.tif", land, nodata=0)
        write(path / "patches" / f"p-{name}.tif", other_date(land)[30 : 30 + SIDE, 50 : 50 + SIDE], nodata=0)
    return path


@pytest.fixture(scope="module")
def result(folder):
    return matcher.match(folder / "images", folder / "patches", evidence=("phase",))


def alts(shown):
    return re.findall(r"<img alt='([^']*)'", shown)


def test_a_match_shows_patches_and_windows(result):
    shown = result._repr_html_()
    assert sorted(alts(shown)) == ["found for patch 0", "found for patch 1", "patch 0", "patch 1"]
    assert "2 answers, 2 with confidence 0.9 and above" in shown
    assert "1 p-b.tif" in shown
    assert "http" not in shown
    none = replace(result, refused=np.ones(2, bool))._repr_html_()  # a copy without the pictures
    assert "none of these" in none
    assert alts(none) == []
    assert len(alts(result.refuse(0.0)._repr_html_())) == 4


def test_places_show_chips_and_ground(folder):
    places = matcher.locate(folder / "patches", folder / "images", evidence=("phase",))
    assert isinstance(places, list)
    shown = places._repr_html_()
    assert alts(shown) == ["chip", "found"] * 2
    assert "2 of 2 chips found" in shown


def test_a_change_shows_both_sides(folder, result):
    one = next(matcher.change(folder / "images", folder / "patches", result))
    assert alts(one._repr_html_()) == ["patch", "window"]


def test_tables_can_be_joined(folder, result, tmp_path):
    """Details, places, changes and verdicts, by ids and by files."""
    result.to_details(tmp_path / "details.csv")
    lines = (tmp_path / "details.csv").read_text().splitlines()
    assert lines[0].endswith(",reason,patch_file,image_file")
    assert [line.split(",")[-2:] for line in lines[1:]] == [["p-a.tif", "a.tif"], ["p-b.tif", "b.tif"]]
    back = read_details(tmp_path / "details.csv")
    np.testing.assert_array_equal(back.confidence, result.confidence)
    assert back.reason == result.reason
    (tmp_path / "short.csv").write_text("\n".join([lines[0], lines[1].rsplit(",", 1)[0]]) + "\n")
    with pytest.raises(matcher.MatcherError, match="line 2: is not a row of details"):
        read_details(tmp_path / "short.csv")

    given = [str(folder / "images"), str(folder / "patches")]
    options = ["--evidence", "phase", "-q"]
    run = tmp_path / "run"
    arguments = ["match", *given, *options, "--run-dir", str(run), "--places", str(tmp_path / "places.csv")]
    done = CliRunner().invoke(main, [*arguments, "--details", str(tmp_path / "again.csv")])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(
        main, ["merge", str(run), "-o", str(tmp_path / "m.csv"), "--details", str(tmp_path / "merged.csv")]
    )
    assert done.exit_code == 0, done.output
    written = {
        path.read_text() for path in (run / "details.csv", tmp_path / "again.csv", tmp_path / "merged.csv")
    }
    assert written == {(tmp_path / "details.csv").read_text()}
    with open(tmp_path / "places.csv", newline="") as file:
        places = list(csv.DictReader(file))
    assert [(row["chip_id"], row["scene_id"]) for row in places] == [("0", "0"), ("1", "1")]

    done = CliRunner().invoke(main, ["change", *given, str(run / "submission.csv"), "-q"])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["Patch ID"], row["patch_file"], row["image_file"]) for row in rows] == [
        ("0", "p-a.tif", "a.tif"), ("1", "p-b.tif", "b.tif"),
    ]  # fmt: skip
    done = CliRunner().invoke(main, ["verify", given[1], given[1], "-q"])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["second_file"] for row in rows] == ["p-a.tif", "p-b.tif"]


def test_places_of_locate_have_numbers(folder):
    arguments = [
        "locate",
        str(folder / "patches" / "p-b.tif"),
        str(folder / "images" / "a.tif"),
        "--json",
        "-q",
    ]
    done = CliRunner().invoke(main, [*arguments, "--evidence", "phase"])
    (place,) = json.loads(done.stdout)
    assert (place["chip_id"], place["scene_id"], place["rank"]) == (0, None, 0)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_results_hold_no_file_open(tmp_path):
    """A service keeps the answers of thousands of calls."""
    land = ground(120, 130, 0)
    np.savez(tmp_path / "images.npz", images=land[None])
    np.save(tmp_path / "patches.npy", other_date(land)[None, 30 : 30 + SIDE, 50 : 50 + SIDE])
    given = [tmp_path / "patches.npy", tmp_path / "images.npz"]

    def calls():
        return matcher.match(*reversed(given), evidence=("phase",)), matcher.locate(*given, pixels=True)

    first = calls()
    before = len(os.listdir("/proc/self/fd"))
    kept = [first, *(calls() for _ in range(3))]
    assert len(os.listdir("/proc/self/fd")) == before
    for result, places in kept[-1:]:
        assert alts(result._repr_html_()) == ["patch 0", "found for patch 0"]
        assert alts(places._repr_html_()) == ["chip", "found"]
    (tmp_path / "images.npz").unlink()
    for one in kept[0]:
        shown = one._repr_html_()
        assert alts(shown) == []
        assert "no pictures" in shown
        assert "images.npz: there is no such file" in shown


def test_pickles_of_results_are_without_the_pictures():
    """What a task of a cluster hands back is the answers, not the images that it was given."""
    land = ground(400, 400, 0)
    chip = other_date(land)[30 : 30 + SIDE, 50 : 50 + SIDE]
    result = matcher.match([land], [chip], evidence=("phase",))
    places = matcher.locate([chip], [land], pixels=True)
    for one in (result, places):
        sent = pickle.dumps(one)
        assert len(sent) < land.nbytes / 10
        back = pickle.loads(sent)
        assert type(back) is type(one)
        assert back == one
        assert len(alts(one._repr_html_())) == 2
        assert alts(back._repr_html_()) == []


def test_arrays_that_are_shown_are_not_copied():
    land = ground(120, 130, 0)
    parts = land[::2, ::2], np.asfortranarray(land)
    assert all(np.shares_memory(a, b) for a, b in zip(Recalled(parts).recall(), parts, strict=True))
    unsaved = (lambda: 0, parts)
    assert Recalled(unsaved).recall() is unsaved
