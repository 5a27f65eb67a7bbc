"""CSV files that say several things of every patch: difficulty, cover, dates."""

import os

from matcher.errors import FormatError
from matcher.formats.submission import read_rows, to_int64


def read_columns(path: str | os.PathLike[str]) -> dict[str, dict[int, str]]:
    """Read every column of a CSV file whose first column holds patch ids.

    Parameters
    ----------
    path : path
        CSV with a header, such as ``Patch ID,texture,cloud,season gap``.

    Returns
    -------
    dict of str to dict of int to str
        For every column after the first, in order, what its cells say of each patch id, blanks stripped.

    Raises
    ------
    FormatError
        If the file is missing, has no header, no row or a doubled column, or a row is malformed or doubled;
        the message names the line.
    """
    name = os.fspath(path)
    rows = read_rows(path)
    _, header = next(rows, (1, []))
    names = [cell.strip() for cell in header]
    if len(names) < 2 or to_int64(names[0]) is not None:
        raise FormatError(f"{name}, line 1: expected a header such as 'Patch ID,texture,cloud'")
    if len(set(names[1:])) < len(names) - 1 or "" in names[1:]:
        raise FormatError(f"{name}, line 1: every column needs a name of its own")
    columns: dict[str, dict[int, str]] = {column: {} for column in names[1:]}
    for line, cells in rows:
        patch = to_int64(cells[0])
        if patch is None or len(cells) != len(names):
            raise FormatError(f"{name}, line {line}: expected a patch id and {len(names) - 1} more cells")
        if patch in columns[names[1]]:
            raise FormatError(f"{name}, line {line}: patch {patch} stands in an earlier row already")
        for column, cell in zip(names[1:], cells[1:], strict=True):
            columns[column][patch] = cell.strip()
    if not columns[names[1]]:
        raise FormatError(f"{name}: has no row below its header")
    return columns
