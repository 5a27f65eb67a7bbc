"""Where patches lie: the plain table that submissions, answers and results have in common."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.values import compared

OFFICIAL_RADIUS = 64.0 * math.sqrt(2.0)
"""Distance of the corners, in pixels, from which on a right image earns no more than its half."""


@compared
@dataclass(frozen=True)
class Placements:
    """One row a patch: the image and the top-left corner.

    Attributes
    ----------
    ids, image, x, y : ndarray of int64, shape (n,)
        Patch id, image id, column and row of the patch's top-left pixel in that image (origin top left, pixels).
    """

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def to_dict(self) -> dict[str, Any]:
        """Every column by its name, none copied: what `pandas.DataFrame` takes, and what makes the same again."""
        return {column.name: getattr(self, column.name) for column in fields(self)}
