"""Text tables of scores: names down the side, one column a thing scored."""

from collections.abc import Mapping, Sequence

PER_BLOCK = 4


def interval_cell(value: float, interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    """A value and its interval as "0.967 [0.951, 0.980]", with signs where it is a difference."""
    form = "+.3f" if signed else ".3f"
    if interval is None:
        return f"{value:{form}} [no interval]"
    return f"{value:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"


def columns_of(rows: Sequence[str], columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of a table, columns left-aligned and wrapped into blocks of four, a blank line between blocks."""
    names = list(columns)
    lines: list[str] = []
    side = max(len(row) for row in rows)
    for start in range(0, len(names), PER_BLOCK):
        block = names[start : start + PER_BLOCK]
        widths = [max(len(cell) for cell in (name, *columns[name])) for name in block]
        if lines:
            lines.append("")
        lines.append(_line("", side, block, widths))
        for k, row in enumerate(rows):
            lines.append(_line(row, side, [columns[name][k] for name in block], widths))
    return lines


def _line(head: str, side: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([head.ljust(side), *padded]).rstrip()
