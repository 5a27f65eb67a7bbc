#!/usr/bin/env python3
"""What the fitted numbers owe to the places they are tested on: scores with whole places, and whole kinds, left out.

    python tools/left_out.py WORK [--seed 0] [--sides 64 32] [--folds 4]

Matches round 0 of a seed (cut as tools/accuracy.py does) three times: by the numbers that ship, which were fitted to
all places; each place by whitening and colour fitted without it (the places in so many folds); and every kind's patches
(cities, seasons, farmland, clouds) by what was fitted without any place of that kind. Prints official scores in all and
by kind.
"""

import argparse
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accuracy import DATA, GROUPS, cut

import matcher
from matcher.fitting.options import FitOptions
from matcher.fitting.run import fit_model
from matcher.formats.columns import read_groups
from matcher.model import Model
from matcher.placements import Placements


def fitted(without: Sequence[str]) -> Model:
    """The numbers fitted as those that ship, to all places of four bands but some."""
    paths = [*sorted(Path(DATA, "places").glob("*.npz")), *sorted(Path(DATA, "more", "bands4").glob("*.npz"))]
    return fit_model([path for path in paths if path.stem not in without], FitOptions(rounds=0)).model


def answers(folder: Path, parts: Sequence[Sequence[str]], models: Sequence[Path | None]) -> Placements:
    """A round's patches, those of each part of the places by a model of its own; None is the one that ships."""
    with open(folder / "groups.csv", newline="", encoding="utf-8") as file:
        places = np.array([row["place"] for row in csv.DictReader(file)])
    with np.load(folder / "patches.npz") as file:
        patches = file["patches"]
    columns = np.zeros((3, len(patches)), np.int64)
    for part, model in zip(parts, models, strict=True):
        rows = np.flatnonzero(np.isin(places, part))
        if len(rows):
            found = matcher.match(folder / "images.npz", patches[rows], model=model)
            columns[:, rows] = found.image, found.x, found.y
    return Placements(np.arange(len(patches)), *columns)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 32])
    parser.add_argument("--folds", type=int, default=4)
    a = parser.parse_args()
    groups = {}
    for path in sorted(Path(DATA, "places").glob("*.npz")):
        with np.load(path) as file:
            groups[path.stem] = str(file["group"])
    names = list(groups)
    cuts = {
        "no place left out": [names],
        "each place left out": [names[k :: a.folds] for k in range(a.folds)],
        "each kind left out": [[n for n in names if groups[n] == group] for group in GROUPS],
    }
    print("| patches | fitted | all |" + "".join(f" {group} |" for group in GROUPS))
    print("|---" * (3 + len(GROUPS)) + "|")
    with tempfile.TemporaryDirectory() as work:
        models: dict[str, list[Path | None]] = {title: [None] for title in cuts}
        for title, parts in list(cuts.items())[1:]:
            paths = [Path(work, f"{title}-{k}.npz") for k in range(len(parts))]
            for part, path in zip(parts, paths, strict=True):
                fitted(part).save(path)
            models[title] = list(paths)
        for side in a.sides:
            (folder,) = cut(a.work, a.seed, 1, side, 0)
            for title, parts in cuts.items():
                found = answers(folder, parts, models[title])
                score = matcher.score(found, folder / "answers.csv", read_groups(folder / "groups.csv"))
                cells = [score.total, *(score.groups[group].total for group in GROUPS)]
                print(
                    f"| {side} px | {title} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
