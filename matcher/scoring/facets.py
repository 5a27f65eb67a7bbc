"""What patches are told apart by: text as it stands, numbers in thirds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError
from matcher.formats.columns import read_columns
from matcher.scoring.summary import Groups, labels_of, load_groups
from matcher.words import own_name

MOST_LABELS = 20
"""A column of more labels than this tells little about each, and is left out."""

FEWEST_NUMBERS = 7
"""Fewer distinct numbers than this are labels (months, counts of dates); more are cut into thirds."""

UNKNOWN = "(unknown)"

PROVENANCE = (
    "place", "file", "target date", "patch date", "row", "column", "tile row", "tile column",
    "target cloud", "patch cloud",
)  # fmt: skip
"""Columns of a manifest of `matcher cut` that say where a patch is from, and not how difficult it is."""

Values: TypeAlias = Mapping[int, str] | Mapping[int, float] | Mapping[int, str | float]
"""What a column says of every patch id."""

Difficulty: TypeAlias = Mapping[str, Values] | str | PathLike[str]
"""For every column the value of every patch id, or the path of a CSV file of such columns."""


@dataclass(frozen=True)
class Facet:
    """One way to tell patches apart.

    Attributes
    ----------
    name : str
    labels : ndarray of str, shape (n,)
        One label a patch.
    order : tuple of str
        The labels, in the order to show them.
    """

    name: str
    labels: NDArray[np.str_]
    order: tuple[str, ...]


def facets_of(
    ids: NDArray[np.int64],
    groups: Groups | None,
    difficulty: Difficulty | None,
    columns: Sequence[str] | None = None,
) -> tuple[list[Facet], tuple[str, ...]]:
    """The ways to tell patches apart, and the names of columns that have too many labels.

    Beside groups a column that is called ``group`` is ``(group)``. Without `columns`, those of `difficulty` that say
    where a patch is from (`PROVENANCE`) or are blank or the same for all patches are passed over.

    Raises
    ------
    MatcherError
        If a column is named that is not there, or has no value of these patches, or what is given is neither a path nor
        a mapping.
    """
    facets, left_out = [], []
    if groups is not None:
        labels = labels_of(ids, load_groups(groups))
        facets.append(Facet("group", labels, tuple(np.unique(labels).tolist())))
    if isinstance(difficulty, str | PathLike):
        difficulty = read_columns(difficulty)
    held = {} if difficulty is None else difficulty
    if not isinstance(held, Mapping) or not all(isinstance(values, Mapping) for values in held.values()):
        raise MatcherError(
            "difficulty: a path or a mapping of column to a mapping of patch id to value is wanted"
        )
    if columns is not None:
        checks.words("columns", columns)
        columns = [columns] if isinstance(columns, str) else list(columns)
    strange = [name for name in columns or () if name not in held]
    if strange:
        raise MatcherError(f"difficulty: has no column {strange[0]!r}; it has {', '.join(held) or 'none'}")
    for name in held if columns is None else dict.fromkeys(columns):
        blank = not any(str(value).strip() for value in held[name].values())
        if columns is None and (name in PROVENANCE or blank):
            continue
        facet = facet_of(name if groups is None else own_name(name, ("group",)), ids, held[name])
        if facet is None:
            left_out.append(name)
        elif columns is not None or (len(facet.order) > 1 and (groups is None or name != "group")):
            facets.append(facet)
    return facets, tuple(left_out)


def facet_of(name: str, ids: NDArray[np.int64], values: Values) -> Facet | None:
    """Label the patches `ids` by a column; None where it has more than 20 labels.

    Numbers, where there are more than a few, are cut into thirds at their quantiles over `ids`; ids without a
    value, blanks and numbers that are not finite make "(unknown)", in further brackets where a label is called so.

    Raises
    ------
    MatcherError
        If no id has a value.
    """
    texts = [str(values.get(int(i), "")).strip() for i in ids]
    if not any(texts):
        raise MatcherError(f"{name}: none of its {len(values)} patch ids with a value is in the answers")
    numbers = [_number(text) for text in texts]
    distinct = {number for number in numbers if number is not None and math.isfinite(number)}
    if (
        all(n is not None for n, t in zip(numbers, texts, strict=True) if t)
        and len(distinct) >= FEWEST_NUMBERS
    ):
        return _thirds(name, np.array([math.nan if n is None else n for n in numbers]))
    unknown = own_name(UNKNOWN, texts)
    labels = np.array([text or unknown for text in texts])
    order = np.unique(labels).tolist()
    if None not in [_number(label) for label in order if label != unknown]:
        order.sort(key=lambda label: math.inf if label == unknown else float(label))
    return Facet(name, labels, tuple(order)) if len(order) <= MOST_LABELS else None


def _thirds(name: str, numbers: NDArray[np.float64]) -> Facet:
    known = np.isfinite(numbers)
    low, high = np.quantile(numbers[known], [1 / 3, 2 / 3])
    names = (
        f"lowest third (to {low:.4g})",
        f"middle third (to {high:.4g})",
        f"highest third (above {high:.4g})",
        UNKNOWN,
    )
    third = np.where(known, (numbers > low).astype(int) + (numbers > high), 3)
    return Facet(name, np.array(names)[third], tuple(names[k] for k in range(4) if (third == k).any()))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
