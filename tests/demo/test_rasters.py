"""The sample as GeoTIFFs: what is written is what the sample holds, and nobody's files are lost."""

import csv
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from matcher import MatcherError
from matcher.cli import main
from matcher.demo.rasters import SIDE, write_rasters
from matcher.demo.sample import BANDS, read_sample

rasterio = pytest.importorskip("rasterio")


def test_chips_are_the_windows_that_the_table_names(tmp_path):
    cuts = write_rasters(tmp_path / "walk")
    places = {place.name: place for place in read_sample()}
    with open(tmp_path / "walk" / "chips.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [tmp_path / "walk" / row["chip"] for row in rows] == list(cuts)
    assert len(rows) == len(places) + 1
    for row in rows[:-1]:
        place = places[row["scene"].removeprefix("scenes/").removesuffix(".tif")]
        top, left = int(row["row"]), int(row["col"])
        with rasterio.open(tmp_path / "walk" / row["chip"]) as chip:
            window = place.other[top : top + SIDE, left : left + SIDE]
            assert np.array_equal(chip.read(), np.moveaxis(window, -1, 0))
            assert chip.bounds.left == 0.0
        with rasterio.open(tmp_path / "walk" / row["scene"]) as scene:
            assert np.array_equal(scene.read(), np.moveaxis(place.image, -1, 0))
            assert scene.descriptions == BANDS
            assert [one.name for one in scene.colorinterp] == ["red", "green", "blue", "undefined"]
            assert scene.res == (10.0, 10.0)
    assert rows[-1] == dict.fromkeys(rows[-1], "") | {"chip": "chips/noise.tif"}


def test_the_command_says_where_they_are_and_writes_them_twice(tmp_path):
    folder = tmp_path / "walk"
    for _ in range(2):
        done = CliRunner().invoke(main, ["demo", str(folder), "--rasters"])
        assert done.exit_code == 0, done.output
    assert f"{folder / 'scenes'}: 6 GeoTIFFs" in done.output
    assert f"{folder / 'chips'}: 7 GeoTIFFs" in done.output
    assert f"matcher locate {folder / 'chips'} in {folder / 'scenes'}" in done.output


def test_a_file_of_somebody_elses_stays(tmp_path):
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "noise.tif").write_bytes(b"mine")
    with pytest.raises(MatcherError, match=r"noise\.tif: is there already"):
        write_rasters(tmp_path)
    assert (tmp_path / "chips" / "noise.tif").read_bytes() == b"mine"
    assert not (tmp_path / "scenes").exists()


def test_without_rasterio_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(MatcherError, match=r"satellite-patch-matcher\[geo\]"):
        write_rasters(tmp_path / "walk")
    assert not (tmp_path / "walk").exists()
