"""What every kind of evidence hands to the search: stacks of fields that are correlated and summed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FULL = 4.0  # how many times a full window's energy counts beside a window's own


@dataclass(frozen=True)
class Channel:
    """Fields whose normalised correlation is one score map.

    The map of a patch p and a target t is the mean over `stacks` of sum p t / sqrt(sum p^2 sum t^2), each sum over
    the fields of the stack and the pixels of the window; with `centred`, p and t less their means over the window
    (zero-mean normalised cross-correlation, Lewis 1995), without it as they are. Each lies in [-1, 1]; where
    either sum of squares vanishes there is no evidence, and the value is 0. `response` and `energy` change p and
    sum t^2 as they say.

    Attributes
    ----------
    name : str
    stacks : tuple of ndarray (fields, height, width), float32
        Of one picture; (pictures, fields, height, width) of many of one shape.
    centred : bool
    weight : float
        Of the squared z-score of the map in the sum over channels.
    response : tuple of float
        What a patch's fields are multiplied by at spatial frequencies of 0, 1/16, 2/16 … cycles a pixel, as they are
        made a template; linear between. Empty: they are the template. Neighbouring pixels' gradients are alike, so
        that plain sums count the same edge many times over; a template that whitens them counts it once.
    energy : float
        A pixel's part of sum t^2 in a window full of texture. Where it is not 0, sum t^2 is the mean of the window's
        own and `FULL` times that of a full window, and values beyond [-1, 1] are cut: a window with few textured
        pixels cannot score high by chance, and tells less of the noise of its map.
    """

    name: str
    stacks: tuple[NDArray[np.float32], ...]
    centred: bool
    weight: float
    response: tuple[float, ...] = ()
    energy: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.stacks[0].shape[-2], self.stacks[0].shape[-1]

    def window(self, corner: tuple[int, int], size: tuple[int, int]) -> "Channel":
        """A part of the fields: its top-left pixel (y, x), its height and width."""
        rows, columns = (slice(at, at + length) for at, length in zip(corner, size, strict=True))
        return replace(self, stacks=tuple(stack[..., rows, columns] for stack in self.stacks))


def joined(
    groups: Sequence[Sequence[Channel]], how: Callable[..., NDArray[np.float32]] = np.concatenate
) -> list[Channel]:
    """Channels of many pictures each, in groups of one shape: all pictures in one, contiguous.

    Of one picture each where `how` is `np.stack`.
    """
    return [
        replace(alike[0], stacks=tuple(map(how, zip(*(one.stacks for one in alike), strict=True))))
        for alike in zip(*groups, strict=True)
    ]
