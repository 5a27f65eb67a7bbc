"""Text tables of scores: names down the side, one column a thing scored."""

import math
from collections.abc import Sequence


def interval_cell(value: float, interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    """A value and its interval as "0.967 [0.951, 0.980]", with signs where it is a difference; "-" of nan."""
    if math.isnan(value):
        return "-"
    form = "+.3f" if signed else ".3f"
    # Rounded first, and 0 added, so that nothing reads -0.000.
    said = [f"{round(number, 3) + 0.0:{form}}" for number in (value, *(interval or ()))]
    return f"{said[0]} [no interval]" if interval is None else f"{said[0]} [{said[1]}, {said[2]}]"


Column = tuple[str, Sequence[str]]
"""What stands above a column, and its cells; names need not differ."""


def columns_of(rows: Sequence[str], columns: Sequence[Column], per_block: int = 4) -> list[str]:
    """Lines of a table, columns left-aligned and wrapped into blocks with a blank line between."""
    lines: list[str] = []
    side = max(len(row) for row in rows)
    for start in range(0, len(columns), per_block):
        block = columns[start : start + per_block]
        widths = [max(len(cell) for cell in (name, *cells)) for name, cells in block]
        if lines:
            lines.append("")
        lines.append(_line("", side, [name for name, _ in block], widths))
        for k, row in enumerate(rows):
            lines.append(_line(row, side, [cells[k] for _, cells in block], widths))
    return lines


def _line(head: str, side: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([head.ljust(side), *padded]).rstrip()
