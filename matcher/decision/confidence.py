"""How sure an answer is: the probability that it is within 4 px, where the patch may be in none of the targets."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher.evidence import Channel
from matcher.model import Trust
from matcher.search.candidates import Candidates

# Of one channel the best of thousands of wrong places scores about so much. Of several, which say much the same, it
# grows with the root of their number: of 64 px among 15 images 28 of two, 42 of four, 52 of six (medians).
CHANCE = 13.4
# How fast a lead tells twins apart: a score up to 16 % above the other's, as a sensor's noise makes it on two copies of
# one ground, is worth 0.5, 25 % 0.8, and 40 % 0.99.
NEARLY, TWINS = 0.15, 20.0
# Degrees of freedom of a score's tail, by independent pixel of the patch: a third to the whole do about as well.
FREEDOM = 0.5


def chance_level(channels: Iterable[Channel]) -> float:
    """What the best of thousands of wrong places scores by these channels, `CHANCE` times the root of their weight."""
    return CHANCE * sum(channel.weight for channel in channels) ** 0.5


def tempered(score: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
    """Scores, sums of squared z-scores, of patches of so many independent pixels, as normal noise would give them.

    Noise of the mean over few pixels has heavier tails than a normal one's. Student's t of f degrees of freedom is as
    likely at z as a normal one at the root of f log(1 + z^2 / f), but for a factor that hardly changes: a handful of
    pixels that fit perfectly somewhere say no more than they can.
    """
    freedom = np.maximum(FREEDOM * np.asarray(pixels, np.float64), 1)
    out: NDArray[np.float64] = freedom * np.log1p(np.maximum(np.asarray(score, np.float64), 0) / freedom)
    return out


def confidence_features(
    score: ArrayLike, runner_up: ArrayLike, pixels: ArrayLike, chance: ArrayLike
) -> NDArray[np.float64]:
    """What confidence depends on: 1, the log of the score over chance, and its lead in logs, (n, 3).

    Parameters
    ----------
    score, runner_up : array_like (n,)
        Sums of squared z-scores: of the answer, and of the best other place anywhere, more than a few pixels off; a
        runner-up below chance, or nan, counts as that, so that the only place there is looks like no clear winner.
    pixels : array_like (n,)
        Independent ones, as `matcher.decision.content.content` counts them.
    chance : array_like (n,) or float
        What wrong places score, as `chance_level` tells it.
    """
    own, other = (tempered(s, pixels) for s in (np.fmax(score, 0), np.fmax(runner_up, chance)))
    first, second = np.log(np.maximum(own, 1)), np.log(np.maximum(other, 1))
    return np.stack([np.ones_like(first), first - np.log(chance), first - second], axis=1)


def confidence(
    score: ArrayLike,
    runner_up: ArrayLike,
    pixels: ArrayLike,
    chance: ArrayLike,
    trust: Trust,
    prior: float,
) -> NDArray[np.float32]:
    """Probability that each answer is right, (n,); parameters as of `confidence_features`.

    An answer is right (R), wrong though the patch is there (W), or of a patch that is in none of the targets (A). What
    is seen tells the odds of R against W, and those of R against A where half of all patches are there; the prior, the
    share that is expected to be there, in (0, 1), moves the latter as Bayes' rule says. Of two places that are equally
    good, however good, one is right at most.
    """
    features = confidence_features(score, runner_up, pixels, chance)
    against_wrong, against_absent = (np.exp(-features @ np.array(part)) for part in (trust[3:], trust[:3]))
    own, other = np.fmax(score, 1).astype(np.float64), np.fmax(runner_up, chance).astype(np.float64)
    lead = np.maximum(np.log(own / other) - NEARLY, 0)
    found = 1 / (1 + against_wrong + (1 - prior) / prior * against_absent)
    return (found / (1 + np.exp(-TWINS * lead))).astype(np.float32)


def log_likelihood(candidates: Candidates) -> NDArray[np.float32]:
    """Candidates' scores as log-likelihood ratios, nats; nan where there is none."""
    return np.where(candidates.score >= 0, candidates.score / 2, np.nan).astype(np.float32)
