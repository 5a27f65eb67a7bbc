"""What a score is worth: patches with known answers are matched, and how often they are right is fitted."""

import csv
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from matcher.decision.confidence import CHANCE, Odds, Trust, confidence, confidence_features
from matcher.decision.reasons import BLIND, IN_DOUBT, fault
from matcher.formats.opening import open_images
from matcher.formats.submission import read_submission
from matcher.imagery import Roles
from matcher.matching.run import match
from matcher.placements import Placements
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
STEEPEST = 0.5  # of the odds: a score is twice a log-likelihood ratio at best
_LEVELS = (-200.0, 200.0)  # between which the level of the odds is sought


@dataclass(frozen=True)
class Observed:
    """Patches that were matched, (n,) each.

    Attributes
    ----------
    score, runner_up : ndarray of float32
        Sums of squared z-scores.
    right : ndarray of bool
    second : ndarray of bool
        Where the runner-up's image is the right one, and the answer's is not; without texture that is chance, and not
        counted.
    fault : ndarray of str
        Of the patch, as `matcher.decision.reasons.fault`.
    place : ndarray of str
    side : ndarray of int
        Pixels a side of the patch.
    log_pixels : ndarray of float64
        Log of the number of pixels of all images.
    """

    score: NDArray[np.float32]
    runner_up: NDArray[np.float32]
    right: NDArray[np.bool_]
    second: NDArray[np.bool_]
    fault: NDArray[np.str_]
    place: NDArray[np.str_]
    side: NDArray[np.int64]
    log_pixels: NDArray[np.float64]

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where the score tells: not below it, where colour alone answers, nor where it is clear."""
        return (self.score >= CHANCE) & (self.score < UNCLEAR)


def observe(folder: Path, side: int, settings: Settings, rows: NDArray[np.int64] | None = None) -> Observed:
    """Match patches, by default all, of a challenge that `matcher.cutting.run.cut` wrote as arrays."""
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
    roles = Roles.of(settings.bands or ())
    faults = np.array([fault(dn.astype(np.float32), roles) for dn in patches[rows]])
    return Observed(
        2 * result.score,
        2 * result.runner_up_score,
        judged.distance <= WITHIN,
        (result.runner_up_image == truth.image) & (result.image != truth.image) & (faults != "flat"),
        faults,
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


def fit_odds(observed: Observed, trust: Trust, before: Odds) -> Odds:
    """Log odds of a place by its score alone against any other pixel, where colour is to settle it.

    The slope is that of a conditional logit: which of the two best places is right, where one of them is (McFadden,
    "Conditional logit analysis of qualitative choice behavior", 1974). The levels, of patches with texture and without,
    make one of the two right as often as is so.

    Parameters
    ----------
    observed : Observed
        Without colour.
    trust : Trust
        Fitted to that: it tells what is in doubt.
    before : Odds
        What is kept where too little is in doubt.
    """
    doubtful = confidence(observed.score, observed.runner_up, trust) < IN_DOUBT
    open_ = observed.told & doubtful & ~np.isin(observed.fault, BLIND)
    flat = observed.fault == "flat"
    clear = open_ & (observed.right | observed.second) & ~flat
    if min(clear.sum(), (open_ & ~flat).sum()) < LEAST:
        return before
    ahead = (observed.score - _rival(observed))[clear, np.newaxis].astype(np.float64)
    # Each pair both ways round, so that nothing is left for an intercept.
    fitted = fit_logistic(
        np.concatenate([ahead, -ahead]),
        np.concatenate([observed.right[clear], ~observed.right[clear]]),
        ("ahead",),
        ridge=RIDGE,
    )
    slope = min(round(fitted.weights[0], 3), STEEPEST)
    level = _level(observed, open_ & ~flat, slope)
    return Odds(level, slope, _level(observed, open_ & flat, slope) if (open_ & flat).any() else level)


def _rival(observed: Observed) -> NDArray[np.float32]:
    """Scores of the runners-up, 0 where there is none."""
    out: NDArray[np.float32] = np.fmax(observed.runner_up, 0)
    return out


def _level(observed: Observed, rows: NDArray[np.bool_], slope: float) -> float:
    """The level by which one of the two best places is right as often as among these rows, or half a time at least."""
    both = np.stack([observed.score, _rival(observed)])[:, rows].astype(np.float64)
    against = np.logaddexp(*(slope * both)) - observed.log_pixels[rows]
    hits = np.clip((observed.right | observed.second)[rows].sum(), 0.5, len(against) - 0.5)
    return round(brentq(lambda level: float(expit(against + level).sum() - hits), *_LEVELS), 2)


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
