"""From the numbers of a file to reflectance: which band is which, what the values mean, which pixels are valid."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.formats.base import Source, Typed, Windowed
from matcher.formats.series import Series
from matcher.settings import Settings

CEILING = 4095  # DN at which the official files are clipped
_HALF = CEILING / 2
log = logging.getLogger("matcher")
_LARGEST = 1e9  # DN; far beyond any sensor, and its square still has room in single precision
_SAMPLE = 8  # pictures looked at to tell the value range
_VALUES = 1 << 20  # of each, about
_FEW = 0.001  # of the values may lie beyond a range: noise, hot pixels
_TWELVE_BITS = 20_000.0  # DN that only the brightest clouds pass
_SIXTEEN_BITS = 66_000.0  # just above what 16 bit hold
_SHARE = 0.005  # of the values above it: the numbers are 16 bit
_SIGNED = -0.25  # below it no reflectance lies, noise and atmospheric correction counted in
_TO_DN = {
    "dn": (1.0, 0.0),
    "signed": (_HALF, _HALF),
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
        # A protocol is not looked through again for every window.
        self._windowed = source if isinstance(source, Windowed) else None
        self.value_range = tell_range(source) if value_range == "auto" else value_range

    def __len__(self) -> int:
        return len(self.source)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands)."""
        return self.source.shape(index)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """The DN of one picture.

        Raises
        ------
        MatcherError
            If a value is NaN, infinite or absurdly large, or the dtype is not a real number's.
        """
        return self._checked(self.source[index], index)

    def crop(self, index: int, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
        """The DN of a part of one picture: its top-left pixel (y, x), its height and width. Raises as `[]` does."""
        (top, left), (height, width) = corner, size
        if self._windowed is not None:
            return self._checked(self._windowed.read(index, top, left, height, width), index)
        return self._checked(self.source[index][top : top + height, left : left + width], index)

    def _checked(self, array: NDArray, index: int) -> NDArray[np.float32]:
        if array.dtype.kind not in "uif":
            raise MatcherError(f"{self.source.where(index)}: holds {array.dtype} values, not real numbers")
        dn = to_dn(array, self.value_range)
        with np.errstate(invalid="ignore"):
            largest = max(float(dn.max()), -float(dn.min()))  # NaN where there is one
        if not largest <= _LARGEST:
            where = self.source.where(index)
            if not np.isfinite(array).all():
                raise MatcherError(
                    f"{where}: has NaN or infinite values; set such pixels to 0 in all bands, which is read as "
                    "no data"
                )
            raise MatcherError(
                f"{where}: has values up to {largest:.3g} DN, which no sensor gives: check its dtype and the "
                "value range (--range)"
            )
        return dn

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[k] for k in range(len(self)))


def to_dn(array: NDArray, value_range: str) -> NDArray[np.float32]:
    """Stored values as DN, float32: not clipped, so that 0 stays no data; infinite where they are beyond that type."""
    scale, offset = _TO_DN[value_range]
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told by who uses it
        if scale == 1.0:
            return np.ascontiguousarray(array, np.float32)
        out = np.array(array, np.float32, order="C")
        out *= np.float32(scale)
        if offset:
            out += np.float32(offset)
    return out


def tell_range(source: Source) -> str:
    """What a source's numbers mean, by dtype and by what most values of a few pictures spread over it are.

    A few values beyond a range, such as hot pixels, do not tell; they are noted.

    Raises
    ------
    MatcherError
        If they are no reflectance that can be told: signed bytes, mostly negative (decibels), or beyond 16 bits.
    """
    return _tell(source, look(source))


@dataclass(frozen=True)
class Looked:
    """What a few pictures of a source hold: where nearly all values lie, and some shares of them."""

    dtype: np.dtype
    low: float
    high: float
    largest: float
    negative: float
    above: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"dtype": self.dtype.str}

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Looked":
        """What `to_dict` gave."""
        return cls(**{**content, "dtype": np.dtype(content["dtype"])})


def look(source: Source) -> Looked:
    """What some pictures of a source hold: enough to tell their range by.

    Raises
    ------
    MatcherError
        If pictures of one type mean something else than those of another, as far as the source knows its types.
    """
    groups = _by_type(source)
    if len(groups) > 1:
        told = {_tell(source, _look(source, rows)): rows[0] for rows in groups}
        if len(told) > 1:
            (one, k), (other, n), *_ = told.items()
            raise MatcherError(
                f"{source.where(n)}: holds {source[n].dtype}, which is read as {other}, and {source.where(k)} holds "
                f"{source[k].dtype}, which is read as {one}: match them apart, or write all of them as one type"
            )
    return _look(source, range(len(source)))


def _by_type(source: Source) -> list[list[int]]:
    """Numbers of the pictures by what type their values are of: bytes, whole numbers, floating ones."""
    if not isinstance(source, Typed):
        return []
    groups: dict[str, list[int]] = {}
    for k in range(len(source)):
        dtype = source.dtype(k)
        groups.setdefault("8" if dtype.itemsize == 1 else "f" if dtype.kind == "f" else "i", []).append(k)
    return list(groups.values())


def _look(source: Source, rows: Sequence[int]) -> Looked:
    """What some of these pictures hold."""
    parts = []
    for k in sorted({rows[round(j * (len(rows) - 1) / max(_SAMPLE - 1, 1))] for j in range(_SAMPLE)}):
        array = source[k]
        if array.dtype.kind in "uif":
            step = max(1, round(math.sqrt(array.size / _VALUES)))
            some = array[::step, ::step].reshape(-1, array.shape[2])
            some = some[(some != 0).any(-1)].ravel()  # no data says nothing
            parts.append(some[np.isfinite(some)] if some.dtype.kind == "f" else some)
    values = np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
    if not values.size:
        return Looked(source[rows[0]].dtype, 0.0, 0.0, 0.0, 0.0, 0.0)
    low, high = np.quantile(values, (_FEW, 1 - _FEW)).tolist()
    above = float((values > _TWELVE_BITS).mean())
    return Looked(source[rows[0]].dtype, low, high, float(values.max()), float((values < 0).mean()), above)


def _tell(source: Source, looked: Looked) -> str:
    dtype, low, high = looked.dtype, looked.low, looked.high
    if dtype == np.int8:
        raise MatcherError(
            f"{source.where(0)}: holds int8, which no range is known for: write it as uint8, or say with --range what "
            "the numbers are"
        )
    if dtype == np.uint8:
        return "8bit"
    if looked.negative > 0.5 and low < -1.01:
        raise MatcherError(
            f"{source.where(0)}: most values are negative ({low:.4g} to {high:.4g}), as decibels are, and no "
            "reflectance: write them as positive numbers, such as 10 ** (dB / 10), or say with --range what they are"
        )
    if dtype.kind == "f" and -1.01 <= low < _SIGNED and high <= 1.01:
        return "signed"
    if dtype.kind == "f" and low >= _SIGNED and 0 < high <= 2.0:
        return "reflectance"
    if high > _SIXTEEN_BITS:
        raise MatcherError(
            f"{source.where(0)}: has values up to {high:.4g}, beyond 16 bits: divide them into that range, or say with "
            "--range what they are"
        )
    if looked.above >= _SHARE:
        return "16bit"
    if looked.above:
        log.info(
            "%s: values up to %g are few (%.2g of all), so the others are not read as 16 bit (--range says otherwise)",
            source.name,
            looked.largest,
            looked.above,
        )
    return "dn"


def tell_ranges(images: Source, patches: Source, looked_at: Looked | None = None) -> tuple[str, str]:
    """What the numbers of both sides mean, told together.

    A few patches show less of the range than the images do: all bright, they look like reflectance where they are
    signed; all dark, like DN where they are 16 bit. Where both can mean the same, they do.

    `looked_at` is what the images hold where that is known.

    Raises
    ------
    MatcherError
        As `tell_range`.
    """
    looked = [looked_at or look(images), look(patches)]
    told = [_tell(source, one) for source, one in zip((images, patches), looked, strict=True)]
    if set(told) == {"signed", "reflectance"} and all(
        one.low >= -1.01 and one.high <= 1.01 for one in looked
    ):
        return "signed", "signed"
    whole = all(one.dtype.kind in "ui" for one in looked) or looked[0].dtype == looked[1].dtype
    if set(told) == {"16bit", "dn"} and whole:
        return "16bit", "16bit"
    return told[0], told[1]


def open_pictures(
    images: Source, patches: Source, value_range: str, ranges: tuple[str, str] | None = None
) -> tuple[Pictures, Pictures]:
    """Images and patches as DN; where `value_range` is ``auto``, of the `ranges` told, or told here together."""
    if value_range != "auto":
        ranges = value_range, value_range
    told = ranges or tell_ranges(images, patches)
    return Pictures(images, told[0]), Pictures(patches, told[1])


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


def read_stack(series: Series, value_range: str) -> NDArray[np.float32]:
    """All dates of a series, (dates, height, width, bands), DN.

    Raises
    ------
    MatcherError
        If a date cannot be read, or has NaN or infinite values.
    """
    stack = np.stack([to_dn(series.read(k), value_range) for k in range(series.shape[0])])
    if not np.isfinite(stack).all():
        raise MatcherError(
            f"{series.file}: has NaN or infinite values, or some beyond float32; set such pixels to 0, which is no data"
        )
    return stack


def to_official(dn: NDArray) -> NDArray[np.float16]:
    """DN clipped to 0..4095 and mapped to [-1, 1] as in the challenge's test files, float16."""
    return (np.minimum(dn, CEILING).astype(np.float32) / np.float32(_HALF) - 1).astype(np.float16)
