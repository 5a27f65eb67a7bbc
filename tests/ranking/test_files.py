"""Rankings in files: read in any order, written in every form, refused where they do not fit."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.errors import MatcherError, SettingsError
from matcher.placements import Placements
from matcher.ranking.files import aligned, read_ranking, write_ranking
from matcher.ranking.rankings import standing
from matcher.ranking.trec import read_qrels, write_qrels
from tests.ranking.test_ranking import placed, ranking_of, windows_of


@pytest.mark.parametrize("ending", [".npz", ".parquet", ".run"])
@pytest.mark.parametrize("windows", [False, True])
def test_what_is_written_is_read(tmp_path, ending, windows):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    ranking = ranking_of([[3, 4, 5], [4, 3, -1]], [[0.1, -5, -7.25], [8, 7, -np.inf]])
    if windows:
        ranking = windows_of([[9, 5], [9.1, 5]], [[[0, 4], [4, 4]], [[0, 0], [8, 8]]], [[3, 3], [4, 3]])
    path = tmp_path / f"ranking{ending}"
    write_ranking(ranking, path)
    read = read_ranking(path)
    np.testing.assert_array_equal(read.ids, ranking.ids)
    np.testing.assert_array_equal(read.image, ranking.image)
    np.testing.assert_array_equal(read.score.astype(np.float32), ranking.score)
    if windows:
        np.testing.assert_array_equal(read.corner, ranking.corner)
    if ending != ".run":
        np.testing.assert_array_equal(read.x[ranking.image >= 0], ranking.x[ranking.image >= 0])
        assert read.placed
        assert (read.grid is None) == (ranking.grid is None)


def test_candidates_may_stand_in_any_order_and_ties_go_to_the_lower_image(tmp_path):
    np.savez(
        tmp_path / "r.npz", ids=[7, 5], image=[[4, 3, -1], [9, 2, 6]], score=[[1, 1, 5], [0, -np.inf, 3]]
    )
    read = read_ranking(tmp_path / "r.npz")
    assert read.ids.tolist() == [7, 5]
    assert read.image.tolist() == [[3, 4], [6, 9]]
    assert read.score.tolist() == [[1, 1], [3, 0]]
    assert not read.placed
    assert (read.x == -1).all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"ids": [0, 1], "image": [[3], [4]]}, "has no array 'score'"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1.0]]}, "expected"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1.0], [np.nan]]}, "NaN"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1.0], [np.inf]]}, r"\+inf"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [["high"], ["low"]]}, "real numbers"),
        ({"ids": [0, 1], "image": [[3], [4]], "score": [[1 + 2j], [2.0]]}, "real numbers"),
        (
            {
                "ids": [0, 1],
                "image": [[3], [4]],
                "score": np.array([["2026-01-01"], ["2026-01-02"]], "M8[D]"),
            },
            "real numbers",
        ),
        (
            {"ids": np.array([0, 2**63], np.uint64), "image": [[3], [4]], "score": [[1.0], [2.0]]},
            "beyond int64",
        ),
        ({"ids": [0, 0], "image": [[3], [4]], "score": [[1.0], [2.0]]}, "a patch twice"),
        (
            {"ids": [0, 1], "image": [[3, 3], [4, 5]], "score": [[1.0, 2], [2.0, 3]]},
            "patch 0 has the candidate 3 twice",
        ),
        ({"ids": [0, 1], "image": [[3], [-1]], "score": [[1.0], [2.0]]}, "no finite score of patch 1"),
        ({"ids": [0.5, 1], "image": [[3], [4]], "score": [[1.0], [2.0]]}, "whole numbers"),
    ],
)
def test_archives_that_do_not_fit(tmp_path, arrays, said):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(MatcherError, match=said) as error:
        read_ranking(tmp_path / "bad.npz")
    assert "bad.npz" in str(error.value)


def test_parquet_that_does_not_fit(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for columns, said in [
        ({"patch_id": [0, 1], "image_id": [3, 4]}, "no column 'score'"),
        ({"patch_id": [0, None], "image_id": [3, 4], "score": [1.0, 2.0]}, "gaps"),
        ({"patch_id": [0, 0], "image_id": [3, 3], "score": [1.0, 2.0]}, "twice"),
    ]:
        parquet.write_table(pyarrow.table(columns), tmp_path / "bad.parquet")
        with pytest.raises(MatcherError, match=said):
            read_ranking(tmp_path / "bad.parquet")
    (tmp_path / "no.parquet").write_bytes(b"nothing")
    with pytest.raises(MatcherError, match="cannot be read as Parquet"):
        read_ranking(tmp_path / "no.parquet")
    with pytest.raises(MatcherError, match=r"\.parquet"):
        write_ranking(ranking_of([[3]], [[1]]), tmp_path / "top.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 Q0 3 1 0.5\n", "line 1: expected 'patch Q0 candidate rank score tag'"),
        ("1 Q0 3 1 0.5 t\nx Q0 3 1 0.5 t\n", "line 2: 'x' is not a patch id"),
        ("1 Q0 d7 1 0.5 t\n", "line 1: 'd7' is no candidate"),
        ("1 Q0 3 1 much t\n", "line 1: 'much' is not a score"),
        ("1 Q0 3 1 inf t\n", r"bad\.run: has a score that is \+inf"),
        ("1 Q0 3 1 nan t\n", r"bad\.run: has a score that is NaN"),
        ("1 Q0 3 1 0.5 t\n1 Q0 3_0_0 1 0.5 t\n", "line 2: ranks images and windows"),
        ("\n", "has no line"),
    ],
)
def test_runs_that_do_not_fit(tmp_path, text, said):
    (tmp_path / "bad.run").write_text(text)
    with pytest.raises(MatcherError, match=said):
        read_ranking(tmp_path / "bad.run")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "a.run").write_bytes(b"\xef\xbb\xbf1 Q0 3 1 0.5 t\n")
    (tmp_path / "a.qrels").write_bytes(b"\xef\xbb\xbf1 0 3 1\n")
    assert read_ranking(tmp_path / "a.run").ids.tolist() == [1]
    assert read_qrels(tmp_path / "a.qrels").ids.tolist() == [1]


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_no_candidates_are_not_written(tmp_path, top):
    with pytest.raises(SettingsError, match=f"top {top}: give"):
        write_ranking(ranking_of([[3, 4]], [[2, 1]]), tmp_path / "r.npz", top)
    assert not (tmp_path / "r.npz").exists()


def test_qrels(tmp_path):
    path = tmp_path / "a.qrels"
    write_qrels(placed([3, 9]), path)
    assert path.read_text() == "0 0 3 1\n1 0 9 1\n"
    read = read_qrels(path)
    assert read.image.tolist() == [3, 9]
    assert read.x.tolist() == [-1, -1]
    path.write_text("0 0 3 0\n0 0 5 2\n")
    assert read_qrels(path).image.tolist() == [5]
    for text, said in [
        ("0 0 3 1\n0 0 4 1\n", "line 2: one relevant"),
        ("0 0 3 0\n", "patch 0 has no relevant"),
    ]:
        path.write_text(text)
        with pytest.raises(MatcherError, match=said):
            read_qrels(path)


def test_a_candidate_left_out_gets_its_patchs_least():
    ranking = ranking_of([[3, 4, -1], [4, 3, 5]], [[2, 1, -np.inf], [2, 1, 0]])
    other = ranking_of([[4, 9, 3], [3, 4, -1]], [[8, 6, 5], [0.5, 0.25, -np.inf]])
    assert aligned(other, ranking).tolist() == [[5, 8, -np.inf], [0.25, 0.5, 0.25]]
    with pytest.raises(MatcherError, match="no scores of patch 1"):
        aligned(replace(other, ids=np.array([0, 4])), ranking)
    with pytest.raises(MatcherError, match="ranks images, and the ranking windows"):
        aligned(other, windows_of([[9]], [[[0, 0]]], [[3]]))


@pytest.mark.parametrize("windows", [False, True])
def test_ranks_and_precisions_are_those_of_ir_measures(tmp_path, windows):
    measures = pytest.importorskip("ir_measures")
    rng = np.random.default_rng(4)
    image = np.argsort(rng.random((40, 12)), 1)
    ranking = ranking_of(image, -np.sort(-rng.normal(size=image.shape), 1))
    truth = Placements(np.arange(40), rng.integers(0, 12, 40), np.zeros(40, int), np.zeros(40, int))
    if windows:
        corner = np.stack(np.unravel_index(np.argsort(rng.random((40, 16)), 1), (4, 4)), -1) * 4
        ranking = windows_of(-np.sort(-rng.normal(size=(40, 16)), 1), corner[:, :9], np.full((40, 9), 3))
        truth = Placements(np.arange(40), np.full(40, 3), *rng.integers(0, 13, (2, 40)))
    write_ranking(ranking, tmp_path / "r.run")
    write_qrels(truth, tmp_path / "q.qrels", ranking)
    run = list(measures.read_trec_run(str(tmp_path / "r.run")))
    qrels = list(measures.read_trec_qrels(str(tmp_path / "q.qrels")))
    found = standing(ranking, truth)
    if windows:
        theirs = {m.query_id: m.value for m in measures.iter_calc([measures.AP], qrels, run)}
        assert [theirs[str(k)] for k in range(40)] == pytest.approx(found.precision.tolist())
        return
    theirs = measures.calc_aggregate(
        [measures.RR, measures.R @ 1, measures.R @ 5, measures.R @ 10], qrels, run
    )
    assert theirs[measures.RR] == pytest.approx((1 / found.rank).mean())
    for k in (1, 5, 10):
        assert theirs[measures.R @ k] == pytest.approx((found.rank <= k).mean())
    # mAP of images is that of the run turned round: images are the queries, patches the documents.
    turned = [measures.ScoredDoc(d.doc_id, d.query_id, d.score) for d in run]
    asked = [measures.Qrel(q.doc_id, q.query_id, q.relevance) for q in qrels]
    by_image = [found.precision[truth.image == k].mean() for k in np.unique(truth.image)]
    assert measures.calc_aggregate([measures.AP], asked, turned)[measures.AP] == pytest.approx(
        np.mean(by_image)
    )
