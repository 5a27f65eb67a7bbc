"""From candidates to answers: the place, how sure it is, and why not where it is not."""

import numpy as np
from numpy.typing import NDArray

from matcher.candidates import Candidates

# Logistic regression of "the answer is within 4 px" on log score and log lead over the best other target.
_CONFIDENCE = (-9.0, 2.2, 1.5)


def confidence(score: NDArray[np.float32], runner_up: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability that an answer is within 4 px, from its score and that of the best other target, (n,) each."""
    a, b, c = _CONFIDENCE
    own = np.log(np.maximum(score, 1).astype(np.float64))
    lead = own - np.log(np.maximum(runner_up, 1).astype(np.float64))
    return (1 / (1 + np.exp(-(a + b * own + c * lead)))).astype(np.float32)


def reasons(
    score: NDArray[np.float32], confident: NDArray[np.float32], flat: NDArray[np.floating]
) -> tuple[str, ...]:
    """Why an answer is in doubt: flat, ambiguous, or empty; `flat` is the share of a patch without gradient."""
    out = []
    for own, sure, share in zip(score.tolist(), confident.tolist(), flat.tolist(), strict=True):
        out.append("flat" if own <= 0 or (share > 0.5 and sure < 0.9) else "ambiguous" if sure < 0.5 else "")
    return tuple(out)


def log_likelihood(candidates: Candidates) -> NDArray[np.float32]:
    """Candidates' scores as log-likelihood ratios, nats; nan where there is none."""
    return np.where(candidates.score >= 0, candidates.score / 2, np.nan).astype(np.float32)
