"""Two submissions held against one another: paired differences, hits, agreement."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.scoring.bootstrap import percentile_interval
from matcher.scoring.judge import METRICS, WITHIN, Judged
from matcher.scoring.mcnemar import Hits, hits_of
from matcher.scoring.summary import Interval, listed

HITS = ("image", *(f"within_{px}" for px in WITHIN))
"""The metrics that a patch either has or has not: McNemar's test is made of these."""

SAME_PLACE = 4
"""Pixels within which two submissions are taken to mean the same place."""


@dataclass(frozen=True)
class Pair:
    """Two submissions held against one another, patch by patch.

    Attributes
    ----------
    first, second : str
    differences : dict of str to float
        First less second, for each metric.
    intervals : dict of str to (float, float) or None
        95 % intervals of the differences, both drawn on the same images; None where there is but one image.
    hits : dict of str to Hits
        McNemar's counts and p-values, for the right image and for places within 0, 1, 2 and 4 px.
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
    def winner(self) -> str | None:
        """Which has the higher official score beyond doubt: the interval of the difference leaves out 0."""
        interval = self.intervals["total"]
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
    judged: tuple[Judged, Judged],
    tables: NDArray[np.float64],
    draws: NDArray[np.float64],
) -> Pair:
    """Two submissions: tables of shape (2, n, 7), draws of shape (resamples, 2, 7)."""
    one, two = judged
    n_images = len(np.unique(one.true_image))
    first, second = tables
    means = first.mean(axis=0) - second.mean(axis=0)
    change = draws[:, 0] - draws[:, 1]
    answered = ~np.isin(one.ids, one.missing) & ~np.isin(two.ids, two.missing)
    same_image = answered & (one.image == two.image)
    apart = np.hypot(one.x.astype(np.float64) - two.x, one.y.astype(np.float64) - two.y)
    return Pair(
        first=names[0],
        second=names[1],
        differences=dict(zip(METRICS, means.tolist(), strict=True)),
        intervals={metric: percentile_interval(change[:, k], n_images) for k, metric in enumerate(METRICS)},
        hits={
            metric: hits_of(first[:, METRICS.index(metric)] > 0, second[:, METRICS.index(metric)] > 0)
            for metric in HITS
        },
        first_better=float(np.mean(one.points > two.points)),
        second_better=float(np.mean(two.points > one.points)),
        same_image=float(np.mean(same_image)),
        same_place=float(np.mean(same_image & (apart <= SAME_PLACE))),
        same_mistake=float(np.mean(same_image & ~one.right)),
    )
