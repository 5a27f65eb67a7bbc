"""What every kind of evidence hands to the search: stacks of fields that are correlated and summed."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Channel:
    """Fields whose normalised correlation is one score map.

    The map of a patch p and a target t is the mean over `stacks` of sum p t / sqrt(sum p^2 sum t^2), each sum over
    the fields of the stack and the pixels of the window; with `centred`, p and t less their means over the window
    (zero-mean normalised cross-correlation, Lewis 1995), without it as they are. Each lies in [-1, 1]; where
    either sum of squares vanishes there is no evidence, and the value is 0.

    Attributes
    ----------
    name : str
    stacks : tuple of ndarray (fields, height, width), float32
    centred : bool
    weight : float
        Of the squared z-score of the map in the sum over channels.
    """

    name: str
    stacks: tuple[NDArray[np.float32], ...]
    centred: bool
    weight: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.stacks[0].shape[1], self.stacks[0].shape[2]

    def window(self, corner: tuple[int, int], size: tuple[int, int]) -> "Channel":
        """A part of the fields: its top-left pixel (y, x), its height and width."""
        rows, columns = (slice(at, at + length) for at, length in zip(corner, size, strict=True))
        return replace(self, stacks=tuple(stack[:, rows, columns] for stack in self.stacks))
