"""Submissions side by side: their scores, their paired differences, and what all of them together know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.placements import Placements
from matcher.scoring.bootstrap import FEW_IMAGES, percentile_interval, resampled_means
from matcher.scoring.facets import MOST_LABELS, Facet, Values, facet_of
from matcher.scoring.judge import LABELS, METRICS, Judged, Placed, judge, load_placements
from matcher.scoring.pair import HITS, SAME_PLACE, Pair, pair_of
from matcher.scoring.summary import (
    SCORE_ROWS,
    Groups,
    Interval,
    Score,
    check_draws,
    labels_of,
    listed,
    load_groups,
    score_column,
    score_of,
)
from matcher.scoring.table import columns_of, interval_cell

Difficulty: TypeAlias = Mapping[str, Values] | str | PathLike[str]
"""For every column the value of every patch id, or the path of a CSV file of such columns."""


@dataclass(frozen=True)
class Comparison:
    """Submissions side by side on the same answers.

    Attributes
    ----------
    scores : dict of str to Score
        By name, in the order given; as `matcher.score` gives them, groups apart.
    oracle : Score
        Of taking, for every patch, the best of the submissions: what a perfect choice among them would reach.
    oracle_gain : float, with oracle_gain_interval
        The oracle's official score less that of the best submission.
    pairs : tuple of Pair
        Every two of them.
    best_alone : dict of str to float
        Share of patches where this one earns more points than every other.
    right_in : tuple of float
        Shares of patches whose image exactly 0, 1, ... of the submissions have right.
    parts : dict of str to dict of str to Comparison
        For every facet (the groups as "group", each column of difficulty), the comparison of each label's
        patches. With many labels some differ by chance: one in twenty intervals leaves out the truth.
    left_out : tuple of str
        Columns of difficulty with too many labels to tell apart.
    """

    scores: dict[str, Score]
    oracle: Score
    oracle_gain: float
    oracle_gain_interval: Interval
    pairs: tuple[Pair, ...]
    best_alone: dict[str, float]
    right_in: tuple[float, ...]
    parts: "dict[str, dict[str, Comparison]]" = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        """The name of highest official score; the first given of equals."""
        return max(self.scores, key=lambda name: self.scores[name].total)

    @property
    def few_images(self) -> bool:
        """Whether there are so few images (below 10) that the intervals are rough guesses."""
        return self.oracle.n_images < FEW_IMAGES

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, fit for JSON."""
        return {
            "scores": {name: score.to_dict() for name, score in self.scores.items()},
            "oracle": self.oracle.to_dict(),
            "oracle_gain": {
                "over": self.best,
                "value": self.oracle_gain,
                "interval": listed(self.oracle_gain_interval),
            },
            "pairs": [pair.to_dict() for pair in self.pairs],
            "best_alone": self.best_alone,
            "right_in": list(self.right_in),
            "parts": {
                facet: {label: part.to_dict() for label, part in labels.items()}
                for facet, labels in self.parts.items()
            },
            "left_out": list(self.left_out),
        }

    def notes(self) -> list[str]:
        """Sentences on ids that do not fit and on columns left out."""
        notes = [f"{name}: {note}" for name, score in self.scores.items() for note in score.notes()]
        if self.left_out:
            notes.append(f"left out, with more than {MOST_LABELS} labels: {', '.join(self.left_out)}")
        return notes

    def __str__(self) -> str:
        return _text(self)


def compare(
    submissions: Mapping[str, Placed],
    answers: Placed,
    groups: Groups | None = None,
    difficulty: Difficulty | None = None,
    *,
    xy_order: str = "xy",
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two or more submissions on the same answers.

    Parameters
    ----------
    submissions : mapping of name to Placements, Result or path
    answers, groups, xy_order, resamples, seed
        As of `matcher.score`.
    difficulty : mapping of column to mapping of patch id to value, or path, optional
        What else to tell patches apart by, such as texture, cloud, days between the dates. Text is taken as
        labels, numbers are cut into thirds.

    Raises
    ------
    MatcherError
        Fewer than two submissions, or what `matcher.score` raises; the message names the submission.
    """
    check_draws(resamples, seed)
    if len(submissions) < 2:
        raise MatcherError(f"{len(submissions)} submissions: give two or more to compare")
    truth = load_placements(answers, "the answers", xy_order)
    judged = {name: _judged(name, source, truth) for name, source in submissions.items()}
    ids = next(iter(judged.values())).ids
    facets, left_out = _facets(ids, groups, difficulty)
    parts = {
        facet.name: {
            label: _compared({n: j.part(facet.labels == label) for n, j in judged.items()}, resamples, seed)
            for label in facet.order
        }
        for facet in facets
    }
    return _compared(judged, resamples, seed, parts=parts, left_out=left_out)


def _judged(name: str, source: Placed, truth: Placements) -> Judged:
    placements = load_placements(source, name)
    try:
        return judge(placements, truth)
    except MatcherError as error:
        raise MatcherError(f"{name}: {error}") from None


def _facets(
    ids: NDArray[np.int64], groups: Groups | None, difficulty: Difficulty | None
) -> tuple[list[Facet], tuple[str, ...]]:
    """The ways to tell patches apart, and the names of columns that have too many labels."""
    facets, left_out = [], []
    if groups is not None:
        labels = labels_of(ids, load_groups(groups))
        facets.append(Facet("group", labels, tuple(np.unique(labels).tolist())))
    if isinstance(difficulty, str | PathLike):
        from matcher.formats.columns import read_columns

        difficulty = read_columns(difficulty)
    for name, values in (difficulty or {}).items():
        facet = facet_of(name, ids, values)
        if facet is None:
            left_out.append(name)
        elif groups is None or name != "group":
            facets.append(facet)
    return facets, tuple(left_out)


def _compared(judged: Mapping[str, Judged], resamples: int, seed: int, **rest: Any) -> Comparison:
    """One comparison, all of whose intervals come from the same draws of images."""
    names = list(judged)
    tables = np.stack([one.table() for one in judged.values()])
    # A patch's metrics all grow as its corner comes nearer, so the best of each is the best submission's row.
    tables = np.concatenate([tables, tables.max(axis=0, keepdims=True)])
    image = judged[names[0]].true_image
    n_images = len(np.unique(image))
    flat = tables.transpose(1, 0, 2).reshape(len(image), -1)
    draws = resampled_means(flat, image, resamples, seed).reshape(resamples, len(tables), len(METRICS))
    scores = {
        name: score_of(
            tables[k],
            image,
            draws[:, k],
            missing=tuple(one.missing.tolist()),
            extra=tuple(one.extra.tolist()),
            seed=seed,
        )
        for k, (name, one) in enumerate(judged.items())
    }
    oracle = score_of(tables[-1], image, draws[:, -1], seed=seed)
    best = int(np.argmax([score.total for score in scores.values()]))
    points = tables[:-1, :, METRICS.index("total")]
    right_in = np.bincount(
        tables[:-1, :, METRICS.index("image")].sum(axis=0).astype(int), minlength=len(names) + 1
    )
    return Comparison(
        scores=scores,
        oracle=oracle,
        oracle_gain=oracle.total - scores[names[best]].total,
        oracle_gain_interval=percentile_interval(draws[:, -1, 0] - draws[:, best, 0], n_images),
        pairs=tuple(
            pair_of(
                (names[i], names[j]), (judged[names[i]], judged[names[j]]), tables[[i, j]], draws[:, [i, j]]
            )
            for i, j in combinations(range(len(names)), 2)
        ),
        best_alone=dict(zip(names, _best_alone(points), strict=True)),
        right_in=tuple((right_in / len(image)).tolist()),
        **rest,
    )


def _best_alone(points: NDArray[np.float64]) -> Sequence[float]:
    """Share of patches where each row of `points`, shape (submissions, n), is above all others."""
    top = points == points.max(axis=0)
    shares: list[float] = (top & (top.sum(axis=0) == 1)).mean(axis=1).tolist()
    return shares


def _text(comparison: Comparison) -> str:
    """Tables of scores, of paired differences and of every part, and what they come to."""
    names = list(comparison.scores)
    columns = {name: score_column(score) for name, score in comparison.scores.items()}
    lines = columns_of(SCORE_ROWS, columns | {"oracle": score_column(comparison.oracle)})
    gain = interval_cell(comparison.oracle_gain, comparison.oracle_gain_interval, signed=True)
    lines += [
        "",
        f"the oracle takes the best for every patch; over {comparison.best}: {gain}",
        "image right in "
        + ", ".join(f"{k} of {len(names)}: {s:.3f}" for k, s in enumerate(comparison.right_in)),
        "more points than every other: "
        + ", ".join(f"{n} {s:.3f}" for n, s in comparison.best_alone.items()),
        "",
        "Paired differences (first less second)",
        *_pair_lines(comparison.pairs),
        "p takes patches for independent; where they share images, trust the intervals, which do not",
    ]
    for facet, parts in comparison.parts.items():
        lines += ["", f"Official score by {facet}", *_part_lines(parts), *_verdicts(parts)]
    return "\n".join([*lines, *comparison.notes()])


def _pair_lines(pairs: tuple[Pair, ...]) -> list[str]:
    rows = [
        *(LABELS[metric] for metric in METRICS),
        *(f"only one hits, {LABELS[metric]}" for metric in HITS),
        "more points in",
        "same image",
        f"same place, within {SAME_PLACE} px",
        "same wrong image",
    ]
    columns = {}
    for pair in pairs:
        tests = [pair.hits[metric] for metric in HITS]
        columns[f"{pair.first} - {pair.second}"] = [
            *(interval_cell(pair.differences[m], pair.intervals[m], signed=True) for m in METRICS),
            *(f"{t.only_first} / {t.only_second}  {_p('p', t.exact)}, {_p('mid-p', t.mid_p)}" for t in tests),
            f"{pair.first_better:.3f} / {pair.second_better:.3f}",
            *(f"{share:.3f}" for share in (pair.same_image, pair.same_place, pair.same_mistake)),
        ]
    return columns_of(rows, columns, per_block=2)


def _part_lines(parts: dict[str, Comparison]) -> list[str]:
    every = list(parts.values())
    first = every[0]
    columns = {
        "patches": [str(part.oracle.n_patches) for part in every],
        "images": [f"{part.oracle.n_images}{' (few)' if part.few_images else ''}" for part in every],
    }
    for name in first.scores:
        columns[name] = [
            interval_cell(p.scores[name].total, p.scores[name].intervals["total"]) for p in every
        ]
    for k, pair in enumerate(first.pairs):
        differences = [(part.pairs[k].differences, part.pairs[k].intervals) for part in every]
        columns[f"{pair.first} - {pair.second}"] = [
            interval_cell(value["total"], interval["total"], signed=True) for value, interval in differences
        ]
    columns["oracle"] = [interval_cell(part.oracle.total, part.oracle.intervals["total"]) for part in every]
    return columns_of(list(parts), columns, per_block=5)


def _verdicts(parts: dict[str, Comparison]) -> list[str]:
    """For every pair, the parts that either wins: those whose interval leaves out 0."""
    lines = []
    for k, pair in enumerate(next(iter(parts.values())).pairs):
        won: dict[str | None, list[str]] = {pair.first: [], pair.second: [], None: []}
        for label, part in parts.items():
            won[part.pairs[k].winner].append(label + (" (few images)" if part.few_images else ""))
        said = [f"{name} wins {', '.join(won[name])}" for name in (pair.first, pair.second) if won[name]]
        said += [f"not told apart: {', '.join(won[None])}"] if won[None] else []
        lines.append(f"{pair.first} - {pair.second}: " + "; ".join(said))
    return lines


def _p(name: str, value: float) -> str:
    return f"{name} < 0.0001" if value < 1e-4 else f"{name} {value:.4f}"
