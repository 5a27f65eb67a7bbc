"""Rankings of images: what they are worth, exported, fused with other scores."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.demo.sample import cut_patches, read_sample
from matcher.errors import MatcherError
from matcher.formats.submission import read_submission, write_submission
from matcher.matching.run import match
from matcher.placements import Placements
from matcher.ranking.fusion import fuse, read_scores
from matcher.ranking.rankings import Grid, Ranking, worth
from matcher.ranking.run import cells, retrieve


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


def test_cells_are_the_best_places_near_each_window():
    total = np.random.default_rng(2).random((23, 17))
    score, place, corner = cells(total, 6, 5)
    grid = Grid(6, {5: (23 + 11, 17 + 11)}, np.array([[12, 12]]))
    assert grid.counts(0, 5) == (4, 3)
    assert len(score) == 12
    best = {}
    for y in range(23):
        for x in range(17):
            key = grid.corner(0, 5, (y, x))
            if total[y, x] > best.get(key, (0,))[0]:
                best[key] = (total[y, x], y, x)
    for value, at, key in zip(score, place, corner, strict=True):
        assert (value, *at) == (pytest.approx(best[tuple(key)][0] / 2), *best[tuple(key)][1:], 5)


def windows_of(score, corners, image):
    grid = Grid(4, {3: (20, 20), 4: (20, 20)}, np.array([[8, 8]] * len(score)))
    corner = np.array(corners)
    return Ranking(
        np.arange(len(score)),
        np.array(image),
        corner[..., 1],
        corner[..., 0],
        np.array(score, np.float32),
        corner,
        grid,
    )


def test_worth_of_windows_by_hand():
    ranking = windows_of(
        [[9, 5, 1], [9, 5, 1]], [[[0, 0], [4, 4], [4, 8]], [[0, 0], [8, 8], [4, 4]]], [[3, 3, 3], [4, 3, 3]]
    )
    truth = Placements(np.arange(2), np.array([3, 3]), np.array([5, 8]), np.array([4, 8]))
    got = worth(ranking, truth, ks=(1, 2))
    assert got.top == {1: 0, 2: 1}  # (4, 5) belongs to (4, 4)
    assert got.mrr == 0.5
    # Patch 0 at (4, 5): half or more is shared with the windows (4, 4) and (4, 8), ranked second and third.
    # Patch 1 at (8, 8): with (8, 8), and the four that lie 4 px from it along one axis; one of these is ranked.
    assert ranking.grid.relevant(0, 3, (4, 5)) == 2
    assert ranking.grid.relevant(1, 3, (8, 8)) == 5
    assert got.mean_average_precision == pytest.approx(((1 / 2 + 2 / 3) / 2 + (1 / 2) / 5) / 2)
    rows, hit = ranking.hits(truth)
    assert rows.tolist() == [0, 1]
    assert hit.tolist() == [[False, True, False], [False, True, False]]


def test_windows_of_a_stride_hold_the_true_one(challenge):
    ranking = retrieve(challenge / "images.npy", challenge / "patches.npz", stride=16)
    whole = retrieve(challenge / "images.npy", challenge / "patches.npz")
    assert ranking.image[:, 0].tolist() == whole.image[:, 0].tolist()
    assert ranking.x[:, 0].tolist() == whole.x[:, 0].tolist()
    np.testing.assert_allclose(ranking.score[:, 0], whole.score[:, 0], rtol=1e-4)
    assert (np.abs(ranking.corner[..., 1] - ranking.x) <= 8).all()
    assert (ranking.corner % 16 == 0).all()
    answers = read_submission(challenge / "answers.csv")
    got = worth(ranking, answers)
    assert got.top[1] > 0.7
    assert got.top[10] >= got.top[1]
    with pytest.raises(MatcherError, match="stride 0"):
        retrieve(challenge / "images.npy", challenge / "patches.npz", stride=0)


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_windows_are_exported_and_fused(challenge, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    base = [
        challenge / "images.npy",
        challenge / "patches.npz",
        "--answers",
        challenge / "answers.csv",
        "--stride",
        16,
    ]
    path = tmp_path / f"top.{ending}"
    result = run(*base, "--export", path, "--top", 20)
    assert result.exit_code == 0, result.output
    assert "window among first 1" in result.stdout
    ranking = retrieve(challenge / "images.npy", challenge / "patches.npz", stride=16)
    back = read_scores(path, ranking)
    np.testing.assert_allclose(back[:, :20], ranking.score[:, :20], rtol=1e-6)
    assert (back[:, 20:] == back[:, 19:20]).all()
    result = run(*base, "--scores", path)
    assert result.exit_code == 0, result.output
    assert "adds" in result.stdout


def test_parquet_that_does_not_fit(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    ranking = ranking_of([[3, 4], [4, 3]], [[2, 1], [2, 1]])
    ranking.save(tmp_path / "good.parquet", 5)
    assert read_scores(tmp_path / "good.parquet", ranking).tolist() == [[2, 1], [2, 1]]
    for columns, said in [
        ({"patch_id": [0, 1], "image_id": [3, 4]}, "no column 'score'"),
        ({"patch_id": [0, None], "image_id": [3, 4], "score": [1.0, 2.0]}, "gaps"),
        ({"patch_id": [0], "image_id": [3], "score": [1.0]}, "patch 1"),
    ]:
        parquet.write_table(pyarrow.table(columns), tmp_path / "bad.parquet")
        with pytest.raises(MatcherError, match=said):
            read_scores(tmp_path / "bad.parquet", ranking)
    (tmp_path / "no.parquet").write_bytes(b"nothing")
    with pytest.raises(MatcherError, match="cannot be read as Parquet"):
        read_scores(tmp_path / "no.parquet", ranking)
    with pytest.raises(MatcherError, match=r"\.parquet"):
        ranking.save(tmp_path / "top.csv", 5)
