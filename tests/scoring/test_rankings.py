"""Rankings scored and compared as submissions are: against hand-worked numbers and plain loops."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.errors import MatcherError
from matcher.formats.submission import write_submission
from matcher.placements import Placements
from matcher.ranking.files import write_ranking
from matcher.ranking.trec import write_qrels
from matcher.scoring import compare, score
from matcher.scoring.bootstrap import draw_images
from matcher.scoring.judge import FIRST, METRICS, RANKED
from tests.naive import naive_percentile
from tests.ranking.test_ranking import placed, ranking_of, windows_of

TRUTH = placed([3, 3, 4, 4])
A = ranking_of([[3, 4, 5], [4, 3, 5], [5, 3, 4], [4, 3, 5]], [[9, 5, 1], [8, 7, 0], [6, 4, 2], [3, 2, 1]])
B = ranking_of([[3, 4], [3, 4], [4, 3], [5, 3]], [[9, 5], [8, 7], [6, 4], [3, 2]])


def test_worked_example():
    got = score(A, TRUTH)
    assert got.image == got.total == got.ranked["first_1"] == 2 / 4
    assert got.ranked["first_5"] == got.ranked["first_100"] == 1
    assert got.ranked["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1) / 4)
    # Image 3: patches by score 9, 7, then strangers; image 4: strangers 8, 5, then its own 3, 2.
    assert got.ranked["map"] == pytest.approx((1 + (1 / 3 + 2 / 4) / 2) / 2)
    assert got.metrics == (*METRICS, *RANKED)
    text = str(got)
    assert "mean reciprocal rank" in text
    assert "among the first 100" in text
    assert set(got.to_dict()["metrics"]) == {*METRICS, *RANKED}


def test_missing_patches_earn_nothing_and_lost_ones_are_told():
    got = score(replace(B, ids=B.ids + 1), TRUTH)  # patches 1 to 4, of which 4 has no answer
    assert got.missing == (0,)
    assert got.extra == (4,)
    assert got.ranked["mrr"] == pytest.approx((0 + 1 + 1 / 2 + 1) / 4)
    got = score(B, TRUTH)
    assert got.notes() == ["the true image is not among the candidates of 1 patches: counted as missed"]
    assert got.ranked["first_100"] == 3 / 4


def test_map_of_images_is_a_mean_over_images_and_so_is_its_interval():
    truth = placed([3, 3, 3, 4])
    got = score(A, truth, resamples=200, seed=3)
    by_image = {3: [], 4: []}
    precision = {0: 1, 1: 1, 2: 1, 3: 1 / 3}  # image 3 by score: 9, 7, 4, then 2; image 4: 8, 5, then 3
    for patch, image in zip(range(4), (3, 3, 3, 4), strict=True):
        by_image[image].append(precision[patch])
    means = np.array([np.mean(by_image[3]), np.mean(by_image[4])])
    assert got.ranked["map"] == pytest.approx(means.mean())
    drawn = [means[row].mean() for rows in draw_images(2, 200, 3) for row in rows]
    expected = naive_percentile(drawn, 0.025), naive_percentile(drawn, 0.975)
    assert got.intervals["map"] == pytest.approx(expected)


def test_windows_are_judged_by_the_window_and_its_place():
    ranking = windows_of([[9, 5], [9, 5]], [[[4, 4], [0, 0]], [[8, 8], [8, 4]]], [[3, 3], [3, 3]])
    truth = Placements(np.arange(2), np.array([3, 3]), np.array([4, 4]), np.array([4, 8]))
    got = score(ranking, truth)
    assert got.image == 1
    assert got.within[0] == 1 / 2
    assert got.ranked["first_1"] == 1 / 2
    assert got.ranked["first_5"] == 1


def test_a_ranking_without_places_earns_half_for_the_right_image():
    nowhere = np.full_like(A.x, -1)
    got = score(replace(A, x=nowhere, y=nowhere, placed=False), TRUTH)
    assert got.image == 2 / 4
    assert got.total == 1 / 4
    assert got.within[4] == 0
    assert got.notes() == ["the ranking says no places: a right image earns 0.5"]


def test_rankings_and_a_submission_are_compared():
    submission = placed([3, 3, 9, 9])
    groups = {0: "a", 1: "a", 2: "b", 3: "a"}
    result = compare({"a": A, "b": B, "s": submission}, TRUTH, groups, resamples=100)
    first, second, third = result.pairs
    assert first.differences["mrr"] == pytest.approx(((1 + 1 / 2 + 1 / 3 + 1) - (1 + 1 + 1 + 0)) / 4)
    assert set(first.intervals) == {*METRICS, *RANKED}
    assert set(second.differences) == set(third.differences) == set(METRICS)
    assert result.scores["a"].ranked == score(A, TRUTH).ranked
    assert result.scores["a"].intervals == score(A, TRUTH, resamples=100).intervals
    assert result.scores["s"].ranked == {}
    part = result.parts["group"]["a"]
    assert part.scores["a"].ranked["mrr"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert json.dumps(result.to_dict(), allow_nan=False)
    lines = [line.split() for line in str(result).splitlines() if line.startswith("mean reciprocal rank")]
    assert lines[0][3] == "0.708"
    assert lines[0][-2:] == ["-", "-"]  # the submission and the oracle have none


def test_a_ranking_of_images_and_one_of_windows_are_compared():
    """Mean average precision is a mean over images of the one and over patches of the other."""
    truth = Placements(np.arange(3), np.array([3, 3, 4]), np.array([4, 4, 0]), np.array([4, 8, 0]))
    images = ranking_of([[3, 4], [3, 4], [3, 4]], [[9, 5], [8, 7], [6, 4]])
    places = [[[4, 4], [0, 0]], [[8, 8], [8, 4]], [[0, 0], [4, 4]]]
    windows = windows_of([[9, 5]] * 3, places, [[3, 3], [3, 3], [4, 4]])
    result = compare({"images": images, "windows": windows}, truth, resamples=50)
    one, other = (result.scores[name].ranked["map"] for name in ("images", "windows"))
    assert one == score(images, truth).ranked["map"] == pytest.approx((1 + 1 / 3) / 2)
    assert other == score(windows, truth).ranked["map"]
    assert result.pairs[0].differences["map"] == pytest.approx(one - other)


def test_answers_of_images_alone(tmp_path):
    write_qrels(TRUTH, tmp_path / "a.qrels")
    write_ranking(A, tmp_path / "a.run")
    write_ranking(B, tmp_path / "b.run")
    got = score(tmp_path / "a.run", tmp_path / "a.qrels")
    assert np.isnan(got.total)
    assert got.metrics == ("image", *RANKED)
    result = compare({"a": tmp_path / "a.run", "b": tmp_path / "b.run"}, tmp_path / "a.qrels")
    assert result.best == "b"
    assert result.oracle_gain == pytest.approx(1 / 4)
    assert result.pairs[0].second_better == 2 / 4
    assert set(result.pairs[0].hits) == {"image"}
    assert "nan" not in str(result)
    with pytest.raises(MatcherError, match="windows needs answers that say places"):
        score(windows_of([[9]], [[[0, 0]]], [[3]]), tmp_path / "a.qrels")


def test_windows_without_their_grid_are_refused():
    ranking = windows_of([[9]], [[[0, 0]]], [[3]])
    with pytest.raises(MatcherError, match="which windows"):
        score(replace(ranking, grid=None), placed([3]))


def test_windows_of_a_run_say_the_way_out(tmp_path):
    write_ranking(windows_of([[9]], [[[0, 0]]], [[3]]), tmp_path / "w.run")
    with pytest.raises(
        MatcherError, match=r"w\.run: .*export windows as \.npz or \.parquet, which keep their grid"
    ):
        score(tmp_path / "w.run", placed([3]))


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_scores_that_are_not_finite_are_refused(wrong):
    """Of +inf nothing is known but that it is above all: neither mAP nor fusion can tell such scores apart."""
    with pytest.raises(MatcherError, match="the ranking: has a score that is"):
        score(ranking_of([[3, 4], [4, 3]], [[wrong, 1], [2, 1]]), placed([3, 4]))


def test_commands_take_rankings(tmp_path):
    write_submission(tmp_path / "answers.csv", TRUTH)
    write_ranking(A, tmp_path / "a.npz")
    write_ranking(B, tmp_path / "b.run")
    write_submission(tmp_path / "s.csv", placed([3, 3, 9, 9]))
    made = CliRunner().invoke(
        main, ["score", str(tmp_path / "a.npz"), str(tmp_path / "answers.csv"), "--json", "-"]
    )
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["metrics"]["first_1"]["value"] == 0.5
    files = [str(tmp_path / name) for name in ("a.npz", "b.run", "s.csv")]
    made = CliRunner().invoke(main, ["compare", *files, "--answers", str(tmp_path / "answers.csv")])
    assert made.exit_code == 0, made.output
    for k in FIRST[1:]:
        assert f"among the first {k}" in made.stdout
    (tmp_path / "b.run").write_text("nothing\n")
    made = CliRunner().invoke(main, ["compare", *files, "--answers", str(tmp_path / "answers.csv")])
    assert made.exit_code == 1
    assert "b.run, line 1" in made.stderr
