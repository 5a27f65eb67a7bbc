#!/usr/bin/env python3
"""Fit the covariances of `matcher.colour` to pairs of dates of real places, and write them where they ship.

    python tools/fit_colour.py [--data PLACES] [--pairs 60] [--without PLACE …] [--out FILE]

Pairs are windows of 64 px and of 32 px of one place on two of its dates, drawn at random, three times as many of places
with more than two dates. `within` is the mean product of their differences, `apart` that of the differences of any two
windows, twice the covariance of all. The file ships as matcher/data/colour.json.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np

from matcher.colour import statistics

DATA = Path(os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data"))
SHIPPED = Path(__file__).parents[1] / "matcher" / "data" / "colour.json"
SIDES = (64, 32)
BANDS = ("red", "green", "blue", "nir")
RIDGE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pairs", type=int, default=60, help="of each place and size")
    parser.add_argument("--without", nargs="*", default=[], help="places left out")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    a = parser.parse_args()
    rng = np.random.default_rng(0)
    within, apart = (np.zeros((2 * len(BANDS), 2 * len(BANDS))) for _ in range(2))
    for side in SIDES:
        pairs = []
        for path in sorted(Path(a.data, "places").glob("*.npz")):
            if path.stem in a.without:
                continue
            with np.load(path) as file:
                stack = file["images"]
            for _ in range(a.pairs if len(stack) == 2 else 3 * a.pairs):
                dates = rng.choice(len(stack), 2, replace=False)
                y, x = (int(rng.integers(length - side + 1)) for length in stack.shape[1:3])
                windows = stack[dates, y : y + side, x : x + side].astype(np.float32)
                pairs.append([statistics(dn, (side, side))[0, 0].astype(np.float64) for dn in windows])
        both = np.array(pairs)
        difference = both[:, 0] - both[:, 1]
        within += difference.T @ difference / len(difference) / len(SIDES)
        apart += 2 * np.cov(both.reshape(-1, both.shape[-1]).T) / len(SIDES)
    ridge = RIDGE * np.eye(len(within))
    numbers = {
        "bands": BANDS,
        "within": np.round(within + ridge, 5).tolist(),
        "apart": np.round(apart + ridge, 5).tolist(),
    }
    a.out.write_text(json.dumps(numbers) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
