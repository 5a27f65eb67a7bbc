"""What the finest placement looks at: evidence of a patch and of its surroundings, compared block by block."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.evidence import channels
from matcher.imagery import Roles
from matcher.kernels.products import lag_products

REACH = 8  # px that a window should show beyond the patch on each side, where there are any
BLOCK = 8  # px
# Errors found are so many times what blocks tell, since neighbouring blocks err alike: fitted by
# `tools/measure_subpixel.py` on pairs of dates of 13 cities.
ALIKE = 2.2


def evidence_fields(dn: NDArray[np.float32], roles: Roles, evidence: tuple[str, ...]) -> NDArray[np.float32]:
    """All fields (fields, height, width) of a picture (height, width, bands), DN; centred stacks less their means."""
    stacks = [
        stack - stack.mean((1, 2), keepdims=True) if channel.centred else stack
        for channel in channels(dn, roles, evidence)
        for stack in channel.stacks
    ]
    return np.concatenate(stacks)


def block_products(
    own: NDArray[np.float32], around: NDArray[np.float32], lag: tuple[int, int] = (0, 0)
) -> NDArray[np.float64]:
    """`lag_products` of a patch's fields and those about it, where all nine lags about `lag` show some evidence.

    Parameters
    ----------
    own : ndarray (fields, height, width), float32
        Of the patch.
    around : ndarray (fields, height + 2 `REACH`, width + 2 `REACH`), float32
        Of the window, and `REACH` px about it.
    lag : (int, int)
        (dy, dx), px.

    Returns
    -------
    ndarray (rows of blocks, columns of blocks, 3, 3), float64
    """
    _, height, width = own.shape
    top, left = (REACH - 1 + k for k in lag)
    other = np.ascontiguousarray(around[:, top : top + height + 2, left : left + width + 2])
    seen = ndimage.minimum_filter(other.any(0), 3)[1:-1, 1:-1]
    if not seen.all():
        own = own * seen
    out = np.empty((-(-height // BLOCK), -(-width // BLOCK), 3, 3))
    lag_products(own, other, BLOCK, out)
    return out


def slopes_and_bends(total: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope (…, 2) and curvature (…, 2, 2) in the middle of nine values, `total` (…, 3, 3), rows first."""
    slope = np.stack([total[..., 2, 1] - total[..., 0, 1], total[..., 1, 2] - total[..., 1, 0]], -1) / 2
    down = total[..., 2, 1] - 2 * total[..., 1, 1] + total[..., 0, 1]
    across = total[..., 1, 2] - 2 * total[..., 1, 1] + total[..., 1, 0]
    both = (total[..., 2, 2] - total[..., 2, 0] - total[..., 0, 2] + total[..., 0, 0]) / 4
    return slope, np.stack([np.stack([down, both], -1), np.stack([both, across], -1)], -2)
