"""The score of a submission: official, by the slides, within some pixels, with intervals and by group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.scoring.bootstrap import FEW_IMAGES, percentile_interval, resampled_means
from matcher.scoring.judge import LABELS, METRICS, WITHIN, Judged, Placed, first_few, judge, load_placements
from matcher.scoring.table import columns_of, interval_cell

Interval: TypeAlias = tuple[float, float] | None
Groups: TypeAlias = Mapping[int, str] | str | PathLike[str]
"""A label for every patch id, or the path of a groups file."""

NO_GROUP = "(no group)"
SCORE_ROWS = ("patches", "images", *(LABELS[metric] for metric in METRICS))
"""What stands beside `score_column`."""


@dataclass(frozen=True)
class Score:
    """How good a submission is; means over the answered patches, all in [0, 1].

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

    @property
    def few_images(self) -> bool:
        """Whether there are so few images (below 10) that the intervals are rough guesses."""
        return self.n_images < FEW_IMAGES

    def value(self, metric: str) -> float:
        """The value of one of the `intervals`' keys."""
        if metric.startswith("within_"):
            return self.within[int(metric.removeprefix("within_"))]
        return float(getattr(self, metric))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, fit for JSON."""
        return {
            "metrics": {
                metric: {"value": self.value(metric), "interval": listed(self.intervals[metric])}
                for metric in METRICS
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
        """Sentences on missing and extra ids; empty where the ids fit."""
        notes = []
        if self.missing:
            notes.append(f"missing: {len(self.missing)} ids, counted as 0 ({first_few(self.missing)})")
        if self.extra:
            notes.append(
                f"extra: {len(self.extra)} ids without an answer, left out ({first_few(self.extra)})"
            )
        return notes

    def __str__(self) -> str:
        columns = {"all": score_column(self)} | {
            name: score_column(group) for name, group in self.groups.items()
        }
        return "\n".join([*columns_of(SCORE_ROWS, columns), *self.notes()])


def score(
    submission: Placed,
    answers: Placed,
    groups: Groups | None = None,
    *,
    xy_order: str = "xy",
    resamples: int = 2000,
    seed: int = 0,
) -> Score:
    """Score a submission against the answers.

    Parameters
    ----------
    submission, answers : Placements, Result or path
        The rows may stand in any order. The answers may be any part of the patches: ids that only they have
        earn 0 and are reported as missing, ids that only the submission has are reported as extra.
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
    judged = judge(
        load_placements(submission, "the submission"), load_placements(answers, "the answers", xy_order)
    )
    labels = labels_of(judged.ids, load_groups(groups)) if groups is not None else None
    return summarise(judged, labels, resamples, seed)


def check_draws(resamples: int, seed: int) -> None:
    """Raise SettingsError where the intervals cannot be drawn so."""
    if resamples < 1 or seed < 0:
        raise SettingsError(f"resamples {resamples}, seed {seed}: give at least 1, and a seed of 0 or more")


def summarise(judged: Judged, labels: NDArray[np.str_] | None, resamples: int, seed: int) -> Score:
    """The Score of judged patches; `labels`, one a patch, make its groups.

    Every group is drawn from the seed anew, so that its interval does not depend on the other groups.
    """
    parts = [] if labels is None else [(str(name), labels == name) for name in np.unique(labels)]
    values = judged.table()
    return score_of(
        values,
        judged.true_image,
        resampled_means(values, judged.true_image, resamples, seed),
        missing=tuple(int(i) for i in judged.missing),
        extra=tuple(int(i) for i in judged.extra),
        groups={name: summarise(judged.part(mask), None, resamples, seed) for name, mask in parts},
        seed=seed,
    )


def score_of(
    values: NDArray[np.float64], image: NDArray[np.int64], draws: NDArray[np.float64], **rest: Any
) -> Score:
    """A Score from metrics of patches (n, 7), their images (n,) and resampled means (resamples, 7)."""
    n_images = len(np.unique(image))
    mean = dict(zip(METRICS, values.mean(axis=0).tolist(), strict=True))
    return Score(
        total=mean["total"],
        image=mean["image"],
        slides=mean["slides"],
        within={px: mean[f"within_{px}"] for px in WITHIN},
        intervals={metric: percentile_interval(draws[:, k], n_images) for k, metric in enumerate(METRICS)},
        n_patches=len(values),
        n_images=n_images,
        resamples=len(draws),
        **rest,
    )


def load_groups(groups: Groups) -> Mapping[int, str]:
    """The label of every patch id, read where a path is given."""
    if isinstance(groups, str | PathLike):
        from matcher.formats.submission import read_groups

        return read_groups(groups)
    if not isinstance(groups, Mapping):
        raise MatcherError(
            f"groups: a path or a mapping of patch id to label is wanted, not {type(groups).__name__}"
        )
    return groups


def labels_of(ids: NDArray[np.int64], groups: Mapping[int, str]) -> NDArray[np.str_]:
    """One label an id, as text; raises MatcherError where no id has one."""
    labels = [groups.get(int(i)) for i in ids]
    if all(label is None for label in labels):
        raise MatcherError(f"groups: none of their {len(groups)} patch ids is in the answers")
    return np.array([str(label) if label not in (None, "") else NO_GROUP for label in labels])


def score_column(score: Score) -> list[str]:
    """The cells of one score under one another: patches, images, then `METRICS`."""
    few = " (few images)" if score.few_images else ""
    metrics = [interval_cell(score.value(metric), score.intervals[metric]) for metric in METRICS]
    return [str(score.n_patches), f"{score.n_images}{few}", *metrics]


def listed(interval: Interval) -> list[float] | None:
    """An interval as JSON has it."""
    return None if interval is None else list(interval)
