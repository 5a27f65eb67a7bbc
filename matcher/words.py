"""Numbers of things, names and tables of cells, in words for people."""

from collections.abc import Container, Sequence


def counted(count: int, noun: str) -> str:
    """A number of things, with the noun's ending taken off where there is one of them."""
    ending = "es" if noun.endswith("ches") else "s"
    return f"{count:,} {noun.removesuffix(ending) if count == 1 else noun}"


def own_name(name: str, taken: Container[str]) -> str:
    """A name for what nobody named, in brackets where somebody took it for something else."""
    while name in taken:
        name = f"({name})"
    return name


def lined_up(rows: Sequence[Sequence[str]], left: Container[int] = ()) -> str:
    """Rows of cells, a header first, as lines in columns; those numbered in `left` are flush left, the others right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = (cell.ljust(n) if k in left else cell.rjust(n) for k, (cell, n) in enumerate(cells))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
