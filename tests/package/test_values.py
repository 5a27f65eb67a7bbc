"""Results as values: short to print, equal by what they hold."""

import copy
import pickle

import numpy as np
import pytest
from affine import Affine

import matcher
from matcher.alignment.fits import Transform
from matcher.geo.place import Place
from matcher.locating.found import Places
from matcher.model import shipped
from matcher.result import Result
from matcher.verification.verifying import Verdicts

COUNT = 900
IDS = np.arange(COUNT)
RESULT = Result(
    IDS, IDS, IDS, IDS, np.full(COUNT, np.nan, np.float32), IDS, IDS / np.float32(7), IDS / np.float32(COUNT),
    ("weak",) * COUNT,
)  # fmt: skip
PLACE = Place("c" * 300, 1, "s.tif", 1.0, 2.0, Affine.identity(), (64, 64), None, 1.0, 0.0, 9.0, 0.5, "")
MANY = [
    RESULT,
    matcher.Placements(IDS, IDS, IDS, IDS),
    matcher.score(RESULT, matcher.Placements(IDS, IDS, IDS, IDS), groups={k: str(k // 30) for k in range(COUNT)}),
    matcher.compare({"a": RESULT, "b": RESULT}, matcher.Placements(IDS, IDS, IDS, IDS)),
    matcher.Pairs(np.zeros((9, 20, 20, 4)), np.ones((9, 20, 20, 4))),
    Transform("shift", np.zeros((3, 2)), left=np.zeros((COUNT, 2))),
    Verdicts(np.full(COUNT, np.nan), np.zeros((COUNT, 2), np.int64), np.zeros((COUNT, 2))),
    shipped(),
]  # fmt: skip


@pytest.mark.parametrize(
    "value", [*MANY, PLACE, Places([PLACE] * COUNT, None, None)], ids=lambda v: type(v).__name__
)
def test_a_result_is_short_to_print(value):
    told = repr(value)
    assert told.startswith(type(value).__name__)
    assert len(told) < 330
    assert "\n" not in told


def test_columns_are_told_by_their_ends():
    assert repr(MANY[1]) == (
        "Placements(900 rows, ids=[0, …, 899], image=[0, …, 899], x=[0, …, 899], y=[0, …, 899])"
    )
    one = np.array([7])
    assert (
        repr(matcher.Placements(one, one, one, one)) == "Placements(1 row, ids=[7], image=[7], x=[7], y=[7])"
    )
    none = np.zeros(0, np.int64)
    assert repr(matcher.Placements(none, none, none, none)) == "Placements(0 rows)"


@pytest.mark.parametrize("value", MANY, ids=lambda v: type(v).__name__)
def test_results_are_equal_where_all_they_hold_is(value):
    assert value == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))
    assert value != "another"
    with pytest.raises(TypeError, match=f"unhashable type: '{type(value).__name__}'"):
        hash(value)


def test_columns_are_handed_to_tables():
    """Those alone, without what a result knows beside them; and back."""
    columns = RESULT.naming(({0: "a.tif"}, {})).to_dict()
    assert list(columns) == [
        "ids", "image", "x", "y", "score", "runner_up_image", "runner_up_score", "confidence", "reason", "refused",
    ]  # fmt: skip
    assert {len(column) for column in columns.values()} == {COUNT}
    assert columns["confidence"] is RESULT.confidence
    assert Result(**columns) == RESULT
    (row,) = Places([PLACE], None, None).to_dicts()
    assert (row["row"], row["col"], row["lon"], row["confidence"]) == (1.0, 2.0, None, 0.5)
    assert set(MANY[1].to_dict()) == {"ids", "image", "x", "y"}


def test_placements_are_of_any_columns():
    """Lists, and what a table makes of whole numbers."""
    given = matcher.Placements([0, 1], (5, 5), np.array([2.0, 3.0]), np.array([1, 1], ">i2"))
    assert given == matcher.Placements(*(np.array(column) for column in ([0, 1], [5, 5], [2, 3], [1, 1])))
    assert {column.dtype for column in given.to_dict().values()} == {np.dtype(np.int64)}
    assert matcher.Placements(IDS, IDS, IDS, IDS).x is IDS


@pytest.mark.parametrize(
    "x",
    [
        [0.5, 1],
        [np.nan, 1],
        [np.inf, 1],
        ["a", "b"],
        [True, False],
        3,
        [[1, 2], [3]],
        [[1], [2]],
        None,
        [1e300, 1],
        np.array([2**63, 1], np.uint64),
    ],
)
def test_placements_of_no_whole_numbers(x):
    with pytest.raises(matcher.MatcherError, match=r"^x .*: give whole numbers, one a patch"):
        matcher.Placements([0, 1], [5, 5], x, [1, 1])


def test_placements_of_unlike_length():
    with pytest.raises(matcher.MatcherError, match="have 2 of ids, 2 of image, 1 of x, 2 of y"):
        matcher.Placements([0, 1], [5, 5], [2], [1, 1])


def test_results_differ_where_one_value_does():
    x = IDS.copy()
    x[5] += 1
    assert matcher.Placements(IDS, IDS, x, IDS) != MANY[1]
    assert matcher.Placements(IDS[:5], IDS[:5], IDS[:5], IDS[:5]) != MANY[1]
    assert MANY[1] != RESULT
    assert RESULT.refuse(0.5) != RESULT
    scores = [matcher.score(MANY[1], MANY[1], resamples=10, seed=seed) for seed in (1, 2, 1)]
    assert scores[0] == scores[2]
    assert scores[0] != scores[1]
