#!/usr/bin/env python3
"""Classify and segment a real place by the shared part of its dates, and carry it over to another date.

    python docs/classify.py [SERIES.npz] [--train 4] [--test 6] [-o map.jpg]

SERIES holds `images` (dates, height, width, 4: red, green, blue, near infrared; DN) and, if it likes, `dates`; without
it the bog that ships with the package is taken. Labels are rules on NDVI and brightness over all dates but the test
date: water, built, field, wood. A classifier learns them from one date, on every other block of 64 px, and is judged
on the blocks between: on its own date, and on the test date, which neither the labels nor the split have seen (with
two dates in all, the split has). Twice: windows of 16 px (classification) and every pixel (segmentation). Without
--train and --test, each date is carried over to the third after it, and the mean is printed. Compared are the log bands
as they are, the same standardised by date, and the shared part (`matcher features`). Needs the extra research.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matcher.demo.sample import read_sample
from matcher.shared.features import pixel_features, window_features
from matcher.shared.split import fit_split, scales, standard

CLASSES = ("water", "built", "field", "wood")
BANDS = ("red", "green", "blue", "nir")
BLOCK, WINDOW = 64, 16  # px
FAINT = 1e-3


def label(stack):
    """Labels (height, width) of a series (dates, height, width, 4): numbers of `CLASSES`, -1 where no rule holds."""
    dn = stack.astype(float)
    ndvi = (dn[..., 3] - dn[..., 0]) / np.maximum(dn[..., 3] + dn[..., 0], 1)
    high, low = np.quantile(ndvi, 0.9, axis=0), np.quantile(ndvi, 0.1, axis=0)
    light, near = np.median(dn[..., :3].mean(-1), 0), np.median(dn[..., 3], 0)
    out = np.full(light.shape, -1)
    out[(high > 0.6) & (low < high - 0.25)] = 2  # green on some dates and bare on others
    out[(low > 0.35) & (light < np.quantile(light, 0.35)) & (high < 0.8)] = 3  # green on all, and dark
    out[(high < 0.45) & (near > 900) & (light > np.quantile(light, 0.4))] = 1  # never green, and bright
    out[(high < 0.3) & (near < 1200)] = 0  # never green, and dark in near infrared
    return ndimage.median_filter(out, 3)


def plain_features(values, reach=3.0):
    """Level and texture at every pixel of values (height, width, bands), as `pixel_features` makes them."""
    texture = [
        np.log(ndimage.gaussian_filter(part**2, (reach, reach, 0)) + FAINT)
        for part in scales(values - values.mean((0, 1)))[:-1]
    ]
    level = ndimage.gaussian_filter(values, (reach / 3, reach / 3, 0))
    return np.concatenate([level, *texture], -1).astype(np.float32)


def window_means(values, rows, cols, side):
    """Means of values (height, width, k) over windows."""
    return np.stack(
        [values[r : r + side, c : c + side].mean((0, 1)) for r, c in zip(rows, cols, strict=True)]
    )


def judge(learned, features, truth, train):
    """Balanced accuracy of a classifier of one date on the held-out part of it and of another."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500))
    model.fit(learned[train], truth[train])
    test = ~train & (truth >= 0)
    own, other = model.predict(learned[test]), model.predict(features[test])
    scores = [balanced_accuracy_score(truth[test], said) for said in (own, other)]
    return scores, confusion_matrix(truth[test], other, labels=range(len(CLASSES))), model


def carry(stack, train, test):
    """Scores (windows and pixels, own date and carried over) by kind of features, confusion, labels, segmentation."""
    others = [k for k in range(len(stack)) if k != test]
    truth = label(stack[others])
    split = fit_split(stack[others] if len(others) > 1 else stack, BANDS)
    height, width = truth.shape
    block = (np.arange(height)[:, None] // BLOCK + np.arange(width)[None] // BLOCK) % 2 == 0
    windows = [window_features(stack[[k]], split, side=WINDOW, stride=WINDOW) for k in (train, test)]
    seen = {(r, c) for r, c in zip(windows[1].row, windows[1].col, strict=True)}
    both = np.array([(r, c) in seen for r, c in zip(windows[0].row, windows[0].col, strict=True)])
    rows, cols = windows[0].row[both], windows[0].col[both]
    seen = set(zip(rows, cols, strict=True))
    again = np.array([(r, c) in seen for r, c in zip(windows[1].row, windows[1].col, strict=True)])
    shares = window_means(np.stack([truth == k for k in range(len(CLASSES))], -1) * 1.0, rows, cols, WINDOW)
    most = np.where(shares.max(1) > 0.5, shares.argmax(1), -1)
    most[~np.isin(most, [k for k in range(len(CLASSES)) if (most == k).sum() >= 4])] = -1
    inside = block[rows + WINDOW // 2, cols + WINDOW // 2]
    flat, even = truth.ravel(), block.ravel()
    chosen = np.random.default_rng(0).random(flat.size) < 0.1  # a tenth of the pixels is learned and judged
    scores = {}
    for name, make in (
        ("log bands", lambda k: plain_features(np.log(stack[k] + 50.0))),
        ("standardised", lambda k: plain_features(standard(stack[k]))),
        ("shared part", lambda k: pixel_features(stack[[k]], split)),
    ):
        dense = [make(k) for k in (train, test)]
        if name == "shared part":  # as `matcher features` writes them
            parts = [windows[0].values[both], windows[1].values[again]]
        else:
            parts = [window_means(d, rows, cols, WINDOW) for d in dense]
        use = most >= 0
        by_window, _, _ = judge(*(p[use] for p in parts), most[use], inside[use])
        use = chosen & (flat >= 0)
        rough = [d.reshape(flat.size, -1) for d in dense]
        by_pixel, confusion, model = judge(*(d[use] for d in rough), flat[use], even[use])
        scores[name] = [*by_window, *by_pixel]
    return scores, confusion, truth, model.predict(rough[1]).reshape(truth.shape)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("series", nargs="?", type=Path)
    parser.add_argument("--train", type=int, help="number of the date that is learned from")
    parser.add_argument("--test", type=int, help="number of the date that is carried over to")
    parser.add_argument(
        "-o", "--output", type=Path, help="picture of the last test date, its labels and its map"
    )
    options = parser.parse_args()
    if options.series is None:
        place = next(p for p in read_sample() if p.group == "seasons")
        stack, dates = np.stack([place.image, place.other]), list(place.dates)
    else:
        with np.load(options.series) as file:
            stack = file["images"]
            dates = [str(d) for d in file["dates"]] if "dates" in file else list(range(len(stack)))
    number = len(stack)
    pairs = [(k, (k + 3) % number) for k in range(number) if (k + 3) % number != k]
    if options.train is not None and options.test is not None:
        pairs = [(options.train, options.test)]
    found = []
    for train, test in pairs:
        scores, confusion, truth, said = carry(stack, train, test)
        found.append(scores)
        print(f"learned from {dates[train]}, carried over to {dates[test]}")
    counts = np.bincount(truth[truth >= 0], minlength=len(CLASSES))
    print("labelled px: " + ", ".join(f"{name} {n}" for name, n in zip(CLASSES, counts, strict=True)))
    print(f"\nbalanced accuracy, mean of {len(pairs)} pairs of dates")
    print(
        "| features | windows, own date | carried over | pixels, own date | carried over |\n|---|---|---|---|---|"
    )
    for name in found[0]:
        mean = np.mean([scores[name] for scores in found], axis=0)
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in mean) + " |")
    print("\nshared part, pixels of the last pair carried over (rows: label, columns: said)")
    print(f"{'':8}" + "".join(f"{name:>8}" for name in CLASSES))
    for name, row in zip(CLASSES, confusion, strict=True):
        print(f"{name:8}" + "".join(f"{n:8d}" for n in row))
    if options.output is not None:
        draw(options.output, stack[test], truth, said)


def draw(path, dn, truth, said):
    """The test date, the labels and the segmentation side by side."""
    from PIL import Image

    from matcher.formats.thumbs import stretch

    colours = np.array([(50, 110, 220), (220, 60, 50), (235, 210, 110), (30, 120, 50), (0, 0, 0)], np.uint8)
    Image.fromarray(np.hstack([stretch(dn), colours[truth], colours[said]])).save(path, quality=80)


if __name__ == "__main__":
    main()
