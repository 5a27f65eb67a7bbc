"""The picture of a comparison: scores, paired differences, hits and agreement. Needs the extra ``plot``."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matcher.report.figures import COLOURS, new_figure, plain, save_figure
from matcher.scoring.comparison import Comparison
from matcher.scoring.judge import LABELS
from matcher.scoring.pair import HITS
from matcher.scoring.summary import Interval, Score
from matcher.words import own_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SHAPES = ("o", "s", "D", "^", "v", "P")  # that tell further methods apart than there are colours
Rows = Sequence[tuple[str, Comparison]]
_ORACLE = {"color": "black", "marker": "|"}


def draw_comparison(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw a comparison to a file.

    Four panels: official score and paired difference with 95 % intervals, of all patches and of every part;
    shares of hits; and for every pair how many images both, one or neither have right.

    Parameters
    ----------
    comparison : Comparison
    path : path
        Ends in .png, .svg or .pdf.

    Raises
    ------
    MatcherError
        If matplotlib is not installed, the ending is another, or the file cannot be written.
    """
    parts = _rows(comparison)
    pairs = [f"{pair.first} - {pair.second}" for pair in comparison.pairs]
    rows_inches = 0.8 + len(parts) * 0.11 * max(3, len(comparison.scores) + 1, len(pairs))
    low_inches = 0.8 + 0.3 * max(len(HITS), len(pairs))
    legends_inches = 1.5 + 0.25 * (len(comparison.scores) + len(pairs))
    figure = new_figure(path, 13, rows_inches + low_inches + legends_inches)
    axes = figure.subplots(2, 2, height_ratios=[rows_inches, low_inches])
    _draw_scores(axes[0, 0], parts)
    _draw_differences(axes[0, 1], parts, pairs)
    _draw_hits(axes[1, 0], comparison)
    _draw_agreement(axes[1, 1], comparison, pairs)
    save_figure(figure, path, 120)


def _rows(comparison: Comparison) -> Rows:
    """All patches, then every part under its facet's name."""
    rows = [("all", comparison)]
    for facet, parts in comparison.parts.items():
        for label, part in parts.items():
            rows.append((f"{facet}: {label}" + (" (few images)" if part.few_images else ""), part))
    return rows


def _draw_scores(axes: "Axes", parts: Rows) -> None:
    whole = parts[0][1]
    names = list(whole.scores)
    for k, name in enumerate(names):
        points = [_cell(part.scores[name]) for _, part in parts]
        _dots(axes, points, _slot(k, len(names) + 1), _look(k), name)
    points = [_cell(part.oracle) for _, part in parts]
    _dots(axes, points, _slot(len(names), len(names) + 1), _ORACLE, own_name("oracle", names))
    _name_rows(axes, [name for name, _ in parts])
    axes.set_title(f"{LABELS[whole.headline]}, 95 % interval")
    _legend(axes)


def _cell(score: Score) -> tuple[float, Interval]:
    return score.value(score.headline), score.intervals[score.headline]


def _draw_differences(axes: "Axes", parts: Rows, pairs: Sequence[str]) -> None:
    axes.axvline(0, color="gray", linewidth=0.8)
    for k, name in enumerate(pairs):
        points = [(p.pairs[k].differences[p.headline], p.pairs[k].intervals[p.headline]) for _, p in parts]
        _dots(axes, points, _slot(k, len(pairs)), _look(k), name)
    _name_rows(axes, [""] * len(parts))  # as beside, in the panel of scores
    axes.set_title(f"paired difference: {LABELS[parts[0][1].headline]}")
    _legend(axes)


def _draw_hits(axes: "Axes", comparison: Comparison) -> None:
    scores = [*comparison.scores.items(), (own_name("oracle", comparison.scores), comparison.oracle)]
    for k, (name, score) in enumerate(scores):
        look = _ORACLE if score is comparison.oracle else _look(k)
        points = [(score.value(metric), score.intervals[metric]) for metric in HITS]
        _dots(axes, points, _slot(k, len(scores)), look, name)
    _name_rows(axes, [LABELS[metric] for metric in HITS])
    axes.set_title("share of patches hit, 95 % interval")
    _legend(axes)


def _draw_agreement(axes: "Axes", comparison: Comparison, pairs: Sequence[str]) -> None:
    hits = [pair.hits["image"] for pair in comparison.pairs]
    kinds = {
        "both": ([hit.both for hit in hits], "#009e73"),
        "only the first": ([hit.only_first for hit in hits], "#0072b2"),
        "only the second": ([hit.only_second for hit in hits], "#d55e00"),
        "neither": ([hit.neither for hit in hits], "#bbbbbb"),
    }
    done = [0.0] * len(hits)
    for name, (counts, colour) in kinds.items():
        shares = [count / comparison.oracle.n_patches for count in counts]
        axes.barh(range(len(hits)), shares, left=done, color=colour, label=name, height=0.6)
        done = [left + share for left, share in zip(done, shares, strict=True)]
    _name_rows(axes, pairs)
    axes.set_xlim(0, 1)
    axes.set_title("image right")
    _legend(axes)


def _dots(
    axes: "Axes", points: Sequence[tuple[float, Interval]], slot: float, look: dict[str, Any], name: str
) -> None:
    rows = [row + slot for row in range(len(points))]
    values = [value for value, _ in points]
    # A point outside its percentile interval is rare but possible: its whisker must not be negative.
    below = [max(0.0, value - interval[0]) if interval else 0.0 for value, interval in points]
    above = [max(0.0, interval[1] - value) if interval else 0.0 for value, interval in points]
    axes.errorbar(
        values, rows, xerr=[below, above], linestyle="", capsize=2, markersize=5, label=plain(name), **look
    )


def _slot(k: int, n: int) -> float:
    """Where the k-th of n stands within its row, between -0.35 and 0.35."""
    return 0.0 if n == 1 else 0.7 * (k / (n - 1) - 0.5)


def _look(k: int) -> dict[str, Any]:
    return {"color": COLOURS[k % len(COLOURS)], "marker": _SHAPES[(k // len(COLOURS) + k) % len(_SHAPES)]}


def _name_rows(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    for row in range(0, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95", zorder=0)
    axes.grid(axis="x", linewidth=0.4)
    axes.set_axisbelow(True)


def _legend(axes: "Axes") -> None:
    """Below the panel, where it covers nothing."""
    axes.legend(fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=2.5)
