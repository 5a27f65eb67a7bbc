"""What dates share: told in closed form where it is known, filtered, made into features, carried over."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.demo.sample import read_sample
from matcher.errors import MatcherError
from matcher.imagery import Roles
from matcher.settings import EVIDENCE
from matcher.shared.features import window_features
from matcher.shared.kinds import evidence_shares
from matcher.shared.split import (
    Split,
    fit_split,
    read_split,
    scale_names,
    scales,
    share_text,
    shared_part,
    standard,
)

ROOT = Path(__file__).parents[2]
BANDS = ("red", "green", "blue", "nir")


def series(share, dates=6, side=96, seed=0):
    """DN whose standardised logs are a shared field and an own one, of such a share of energy by band."""
    rng = np.random.default_rng(seed)
    share = np.array(share)
    common = rng.normal(size=(side, side, len(share)))
    own = rng.normal(size=(dates, side, side, len(share)))
    logs = 7 + 0.2 * (np.sqrt(share) * common + np.sqrt(1 - share) * own)
    return np.exp(logs) - 50, np.sqrt(share) * common


def test_the_share_is_told_by_band_and_scale():
    stack, _ = series([0.9, 0.5, 0.1])
    split = fit_split(stack, ("a", "b", "c"))
    for row in split.share[:3]:  # coarser scales have few samples
        assert row == pytest.approx([0.9, 0.5, 0.1], abs=0.06)
    assert split.energy.sum(0) == pytest.approx([1, 1, 1], abs=0.35)  # soft edges: scales overlap
    assert split.information[0] > split.information[1] > split.information[2] > 0
    nothing = fit_split(series([0.0, 0.0])[0], ("a", "b"))
    assert nothing.share.max() < 0.25
    assert nothing.share[:3].max() < 0.05
    assert "2-4" in share_text(split)


def test_scales_add_up_and_are_where_they_belong():
    values = np.random.default_rng(1).normal(size=(50, 70, 2))
    assert scales(values).sum(0) == pytest.approx(values)
    wave = np.cos(2 * np.pi * np.arange(128) / 11)[None, :, None] * np.ones((128, 1, 1))
    energy = (scales(wave) ** 2).mean((1, 2, 3))
    assert scale_names()[int(energy.argmax())] == "8-16"
    assert energy.max() > 0.8 * (wave**2).mean()


def test_the_guess_of_the_shared_part_is_better_than_the_date_and_than_the_mean():
    stack, truth = series([0.6, 0.3], seed=4)
    split = fit_split(stack, ("a", "b"))

    def error(guess):
        return float(((guess - truth) ** 2).mean())

    one = shared_part(stack[:1], split).sum(0)
    every = shared_part(stack, split).sum(0)
    assert error(one) < 0.8 * error(standard(stack[0]))
    assert error(every) < 0.6 * error(one)
    assert error(every) < 0.95 * error(np.mean([standard(dn) for dn in stack], axis=0))
    # Wiener's error with one date is share x (1 - share).
    assert error(one) == pytest.approx((0.6 * 0.4 + 0.3 * 0.7) / 2, rel=0.15)


def test_no_data_counts_as_nothing():
    stack, _ = series([0.8], side=64)
    stack[:, :10] = 0
    assert not standard(stack[0])[:10].any()
    split = fit_split(stack, ("a",))
    assert split.share[0] == pytest.approx([0.8], abs=0.1)
    with pytest.raises(MatcherError, match="two dates"):
        fit_split(stack[:1], ("a",))
    with pytest.raises(MatcherError, match="no pixel"):
        fit_split(np.zeros((2, 32, 32, 1)), ("a",))


def test_window_features_are_means_of_the_shared_part():
    stack, _ = series([0.7, 0.4], side=64)
    split = fit_split(stack, ("a", "b"))
    made = window_features(stack[:1], split, side=16, stride=24, place="p", date="d")
    assert made.values.shape == (9, len(made.names))
    assert made.row.tolist() == [0, 0, 0, 24, 24, 24, 48, 48, 48]
    parts = shared_part(stack[:1], split)
    assert made.values[4, :2] == pytest.approx(parts.sum(0)[24:40, 24:40].mean((0, 1)), abs=1e-5)
    at = made.names.index("texture_b_4-8")
    assert made.values[8, at] == pytest.approx(
        np.log((parts[1, 48:, 48:, 1] ** 2)[:16, :16].mean() + 1e-3), abs=1e-4
    )
    blank = stack.copy()
    blank[:, :, :40] = 0
    assert len(window_features(blank[:1], split, side=16, stride=24).row) == 3


def test_evidence_of_the_same_ground_is_shared_and_of_noise_is_not():
    place = next(p for p in read_sample() if p.group == "cities")
    roles = Roles.of(BANDS)
    found = evidence_shares(np.stack([place.image, place.other]), roles)
    assert set(found) == set(EVIDENCE)
    assert min(found.values()) > 0.1
    noise = evidence_shares(np.random.default_rng(0).uniform(500, 3000, (2, 80, 80, 4)), roles)
    assert max(noise[k] for k in ("bands", "ndvi", "phase", "phase2", "ratio", "ratio-signed")) < 0.05
    same = evidence_shares(np.stack([place.image] * 2), roles)
    assert list(same.values()) == pytest.approx([1] * len(EVIDENCE), abs=1e-5)
    lone = evidence_shares(np.stack([place.image, place.other])[..., :1], Roles.of(("red",)))
    assert set(EVIDENCE) - set(lone) == {"ndvi", "ratio", "ratio-signed"}


@pytest.fixture(scope="module")
def bog(tmp_path_factory):
    place = next(p for p in read_sample() if p.group == "seasons")
    path = tmp_path_factory.mktemp("bog") / "bog.npz"
    np.savez(path, images=np.stack([place.image, place.other]), dates=np.array(place.dates), group="seasons")
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["features", *map(str, arguments)])


def test_command_writes_the_same_to_npz_and_parquet(bog, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    result = run(
        bog, "-o", tmp_path / "f.npz", "--save-split", tmp_path / "s.npz", "--json", tmp_path / "f.json"
    )
    assert result.exit_code == 0, result.output
    assert "evidence, share" in result.stdout
    data = json.loads((tmp_path / "f.json").read_text())["bog"]
    split = read_split(tmp_path / "s.npz")
    assert data["share"] == split.share.tolist()
    assert run(bog, "-o", tmp_path / "f.parquet").exit_code == 0
    table = parquet.read_table(tmp_path / "f.parquet")
    with np.load(tmp_path / "f.npz") as file:
        assert table["row"].to_pylist() == file["row"].tolist()
        for k, name in enumerate(file["names"].tolist()):
            assert np.array(table[name]) == pytest.approx(file["values"][:, k])
        count = len(file["row"])
    result = run(bog, "-o", tmp_path / "d.npz", "--each-date", "--split", tmp_path / "s.npz")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "d.npz") as file:
        assert len(file["row"]) == 2 * count
        assert len(set(file["date"].tolist())) == 2


def test_picture(bog, tmp_path):
    pytest.importorskip("matplotlib")
    assert run(bog, "--picture", tmp_path / "s.png").exit_code == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_dates_are_drawn_as_they_are_named(bog, tmp_path):
    """A dollar begins a formula in matplotlib, and most texts are none."""
    pytest.importorskip("matplotlib")
    with np.load(bog) as file:
        np.savez(tmp_path / "dear.npz", images=file["images"], dates=np.array(["$\\cost$", "$"]))
    result = run(tmp_path / "dear.npz", "--picture", tmp_path / "s.png")
    assert result.exit_code == 0, result.output


def test_what_cannot_be_told_apart_or_used_is_named_by_its_file(bog, tmp_path):
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / bog.name
    twin.write_bytes(bog.read_bytes())
    np.save(tmp_path / "blank.npy", np.zeros((2, 64, 64, 4), np.uint16))
    np.save(tmp_path / "small.npy", np.ones((2, 8, 8, 4), np.uint16))
    turned = fit_split(series([0.5] * 4, side=32)[0], ("nir", "red", "green", "blue"))
    turned.save(tmp_path / "turned.npz")
    output = tmp_path / "f.npz"
    for arguments, said in [
        ([bog, twin, "--json", output], f"{twin}: a place called bog was read before"),
        ([tmp_path / "blank.npy"], f"{tmp_path / 'blank.npy'}: the dates have no pixel in common"),
        ([tmp_path / "small.npy", "-o", output], f"{tmp_path / 'small.npy'}: windows of 32 px"),
        ([bog, "--split", tmp_path / "turned.npz"], "and the split 4, nir, red, green, blue"),
        ([bog, "--save-split", output, "--picture", tmp_path / "p.bmp"], "p.bmp"),
    ]:
        result = run(*arguments)
        assert (result.exit_code, said in result.stderr) == (1, True), result.output
        assert not output.exists()


def test_errors_are_one_line(bog, tmp_path):
    np.save(tmp_path / "one.npy", np.ones((1, 64, 64, 4), np.uint16))
    np.savez(tmp_path / "bad.npz", bands=["a"], between=np.ones((2, 1, 1)), within=np.ones((2, 1, 1)))
    three = fit_split(series([0.5] * 3, side=32)[0], ("a", "b", "c"))
    three.save(tmp_path / "three.npz")
    assert isinstance(read_split(tmp_path / "three.npz"), Split)
    for arguments, said in [
        ([tmp_path / "none.npz"], "none.npz"),
        ([tmp_path / "one.npy"], "one date"),
        ([bog, "-o", tmp_path / "f.csv"], ".parquet"),
        ([bog, "--split", tmp_path / "bad.npz"], "expected"),
        ([bog, "--split", tmp_path / "three.npz", "-o", tmp_path / "f.npz"], "4 bands"),
        ([bog, "-o", tmp_path / "f.npz", "--window", "9999"], "do not fit"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        assert result.stderr.startswith("matcher: ")
        assert said in result.stderr
        assert not (tmp_path / "f.npz").exists()


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs the extra research")
@pytest.mark.slow
def test_worked_example(tmp_path):
    command = [sys.executable, str(ROOT / "docs" / "classify.py"), "-o", str(tmp_path / "map.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=True)
    rows = {
        line.split("|")[1].strip(): [float(cell) for cell in line.split("|")[2:6]]
        for line in done.stdout.splitlines()
        if line.startswith(("| log", "| stand", "| shared"))
    }
    assert rows["shared part"][1] > rows["log bands"][1]
    assert rows["shared part"][3] > rows["log bands"][3]
    assert rows["shared part"][0] > 0.6
    assert (tmp_path / "map.jpg").stat().st_size > 1000
