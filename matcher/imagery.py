"""From the numbers of a file to reflectance: which band is which, what the values mean, which pixels are valid."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.formats.base import Source
from matcher.settings import Settings

DN_CLIP = 4095.0  # the official loader clips reflectance x 10,000 here
_SAMPLE = 8  # pictures looked at to tell the value range
_TO_DN = {
    "dn": (1.0, 0.0),
    "signed": (2047.5, 2047.5),
    "reflectance": (10000.0, 0.0),
    "8bit": (16.0, 0.0),
    "16bit": (1 / 16.0, 0.0),
}


@dataclass(frozen=True)
class Roles:
    """Which band is what: indices into the last axis.

    Attributes
    ----------
    visible : tuple of int
        All bands but near infrared: what they say is nearly the same.
    nir, red : int, optional
    """

    visible: tuple[int, ...]
    nir: int | None
    red: int | None

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "Roles":
        """Roles of bands by name; unknown names count as visible, a lone near infrared band too."""
        nir = names.index("nir") if "nir" in names and len(names) > 1 else None
        red = names.index("red") if "red" in names else None
        return cls(tuple(k for k in range(len(names)) if k != nir), nir, red)


class Pictures:
    """A source's pictures as DN (reflectance x 10,000), float32, C order, checked as they are read.

    Parameters
    ----------
    source : Source
    value_range : str
        One of `matcher.settings.RANGES`; ``auto`` is resolved here, from dtype and a fixed sample.
    """

    def __init__(self, source: Source, value_range: str) -> None:
        self.source = source
        self.ids = source.ids
        self.name = source.name
        self.value_range = tell_range(source) if value_range == "auto" else value_range

    def __len__(self) -> int:
        return len(self.source)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands)."""
        return self.source.shape(index)

    def raw(self, index: int) -> NDArray:
        """The stored values of one picture.

        Raises
        ------
        MatcherError
            If a value is NaN or infinite, or the dtype is not a real number's.
        """
        array = self.source[index]
        if array.dtype.kind not in "uif":
            raise MatcherError(f"{self.source.where(index)}: holds {array.dtype} values, not real numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise MatcherError(
                f"{self.source.where(index)}: has NaN or infinite values; set such pixels to 0 in all bands, "
                "which is read as no data"
            )
        return array

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return to_dn(self.raw(index), self.value_range)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[k] for k in range(len(self)))


def to_dn(array: NDArray, value_range: str) -> NDArray[np.float32]:
    """Stored values as DN, float32: not clipped, so that 0 stays no data."""
    scale, offset = _TO_DN[value_range]
    out = np.ascontiguousarray(array, np.float32)
    if scale != 1.0:
        out = out * np.float32(scale)
    if offset:
        out = out + np.float32(offset)
    return out


def tell_range(source: Source) -> str:
    """What a source's numbers mean, by dtype and by the extremes of a few pictures spread over it."""
    count = len(source)
    low, high = np.inf, -np.inf
    for k in sorted({round(j * (count - 1) / max(_SAMPLE - 1, 1)) for j in range(_SAMPLE)}):
        array = source[k]
        if array.dtype == np.uint8:
            return "8bit"
        if array.dtype.kind not in "uif" or not array.size:
            continue
        finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low < 0 and low >= -1.01 and high <= 1.01:
        return "signed"
    if 0 <= low and 0 < high <= 2.0:
        return "reflectance"
    return "16bit" if high > 20000 else "dn"


def resolve_bands(images: Pictures, patches: Pictures, settings: Settings) -> tuple[str, ...]:
    """The band names of both sides; an error where a picture has another number of bands."""
    bands = images.shape(0)[2]
    for pictures in (images, patches):
        for k in range(len(pictures)):
            has = pictures.shape(k)[2]
            if has != bands:
                raise MatcherError(
                    f"{pictures.source.where(k)}: has {has} bands, and {images.source.where(0)} has {bands}: "
                    "images and patches must have the same bands"
                )
    return settings.band_names(bands)
