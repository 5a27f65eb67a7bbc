"""Comparisons of submissions, against hand-worked numbers, loops and the score of each alone."""

import json
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.formats.columns import read_columns
from matcher.report.comparison import draw_comparison
from matcher.scoring import compare, score
from matcher.scoring.bootstrap import draw_images
from matcher.scoring.facets import facet_of
from matcher.scoring.judge import METRICS
from matcher.scoring.mcnemar import mcnemar
from tests.naive import naive_image_bootstrap, naive_mcnemar, naive_percentile, naive_scores
from tests.scoring.test_scoring import challenges, placements

# Image 7 holds patches 1 to 3, image 8 holds 4 to 6.
ANSWERS = {1: (7, 10, 20), 2: (7, 30, 40), 3: (7, 50, 60), 4: (8, 0, 0), 5: (8, 5, 5), 6: (8, 9, 9)}
A = {1: (7, 10, 20), 2: (7, 33, 44), 3: (8, 50, 60), 4: (8, 0, 1), 5: (7, 5, 5), 6: (7, 9, 9)}
B = {1: (7, 10, 21), 2: (7, 30, 40), 3: (8, 52, 60), 4: (7, 0, 0), 5: (8, 5, 5)}


def rows(*submissions):
    return dict(zip("abcdefg", map(placements, submissions), strict=False))


def test_worked_example():
    result = compare(rows(A, B), placements(ANSWERS))
    pair = result.pairs[0]
    assert (pair.first, pair.second) == ("a", "b")
    px = 1 / (128 * 2**0.5)  # what a pixel costs
    # a: 1, 1 - 5 px, 0, 1 - 1 px, 0, 0; b: 1 - 1 px, 1, 0, 0, 1, missing
    assert result.scores["a"].total == pytest.approx((3 - 6 * px) / 6)
    assert result.scores["b"].total == pytest.approx((3 - px) / 6)
    assert pair.differences["total"] == pytest.approx(-5 * px / 6)
    assert result.oracle.total == pytest.approx((4 - px) / 6)
    assert result.best == "b"
    assert result.oracle_gain == pytest.approx(1 / 6)
    image = pair.hits["image"]
    assert (image.both, image.only_first, image.only_second, image.neither) == (2, 1, 1, 2)
    exact_place = pair.hits["within_0"]
    assert (exact_place.both, exact_place.only_first, exact_place.only_second, exact_place.neither) == (
        0,
        1,
        2,
        3,
    )
    assert pair.first_better == pytest.approx(2 / 6)  # 1 and 4
    assert pair.second_better == pytest.approx(2 / 6)  # 2 and 5
    assert pair.same_image == pytest.approx(3 / 6)  # 1, 2 and, both wrong, 3
    assert pair.same_place == pytest.approx(2 / 6)  # 1 and 3; 2 lies 5 px apart
    assert pair.same_mistake == pytest.approx(1 / 6)
    assert result.right_in == pytest.approx((2 / 6, 2 / 6, 2 / 6))
    assert result.best_alone == pytest.approx({"a": 2 / 6, "b": 2 / 6})
    assert result.scores["b"].missing == (6,)
    assert result.notes() == ["b: missing: 1 ids, counted as 0 (6)"]


def test_scores_are_those_of_each_alone():
    groups = {1: "x", 2: "x", 3: "x", 4: "x", 5: "y", 6: "y"}
    result = compare(rows(A, B, A), placements(ANSWERS), groups, resamples=300, seed=9)
    for name, rows_of in (("a", A), ("b", B), ("c", A)):
        alone = score(placements(rows_of), placements(ANSWERS), groups, resamples=300, seed=9)
        for part, expected in [(result, alone), *((result.parts["group"][g], alone.groups[g]) for g in "xy")]:
            assert part.scores[name].total == expected.total
            assert part.scores[name].within == expected.within
            assert part.scores[name].intervals == expected.intervals
    assert [(pair.first, pair.second) for pair in result.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    same = result.pairs[1]
    assert set(same.differences.values()) == {0.0}
    assert set(same.intervals.values()) == {(0.0, 0.0)}
    assert same.hits["image"].exact == same.hits["image"].mid_p == 1.0
    assert same.winner is None
    assert result.best_alone["a"] == result.best_alone["c"] == 0


@settings(deadline=None, max_examples=25)
@given(challenges(), challenges(), st.integers(0, 1000))
def test_paired_intervals_agree_with_a_loop_over_the_same_draws(one, other, seed):
    first, answers = one
    second = dict(zip(answers, other[0].values(), strict=False)) or first
    result = compare(rows(first, second), placements(answers), resamples=31, seed=seed)
    pair = result.pairs[0]
    expected = [naive_scores(submission, answers) for submission in (first, second)]
    assert pair.differences == pytest.approx({m: expected[0][m] - expected[1][m] for m in METRICS}, abs=1e-12)
    assert max(s.total for s in result.scores.values()) <= result.oracle.total + 1e-12
    assert sum(result.right_in) == pytest.approx(1)
    assert 0 <= pair.same_mistake <= pair.same_image <= 1
    assert pair.same_place <= pair.same_image
    if result.oracle.n_images == 1:
        assert set(pair.intervals.values()) == {None}
        return
    draws = np.concatenate(list(draw_images(result.oracle.n_images, 31, seed))).tolist()
    means = [naive_image_bootstrap(submission, answers, draws) for submission in (first, second)]
    for metric in METRICS:
        change = [a[metric] - b[metric] for a, b in zip(*means, strict=True)]
        interval = naive_percentile(change, 0.025), naive_percentile(change, 0.975)
        assert pair.intervals[metric] == pytest.approx(interval, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(challenges(), challenges())
def test_turning_a_pair_round_changes_signs_only(one, other):
    first, answers = one
    second = dict(zip(answers, other[0].values(), strict=False))
    there = compare(
        {"p": placements(first), "q": placements(second)}, placements(answers), resamples=25
    ).pairs[0]
    back = compare(
        {"q": placements(second), "p": placements(first)}, placements(answers), resamples=25
    ).pairs[0]
    assert back.differences == pytest.approx({m: -d for m, d in there.differences.items()})
    assert back.winner == there.winner
    for metric, hits in there.hits.items():
        turned = back.hits[metric]
        assert (turned.only_second, turned.only_first) == (hits.only_first, hits.only_second)
        assert (turned.exact, turned.mid_p) == (hits.exact, hits.mid_p)
    assert (back.second_better, back.first_better) == (there.first_better, there.second_better)


def test_pairing_narrows_the_interval():
    # Two that fail on the same hard images: their difference is known far better than either score.
    rng = np.random.default_rng(5)
    answers = {i: (i // 10, 0, 0) for i in range(400)}
    hard = rng.random(40) < 0.5
    first = {i: (i // 10 if not hard[i // 10] else 99, 0, 0) for i in answers}
    second = {i: place if rng.random() < 0.95 else (98, 0, 0) for i, place in first.items()}
    result = compare(rows(first, second), placements(answers))
    pair = result.pairs[0]
    widths = [high - low for low, high in (result.scores["a"].intervals["total"], pair.intervals["total"])]
    assert widths[1] < 0.3 * widths[0]
    assert pair.winner == "a"


@pytest.mark.parametrize(
    ("counts", "exact", "mid_p"),
    [
        ((1, 5), 14 / 64, 8 / 64),
        ((5, 1), 14 / 64, 8 / 64),
        ((2, 2), 1.0, 1 - 3 / 16),
        ((1, 7), 18 / 256, 10 / 256),
        ((0, 1), 1.0, 0.5),
        ((0, 0), 1.0, 1.0),
    ],
)
def test_mcnemar_by_hand(counts, exact, mid_p):
    assert mcnemar(*counts) == pytest.approx((exact, mid_p), abs=1e-14)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_against_sums_of_whole_numbers(only_first, only_second):
    assert mcnemar(only_first, only_second) == pytest.approx(naive_mcnemar(only_first, only_second), rel=1e-9)


def test_mcnemar_of_many_patches():
    exact, mid_p = mcnemar(19000, 19400)
    assert 0.04 < mid_p < exact < 0.05  # z = 400 / sqrt(38400) = 2.04, two-sided 0.041


def test_parts_by_group_and_difficulty():
    ids = list(ANSWERS)
    difficulty = {"texture": {i: "smooth" if i < 4 else "rough" for i in ids}, "gap": {i: i for i in ids}}
    result = compare(rows(A, B), placements(ANSWERS), dict.fromkeys(ids, "all of them"), difficulty)
    assert list(result.parts) == ["group", "texture", "gap"]
    assert list(result.parts["texture"]) == ["rough", "smooth"]
    assert list(result.parts["gap"]) == ["1", "2", "3", "4", "5", "6"]
    whole = result.parts["group"]["all of them"]
    assert whole.pairs == result.pairs
    smooth = result.parts["texture"]["smooth"]
    assert (
        smooth.scores["a"].total == score(placements(A), placements({i: ANSWERS[i] for i in (1, 2, 3)})).total
    )
    assert smooth.pairs[0].intervals["total"] is None  # image 7 alone
    assert smooth.few_images


def test_numbers_are_cut_into_thirds():
    ids = np.arange(12)
    facet = facet_of("cloud", ids, {int(i): i / 10 for i in ids if i != 4} | {99: 1e9})
    assert facet.order == (
        "lowest third (to 0.3667)",
        "middle third (to 0.7667)",
        "highest third (above 0.7667)",
        "(unknown)",
    )
    assert [facet.order.index(label) for label in facet.labels] == [0, 0, 0, 0, 3, 1, 1, 1, 2, 2, 2, 2]


def test_numbers_that_are_not_finite_are_unknown():
    facet = facet_of("cloud", np.arange(10), {i: float(i) for i in range(8)} | {8: np.nan, 9: np.inf})
    assert list(facet.labels[8:]) == ["(unknown)"] * 2


def test_few_numbers_are_labels_in_their_own_order():
    facet = facet_of("dates", np.arange(6), dict(enumerate(["10", "9", "10", "", "9", "100"])))
    assert facet.order == ("9", "10", "100", "(unknown)")
    facet = facet_of("sky", np.arange(3), {0: "(unknown)", 1: "clear"})
    assert facet.labels.tolist() == ["(unknown)", "clear", "((unknown))"]


def test_columns_that_tell_nothing():
    ids = np.arange(30)
    assert facet_of("name", ids, {int(i): f"n{i}" for i in ids}) is None
    with pytest.raises(MatcherError, match="cloud: none of its 1 patch ids"):
        facet_of("cloud", ids, {77: "a"})
    answers = dict.fromkeys(range(30), (1, 0, 0))
    result = compare(
        rows(answers, answers), placements(answers), difficulty={"name": {i: f"n{i}" for i in answers}}
    )
    assert result.left_out == ("name",)
    assert "left out, with more than 20 labels: name" in str(result)


def test_text():
    groups = {1: "west", 2: "west", 3: "west", 4: "east", 5: "east", 6: "east"}
    text = str(compare(rows(A, B, ANSWERS), placements(ANSWERS), groups))
    assert "Official score by group" in text
    assert "a - b" in text
    assert "b - c" in text
    assert "oracle" in text
    assert "not told apart: " in text
    assert "1 / 1  p 1.0000, mid-p 0.7500" in text  # right image: each has one that the other has not
    assert "-0.000" not in text
    lines = text.splitlines()
    assert (
        sum(line.startswith("official score") for line in lines) == 1 + 2
    )  # four scores; three pairs in twos
    assert sum(line.startswith("east") for line in lines) == 2  # of nine columns five lie side by side
    assert max(map(len, text.splitlines())) < 140


def test_names_that_tables_have_columns_of_are_told_apart(tmp_path):
    """Nothing that is compared disappears behind a column of the same name."""
    names = ["oracle", "patches", "images", "a - b", "a", "b"]
    given = dict(zip(names, map(placements, (A, B, ANSWERS, A, A, B)), strict=True))
    result = compare(given, placements(ANSWERS), dict.fromkeys(ANSWERS, "g"))
    text = str(result)
    assert "the (oracle) takes the best" in text
    heads = [line for line in text.splitlines() if line.startswith("  ")]
    for name in ("oracle", "(oracle)", "patches", "(patches)", "images", "(images)"):
        assert sum(name in re.split(" {2,}", head) for head in heads) >= 1, name
    draw_comparison(result, tmp_path / "p.svg")
    picture = (tmp_path / "p.svg").read_text()
    assert "<!-- oracle -->" in picture
    assert "<!-- (oracle) -->" in picture


def test_pairs_of_one_heading_each_have_a_column():
    text = str(
        compare(
            {"a - b": placements(A), "c": placements(B), "a": placements(A), "b - c": placements(A)},
            placements(ANSWERS),
        )
    )
    assert sum(re.split(" {2,}", line).count("a - b - c") for line in text.splitlines()) == 2


def test_a_column_called_group_stands_beside_groups():
    ids = list(ANSWERS)
    difficulty = {"group": {i: "smooth" if i < 4 else "rough" for i in ids}}
    result = compare(rows(A, B), placements(ANSWERS), dict.fromkeys(ids, "g"), difficulty, columns=["group"])
    assert list(result.parts) == ["group", "(group)"]
    assert list(result.parts["group"]) == ["g"]
    assert list(result.parts["(group)"]) == ["rough", "smooth"]
    assert list(compare(rows(A, B), placements(ANSWERS), None, difficulty).parts) == ["group"]


def test_to_dict_is_json():
    result = compare(rows(A, B), placements(ANSWERS), dict.fromkeys(ANSWERS, "g"))
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["scores"]["a"]["metrics"]["total"]["value"] == result.scores["a"].total
    assert data["pairs"][0]["hits"]["image"]["only_first"] == 1
    assert tuple(data["pairs"][0]["intervals"]["total"]) == result.pairs[0].intervals["total"]
    assert data["parts"]["group"]["g"]["oracle"]["metrics"] == data["oracle"]["metrics"]
    assert data["oracle_gain"]["over"] == "b"


def test_what_cannot_be_compared():
    with pytest.raises(MatcherError, match="two or more"):
        compare(rows(A), placements(ANSWERS))
    with pytest.raises(MatcherError, match="b: no patch id of the 6 answers"):
        compare(rows(A, {77: (1, 1, 1)}), placements(ANSWERS))
    with pytest.raises(MatcherError, match=r"submissions: a mapping of name to .*, not list"):
        compare(["a.csv", "b.csv"], placements(ANSWERS))
    for difficulty in (5, {"cloud": 5}):
        with pytest.raises(MatcherError, match="difficulty: a path or a mapping of column to"):
            compare(rows(A, B), placements(ANSWERS), difficulty=difficulty)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_picture(tmp_path, ending):
    groups = dict.fromkeys([1, 2, 3], "$x_") | dict.fromkeys([4, 5, 6], "_y")
    named = {"_first": placements(A), "cost in $": placements(B)}
    out = tmp_path / f"picture.{ending}"
    draw_comparison(compare(named, placements(ANSWERS), groups), out)
    assert out.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
    assert list(tmp_path.iterdir()) == [out]


def test_picture_without_matplotlib_or_of_another_form(tmp_path, monkeypatch):
    result = compare(rows(A, B), placements(ANSWERS))
    with pytest.raises(SettingsError, match=r"ends in \.png"):
        draw_comparison(result, tmp_path / "picture.bmp")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MatcherError, match=r"pip install 'satellite-patch-matcher\[plot\]'"):
        draw_comparison(result, tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_read_columns(tmp_path):
    path = tmp_path / "difficulty.csv"
    path.write_text("Patch ID,texture,season gap\n3, 0.5,90\n4,0.25,\n")
    assert read_columns(path) == {"texture": {3: "0.5", 4: "0.25"}, "season gap": {3: "90", 4: ""}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected a header"),
        ("1,2\n", "line 1: expected a header"),
        ("Patch ID\n1\n", "line 1: expected a header"),
        ("Patch ID,a,a\n1,2,3\n", "a name of its own"),
        ("Patch ID,a\n", "no row below its header"),
        ("Patch ID,a\n1,2,3\n", "line 2: expected a patch id and 1 more cells"),
        ("Patch ID,a\nx,2\n", "line 2: expected a patch id"),
        ("Patch ID,a\n1,2\n1,3\n", "line 3: patch 1 stands"),
    ],
)
def test_columns_that_cannot_be_read(tmp_path, text, said):
    path = tmp_path / "difficulty.csv"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        read_columns(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


MANIFEST = """Patch ID,place,group,file,target date,patch date,gap,row,column,tile row,tile column,season gap,cloud,size
1,a,x,/f/a.npz,2019-01-01,2020-01-01,365,10,20,0,0,0,0.5,64
2,a,x,/f/a.npz,2019-01-01,2020-07-01,547,30,20,0,0,182,0.0,64
3,a,x,/f/a.npz,2019-01-01,2020-01-01,365,50,20,0,0,0,0.0,64
4,b,y,/f/b.npz,2019-01-01,2020-07-01,547,70,20,0,0,182,0.0,64
"""


def test_a_manifest_is_grouped_by_what_is_difficult(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(MANIFEST)
    answers = placements({k: ANSWERS[k] for k in range(1, 5)})
    result = compare(rows(A, B), answers, difficulty=path, resamples=20)
    assert list(result.parts) == ["group", "gap", "season gap", "cloud"]  # all are of one size
    result = compare(rows(A, B), answers, difficulty=path, columns=("place", "size"), resamples=20)
    assert list(result.parts) == ["place", "size"]
    with pytest.raises(MatcherError, match=r"no column 'season'; it has place, group"):
        compare(rows(A, B), answers, difficulty=path, columns=("season",))


def test_a_blank_column_is_passed_over():
    """A manifest of series without groups has a column of them all the same."""
    blank = {"group": dict.fromkeys(ANSWERS, "")}
    assert compare(rows(A, B), placements(ANSWERS), difficulty=blank).parts == {}
