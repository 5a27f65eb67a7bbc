"""One self-contained HTML page on an alignment: figures, arrows, histogram, what is left, before and after."""

import html
import json
import math
import os
from collections.abc import Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from matcher.alignment.accuracy import Figure
from matcher.alignment.pictures import View
from matcher.alignment.run import Alignment
from matcher.formats.files import atomic_write
from matcher.formats.thumbs import colours, webp
from matcher.version import VERSION

_SIDE = 480  # px of a picture
_NAMES = {
    "rmse": "RMSE", "ce90": "CE90", "ce95": "CE95", "rmse_row": "RMSE, rows", "rmse_col": "RMSE, columns",
    "mean_row": "mean, rows", "mean_col": "mean, columns", "deviation_row": "deviation, rows",
    "deviation_col": "deviation, columns",
}  # fmt: skip
_WIDE = 640  # px of a map drawn


def write_alignment(path: str | os.PathLike[str], made: Alignment, views: Sequence[View]) -> None:
    """Write the page; it needs nothing beside itself, and no network.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    folder = resources.files("matcher.report")
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "alignment.js").read_text(encoding="utf-8")
    title = f"{os.path.basename(made.moving)} on {os.path.basename(made.reference)}"
    used = made.points.used
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{style}</style></head><body><header><h1>{html.escape(title)}</h1></header><main>",
        _tiles(made),
        _pictures(views),
        "<h2>Accuracy</h2>" + _scrolled("accuracy"),
        _accuracy(made),
        "</div><p class='hint'>At the tie points used, 95 % intervals by bootstrap over points. CE90 and CE95: "
        "the distances within which 90 % and 95 % of the points lie. What is left at a point is told by a transform "
        "that has not seen it: each fifth of the points, in squares, is left out in turn.</p>",
        "<h2>Shifts, and what is left of them</h2><div class='charts'>",
        _chart("Shifts found (green), points not used (grey)", _arrows(made, made.points.shifts, True)),
        _chart("Left after the transform", _arrows(made, made.left, False)),
        _chart("Distances left, px", _histogram(np.hypot(*made.left[used].T))),
        _chart("Confidence of all points", _histogram(made.points.confidence, (0.0, 1.0))),
        "</div><h2>Transforms</h2>" + _scrolled("transforms"),
        _transforms(made),
        "</div><h2>About</h2>",
        _about(made),
        f"</main><script>{script}</script></body></html>",
    ]
    with atomic_write(path, "w") as file:
        file.write("".join(parts))


def _scrolled(what: str) -> str:
    """The start of what scrolls sideways on a narrow screen, by the keyboard too."""
    return f"<div class='scroll' tabindex='0' role='region' aria-label='table of {what}'>"


def _tiles(made: Alignment) -> str:
    before, after = made.accuracy(False), made.accuracy(True)
    used = made.points.used
    sigma = made.points.sigma[used]
    tiles = [
        (f"{before['rmse'].value:.2f} px", "RMSE before"),
        (f"{after['rmse'].value:.2f} px", "RMSE after"),
        (f"{after['ce90'].value:.2f} px", "CE90 after"),
        (_metres(after["ce90"].value, made.pixel), "CE90 after"),
        (f"{int(used.sum())} of {len(used)}", "tie points used"),
        (f"{np.median(sigma):.3f} px", "median standard error of a point"),
        (made.transform.kind, "transform"),
    ]
    cells = "".join(f"<div class='tile'><b>{html.escape(b)}</b><span>{s}</span></div>" for b, s in tiles)
    return f"<div class='tiles'>{cells}</div>"


def _metres(value: float, pixel: float) -> str:
    return f"{value * pixel:.2f} m" if math.isfinite(pixel) else "no scale"


def _pictures(views: Sequence[View]) -> str:
    out = [
        "<h2>Before and after</h2><div class='bar'><button id='blink' aria-pressed='false'>Blink</button>"
        "<label>Squares <input id='squares' type='range' min='2' max='24' value='8'></label>"
        "<span class='hint'>Squares of the moving scene among those of the reference: lines run on where both lie on "
        "each other. Blink changes between both.</span></div><div class='charts pairs'>"
    ]
    for view in views:
        shown = [webp(colours(dn, False), _SIDE, 80) for dn in (view.before, view.after, view.reference)]
        where = f"row {view.row}, column {view.col}"
        for name, moving in (("before", shown[0]), ("after", shown[1])):
            data = html.escape(json.dumps([moving, shown[2]]))
            out.append(
                f"<div class='chart'><h3>{name}: {where}</h3><canvas class='pair' width='{_SIDE}' height='{_SIDE}' "
                f"style='width:100%' role='img' aria-label='moving scene and reference {name}, {where}' "
                f"data-pair='{data}'></canvas></div>"
            )
    return "".join([*out, "</div>"])


def _accuracy(made: Alignment) -> str:
    both = made.accuracy(False), made.accuracy(True)
    rows = []
    for key, name in _NAMES.items():
        cells = [cell for figures in both for cell in _cells(figures[key], made.pixel)]
        rows.append(f"<tr><td>{name}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "<th>figure</th><th>before, px</th><th>before, m</th><th>after, px</th><th>after, m</th>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(figure: Figure, pixel: float) -> tuple[str, str]:
    numbers = (figure.value, figure.low, figure.high)
    out = []
    for scale, digits in ((1.0, 3), (pixel, 2)):
        value, low, high = (f"{scale * n:.{digits}f}" for n in numbers)
        out.append(f"{value} <span class='soft'>({low} to {high})</span>" if math.isfinite(scale) else "")
    return out[0], out[1]


def _chart(title: str, drawing: str) -> str:
    return f"<div class='chart'><h3>{title}</h3>{drawing}</div>"


def _arrows(made: Alignment, offsets: NDArray[np.float64], unused: bool) -> str:
    """A map of arrows, as long as a spacing of the points for the largest common length."""
    points = made.points
    scale = _WIDE / max(made.size)
    height = round(made.size[0] * scale)
    used = points.used
    lengths = np.hypot(*offsets[used].T)
    spacing = math.sqrt(made.size[0] * made.size[1] / max(len(points), 1)) * scale
    unit = max(float(np.quantile(lengths, 0.95)), 1e-6) if len(lengths) else 1.0
    gain = 1.2 * spacing / unit
    marks = []
    for k in range(len(points)):
        x, y = points.col[k] * scale, points.row[k] * scale
        if used[k]:
            right, down = offsets[k, 1] * gain, offsets[k, 0] * gain
            marks.append(
                f"<line x1='{x:.1f}' y1='{y:.1f}' x2='{x + right:.1f}' y2='{y + down:.1f}' stroke='var(--good)' "
                f"stroke-width='1.5'/><circle cx='{x:.1f}' cy='{y:.1f}' r='1.6' fill='var(--good)'/>"
            )
        elif unused:
            title = html.escape(points.reason[k])
            marks.append(
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.2' fill='var(--soft)' fill-opacity='.5'><title>{title}"
                "</title></circle>"
            )
    return (
        f"<svg viewBox='0 0 {_WIDE} {height + 20}' role='img' aria-label='arrows at tie points'>"
        f"<rect width='{made.size[1] * scale:.0f}' height='{height}' fill='none' stroke='var(--line)'/>"
        f"{''.join(marks)}</svg>"
        f"<p class='hint'>an arrow as long as the points lie apart: {unit / 1.2:.2f} px</p>"
    )


def _histogram(values: NDArray[np.float64], span: tuple[float, float] | None = None) -> str:
    values = values[np.isfinite(values)]
    if not len(values):
        return "<p class='hint'>no point</p>"
    low, high = span or (0.0, max(float(np.quantile(values, 0.99)) * 1.1, 1e-3))
    counts, edges = np.histogram(np.clip(values, low, high), 30, (low, high))
    most = max(int(counts.max()), 1)
    bars = "".join(
        f"<rect x='{10 + 10 * k}' y='{110 - 100 * c / most:.1f}' width='9' height='{100 * c / most:.1f}' "
        f"fill='var(--blue)'><title>{edges[k]:.3f} to {edges[k + 1]:.3f}: {c}</title></rect>"
        for k, c in enumerate(counts.tolist())
    )
    labels = "".join(
        f"<text x='{10 + 300 * share:.0f}' y='126' text-anchor='{where}'>{low + share * (high - low):.2f}</text>"
        for share, where in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    return f"<svg viewBox='0 0 320 130' role='img' aria-label='histogram'>{bars}{labels}</svg>"


def _transforms(made: Alignment) -> str:
    rows = "".join(
        f"<tr><td>{kind}{' (taken)' if kind == made.transform.kind else ''}</td><td>{error:.3f}</td></tr>"
        for kind, error in made.transform.tried.items()
    )
    return (
        "<table><thead><tr><th>kind</th><th>RMSE a coordinate at points left out, px</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _about(made: Alignment) -> str:
    told = ", ".join(f"{count} {word}" for word, count in made.points.counts().items()) or "none"
    rows = {
        "moving scene": made.moving,
        "reference": made.reference,
        "size": f"{made.size[0]} x {made.size[1]} px",
        "pixel": _metres(1, made.pixel),
        "chips": f"{made.side:g} px a side",
        "points not used": told,
        "made with": f"matcher {VERSION}",
    }
    cells = "".join(f"<dt>{key}</dt><dd>{html.escape(value)}</dd>" for key, value in rows.items())
    return f"<dl>{cells}</dl>"
