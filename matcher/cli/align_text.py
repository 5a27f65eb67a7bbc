"""What ``matcher align`` prints: a line a scene."""

import os
from collections.abc import Sequence
from typing import Any

from matcher.words import lined_up

_HEADER = ("scene", "transform", "tie points", "RMSE before", "RMSE after", "CE90 after")


def table(done: Sequence[dict[str, Any]]) -> str:
    """The figures of scenes, a line each, and below them why others could not be aligned."""
    named = [(os.path.basename(row["moving"].rstrip("/")), row) for row in done]
    rows = [_cells(name, row) for name, row in named if "error" not in row]
    failed = [f"{name}: not aligned: {row['error']}" for name, row in named if "error" in row]
    figures = [lined_up([_HEADER, *rows], (0, 1))] if rows else []
    return "\n".join([*figures, *failed])


def _cells(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    ties = row["tie_points"]
    cells = [name, row["transform"], f"{ties['used']} of {ties['sought']}"]
    for part, key in (("before", "rmse"), ("after", "rmse"), ("after", "ce90")):
        px, metres = (row[part][key][unit][0] for unit in ("px", "m"))
        cells.append("" if px is None else f"{px:.2f} px" + ("" if metres is None else f" ({metres:.2f} m)"))
    return tuple(cells)
