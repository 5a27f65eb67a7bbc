#!/usr/bin/env python3
"""Fit the weights of `matcher change`, and measure it on painted changes against plain and NDVI differencing.

    python tools/measure_change.py [--data ../shared/data] [--count 12] [--side 64] [--seed 0] [--write]
    python tools/measure_change.py --picture docs/change.jpg

Buildings, a cleared field or a filled pond (`tools/painted.py`) are painted into real pairs of dates at least 45
days apart in the year. Every window is judged by weights fitted without its place. Of the places, five were used to
develop the method (`DEVELOPED`); the table of the others stands apart. --write fits on all places, from --fit-seed,
and writes matcher/data/change.json. --picture draws the change found in three windows of the city pairs (`REAL`).
"""

import argparse
import os
from pathlib import Path

import numpy as np
from change_trial import (
    account,
    account_text,
    fit,
    left_out,
    paint_place,
    sample_rows,
    season_pairs,
    sky_account,
)
from painted import Painted
from PIL import Image

from matcher.changing.detect import find_change
from matcher.imagery import Roles
from matcher.report.change import picture
from matcher.verification.logistic import shipped
from matcher.verification.model import write_model

MODEL = Path(__file__).parents[1] / "matcher" / "data" / "change.json"
ROLES = Roles.of(("red", "green", "blue", "nir"))
DEVELOPED = ("bordeaux", "norcia", "potholes", "rennes", "valencia")
CLOUDY = {"deurne": ("2024-04-29",)}  # dates with clouds over part of the place
REAL = (("chongqing", 328, 328), ("dubai", 136, 392), ("beihai", 520, 648))  # place, row, column
ROUNDS = 3  # pairs of dates drawn of a place that has many


def painted(folder: Path, count: int, side: int, seed: int) -> list[Painted]:
    """The painted windows of all places that have pairs of different seasons."""
    out = []
    for path in sorted(folder.glob("places/*.npz")):
        with np.load(path) as file:
            if str(file["group"]) == "clouds":
                continue
            stack, dates = file["images"], [str(d) for d in file["dates"]]
        pairs = [
            (i, j)
            for i, j in season_pairs(dates)
            if not {dates[i], dates[j]} & set(CLOUDY.get(path.stem, ()))
        ]
        if pairs:
            rounds = 1 if len(stack) == 2 else ROUNDS
            out += paint_place(
                path.stem, stack, pairs, ROLES, count=count, side=side, seed=seed, rounds=rounds
            )
    return out


def draw(folder: Path, path: Path, side: int = 96, times: int = 2) -> None:
    """The later date, the earlier one, score and classes of the windows of `REAL`, a row each."""
    rows = []
    for place, row, column in REAL:
        with np.load(folder / "places" / f"{place}.npz") as file:
            before, after = file["images"].astype(np.float32)
        patch = np.ascontiguousarray(after[row : row + side, column : column + side])
        rows.append(picture(find_change(patch, before, (row, column), ROLES)))
        rows.append(np.full((2, rows[0].shape[1], 3), 255, np.uint8))
    shown = Image.fromarray(np.vstack(rows[:-1]))
    shown = shown.resize((shown.width * times, shown.height * times), Image.Resampling.NEAREST)
    shown.save(path, quality=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--count", type=int, default=12, help="windows of each recipe, a pair of dates")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit-seed", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.picture is not None:
        draw(options.data, options.picture)
        return
    seed = options.fit_seed if options.write else options.seed
    samples = painted(options.data, options.count, options.side, seed)
    if options.write:
        model = fit([sample_rows(one, ROLES) for one in samples])
        write_model(MODEL, model)
        shipped.cache_clear()
        print(f"{MODEL.name}: {model} from {len(samples)} windows")
        return
    scored = left_out(samples, ROLES)
    for title, keep in (
        ("all places", lambda _: True),
        ("places that the method was not developed on", lambda place: place not in DEVELOPED),
    ):
        which = [k for k, one in enumerate(samples) if keep(one.place)]
        names = sorted({samples[k].place for k in which})
        print(f"\n{title}: {', '.join(names)}; seed {options.seed}, {options.side} px\n")
        print(account_text(account([samples[k] for k in which], [scored[k] for k in which])))
    print(f"\nclouds of the simulation over these patches: {sky_account(samples, ROLES, options.seed)}")


if __name__ == "__main__":
    main()
