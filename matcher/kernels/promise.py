"""The promise's inner loop: which window of a target is likest a patch."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

# Least distances that are kept side by side: one alone is compared with every window in turn, at two thirds more time.
_LANES = 16


@kernel(nogil=True)
def nearest_windows(windows: NDArray, starts: NDArray, patches: NDArray, out: NDArray) -> None:
    """Squared distances of patches to the nearest window of each target.

    Statistics of windows (D, N) and of patches (P, D), float32; windows starts[t] to starts[t + 1] - 1 are of target t
    (T + 1,). To out (P, T). Differences are added in the order of the D.
    """
    count = len(starts) - 1
    longest = 0
    for t in range(count):
        longest = max(longest, starts[t + 1] - starts[t])
    totals = np.full((longest + _LANES - 1) // _LANES * _LANES, np.float32(np.inf))
    least = np.empty(_LANES, np.float32)
    for t in range(count):
        size = starts[t + 1] - starts[t]
        filled = (size + _LANES - 1) // _LANES * _LANES
        totals[size:filled] = np.inf
        for p in range(len(patches)):
            totals[:size] = 0
            for d in range(len(windows)):
                value, row = patches[p, d], windows[d, starts[t] : starts[t + 1]]
                for w in range(size):
                    difference = row[w] - value
                    totals[w] += difference * difference
            least[:] = np.inf
            for start in range(0, filled, _LANES):
                for lane in range(_LANES):
                    total = totals[start + lane]
                    least[lane] = total if total < least[lane] else least[lane]
            out[p, t] = least.min()
