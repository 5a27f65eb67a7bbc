#!/usr/bin/env python3
"""What a chip costs by the number of images, and how many chips are still found, from hundreds to tens of thousands.

    python benchmarks/growth.py SET [--counts 600,6000,60000] [--chips 100] [--alone 12] [--threads N]

SET is a folder with images, patches and answers, as ``cut.py`` and `matcher simulate` write. Its codes are made once.
More images are had by naming those that hold no chip again and again: their codes, and their pixels, are the same ones,
so that 60,000 images fit into memory, and what is compared is real. Chips are drawn at random. Printed for each count:
seconds of a chip by itself (median of some, codes in memory) and of its first pass, seconds of all chips together and
of each, how many of them were in doubt after the first pass, and how many were placed within 4 px.
"""

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sets
from numpy.typing import NDArray
from scaling import warm

from matcher.formats.submission import read_submission
from matcher.imagery import Pictures
from matcher.matching.job import Job, prepare
from matcher.matching.run import match_rows
from matcher.search.pyramid.index import Index

WITHIN = 4.0  # px


class Named:
    """Pictures of which some are named several times, a `matcher.formats.base.Windowed` that holds them in memory."""

    def __init__(self, name: str, pictures: Sequence[NDArray], which: NDArray[np.int64]) -> None:
        self.name, self.ids = name, np.arange(len(which))
        self._pictures, self._which = pictures, which

    def __len__(self) -> int:
        return len(self._which)

    def shape(self, index: int) -> tuple[int, int, int]:
        return self._pictures[self._which[index]].shape

    def where(self, index: int) -> str:
        return f"{self.name}, picture {self._which[index]}"

    def __getitem__(self, index: int) -> NDArray:
        return self._pictures[self._which[index]].copy()

    def read(self, index: int, row: int, col: int, height: int, width: int) -> NDArray:
        return self._pictures[self._which[index]][row : row + height, col : col + width].copy()


class Levels(logging.Handler):
    """Patches and seconds of the levels of the last search, as its log tells them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: dict[str, tuple[int, float]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("level %s") and isinstance(record.args, tuple):
            name, patches, seconds = record.args
            self.seen[str(name)] = (patches, seconds)  # type: ignore[assignment]


@dataclass(frozen=True)
class Set:
    """A set as it is grown: its match, the pictures and codes of its images, and where its patches lie (n, 3)."""

    job: Job
    pictures: list[NDArray]
    index: Index
    truth: NDArray[np.int64]

    @classmethod
    def of(cls, folder: Path, threads: int | None) -> "Set":
        made = sets.Set.of(folder)
        job = prepare(made.images, made.patches, threads=threads)
        answers = read_submission(made.answers)
        places = dict(
            zip(answers.ids.tolist(), zip(answers.image, answers.y, answers.x, strict=True), strict=True)
        )
        numbers = {one: k for k, one in enumerate(job.targets.ids.tolist())}
        told = [places[one] for one in job.patches.ids.tolist()]
        truth = np.array([(numbers[image], y, x) for image, y, x in told], np.int64)
        sizes = {job.patches.shape(k)[:2] for k in range(len(job.patches))}
        (side,) = sizes
        pictures = [job.targets.source[k] for k in range(len(job.targets))]
        return cls(job, pictures, job.index(side), truth)

    def grown(self, count: int) -> tuple[Job, Index, NDArray[np.int64]]:
        """The same among so many images; and which of its own each of them is."""
        others = np.setdiff1d(np.arange(len(self.pictures)), self.truth[:, 0])
        more = others[np.arange(count - len(self.pictures)) % len(others)]
        which = np.concatenate([np.arange(len(self.pictures)), more])
        source = Named(self.job.targets.name, self.pictures, which)
        job = replace(self.job, targets=Pictures(source, self.job.targets.value_range))
        return job, _named(self.index, which), which


def _named(index: Index, which: NDArray[np.int64]) -> Index:
    """An index of some targets of another, named in any order and as often as one likes; the codes are the same."""
    starts = index.colour_starts
    colour = [index.colour[starts[k] : starts[k + 1]] for k in range(len(index))]
    counts = np.diff(starts)[which]
    names = ("shapes", "fine_starts", "middle_starts", "coarse_starts", "sizes")
    return replace(
        index,
        **{name: np.ascontiguousarray(getattr(index, name)[which]) for name in names},
        colour=np.concatenate([colour[k] for k in which]),
        colour_starts=np.concatenate([[0], np.cumsum(counts)]),
    )


def measure(chosen: Set, count: int, rows: NDArray[np.int64], alone: int, levels: Levels) -> str:
    """The figures of one count, a row of the table."""
    job, index, which = chosen.grown(count)
    indexes = {index.plan.whole: index}

    def search(some: NDArray[np.int64]) -> tuple[float, NDArray[np.bool_]]:
        levels.seen.clear()
        begin = time.perf_counter()
        result = match_rows(job, some, indexes=indexes)
        seconds = time.perf_counter() - begin
        image, y, x = chosen.truth[some].T
        near = np.hypot(result.y - y, result.x - x) <= WITHIN
        return seconds, (which[result.image] == image) & near

    each, first = [], []
    for row in rows[:alone]:
        each.append(search(np.array([row]))[0])
        first.append(levels.seen["coarse"][1])
    seconds, right = search(rows)
    doubtful = levels.seen.get("middle", (0, 0.0))[0]
    pixels = int(index.shapes.prod(1).sum())
    return (
        f"{count:8,}{pixels / 1e6:9,.0f}{np.median(each):9.2f} s{np.median(first):9.2f} s{seconds:9.1f} s"
        f"{seconds / len(rows):9.2f} s{doubtful:7d}{int(right.sum()):7d}"
    )


def _counts(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path, metavar="SET")
    parser.add_argument("--counts", type=_counts, default=[600, 6000, 60000])
    parser.add_argument("--chips", type=int, default=100)
    parser.add_argument("--alone", type=int, default=12, help="so many of them by themselves too")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    warm()
    chosen = Set.of(options.set, options.threads)
    chips = min(options.chips, len(chosen.truth))
    rows = np.random.default_rng(0).permutation(len(chosen.truth))[:chips]
    levels = Levels()
    log = logging.getLogger("matcher.pyramid")
    log.addHandler(levels)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    heads = ("one chip", "first pass", f"{chips} chips", "each")
    print(f"{'images':>8}{'Mpx':>9}" + "".join(f"{head:>11}" for head in heads) + f"{'doubt':>7}{'right':>7}")
    for count in options.counts:
        if count < len(chosen.pictures):
            raise SystemExit(f"--counts {count}: the set has {len(chosen.pictures)} images already")
        print(measure(chosen, count, rows, options.alone, levels), flush=True)


if __name__ == "__main__":
    main()
