"""How much a patch has to say: how many of its pixels have an edge, and how many of these are independent."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.pixels import seen_pixels
from matcher.imagery import Roles
from matcher.kernels.content import edge_directions, likeness

CEILING = 4080.0  # DN; 255 of 8 bit, and all but the last step of the challenge's 4095


class Content(NamedTuple):
    """Of a patch: its pixels, those of them with an edge that is seen, and how many independent ones say as much."""

    pixels: int
    edges: int
    independent: float


def content(dn: NDArray[np.float32], roles: Roles) -> Content:
    """How much a patch has to say, by how alike the edges of neighbours are.

    Correlations of two pictures of n pixels, alike by r from one to the next in both, vary as those of
    n (1 - r^2) / (1 + r^2) independent ones do (Bartlett, "Some aspects of the time-correlation problem", Journal of
    the Royal Statistical Society 98, 1935); so in each of two directions at right angles. Of rows and columns and of
    the two diagonals what gives less counts: stripes say little, whichever way they run. Where most bands stand at the
    ceiling there are fewer values at a pixel, and kinds of evidence that say the same: their share counts twice.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        DN; a pixel at the `CEILING` in all bands says nothing, nor one under a cloud beside ground that is seen.
    roles : Roles
    """
    vector = np.empty((*dn.shape[:2], 2))
    count, open_ = edge_directions(dn, seen_pixels(dn, roles), CEILING, vector)
    alike = np.empty(4)
    likeness(vector, alike)
    kept = (1 - alike**2) / (1 + alike**2)
    independent = count * min(kept[0] * kept[1], kept[2] * kept[3]) * open_**2
    return Content(dn.shape[0] * dn.shape[1], count, float(independent))
