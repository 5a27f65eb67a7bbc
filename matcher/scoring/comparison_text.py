"""A comparison as a person reads it."""

from matcher.scoring.comparison import Comparison
from matcher.scoring.judge import LABELS, METRICS
from matcher.scoring.pair import HITS, SAME_PLACE, Pair
from matcher.scoring.summary import SCORE_ROWS, score_column
from matcher.scoring.table import columns_of, interval_cell


def comparison_text(comparison: Comparison) -> str:
    """Tables of scores, of paired differences and of every part, and what they come to."""
    names = list(comparison.scores)
    columns = {name: score_column(score) for name, score in comparison.scores.items()}
    lines = columns_of(SCORE_ROWS, columns | {"oracle": score_column(comparison.oracle)})
    gain = interval_cell(comparison.oracle_gain, comparison.oracle_gain_interval, signed=True)
    lines += [
        "",
        f"the oracle takes the best for every patch; over {comparison.best}: {gain}",
        "image right in "
        + ", ".join(f"{k} of {len(names)}: {s:.3f}" for k, s in enumerate(comparison.right_in)),
        "more points than every other: "
        + ", ".join(f"{n} {s:.3f}" for n, s in comparison.best_alone.items()),
        "",
        "Paired differences (first less second)",
        *_pair_lines(comparison.pairs),
        "p takes patches for independent; where they share images, trust the intervals, which do not",
    ]
    for facet, parts in comparison.parts.items():
        lines += ["", f"Official score by {facet}", *_part_lines(parts), *_verdicts(parts)]
    return "\n".join([*lines, *comparison.notes()])


def _pair_lines(pairs: tuple[Pair, ...]) -> list[str]:
    rows = [
        *(LABELS[metric] for metric in METRICS),
        *(f"only one hits, {LABELS[metric]}" for metric in HITS),
        "more points in",
        "same image",
        f"same place, within {SAME_PLACE} px",
        "same wrong image",
    ]
    columns = {}
    for pair in pairs:
        tests = [pair.hits[metric] for metric in HITS]
        columns[f"{pair.first} - {pair.second}"] = [
            *(interval_cell(pair.differences[m], pair.intervals[m], signed=True) for m in METRICS),
            *(f"{t.only_first} / {t.only_second}  {_p('p', t.exact)}, {_p('mid-p', t.mid_p)}" for t in tests),
            f"{pair.first_better:.3f} / {pair.second_better:.3f}",
            *(f"{share:.3f}" for share in (pair.same_image, pair.same_place, pair.same_mistake)),
        ]
    return columns_of(rows, columns, per_block=2)


def _part_lines(parts: dict[str, Comparison]) -> list[str]:
    every = list(parts.values())
    first = every[0]
    columns = {
        "patches": [str(part.oracle.n_patches) for part in every],
        "images": [f"{part.oracle.n_images}{' (few)' if part.few_images else ''}" for part in every],
    }
    for name in first.scores:
        columns[name] = [
            interval_cell(p.scores[name].total, p.scores[name].intervals["total"]) for p in every
        ]
    for k, pair in enumerate(first.pairs):
        differences = [(part.pairs[k].differences, part.pairs[k].intervals) for part in every]
        columns[f"{pair.first} - {pair.second}"] = [
            interval_cell(value["total"], interval["total"], signed=True) for value, interval in differences
        ]
    columns["oracle"] = [interval_cell(part.oracle.total, part.oracle.intervals["total"]) for part in every]
    return columns_of(list(parts), columns, per_block=5)


def _verdicts(parts: dict[str, Comparison]) -> list[str]:
    """For every pair, the parts that either wins: those whose interval leaves out 0."""
    lines = []
    for k, pair in enumerate(next(iter(parts.values())).pairs):
        won: dict[str | None, list[str]] = {pair.first: [], pair.second: [], None: []}
        for label, part in parts.items():
            won[part.pairs[k].winner].append(label + (" (few images)" if part.few_images else ""))
        said = [f"{name} wins {', '.join(won[name])}" for name in (pair.first, pair.second) if won[name]]
        said += [f"not told apart: {', '.join(won[None])}"] if won[None] else []
        lines.append(f"{pair.first} - {pair.second}: " + "; ".join(said))
    return lines


def _p(name: str, value: float) -> str:
    return f"{name} < 0.0001" if value < 1e-4 else f"{name} {value:.4f}"
