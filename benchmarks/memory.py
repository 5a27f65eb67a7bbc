#!/usr/bin/env python3
"""What a match was told to hold, and what it held: `matcher match --dry-run` beside the peak of the run itself.

    python benchmarks/memory.py SET… [--memory 512MiB,2GiB] [--search pyramid,exhaustive]

A SET is a folder with images, patches and answers, as `cut.py` writes for each round and `matcher simulate` writes. A
row for each set, search and budget: the estimate, the peak resident size of the process, and the peak in parts of the
estimate; a set whose codes the budget does not hold is refused, which is told.
"""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

import launch
import sets

from matcher.cli.options import Size
from matcher.errors import MatcherError
from matcher.matching.estimate import estimate
from matcher.matching.job import prepare
from matcher.settings import Settings

GIB = 1 << 30


def row(chosen: sets.Set, memory: int, search: str) -> str:
    """One run of a set."""
    told = estimate(prepare(chosen.images, chosen.patches, Settings(memory=memory, search=search)))
    head = f"| {chosen.folder.name} | {search} | {memory / GIB:.2f} | {told.memory / GIB:.2f} |"
    if not told.fits:
        return f"{head} refused | |"
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-c", "from matcher.cli import main; main()", "match"]
        command += [str(chosen.images), str(chosen.patches), "-o", f"{work}/submission.csv", "-q"]
        command += ["--memory", str(memory), "--search", search]
        usage = launch.measure(command, Path(work, "usage.json"))
    if usage.code:
        raise MatcherError(f"{chosen.folder}: the match ended with exit code {usage.code}")
    return f"{head} {usage.peak_bytes / GIB:.2f} | {usage.peak_bytes / told.memory:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--memory", default="512MiB,2GiB")
    parser.add_argument("--search", default="pyramid,exhaustive")
    a = parser.parse_args()
    budgets = [Size().convert(text, None, None) for text in a.memory.split(",")]
    print(
        "| set | search | --memory, GiB | estimate, GiB | peak, GiB | peak / estimate |\n" + "|---" * 6 + "|"
    )
    for folder, search, memory in product(a.sets, a.search.split(","), budgets):
        print(row(sets.Set.of(folder), memory, search), flush=True)


if __name__ == "__main__":
    main()
