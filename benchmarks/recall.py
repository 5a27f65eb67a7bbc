#!/usr/bin/env python3
"""How much of what the exhaustive search finds the default search finds too, and what more effort buys.

    python benchmarks/recall.py SET… [--exhaustive DETAILS.csv…] [--effort 0.25,0.5,1,2,4] [--threads N]
                                [--curve] [--sample N] [--plot FILE.png] [--json FILE]

A SET is a folder with images, patches and answers, as `cut.py` writes for each round and `matcher simulate` writes.
What the exhaustive search answers there comes from its details, one file a set in the same order, by default
SET/exhaustive.csv, written by

    matcher match SET/images.npz SET/patches.npz -o submission.csv --search exhaustive --details SET/exhaustive.csv

With --sample N so many patches of each set, drawn at random, are matched against all its images, and the exhaustive
answers are made where SET/exhaustive-N.csv does not hold them yet: some 13 s a patch and core against the challenge's
600 images.

Recall: of the patches that the exhaustive search gets right (the image, and the corner within 4 px), the share that
the default search gets right too, with a 95 % interval (Wilson 1927). Printed for each set and for all together:
recall, both official scores and their difference, and seconds; for effort 1, or with --curve for every effort.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import sets
from numpy.typing import NDArray
from scaling import warm

from matcher.formats.submission import read_submission
from matcher.matching.job import Job, prepare
from matcher.matching.run import match_rows
from matcher.placements import Placements
from matcher.result import read_details
from matcher.scoring.judge import judge

WITHIN = 4.0  # px
Z = 1.959964  # of a two-sided interval of 95 %


@dataclass(frozen=True)
class Recall:
    """One set at one effort: counts of patches, both scores, seconds.

    Attributes
    ----------
    patches, right : int
        All, and those that the exhaustive search gets right.
    found : int
        Of `right`, those that the default search gets right.
    gained : int
        Right by the default search, wrong by the exhaustive one.
    score, exhaustive_score : float
        Sums of official points, so that sets can be added.
    """

    patches: int
    right: int
    found: int
    gained: int
    score: float
    exhaustive_score: float
    seconds: float

    def __add__(self, other: "Recall") -> "Recall":
        mine, theirs = asdict(self), asdict(other)
        return Recall(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def recall(self) -> float:
        """Share found of what is right; nan where nothing is."""
        return self.found / self.right if self.right else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the recall."""
        return wilson(self.found, self.right)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, Z**2 / of
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return float(middle - half), float(middle + half)


def drawn(chosen: sets.Set, sample: int | None) -> tuple[Job, NDArray[np.int64], Placements]:
    """A set's match made ready, the rows of its patches that are asked for, and their answers."""
    job, answers = prepare(chosen.images, chosen.patches), read_submission(chosen.answers)
    rows = np.arange(len(job.patches))
    if sample is not None and sample < len(rows):
        rows = np.sort(np.random.default_rng(0).choice(len(rows), sample, replace=False))
    asked = np.isin(answers.ids, np.asarray(job.patches.ids)[rows])
    return job, rows, Placements(*(getattr(answers, name)[asked] for name in ("ids", "image", "x", "y")))


def exhaustive_of(chosen: sets.Set, sample: int, threads: int | None) -> Path:
    """The exhaustive answers on a sample of a set, made where they are not there yet."""
    path = chosen.folder / f"exhaustive-{sample}.csv"
    if not path.is_file():
        job, rows, _ = drawn(chosen, sample)
        settings = replace(job.settings, search="exhaustive", threads=threads)
        match_rows(replace(job, settings=settings), rows).to_details(path)
    return path


def measure(
    chosen: sets.Set, exhaustive: Path, effort: float, threads: int | None, sample: int | None = None
) -> Recall:
    """Match a set by the default search and hold it against the exhaustive answers."""
    job, rows, answers = drawn(chosen, sample)
    exact = judge(read_details(exhaustive), answers)
    if len(exact.missing) or len(exact.extra):
        raise SystemExit(f"{exhaustive}: answers other patches than {chosen.answers} asks for")
    start = time.perf_counter()
    settings = replace(job.settings, effort=effort, threads=threads)
    result = match_rows(replace(job, settings=settings), rows)
    seconds = time.perf_counter() - start
    quick = judge(result, answers)
    right, found = exact.distance <= WITHIN, quick.distance <= WITHIN
    return Recall(
        len(right),
        int(right.sum()),
        int((right & found).sum()),
        int((found & ~right).sum()),
        float(quick.points.sum()),
        float(exact.points.sum()),
        seconds,
    )


def print_row(name: str, effort: float, of: Recall) -> None:
    low, high = of.interval
    own, exact = of.score / of.patches, of.exhaustive_score / of.patches
    print(
        f"{name:<24}{effort:6.2f}{of.patches:8}{of.right:8}{of.recall:9.2%} [{low:.2%}, {high:.2%}]{of.gained:6}"
        f"{own:8.4f}{exact:8.4f}{own - exact:+9.4f}{of.seconds:9.1f}",
        flush=True,
    )


def draw(curve: dict[float, Recall], path: Path) -> None:
    """Recall against seconds, a point an effort."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
    seconds = [of.seconds for of in curve.values()]
    recall = np.array([of.recall for of in curve.values()])
    bounds = np.array([of.interval for of in curve.values()]).T
    panel.errorbar(seconds, recall, np.abs(bounds - recall), fmt="o-", capsize=3)
    for effort, of in curve.items():
        panel.annotate(f"{effort:g}", (of.seconds, of.recall), textcoords="offset points", xytext=(5, -11))
    panel.set_xscale("log")
    panel.set_xlabel("seconds (numbers: effort)")
    panel.set_ylabel("found of what the exhaustive search finds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _efforts(text: str) -> list[float]:
    return sorted({float(part) for part in text.split(",")})


def _check(folders: list[Path], details: list[Path]) -> None:
    if len(details) != len(folders):
        raise SystemExit(f"{len(folders)} sets and {len(details)} files of --exhaustive: give one a set")
    for folder, path in zip(folders, details, strict=True):
        if not path.is_file():
            one = sets.Set.of(folder)
            raise SystemExit(
                f"{path}: is not there; write it by\n  matcher match {one.images} {one.patches} "
                f"-o {folder}/submission.csv --search exhaustive --details {path}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--exhaustive", nargs="+", type=Path, metavar="DETAILS", help="one a set, in order")
    parser.add_argument("--effort", type=_efforts, default=[0.25, 0.5, 1.0, 2.0, 4.0], help="of the curve")
    parser.add_argument("--curve", action="store_true", help="every effort, not 1 alone")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--sample", type=int, metavar="N", help="so many patches of each set, at random")
    parser.add_argument("--plot", type=Path, help="draw the curve of all sets there")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    made = [sets.Set.of(folder) for folder in chosen.sets]
    warm()
    if chosen.sample is None:
        details = chosen.exhaustive or [folder / "exhaustive.csv" for folder in chosen.sets]
        _check(chosen.sets, details)
    else:
        details = [exhaustive_of(one, chosen.sample, chosen.threads) for one in made]
    print(
        f"{'set':<24}{'effort':>6}{'patches':>8}{'right':>8}{'recall':>9} {'95 % interval':<18}{'gained':>6}"
        f"{'score':>8}{'exact':>8}{'less':>9}{'seconds':>9}"
    )
    curve: dict[float, Recall] = {}
    rows = []
    for effort in chosen.effort if chosen.curve else [1.0]:
        each = [
            measure(one, path, effort, chosen.threads, chosen.sample)
            for one, path in zip(made, details, strict=True)
        ]
        for one, of in zip(made, each, strict=True):
            print_row(one.folder.name, effort, of)
            rows.append({"set": one.folder.name, "effort": effort, "recall": of.recall, **asdict(of)})
        curve[effort] = sum(each[1:], each[0])
        if len(each) > 1:
            print_row("all", effort, curve[effort])
    if chosen.plot:
        draw(curve, chosen.plot)
        print(f"plot: {chosen.plot}")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
