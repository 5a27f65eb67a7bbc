#!/usr/bin/env python3
"""Scores on rounds cut from the real places: the first table of docs/accuracy.md.

    python tools/accuracy.py WORK [--seed 0] [--rounds 4] [--side 64] [--images 0] [--search pyramid]
                                  [--evidence phase,phase2,ratio,ratio-signed]

Cuts the rounds into WORK (with the places' own cut.py, found by MATCHER_DATA or ../shared/data), matches each, keeps
the details there, and prints a row a round and their mean: official score in all and by group, share of right images
and of places within 2 px, patches of a confidence below 0.9, seconds.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import matcher
from matcher.settings import DEFAULT_EVIDENCE

DATA = Path(os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data"))
GROUPS = ("cities", "seasons", "farmland", "clouds")


def cut(work: Path, seed: int, rounds: int, side: int, images: int) -> list[Path]:
    """The folders of the rounds, made where they are not there yet."""
    out = work / f"seed-{seed}-side-{side}" / (f"images-{images}" if images else "plain")
    if not (out / f"round-{rounds - 1}" / "groups.csv").exists():
        command = [sys.executable, DATA / "cut.py", out, "--seed", seed, "--rounds", rounds, "--side", side]
        subprocess.run([str(part) for part in [*command, "--images", images]], check=True, stdout=sys.stderr)
    return [out / f"round-{k}" for k in range(rounds)]


def measure(folder: Path, name: str, **options: object) -> list[float]:
    """Match and score one round: the figures of a row."""
    begin = time.perf_counter()
    result = matcher.match(folder / "images.npz", folder / "patches.npz", **options)
    seconds = time.perf_counter() - begin
    result.to_details(folder / f"details-{name}.csv")
    score = matcher.score(result, folder / "answers.csv", folder / "groups.csv")
    groups = [score.groups[g].total if g in score.groups else np.nan for g in GROUPS]
    doubtful = float((result.confidence < 0.9).mean())
    return [score.total, *groups, score.image, score.within[2], doubtful, seconds]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--search", default="pyramid")
    parser.add_argument("--evidence", default=",".join(DEFAULT_EVIDENCE))
    a = parser.parse_args()
    print("| round | all | " + " | ".join(GROUPS) + " | image | within 2 px | doubtful | s |")
    print("|---|---|" + "---|" * (len(GROUPS) + 4))
    rows = []
    for folder in cut(a.work, a.seed, a.rounds, a.side, a.images):
        name = f"{a.search}-{a.evidence.replace(',', '-')}"
        rows.append(measure(folder, name, search=a.search, evidence=tuple(a.evidence.split(","))))
        show(folder.name.removeprefix("round-"), rows[-1])
    show("mean", np.mean(rows, axis=0).tolist())


def show(name: str, row: list[float]) -> None:
    """A row of the table, at once."""
    print(f"| {name} | " + " | ".join(f"{v:.4f}" for v in row[:-1]) + f" | {row[-1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
