"""From candidates to answers: the place, and how sure it is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.search.candidates import Candidates


class Trust(NamedTuple):
    """Logistic regression of "the answer is within 4 px" on `confidence_features`, as `matcher.fitting` fits it."""

    level: float
    score: float
    lead: float


# The best of thousands of wrong places scores about so much: a runner-up is not taken for less, so that the only
# target there is does not look like a clear winner.
CHANCE = 24.0
# How fast a lead tells twins apart: a score 10 % above the other's is worth 0.87, and 40 % above it 0.999.
TWINS = 20.0


class Odds(NamedTuple):
    """Log odds that a place of score s is the right one, against any other pixel: slope s + level.

    `flat` is the level of patches without texture (`matcher.decision.reasons.fault`), whose best places are noise
    more often.
    """

    level: float
    slope: float
    flat: float


def confidence_features(score: NDArray[np.floating], runner_up: NDArray[np.floating]) -> NDArray[np.float64]:
    """What confidence depends on: 1, log score, and its lead in logs over the best other target's, (n, 3).

    Scores are sums of squared z-scores, (n,); one below 1 counts as 1, a runner-up below `CHANCE`, or nan, as that.
    """
    own = np.log(np.fmax(np.asarray(score, np.float64), 1))
    other = np.log(np.fmax(np.asarray(runner_up, np.float64), CHANCE))
    return np.stack([np.ones_like(own), own, own - other], axis=1)


def confidence(
    score: NDArray[np.float32], runner_up: NDArray[np.float32], trust: Trust
) -> NDArray[np.float32]:
    """Probability that an answer is within 4 px, from its score and that of the best other target, (n,) each.

    The fit knows no place that is there twice: of two places that are equally good, however good, one is right.
    """
    features = confidence_features(score, runner_up)
    lead = np.maximum(features[:, 2], 0)
    logit = features @ np.array(trust)
    return (1 / (1 + np.exp(-logit)) / (1 + np.exp(-TWINS * lead))).astype(np.float32)


def log_likelihood(candidates: Candidates) -> NDArray[np.float32]:
    """Candidates' scores as log-likelihood ratios, nats; nan where there is none."""
    return np.where(candidates.score >= 0, candidates.score / 2, np.nan).astype(np.float32)
