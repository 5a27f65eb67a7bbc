#!/usr/bin/env python3
"""Fit the numbers of `matcher.decide.confidence`, and say how well they hold on places left out.

    python tools/fit_confidence.py WORK [--seeds 100 101 102 103] [--sides 64 32]

Matches one round a seed and size of patch with the default settings (cut as tools/accuracy.py does), fits a logistic
regression of "within 4 px" by iteratively reweighted least squares, and prints its coefficients with the figures of
predictions that left each place out in turn; then slope and level of the log odds of a place by its score alone, less
those of any pixel (`matcher.settle`). Seed 0 is for reports and is not to be fitted on.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import cut
from numpy.typing import NDArray

import matcher
from matcher.decide import CHANCE, confidence_features

RIDGE = 1e-2
# Scores above are right but for a few twins, dunes like dunes, that would bend the fit of all.
UNCLEAR = 150.0


@dataclass(frozen=True)
class Observed:
    """Every patch of one round: features of confidence, score, whether it is right, its place; pixels of all images."""

    features: NDArray
    score: NDArray
    right: NDArray
    places: list[str]
    pixels: int


def observe(work: Path, seed: int, side: int) -> Observed:
    """One round, matched."""
    (folder,) = cut(work, seed, 1, side, 0)
    result = matcher.match(folder / "images.npz", folder / "patches.npz")
    answers = matcher.read_submission(folder / "answers.csv")
    off = np.hypot(answers.x - result.x, answers.y - result.y)
    with open(folder / "groups.csv", newline="") as file:
        places = [row["place"] for row in csv.DictReader(file)]
    images = matcher.open_images(folder / "images.npz")
    return Observed(
        confidence_features(2 * result.score, 2 * result.runner_up_score),
        2 * result.score,
        ((answers.image == result.image) & (off <= 4)).astype(float),
        places,
        sum(images.shape(k)[0] * images.shape(k)[1] for k in range(len(images))),
    )


def fit(features: NDArray, right: NDArray) -> NDArray:
    """Logistic regression with a small ridge, by iteratively reweighted least squares."""
    weights = np.zeros(features.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (chance - right) + RIDGE * weights
        curve = (features * (chance * (1 - chance))[:, None]).T @ features + RIDGE * np.eye(len(weights))
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def figures(chance: NDArray, right: NDArray) -> str:
    """Area under the ROC curve, right answers kept at 99 % precision, Brier and calibration errors."""
    order = np.argsort(-chance, kind="stable")
    hits = np.cumsum(right[order])
    ranks = np.argsort(np.argsort(chance))
    wrong = len(right) - right.sum()
    area = (ranks[right == 1].mean() - (right.sum() - 1) / 2) / wrong
    kept = hits[hits / np.arange(1, len(hits) + 1) >= 0.99].max() / right.sum()
    brier = ((chance - right) ** 2).mean() / (right.mean() * (1 - right.mean()))
    bins = np.minimum((chance * 10).astype(int), 9)
    gaps = np.array([abs(chance[bins == b].sum() - right[bins == b].sum()) for b in range(10)])
    doubtful = np.isin(bins, range(9)).sum()
    return (
        f"AUC {area:.4f}, kept at 99 % precision {kept:.3f}, Brier / constant's {brier:.3f}, "
        f"calibration error {gaps.sum() / len(right):.4f}, among {doubtful} doubtful {gaps[:9].sum() / doubtful:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103])
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 32])
    a = parser.parse_args()
    rounds = [(side, observe(a.work, seed, side)) for side in a.sides for seed in a.seeds]
    sides = np.concatenate([np.full(len(o.right), side) for side, o in rounds])
    features = np.concatenate([o.features for _, o in rounds])
    right = np.concatenate([o.right for _, o in rounds])
    places = np.concatenate([o.places for _, o in rounds])
    score = np.concatenate([o.score for _, o in rounds])
    # What answers by colour alone are worth is not told by their scores.
    told = (score >= CHANCE) & (score < UNCLEAR)
    print("coefficients:", np.round(fit(features[told], right[told]), 2).tolist())
    chance = np.empty(len(right))
    for place in np.unique(places):
        out = places == place
        chance[out] = 1 / (1 + np.exp(-features[out] @ fit(features[~out & told], right[~out & told])))
    for side in a.sides:
        print(f"{side} px: {figures(chance[sides == side], right[sides == side])}")
    print(f"all: {figures(chance, right)}")
    pixels = np.concatenate([np.full(len(o.right), np.log(o.pixels)) for _, o in rounds])
    for side in a.sides:
        near = told & (sides == side)
        level, slope = fit(np.stack([np.ones(near.sum()), score[near]], axis=1), right[near])
        print(f"{side} px, log odds against any pixel: {slope:.3f} score {level + pixels[near].mean():+.2f}")


if __name__ == "__main__":
    main()
