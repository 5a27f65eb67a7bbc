"""Rankings of images: what they are worth, exported, fused with other scores."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.errors import MatcherError
from matcher.formats.submission import read_submission, write_submission
from matcher.matching import match
from matcher.placements import Placements
from matcher.retrieval import Ranking, fuse, read_scores, retrieve, worth
from matcher.sample import cut_patches, read_sample


def ranking_of(image, score):
    image = np.array(image)
    zeros = np.zeros(image.shape, np.int64)
    return Ranking(np.arange(len(image)), image, zeros, zeros, np.array(score, np.float32))


def placed(image):
    zeros = np.zeros(len(image), np.int64)
    return Placements(np.arange(len(image)), np.array(image), zeros, zeros)


def test_worth_by_hand():
    ranking = ranking_of([[3, 4, 5], [4, 3, 5], [5, 4, 3]], [[9, 5, 1], [8, 7, 0], [6, 4, 2]])
    got = worth(ranking, placed([3, 3, 4]), ks=(1, 2))
    assert got.top == {1: pytest.approx(1 / 3), 2: 1}
    assert got.mrr == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    # image 3: patches by score 9, 7 (both its own), 2; image 4: 8, 5, then its own 4
    assert got.mean_average_precision == pytest.approx((1 + 1 / 3) / 2)
    with pytest.raises(MatcherError, match="no patch has an answer"):
        worth(ranking, Placements(np.array([77]), np.array([3]), np.array([0]), np.array([0])))


def noisy(rng, truth, strength, images):
    score = rng.normal(size=(len(truth), images))
    score[np.arange(len(truth)), truth] += strength
    return score


def test_fusion_recovers_likelihood_ratios_and_says_what_each_adds():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 8, 1500)
    own, other = noisy(rng, truth, 2.0, 8), 10 * noisy(rng, truth, 1.0, 8)
    order = np.argsort(-own, 1)
    rows = np.arange(1500)[:, None]
    ranking = ranking_of(order, own[rows, order])
    fused = fuse(ranking, other[rows, order], placed(truth))
    assert fused.weights == pytest.approx((2.0, 0.1), rel=0.15)
    assert fused.bits["fused"] < fused.bits["own"] < fused.bits["other"]
    assert fused.worths["fused"].mrr > fused.worths["own"].mrr > fused.worths["other"].mrr
    nothing = fuse(ranking, rng.normal(size=own.shape), placed(truth))
    assert nothing.bits["fused"] == pytest.approx(nothing.bits["own"], abs=0.01)


@pytest.fixture(scope="module")
def challenge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenge")
    places = read_sample()[:4]
    patches, answers = cut_patches(places, 2, 48, seed=2)
    np.save(folder / "images.npy", np.stack([p.image[:128, :128] for p in places]))
    keep = np.flatnonzero((answers.x <= 80) & (answers.y <= 80))
    extra = [p.other[16:64, 24:72] for p in places]
    np.savez(folder / "patches.npz", patches=np.stack([*[patches[k] for k in keep], *extra]))
    image = np.concatenate([answers.image[keep], np.arange(4)])
    x, y = np.concatenate([answers.x[keep], [24] * 4]), np.concatenate([answers.y[keep], [16] * 4])
    write_submission(folder / "answers.csv", Placements(np.arange(len(image)), image, x, y))
    return folder


def test_the_first_is_the_exhaustive_match(challenge):
    ranking = retrieve(challenge / "images.npy", challenge / "patches.npz")
    result = match(challenge / "images.npy", challenge / "patches.npz", search="exhaustive")
    assert ranking.image[:, 0].tolist() == result.image.tolist()
    assert ranking.x[:, 0].tolist() == result.x.tolist()
    np.testing.assert_allclose(ranking.score[:, 0], result.score)
    assert (np.sort(ranking.image, 1) == np.arange(4)).all()
    assert (np.diff(ranking.score, axis=1) <= 0).all()


def run(*arguments):
    return CliRunner().invoke(main, ["retrieve", "-q", *map(str, arguments)])


def test_command_ranks_exports_and_fuses(challenge, tmp_path):
    base = [challenge / "images.npy", challenge / "patches.npz", "--answers", challenge / "answers.csv"]
    result = run(*base, "--export", tmp_path / "top.npz", "--top", 3, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert "mean reciprocal rank" in result.stdout
    assert "official score" in result.stdout
    with np.load(tmp_path / "top.npz") as file:
        assert file["image"].shape == (len(file["ids"]), 3)
    assert len(read_submission(tmp_path / "out.csv")) == len(read_submission(challenge / "answers.csv"))
    result = run(*base, "--scores", tmp_path / "top.npz", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "adds" in result.stdout
    assert set(json.loads((tmp_path / "out.json").read_text())["bits"]) == {"own", "other", "fused"}


def test_scores_that_do_not_fit(tmp_path):
    ranking = ranking_of([[3, 4], [4, 3]], [[2, 1], [2, 1]])
    np.savez(tmp_path / "s.npz", ids=[1, 0], image=[[3, 4], [4, 9]], score=[[0.5, 0.25], [7, 1]])
    assert read_scores(tmp_path / "s.npz", ranking).tolist() == [[1, 7], [0.25, 0.5]]
    for arrays, said in [
        ({"ids": [0, 1], "image": [[3], [4]]}, "score"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1.0]]}, "expected"),
        ({"ids": [0], "image": [[3]], "score": [[1.0]]}, "patch 1"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1.0], [np.nan]]}, "NaN"),
    ]:
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(MatcherError, match=said):
            read_scores(tmp_path / "bad.npz", ranking)


def test_errors_are_one_line(challenge, tmp_path):
    base = [challenge / "images.npy", challenge / "patches.npz"]
    for arguments, said in [
        (base, "nothing to do"),
        ([*base, "--scores", "s.npz", "--export", tmp_path / "a.npz"], "--answers"),
        ([*base, "--answers", tmp_path / "none.csv"], "none.csv"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("matcher: ")
        assert said in result.stderr
