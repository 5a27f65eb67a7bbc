"""Small pictures to look at: stretched, and packed as WebP of a size that keeps a page small."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Sides and qualities tried in turn until all pictures fit the budget.
_STEPS = ((72, 70), (64, 55), (56, 45), (48, 40), (40, 35), (32, 30), (24, 25))
_SAMPLE = 40


def colours(picture: NDArray, false_colour: bool) -> NDArray[np.uint8]:
    """A picture (height, width, bands) as 8-bit red, green and blue, stretched by its own percentiles.

    With `false_colour`, near infrared, red and green of four bands are shown as red, green and blue: plants are red.
    """
    return stretch(chosen(picture, false_colour))


def alike(pictures: Sequence[NDArray], false_colour: bool) -> list[NDArray[np.uint8]]:
    """Pictures as `colours` shows them, all stretched alike: what is equally bright in two of them looks so.

    The darkest picture says what is white, so that cloud in one leaves the ground of another to be seen, but no less
    than a sixth of what the brightest says.
    """
    shown = [chosen(picture, false_colour) for picture in pictures]
    limits = joint_limits(shown)
    return [stretch(picture, limits) for picture in shown]


def joint_limits(pictures: Sequence[NDArray]) -> tuple[float, float]:
    """What is black and what is white in all of some pictures; see `alike`."""
    lows, highs = zip(*map(own_limits, pictures), strict=True)
    return min(lows), max(min(highs), max(highs) / 6)


def chosen(picture: NDArray, false_colour: bool) -> NDArray:
    """The bands that are shown as red, green and blue."""
    return picture[..., [3, 0, 1]] if false_colour and picture.shape[2] >= 4 else picture


def stretch(picture: NDArray, limits: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """A picture (height, width, bands) as 8-bit red, green, blue: `limits`, or its own, made 0 to 255.

    One stretch for all three bands, so that colours stay; a lone band is gray, of two the second is shown as both
    green and blue. A flat picture is mid-gray.
    """
    shown = _first_three(picture)
    low, high = own_limits(picture) if limits is None else limits
    if high <= low:
        return np.full(shown.shape, 128, np.uint8)
    return (np.clip((shown - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)


def own_limits(picture: NDArray) -> tuple[float, float]:
    """The 2nd and the 98th percentile of the bands that `stretch` shows."""
    low, high = np.percentile(_first_three(picture), (2, 98))
    return float(low), float(high)


def _first_three(picture: NDArray) -> NDArray[np.float64]:
    bands = picture.shape[2]
    return picture[..., [min(k, bands - 1) for k in range(3)]].astype(np.float64)


def webp(rgb: NDArray[np.uint8], side: int, quality: int) -> str:
    """A picture as base64 of a WebP of at most `side` px, never enlarged."""
    from PIL import Image  # most commands show no picture

    image = Image.fromarray(rgb)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def pack(pictures: Sequence[NDArray[np.uint8]], budget: int, largest: int = 72) -> list[str]:
    """Pictures as base64 of WebP, at the best size and quality at which all of them fit `budget` bytes."""
    if not pictures:
        return []
    some = pictures[:: max(len(pictures) // _SAMPLE, 1)]
    steps = [(min(side * largest // 72, largest), quality) for side, quality in _STEPS]
    for k, (side, quality) in enumerate(steps):
        size = sum(len(webp(rgb, side, quality)) for rgb in some) / len(some) * len(pictures)
        if size <= budget or k == len(steps) - 1:
            packed = [webp(rgb, side, quality) for rgb in pictures]
            if sum(map(len, packed)) <= budget or k == len(steps) - 1:
                return packed
    return []  # pragma: no cover (the last step returns)
