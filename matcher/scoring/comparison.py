"""Submissions side by side: their scores, their paired differences, and what all of them together know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.placements import Placements
from matcher.scoring.bootstrap import FEW_IMAGES, percentile_interval, resampled_means
from matcher.scoring.facets import MOST_LABELS, Difficulty, facets_of
from matcher.scoring.judge import LABELS, METRICS, Judged, Placed, judge, load, load_answers
from matcher.scoring.pair import Pair, pair_lines, pair_of
from matcher.scoring.summary import (
    Groups,
    Interval,
    Score,
    check_draws,
    listed,
    score_column,
    score_of,
    score_rows,
)
from matcher.scoring.table import Column, columns_of, interval_cell
from matcher.values import compared
from matcher.words import own_name


@compared
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
        The oracle's headline less that of the best submission.
    pairs : tuple of Pair
        Every two of them.
    best_alone : dict of str to float
        Share of patches where this one earns more points than every other.
    right_in : tuple of float
        Shares of patches whose image exactly 0, 1, ... of the submissions have right.
    parts : dict of str to dict of str to Comparison
        For every facet (the groups as "group", each column of difficulty; beside groups its column of that name
        as "(group)"), the comparison of each label's patches. With many labels some differ by chance: one in twenty
        intervals leaves out the truth.
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
        """The name of highest headline; the first given of equals."""
        return max(self.scores, key=lambda name: self.scores[name].value(self.headline))

    @property
    def headline(self) -> str:
        """The metric to judge by: the official score, or the right image where the answers say images alone."""
        return self.oracle.headline

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
    columns: Sequence[str] | None = None,
    xy_order: str = "xy",
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two or more submissions or rankings on the same answers.

    Parameters
    ----------
    submissions : mapping of name to Placements, Result, Ranking or path
    answers, groups, xy_order, resamples, seed
        As of `matcher.score`.
    difficulty : mapping of column to mapping of patch id to value, or path, optional
        What else to tell patches apart by, such as texture, cloud, days between the dates. Text is taken as
        labels, numbers are cut into thirds.
    columns : sequence of str, optional
        Which columns of `difficulty`; by default all but those of a manifest of `matcher cut` that say where a patch
        is from, and those that are the same for all patches.

    Raises
    ------
    MatcherError
        Fewer than two submissions, or what `matcher.score` raises; the message names the submission.
    """
    check_draws(resamples, seed)
    if not isinstance(submissions, Mapping):
        raise MatcherError(
            f"submissions: a mapping of name to what is compared is wanted, not {type(submissions).__name__}"
        )
    if len(submissions) < 2:
        raise MatcherError(f"{len(submissions)} submissions: give two or more to compare")
    truth, places = load_answers(answers, xy_order)
    judged = {name: _judged(name, source, truth, places) for name, source in submissions.items()}
    ids = next(iter(judged.values())).ids
    facets, left_out = facets_of(ids, groups, difficulty, columns)
    parts = {
        facet.name: {
            label: _compared({n: j.part(facet.labels == label) for n, j in judged.items()}, resamples, seed)
            for label in facet.order
        }
        for facet in facets
    }
    return _compared(judged, resamples, seed, parts=parts, left_out=left_out)


def compare_judged(judged: Mapping[str, Judged], resamples: int = 2000, seed: int = 0) -> Comparison:
    """Compare what was judged against the same answers, without parts."""
    return _compared(judged, resamples, seed)


def _judged(name: str, source: Placed, truth: Placements, places: bool) -> Judged:
    said = load(source, name)
    try:
        return judge(said, truth, places)
    except MatcherError as error:
        raise MatcherError(f"{name}: {error}") from None


def _compared(judged: Mapping[str, Judged], resamples: int, seed: int, **rest: Any) -> Comparison:
    """One comparison, all of whose intervals come from the same draws of images."""
    names, every = list(judged), list(judged.values())
    ranked = any(one.ranked is not None for one in every)
    tables = np.stack([one.table(ranked) for one in every])
    # A patch's official metrics all grow as its corner comes nearer, so the best of each is the best submission's row.
    tables = np.concatenate([tables, tables.max(axis=0, keepdims=True)])
    tables[-1, :, len(METRICS) :] = np.nan
    columns = tables.shape[2]
    weights = np.stack([one.weights(columns) for one in (*every, every[0])])
    image = every[0].true_image
    flat = (part.transpose(1, 0, 2).reshape(len(image), -1) for part in (tables, weights))
    values, weighed = flat
    draws = resampled_means(values, image, resamples, seed, weighed).reshape(resamples, len(tables), columns)
    scores = [
        score_of(tables[k], weights[k], image, draws[:, k], seed=seed, **_told(one))
        for k, one in enumerate(every)
    ]
    oracle = score_of(tables[-1], weights[-1], image, draws[:, -1], seed=seed)
    main = METRICS.index(oracle.headline)
    best = int(np.argmax([score.value(oracle.headline) for score in scores]))
    right = tables[:-1, :, METRICS.index("image")].sum(axis=0).astype(int)
    pairs = [
        pair_of((names[i], names[j]), (every[i], every[j]), tables[[i, j]], weights[[i, j]], draws[:, [i, j]])
        for i, j in combinations(range(len(names)), 2)
    ]
    gain = draws[:, -1, main] - draws[:, best, main]
    return Comparison(
        scores=dict(zip(names, scores, strict=True)),
        oracle=oracle,
        oracle_gain=oracle.value(oracle.headline) - scores[best].value(oracle.headline),
        oracle_gain_interval=percentile_interval(gain, oracle.n_images),
        pairs=tuple(pairs),
        best_alone=dict(zip(names, _best_alone(tables[:-1, :, main]), strict=True)),
        right_in=tuple((np.bincount(right, minlength=len(names) + 1) / len(image)).tolist()),
        **rest,
    )


def _told(one: Judged) -> dict[str, Any]:
    """What a score says beside its figures."""
    return {
        "missing": tuple(one.missing.tolist()),
        "extra": tuple(one.extra.tolist()),
        "remarks": one.remarks,
    }


def _best_alone(points: NDArray[np.float64]) -> Sequence[float]:
    """Share of patches where each row of `points`, shape (submissions, n), is above all others."""
    top = points == points.max(axis=0)
    shares: list[float] = (top & (top.sum(axis=0) == 1)).mean(axis=1).tolist()
    return shares


def _text(comparison: Comparison) -> str:
    """Tables of scores, of paired differences and of every part, and what they come to."""
    names = list(comparison.scores)
    ranked = any(score.ranked for score in comparison.scores.values())
    oracle = own_name("oracle", names)
    every = [*comparison.scores.items(), (oracle, comparison.oracle)]
    lines = columns_of(score_rows(ranked), [(name, score_column(score, ranked)) for name, score in every])
    gain = interval_cell(comparison.oracle_gain, comparison.oracle_gain_interval, signed=True)
    lines += [
        "",
        f"the {oracle} takes the best for every patch; over {comparison.best}: {gain}",
        "image right in "
        + ", ".join(f"{k} of {len(names)}: {s:.3f}" for k, s in enumerate(comparison.right_in)),
        "more points than every other: "
        + ", ".join(f"{n} {s:.3f}" for n, s in comparison.best_alone.items()),
        "",
        "Paired differences (first less second)",
        *pair_lines(comparison.pairs),
        "p takes patches for independent; where they share images, trust the intervals, which do not",
    ]
    for facet, parts in comparison.parts.items():
        title = LABELS[comparison.headline].capitalize()
        lines += ["", f"{title} by {facet}", *_part_lines(parts, comparison.headline), *_verdicts(parts)]
    return "\n".join([*lines, *comparison.notes()])


def _part_lines(parts: dict[str, Comparison], metric: str) -> list[str]:
    every = list(parts.values())
    first = every[0]
    images = [f"{part.oracle.n_images}{' (few)' if part.few_images else ''}" for part in every]
    columns: list[Column] = [
        (own_name("patches", first.scores), [str(part.oracle.n_patches) for part in every]),
        (own_name("images", first.scores), images),
    ]
    for name in first.scores:
        scores = [part.scores[name] for part in every]
        columns.append((name, [interval_cell(s.value(metric), s.intervals[metric]) for s in scores]))
    for k, pair in enumerate(first.pairs):
        differences = [(part.pairs[k].differences, part.pairs[k].intervals) for part in every]
        cells = [
            interval_cell(value[metric], interval[metric], signed=True) for value, interval in differences
        ]
        columns.append((f"{pair.first} - {pair.second}", cells))
    oracles = [interval_cell(p.oracle.value(metric), p.oracle.intervals[metric]) for p in every]
    columns.append((own_name("oracle", first.scores), oracles))
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
