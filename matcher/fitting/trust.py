"""What a score is worth: how often answers are right is fitted to patches that are there and to those that are not."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from matcher.decision.confidence import confidence, confidence_features
from matcher.decision.reasons import BLIND
from matcher.decision.settle import UNSETTLED
from matcher.fitting.observed import Observed
from matcher.model import Odds, Trust
from matcher.scoring.reliability import Bin, reliability, spell
from matcher.settings import Settings
from matcher.verification.curves import curves
from matcher.verification.logistic import fit_logistic

LEAST = 20  # answers of each kind, right, wrong and of absent patches, that a fit needs
RIDGE = 1e-3  # of trust: so much that a dozen places of one kind make no number steep …
ODDS_RIDGE = 1e-5  # … and of odds, whose slope has a bound
STEEPEST = 0.5  # of the odds: a score is twice a log-likelihood ratio at best
EVEN, NEARLY_ALL = 0.5, 0.999  # priors of the cases of open rounds, and of closed ones
_LEVELS = (-200.0, 200.0)  # between which the level of the odds is sought


def enough(observed: Observed, rows: NDArray[np.bool_] | None = None) -> bool:
    """Whether there is something to fit: right and wrong answers whose score tells, and such of absent patches."""
    told = observed.told if rows is None else observed.told & rows
    kinds = (observed.right, ~observed.right & observed.here, ~observed.here)
    return min(int((told & kind).sum()) for kind in kinds) >= LEAST


def fit_trust(observed: Observed, rows: NDArray[np.bool_] | None = None) -> Trust:
    """Logistic regressions of right answers on score and lead, over some of the rows.

    One is against patches that are not there, which weigh as much as all that are, so that the prior is even; both are
    of open rounds, since those with all images have closer rivals. The other is against wrong answers of patches that
    are there, in all rounds.
    """
    chosen = np.ones(len(observed.right), bool) if rows is None else rows
    drawn = chosen & ~observed.whole
    share = observed.here[drawn].mean()
    weight = np.where(observed.here, EVEN / max(share, 1e-9), (1 - EVEN) / max(1 - share, 1e-9))
    features = confidence_features(*_told(observed))[:, 1:]

    def odds_of_right(among: NDArray[np.bool_]) -> list[float]:
        of = observed.told & among
        fitted = fit_logistic(
            features[of], observed.right[of], ("score", "lead"), weight=weight[of], ridge=RIDGE
        )
        return [round(value, 2) for value in (fitted.intercept, *fitted.weights)]

    absent = odds_of_right(drawn & (observed.right | ~observed.here))
    return Trust(*absent, *odds_of_right(chosen & observed.here))


def chances(observed: Observed, trust: Trust, prior: float) -> NDArray[np.float32]:
    """Confidences of all rows."""
    return confidence(*_told(observed), trust, prior)


def _told(observed: Observed) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """What confidence goes by."""
    return observed.score, observed.runner_up, observed.pixels, observed.chance


def fit_odds(observed: Observed, trust: Trust, before: Odds) -> Odds:
    """Log odds of a place by its score against any other pixel, where colour is to settle it; `mutual` stays.

    The slope is that of a conditional logit: which of the two best places is right, where one of them is (McFadden,
    "Conditional logit analysis of qualitative choice behavior", 1974). The levels, of patches with texture and without,
    make one of the two right as often as is so.

    Parameters
    ----------
    observed : Observed
        Rows of closed rounds.
    trust : Trust
        Fitted to such: it tells what is in doubt.
    before : Odds
        What is kept where too little is in doubt.
    """
    doubtful = chances(observed, trust, Settings.prior) < UNSETTLED
    open_ = observed.told & doubtful & ~np.isin(observed.fault, BLIND)
    flat = observed.fault == "flat"
    clear = open_ & observed.hit.any(-1) & ~flat
    if min(clear.sum(), (open_ & ~flat).sum()) < LEAST:
        return before
    score = np.fmax(observed.sought, 0).astype(np.float64)
    ahead = score[clear, :1] - score[clear, 1:]
    # Each pair both ways round, so that nothing is left for an intercept.
    fitted = fit_logistic(
        np.concatenate([ahead, -ahead]),
        np.concatenate([observed.hit[clear, 0], ~observed.hit[clear, 0]]),
        ("ahead",),
        ridge=ODDS_RIDGE,
    )
    slope = float(np.clip(round(fitted.weights[0], 3), 0.0, STEEPEST))
    level = _level(observed, open_ & ~flat, slope)
    bare = _level(observed, open_ & flat, slope) if (open_ & flat).any() else level
    return before._replace(level=level, slope=slope, flat=bare)


def fit_mutual(observed: Observed, trust: Trust, odds: Odds) -> Odds:
    """Odds with what a nat of mutual information is worth: which of the two best places is right, beside their scores.

    The conditional logit of `fit_odds`, the scores' part given. It needs no level, so that rounds of any bands tell it.
    """
    doubtful = chances(observed, trust, Settings.prior) < UNSETTLED
    clear = doubtful & observed.told & observed.hit.any(-1) & ~np.isin(observed.fault, (*BLIND, "flat"))
    if clear.sum() < LEAST:
        return odds
    score = np.fmax(observed.sought[clear], 0).astype(np.float64)
    first, second = observed.shared[clear].T
    # What the right one of the two is ahead by.
    sign = np.where(observed.hit[clear, 0], 1.0, -1.0)
    known, ahead = sign * odds.slope * (score[:, 0] - score[:, 1]), sign * (first - second)

    def slope(nat: float) -> float:
        missed = expit(-known - nat * ahead)
        return float((missed * ahead).mean() - RIDGE * nat * (ahead**2).mean())

    worth = 0.0 if slope(0.0) <= 0 else 1.0 if slope(1.0) >= 0 else brentq(slope, 0.0, 1.0)
    return odds._replace(mutual=round(float(worth), 5))


def _level(observed: Observed, rows: NDArray[np.bool_], slope: float) -> float:
    """The level by which one of the two best places is right as often as among these rows, or half a time at least."""
    both = np.fmax(observed.sought[rows], 0).astype(np.float64)
    against = np.logaddexp(*(slope * both.T)) - observed.log_pixels[rows]
    hits = np.clip(observed.hit[rows].any(-1).sum(), 0.5, len(against) - 0.5)
    return round(brentq(lambda level: float(expit(against + level).sum() - hits), *_LEVELS), 2)


@dataclass(frozen=True)
class Held:
    """How confidences hold that were fitted without the patch's place, or its kind.

    Attributes
    ----------
    count, wrong : int
        Answers, and those that are wrong.
    auc : float
        Area under the ROC curve of right against not; nan where all are alike.
    absent_sure, absent_half : float
        Of the patches that are not there, the share that is answered with 0.9 and more, and with 0.5; nan where there
        are none.
    kept : float
        Of the right answers, the share that has 0.9 and more.
    bins : tuple of Bin
        How often answers are right, by confidence.
    """

    count: int
    wrong: int
    auc: float
    absent_sure: float
    absent_half: float
    kept: float
    bins: tuple[Bin, ...]

    def __str__(self) -> str:
        absent = (
            ""
            if self.absent_sure != self.absent_sure
            else (
                f"; of patches that are not there {self.absent_sure:.4f} with 0.9, {self.absent_half:.4f} with 0.5"
            )
        )
        return (
            f"{self.count} answers, {self.wrong} wrong, AUC {self.auc:.4f}; right ones with 0.9 and more "
            f"{self.kept:.3f}{absent}\n  {spell(self.bins)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers, nan as None."""
        out = {
            name: None if value != value else value for name, value in asdict(self).items() if name != "bins"
        }
        return out | {
            "bins": [
                {key: None if value != value else value for key, value in asdict(one).items()}
                for one in self.bins
            ]
        }


def held_out(observed: Observed, trust: Trust, by: str = "place") -> dict[str, Held]:
    """How confidences hold that were fitted without each place (or group) in turn.

    In open rounds half of the patches are there, as their prior says: those that were sought in images drawn with their
    own and without it. Closed ones are those with all images. Both in all, and open ones by side, bands and group.
    `trust` is taken where what is left is too little for a fit.
    """
    of = getattr(observed, by)
    open_, closed = (np.zeros(len(observed.right), np.float32) for _ in range(2))
    for name in np.unique(of):
        own = of == name
        fitted = fit_trust(observed, ~own) if enough(observed, ~own) else trust
        part = observed.rows(own)
        open_[own], closed[own] = chances(part, fitted, EVEN), chances(part, fitted, NEARLY_ALL)
    drawn = ~observed.whole
    parts = {"open rounds": drawn, "closed rounds": observed.whole}
    for key, title in (("side", "{} px"), ("bands", "{} bands"), ("group", "{}")):
        values = getattr(observed, key)
        parts |= {title.format(value): drawn & (values == value) for value in np.unique(values).tolist()}
    return {
        name: _held((closed if name == "closed rounds" else open_)[rows], observed.rows(rows))
        for name, rows in parts.items()
        if rows.any()
    }


def _held(chance: NDArray[np.float32], observed: Observed) -> Held:
    right = observed.right
    mixed = 0 < right.sum() < len(right)
    absent = chance[~observed.here]
    return Held(
        len(right),
        int((~right).sum()),
        curves(chance.astype(np.float64), right).auc if mixed else float("nan"),
        float((absent >= 0.9).mean()) if len(absent) else float("nan"),
        float((absent >= 0.5).mean()) if len(absent) else float("nan"),
        float((chance[right] >= 0.9).mean()) if right.any() else float("nan"),
        reliability(chance, right),
    )
