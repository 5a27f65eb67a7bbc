#!/usr/bin/env python3
"""How the match's time grows with the number of images, of patches, the image size and the threads.

    python benchmarks/scaling.py [--images 10,20,40,80] [--patches 256,512,1024,2048] [--size 192,256,384,512]
                                 [--threads 1,2] [--repeats 3] [--cache DIR] [--plot FILE.png] [--json FILE] [--quick]

One of the four is changed at a time, the others stay at the last of their lists; pictures are simulated and in memory,
the kernels are compiled before the clock runs, and the fastest of the repeats counts. Printed: seconds, pairs a second,
and the exponent b of the fit seconds = a n^b by least squares of the logarithms, with the share of the patches in
doubt at each point, which moves the time too. The plot has one panel for each.
"""

import argparse
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sets
from full_challenge import parse_levels

import matcher
from matcher.formats.opening import open_images, open_patches
from matcher.formats.submission import read_submission
from matcher.imagery import Pictures
from matcher.threads import usable_cores

AXES = ("images", "patches", "size", "threads")


@dataclass(frozen=True)
class Point:
    """One measurement: what was given, seconds, and the share of patches that the middle level saw."""

    images: int
    patches: int
    size: int
    threads: int
    seconds: float = 0.0
    doubt: float = 0.0

    @property
    def rate(self) -> float:
        """Pairs a second."""
        return self.images * self.patches / self.seconds


class _Lines(logging.Handler):
    """What the package's log says."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def warm() -> None:
    """Compile every kernel: patches that are there, and one of nowhere, which every level of the search sees."""
    rng = np.random.default_rng(0)
    images = rng.integers(200, 3000, (2, 160, 160, 4)).astype(np.uint16)
    stranger = rng.integers(200, 3000, (64, 64, 4)).astype(np.uint16)
    matcher.match(images, [images[0, 9:73, 20:84], images[1, 50:114, 3:67], stranger])


def load(cache: Path, images: int, patches: int, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """So many images of a simulated set, and patches that lie in them."""
    made = sets.simulated(cache, images, -(-patches // images), size)
    targets = list(Pictures(open_images(made.images), "auto"))
    queries = Pictures(open_patches(made.patches), "auto")
    assert len(queries) == len(read_submission(made.answers).ids)
    return targets, [queries[k] for k in range(patches)]


def measure(point: Point, pictures: tuple[list[np.ndarray], list[np.ndarray]], repeats: int) -> Point:
    """The point with its time: the fastest of the repeats."""
    images, patches = pictures
    logger, handler = logging.getLogger("matcher"), _Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    times = []
    try:
        for _ in range(repeats):
            handler.lines.clear()
            start = time.perf_counter()
            matcher.match(images, patches, threads=point.threads, value_range="dn")
            times.append(time.perf_counter() - start)
    finally:
        logger.removeHandler(handler)
    middle = parse_levels("\n".join(handler.lines)).get("middle")
    share = 0.0 if middle is None else middle.count / point.patches
    return Point(point.images, point.patches, point.size, point.threads, min(times), share)


def fit(numbers: list[int], seconds: list[float]) -> tuple[float, float]:
    """a and b of seconds = a n^b, by least squares of the logarithms."""
    slope, level = np.polyfit(np.log(numbers), np.log(seconds), 1)
    return float(np.exp(level)), float(slope)


def measure_axis(axis: str, lists: dict[str, list[int]], cache: Path, repeats: int) -> list[Point]:
    """Points along one axis, the others at the last of their lists."""
    points = []
    for number in lists[axis]:
        given = {name: values[-1] for name, values in lists.items()} | {axis: number}
        pictures = load(cache, given["images"], given["patches"], given["size"])
        points.append(measure(Point(**given), pictures, repeats))
        print_point(axis, points[-1])
    return points


def print_point(axis: str, point: Point) -> None:
    print(
        f"{axis:<8}{getattr(point, axis):>7}{point.seconds:10.2f} s{point.rate:12,.0f} pairs/s"
        f"{point.doubt:8.1%} in doubt",
        flush=True,
    )


def draw(results: dict[str, list[Point]], exponents: dict[str, tuple[float, float]], path: Path) -> None:
    """A panel an axis: measured points and the fitted line, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    size = (3.2 * len(results), 3.0)
    figure, panels = plt.subplots(1, len(results), figsize=size, sharey=True, layout="constrained")
    labels = {"images": "images", "patches": "patches", "size": "image size, px", "threads": "threads"}
    for panel, (axis, points) in zip(np.atleast_1d(panels), results.items(), strict=True):
        numbers = np.array([getattr(p, axis) for p in points])
        panel.loglog(numbers, [p.seconds for p in points], "o", color="C0")
        if axis in exponents:
            a, b = exponents[axis]
            panel.loglog(numbers, a * numbers**b, "-", color="C0", alpha=0.6, label=f"n$^{{{b:.2f}}}$")
            panel.legend(frameon=False)
        panel.set_xticks(numbers, [str(n) for n in numbers])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set_xlabel(labels[axis])
    np.atleast_1d(panels)[0].set_ylabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _numbers(text: str) -> list[int]:
    numbers = sorted({int(part) for part in text.split(",")})
    if numbers[0] < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=_numbers, default=[10, 20, 40, 80])
    parser.add_argument("--patches", type=_numbers, default=[256, 512, 1024, 2048])
    parser.add_argument(
        "--size", type=_numbers, default=[192, 256, 384, 512], help="pixels a side of an image"
    )
    parser.add_argument("--threads", type=_numbers, default=list(range(1, usable_cores() + 1)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=sets.CACHE, help="where sets are kept")
    parser.add_argument("--plot", type=Path, default=sets.ROOT / ".benchmarks" / "scaling.png")
    parser.add_argument("--json", type=Path, help="write the points and exponents there")
    parser.add_argument("--quick", action="store_true", help="a few small points: a trial, not a measurement")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images, chosen.patches, chosen.size, chosen.repeats = [2, 4], [16, 32], [128, 192], 1
    lists = {axis: getattr(chosen, axis) for axis in AXES}
    warm()
    results = {axis: measure_axis(axis, lists, chosen.cache, chosen.repeats) for axis in AXES}
    exponents = {}
    for axis, points in results.items():
        if len(points) > 1:
            exponents[axis] = fit([getattr(p, axis) for p in points], [p.seconds for p in points])
            print(f"{axis}: seconds grow as n^{exponents[axis][1]:.2f}")
    draw(results, exponents, chosen.plot)
    print(f"plot: {chosen.plot}")
    if chosen.json:
        plain = {axis: [asdict(p) for p in points] for axis, points in results.items()}
        slopes = {axis: b for axis, (_, b) in exponents.items()}
        chosen.json.write_text(json.dumps({"points": plain, "exponents": slopes}, indent=2) + "\n")


if __name__ == "__main__":
    main()
