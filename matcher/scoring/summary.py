"""The score of a submission: official, by the slides, within some pixels, with intervals and by group."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError
from matcher.scoring.bootstrap import FEW_IMAGES, percentile_interval, resampled_means
from matcher.scoring.judge import (
    LABELS,
    METRICS,
    RANKED,
    WITHIN,
    Judged,
    Placed,
    first_few,
    judge,
    load,
    load_answers,
)
from matcher.scoring.table import columns_of, interval_cell
from matcher.values import compared
from matcher.words import own_name

Interval: TypeAlias = tuple[float, float] | None
Groups: TypeAlias = Mapping[int, str] | str | PathLike[str]
"""A label for every patch id, or the path of a groups file."""

NO_GROUP = "(no group)"


@compared
@dataclass(frozen=True)
class Score:
    """How good a submission or a ranking is; means over the answered patches, all in [0, 1].

    A ranking's first of each patch is what `total` to `within` judge. They are nan where the answers say images alone.

    Attributes
    ----------
    total : float
        The official score: a patch earns 0 if its image is wrong, else 0.5 + 0.5 max(0, 1 - d / (64 sqrt 2)).
    image : float
        Share of right images (the slides' SC_img).
    slides : float
        The slides' reading: half SC_img, half SC_loc, the share of right images within 0 px.
    within : dict of int to float
        Share of patches with the right image and the corner within 0, 1, 2 and 4 px (Euclidean).
    intervals : dict of str to (float, float) or None
        95 % intervals of `total`, `image`, `slides`, `within_0`, ... by resampling the answers' images; None
        where there is but one image. Where all images agree the interval has no width: that is the data's
        silence, not certainty.
    n_patches, n_images : int
        Answered patches, and the images that they lie in.
    missing, extra : tuple of int
        Patch ids without a row in the submission (they earn 0), and rows without an answer (not counted).
    groups : dict of str to Score
        The same for every group, by name.
    resamples, seed : int
        How the intervals were drawn.
    ranked : dict of str to float
        Of a ranking: share of patches whose true image (or window) is among the first 1, 5, 10 and 100 (``first_1``,
        …), ``mrr``, the mean reciprocal rank, and ``map``, the mean average precision (`matcher.ranking.rankings`).
    remarks : tuple of str
        What is to be known of the figures.
    """

    total: float
    image: float
    slides: float
    within: dict[int, float]
    intervals: dict[str, Interval]
    n_patches: int
    n_images: int
    missing: tuple[int, ...] = ()
    extra: tuple[int, ...] = ()
    groups: "dict[str, Score]" = field(default_factory=dict)
    resamples: int = 2000
    seed: int = 0
    ranked: dict[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that have a value."""
        return tuple(m for m in (*METRICS, *RANKED) if not math.isnan(self.value(m)))

    @property
    def headline(self) -> str:
        """The metric to judge by: the official score, or the right image where nothing else is known."""
        return "image" if math.isnan(self.total) else "total"

    @property
    def few_images(self) -> bool:
        """Whether there are so few images (below 10) that the intervals are rough guesses."""
        return self.n_images < FEW_IMAGES

    def value(self, metric: str) -> float:
        """The value of a metric, one of `METRICS` and `RANKED`; nan where there is none."""
        if metric in RANKED:
            return self.ranked.get(metric, math.nan)
        if metric.startswith("within_"):
            return self.within[int(metric.removeprefix("within_"))]
        return float(getattr(self, metric))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, fit for JSON."""
        return {
            "metrics": {
                metric: {"value": self.value(metric), "interval": listed(self.intervals[metric])}
                for metric in self.metrics
            },
            "n_patches": self.n_patches,
            "n_images": self.n_images,
            "few_images": self.few_images,
            "missing": list(self.missing),
            "extra": list(self.extra),
            "resamples": self.resamples,
            "seed": self.seed,
            "groups": {name: group.to_dict() for name, group in self.groups.items()},
        }

    def notes(self) -> list[str]:
        """Sentences on missing and extra ids and on the figures; empty where there is nothing to say."""
        notes = list(self.remarks)
        if self.missing:
            notes.append(f"missing: {len(self.missing)} ids, counted as 0 ({first_few(self.missing)})")
        if self.extra:
            notes.append(
                f"extra: {len(self.extra)} ids without an answer, left out ({first_few(self.extra)})"
            )
        return notes

    def __str__(self) -> str:
        columns = [
            (own_name("all", self.groups), score_column(self)),
            *((name, score_column(group)) for name, group in self.groups.items()),
        ]
        return "\n".join([*columns_of(score_rows(bool(self.ranked)), columns), *self.notes()])


def score(
    submission: Placed,
    answers: Placed,
    groups: Groups | None = None,
    *,
    xy_order: str = "xy",
    resamples: int = 2000,
    seed: int = 0,
) -> Score:
    """Score a submission, or a ranking, against the answers.

    Parameters
    ----------
    submission : Placements, Result, Ranking or path
        Paths that end in .npz, .parquet, .run or .trec are rankings (`matcher.ranking.files`).
    answers : Placements, Result or path
        The rows may stand in any order. The answers may be any part of the patches: ids that only they have earn 0
        and are reported as missing, ids that only the submission has are reported as extra. A path that ends in
        .qrels says images alone.
    groups : mapping of patch id to label, or path, optional
        What to score apart; answered ids without a label make a group of their own.
    xy_order : {"xy", "yx"}
        The order of the answers' last two numbers: yx where they come swapped.
    resamples, seed : int
        How often images are drawn anew for the intervals, and the seed of the draws.

    Raises
    ------
    MatcherError
        A file cannot be read, an id stands twice, or nothing fits together.

    Examples
    --------
    >>> import numpy as np
    >>> from matcher.placements import Placements
    >>> one, zero = np.array([1]), np.array([0])
    >>> float(score(Placements(one, one, zero, zero), Placements(one, one, zero, zero)).total)
    1.0
    """
    check_draws(resamples, seed)
    judged = judge(load(submission, "the submission"), *load_answers(answers, xy_order))
    labels = labels_of(judged.ids, load_groups(groups)) if groups is not None else None
    return summarise(judged, labels, resamples, seed)


def check_draws(resamples: int, seed: int) -> None:
    """Raise SettingsError where the intervals cannot be drawn so."""
    checks.whole("resamples", resamples, 1, 1_000_000)
    checks.whole("seed", seed)


def summarise(judged: Judged, labels: NDArray[np.str_] | None, resamples: int, seed: int) -> Score:
    """The Score of judged patches; `labels`, one a patch, make its groups.

    Every group is drawn from the seed anew, so that its interval does not depend on the other groups.
    """
    parts = [] if labels is None else [(str(name), labels == name) for name in np.unique(labels)]
    values = judged.table()
    weights = judged.weights(values.shape[1])
    return score_of(
        values,
        weights,
        judged.true_image,
        resampled_means(values, judged.true_image, resamples, seed, weights),
        remarks=judged.remarks,
        missing=tuple(int(i) for i in judged.missing),
        extra=tuple(int(i) for i in judged.extra),
        groups={name: summarise(judged.part(mask), None, resamples, seed) for name, mask in parts},
        seed=seed,
    )


def score_of(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    image: NDArray[np.int64],
    draws: NDArray[np.float64],
    **rest: Any,
) -> Score:
    """A Score from metrics of patches (n, k), what they weigh, their images (n,) and resampled means (resamples, k).

    The columns are `METRICS` and perhaps `RANKED`.
    """
    n_images = len(np.unique(image))
    names = (*METRICS, *RANKED)[: values.shape[1]]
    mean = dict(zip(names, means_of(values, weights).tolist(), strict=True))
    return Score(
        total=mean["total"],
        image=mean["image"],
        slides=mean["slides"],
        within={px: mean[f"within_{px}"] for px in WITHIN},
        ranked={metric: mean[metric] for metric in RANKED if not math.isnan(mean.get(metric, math.nan))},
        intervals={metric: percentile_interval(draws[:, k], n_images) for k, metric in enumerate(names)},
        n_patches=len(values),
        n_images=n_images,
        resamples=len(draws),
        **rest,
    )


def means_of(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of every column of (n, k), weighed."""
    out: NDArray[np.float64] = (values * weights).sum(axis=0) / weights.sum(axis=0)
    return out


def load_groups(groups: Groups) -> Mapping[int, str]:
    """The label of every patch id, read where a path is given.

    Parameters
    ----------
    groups : path or mapping of int to str
        A CSV file of patches, whose column ``group``, or else the first after the ids, is read; or the labels by patch
        id, which come back as they are.

    Raises
    ------
    FormatError
        As `matcher.formats.columns.read_groups`.
    MatcherError
        If it is neither a path nor a mapping.
    """
    if isinstance(groups, str | PathLike):
        from matcher.formats.columns import read_groups

        return read_groups(groups)
    if not isinstance(groups, Mapping):
        raise MatcherError(
            f"groups: a path or a mapping of patch id to label is wanted, not {type(groups).__name__}"
        )
    return groups


def labels_of(ids: NDArray[np.int64], groups: Mapping[int, str]) -> NDArray[np.str_]:
    """One label an id, as text; those without one are `NO_GROUP`, in further brackets where a group is called so.

    Raises
    ------
    MatcherError
        If no id has a label.
    """
    labels = [groups.get(int(i)) for i in ids]
    if all(label is None for label in labels):
        raise MatcherError(f"groups: none of their {len(groups)} patch ids is in the answers")
    texts = ["" if label is None else str(label) for label in labels]
    none = own_name(NO_GROUP, texts)
    return np.array([text or none for text in texts])


def score_rows(ranked: bool) -> list[str]:
    """What stands beside `score_column`."""
    return ["patches", "images", *(LABELS[metric] for metric in (*METRICS, *(RANKED if ranked else ())))]


def score_column(score: Score, ranked: bool | None = None) -> list[str]:
    """The cells of one score under one another: patches, images, then `METRICS`, and `RANKED` where they are shown."""
    few = " (few images)" if score.few_images else ""
    shown = (*METRICS, *(RANKED if (bool(score.ranked) if ranked is None else ranked) else ()))
    metrics = [interval_cell(score.value(metric), score.intervals.get(metric)) for metric in shown]
    return [str(score.n_patches), f"{score.n_images}{few}", *metrics]


def listed(interval: Interval) -> list[float] | None:
    """An interval as JSON has it."""
    return None if interval is None else list(interval)
