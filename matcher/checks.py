"""What callers give as arguments and options, checked in one way: whatever does not fit is refused by its name.

Every function takes the argument's name and its value, hands back the value as what it stands for (a plain int, a tuple
of names), and raises a `SettingsError` that says what to give where it stands for no such thing. A bool is no number,
and a number no bool: either is more likely a slip than a wish.
"""

import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from matcher.errors import SettingsError

_LONGEST = 60  # characters of a value that are shown


def whole(name: str, value: Any, least: int = 0, most: int | None = None, wanted: str = "") -> int:
    """A whole number from `least` to `most`; `wanted` says in words what to give, where that says more."""
    fine = isinstance(value, Integral) and not isinstance(value, bool)
    if not fine or value < least or (most is not None and value > most):
        reach = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise refusal(name, value, wanted or f"a whole number {reach}")
    return int(value)


def number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from `least` to `most`."""
    if not _is_real(value) or not least <= value <= most:
        reach = "" if math.isinf(least) else f" from {least:g} to {most:g}"
        raise refusal(name, value, f"a finite number{reach}")
    return float(value)


def share(name: str, value: Any) -> float:
    """A number between 0 and 1, neither of them included."""
    if not _is_real(value) or not 0 < value < 1:
        raise refusal(name, value, "a number between 0 and 1, neither of them included")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """True or False, NumPy's too."""
    # NumPy's bool is told by what it says of itself: this module loads nothing.
    if not isinstance(value, bool) and (str(getattr(value, "dtype", "")) != "bool" or value.shape):
        raise refusal(name, value, "True or False")
    return bool(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{name} {shown(value)}: choose from {', '.join(choices)}")
    return value


def words(name: str, value: Any) -> tuple[str, ...]:
    """Names: several, or one text with commas between them; blanks about them count for nothing."""
    parts = value.split(",") if isinstance(value, str) else _several(value)
    if parts is None or not all(isinstance(part, str) for part in parts):
        raise refusal(name, value, "names in order: a list, or one text with commas between them")
    return tuple(part.strip() for part in parts)


def wholes(name: str, value: Any, wanted: str, count: int | None = None, least: int = 0) -> tuple[int, ...]:
    """Several whole numbers of `least` or more, `count` of them where that is given; `wanted` says so in words."""
    parts = _several(value)
    if parts is None or count not in (None, len(parts)):
        raise refusal(name, value, wanted)
    return tuple(whole(name, part, least, wanted=wanted) for part in parts)


def numbers(name: str, value: Any, least: float, most: float) -> tuple[float, ...]:
    """Several finite numbers, each from `least` to `most`."""
    parts = _several(value)
    if parts is None:
        raise refusal(name, value, f"numbers from {least:g} to {most:g}, such as [{least:g}, {most:g}]")
    return tuple(number(name, part, least, most) for part in parts)


def path(name: str, value: Any) -> str:
    """The path of a file or folder, as text."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    if not isinstance(text, str) or not text:
        raise refusal(name, value, "the path of a file or folder")
    return text


def function(name: str, value: Any) -> None:
    """Refuse what is given as a function, but cannot be called; None stands for none."""
    if value is not None and not callable(value):
        raise refusal(name, value, "a function, or leave it out")


def of_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is given as an object of a class and is none; None stands for the default."""
    if value is not None and not isinstance(value, kind):
        raise refusal(name, value, f"a `{kind.__name__}`, or leave it out")


def refusal(name: str, value: Any, wanted: str) -> SettingsError:
    """The error that says what to give for an argument in place of a value."""
    return SettingsError(f"{name} {shown(value)}: give {wanted}")


def shown(value: Any) -> str:
    """A value in a message: on one line, and cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _several(value: Any) -> tuple[Any, ...] | None:
    """What stands in a list, a tuple, an array or the like, in its order; None of anything else."""
    if isinstance(value, str | bytes | set | frozenset):  # sets know no order that was meant
        return None
    try:
        return tuple(value)
    except TypeError:  # also of an array without an axis
        return None


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False
