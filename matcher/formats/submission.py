"""CSV in and out, one row a patch: submissions and answers.

The official form has the header ``Patch ID,Result`` and rows such as ``17,192 219 143``: the patch, then
image, x and y with single spaces. The slides also write ``17,192,219,143``; both are read, the first is
written.
"""

import csv
import os
import re
from collections.abc import Iterator

import numpy as np

from matcher import checks
from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.base import Source
from matcher.formats.files import atomic_write, problem
from matcher.placements import Placements

HEADER = "Patch ID,Result"
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_INT64 = np.iinfo(np.int64)


def write_submission(path: AnyPath, placements: Placements, *, xy_order: str = "xy") -> None:
    """Write placements in the official form, in the order they have; the file appears when it is whole.

    Parameters
    ----------
    path : path
    placements : Placements
    xy_order : {"xy", "yx"}
        Which of column and row is written first; the official order is "xy".

    Raises
    ------
    MatcherError
        If the file cannot be written, or `xy_order` is neither.
    """
    if not isinstance(placements, Placements):
        raise checks.refusal("placements", placements, "`Placements`, or what matcher.match gave")
    first, second = (placements.x, placements.y) if _is_xy(xy_order) else (placements.y, placements.x)
    columns = (np.asarray(c).tolist() for c in (placements.ids, placements.image, first, second))
    with atomic_write(path, "w") as file:
        file.write(f"{HEADER}\n")
        file.writelines(f"{i},{image} {a} {b}\n" for i, image, a, b in zip(*columns, strict=True))


def read_submission(path: AnyPath, *, xy_order: str = "xy") -> Placements:
    """Read a submission or the answers, in either spelling.

    Quotes, a byte-order mark, blank lines, blanks around numbers, and line ends of any system are let pass.

    Parameters
    ----------
    path : path
    xy_order : {"xy", "yx"}
        Which of column and row comes first; "yx" for files whose answers are swapped.

    Returns
    -------
    Placements
        In the order of the file.

    Raises
    ------
    FormatError
        If the file is missing, is not text, has no row, has another header, or a row is malformed, has a
        negative patch id, or one that stands in an earlier row; the message names the line.
    """
    swap = not _is_xy(xy_order)
    values: list[tuple[int, ...]] = []
    lines: dict[int, int] = {}
    for line, cells in _data_rows(path):
        row = _numbers(path, line, cells)
        if row[0] < 0:
            raise FormatError(f"{os.fspath(path)}, line {line}: the patch id {row[0]} is negative")
        if row[0] in lines:
            raise FormatError(
                f"{os.fspath(path)}, line {line}: patch {row[0]} was answered in line {lines[row[0]]} already"
            )
        lines[row[0]] = line
        values.append(row)
    if not values:
        raise FormatError(f"{os.fspath(path)}: has no row below its header")
    ids, image, x, y = np.array(values, np.int64).T.copy()
    return Placements(ids, image, y, x) if swap else Placements(ids, image, x, y)


def images_that_are_not_there(answers: Placements, images: Source) -> str | None:
    """A line on answers that name images which a source does not have; None where all are there."""
    strange = np.flatnonzero(~np.isin(answers.image, images.ids))
    if not len(strange):
        return None
    first = strange[0]
    return (
        f"the answers of {len(strange)} patches name images that {images.name} does not have, such as image "
        f"{answers.image[first]} of patch {answers.ids[first]}"
    )


def read_rows(path: AnyPath) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, cells) of a CSV file's rows that are not blank.

    Raises
    ------
    FormatError
        If the file is missing, a folder, not UTF-8 text, or not CSV.
    """
    name = checks.path("path", path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    yield rows.line_num, cells
    except FileNotFoundError:
        raise FormatError(f"{name}: there is no such file") from None
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {problem(error)}") from None
    except (UnicodeDecodeError, ValueError):
        raise FormatError(f"{name}: is not a text file in UTF-8; a CSV file was expected") from None
    except csv.Error as error:
        raise FormatError(f"{name}, line {rows.line_num}: is not CSV: {error}") from None


def to_int64(text: str) -> int | None:
    """The whole number that `text` spells, or None where it spells none or one beyond int64."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text)
    return value if _INT64.min <= value <= _INT64.max else None


def _is_xy(xy_order: str) -> bool:
    return checks.choice("xy_order", xy_order, ("xy", "yx")) == "xy"


def _data_rows(path: AnyPath) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, which must be there."""
    rows = read_rows(path)
    line, cells = next(rows, (1, []))
    found = [re.sub(r"[\s_]+", "", cell).lower() for cell in cells]
    if found != ["patchid", "result"]:
        shown = ",".join(cells)[:60]
        more = (
            "; write it without an index column (pandas: index=False)"
            if found[1:] == ["patchid", "result"]
            else ""
        )
        raise FormatError(
            f"{os.fspath(path)}, line {line}: expected the header {HEADER!r}, found {shown!r}{more}"
        )
    yield from rows


def _numbers(path: AnyPath, line: int, cells: list[str]) -> tuple[int, ...]:
    words = cells
    if len(cells) == 2:  # 17,192 219 143 or "17","192,219,143"
        words = [cells[0], *cells[1].split("," if "," in cells[1] else None)]
    values = [to_int64(word) for word in words]
    if len(values) != 4 or None in values:
        shown = ",".join(cells)[:60]
        raise FormatError(
            f"{os.fspath(path)}, line {line}: expected a patch id and three whole numbers such as "
            f"'17,192 219 143', found {shown!r}"
        )
    return tuple(v for v in values if v is not None)
