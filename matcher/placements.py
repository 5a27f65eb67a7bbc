"""Where patches lie: the plain table that submissions, answers and results have in common."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError
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
        Patch id, image id, column and row of the patch's top-left pixel in that image (origin top left, pixels). Lists
        and columns of a table are made arrays.

    Raises
    ------
    MatcherError
        If a column holds anything but whole numbers, or they are of unlike length.
    """

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("ids", "image", "x", "y"):
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        counts = {name: len(getattr(self, name)) for name in ("ids", "image", "x", "y")}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise MatcherError(f"placements have {told}: give one of each a patch")

    def __len__(self) -> int:
        return len(self.ids)

    def to_dict(self) -> dict[str, Any]:
        """Every column by its name, none copied: what `pandas.DataFrame` takes, and what makes the same again."""
        return {column.name: getattr(self, column.name) for column in fields(self)}


def _whole(name: str, given: Any) -> NDArray[np.int64]:
    """A column of whole numbers; floating ones that are whole will do, which tables make of whole ones."""
    try:
        array = np.asarray(given)
    except ValueError:  # of lists of unlike length
        raise checks.refusal(name, given, "whole numbers, one a patch") from None
    fine = array.ndim == 1 and array.dtype.kind in "iuf"
    if fine and array.dtype.kind == "u":
        fine = bool((array <= np.iinfo(np.int64).max).all())
    elif fine and array.dtype.kind == "f":
        fine = bool(((np.abs(array) < 2.0**63) & (array == np.trunc(array))).all())
    if not fine:
        raise checks.refusal(name, given, "whole numbers, one a patch")
    return array.astype(np.int64, copy=False)
