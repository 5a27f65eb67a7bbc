"""What a search is given: the pictures of both sides, and how to compare them."""

import math
from dataclasses import dataclass

from matcher.imagery import Pictures, Roles
from matcher.model import Model

BLOCK_SHARE = 1 / 16  # of the memory, for what is read, or made, together
_DN = 4  # bytes of a number


@dataclass(frozen=True)
class Task:
    """A search of some targets for patches.

    Attributes
    ----------
    targets, patches : Pictures
    roles : Roles
    evidence : tuple of str
        Keys of `matcher.settings.EVIDENCE`.
    model : Model
    keep : int
        Targets kept a patch.
    effort : float
        Multiplies how much the pyramid searches.
    memory : int
        Bytes that the search may take.
    bands : tuple of str
        Names of the bands.
    """

    targets: Pictures
    patches: Pictures
    roles: Roles
    evidence: tuple[str, ...]
    model: Model
    keep: int
    effort: float
    memory: int
    bands: tuple[str, ...]

    def together(self, each: int, most: int) -> int:
        """How many things of so many bytes each are read, or made, together: `most`, or as many as have room."""
        return max(1, min(most, int(self.memory * BLOCK_SHARE) // each))

    def block(self, side: tuple[int, ...], most: int) -> int:
        """How many patches of `side` (height, width) are read together."""
        return self.together(self.pixel_bytes(math.prod(side)), most)

    def pixel_bytes(self, pixels: int) -> int:
        """Bytes of the DN of so many pixels."""
        return pixels * self.patches.shape(0)[2] * _DN
