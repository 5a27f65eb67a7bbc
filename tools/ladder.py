#!/usr/bin/env python3
"""Make the tables of docs/accuracy.md, and what README.md tells of them: how often the answers are right, and why.

    python tools/ladder.py WORK [--seed 0] [--rounds 1] [--every 1] [--only PART,…]

rounds    the default search on the rounds, the first hidden among more images, and of small patches
ladder    each kind of evidence, their sums, the default and OpenCV, on rounds of the real places
peers     other methods on one patch in 24 of the first round (tools/ladder_peers.py), a learned one by the extra peers
size      the default search against the size of the patches
images    the same against the number of images
stress    the same on patches that were clouded, hazed, brightened, shifted, turned, … (tools/stress.py)
failures  where the wrong answers are, and pictures of the surest, at 64 and at 32 px

Rounds are cut into WORK, and answers kept there: what this state of the code has answered before is not matched again.
--every K takes every Kth patch only. Needs the real places, by MATCHER_DATA or in ../shared/data.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import GROUPS
from ladder_peers import CODE, PEERS
from ladder_pictures import draw_failures, draw_lines
from rounds import (
    Answer,
    Round,
    checksum,
    kept,
    match,
    matched,
    pooled,
    read_rounds,
    state,
    wrong_rows,
)
from stress_table import stress_table
from tables import by_group, caption, cell, counts, plain, put, table

import matcher
from matcher.settings import DEFAULT_EVIDENCE, EVIDENCE

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT, README = ROOT / "docs" / "accuracy.md", ROOT / "README.md"
SIDE, SMALL, PLAIN = 64, 32, 78  # px, px, images of a round
SIZES = (24, 32, 48, 64, 96)
COUNTS = (10, 30, PLAIN, 200, 600)
ROUNDS = 4  # of the README's table
STRESSED = 4  # of the patches, every so many-th
PEERED = 24  # likewise
COST = "ms of one core a pair"
Row = tuple[matcher.Score, float]  # and milliseconds a pair


@dataclass(frozen=True)
class Rung:
    """A row of the ladder; without evidence it is OpenCV's."""

    title: str
    evidence: tuple[str, ...] = ()
    search: str = "exhaustive"

    def answer(self, round_: Round) -> Answer:
        """Its answers on a round."""
        if not self.evidence:
            return peered(round_, "opencv-gray")
        name = f"{self.search}-{'-'.join(self.evidence)}"
        return matched(round_, name, evidence=self.evidence, search=self.search)


TITLES = {
    "bands": "ZNCC of the bands (`bands`)",
    "ndvi": "ZNCC of NDVI (`ndvi`)",
    "phase": "signed gradient phase (`phase`)",
    "phase2": "sign-blind gradient phase (`phase2`)",
    "ratio": "sign-blind phase of band ratios (`ratio`)",
    "ratio-signed": "signed phase of band ratios (`ratio-signed`)",
    "magnitude": "gradient magnitude (`magnitude`)",
}


def rungs() -> list[Rung]:
    """Every kind of evidence alone, the default's sums one by one, and the search that is the default."""
    out = [Rung("gray ZNCC, OpenCV")]
    out += [Rung(TITLES[e], (e,)) for e in EVIDENCE]
    for k in range(2, len(DEFAULT_EVIDENCE)):
        sums = "`" + ",".join(DEFAULT_EVIDENCE[:k]) + "`"
        out.append(Rung(f"sum of {sums}", DEFAULT_EVIDENCE[:k]))
    more = (*DEFAULT_EVIDENCE, "magnitude")
    out.append(Rung("default evidence and `magnitude`, exhaustive", more))
    out.append(Rung("default evidence, exhaustive", DEFAULT_EVIDENCE))
    return [*out, DEFAULT]


DEFAULT = Rung("**default evidence, default search**", DEFAULT_EVIDENCE, "pyramid")


def over_rounds(a: argparse.Namespace) -> None:
    """The default on all rounds, and on the first among more images and of small patches; the README tells of two."""
    most = COUNTS[-1]
    kinds = {
        f"{ROUNDS} rounds, {SIDE} px": (ROUNDS, SIDE, 0),
        f"round 0, {SIDE} px": (1, SIDE, 0),
        f"the same hidden among {most} images": (1, SIDE, most),
        f"round 0, {SMALL} px": (1, SMALL, 0),
    }
    scores = []
    for number, side, filled in kinds.values():
        read = read_rounds(a.work, a.seed, number, side, filled, a.every)
        scores.append(summed(read, [DEFAULT.answer(r) for r in read])[0])
    body = [
        (title, [*plain(s), f"{s.image:.3f}", f"{s.within[2]:.3f}"])
        for title, s in zip(kinds, scores, strict=True)
    ]
    put(DOCUMENT, "rounds", list(table(["", "all", *GROUPS, "right image", "within 2 px"], body)))
    said = f"On all {scores[0].n_patches:,} patches of {ROUNDS} rounds it reaches {scores[0].total:.3f}, and "
    put(README, "rounds", [f"{said}{scores[-1].total:.3f} with patches of {SMALL} px (one round)."])


def ladder(a: argparse.Namespace) -> None:
    """Tables of the ladder: official score, right image, within 2 px, by group."""
    rounds = read_rounds(a.work, a.seed, a.rounds, SIDE, 0, a.every)
    rows = []
    for rung in rungs():
        rows.append((rung, *summed(rounds, [rung.answer(r) for r in rounds])))
    text = [caption(a.seed, a.every, rounds)]
    metrics = {"official score": "total", "right image (SC_img)": "image", "within 2 px": "within_2"}
    for title, metric in metrics.items():
        timed = metric == "total"
        body = [("patches, images", counts(rows[0][1]) + [""] * timed)]
        body += [(r.title, by_group(s, metric) + [f"{cost:.3f}"] * timed) for r, s, cost in rows]
        text += ["", *table([title, "all", *GROUPS, *[COST] * timed], body)]
    put(DOCUMENT, "ladder", text)


def peers(a: argparse.Namespace) -> None:
    """Other methods on fewer patches of the first round, beside the default on the same."""
    every = max(a.every, PEERED)
    rounds = read_rounds(a.work, a.seed, 1, SIDE, 0, every)
    if absent := sorted({package for peer in PEERS.values() for package in peer.missing}):
        raise SystemExit(f"peers: install {', '.join(absent)} (extra peers), or leave the part out (--only)")
    rows = [(peer.title, *summed(rounds, [peered(r, name) for r in rounds])) for name, peer in PEERS.items()]
    rows.append((DEFAULT.title, *summed(rounds, [DEFAULT.answer(r) for r in rounds])))
    body = [("patches, images", [*counts(rows[0][1]), "", "", ""])]
    for title, s, cost in rows:
        body.append((title, [*by_group(s, "total"), cell(s, "image"), cell(s, "within_2"), f"{cost:.2f}"]))
    head = ["official score", "all", *GROUPS, "right image", "within 2 px", COST]
    put(DOCUMENT, "peers", [caption(a.seed, every, rounds), "", *table(head, body)])
    short = [(title, [*plain(s), f"{cost:.2f}"]) for title, s, cost in rows]
    text = [caption(a.seed, every, rounds), "", *table(["other methods", "all", *GROUPS, COST], short)]
    put(README, "peers", text)


def peered(round_: Round, name: str) -> Answer:
    """A peer's answers on a round, and the seconds of one core that it took."""

    def make() -> Answer:
        images = round_.load_images()
        image, x, y, seconds = PEERS[name].answer(images, list(round_.patches))
        none = np.zeros(len(image), np.float32)
        return Answer(image, x, y, none, np.array([""] * len(image)), seconds, len(image) * len(images))

    return kept(round_, f"peer-{name}-{checksum(*CODE)}", make)


def size(a: argparse.Namespace) -> None:
    """The default against the size of the patches."""
    rows = {}
    for side in SIZES:
        rounds = read_rounds(a.work, a.seed, a.rounds, side, 0, a.every)
        rows[side] = summed(rounds, [DEFAULT.answer(r) for r in rounds])
    put(DOCUMENT, "size", [caption(a.seed, a.every, rounds), "", *numbers("px a side", rows)])
    draw_lines(ROOT / "docs" / "accuracy-size.png", "px a side of a patch", SIZES, curves(rows))


def images(a: argparse.Namespace) -> None:
    """The default against the number of images: fewer are parts of a round, more are filled up by cut.py."""
    both = {}
    for side in (SIDE, SMALL):
        both[side] = rows = {}
        for number in COUNTS:
            filled = number if number > PLAIN else 0
            rounds = read_rounds(a.work, a.seed, a.rounds, side, filled, a.every)
            some = [DEFAULT.answer(r) if number >= PLAIN else hidden(r, number) for r in rounds]
            rows[number] = summed(rounds, some)
    text = [caption(a.seed, a.every, rounds)]
    for side, rows in both.items():
        text += ["", f"Patches of {side} px:", "", *numbers("images", rows)]
    put(DOCUMENT, "images", text)
    values = curves(both[SIDE]) | {f"all, {SMALL} px": curves(both[SMALL])["all"]}
    draw_lines(ROOT / "docs" / "accuracy-images.png", "images", COUNTS, values)


def summed(rounds: list[Round], answers: list[Answer]) -> Row:
    """The score of all rounds, and milliseconds a pair."""
    cost = 1000 * sum(x.seconds for x in answers) / sum(x.pairs for x in answers)
    return pooled(rounds, answers), cost


def numbers(what: str, rows: dict[int, Row]) -> Iterator[str]:
    """A table of the default's scores against a number."""
    head = [what, "all", *GROUPS, "right image", "within 2 px", COST]
    body = [
        (str(k), [*by_group(s, "total"), cell(s, "image"), cell(s, "within_2"), f"{cost:.3f}"])
        for k, (s, cost) in rows.items()
    ]
    return table(head, body)


def curves(rows: dict[int, Row]) -> dict[str, list[float]]:
    """Official scores of all patches and of each group, a list of them each."""
    scores = [s for s, _ in rows.values()]
    return {"all": [s.total for s in scores]} | {g: [s.groups[g].total for s in scores] for g in GROUPS}


def hidden(round_: Round, number: int) -> Answer:
    """The default's answers where every patch is hidden among so many images drawn with its own."""

    def make() -> Answer:
        pictures = round_.load_images()
        order = np.random.default_rng(number).permutation(len(pictures))
        out = [np.full(len(round_.patches), -1, np.int64) for _ in range(3)]
        sure, why = np.zeros(len(out[0]), np.float32), np.full(len(out[0]), "", "U16")
        seconds, pairs = 0.0, 0
        for start in range(0, len(order), number):
            chosen = np.take(order, range(start, start + number), mode="wrap")
            own = np.isin(round_.truth.image, order[start : start + number])
            if not own.any():
                continue
            part = match([pictures[k] for k in chosen], list(round_.patches[own]))
            for column, values in zip(out, (chosen[part.image], part.x, part.y), strict=True):
                column[own] = values
            sure[own], why[own] = part.confidence, part.reason
            seconds, pairs = seconds + part.seconds, pairs + part.pairs
        return Answer(*out, sure, why, seconds, pairs)

    return kept(round_, f"{state()}-among-{number}", make)


def stressed(a: argparse.Namespace) -> None:
    """The default on real and simulated patches after each recipe."""
    put(DOCUMENT, "stress", stress_table(a.work, a.seed, max(a.every, STRESSED)))


def failures(a: argparse.Namespace) -> None:
    """The surest wrong answers, and where all the wrong ones are: of small patches in the first round."""
    text = []
    for side, picture in ((SIDE, "failures.jpg"), (SMALL, "failures-small.jpg")):
        rounds = read_rounds(a.work, a.seed, a.rounds if side == SIDE else 1, side, 0, a.every)
        answers = [DEFAULT.answer(r) for r in rounds]
        wrong = [wrong_rows(r, x) for r, x in zip(rounds, answers, strict=True)]
        body = _by_place(rounds, answers, wrong)
        head = ["place", "wrong", "of them in the right image", "patches"]
        text += [f"Patches of {side} px. {caption(a.seed, a.every, rounds)}", "", *table(head, body), ""]
        draw_failures(ROOT / "docs" / picture, rounds, answers, wrong)
    put(DOCUMENT, "failures", text[:-1])


def _by_place(
    rounds: Sequence[Round], answers: Sequence[Answer], wrong: Sequence[list[int]]
) -> list[tuple[str, list[str]]]:
    """Of every place with wrong answers: these, those of them in the right image, and its patches."""
    places: dict[str, list[int]] = {}
    for r, answer, rows in zip(rounds, answers, wrong, strict=True):
        for k, row in enumerate(r.about):
            count = places.setdefault(row["place"], [0, 0, 0])
            count[0] += k in rows
            count[1] += k in rows and answer.image[k] == r.truth.image[k]
            count[2] += 1
    listed = sorted(((k, v) for k, v in places.items() if v[0]), key=lambda item: (-item[1][0], item[0]))
    return [(name, [str(value) for value in counts]) for name, counts in listed]


PARTS = {
    "rounds": over_rounds,
    "ladder": ladder,
    "peers": peers,
    "size": size,
    "images": images,
    "stress": stressed,
    "failures": failures,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default=",".join(PARTS), help="some of the parts, with commas between")
    a = parser.parse_args()
    for name in a.only.split(","):
        if name not in PARTS:
            raise SystemExit(f"{name}: no part; there are {', '.join(PARTS)}")
    for name in a.only.split(","):
        PARTS[name](a)


if __name__ == "__main__":
    main()
