"""The stress table of docs/accuracy.md: scores of the default search on patches after each recipe of stress.py."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import DATA
from numpy.typing import NDArray
from rounds import NEAR, Round, kept, match, read_rounds, state, tell
from stress import RECIPES, Sample, Stressed, real_samples, simulated_samples, stress
from tables import cell, table

from matcher.placements import Placements
from matcher.scoring.judge import judge
from matcher.scoring.summary import summarise

SIDE = 64  # px
SIMULATED = (78, 256, 3)  # images, px a side, patches an image
RECIPES_FILES = tuple(Path(__file__).with_name(name) for name in ("stress.py", "painted.py"))
SURE = 0.9  # a confidence, from there on


def stress_table(work: Path, seed: int, every: int) -> list[str]:
    """Lines of a table of the default on real and simulated patches after each recipe; every so many-th real one."""
    round_ = read_rounds(work, seed, 1, SIDE, 0, every)[0]
    pictures, simulated, where = simulated_samples(work, seed, *SIMULATED, SIDE)
    real = Side("real", round_.load_images(), real_samples(DATA, round_), round_.truth.image)
    sides = (real, Side("simulated", pictures, simulated, where))
    rows = []
    for name in RECIPES:
        rows.append((name, [text for side in sides for text in stress_cells(name, seed, round_, side)]))
        tell(f"{name}: {', '.join(rows[-1][1])}")
    head = [f"{s.name}: {what}" for s in sides for what in ("official score", "within 4 px", "sure (right)")]
    said = (
        f"Seed {seed}: {len(round_.patches)} patches of round 0 among {len(real.targets)} real images, and "
        f"{len(simulated)} among {len(pictures)} simulated ones of {SIMULATED[1]} px."
    )
    return [said, "", *table(["", *head], rows)]


@dataclass(frozen=True)
class Side:
    """Images and samples of one source, with the image of each sample."""

    name: str
    targets: list[NDArray]
    samples: list[Sample]
    image: NDArray


def stress_cells(name: str, seed: int, round_: Round, side: Side) -> list[str]:
    """Official score, share within 4 px, share of a confidence of 0.9 and above and how many of these are right."""
    made: list[Stressed] = [stress(sample, name, seed, k) for k, sample in enumerate(side.samples)]
    key = f"{state(*RECIPES_FILES)}-stress-{side.name}-{re.sub('[^a-z0-9]+', '-', name)}"
    found = kept(round_, key, lambda: match(side.targets, [m.patch for m in made]))
    corner = np.array([s.corner for s in side.samples]) + np.rint([m.shift for m in made])
    ids, (y, x) = np.arange(len(made)), corner.T.astype(np.int64)
    judged = judge(Placements(ids, found.image, found.x, found.y), Placements(ids, side.image, x, y))
    scored, sure = summarise(judged, None, 2000, 0), found.confidence >= SURE
    right = f" ({(judged.distance[sure] <= NEAR).mean():.3f})" if sure.any() else ""
    return [cell(scored, "total"), cell(scored, "within_4"), f"{sure.mean():.3f}{right}"]
