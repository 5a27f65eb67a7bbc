"""Classes that hold arrays, made to be printed, compared and kept: one way for all of them, as decorators."""

import reprlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_FEW = 3  # values that are shown in full
_TEXT = reprlib.Repr()
_TEXT.maxstring = 60
Class = TypeVar("Class", bound=type)


def brief(cls: Class) -> Class:
    """Over ``@dataclass``: `repr` is a line or two whatever the fields hold.

    Long columns are told by their first and last value and, where it is not that of the rows, their length; arrays of
    several axes by dtype and shape, mappings by their keys, other objects by their class. What is None or empty is left
    out.
    """

    def __repr__(self: Any) -> str:
        rows = len(self) if hasattr(cls, "__len__") else -1
        told = [] if rows < 0 else [f"{rows} row{'s' * (rows != 1)}"]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.repr and value is not None and not (_sized(value) and len(value) == 0):
                told.append(f"{field.name}={_short(value, rows)}")
        return f"{type(self).__name__}({', '.join(told)})"

    made: Any = cls
    made.__repr__ = __repr__
    return cls


def compared(cls: Class) -> Class:
    """Over ``@dataclass``, as `brief`; and `==` says whether all that two of a class hold is the same.

    NaN is the same as NaN. Such objects cannot be hashed: arrays can be written to.
    """

    def __eq__(self: Any, other: Any) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in fields(self) if field.compare]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    made: Any = cls
    made.__eq__, made.__hash__ = __eq__, None
    return brief(cls)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are, NaN and what lists and mappings hold included."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return _same_array(np.asarray(one), np.asarray(other))
    if type(one) is not type(other):
        return bool(one == other)
    if type(one) in (tuple, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return bool(one == other or (one != one and other != other))


def _same_array(one: NDArray, other: NDArray) -> bool:
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


def _sized(value: Any) -> bool:
    return isinstance(value, tuple | list | Mapping | str) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def _short(value: Any, rows: int = -1) -> str:
    """A value in a few words, in a table of so many rows."""
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, np.ndarray) or type(value) in (tuple, list):
        if len(value) <= _FEW:
            shown = ", ".join(map(_short, value))
            return f"({shown})" if isinstance(value, tuple) else f"[{shown}]"
        of = "" if len(value) == rows else f" ({len(value)})"
        return f"[{_short(value[0])}, …, {_short(value[-1])}]{of}"
    if isinstance(value, Mapping):
        some = [_TEXT.repr(key) for key in [*value][: 2 * _FEW]]
        return "{" + ", ".join([*some, "…"][: len(value)]) + "}"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, str | bool | int | np.bool_ | np.integer):
        return _TEXT.repr(value.item() if isinstance(value, np.generic) else value)
    return f"<{getattr(value, '__name__', type(value).__name__)}>"
