"""Two submissions held against one another: paired differences, hits, agreement."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.scoring.bootstrap import percentile_interval
from matcher.scoring.judge import LABELS, METRICS, RANKED, WITHIN, Judged
from matcher.scoring.mcnemar import Hits, hits_of
from matcher.scoring.summary import Interval, listed, means_of
from matcher.scoring.table import Column, columns_of, interval_cell
from matcher.values import compared

HITS = ("image", *(f"within_{px}" for px in WITHIN))
"""The metrics that a patch either has or has not: McNemar's test is made of these."""

SAME_PLACE = 4
"""Pixels within which two submissions are taken to mean the same place."""


@compared
@dataclass(frozen=True)
class Pair:
    """Two submissions held against one another, patch by patch.

    Attributes
    ----------
    first, second : str
    differences : dict of str to float
        First less second, for each metric that both have; of rankings also of `RANKED`.
    intervals : dict of str to (float, float) or None
        95 % intervals of the differences, both drawn on the same images; None where there is but one image.
    hits : dict of str to Hits
        McNemar's counts and p-values, for the right image and for places within 0, 1, 2 and 4 px where they are known.
    first_better, second_better : float
        Shares of patches where one earns more points than the other.
    same_image, same_place : float
        Shares of patches where both say the same image; and where their corners also lie within 4 px.
    same_mistake : float
        Share of patches where both say the same wrong image.
    """

    first: str
    second: str
    differences: dict[str, float]
    intervals: dict[str, Interval]
    hits: dict[str, Hits]
    first_better: float
    second_better: float
    same_image: float
    same_place: float
    same_mistake: float

    @property
    def headline(self) -> str:
        """The metric to judge by: the official score, or the right image where nothing else is known."""
        return "total" if "total" in self.differences else "image"

    @property
    def winner(self) -> str | None:
        """Which is better by the headline beyond doubt: the interval of the difference leaves out 0."""
        interval = self.intervals[self.headline]
        if interval is None or interval[0] <= 0 <= interval[1]:
            return None
        return self.first if interval[0] > 0 else self.second

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and numbers, fit for JSON."""
        return asdict(self) | {
            "intervals": {metric: listed(interval) for metric, interval in self.intervals.items()},
            "winner": self.winner,
        }


def pair_of(
    names: tuple[str, str],
    both: tuple[Judged, Judged],
    tables: NDArray[np.float64],
    weights: NDArray[np.float64],
    draws: NDArray[np.float64],
) -> Pair:
    """Two submissions: tables and weights of shape (2, n, k), draws of shape (resamples, 2, k)."""
    one, two = both
    n_images = len(np.unique(one.true_image))
    points = [judged.right if np.isnan(judged.points).any() else judged.points for judged in (one, two)]
    first, second = tables
    means = means_of(first, weights[0]) - means_of(second, weights[1])
    change = draws[:, 0] - draws[:, 1]
    column = {m: k for k, m in enumerate((*METRICS, *RANKED)[: tables.shape[2]]) if not math.isnan(means[k])}
    answered = ~np.isin(one.ids, one.missing) & ~np.isin(two.ids, two.missing)
    same_image = answered & (one.image == two.image)
    apart = np.hypot(one.x.astype(np.float64) - two.x, one.y.astype(np.float64) - two.y)
    return Pair(
        first=names[0],
        second=names[1],
        differences={metric: float(means[k]) for metric, k in column.items()},
        intervals={metric: percentile_interval(change[:, k], n_images) for metric, k in column.items()},
        hits={
            metric: hits_of(first[:, column[metric]] > 0, second[:, column[metric]] > 0)
            for metric in HITS
            if metric in column
        },
        first_better=float(np.mean(points[0] > points[1])),
        second_better=float(np.mean(points[1] > points[0])),
        same_image=float(np.mean(same_image)),
        same_place=float(np.mean(same_image & (apart <= SAME_PLACE))),
        same_mistake=float(np.mean(same_image & ~one.right)),
    )


def pair_lines(pairs: Sequence[Pair]) -> list[str]:
    """A table of pairs, a column each."""
    metrics = [m for m in (*METRICS, *RANKED) if any(m in pair.differences for pair in pairs)]
    hits = [m for m in HITS if m in metrics]
    rows = [
        *(LABELS[metric] for metric in metrics),
        *(f"only one hits, {LABELS[metric]}" for metric in hits),
        "more points in",
        "same image",
        f"same place, within {SAME_PLACE} px",
        "same wrong image",
    ]
    columns: list[Column] = []
    for pair in pairs:
        differences = [(pair.differences.get(m, math.nan), pair.intervals.get(m)) for m in metrics]
        tests = [pair.hits[metric] for metric in hits]
        cells = [
            *(interval_cell(*difference, signed=True) for difference in differences),
            *(f"{t.only_first} / {t.only_second}  {_p('p', t.exact)}, {_p('mid-p', t.mid_p)}" for t in tests),
            f"{pair.first_better:.3f} / {pair.second_better:.3f}",
            *(f"{share:.3f}" for share in (pair.same_image, pair.same_place, pair.same_mistake)),
        ]
        columns.append((f"{pair.first} - {pair.second}", cells))
    return columns_of(rows, columns, per_block=2)


def _p(name: str, value: float) -> str:
    return f"{name} < 0.0001" if value < 1e-4 else f"{name} {value:.4f}"
