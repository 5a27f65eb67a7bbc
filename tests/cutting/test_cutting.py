"""Challenges cut from series: answers hold, places stay apart, the same seed gives the same bytes."""

import csv
import json
import mmap
import os
import sys
import types
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.cutting.options import CutOptions
from matcher.cutting.windows import Dates, texture
from matcher.formats.official import write_series
from matcher.formats.opening import open_images, open_patches
from matcher.formats.series import iterate_series
from matcher.formats.submission import read_submission


def coded(place, dates=3, side=96):
    """Pixels that say where they are: (row, column, date, place), all dark."""
    rows, columns = np.mgrid[:side, :side]
    stack = np.empty((dates, side, side, 4), np.uint16)
    stack[..., 0], stack[..., 1], stack[..., 3] = rows + 1, columns + 1, place + 1
    stack[..., 2] = np.arange(dates)[:, None, None] + 1
    return stack


@pytest.fixture
def series(tmp_path):
    np.save(tmp_path / "many.npy", np.stack([coded(k) for k in range(6)]))
    dates = np.array(["2020-01-01", "2020-01-11", "2020-03-01"])
    np.savez(tmp_path / "one.npz", images=coded(6), dates=dates, group="fields")
    write_series(tmp_path / "t.tfrecords", [coded(7, 12).astype(np.float16)])
    return [tmp_path / name for name in ("many.npy", "one.npz", "t.tfrecords")]


def run(*arguments):
    return CliRunner().invoke(main, ["cut", "-q", *map(str, arguments)])


def manifest(folder):
    with open(folder / "manifest.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(folder, side, form="arrays"):
    names = (
        ("images.npz", "patches.npy")
        if form == "arrays"
        else ("test_images.tfrecords", "test_patches.tfrecords")
    )
    images, patches = open_images(folder / names[0]), open_patches(folder / names[1])
    answers = read_submission(folder / "answers.csv")
    rows = manifest(folder)
    assert len(patches) == len(answers) == len(rows)
    for k, row in enumerate(rows):
        x, y = int(answers.x[k]), int(answers.y[k])
        image = images[int(answers.image[k])].astype(np.float32)
        patch = patches[k].astype(np.float32)
        if form == "official":
            image, patch = (np.rint((v + 1) * 2047.5) for v in (image, patch))
        window = image[y : y + side, x : x + side]
        assert (window[..., [0, 1, 3]] == patch[..., [0, 1, 3]]).all()
        assert (window[..., 2] != patch[..., 2]).all()
        assert patch[0, 0, :2].tolist() == [int(row["row"]) + 1, int(row["column"]) + 1]
    return rows


def test_answers_hold_and_the_manifest_says_where_from(series, tmp_path):
    result = run(
        *series, "-o", tmp_path / "out", "--form", "arrays", "--patches", 5, "--side", 24, "--largest", 48
    )
    assert result.exit_code == 0, result.output
    rows = check(tmp_path / "out", 24)
    assert "8 places, 32 images, 160 patches" in result.stdout
    assert {row["place"] for row in rows} == {*(f"many-{k}" for k in range(6)), "one", "t-0"}
    one = [row for row in rows if row["place"] == "one"]
    assert {row["gap"] for row in one} <= {"10", "50", "60"}
    assert {row["group"] for row in one} == {"fields"}
    days = {"10": "10", "50": "50", "60": "60"}
    assert all(row["season gap"] == days[row["gap"]] for row in one)
    assert {row["season gap"] for row in rows if row["place"] == "many-0"} == {""}  # its dates have no days
    assert {row["size"] for row in rows} == {"24"}
    assert all(
        float(row["cloud"]) == max(float(row["target cloud"]), float(row["patch cloud"])) for row in rows
    )


def test_season_gap_and_texture():
    held = types.SimpleNamespace(
        shape=(3, 4, 4, 4), dates=("2018-12-20", "2020-01-10", "2019-06-20"), file="a"
    )
    dates = Dates(held, CutOptions())
    assert [dates.season_gap(0, k) for k in (0, 1, 2)] == [0, 21, 182]
    window = np.full((4, 4, 2), 100)
    window[::2, :, 0] = 300
    assert texture(window) == pytest.approx((100 / 200 + 0) / 2)


def test_official_form_and_the_same_seed_gives_the_same_bytes(series, tmp_path):
    for name in ("a", "b"):
        result = run(series[0], "-o", tmp_path / name, "--patches", 3, "--side", 32, "--seed", 4)
        assert result.exit_code == 0, result.output
    check(tmp_path / "a", 32, "official")
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in "ab"]
    assert manifests[0] == manifests[1]
    assert set(manifests[0]["sha256"]) == {
        "answers.csv", "manifest.csv", "test_images.tfrecords", "test_patches.tfrecords",
    }  # fmt: skip


def test_places_are_held_out_whole_and_alone(series, tmp_path):
    arguments = ["-o", tmp_path / "out", "--form", "arrays", "--patches", 2, "--side", 24, "--holdout", 0.4]
    assert run(*series, *arguments).exit_code == 0
    train, validation = (
        {row["place"] for row in check(tmp_path / "out" / part, 24)} for part in ("train", "validation")
    )
    assert len(train | validation) == 8
    assert not train & validation
    assert run(series[0], *arguments[:1], tmp_path / "less", *arguments[2:]).exit_code == 0
    assert {row["place"] for row in check(tmp_path / "less" / "train", 24)} <= train


def test_dates_gaps_and_sky(series, tmp_path):
    base = ["--form", "arrays", "--patches", 8, "--side", 24, "-o"]
    assert run(series[1], *base, tmp_path / "gap", "--gap", "55,70").exit_code == 0
    assert {r["gap"] for r in check(tmp_path / "gap", 24)} == {"60"}
    assert run(series[2], *base, tmp_path / "dates", "--dates", "3,5").exit_code == 0
    assert {r["target date"] for r in check(tmp_path / "dates", 24)} <= {"3", "5"}
    stack = coded(0)
    stack[0, :, :48, :3] = 3000
    np.save(tmp_path / "cloud.npy", stack)
    for sky, fits in (("clear", lambda c: c <= 0.02), ("cloudy", lambda c: c >= 0.1)):
        folder = tmp_path / sky
        assert run(tmp_path / "cloud.npy", *base, folder, "--sky", sky).exit_code == 0
        rows = manifest(folder)
        assert rows
        assert all(fits(max(float(r["target cloud"]), float(r["patch cloud"]))) for r in rows)


def test_folder_of_rasters_is_a_series(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    (tmp_path / "place").mkdir()
    for k, picture in enumerate(coded(0)):
        with rasterio.open(
            tmp_path / "place" / f"2020-0{k + 1}-01.tif",
            "w",
            driver="GTiff",
            height=96,
            width=96,
            count=4,
            dtype="uint16",
        ) as file:
            file.write(np.moveaxis(picture, -1, 0))
    result = run(tmp_path / "place", "-o", tmp_path / "out", "--form", "arrays", "--patches", 4, "--side", 24)
    assert result.exit_code == 0, result.output
    rows = check(tmp_path / "out", 24)
    assert {row["gap"] for row in rows} <= {"31", "29", "60"}


def test_pairs_for_verify(series, tmp_path):
    result = run(*series, "-o", tmp_path / "out", "--pairs", 4, "--side", 24)
    assert result.exit_code == 0, result.output
    from matcher.verification.pairs import read_pairs

    pairs = read_pairs(tmp_path / "out" / "pairs.npz")
    assert (
        (pairs.first[..., 3] == pairs.second[..., 3]).all((1, 2)) == np.isin(pairs.kind, ["same", "near"])
    ).all()


def test_errors_are_one_line_and_no_output(series, tmp_path):
    (tmp_path / "flat").mkdir()
    np.save(tmp_path / "flat.npy", np.zeros((4, 5)))
    np.savez(tmp_path / "none.npz", pictures=coded(0))
    for arguments, said in [
        ([tmp_path / "gone.npy"], "gone.npy"),
        ([tmp_path / "flat.npy"], "(dates, height, width, bands)"),
        ([tmp_path / "none.npz"], "images"),
        ([series[0], series[0]], "read before"),
        ([series[0], "--side", 200, "--largest", 300], "no window fits"),
        ([series[0], "--gap", "3"], "--gap"),
        ([series[0], "--dates", "1,x"], "--dates"),
    ]:
        result = run(*arguments, "-o", tmp_path / "out")
        assert result.exit_code == 1, arguments
        assert result.stderr.startswith("matcher: ")
        assert said in result.stderr
        assert not list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else True


def test_pairs_of_what_does_not_fit_together_are_refused(series, tmp_path):
    np.save(tmp_path / "gray.npy", coded(9)[..., :1])
    for arguments, said in [
        ([series[1], tmp_path / "gray.npy"], "gray: has 1 bands, the first series has 4"),
        ([series[0], series[0]], "many-0 was read before"),
        ([*series, "--dates", "30,31"], "pairs need two places"),
        ([*series, "--dates", "0,1,-1"], "from 0 up"),
    ]:
        result = run(*arguments, "-o", tmp_path / "out", "--pairs", 4, "--side", 24)
        assert (result.exit_code, said in result.stderr) == (1, True), (arguments, result.output)
        assert not (tmp_path / "out" / "pairs.npz").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_a_series_whose_name_is_not_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff.npy")
    np.save(path, coded(0))
    result = run(path, "-o", tmp_path / "out", "--side", 24, "--patches", 2)
    assert result.exit_code == 0, result.output
    assert {row["place"] for row in manifest(tmp_path / "out")} == {"a\\udcff"}


def test_the_working_folder_is_a_place_of_its_own_name(tmp_path, monkeypatch):
    pytest.importorskip("rasterio")
    from tests.formats.test_rasters import write

    folder = tmp_path / "field"
    folder.mkdir()
    for k, date in enumerate(coded(0)):
        write(folder / f"{k}.tif", date)
    outcomes = []
    for where, name in ((tmp_path, "field"), (folder, ".")):
        monkeypatch.chdir(where)
        outcomes += [(one.place, one.shape) for one in iterate_series(name)]
    assert outcomes == [("field", (3, *coded(0).shape[1:]))] * 2


def test_answers_do_not_change_under_pixels_of_another_form(series, tmp_path):
    assert run(*series, "-o", tmp_path / "out", "--side", 24, "--patches", 2).exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    again = run(
        *series, "-o", tmp_path / "out", "--side", 24, "--patches", 2, "--form", "arrays", "--seed", 1
    )
    assert (again.exit_code, "test_images.tfrecords: is there already" in again.stderr) == (1, True)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_nothing_is_written_through_a_map(series, tmp_path, monkeypatch):
    """A full disk ends who writes so by a signal, without a word."""

    def refuse(*_arguments, **_options):
        raise AssertionError

    monkeypatch.setattr(mmap, "mmap", refuse)
    result = run(series[1], "-o", tmp_path / "out", "--side", 24, "--patches", 2, "--form", "arrays")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_no_numbers_of_a_sensor_are_one_error(tmp_path, value):
    stack = coded(0).astype(np.float64)
    stack[:, 5, 5] = value
    np.save(tmp_path / "wild.npy", stack)
    for more in ([], ["--range", "reflectance"]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = run(tmp_path / "wild.npy", "-o", tmp_path / "out", "--side", 24, *more)
        assert result.exit_code == 1, result.output
        assert "set such pixels to 0" in result.stderr
        assert result.stderr.count("\n") == 1
