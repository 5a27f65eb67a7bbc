#!/usr/bin/env python3
"""Measure how `matcher.locate` lays chips that are turned or scaled by what no file says.

    python tools/measure_turned.py [--data ../shared/data] [--places bordeaux,…] [--sides 32,64,96,256] [--seed 7]

Chips of the second date of cities, resampled by splines so that they lie turned, scaled, or both, are sought in the
first date. The error is that of the corner that lies furthest off, pixels, the dates' own offset (`shift_yx`) taken
out. Printed, for each size and turn: chips, the share with confidence 0.9 and above, and the median and the largest
error of those.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from measure_locate import write

import matcher
from matcher.search.pose import Pose

TURNS = ((0, 0.0), (1, 0.0), (-3, 0.0), (6, 0.0), (0, 0.04), (4, -0.03))  # degrees, growth


def lie(degrees, growth):
    """Offsets in a chip to offsets in the scene, rows first."""
    angle = np.radians(degrees)
    return (1 + growth) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def cut(picture, rng, side, matrix):
    """A chip that lies by a matrix somewhere in a picture, and its middle there."""
    corners = np.array([(1, 1), (1, -1)]) * side / 2
    room = np.abs(corners @ matrix.T).max(0) + 1
    middle = rng.uniform(room, np.array(picture.shape[:2]) - room)
    seen = Pose(middle, matrix).seen(picture.astype(np.float32), (0, 0), (side, side), 0)
    return np.clip(np.rint(seen), 1, 4095).astype(np.uint16), middle


def corner_error(place, middle, side, matrix):
    """The most that a corner lies off, pixels of the scene."""
    corners = np.array([(0, 0), (0, side), (side, side), (side, 0)], float)
    found = np.array([place.affine @ (x, y) for y, x in corners])[:, ::-1]
    return float(np.hypot(*(found - (corners - side / 2) @ matrix.T - middle).T).max())


def measure(path, sides, seed):
    """Rows of (side, turn, confidence, error) of one city."""
    with np.load(path) as file:
        (first, second), shift = file["images"], file["shift_yx"].astype(float)
    rng, truth = np.random.default_rng(seed), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "scene.tif", first, 300000, 5700000)
        for side in sides:
            for turn in TURNS:
                if min(second.shape[:2]) < 1.2 * side:
                    continue
                chip, middle = cut(second, rng, side, lie(*turn))
                chip_path = folder / f"{len(truth)}.tif"
                write(chip_path, chip, 700000, 4000000)
                truth[str(chip_path)] = turn, (middle + shift, side, lie(*turn))
        found = matcher.locate(list(truth), folder / "scene.tif", min_confidence=0.9)
    return [
        (truth[p.chip][1][1], truth[p.chip][0], p.rank > 0, corner_error(p, *truth[p.chip][1])) for p in found
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=Path(__file__).parents[2] / "shared" / "data", type=Path)
    parser.add_argument("--places", default="bordeaux,rennes,aguasclaras,milano,norcia,chongqing")
    parser.add_argument("--sides", default="32,64,96,128,256")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    sides = [int(side) for side in options.sides.split(",")]
    paths = [options.data / "places" / f"{name}.npz" for name in options.places.split(",")]
    rows = [row for path in paths for row in measure(path, sides, options.seed)]
    print("| side, px | turned, degrees | scaled | chips | sure | error of those, median | largest |")
    print("|---|---|---|---|---|---|---|")
    for side, turn in sorted({row[:2] for row in rows}):
        some = [row for row in rows if row[:2] == (side, turn)]
        errors = [row[3] for row in some if row[2]]
        told = f"{np.median(errors):.2f} | {max(errors):.2f}" if errors else " | "
        print(
            f"| {side} | {turn[0]} | {1 + turn[1]:g} | {len(some)} | {len(errors) / len(some):.2f} | {told} |"
        )


if __name__ == "__main__":
    main()
