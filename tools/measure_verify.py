#!/usr/bin/env python3
"""Fit the numbers of `matcher verify`, and measure it against gray ZNCC, SSIM and phase correlation.

    python tools/measure_verify.py [--data ../shared/data] [--pairs 40] [--seed 0] [--fit-seed 100] [--write]

Pairs are cut from the real places by `matcher.verification.pairs.cut_pairs`: positives shifted by up to 16 px, half of
the negatives hard. Places that stand alone for their kind are cut three times as often. Every pair is judged by
numbers fitted without its place. --write fits on all places, from pairs of --fit-seed, and writes
matcher/data/verify.json.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.verification.logistic import shipped
from matcher.verification.model import fit, write_model
from matcher.verification.pairs import Pairs, cut_pairs
from matcher.verification.verifying import account, account_text, rivals, verify

MODEL = Path(__file__).parents[1] / "matcher" / "data" / "verify.json"
ALONE = 3  # times as many pairs of a place that is its group's only one


def places(folder: Path) -> Iterator[tuple[str, str, NDArray]]:
    """(place, group, stack) of every place."""
    for path in sorted(folder.glob("places/*.npz")):
        with np.load(path) as file:
            group, stack = str(file["group"]), file["images"]
        for _ in range(1 if group == "cities" else ALONE):
            yield path.stem, group, stack


def cut(options: argparse.Namespace, seed: int) -> Pairs:
    """The pairs of a seed."""
    return cut_pairs(places(options.data), options.pairs, side=options.side, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--pairs", type=int, default=40, help="of the same place, a place")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit-seed", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        pairs = cut(options, options.fit_seed)
        model = fit(verify(pairs).features, pairs.same, pairs.group)
        write_model(MODEL, model)
        shipped.cache_clear()
        print(f"{MODEL.name}: {model} from {len(pairs)} pairs")
        return
    pairs = cut(options, options.seed)
    print(
        f"{len(pairs)} pairs of {len(np.unique(pairs.place))} places, {options.side} px, seed {options.seed}\n"
    )
    print(account_text(account(pairs, verify(pairs), rivals(pairs))))


if __name__ == "__main__":
    main()
