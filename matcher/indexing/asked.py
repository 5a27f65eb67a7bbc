"""What a caller asks of an index, as plain values; one clear error where it is something else."""

import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matcher import checks
from matcher.errors import SettingsError
from matcher.indexing.opened import Side
from matcher.settings import MIN_SIDE


def folder_of(given: Any) -> Path:
    """The directory of an index."""
    if not isinstance(given, str | os.PathLike):
        raise SettingsError(f"{given!r}: is no path of an index directory")
    return Path(checks.path("folder", given))


def sides_of(given: Any) -> set[Side]:
    """Sizes of patches: height and width, or one number for both, pixels."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise SettingsError(f"sizes {given!r}: give a list of sizes, such as [64] or [(64, 48)]")
    wanted = {_side(one) for one in given}
    if not wanted:
        raise SettingsError("no size: name the sizes of patches that the index is for")
    return wanted


def _side(given: Any) -> Side:
    try:
        pair = tuple(given) if isinstance(given, Iterable) else (given, given)
        height, width = map(operator.index, pair)
    except (TypeError, ValueError):
        raise SettingsError(
            f"size {given!r}: is neither a whole number nor a height and a width that are, pixels"
        ) from None
    if min(height, width) < MIN_SIDE:
        raise SettingsError(
            f"{height} x {width} px: the least that can be matched is {MIN_SIDE} x {MIN_SIDE}"
        )
    return height, width


def ids_of(given: Any) -> set[int]:
    """Ids of images."""
    try:
        return {operator.index(one) for one in given}
    except TypeError:
        raise SettingsError(f"ids {given!r}: give a list of whole numbers") from None
