"""Pairs of patches: overlap correlation, curves, fits, the probability itself, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.demo.sample import read_sample
from matcher.errors import MatcherError
from matcher.verification.curves import calibration_error, curves
from matcher.verification.logistic import fit_logistic, probability
from matcher.verification.overlap import overlap_pixels, shift_map
from matcher.verification.pairs import Pairs, cut_pairs, pairs_of, read_pairs, write_pairs
from matcher.verification.rivals import overlap, rival_scores
from matcher.verification.verifying import account, rivals, verify


def naive_map(first, second, reach, centred):
    out = np.zeros((2 * reach + 1, 2 * reach + 1))
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            a, b = overlap(np.moveaxis(first, 0, -1), np.moveaxis(second, 0, -1), (dy, dx))
            if centred:
                a, b = a - a.mean((0, 1)), b - b.mean((0, 1))
            energy = (a**2).sum() * (b**2).sum()
            out[dy + reach, dx + reach] = (a * b).sum() / np.sqrt(energy) if energy > 1e-3 else 0
    return out


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(1, 14, 17), (3, 20, 13)])
def test_shift_map_is_the_normalised_sum_over_the_overlap(centred, shape):
    rng = np.random.default_rng(1)
    first, second = rng.normal(3, 1, shape), rng.normal(-2, 5, shape)
    got = shift_map(first, second, 6, centred)
    np.testing.assert_allclose(got, naive_map(first, second, 6, centred), atol=1e-9)


def test_shift_map_knows_a_shifted_copy_and_says_nothing_of_flat_patches():
    scene = np.random.default_rng(2).normal(size=(40, 40))
    first, second = scene[10:30, 10:30], scene[7:27, 14:34]
    got = shift_map(first[None], second[None], 8)
    assert got[8 + 3, 8 - 4] == pytest.approx(1)
    assert not shift_map(np.zeros((1, 20, 20)), second[None], 8).any()
    assert overlap_pixels((20, 16), 2)[0].tolist() == [18 * 14, 18 * 15, 18 * 16, 18 * 15, 18 * 14]


def test_curves_against_counting():
    rng = np.random.default_rng(3)
    same = rng.random(300) < 0.4
    chance = np.round(np.clip(rng.normal(0.4 + 0.3 * same, 0.2), 0, 1), 1)  # with ties
    got = curves(chance, same)
    wins = chance[same][:, None] - chance[~same][None]
    assert got.auc == pytest.approx((wins > 0).mean() + (wins == 0).mean() / 2)
    assert got.brier == pytest.approx(((chance - same) ** 2).mean())
    assert got.brier_constant == pytest.approx(same.mean() * (1 - same.mean()))
    assert 0 < got.equal_error < 0.5
    perfect = curves(same.astype(float), same)
    assert (perfect.auc, perfect.average_precision, perfect.equal_error, perfect.brier) == (1, 1, 0, 0)
    with pytest.raises(MatcherError, match="one kind"):
        curves(chance, np.ones(300, bool))


def test_calibration_error_of_a_bin():
    chance = np.full(10, 0.72)
    assert calibration_error(chance, np.arange(10) < 5) == pytest.approx(0.22)


def test_fit_recovers_the_numbers_that_drew_the_labels():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40000, 2)) * [1, 10] + [0, 5]
    same = rng.random(40000) < probability(x @ [1.5, -0.2] + 0.7)
    model = fit_logistic(x, same, ("a", "b"), ridge=0)
    assert model.weights == pytest.approx((1.5, -0.2), abs=0.06)
    assert model.intercept == pytest.approx(0.7, abs=0.08)
    assert np.isfinite(fit_logistic(x, x[:, 0] > 0, ("a", "b")).weights).all()  # separable
    with pytest.raises(MatcherError, match="one kind"):
        fit_logistic(x, np.ones(40000, bool), ("a", "b"))


def test_prior_moves_the_odds():
    assert probability(np.array([0.0]), 0.1) == pytest.approx(0.1)


def sample_places():
    """Places of the sample that show something: not the cloudy one, nor Hong Kong's sea."""
    places = [p for p in read_sample() if p.group != "clouds" and p.name != "hongkong"]
    return [(p.name, p.group, np.stack([p.image, p.other])) for p in places]


@pytest.fixture(scope="module")
def sample_pairs():
    return cut_pairs(sample_places(), 8, seed=1)


def test_cut_pairs_keep_their_word(sample_pairs):
    pairs = sample_pairs
    assert (pairs.same == (pairs.kind == "same")).all()
    kinds, counts = np.unique(pairs.kind, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {
        "alike": 8,
        "near": 8,
        "other": 16,
        "same": 32,
    }
    again = cut_pairs(sample_places(), 8, seed=1)
    assert (again.second == pairs.second).all()


def test_pairs_cut_from_one_scene_lie_within_their_shifts():
    rows, columns = np.mgrid[:300, :300]
    scene = np.stack([rows + 1, columns + 1], -1).astype(np.uint16)
    stack = np.stack([scene, scene])
    pairs = cut_pairs([("a", "g", stack), ("b", "g", stack)], 12, side=32, max_shift=5, seed=3)
    off = (pairs.second[:, 0, 0].astype(int) - pairs.first[:, 0, 0])[:, ::1]
    assert np.abs(off[pairs.same]).max() <= 5
    near = np.hypot(*off[pairs.kind == "near"].T)
    assert near.min() >= 40
    assert near.max() <= 120
    with pytest.raises(MatcherError, match="two places"):
        cut_pairs([("a", "g", stack)], 2)


def test_same_places_are_told_from_others_and_shifts_found(sample_pairs):
    verdicts = verify(sample_pairs)
    judged = account(sample_pairs, verdicts, rivals(sample_pairs), refit=False)
    own = judged["matcher"]["all"]
    assert own.auc > 0.9
    assert own.auc > max(judged[name]["all"].auc for name in ("gray ZNCC", "SSIM", "phase correlation"))
    place = read_sample()[0].image
    moved = Pairs(place[None, 50:114, 60:124], place[None, 43:107, 70:134])
    found = verify(moved)
    assert found.shift.tolist() == [[7, -10]]
    assert found.probability[0] > 0.99
    assert verify(moved, prior=1e-4).probability[0] < found.probability[0]
    assert verify(moved, max_shift=4).probability[0] < 0.5


def test_a_group_called_all_is_not_all_pairs(sample_pairs):
    group = np.where(np.arange(len(sample_pairs)) % 3, "all", "rest")
    judged = account(
        replace(sample_pairs, group=group), verify(sample_pairs), rivals(sample_pairs), refit=False
    )
    counts = {part: curve.count for part, curve in judged["matcher"].items()}
    assert counts == {"(all)": 64, "all": int((group == "all").sum()), "rest": int((group == "rest").sum())}


@pytest.mark.parametrize(("lone", "kind"), [(True, "two places"), (False, "one place")])
def test_places_whose_others_are_of_one_kind_are_refused_before_the_work(
    sample_pairs, tmp_path, monkeypatch, lone, kind
):
    monkeypatch.setattr("matcher.verification.verifying.verify", None)
    place = np.where(sample_pairs.same == lone, "a", np.where(np.arange(len(sample_pairs)) % 2, "b", "c"))
    write_pairs(tmp_path / "pairs.npz", replace(sample_pairs, place=place))
    done = run(tmp_path / "pairs.npz")
    assert done.exit_code == 1
    assert f"pairs.npz: has pairs of {kind} alone beside those of a" in done.stderr
    assert "leave out the array 'place'" in done.stderr


def test_constant_patches_are_told_nothing():
    flat = np.full((1, 64, 64, 4), 700, np.uint16)
    assert verify(Pairs(flat, flat)).probability[0] < 0.1
    assert np.isfinite(rival_scores(flat[0].astype(np.float32), flat[0].astype(np.float32), 16)).all()


def run(*arguments):
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


@pytest.mark.slow
def test_command_judges_labelled_pairs(sample_pairs, tmp_path):
    write_pairs(tmp_path / "pairs.npz", sample_pairs)
    back = read_pairs(tmp_path / "pairs.npz")
    assert (back.first == sample_pairs.first).all()
    assert back.place.tolist() == sample_pairs.place.tolist()
    result = run(
        tmp_path / "pairs.npz", "-q", "-o", tmp_path / "out.csv", "--json", tmp_path / "out.json",
        "--picture", tmp_path / "out.png",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "phase correlation" in result.stdout
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["matcher"]["all"]["count"] == len(sample_pairs)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == len(sample_pairs) + 1
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_command_takes_two_files_of_patches(sample_pairs, tmp_path):
    np.save(tmp_path / "a.npy", sample_pairs.first[:3])
    np.save(tmp_path / "b.npy", sample_pairs.second[:3])
    result = run(tmp_path / "a.npy", tmp_path / "b.npy", "-q")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "Pair,Probability,dy,dx"
    assert len(result.stdout.splitlines()) == 4
    assert len(pairs_of(tmp_path / "a.npy", tmp_path / "b.npy")) == 3


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_any_kind_of_number(sample_pairs, tmp_path, kind):
    arrays = {
        "first": sample_pairs.first,
        "second": sample_pairs.second,
        "same": sample_pairs.same.astype(kind),
    }
    np.savez(tmp_path / "p.npz", **arrays)
    np.testing.assert_array_equal(read_pairs(tmp_path / "p.npz").same, sample_pairs.same)


def test_errors_are_one_line(sample_pairs, tmp_path):
    write_pairs(tmp_path / "pairs.npz", sample_pairs)
    np.save(tmp_path / "a.npy", sample_pairs.first[:3])
    np.save(tmp_path / "b.npy", sample_pairs.second[:2])
    np.savez(tmp_path / "half.npz", first=sample_pairs.first)
    np.savez(tmp_path / "bad.npz", first=sample_pairs.first, second=sample_pairs.second, same=np.full(64, 2))
    np.savez(
        tmp_path / "nan.npz", first=sample_pairs.first, second=sample_pairs.second, same=np.full(64, np.nan)
    )
    for name, label in (("ones.npz", 1), ("noughts.npz", 0)):
        same = np.full(64, label)
        np.savez(tmp_path / name, first=sample_pairs.first, second=sample_pairs.second, same=same)
    for arguments, said in [
        ([tmp_path / "ones.npz", "-o", tmp_path / "v.csv"], "ones.npz: has pairs of one place alone"),
        ([tmp_path / "noughts.npz"], "leave out the array 'same'"),
        ([tmp_path / "none.npz"], "none.npz"),
        ([tmp_path / "half.npz"], "second"),
        ([tmp_path / "bad.npz"], "same"),
        ([tmp_path / "nan.npz"], "same"),
        ([tmp_path / "a.npy", tmp_path / "b.npy"], "in order"),
        ([tmp_path / "a.npy", tmp_path / "a.npy", "--picture", tmp_path / "x.png"], "labelled"),
        ([tmp_path / "pairs.npz", "--max-shift", 60], "max shift 60"),
    ]:
        result = run(*arguments, "-q")
        assert result.exit_code == 1, arguments
        assert result.stderr.startswith("matcher: ")
        assert said in result.stderr
        assert result.stdout == ""
