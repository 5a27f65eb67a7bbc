"""Logistic regression by iteratively reweighted least squares, each step in closed form."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError

_STEPS = 100


@dataclass(frozen=True)
class Logistic:
    """A probability from features.

    Attributes
    ----------
    names : tuple of str
        Of the features, in order.
    weights : tuple of float
        One a feature.
    intercept : float
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float

    def log_odds(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log odds of features (n, names), (n,)."""
        out: NDArray[np.float64] = features @ np.array(self.weights) + self.intercept
        return out


@cache
def shipped(what: Literal["verify", "change"]) -> Logistic:
    """The numbers that ship with the package, at even chances, fitted by ``tools/measure_{what}.py --write``."""
    file = resources.files("matcher").joinpath(f"data/{what}.json")
    data = json.loads(file.read_text(encoding="utf-8"))
    return Logistic(tuple(data["features"]), tuple(data["weights"]), float(data["intercept"]))


def fit_logistic(
    features: NDArray[np.float64],
    same: NDArray[np.bool_],
    names: tuple[str, ...],
    *,
    weight: NDArray[np.float64] | None = None,
    ridge: float = 1e-3,
) -> Logistic:
    """Fit by Newton's method (McCullagh and Nelder, "Generalized linear models", 1989, section 4.4).

    Parameters
    ----------
    features : ndarray (n, names), float64
    same : ndarray (n,), bool
    names : tuple of str
    weight : ndarray (n,), optional
        Of each row; all 1 by default.
    ridge : float
        Penalty on the squares of the weights of standardised features, in rows: it keeps separable data finite.

    Raises
    ------
    MatcherError
        If all rows are of one class.
    """
    if same.all() or not same.any():
        raise MatcherError("a fit needs pairs of the same place and of others, and there is one kind only")
    rows = np.ones(len(same)) if weight is None else weight
    middle, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 0, spread, 1)
    design = np.column_stack([np.ones(len(same)), (features - middle) / spread])
    penalty = np.diag([0.0] + [ridge * rows.sum()] * features.shape[1])
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        odds = np.clip(design @ beta, -30, 30)
        chance = 1 / (1 + np.exp(-odds))
        curve = design.T @ (design * (rows * np.maximum(chance * (1 - chance), 1e-9))[:, None]) + penalty
        step = np.linalg.solve(curve, design.T @ (rows * (same - chance)) - penalty @ beta)
        beta += step * min(1.0, 5 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    weights = beta[1:] / spread
    return Logistic(names, tuple(weights.tolist()), float(beta[0] - weights @ middle))


def probability(log_odds: NDArray[np.float64], prior: float = 0.5) -> NDArray[np.float64]:
    """Log odds at even chances as probabilities where the chance beforehand is `prior`, in (0, 1)."""
    shifted = np.clip(log_odds + np.log(prior / (1 - prior)), -700, 700)
    out: NDArray[np.float64] = 1 / (1 + np.exp(-shifted))
    return out
