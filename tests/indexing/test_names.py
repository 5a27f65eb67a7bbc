"""Names that are not UTF-8, which a file may have on Linux."""

import os
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from tests.formats.test_rasters import write
from tests.runs_common import SIDE, outputs, pictures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
NAME = os.fsdecode(b"im\xff")


def test_an_index_of_such_a_file(tmp_path):
    images, patches = pictures(images=2, patches=2, seed=3)
    path = tmp_path / f"{NAME}.npz"
    np.savez(path, **{str(k): image for k, image in enumerate(images)})
    matcher.make_index(path, tmp_path / "index", [SIDE])
    wanted, found = (matcher.match(what, patches) for what in (path, tmp_path / "index"))
    assert found.score.tolist() == wanted.score.tolist()


def test_a_raster_of_such_a_name_is_a_bad_one(tmp_path):
    (tmp_path / "tif").mkdir()
    rng = np.random.default_rng(1)
    for name in ("1", "2"):
        write(tmp_path / "tif" / f"{name}.tif", rng.integers(1, 3000, (40, 40, 4)).astype(np.uint16))
    (tmp_path / "tif" / "2.tif").rename(tmp_path / "tif" / f"{NAME}.tif")
    command = ["index", str(tmp_path / "tif"), "-o", str(tmp_path / "index"), "--size", "20", "--quiet"]
    failed = CliRunner().invoke(main, command)
    assert failed.exit_code == 1
    assert "GDAL reads no file whose name is not UTF-8: rename it" in failed.output
    passed = CliRunner().invoke(main, [*command, "--skip-bad"])
    assert passed.exit_code == 3, passed.output
    assert len(matcher.open_index(tmp_path / "index")) == 1


def test_bad_patches_of_such_a_file_are_told_in_a_run_directory(tmp_path):
    images, patches = pictures(images=2, patches=2, seed=3)
    np.savez(tmp_path / "images.npz", **{str(k): image for k, image in enumerate(images)})
    bad = [*patches, np.full_like(patches[0], np.nan)]
    path = tmp_path / f"{NAME}.npz"
    np.savez(path, **{str(k): patch for k, patch in enumerate(bad)})
    command = ["match", str(tmp_path / "images.npz"), str(path), "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*command, "--skip-bad", "--quiet"])
    assert done.exit_code == 3, done.output
    assert outputs(tmp_path / "run")
    assert "im\\udcff" in (tmp_path / "run" / "errors.jsonl").read_text()
