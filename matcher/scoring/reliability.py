"""What confidence means: how often answers are right, by how sure they are, with counts and intervals."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)  # of the bins; the last holds 1 too
_Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Bin:
    """Answers of a confidence from `low` to below `high`.

    Attributes
    ----------
    low, high : float
    count : int
    confidence, right : float
        Their mean confidence, and the share of them that is right; nan where there are none.
    interval : (float, float)
        In which that share lies by 95 % (Wilson, "Probable inference", Journal of the American Statistical
        Association 22, 1927).
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float
    interval: tuple[float, float]

    @property
    def excess(self) -> float:
        """Mean confidence less the share that is right."""
        return self.confidence - self.right


def reliability(
    confidence: ArrayLike, right: NDArray[np.bool_], edges: tuple[float, ...] = EDGES
) -> tuple[Bin, ...]:
    """The bins of some answers' confidences (n,), and of whether they are right (n,)."""
    sure = np.asarray(confidence, np.float64)
    which = np.clip(np.searchsorted(edges, sure, side="right") - 1, 0, len(edges) - 2)
    out = []
    for k in range(len(edges) - 1):
        own = which == k
        count, hits = int(own.sum()), int(right[own].sum())
        mean = float(sure[own].mean()) if count else math.nan
        share = hits / count if count else math.nan
        out.append(Bin(edges[k], edges[k + 1], count, mean, share, wilson(hits, count)))
    return tuple(out)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `count` were seen; from 0 to 1 where there are none."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def spell(bins: tuple[Bin, ...]) -> str:
    """Bins in a line: confidence, share right with its interval, and count."""
    parts = [
        f"{b.low:g}-{b.high:g}: said {b.confidence:.2f}, right {b.right:.2f} [{b.interval[0]:.2f}, "
        f"{b.interval[1]:.2f}] of {b.count}"
        for b in bins
        if b.count
    ]
    return "; ".join(parts)
