"""How well scores tell same from other: ROC, precision and recall, equal error rate, Brier, calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.values import compared

BINS = 10


@compared
@dataclass(frozen=True)
class Curves:
    """What a score is worth on labelled pairs.

    Attributes
    ----------
    count : int
    auc : float
        Area under the ROC curve: the chance that a same pair scores above another, ties by half.
    average_precision : float
        Area under the precision-recall curve, as a sum of steps.
    equal_error : float
        Rate at which as many same pairs are missed as others are let through.
    brier : float
        Mean square of probability less truth; `brier_constant` that of the share of same pairs.
    calibration : float
        Expected calibration error: mean over 10 bins of equal width, weighed by their pairs, of the difference of
        mean probability and share of same pairs (Naeini et al. 2015).
    roc, precision_recall : ndarray (m, 2)
        False and true positive rate; recall and precision; from the strictest threshold on.
    """

    count: int
    auc: float
    average_precision: float
    equal_error: float
    brier: float
    brier_constant: float
    calibration: float
    roc: NDArray[np.float64]
    precision_recall: NDArray[np.float64]

    def to_dict(self) -> dict[str, object]:
        """All of it in plain numbers."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }


def curves(chance: NDArray[np.float64], same: NDArray[np.bool_]) -> Curves:
    """The curves of probabilities (n,) of pairs that are the same or not (n,).

    Raises
    ------
    MatcherError
        If all pairs are of one kind.
    """
    positive, negative = int(same.sum()), int((~same).sum())
    if not positive or not negative:
        raise MatcherError("curves need pairs of the same place and of others, and there is one kind only")
    order = np.argsort(-chance, kind="stable")
    last = np.append(np.diff(chance[order]) != 0, True)  # ties are one threshold
    hits = np.cumsum(same[order])[last]
    false = np.cumsum(~same[order])[last]
    recall, fall, precision = hits / positive, false / negative, hits / (hits + false)
    roc = np.vstack([[0.0, 0.0], np.column_stack([fall, recall])])
    miss = 1 - roc[:, 1]
    at = int(np.argmax(roc[:, 0] >= miss))
    base = float(same.mean())
    return Curves(
        count=len(same),
        auc=float((np.diff(roc[:, 0]) * (roc[1:, 1] + roc[:-1, 1])).sum() / 2),
        average_precision=float((np.diff(recall, prepend=0) * precision).sum()),
        equal_error=_crossing(roc[at - 1], roc[at]),
        brier=float(np.mean((chance - same) ** 2)),
        brier_constant=base * (1 - base),
        calibration=calibration_error(chance, same),
        roc=roc,
        precision_recall=np.column_stack([recall, precision]),
    )


def calibration_error(chance: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Expected calibration error over `BINS` bins of equal width."""
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    excess = np.bincount(bins, chance - same, BINS)
    return float(np.abs(excess).sum() / len(same))


def _crossing(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Where the line between two points of a ROC curve has as many false alarms as misses."""
    gap = [fall - (1 - hit) for fall, hit in (before, after)]
    part = gap[0] / (gap[0] - gap[1]) if gap[0] != gap[1] else 1.0
    return float(before[0] + part * (after[0] - before[0]))
