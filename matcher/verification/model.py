"""The fitted numbers of a verification: written, and fitted so that every group of places counts alike."""

import json
import os

import numpy as np
from numpy.typing import NDArray

from matcher.formats.files import atomic_write
from matcher.verification.features import NAMES
from matcher.verification.logistic import Logistic, fit_logistic, probability

RIDGE = 1e-5  # so little that only what separates perfectly is held


def write_model(path: str | os.PathLike[str], model: Logistic) -> None:
    """Write fitted numbers as JSON."""
    data = {"features": model.names, "weights": model.weights, "intercept": model.intercept}
    with atomic_write(path, "w") as file:
        file.write(json.dumps(data, indent=2) + "\n")


def fit(
    features: NDArray[np.float64], same: NDArray[np.bool_], group: NDArray, names: tuple[str, ...] = NAMES
) -> Logistic:
    """Fit, each group with the same total weight."""
    _, which, counts = np.unique(group, return_inverse=True, return_counts=True)
    weight = (len(group) / len(counts)) / counts[which]
    return fit_logistic(features, same, names, weight=weight, ridge=RIDGE)


def held_out(
    features: NDArray[np.float64], same: NDArray[np.bool_], group: NDArray, place: NDArray
) -> NDArray[np.float64]:
    """Probabilities (n,), each by numbers fitted without any pair of its place."""
    out = np.empty(len(same))
    for name in np.unique(place):
        own = place == name
        names = tuple(str(k) for k in range(features.shape[1]))
        model = fit(features[~own], same[~own], group[~own], names)
        out[own] = probability(model.log_odds(features[own]))
    return out
