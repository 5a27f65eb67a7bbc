"""What a score is worth: patches with known answers are matched, and how often they are right is fitted."""

import csv
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.decide import CHANCE, Odds, Trust, confidence, confidence_features
from matcher.formats import open_images
from matcher.formats.submission import read_submission
from matcher.matching import match
from matcher.placements import Placements
from matcher.reasons import IN_DOUBT
from matcher.scoring.judge import judge
from matcher.settings import Settings
from matcher.verification.curves import BINS, curves
from matcher.verification.logistic import fit_logistic

WITHIN = 4.0  # px of a right answer
# Scores above are right but for a few twins, dunes like dunes, that would bend the fit of all.
UNCLEAR = 150.0
LEAST = 20  # answers of either kind, right and wrong, that a fit needs
PRECISE = 0.99
RIDGE = 1e-5


@dataclass(frozen=True)
class Observed:
    """Patches that were matched, (n,) each.

    Attributes
    ----------
    score, runner_up : ndarray of float32
        Sums of squared z-scores.
    right : ndarray of bool
    place : ndarray of str
    side : ndarray of int
        Pixels a side of the patch.
    log_pixels : ndarray of float64
        Log of the number of pixels of all images.
    """

    score: NDArray[np.float32]
    runner_up: NDArray[np.float32]
    right: NDArray[np.bool_]
    place: NDArray[np.str_]
    side: NDArray[np.int64]
    log_pixels: NDArray[np.float64]

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where the score tells: not below it, where colour alone answers, nor where it is clear."""
        return (self.score >= CHANCE) & (self.score < UNCLEAR)


def observe(folder: Path, side: int, settings: Settings, rows: NDArray[np.int64] | None = None) -> Observed:
    """Match patches, by default all, of a challenge that `matcher.cutting.cut_series` wrote as arrays."""
    patches, answers = np.load(folder / "patches.npy"), read_submission(folder / "answers.csv")
    rows = np.arange(len(patches)) if rows is None else rows
    with _quiet():
        result = match(folder / "images.npz", patches[rows], settings)
    truth = Placements(result.ids, answers.image[rows], answers.x[rows], answers.y[rows])
    judged = judge(result, truth)
    images = open_images(folder / "images.npz")
    pixels = sum(images.shape(k)[0] * images.shape(k)[1] for k in range(len(images)))
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        places = np.array([row["place"] for row in csv.DictReader(file)])[rows]
    count = len(rows)
    return Observed(
        2 * result.score,
        2 * result.runner_up_score,
        judged.distance <= WITHIN,
        places,
        np.full(count, side),
        np.full(count, np.log(pixels)),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No notes of a match on files that nobody named."""
    log = logging.getLogger("matcher")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


def joined(parts: list[Observed]) -> Observed:
    """All of some."""
    return Observed(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def settled(raw: Observed, folder: Path, settings: Settings, trust: Trust) -> Observed:
    """What `observe` gives where colour has its say, from what it gave without: only what is in doubt is matched."""
    rows = np.flatnonzero(confidence(raw.score, raw.runner_up, trust) < IN_DOUBT)
    if not len(rows):
        return raw
    anew = observe(folder, int(raw.side[0]), settings, rows)
    out = joined([raw])
    for name in vars(out):
        getattr(out, name)[rows] = getattr(anew, name)
    return out


def enough(observed: Observed, rows: NDArray[np.bool_] | None = None) -> bool:
    """Whether there is something to fit: right and wrong answers whose score tells."""
    right = observed.right[observed.told if rows is None else observed.told & rows]
    return min(int(right.sum()), int((~right).sum())) >= LEAST


def fit_trust(observed: Observed, rows: NDArray[np.bool_] | None = None) -> Trust:
    """Logistic regression of right answers on score and lead, over some of the patches."""
    told = observed.told if rows is None else observed.told & rows
    features = confidence_features(observed.score, observed.runner_up)[told, 1:]
    fitted = fit_logistic(features, observed.right[told], ("score", "lead"), ridge=RIDGE)
    return Trust(*(round(value, 2) for value in (fitted.intercept, *fitted.weights)))


def fit_odds(observed: Observed) -> Odds:
    """Log odds of the best place by its score alone against any other pixel; `observed` without colour."""
    told = observed.told
    fitted = fit_logistic(
        observed.score[told, np.newaxis].astype(np.float64), observed.right[told], ("score",), ridge=RIDGE
    )
    return Odds(
        round(fitted.intercept + float(observed.log_pixels[told].mean()), 2), round(fitted.weights[0], 3)
    )


@dataclass(frozen=True)
class Held:
    """How confidences hold that were fitted without the patch's place.

    Attributes
    ----------
    count, wrong : int
        Patches, and those answered wrong.
    auc : float
        Area under the ROC curve of right against wrong.
    kept : float
        Share of the right answers kept where 99 % of what is kept is right.
    brier : float
        Brier score, in parts of a constant's.
    calibration : float
        Expected calibration error.
    doubtful, doubtful_calibration : int, float
        Answers of a confidence below 0.9, and the calibration error among them.
    """

    count: int
    wrong: int
    auc: float
    kept: float
    brier: float
    calibration: float
    doubtful: int
    doubtful_calibration: float


def held_out(observed: Observed, trust: Trust) -> dict[int, Held]:
    """By side, confidences fitted without each place in turn; `trust` where what is left is too little."""
    chance = np.empty(len(observed.right))
    for place in np.unique(observed.place):
        own = observed.place == place
        fitted = fit_trust(observed, ~own) if enough(observed, ~own) else trust
        chance[own] = confidence(observed.score[own], observed.runner_up[own], fitted)
    out = {}
    for side in np.unique(observed.side).tolist():
        rows = observed.side == side
        if 0 < observed.right[rows].sum() < rows.sum():
            out[side] = _held(chance[rows], observed.right[rows])
    return out


def _held(chance: NDArray[np.float64], right: NDArray[np.bool_]) -> Held:
    made = curves(chance, right)
    recall, precision = made.precision_recall.T
    kept = recall[precision >= PRECISE]
    below = chance < 1 - 1 / BINS
    gaps = np.bincount((chance[below] * BINS).astype(int), chance[below] - right[below], BINS)
    doubtful = int(below.sum())
    return Held(
        len(right),
        int((~right).sum()),
        made.auc,
        float(kept.max()) if len(kept) else 0.0,
        made.brier / made.brier_constant,
        made.calibration,
        doubtful,
        float(np.abs(gaps).sum() / doubtful) if doubtful else 0.0,
    )
