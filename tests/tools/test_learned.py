"""The learned methods of docs/learned: a few steps of training, and their rankings through every command."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

from matcher.cli import main

DOCS = Path(__file__).parents[2] / "docs" / "learned"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A challenge cut from two places of smooth noise, whose second date is another light on the same ground."""
    folder = tmp_path_factory.mktemp("learned")
    rng = np.random.default_rng(3)
    for name in ("a", "b"):
        ground = ndimage.gaussian_filter(rng.normal(size=(160, 160, 4)), (2, 2, 0)) * 4000
        dates = [np.clip(1500 + gain * ground, 1, 4095) for gain in (1, 0.7)]
        np.savez(folder / f"{name}.npz", images=np.stack(dates).astype(np.uint16))
    series = [str(folder / f"{name}.npz") for name in ("a", "b")]
    run("cut", *series, "-o", folder / "cut", "--patches", 12, "--side", 32, "--largest", 80, "-q")
    return folder


def run(*arguments):
    result = CliRunner().invoke(main, [str(part) for part in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def script(name, *arguments):
    pytest.importorskip("tensorflow")
    command = [sys.executable, DOCS / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_training_to_the_comparison(folder):
    cut = folder / "cut"
    said = script("triplet.py", "train", cut, folder / "encoder.keras", 40)
    assert "step 0: loss" in said
    script("triplet.py", "rank", cut, folder / "encoder.keras", folder / "triplet.npz")
    script("same_place.py", "train", cut, folder / "classifier.keras", 3)
    script(
        "same_place.py",
        "rank",
        cut,
        folder / "classifier.keras",
        folder / "triplet.npz",
        folder / "reread.npz",
    )
    scored = json.loads(run("score", folder / "triplet.npz", cut / "answers.csv", "--json", "-"))["metrics"]
    assert scored["first_1"]["value"] > 0.6  # of eight images; chance is an eighth
    assert scored["within_4"]["value"] > 0.5  # places are 4 px apart
    with np.load(folder / "triplet.npz") as before, np.load(folder / "reread.npz") as after:
        assert set(before["image"][0].tolist()) == set(after["image"][0].tolist())
        assert (before["ids"] == after["ids"]).all()
    files = [cut / "test_images.tfrecords", cut / "test_patches.tfrecords"]
    base = [*files, "--answers", cut / "answers.csv", "-q"]
    run("retrieve", *base, "--export", folder / "matcher.npz")
    fused = run("retrieve", *base, "--from", folder / "matcher.npz", "--scores", folder / "triplet.npz")
    assert "fusing" in fused
    names = [folder / f"{name}.npz" for name in ("matcher", "triplet", "reread")]
    compared = run("compare", *names, "--answers", cut / "answers.csv", "--difficulty", cut / "manifest.csv")
    assert "mean reciprocal rank" in compared
    run("retrieve", *files, "--from", folder / "triplet.npz", "-o", folder / "triplet.csv", "-q")
    run(
        "report",
        *files,
        folder / "triplet.csv",
        "--answers",
        cut / "answers.csv",
        "-o",
        folder / "page.html",
        "-q",
    )


def test_the_same_data_for_pytorch(folder):
    """The ten lines of the guide: each patch with its true window, (bands, rows, columns)."""
    torch = pytest.importorskip("torch")
    lines = re.search(r"```python\n(.*?)```", (DOCS / "README.md").read_text(encoding="utf-8"), re.S)[1]
    names = {}
    exec(lines, names)
    loader = torch.utils.data.DataLoader(names["Windows"](folder / "cut"), batch_size=5)
    patches, windows = (torch.cat(both) for both in zip(*loader, strict=True))
    assert patches.shape == windows.shape == (96, 4, 32, 32)
    light = [p - p.mean((2, 3), keepdim=True) for p in (patches, windows)]
    assert torch.nn.functional.cosine_similarity(*(p.flatten(1) for p in light)).min() > 0.99


def test_they_are_short():
    lines = sum(len(path.read_text().splitlines()) for path in DOCS.glob("*.py"))
    assert lines < 150
