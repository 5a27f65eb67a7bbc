#!/usr/bin/env python3
"""What confidence means, as tables and a figure: how often answers are right by how sure they are, out of the fit.

    matcher fit SERIES… -o model.npz --json fit.json
    python tools/calibration.py fit.json [--figure docs/reliability.png]

Prints Markdown: closed rounds (every patch is there) and open ones (half of them are not), each place left out of its
fit and each kind, and open rounds by size, bands and kind; shares with their 95 % intervals (Wilson) and counts.
"""

import argparse
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

ENOUGH = 15  # answers of a kind between 0.1 and 0.9, of which a line tells something
HELD = {"held_out": "each place left out", "kinds_held_out": "each kind left out"}


def table(fit: dict[str, Any]) -> list[str]:
    """Lines of the table of bins."""
    edges = [(b["low"], b["high"]) for b in next(iter(fit["held_out"].values()))["bins"]]
    heads = [f"{low:g} to {high:g}" for low, high in edges]
    lines = [f"| fitted | answers | {' | '.join(heads)} |", "|---" * (2 + len(heads)) + "|"]
    for key, title in HELD.items():
        for name, held in fit[key].items():
            cells = [cell(b) for b in held["bins"]]
            lines.append(f"| {title} | {name} | {' | '.join(cells)} |")
    return lines


def cell(one: dict[str, Any]) -> str:
    """A bin: what was said, what was right, its interval, its count."""
    if not one["count"]:
        return ""
    low, high = one["interval"]
    return f"{one['confidence']:.2f}: {one['right']:.2f} ({low:.2f} to {high:.2f}) of {one['count']}"


def summary(fit: dict[str, Any]) -> list[str]:
    """Lines of the table of single figures."""
    lines = [
        "| fitted | answers | number | not right | area under ROC | right ones with 0.9 and more | of patches that are "
        "not there, with 0.9 and more | with 0.5 and more |",
        "|---" * 8 + "|",
    ]
    for key, title in HELD.items():
        for name, held in fit[key].items():
            figures = [held[k] for k in ("auc", "kept", "absent_sure", "absent_half")]
            cells = ["" if value is None else f"{value:.4f}" for value in figures]
            lines.append(f"| {title} | {name} | {held['count']} | {held['wrong']} | {' | '.join(cells)} |")
    return lines


def draw(fit: dict[str, Any], path: Path) -> None:
    """Reliability diagrams: confidence against share right, a panel for closed rounds and one for open ones."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(2, 3, figsize=(13, 8.4), sharey=True)
    *panels, empty = grid.ravel()
    held = fit["held_out"]
    for panel, name in zip(panels[:2], ("closed rounds", "open rounds"), strict=True):
        for key, title in HELD.items():
            line(panel, fit[key][name]["bins"], title, counts=True)
        panel.set(title=name)
    sizes, bands = ([name for name in held if name.endswith(unit)] for unit in (" px", " bands"))
    rest = [name for name in held if name not in (*sizes, *bands, "closed rounds", "open rounds")]
    kinds = [name for name in rest if sum(b["count"] for b in held[name]["bins"][1:-1]) >= ENOUGH]
    by = {"size": sizes, "bands": bands, "kind": kinds}
    for panel, (what, names) in zip(panels[2:], by.items(), strict=True):
        for name in names:
            line(panel, held[name]["bins"], name)
        panel.set(title=f"open rounds by {what}, each place left out")
    for panel in panels:
        panel.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1, zorder=0)
        panel.set(xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
        panel.legend(loc="upper left", fontsize=8)
    empty.axis("off")
    for row in grid:
        row[0].set_ylabel("share right")
    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    # A few colours are all that it has: a third of the bytes.
    Image.open(drawn).convert("RGB").quantize(32, dither=Image.Dither.NONE).save(path, optimize=True)


def line(panel: Any, all_bins: list[dict[str, Any]], title: str, counts: bool = False) -> None:
    """How often answers are right by how sure they are, with intervals; with `counts`, how many there are."""
    bins = [b for b in all_bins if b["count"]]
    said, right = ([b[k] for b in bins] for k in ("confidence", "right"))
    # Shares and intervals are told to so many digits: one that is all or nothing may pass its own interval.
    off = [
        [max(b["right"] - b["interval"][0], 0) for b in bins],
        [max(b["interval"][1] - b["right"], 0) for b in bins],
    ]
    panel.errorbar(said, right, yerr=off, marker="o", capsize=2, linewidth=1, label=title)
    for b in bins if counts else ():
        place = (b["confidence"], b["right"])
        panel.annotate(str(b["count"]), place, (4, -10), textcoords="offset points", fontsize=7)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fit", type=Path)
    parser.add_argument("--figure", type=Path)
    a = parser.parse_args()
    fit = json.loads(a.fit.read_text())
    print("\n".join([*summary(fit), "", *table(fit)]))
    if a.figure is not None:
        draw(fit, a.figure)


if __name__ == "__main__":
    main()
