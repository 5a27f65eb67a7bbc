"""Rankings made: of images and of windows, by the command, and where the true ones stand in them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.demo.sample import cut_patches, read_sample
from matcher.errors import MatcherError
from matcher.formats.example import encode_example
from matcher.formats.submission import read_submission, write_submission
from matcher.formats.tfrecord import write_records
from matcher.matching.run import match
from matcher.placements import Placements
from matcher.ranking.files import read_ranking, write_ranking
from matcher.ranking.rankings import Ranking, WindowGrid, standing
from matcher.ranking.run import cells, retrieve


def ranking_of(image, score):
    image = np.array(image)
    zeros = np.zeros(image.shape, np.int64)
    return Ranking(np.arange(len(image)), image, zeros, zeros, np.array(score, np.float32))


def placed(image):
    zeros = np.zeros(len(image), np.int64)
    return Placements(np.arange(len(image)), np.array(image), zeros, zeros)


def test_standing_by_hand():
    ranking = ranking_of([[3, 4, 5], [4, 3, 5], [5, 4, 3]], [[9, 5, 1], [8, 7, 0], [6, 4, 2]])
    got = standing(ranking, placed([3, 3, 4]))
    assert got.rows.tolist() == [0, 1, 2]
    assert got.rank.tolist() == [1, 2, 2]
    # image 3: patches by score 9, 7 (both its own), 2; image 4: 8, 5, then its own 4
    assert got.precision.tolist() == pytest.approx([1, 1, 1 / 3])
    with pytest.raises(MatcherError, match="no patch has an answer"):
        standing(ranking, Placements(np.array([77]), np.array([3]), np.array([0]), np.array([0])))


def test_what_is_not_ranked_is_missed():
    ranking = ranking_of([[3, 4], [4, -1]], [[9, 5], [8, -np.inf]])
    got = standing(ranking, placed([5, 3]))
    assert np.isinf(got.rank).all()
    assert got.precision.tolist() == [0, 0]


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
    files = [challenge / "images.npy", challenge / "patches.npz"]
    base = [*files, "--answers", challenge / "answers.csv"]
    result = run(*base, "--export", tmp_path / "top.npz", "--top", 3, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert re.search(r"mean reciprocal rank +1\.000 \[", result.stdout)
    assert "official score" in result.stdout
    with np.load(tmp_path / "top.npz") as file:
        assert file["image"].shape == (len(file["ids"]), 3)
    assert len(read_submission(tmp_path / "out.csv")) == len(read_submission(challenge / "answers.csv"))
    result = run(*base, "--scores", tmp_path / "top.npz", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "the other scores add" in result.stdout
    assert "other: the other scores' order of the candidates, each at matcher's own place" in result.stdout
    said = json.loads((tmp_path / "out.json").read_text())
    assert list(said["scores"]) == ["matcher", "other", "fused"]
    assert set(said["fusion"]["bits"]) == {"own", "other", "fused"}
    assert said["fusion"]["pays"] is False


def test_command_reads_a_ranking_in_place_of_making_one(challenge, tmp_path, monkeypatch):
    files = [challenge / "images.npy", challenge / "patches.npz"]
    base = [*files, "--answers", challenge / "answers.csv"]
    made = run(*base, "--export", tmp_path / "top.npz")
    monkeypatch.setattr("matcher.ranking.run.retrieve", lambda *_a, **_k: pytest.fail("ranked anew"))
    read = run(
        *base,
        "--from",
        tmp_path / "top.npz",
        "--export",
        tmp_path / "again.run",
        "--qrels",
        tmp_path / "q.qrels",
    )
    assert read.exit_code == 0, read.output
    assert read.stdout == made.stdout
    score = CliRunner().invoke(
        main, ["score", str(tmp_path / "again.run"), str(tmp_path / "q.qrels"), "--json", "-"]
    )
    assert json.loads(score.stdout)["metrics"]["mrr"]["value"] == 1.0
    said = run(*base, "--from", tmp_path / "top.npz", "--stride", 8)
    assert said.exit_code == 1
    assert "--stride" in said.stderr
    ranking = read_ranking(tmp_path / "top.npz")
    write_ranking(replace(ranking, ids=ranking.ids + 1000), tmp_path / "strange.npz")
    said = run(*base, "--from", tmp_path / "strange.npz")
    assert said.exit_code == 1
    assert "ranks patch 1000, which" in said.stderr


def test_dry_run_says_and_ranks_nothing(challenge, tmp_path, monkeypatch):
    monkeypatch.setattr("matcher.ranking.run.retrieve", lambda *_a, **_k: pytest.fail("ranked"))
    files = [challenge / "images.npy", challenge / "patches.npz"]
    result = run(*files, "--dry-run", "--stride", 16, "--export", tmp_path / "top.npz")
    assert result.exit_code == 0, result.output
    assert "4 images" in result.stdout
    assert "windows at every 16 px" in result.stdout
    assert not (tmp_path / "top.npz").exists()


def test_bad_scores_are_found_before_anything_is_ranked(challenge, tmp_path, monkeypatch):
    monkeypatch.setattr("matcher.ranking.run.retrieve", lambda *_a, **_k: pytest.fail("ranked"))
    np.savez(tmp_path / "bad.npz", ids=[0], image=[[3]])
    base = [challenge / "images.npy", challenge / "patches.npz", "--answers", challenge / "answers.csv"]
    result = run(*base, "--scores", tmp_path / "bad.npz")
    assert result.exit_code == 1
    assert "bad.npz: has no array 'score'" in result.stderr
    for name, ids, more, said in (
        ("few.npz", [0], [], "few.npz: has no scores of patch 1"),
        ("images.npz", np.arange(99), ["--stride", 16], "images.npz: ranks images, and the ranking windows"),
    ):
        count = len(ids)
        arrays = {"image": np.zeros((count, 1), np.int64), "score": np.ones((count, 1), np.float32)}
        np.savez(tmp_path / name, ids=ids, **arrays)
        result = run(*base, "--scores", tmp_path / name, *more)
        assert result.exit_code == 1
        assert said in result.stderr


def test_bad_answers_are_found_before_anything_is_ranked(challenge, tmp_path, monkeypatch):
    monkeypatch.setattr("matcher.ranking.run.retrieve", lambda *_a, **_k: pytest.fail("ranked"))
    base = [challenge / "images.npy", challenge / "patches.npz", "--export", tmp_path / "e.npz"]
    (tmp_path / "strange.csv").write_text("Patch ID,Result\n1000,0 0 0\n")
    (tmp_path / "images.qrels").write_text("0 0 1 1\n")
    (tmp_path / "one.csv").write_text("Patch ID,Result\n0,1 0 0\n1,1 0 0\n1000,2 0 0\n")
    count = len(read_submission(challenge / "answers.csv"))
    arrays = {"image": np.zeros((count, 1), np.int64), "score": np.ones((count, 1), np.float32)}
    np.savez(tmp_path / "s.npz", ids=np.arange(count), **arrays)
    for name, more, said in [
        ("strange.csv", [], "has no answer of any patch of"),
        ("images.qrels", ["--stride", 16], "with --stride give answers that say places"),
        ("one.csv", ["--scores", tmp_path / "s.npz"], "answers of two images or more, and these are of one"),
    ]:
        result = run(*base, "--answers", tmp_path / name, *more)
        assert result.exit_code == 1
        assert f"{name}: " in result.stderr
        assert said in result.stderr


def test_a_ranking_is_kept_where_it_cannot_be_judged(challenge, tmp_path, monkeypatch):
    """What was worked for is written, though fusing fails on what only the ranking shows."""

    def fails(*_):
        raise MatcherError("no answered patch has its true image")

    monkeypatch.setattr("matcher.ranking.fusion.fuse", fails)
    base = [challenge / "images.npy", challenge / "patches.npz", "--answers", challenge / "answers.csv"]
    run(*base, "--export", tmp_path / "s.npz")
    files = ["--export", tmp_path / "e.npz", "-o", tmp_path / "s.csv"]
    result = run(*base, "--scores", tmp_path / "s.npz", *files, "--json", tmp_path / "j")
    assert result.exit_code == 1
    assert "no answered patch" in result.stderr
    assert read_ranking(tmp_path / "e.npz").image.tolist() == read_ranking(tmp_path / "s.npz").image.tolist()
    assert len(read_submission(tmp_path / "s.csv")) == len(read_submission(challenge / "answers.csv"))
    assert not (tmp_path / "j").exists()


def test_a_submission_of_a_ranking_without_places_is_refused_before_anything_is_written(challenge, tmp_path):
    base = [challenge / "images.npy", challenge / "patches.npz", "--answers", challenge / "answers.csv"]
    run(*base, "--export", tmp_path / "r.run")
    names = {"--export": "e.npz", "--qrels": "q", "--json": "j", "-o": "s.csv"}
    files = [part for option, name in names.items() for part in (option, tmp_path / name)]
    result = run(*base, "--from", tmp_path / "r.run", *files)
    assert result.exit_code == 1
    assert "a submission needs places" in result.stderr
    assert result.stdout == ""
    assert not any((tmp_path / name).exists() for name in names.values())


def test_answers_that_name_missing_images_are_told(challenge, tmp_path):
    base = [challenge / "images.npy", challenge / "patches.npz", "-q"]
    answers = (challenge / "answers.csv").read_text()
    assert "warning" not in run(*base, "--answers", challenge / "answers.csv").stderr
    (tmp_path / "a.csv").write_text(re.sub(r"^1,\d+ ", "1,99 ", answers, flags=re.M))
    said = run(*base, "--answers", tmp_path / "a.csv").stderr
    assert "warning" in said
    assert "image 99 of patch 1" in said


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
    grid = WindowGrid(6, {5: (23 + 11, 17 + 11)}, np.array([[12, 12]]))
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
    grid = WindowGrid(4, {3: (20, 20), 4: (20, 20)}, np.array([[8, 8]] * len(score)))
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


def test_standing_of_windows_by_hand():
    ranking = windows_of(
        [[9, 5, 1], [9, 5, 1]], [[[0, 0], [4, 4], [4, 8]], [[0, 0], [8, 8], [4, 4]]], [[3, 3, 3], [4, 3, 3]]
    )
    truth = Placements(np.arange(2), np.array([3, 3]), np.array([5, 8]), np.array([4, 8]))
    got = standing(ranking, truth)
    assert got.rank.tolist() == [2, 2]  # (4, 5) belongs to (4, 4)
    # Patch 0 at (4, 5): half or more is shared with the windows (4, 4) and (4, 8), ranked second and third.
    # Patch 1 at (8, 8): with (8, 8), and the four that lie 4 px from it along one axis; one of these is ranked.
    assert ranking.grid.relevant(0, 3, (4, 5)).tolist() == [[4, 4], [4, 8]]
    assert ranking.grid.relevant(1, 3, (8, 8)).tolist() == [[4, 8], [8, 4], [8, 8], [8, 12], [12, 8]]
    assert got.precision.tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, (1 / 2) / 5])
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
    assert (standing(ranking, answers).rank == 1).mean() > 0.7
    with pytest.raises(MatcherError, match="stride 0"):
        retrieve(challenge / "images.npy", challenge / "patches.npz", stride=0)


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_windows_are_exported_and_fused(challenge, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    files = [challenge / "images.npy", challenge / "patches.npz"]
    base = [*files, "--answers", challenge / "answers.csv", "--stride", 16]
    path = tmp_path / f"top.{ending}"
    result = run(*base, "--export", path, "--top", 20)
    assert result.exit_code == 0, result.output
    assert "true one first" in result.stdout
    ranking = retrieve(challenge / "images.npy", challenge / "patches.npz", stride=16)
    read = read_ranking(path)
    for name in ("image", "x", "y", "corner", "score"):
        np.testing.assert_array_equal(getattr(read, name), getattr(ranking, name)[:, :20])
    assert read.grid.shapes == ranking.grid.shapes
    assert (read.grid.sides == ranking.grid.sides).all()
    result = run(*base, "--from", path, "--scores", path)
    assert result.exit_code == 0, result.output
    assert "the other scores add" in result.stdout
    assert "other: the other scores' order of the candidates, each at matcher's own place" in result.stdout


def test_windows_of_a_run_are_not_judged_and_its_file_is_named(challenge, tmp_path):
    files = [challenge / "images.npy", challenge / "patches.npz"]
    assert run(*files, "--stride", 16, "--export", tmp_path / "w.run", "--top", 1).exit_code == 0
    read = run(*files, "--from", tmp_path / "w.run", "--answers", challenge / "answers.csv")
    assert read.exit_code == 1
    assert "w.run: does not say of which windows it is" in read.output


def test_records_of_a_shape_and_type_by_the_command(tmp_path):
    """What an error of such records names is taken, with answers and without."""
    image = np.random.default_rng(0).integers(200, 3000, (80, 120, 4)).astype(">u2")
    patch = image[20:52, 30:78]
    for name, held in (("image", image), ("patch", patch)):
        record = {f"{name}_raw": held.tobytes(), f"{name}_id": 7}
        write_records(tmp_path / f"{name}.tfrecords", [encode_example(record)])
    (tmp_path / "a.csv").write_text("Patch ID,Result\n7,7 30 20\n")
    files = tmp_path / "image.tfrecords", tmp_path / "patch.tfrecords"
    refused = run(*files, "-o", tmp_path / "s.csv")
    assert "--image-shape, --patch-shape" in refused.output
    said = ["--image-shape", "80,120,4", "--patch-shape", "32,48,4", "--dtype", ">u2"]
    done = run(*files, "-o", tmp_path / "s.csv", "--answers", tmp_path / "a.csv", *said)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "s.csv").read_text().splitlines()[1] == "7,7 30 20"
    assert run(*files, "-o", tmp_path / "s.csv", "--dry-run", *said).exit_code == 0
