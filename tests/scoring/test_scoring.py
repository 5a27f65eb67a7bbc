"""The official score and its intervals, against hand-worked numbers and the naive twin."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.errors import MatcherError, SettingsError
from matcher.placements import Placements
from matcher.scoring import OFFICIAL_RADIUS, compare, score
from matcher.scoring.bootstrap import draw_images, percentile_interval, resampled_means
from matcher.scoring.comparison import compare_judged
from matcher.scoring.judge import METRICS, first_few, judge, official_points
from matcher.scoring.table import columns_of, interval_cell
from tests.naive import naive_image_bootstrap, naive_percentile, naive_scores


def placements(rows):
    """{id: (image, x, y)} as Placements, in the dict's order."""
    ids = np.array(list(rows), np.int64)
    columns = np.array(list(rows.values()), np.int64).reshape(-1, 3)
    return Placements(ids, *(columns[:, k].copy() for k in range(3)))


# Patch 1 is exact, 2 is 3-4-5 off, 3 is in the wrong image, 4 is 1 px off, 5 is farther off than R.
ANSWERS = {1: (7, 10, 20), 2: (7, 100, 200), 3: (8, 0, 0), 4: (8, 448, 448), 5: (9, 0, 0)}
SUBMISSION = {1: (7, 10, 20), 2: (7, 103, 204), 3: (7, 0, 0), 4: (8, 448, 447), 5: (9, 300, 300)}

places = st.tuples(st.integers(0, 3), st.integers(0, 448), st.integers(0, 448))


@st.composite
def challenges(draw):
    answers = draw(st.dictionaries(st.integers(0, 99), places, min_size=1, max_size=20))
    submission = {}
    for patch, (image, x, y) in answers.items():
        near = st.tuples(st.just(image), st.integers(x - 5, x + 5), st.integers(y - 5, y + 5))
        said = draw(st.one_of(st.none(), places, near, st.just((image, x, y))))
        if said is not None:
            submission[patch] = said
    first = next(iter(answers))
    submission.setdefault(first, draw(places))
    return submission, answers


def test_radius():
    assert pytest.approx(90.50966799187809) == OFFICIAL_RADIUS


@pytest.mark.parametrize(
    ("distance", "points"),
    [
        (0, 1.0),
        (1, 0.5 + 0.5 * (1 - 1 / 90.50966799187809)),
        (8, 0.9558058261758408),  # 1 - 8 / (128 sqrt 2) = 1 - 1 / (16 sqrt 2)
        (32 * math.sqrt(2), 0.75),
        (64 * math.sqrt(2), 0.5),
        (500, 0.5),
        (math.inf, 0.0),
    ],
)
def test_points_of_a_patch(distance, points):
    assert official_points(distance) == pytest.approx(points, abs=1e-15)


def test_worked_example():
    # sum of points: 1 + (1 - 5 / (128 sqrt 2)) + 0 + (1 - 1 / (128 sqrt 2)) + 0.5 = 3.5 - 6 / 181.0193
    result = score(placements(SUBMISSION), placements(ANSWERS))
    assert result.total == pytest.approx((3.5 - 6 / 181.01933598375618) / 5, abs=1e-15)
    assert result.image == 4 / 5
    assert result.within == {0: 1 / 5, 1: 2 / 5, 2: 2 / 5, 4: 2 / 5}
    assert result.slides == pytest.approx((4 / 5 + 1 / 5) / 2)
    assert (result.n_patches, result.n_images) == (5, 3)
    assert result.few_images
    assert result.missing == result.extra == ()


def test_missing_ids_earn_nothing_and_extra_ids_do_not_count():
    submission = {1: SUBMISSION[1], 77: (7, 0, 0), 66: (7, 1, 1)}
    result = score(placements(submission), placements(ANSWERS))
    assert result.total == pytest.approx(1 / 5)
    assert result.missing == (2, 3, 4, 5)
    assert result.extra == (66, 77)
    text = str(result)
    assert "missing: 4 ids, counted as 0 (2, 3, 4, 5)" in text
    assert "extra: 2 ids without an answer, left out (66, 77)" in text


def test_a_missing_patch_is_wrong_even_where_the_answer_is_image_minus_one():
    answers = {1: (-1, -1, -1), 2: (3, 0, 0)}
    assert score(placements({2: (3, 0, 0)}), placements(answers)).total == 0.5


def test_what_is_not_said_stands_as_minus_one():
    judged = judge(placements({1: SUBMISSION[1]}), placements(ANSWERS))
    for column, said in ((judged.image, 7), (judged.x, 10), (judged.y, 20)):
        assert column.tolist() == [said, -1, -1, -1, -1]


def test_ids_are_told_up_to_the_fifth():
    assert first_few(range(5)) == "0, 1, 2, 3, 4"
    assert first_few(range(6)) == "0, 1, 2, 3, 4, ..."
    assert first_few([7], shown=1) == "7"


def test_groups_are_scored_apart():
    groups = {1: "city", 2: "city", 3: "sea", 4: "sea"}
    result = score(placements(SUBMISSION), placements(ANSWERS), groups)
    assert list(result.groups) == ["(no group)", "city", "sea"]
    assert result.groups["city"].image == 1.0
    assert result.groups["sea"].image == 0.5
    assert result.groups["(no group)"].total == 0.5
    part = {i: ANSWERS[i] for i in (1, 2)}
    alone = score(placements(SUBMISSION), placements(part))
    assert alone.total == result.groups["city"].total
    assert alone.intervals == result.groups["city"].intervals
    assert result.groups["city"].extra == ()


def test_a_group_called_as_those_of_none_is_another():
    groups = {1: "(no group)", 2: "(no group)", 3: "sea"}
    result = score(placements(SUBMISSION), placements(ANSWERS), groups)
    assert {name: part.n_patches for name, part in result.groups.items()} == {
        "(no group)": 2,
        "((no group))": len(ANSWERS) - 3,
        "sea": 1,
    }


def test_missing_ids_are_told_by_group():
    result = score(
        placements({1: SUBMISSION[1]}), placements(ANSWERS), dict.fromkeys(range(1, 5), "a") | {5: "b"}
    )
    assert result.groups["a"].missing == (2, 3, 4)
    assert result.groups["b"].missing == (5,)


@settings(deadline=None, max_examples=60)
@given(challenges())
def test_agrees_with_the_naive_twin(challenge):
    submission, answers = challenge
    result = score(placements(submission), placements(answers), resamples=20)
    expected = naive_scores(submission, answers)
    assert {m: result.value(m) for m in METRICS} == pytest.approx(expected, abs=1e-12)
    assert all(0 <= result.value(m) <= 1 for m in METRICS)
    assert list(result.within.values()) == sorted(result.within.values())
    assert result.within[4] <= result.image
    assert result.image / 2 <= result.total + 1e-12
    assert result.total <= result.image + 1e-12


@settings(deadline=None, max_examples=40)
@given(challenges(), st.randoms())
def test_order_of_rows_does_not_matter(challenge, random):
    submission, answers = challenge
    before = score(placements(submission), placements(answers), resamples=20)
    shuffled = []
    for rows in challenge:
        items = list(rows.items())
        random.shuffle(items)
        shuffled.append(placements(dict(items)))
    assert score(*shuffled, resamples=20) == before


@settings(deadline=None, max_examples=40)
@given(challenges())
def test_symmetric_in_x_and_y_and_order_option(challenge):
    submission, answers = challenge
    turned = [{i: (image, y, x) for i, (image, x, y) in rows.items()} for rows in challenge]
    before = score(placements(submission), placements(answers), resamples=20)
    assert score(placements(turned[0]), placements(turned[1]), resamples=20) == before
    assert score(placements(submission), placements(turned[1]), xy_order="yx", resamples=20) == before


@settings(deadline=None, max_examples=20)
@given(challenges())
def test_answers_scored_against_themselves_are_perfect(challenge):
    answers = placements(challenge[1])
    result = score(answers, answers, resamples=20)
    assert all(result.value(m) == 1.0 for m in METRICS)
    assert all(result.intervals[m] in (None, (1.0, 1.0)) for m in METRICS)


@settings(deadline=None, max_examples=15)
@given(challenges(), st.integers(0, 2**32))
def test_intervals_agree_with_a_loop_over_the_same_draws(challenge, seed):
    submission, answers = challenge
    result = score(placements(submission), placements(answers), resamples=41, seed=seed)
    if result.n_images == 1:
        assert set(result.intervals.values()) == {None}
        return
    draws = np.concatenate(list(draw_images(result.n_images, 41, seed)))
    means = naive_image_bootstrap(submission, answers, draws.tolist())
    for metric in METRICS:
        column = [row[metric] for row in means]
        low, high = naive_percentile(column, 0.025), naive_percentile(column, 0.975)
        assert result.intervals[metric] == pytest.approx((low, high), abs=1e-12)


def test_draws_do_not_depend_on_the_size_of_blocks(monkeypatch):
    whole = np.concatenate(list(draw_images(7, 101, 5)))
    monkeypatch.setattr("matcher.scoring.bootstrap._DRAWN_AT_ONCE", 30)
    blocks = list(draw_images(7, 101, 5))
    assert len(blocks) > 20
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_patches_of_one_image_count_as_one_draw():
    # Forty images, all of whose patches are alike: the spread must be that of 40 draws, not of 2,000.
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(40) < 0.5, 50)
    image = np.repeat(np.arange(40), 50)
    means = resampled_means(right[:, None].astype(float), image, 4000, 0)[:, 0]
    share = right.mean()
    assert means.std() == pytest.approx(math.sqrt(share * (1 - share) / 40), rel=0.05)
    low, high = percentile_interval(means, 40)
    assert low < share < high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        values = rng.normal(0.6, 0.1, (60, 1)).repeat(4, axis=0) + rng.normal(0, 0.05, (240, 1))
        means = resampled_means(values, np.repeat(np.arange(60), 4), 300, trial)[:, 0]
        low, high = percentile_interval(means, 60)
        covered += low <= 0.6 <= high
    assert 180 <= covered <= 199


def test_seed_decides_the_intervals_and_nothing_else():
    rng = np.random.default_rng(0)
    answers = {i: (i % 20, 0, 0) for i in range(200)}
    submission = {i: (i % 20 if rng.random() < 0.7 else 99, 0, 0) for i in range(200)}
    first, again, other = (score(placements(submission), placements(answers), seed=s) for s in (4, 4, 5))
    assert first == again
    assert first.intervals != other.intervals
    assert first.total == other.total
    assert not first.few_images


def test_two_thousand_draws_of_seed_0_where_nothing_is_said():
    """As the documents tell."""
    answers = {i: (i % 20, 0, 0) for i in range(40)}
    submission = placements({i: (i % 20 if i % 3 else 99, i % 7, 0) for i in range(40)})
    told = {"resamples": 2000, "seed": 0}
    assert score(submission, placements(answers)) == score(submission, placements(answers), **told)
    two = {"a": submission, "b": placements(answers)}
    by_default, by_hand = compare(two, placements(answers)), compare(two, placements(answers), **told)
    assert by_default.to_dict() == by_hand.to_dict()
    judged = {name: judge(one, placements(answers)) for name, one in two.items()}
    assert compare_judged(judged).to_dict() == by_hand.to_dict()


@pytest.mark.parametrize(("count", "few"), [(9, True), (10, False)])
def test_fewer_than_ten_images_are_few(count, few):
    answers = placements({i: (i, 0, 0) for i in range(count)})
    assert score(answers, answers, resamples=5).few_images == few
    compared = compare({"a": answers, "b": answers}, answers, resamples=5)
    assert compared.few_images == few
    assert ("(few images)" in str(compared)) == few


def test_one_image_has_no_interval():
    result = score(placements({1: (1, 0, 0), 2: (1, 0, 0)}), placements({1: (1, 0, 0), 2: (1, 0, 1)}))
    assert result.intervals["total"] is None
    assert "[no interval]" in str(result)


def test_table():
    text = str(score(placements(SUBMISSION), placements(ANSWERS), {i: f"group {i}" for i in ANSWERS}))
    lines = text.splitlines()
    assert lines[0].split("  ")[-1].strip() == "group 3"  # four columns a block
    assert sum(line.startswith("official score") for line in lines) == 2
    assert "(few images)" in text
    assert "within 0 px (SC_loc)" in text
    assert max(map(len, lines)) < 120


def test_columns_are_wrapped():
    columns = [("one", ["1", "22"]), ("longer", ["3", "4"]), ("last", ["5", "66666"])]
    assert columns_of(["a", "bbb"], columns, per_block=2) == [
        "     one  longer",
        "a    1    3",
        "bbb  22   4",
        "",
        "     last",
        "a    5",
        "bbb  66666",
    ]


def test_a_group_called_all_stands_beside_all():
    lines = str(
        score(placements(SUBMISSION), placements(ANSWERS), dict.fromkeys(ANSWERS, "all"))
    ).splitlines()
    assert lines[0].split() == ["(all)", "all"]


def test_cells():
    assert interval_cell(0.12345, (-0.0001, 0.5)) == "0.123 [0.000, 0.500]"
    assert interval_cell(0.12345, (-0.0001, 0.5), signed=True) == "+0.123 [+0.000, +0.500]"
    assert interval_cell(0.5, None) == "0.500 [no interval]"
    assert interval_cell(math.nan, (0, 1)) == "-"


def test_to_dict_is_json():
    result = score(placements(SUBMISSION), placements(ANSWERS), dict.fromkeys(ANSWERS, "all of them"))
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["metrics"]["total"]["value"] == result.total
    assert tuple(data["metrics"]["within_4"]["interval"]) == result.intervals["within_4"]
    assert data["groups"]["all of them"]["metrics"] == data["metrics"]
    assert data["few_images"] is True


def test_anything_with_the_four_arrays_will_do():
    rows = placements(SUBMISSION)
    result = SimpleNamespace(
        ids=list(rows.ids), image=rows.image.astype(np.int32), x=rows.x, y=rows.y, reason=None
    )
    assert score(result, placements(ANSWERS)) == score(rows, placements(ANSWERS))


def bad_placements():
    rows = placements(SUBMISSION)
    doubled = placements(SUBMISSION)
    doubled.ids[1] = 1
    return {
        "stand more than once (1)": doubled,
        "unlike length": SimpleNamespace(ids=rows.ids, image=rows.image, x=rows.x, y=rows.y[:2]),
        "give one row of integers": SimpleNamespace(ids=rows.ids, image=rows.image, x=rows.x * 0.5, y=rows.y),
        "beyond int64": SimpleNamespace(
            ids=rows.ids.astype(np.uint64) + 2**63, image=rows.image, x=rows.x, y=rows.y
        ),
        "a path, Placements or a Result": 7,
        "no patch id of the 5 answers": placements({50: (1, 1, 1)}),
    }


@pytest.mark.parametrize("message", list(bad_placements()))
def test_what_cannot_be_scored(message):
    with pytest.raises(MatcherError) as caught:
        score(bad_placements()[message], placements(ANSWERS))
    assert message in str(caught.value)


def test_no_answers():
    with pytest.raises(MatcherError, match="the answers have no rows"):
        judge(placements(SUBMISSION), placements({}))


def test_groups_that_do_not_fit():
    with pytest.raises(MatcherError, match="none of their 1 patch ids"):
        score(placements(SUBMISSION), placements(ANSWERS), {77: "a"})
    with pytest.raises(MatcherError, match="a path or a mapping"):
        score(placements(SUBMISSION), placements(ANSWERS), ["a"])


@pytest.mark.parametrize("options", [{"xy_order": "rc"}, {"resamples": 0}, {"seed": -1}])
def test_options_that_make_no_sense(options):
    with pytest.raises(SettingsError):
        score(placements(SUBMISSION), placements(ANSWERS), **options)
