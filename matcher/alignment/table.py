"""An alignment as rows and numbers: what files and the page show."""

from typing import Any

import numpy as np

from matcher.alignment.run import Alignment
from matcher.geo.grid import degrees
from matcher.geo.place import rounded


def records(made: Alignment) -> list[dict[str, Any]]:
    """Tie points as dictionaries of `matcher.formats.tiefiles.COLUMNS`; None where unknown.

    Rows and columns are pixels of the moving scene, ``map_x`` and ``map_y`` where its own grid has the point,
    ``shift_x`` and ``shift_y`` how far from there the reference has it, in map units;
    ``left_down`` and ``left_right`` what the
    transform leaves of the shift, pixels; ``sigma`` the standard error of either coordinate, pixels.
    """
    points, left = made.points, made.left
    used = points.used
    spots = np.full((len(points), 2), np.nan)
    maps = np.full((len(points), 4), np.nan)
    if made.georef is not None:
        transform = made.georef.transform
        for k in range(len(points)):
            x, y = transform @ (points.col[k], points.row[k])
            there = transform @ (points.col[k] + points.right[k], points.row[k] + points.down[k])
            maps[k] = x, y, there[0] - x, there[1] - y
        spots = degrees(made.georef.crs, maps[:, :2])
    return [
        {
            "id": k,
            "row": round(float(points.row[k]), 3), "col": round(float(points.col[k]), 3),
            "down": rounded(points.down[k], 4), "right": rounded(points.right[k], 4),
            "sigma": rounded(points.sigma[k], 4),
            "left_down": rounded(left[k, 0], 4), "left_right": rounded(left[k, 1], 4),
            "confidence": rounded(points.confidence[k], 4), "used": bool(used[k]), "reason": points.reason[k],
            "map_x": rounded(maps[k, 0], 8), "map_y": rounded(maps[k, 1], 8),
            "shift_x": rounded(maps[k, 2], 8), "shift_y": rounded(maps[k, 3], 8),
            "lon": rounded(spots[k, 0], 8), "lat": rounded(spots[k, 1], 8),
        }
        for k in range(len(points))
    ]  # fmt: skip


def summary(made: Alignment) -> dict[str, Any]:
    """An alignment in numbers, ready for JSON: what was done, and the accuracy before and after, px and metres."""
    used = int(made.points.used.sum())
    transform = made.transform
    out: dict[str, Any] = {
        "moving": made.moving,
        "reference": made.reference,
        "transform": transform.kind,
        "matrix": transform.matrix.tolist(),
        "validated_rmse_px": {kind: rounded(error, 4) for kind, error in transform.tried.items()},
        "pixel_m": rounded(made.pixel, 4),
        "tie_points": {"sought": len(made.points), "used": used, "not_used": made.points.counts()},
    }
    for name, after in (("before", False), ("after", True)):
        figures = made.accuracy(after)
        out[name] = {
            key: {
                "px": [rounded(v, 4) for v in (f.value, f.low, f.high)],
                "m": [rounded(v * made.pixel, 3) for v in (f.value, f.low, f.high)],
            }
            for key, f in figures.items()
        }
    return out
