"""Several places of one patch in one picture: the highest peaks of the exact score map, apart from each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import Channel
from matcher.search.correlation import score_maps, target_spectra
from matcher.search.exhaustive import PRIOR_PLACES

Peak = tuple[int, int, float]


def best_peaks(patch: Sequence[Channel], picture: Sequence[Channel], count: int) -> list[Peak]:
    """The best places, best first, no two nearer than half a patch in both directions.

    Parameters
    ----------
    patch, picture : sequence of Channel
    count : int

    Returns
    -------
    list of (row, column, score)
        The score is that of `matcher.search.exhaustive`: the sum of weighted squares of positive z-scores.
    """
    height, width = patch[0].shape
    maps, live = next(score_maps(patch, target_spectra([picture], (height, width))))
    total = combined(maps[0], live[0], patch)
    out: list[Peak] = []
    for _ in range(count):
        row, col = (int(k) for k in np.unravel_index(total.argmax(), total.shape))
        if total[row, col] <= 0:
            break
        out.append((row, col, float(total[row, col])))
        top, left = max(row - height // 2, 0), max(col - width // 2, 0)
        total[top : row + height // 2 + 1, left : col + width // 2 + 1] = 0
    return out


def combined(
    maps: NDArray[np.float32], live: NDArray[np.float32], patch: Sequence[Channel]
) -> NDArray[np.float64]:
    """Maps as one: against the noise of each map's live places, and a prior one where they are few.

    Parameters
    ----------
    maps : ndarray (channels, height, width), float32
        Correlations at every place, -1..1.
    live : ndarray (channels, height, width), float32
        How much each place counts as noise: `matcher.search.correlation.Spectra.live`.
    patch : sequence of Channel
        The patch's, one a map.

    Returns
    -------
    ndarray (height, width), float64
        Sums of weighted squares of positive z-scores.
    """
    prior = 1.0 / (patch[0].shape[0] * patch[0].shape[1])
    total = np.zeros(maps.shape[1:])
    for channel, raw, weight in zip(patch, maps.astype(np.float64), live.astype(np.float64), strict=True):
        places = weight.sum() + PRIOR_PLACES
        mean = (weight * raw).sum() / places
        spread = ((weight * raw**2).sum() + PRIOR_PLACES * prior) / places - mean**2
        total += channel.weight * np.maximum(raw - mean, 0) ** 2 / max(spread, 1e-12)
    return total
