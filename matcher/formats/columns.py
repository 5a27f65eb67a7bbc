"""CSV files that say something of every patch: groups, difficulty, cover, dates, or which must be answered."""

import os
import re
from collections.abc import Iterator

from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.submission import read_rows, to_int64

_ID = "patchid"  # the header of the patches' ids, blanks, bars and capitals aside


def read_columns(path: AnyPath) -> dict[str, dict[int, str]]:
    """Read every column of a CSV file of patches.

    Parameters
    ----------
    path : path
        CSV with a header, such as ``Patch ID,texture,cloud,season gap``. Ids are in the column called ``Patch ID``, or
        else in the first; a column without a name before ``Patch ID``, as pandas writes its index, is passed over.

    Returns
    -------
    dict of str to dict of int to str
        For every other column, in order, what its cells say of each patch id, blanks stripped.

    Raises
    ------
    FormatError
        If the file is missing, has no header, no row, a column without a name or a doubled one, or a row is malformed
        or doubled; the message names the line.
    """
    names, at, rows = _table(path, "Patch ID,texture,cloud")
    return _columns(path, names, at, rows)


def read_groups(path: AnyPath, column: str | None = None) -> dict[int, str]:
    """Read which group every patch belongs to.

    Parameters
    ----------
    path : path
        As `read_columns` takes it.
    column : str, optional
        The column to read; by default the one called ``group``, or else the first after the id.

    Raises
    ------
    FormatError
        As `read_columns`, or if it has no such column.
    """
    names, at, rows = _table(path, "Patch ID,group")
    others = [name for k, name in enumerate(names) if k != at and name]
    if column is None:
        column = "group" if "group" in others else others[0]
    if column not in others:
        raise FormatError(f"{os.fspath(path)}: has no column {column!r}; it has {', '.join(others)}")
    return _columns(path, names, at, rows)[column]


def read_ids(path: AnyPath) -> tuple[int, ...]:
    """The ids of a text or CSV file, a header above them or not: the column ``Patch ID``, or else the first.

    Raises
    ------
    FormatError
        If the file is missing, is not text, holds no id, has a header whose first column has no name, a row does not
        have an id, or an id stands twice; the message names the line.
    """
    name = os.fspath(path)
    ids: dict[int, int] = {}
    at = 0
    for number, (line, cells) in enumerate(read_rows(path)):
        value = to_int64(cells[at]) if at < len(cells) else None
        if value is None and number == 0:
            at = _place_of_ids(name, line, [cell.strip() for cell in cells])
            continue
        if value is None or value < 0:
            shown = cells[at][:40] if at < len(cells) else ""
            raise FormatError(f"{name}, line {line}: expected an id, found {shown!r}")
        if value in ids:
            raise FormatError(f"{name}, line {line}: the id {value} stands in line {ids[value]} already")
        ids[value] = line
    if not ids:
        raise FormatError(f"{name}: holds no id")
    return tuple(ids)


def _table(path: AnyPath, example: str) -> tuple[list[str], int, Iterator[tuple[int, list[str]]]]:
    """The names of a table's columns, which of them has the ids, and the rows below."""
    name = os.fspath(path)
    rows = read_rows(path)
    line, header = next(rows, (1, []))
    names = [cell.strip() for cell in header]
    if len(names) < 2 or to_int64(names[0]) is not None:
        raise FormatError(f"{name}, line {line}: expected a header such as {example!r}")
    at = _place_of_ids(name, line, names)
    others = [title for k, title in enumerate(names) if k != at and (title or k)]
    if not others or "" in others or len(set(others)) < len(others):
        raise FormatError(f"{name}, line {line}: every column needs a name of its own")
    return names, at, rows


def _place_of_ids(name: str, line: int, names: list[str]) -> int:
    """Which column of a header has the ids."""
    named = [k for k, title in enumerate(names) if re.sub(r"[\s_]+", "", title).lower() == _ID]
    if len(named) > 1:
        raise FormatError(f"{name}, line {line}: has the column {names[named[0]]!r} twice")
    if not named and not names[0]:
        raise FormatError(
            f"{name}, line {line}: its first column has no name, as the index that pandas writes: call the column of "
            "the ids 'Patch ID'"
        )
    return named[0] if named else 0


def _columns(
    path: AnyPath, names: list[str], at: int, rows: Iterator[tuple[int, list[str]]]
) -> dict[str, dict[int, str]]:
    """The columns beside the ids, but for one without a name before them."""
    name = os.fspath(path)
    kept = [k for k in range(len(names)) if k != at and names[k]]
    columns: dict[str, dict[int, str]] = {names[k]: {} for k in kept}
    seen: dict[int, int] = {}
    for line, cells in rows:
        patch = to_int64(cells[at]) if len(cells) == len(names) else None
        if patch is None:
            raise FormatError(f"{name}, line {line}: expected a patch id and {len(names) - 1} more cells")
        if patch in seen:
            raise FormatError(f"{name}, line {line}: patch {patch} stands in line {seen[patch]} already")
        seen[patch] = line
        for k in kept:
            columns[names[k]][patch] = cells[k].strip()
    if not seen:
        raise FormatError(f"{name}: has no row below its header")
    return columns
