"""The place to a fraction of a pixel: a parabola through the peak of the exact score map.

The correlation of gradient phase peaks within about a pixel, and a parabola through three values along each axis
(Tian and Huhns, "Algorithms for subpixel registration", CVGIP 1986) finds its top; on real pairs of dates the
median error is below a tenth of a pixel (`tools/measure_locate.py`). Templates are not whitened here: that makes peaks
so sharp that a parabola draws them towards whole pixels.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import channels
from matcher.imagery import Roles
from matcher.search.correlation import score_maps, target_spectra

REACH = 4  # px that a window must show beyond the patch on each side, where there are any
_LOOK = 2  # px round the answer that the peak may lie off


def refine(
    patch: NDArray[np.float32],
    window: NDArray[np.float32],
    answer: tuple[int, int],
    roles: Roles,
    evidence: tuple[str, ...],
) -> tuple[float, float]:
    """Where the peak near an answer lies.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN; the window is the patch's surroundings, at most `REACH` px more on each side.
    answer : (int, int)
        Row and column of the patch's top-left pixel in the window, as the search found it.
    roles : Roles
    evidence : tuple of str

    Returns
    -------
    (float, float)
        Row and column in the window, at most 2.5 px from the answer; the answer itself where nothing is to be seen.
    """
    own = channels(np.ascontiguousarray(patch), roles, evidence)
    around = channels(np.ascontiguousarray(window), roles, evidence)
    maps, _ = next(score_maps(own, target_spectra([around], own[0].shape)))
    total = np.tensordot([channel.weight for channel in own], maps[0].astype(np.float64), axes=1)
    top, left = (max(a - _LOOK, 0) for a in answer)
    near = total[top : answer[0] + _LOOK + 1, left : answer[1] + _LOOK + 1]
    if near.max() <= 0:
        return float(answer[0]), float(answer[1])
    peak = int(near.argmax())
    row, col = peak // near.shape[1] + top, peak % near.shape[1] + left
    return row + _top(total[:, col], row), col + _top(total[row], col)


def _top(line: NDArray[np.float64], at: int) -> float:
    """Where a parabola through a value and its neighbours has its top, from -0.5 to 0.5; 0 at a border or no peak."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = line[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
