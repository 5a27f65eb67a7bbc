"""Real places made again from public repositories: from a small clone of the test's own, and from those at hand.

MATCHER_CLONES names a folder of clones (tools/places.py --clones); without it the real ones are skipped.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.places import DATA, needs_data

TOOLS = Path(__file__).parents[2] / "tools"
CLONES = os.environ.get("MATCHER_CLONES")
ONE_OF_A_KIND = (
    *("norcia", "hongkong", "deurne", "T33TWL", "potholes", "bands4/corumba", "bands3/madre"),
    *("bands2/alps", "bands1/alps", "bands1/andasol", "bands1/dubai_usgs"),
)
rasterio = pytest.importorskip("rasterio")
TOOL = "places"


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder, files):
    """A repository with files; its commit, after which the files are gone again."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all")
    made = git(folder, "rev-parse", "HEAD")
    git(folder, "rm", "-rq", ".")
    git(folder, "commit", "-qm", "none")
    return made


def tif(bands):
    with rasterio.io.MemoryFile() as file:
        profile = {"driver": "GTiff", "dtype": bands.dtype.name, "count": len(bands)}
        profile["transform"] = rasterio.Affine(10, 0, 5, 0, -10, 5)
        with file.open(height=bands.shape[1], width=bands.shape[2], **profile) as dataset:
            dataset.write(bands)
        return file.read()


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_city_is_read_at_its_commit_from_any_clone(tool, tmp_path):
    rng = np.random.default_rng(1)
    dates = rng.integers(0, 6000, (2, 4, 5, 6)).astype(np.uint16)
    folder = "Dataset/OSCD/Onera Satellite Change Detection dataset - Images/pisa"
    files = {f"{folder}/dates.txt": b"date_1: 20150704\ndate_2: 20180211\n"}
    for k, date in enumerate(dates, 1):
        for band, values in zip(("B04", "B03", "B02", "B08"), date, strict=True):
            files[f"{folder}/imgs_{k}/T_{band}.tif"] = tif(values[np.newaxis])
        files[f"{folder}/imgs_{k}/T_B8A.tif"] = tif(date[:1])
    made = commit(tmp_path / "clones" / "ChangeDetectionRepository", files)
    clone = tool.find_clone("ChenHongruixuan/ChangeDetectionRepository", tmp_path / "clones", tmp_path)
    got = tool.city(tool.Source(clone, made), "pisa")
    np.testing.assert_array_equal(got["images"], np.minimum(np.moveaxis(dates, 1, -1), 4095))
    assert got["dates"].tolist() == ["2015-07-04", "2018-02-11"]
    assert got["shift_yx"].tolist() == pytest.approx([0.95, 0.2])
    with pytest.raises(SystemExit, match="not one"):
        tool.Source(clone, made).one(folder, "/imgs_1/", "B05.tif")


def test_pictures_of_8_bit(tool, tmp_path):
    files = {}
    for band in ("B04", "B08"):
        for k, date in enumerate(("20240215", "20240311")):
            values = np.full((3, 4), 10 * k + int(band[1:]), np.uint8)
            files[f"Alps_dataset_2024/{band}/T32TNS_{date}T102029_{band}_10m.png"] = png(values)
    made = commit(tmp_path / "alps", files)
    got = tool.alps(tool.Source(tmp_path / "alps", made), "bands2/alps")
    assert got["images"].shape == (2, 3, 4, 2)
    assert got["images"][1, 0, 0].tolist() == [14 * 16, 18 * 16]
    assert got["dates"].tolist() == ["20240215", "20240311"]


def test_the_sixteen_are_made_by_one_word_and_rasterio_is_asked_for_first(tool, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(tool, "make", lambda name, *_: made.append(name))
    monkeypatch.setattr(tool, "array_checksum", lambda _: "another")
    monkeypatch.setattr(tool.sys, "argv", ["places.py", str(tmp_path), "--only", "places"])
    with pytest.raises(SystemExit) as stop:
        tool.main()
    assert stop.value.code == 1
    assert len(made) == 16
    assert not [name for name in made if "/" in name]
    monkeypatch.setattr(tool.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="rasterio is not installed: "):
        tool.main()
    assert len(made) == 16


@pytest.mark.slow
@pytest.mark.skipif(CLONES is None, reason="MATCHER_CLONES names no folder of clones")
@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_real_places_are_made_again(tool, tmp_path, name):
    path = tool.make(name, Path(CLONES), tmp_path)
    assert tool.array_checksum(path) == json.loads(tool.RECORD.read_text())["sha256"][name]


class TestTheRecord:
    pytestmark = needs_data

    def test_is_of_the_places_that_figures_come_from(self, tool):
        wanted = json.loads(tool.RECORD.read_text())["sha256"]
        assert list(wanted) == list(tool.PLACES)
        here = {path.stem for path in (DATA / "places").glob("*.npz")}
        assert here == {name for name in wanted if "/" not in name}
        for name in ("norcia", "rennes"):
            assert tool.array_checksum(DATA / "places" / f"{name}.npz") == wanted[name]

    def test_rounds_are_those_of_the_places_own_script(self, tmp_path):
        for script, out in ((TOOLS / "cut.py", tmp_path / "own"), (DATA / "cut.py", tmp_path / "theirs")):
            folder = tmp_path / f"of-{out.name}"
            folder.mkdir()
            (folder / "cut.py").write_bytes(script.read_bytes())
            (folder / "places").symlink_to(DATA / "places")
            command = [
                sys.executable,
                folder / "cut.py",
                out,
                "--rounds",
                "1",
                "--places",
                "n*.npz",
                "--images",
                "5",
            ]
            subprocess.run(command, check=True, capture_output=True)
        for path in (tmp_path / "own" / "round-0").iterdir():
            assert path.read_bytes() == (tmp_path / "theirs" / "round-0" / path.name).read_bytes()
