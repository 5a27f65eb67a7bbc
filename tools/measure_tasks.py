#!/usr/bin/env python3
"""Classification, segmentation and change as scored challenges, on places that nothing was learned from.

    python tools/measure_tasks.py [--data ../shared/data] [--folds 4] [--seed 0] [--pixels 1500] [--count 4]

Labels are rules on NDVI and brightness over all dates of a place but the last (`docs/classify.py`; field and wood are
one class here, since one date cannot tell them apart), and what is classified is the last date. The places are held
out in four parts. Compared are the log bands with their texture, the same standardised by date, the shared part
(`matcher features`, its covariances the mean over the places learned from), each by logistic regression; and a small
learned encoder, a perceptron on standardised windows of 9 px. Segmentation is of single pixels, classification of
windows of 16 px whose pixels are of one class by more than half. Change is what was painted into real pairs of dates
(`tools/painted.py`), told by how far the same features of both dates lie apart, and by `matcher change`. Printed: the
balanced accuracy of the first two, the average precision of the third, in brackets 95 % intervals by resampling places.
Needs the extra research.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import change_task
import numpy as np
from measure_change import painted
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from matcher.shared.features import pixel_features
from matcher.shared.split import Split, fit_split, standard

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "docs"))
from classify import BANDS, label, plain_features, window_means  # noqa: E402

CLASSES = ("water", "built", "green")
OF_RULES = np.array([0, 1, 2, 2, -1])  # of water, built, field, wood and none
SIDE, NEAR = 16, 4  # px of a window of the classification; px that the encoder sees about a pixel


@dataclass(frozen=True, eq=False)
class Place:
    """Some pixels and windows of a place, and what is true of them."""

    name: str
    earlier: NDArray  # DN of all dates but the last, what labels and the split are made of
    last: NDArray  # DN of the last date
    pixels: NDArray[np.int64]  # (n, 2), row and column
    windows: NDArray[np.int64]  # (m, 2), of the top-left corner
    of_pixels: NDArray[np.int64]
    of_windows: NDArray[np.int64]


def read_place(path: Path, count: int, seed: int) -> Place:
    """A place with so many labelled pixels, drawn by lot, and all its labelled windows."""
    with np.load(path) as file:
        stack = file["images"]
    truth = OF_RULES[label(stack[:-1])]
    truth[~(stack[-1] > 0).any(-1)] = -1
    rng = np.random.default_rng(seed)
    inside = np.argwhere(truth >= 0)
    pixels = inside[rng.permutation(len(inside))[:count]]
    high, wide = truth.shape
    corners = np.stack(np.mgrid[0 : high - SIDE + 1 : SIDE, 0 : wide - SIDE + 1 : SIDE], -1).reshape(-1, 2)
    shares = window_means(np.stack([truth == k for k in range(len(CLASSES))], -1) * 1.0, *corners.T, SIDE)
    clear = shares.max(1) > 0.5
    return Place(
        path.stem,
        stack[:-1],
        stack[-1],
        pixels,
        corners[clear],
        truth[tuple(pixels.T)],
        shares[clear].argmax(1),
    )


Features = tuple[NDArray, NDArray]  # of a place's pixels and of its windows
Make = Callable[[Place], Features]


def taken(place: Place, dense: NDArray) -> Features:
    """Dense features at a place's pixels, and their means over its windows."""
    return dense[tuple(place.pixels.T)], window_means(dense, *place.windows.T, SIDE)


def of_log_bands(dn: NDArray) -> NDArray:
    """Features of every pixel of a date."""
    return plain_features(np.log(dn + 50.0))


def of_standardised(dn: NDArray) -> NDArray:
    """Features of every pixel of a date."""
    return plain_features(standard(dn))


class Seen:
    """What the encoder sees of a date: the standardised bands about a pixel, every second one."""

    def __init__(self, dn: NDArray) -> None:
        self._padded = np.pad(standard(dn), ((NEAR, NEAR), (NEAR, NEAR), (0, 0)), mode="reflect")

    def about(self, rows: NDArray, columns: NDArray) -> NDArray:
        """(…, features) about pixels, whose rows and columns have one shape."""
        steps = range(0, 2 * NEAR + 1, 2)
        return np.concatenate([self._padded[rows + y, columns + x] for y in steps for x in steps], -1)


def of_surroundings(dn: NDArray) -> NDArray:
    """Features of every pixel of a date."""
    return Seen(dn).about(*np.mgrid[: dn.shape[0], : dn.shape[1]])


@cache
def log_bands(place: Place) -> Features:
    """Level and texture of the log bands."""
    return taken(place, of_log_bands(place.last))


@cache
def standardised(place: Place) -> Features:
    """The same of bands brought to mean 0 and deviation 1."""
    return taken(place, of_standardised(place.last))


@cache
def seen(place: Place) -> Features:
    """What the encoder sees: the surroundings of each pixel, and of windows those of four in them."""
    about = Seen(place.last).about
    row, column = place.windows.T
    quarters = [
        about(row + y, column + x) for y in (SIDE // 4, 3 * SIDE // 4) for x in (SIDE // 4, 3 * SIDE // 4)
    ]
    return about(*place.pixels.T), np.stack(quarters, 1)


@cache
def split_of(place: Place) -> Split:
    """What all dates of a place share."""
    return fit_split(np.concatenate([place.earlier, place.last[np.newaxis]]), BANDS)


def mean_split(places: list[Place]) -> Split:
    """The mean of the places' covariances."""
    splits = [split_of(place) for place in places]
    between, within = (np.mean([getattr(s, name) for s in splits], 0) for name in ("between", "within"))
    return Split(BANDS, between, within)


def line() -> Pipeline:
    """Logistic regression, all classes with the same weight."""
    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500))


def encoder(seed: int) -> Pipeline:
    """A perceptron of two layers."""
    model = MLPClassifier((64, 32), early_stopping=True, max_iter=40, random_state=seed)
    return make_pipeline(StandardScaler(), model)


def methods(learned: list[Place], seed: int) -> dict[str, tuple[Make, Pipeline]]:
    """Of each kind of features: how they are made, and what learns from them."""
    split = mean_split(learned)
    return {
        "log bands": (log_bands, line()),
        "standardised": (standardised, line()),
        "shared part": (lambda p: taken(p, pixel_features(p.last[np.newaxis], split)), line()),
        "learned encoder": (seen, encoder(seed)),
    }


def change_methods(learned: list[Place], seed: int) -> dict[str, tuple[change_task.Dense, Pipeline]]:
    """The same for change, by the features of every pixel of a date."""
    split = mean_split(learned)
    return {
        "log bands": (of_log_bands, line()),
        "standardised": (of_standardised, line()),
        "shared part": (lambda dn: pixel_features(dn[np.newaxis], split), line()),
        "learned encoder": (of_surroundings, encoder(seed)),
    }


def confusion(truth: NDArray, said: NDArray) -> NDArray[np.int64]:
    """Counts, (classes, classes): rows are true."""
    out = np.zeros((len(CLASSES),) * 2, np.int64)
    np.add.at(out, (truth, said), 1)
    return out


def balanced(rows: NDArray) -> float:
    """The mean over classes of the share that is right."""
    number = rows.sum(-1)
    return float((np.diagonal(rows)[number > 0] / number[number > 0]).mean())


def judged(places: list[Place], folds: int, seed: int) -> dict[str, NDArray]:
    """Of every method the confusions (places, 2, classes, classes) of pixels and of windows, each place held out."""
    out: dict[str, NDArray] = {}
    for fold in range(folds):
        held = list(range(fold, len(places), folds))
        learned = [place for k, place in enumerate(places) if k not in held]
        for name, (make, model) in methods(learned, seed).items():
            truth = np.concatenate([place.of_pixels for place in learned])
            model.fit(np.concatenate([make(place)[0] for place in learned]), truth)
            rows = out.setdefault(name, np.zeros((len(places), 2, len(CLASSES), len(CLASSES)), np.int64))
            for k in held:
                pixels, windows = make(places[k])
                chances = model.predict_proba(windows.reshape(-1, windows.shape[-1]))
                by_window = chances.reshape(len(windows), -1, len(CLASSES)).mean(1)
                rows[k] = (
                    confusion(places[k].of_pixels, model.predict(pixels)),
                    confusion(places[k].of_windows, by_window.argmax(1)),
                )
    return out


def table(found: dict[str, NDArray], change: dict[str, str], seed: int) -> Iterator[str]:
    """Markdown: each method on each task."""
    yield "| features | segmentation, pixels | classification, windows | change, pixels |"
    yield "|---|---|---|---|"
    for name, rows in found.items():
        cells = []
        for task in range(2):
            rng = np.random.default_rng(seed)
            drawn = [rows[rng.integers(0, len(rows), len(rows)), task].sum(0) for _ in range(1000)]
            low, high = np.quantile([balanced(some) for some in drawn], (0.025, 0.975))
            cells.append(f"{balanced(rows[:, task].sum(0)):.3f} [{low:.3f}, {high:.3f}]")
        yield f"| {name} | {' | '.join(cells)} | {change[name]} |"
    for name in change:
        if name not in found:
            yield f"| `{name}` | | | {change[name]} |"


def changes(places: list[Place], data: Path, folds: int, seed: int, count: int) -> dict[str, str]:
    """Each method's cell on change; the places are held out in the parts of the other tasks."""
    samples = painted(data, count, 64, seed)
    of_name = {place.name: place for place in places}
    parts = [[place.name for place in places[fold::folds]] for fold in range(folds)]
    shown = change_task.judged(
        samples, parts, lambda learned: change_methods([of_name[name] for name in learned], seed)
    )
    truth = np.concatenate([one.truth.ravel() for one in samples])
    names = sorted({one.place for one in samples})
    print(
        f"change: {len(samples)} windows of {len(names)} places; {100 * truth.mean():.1f} % of pixels changed\n"
    )
    return dict(change_task.cells(shown, seed))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(given))
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pixels", type=int, default=1500, help="of a place, at most")
    parser.add_argument(
        "--count", type=int, default=4, help="windows of each painted change, a pair of dates"
    )
    options = parser.parse_args()
    paths = sorted(options.data.glob("places/*.npz"))
    if len(paths) < options.folds:
        raise SystemExit(f"{options.data}/places: {len(paths)} places; {options.folds} or more are needed")
    warnings.simplefilter("ignore", ConvergenceWarning)
    places = [read_place(path, options.pixels, options.seed) for path in paths]
    counts = np.array([np.bincount(p.of_pixels, minlength=len(CLASSES)) for p in places]).sum(0)
    said = ", ".join(f"{name} {count}" for name, count in zip(CLASSES, counts.tolist(), strict=True))
    print(f"{len(places)} places, held out in {options.folds} parts; pixels: {said}")
    change = changes(places, options.data, options.folds, options.seed, options.count)
    print("\n".join(table(judged(places, options.folds, options.seed), change, options.seed)))


if __name__ == "__main__":
    main()
