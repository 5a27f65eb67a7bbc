"""Rounds of the real places for the tools: cut once, matched once, both kept in a work folder."""

import csv
import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from accuracy import cut
from numpy.typing import NDArray

import matcher
from matcher.formats.submission import read_submission
from matcher.placements import Placements

PACKAGE = Path(matcher.__file__).parent
NEAR = 4.0  # px; an answer so near is right
APART = 1_000_000  # what a round adds to the ids of its patches


@dataclass(frozen=True)
class Round:
    """Some patches of a round, with what is true of them and the rows of groups.csv about them, row by row."""

    folder: Path
    number: int
    every: int
    images: Path
    patches: NDArray[np.float32]
    truth: Placements
    about: list[dict[str, str]]

    def load_images(self) -> list[NDArray[np.float32]]:
        """All images, in the order of their ids, which are 0, 1, …"""
        with np.load(self.images) as file:
            return [file[str(k)] for k in range(len(file.files))]


@dataclass(frozen=True)
class Answer:
    """What a method says of some patches of a round, row by row, and the seconds of one core that it took."""

    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    confidence: NDArray[np.float32]
    reason: NDArray[np.str_]
    seconds: float
    pairs: int


def read_rounds(work: Path, seed: int, rounds: int, side: int, images: int, every: int) -> list[Round]:
    """Rounds 0, 1, … of a seed, every so many-th patch of them: their order tells nothing of their places."""
    out = []
    for number, folder in enumerate(cut(work, seed, rounds, side, images)):
        truth = read_submission(folder / "answers.csv")
        with open(folder / "groups.csv", newline="", encoding="utf-8") as file:
            about = list(csv.DictReader(file))[::every]
        with np.load(folder / "patches.npz") as file:
            patches = file["patches"][::every]
        some = Placements(truth.ids[::every], truth.image[::every], truth.x[::every], truth.y[::every])
        out.append(Round(folder, number, every, folder / "images.npz", patches, some, about))
    return out


def matched(round_: Round, name: str, **options: object) -> Answer:
    """The matcher's answers on a round."""
    return kept(round_, f"{state()}-{name}", lambda: match(round_.images, round_.patches, **options))


def kept(round_: Round, name: str, make: Callable[[], Answer]) -> Answer:
    """An answer of this name, made where the round's folder does not hold it yet."""
    path = round_.folder / "answers" / f"{name}-every-{round_.every}.npz"
    if not path.exists():
        answer = make()
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **vars(answer))
        os.replace(part, path)
        tell(f"{round_.folder.parent.parent.name}, {round_.folder.name}, {name}: {answer.seconds:.1f} s")
    with np.load(path) as file:
        return Answer(**{key: file[key] if file[key].ndim else file[key].item() for key in file.files})


def match(images: Path | Sequence[NDArray], patches: Sequence[NDArray], **options: object) -> Answer:
    """Match DN; kernels are compiled before the clock runs."""
    _warm(patches[0].shape, tuple(options.items()))
    begin = time.process_time()
    result = matcher.match(images, patches, value_range="dn", **options)
    return Answer(
        result.image,
        result.x,
        result.y,
        result.confidence,
        np.array(result.reason),
        time.process_time() - begin,
        len(patches) * len(matcher.open_images(images)),
    )


@cache
def _warm(shape: tuple[int, int, int], options: tuple[tuple[str, object], ...]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(1, 4095, (shape[0] + 90, shape[1] + 90, shape[2])).astype(np.float32)
    matcher.match([image] * 2, [image[: shape[0], : shape[1]]], value_range="dn", **dict(options))


@cache
def state(*more: Path) -> str:
    """A checksum of the code and the numbers that answers come from: those of another state are not taken up.

    `more` are files that they also come from.
    """
    return checksum(*code(PACKAGE), *more)


def code(folder: Path) -> list[Path]:
    """The files of a package that its answers come from: code, and numbers that were fitted."""
    return [path for path in folder.rglob("*") if path.suffix in (".py", ".npz", ".json")]


def checksum(*paths: Path) -> str:
    """A checksum of files, in the order of their paths."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def pooled(rounds: Sequence[Round], answers: Sequence[Answer]) -> matcher.Score:
    """The score of all rounds' answers, by group.

    Image k is the same ground in every round, so intervals resample it with its patches of all rounds.
    """
    said, truth, groups = [], [], {}
    for r, a in zip(rounds, answers, strict=True):
        ids = r.truth.ids + APART * r.number
        said.append((ids, a.image, a.x, a.y))
        truth.append((ids, r.truth.image, r.truth.x, r.truth.y))
        groups |= {patch: row["group"] for patch, row in zip(ids.tolist(), r.about, strict=True)}
    both = (Placements(*map(np.concatenate, zip(*rows, strict=True))) for rows in (said, truth))
    return matcher.score(*both, groups)


def wrong_rows(round_: Round, answer: Answer) -> list[int]:
    """Rows of answers in another image or more than 4 px off, the surest first."""
    truth = round_.truth
    apart = np.hypot(answer.x - truth.x, answer.y - truth.y)
    wrong = np.flatnonzero((answer.image != truth.image) | (apart > NEAR))
    return wrong[np.argsort(-answer.confidence[wrong], kind="stable")].tolist()


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
