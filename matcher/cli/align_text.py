"""What ``matcher align`` prints: a line a scene."""

import os
from typing import Any

HEADER = "scene  transform  tie points  RMSE before  RMSE after  CE90 after"


def line(row: dict[str, Any]) -> str:
    """One scene's figures, or why it could not be aligned."""
    name = os.path.basename(row["moving"].rstrip("/"))
    if "error" in row:
        return f"{name}  not aligned: {row['error']}"
    ties = row["tie_points"]
    cells = [name, row["transform"], f"{ties['used']} of {ties['sought']}"]
    for part, key in (("before", "rmse"), ("after", "rmse"), ("after", "ce90")):
        px, metres = (row[part][key][unit][0] for unit in ("px", "m"))
        cells.append("" if px is None else f"{px:.2f} px" + ("" if metres is None else f" ({metres:.2f} m)"))
    return "  ".join(cells)
