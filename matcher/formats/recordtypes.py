"""Of which type the numbers of TFRecords are, which do not say it: told from byte counts and values.

The challenge writes little-endian float16. Others write float32, float64 or whole numbers, and now and then in the
other byte order. A type is possible where byte counts are those of a picture, and likely where the values are such as a
sensor gives: finite, of one order of magnitude or two, and alike from pixel to pixel.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError

OFFICIAL = np.dtype("<f2")
_WIDER = tuple(np.dtype(code) for code in ("<f8", ">f8"))  # never likely by chance, so they are asked first
_FLOATS = tuple(np.dtype(code) for code in ("<f2", "<f4", ">f2", ">f4"))
_WHOLE = tuple(  # wider ones first, for they are never sensible by chance
    tuple(map(np.dtype, codes)) for codes in (("<i4", ">i4"), ("<u2", "<i2", ">u2", ">i2"), ("u1",))
)
TYPES = (*_WIDER, *_FLOATS, *(dtype for types in _WHOLE for dtype in types))
_LARGEST = 1e6  # no sensor's number is larger
_FAINT = 0.02  # the brightest hundredth of pictures in float is above it: reflectance of the darkest water
_SPAN = 100.0  # what is fainter than the brightest hundredth by this factor
_FEW = 0.3  # is at most so much of a picture
_ODD = 1e-3  # of the values may be not-a-number with bits that no program writes
_SAMPLE = 1 << 18  # values of a record looked at

Shape = tuple[int, int, int]


def tell_type(
    contents: Sequence[bytes | memoryview],
    sizes: Iterable[int],
    shape_of: Callable[[int, int], Shape | None],
) -> np.dtype:
    """The type of the numbers of some records.

    Parameters
    ----------
    contents : sequence of bytes
        The pixels of a few records.
    sizes : iterable of int
        The bytes of all records: types that more of them can be of go first.
    shape_of : callable
        From a number of bytes, and the bytes of a value, to (height, width, bands), or None where they are none.

    Raises
    ------
    FormatError
        If no type is likely, and float16 is not possible.
    """
    counts = Counter(sizes)
    fitting = {
        dtype: sum(n for size, n in counts.items() if shape_of(size, dtype.itemsize)) for dtype in TYPES
    }
    most = max(fitting.values())
    possible = {dtype: _read(contents, dtype, shape_of) for dtype in TYPES if 0 < fitting[dtype] == most}
    possible = {dtype: pictures for dtype, pictures in possible.items() if pictures}
    for dtype in (*_WIDER, *_FLOATS):
        if dtype in possible and _likely(possible[dtype], dtype):
            return dtype
    for types in _WHOLE:
        whole = [dtype for dtype in types if dtype in possible and _sensible(possible[dtype])]
        if whole:
            return min(
                whole, key=lambda dtype: _roughness(possible[dtype])
            )  # the first of those that are alike
    if OFFICIAL in possible:
        return OFFICIAL
    raise FormatError(
        "holds numbers of no type that can be told; name it with --dtype, such as --dtype float32"
    )


def _read(
    contents: Sequence[bytes | memoryview], dtype: np.dtype, shape_of: Callable[[int, int], Shape | None]
) -> list[NDArray]:
    """A few rows of those records that can be of a type."""
    out = []
    for content in contents:
        shape = shape_of(len(content), dtype.itemsize)
        if shape is not None:
            rows = max(2, _SAMPLE // (shape[1] * shape[2]))
            out.append(np.frombuffer(content, dtype).reshape(shape)[:rows])
    return out


def spell_type(dtype: np.dtype) -> str:
    """A type in words: ``float32``, ``big-endian uint16``."""
    return f"{'big-endian ' if dtype.str.startswith('>') else ''}{dtype.name}"


def parse_type(text: str) -> np.dtype:
    """A type by its name, ``float32``, ``>u2`` or ``big-endian uint16``.

    Raises
    ------
    FormatError
        If it is none, or no type of real numbers.
    """
    words = text.lower().replace("big-endian", ">").replace("little-endian", "<").replace(" ", "")
    try:
        own = np.dtype(words.lstrip("<>") or "nothing")
        dtype = own.newbyteorder(">") if words.startswith(">") else own.newbyteorder("<")
    except TypeError:
        raise FormatError(f"--dtype {text}: give a type such as float32, uint16 or >u2") from None
    if dtype.kind not in "uif":
        raise FormatError(
            f"--dtype {text}: is no type of real numbers; give one such as float32, uint16 or >u2"
        )
    return dtype


def _likely(pictures: Iterable[NDArray], dtype: np.dtype) -> bool:
    """Whether numbers in floating point look like a sensor's."""
    values = np.concatenate([picture.ravel() for picture in pictures])
    finite = np.isfinite(values)
    written = np.array([np.nan, -np.nan, np.inf, -np.inf]).astype(dtype).view(f"u{dtype.itemsize}")
    odd = ~finite & ~np.isin(values.view(f"u{dtype.itemsize}"), written)
    if odd.mean() > _ODD:
        return False
    size = np.abs(values[finite].astype(np.float64))
    size = size[size > 0]
    if not size.size:  # nothing to go by
        return dtype == OFFICIAL
    bright = float(np.quantile(size, 0.99))
    return bright >= _FAINT and size.max() <= _LARGEST and float((size < bright / _SPAN).mean()) <= _FEW


def _sensible(pictures: Iterable[NDArray]) -> bool:
    """Whether whole numbers are such as a sensor gives."""
    return all(abs(float(end)) <= _LARGEST for picture in pictures for end in (picture.min(), picture.max()))


def _roughness(pictures: Iterable[NDArray]) -> float:
    """How far neighbours differ: a wrong byte order is noise, and a wrong sign jumps by the whole range."""
    steps = [np.abs(np.diff(picture.astype(np.float64), axis=1)) for picture in pictures]
    return float(np.mean([step.mean() for step in steps if step.size] or [0.0]))
