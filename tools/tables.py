"""Scores as Markdown tables, and their places between the marks of a document."""

from collections.abc import Iterator
from pathlib import Path

from accuracy import GROUPS
from rounds import Round, tell

import matcher


def by_group(scored: matcher.Score, metric: str) -> list[str]:
    """Cells of all patches and of each group."""
    return [cell(scored, metric), *(cell(scored.groups[g], metric) for g in GROUPS)]


def plain(scored: matcher.Score) -> list[str]:
    """Official scores of all patches and of each group, without intervals."""
    return [f"{s.total:.3f}" for s in (scored, *(scored.groups[g] for g in GROUPS))]


def cell(scored: matcher.Score, metric: str) -> str:
    """A value and its interval."""
    interval = scored.intervals[metric]
    said = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return f"{scored.value(metric):.3f}{said}"


def counts(scored: matcher.Score) -> list[str]:
    """Patches and the images that they lie in, of all and of each group."""
    return [f"{s.n_patches}, {s.n_images}" for s in (scored, *(scored.groups[g] for g in GROUPS))]


def caption(seed: int, every: int, rounds: list[Round]) -> str:
    """What the patches of a table are."""
    which = "round 0" if len(rounds) == 1 else f"rounds 0 to {len(rounds) - 1}"
    part = "" if every == 1 else f", one patch in {every}"
    return f"Seed {seed}, {which}{part}: {sum(len(r.patches) for r in rounds)} patches."


def table(head: list[str], rows: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for name, cells in rows:
        yield f"| {' | '.join([name, *cells])} |"


def put(path: Path, name: str, text: list[str], by: str = "tools/ladder.py") -> None:
    """Text between the two marks of its name in a document, the first of which names the tool that writes it."""
    start, end = f"<!-- {name}: written by {by} -->\n", f"<!-- end of {name} -->"
    before, rest = path.read_text(encoding="utf-8").split(start)
    _, after = rest.split(end)
    path.write_text(before + start + "\n".join(text) + "\n" + end + after, encoding="utf-8")
    tell(f"{path.name}: {name}")
