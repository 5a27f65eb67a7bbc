"""Readers of other packages: the worked example is found and read by every command; bad ones are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matcher.demo.sample import read_sample
from matcher.errors import FormatError
from matcher.formats.opening import open_images
from matcher.formats.registry import added, files_of, readable
from tests.plugin_packages import install, install_example

EXAMPLE = Path(__file__).parents[2] / "docs" / "flatfiles"
GROUP = "matcher.readers"
NAMES = ["red", "green", "blue", "nir"]


@pytest.fixture
def packages(tmp_path, monkeypatch):
    added.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    added.cache_clear()


def write_flat(path, array, corner=None):
    array.tofile(path)
    said = {
        "height": array.shape[0],
        "width": array.shape[1],
        "dtype": str(array.dtype),
        "bands": NAMES[: array.shape[2]],
    }
    if corner is not None:
        said |= {"crs": "EPSG:32631", "transform": [10, 0, corner[0], 0, -10, corner[1]]}
    Path(f"{path}.json").write_text(json.dumps(said))
    return path


def test_a_package_adds_a_form(packages):
    install_example(packages, EXAMPLE, "flat_files", GROUP)
    (packages / "data").mkdir()
    array = np.random.default_rng(0).integers(1, 4000, (30, 40, 4)).astype(np.uint16)
    path = write_flat(packages / "data" / "7.flat", array, (600000, 5700000))
    for what in (path, packages / "data", packages / "data" / "*.flat"):
        source = open_images(what)
        np.testing.assert_array_equal(source[0], array)
        assert source.ids.tolist() == [7]
        assert source.band_names == tuple(NAMES)
        np.testing.assert_array_equal(source.read(0, 2, 3, 5, 6), array[2:7, 3:9])
    assert files_of(str(path)) == [str(path), f"{path}.json"]
    np.testing.assert_array_equal(open_images(path, bands=["nir", "red"])[0], array[..., [3, 0]])
    assert "flat files (.flat)" in readable()
    with pytest.raises(FormatError, match="there is no such file"):
        open_images(packages / "none.flat")
    Path(f"{path}.json").unlink()
    with pytest.raises(FormatError, match=r"7\.flat: its header .*json cannot be read"):
        open_images(path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('broken')", "does not load: broken"),
        ("class R: pass", "is no class of"),
        ("from matcher.formats.reader import Reader\nclass R(Reader): pass", "does not load"),
    ],
)
def test_readers_that_do_not_work(packages, code, said):
    name = f"bad{abs(hash(code))}"
    (packages / f"{name}.py").write_text(code)
    install(packages, name, GROUP, f"r = {name}:R")
    np.save(packages / "a.npy", np.ones((1, 4, 4, 1), np.uint8))
    assert len(open_images(packages / "a.npy")) == 1  # what ships needs no other
    with pytest.raises(FormatError, match=f"reader 'r': .*{said}"):
        open_images(packages / "a.unknown")


@pytest.mark.slow
def test_commands_read_it(tmp_path):
    """Match, what changed, and places on Earth, in processes of their own."""
    install_example(tmp_path, EXAMPLE, "flat_files", GROUP)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }

    def run(*arguments):
        code = "from matcher.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    place = read_sample()[0]
    write_flat(tmp_path / "scene.flat", np.ascontiguousarray(place.image[:160, :160]), (600000, 5700000))
    write_flat(tmp_path / "chip.flat", np.ascontiguousarray(place.other[40:104, 50:114]))
    run("match", "scene.flat", "chip.flat", "-o", "s.csv", "-q")
    assert (tmp_path / "s.csv").read_text().splitlines()[1].startswith("0,0 ")
    assert run("change", "scene.flat", "chip.flat", "s.csv").splitlines()[1].startswith("0,0 ")
    (row,) = json.loads(run("locate", "chip.flat", "scene.flat", "--scale", "1", "--json", "-"))
    assert abs(row["map_x"] - (600000 + 10 * 82)) < 25
    assert abs(row["map_y"] - (5700000 - 10 * 72)) < 25


@pytest.mark.parametrize("many", [False, True])
def test_masked_arrays(many):
    """What stands below a mask, such as `rasterio.read(masked=True)` gives, is no ground."""
    array = np.ma.MaskedArray(np.full((2, 20, 20, 4), 700, np.uint16))
    assert len(open_images(array)) == 2  # nothing is masked
    array[1, 3:5] = np.ma.masked
    with pytest.raises(FormatError, match=r"images: is a masked array.*filled"):
        open_images(list(array) if many else array)
    assert len(open_images(array.filled(0))) == 2


@pytest.mark.parametrize(("name", "id_"), [(str(2**63 - 1), 2**63 - 1), (str(2**62), 2**62), (str(2**63), 0)])
def test_archives_of_large_ids(tmp_path, name, id_):
    """Names that are ids as far as int64 goes; beyond, they are words, and their order numbers them."""
    np.savez(tmp_path / "images.npz", **{name: np.full((20, 20, 4), 700, np.uint16)})
    assert open_images(tmp_path / "images.npz").ids.tolist() == [id_]
