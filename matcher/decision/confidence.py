"""How sure an answer is: the probability that it is within 4 px, where the patch may be in none of the targets."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher.model import Trust
from matcher.search.candidates import Candidates

# The best of thousands of wrong places scores about so much: a runner-up is not taken for less, so that the only
# place that there is does not look like a clear winner.
CHANCE = 24.0
# How fast a lead tells twins apart: a score up to 5 % above the other's is worth 0.5, 10 % 0.7, and 40 % 0.997.
NEARLY, TWINS = 0.05, 20.0
# Degrees of freedom of a score's tail, by independent pixel of the patch: a third to the whole do about as well.
FREEDOM = 0.5


def tempered(score: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
    """Scores, sums of squared z-scores, of patches of so many independent pixels, as normal noise would give them.

    Noise of the mean over few pixels has heavier tails than a normal one's. Student's t of f degrees of freedom is as
    likely at z as a normal one at the root of f log(1 + z^2 / f), but for a factor that hardly changes: a handful of
    pixels that fit perfectly somewhere say no more than they can.
    """
    freedom = np.maximum(FREEDOM * np.asarray(pixels, np.float64), 1)
    out: NDArray[np.float64] = freedom * np.log1p(np.maximum(np.asarray(score, np.float64), 0) / freedom)
    return out


def confidence_features(score: ArrayLike, runner_up: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
    """What confidence depends on: 1, log score, and its lead in logs over the best other place, (n, 3).

    Parameters
    ----------
    score, runner_up : array_like (n,)
        Sums of squared z-scores: of the answer, and of the best other place anywhere, more than a few pixels off; one
        below `CHANCE`, or nan, counts as that.
    pixels : array_like (n,)
        Independent ones, as `matcher.decision.content.content` counts them.
    """
    own, other = (tempered(s, pixels) for s in (np.fmax(score, 0), np.fmax(runner_up, CHANCE)))
    first, second = np.log(np.maximum(own, 1)), np.log(np.maximum(other, 1))
    return np.stack([np.ones_like(first), first, first - second], axis=1)


def confidence(
    score: ArrayLike, runner_up: ArrayLike, pixels: ArrayLike, trust: Trust, prior: float
) -> NDArray[np.float32]:
    """Probability that each answer is right, (n,); parameters as of `confidence_features`.

    The prior is the share of patches that are expected to be in the targets, in (0, 1); it moves the odds as Bayes'
    rule says. Of two places that are equally good, however good, one is right at most.
    """
    logit = confidence_features(score, runner_up, pixels) @ np.array(trust[:3]) + prior_odds(trust, prior)
    own, other = np.fmax(score, 1).astype(np.float64), np.fmax(runner_up, CHANCE).astype(np.float64)
    lead = np.maximum(np.log(own / other) - NEARLY, 0)
    return (1 / (1 + np.exp(-logit)) / (1 + np.exp(-TWINS * lead))).astype(np.float32)


def prior_odds(trust: Trust, prior: float) -> float:
    """What a prior adds to the log odds of an answer, beside even chances.

    An answer is right (R), wrong though the patch is there (W), or of a patch that is not there (A); wrong ones look
    alike, so that the likelihood of W is the share that is not found times that of A. Odds of R are then
    prior R / (prior W + (1 - prior) A).
    """
    missed = 1 - trust.found
    against = prior * missed + (1 - prior)
    return float(np.log((1 + missed) * prior / against))


def log_likelihood(candidates: Candidates) -> NDArray[np.float32]:
    """Candidates' scores as log-likelihood ratios, nats; nan where there is none."""
    return np.where(candidates.score >= 0, candidates.score / 2, np.nan).astype(np.float32)
