#!/usr/bin/env python3
"""Every figure of the documents, by one command from a clone and the real places (tools/places.py).

    python -m pip install -e '.[plot,geopackage,research,tensorflow,peers]' && python -m pip install docs/histograms
    python tools/figures.py WORK [--data DATA] [--only PART,…] [--every 4]
    python tools/figures.py --list

Runs the tools below one after the other; what a part prints is kept in WORK/figures/PART.txt. Tools that know their
document write it themselves. Of the others, the Markdown tables that they print are laid into their document, the nth
between the marks `PART n`; a part without a document is to be read in its file. Rounds, challenges, answers and
submissions that WORK holds already are not made again, so a run that was stopped goes on. AROSICS and KARIOS are
measured where AROSICS_PYTHON and KARIOS_PYTHON name interpreters that have them.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tables import put

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """Commands, and the document that their printed tables go to.

    In a command WORK, DATA and EVERY stand for what was given, PLACES and SERIES for the files of all places with
    four bands and of all places.
    """

    says: str
    commands: tuple[str, ...]
    document: str = ""


PARTS = {
    "protocol": Part("challenges and their checksums", ("tools/protocol.py WORK/protocol --data DATA",)),
    "leaderboard": Part("docs/results", ("tools/leaderboard.py --make WORK/protocol",)),
    "rankings": Part(
        "retrieval on two challenges, docs/protocol.md",
        ("tools/protocol.py WORK/protocol --data DATA --only real-trial,simulated-12 --rankings",),
        "docs/protocol.md",
    ),
    "ladder": Part(
        "evidence and peers, docs/accuracy.md; peers, README.md",
        ("tools/ladder.py WORK/rounds --only ladder,peers --every EVERY",),
    ),
    "rounds": Part("the rounds, docs/accuracy.md, README.md", ("tools/ladder.py WORK/rounds --only rounds",)),
    "size": Part("size of the patches, docs/accuracy.md", ("tools/ladder.py WORK/rounds --only size",)),
    "images": Part(
        "number of images, docs/accuracy.md", ("tools/ladder.py WORK/rounds --only images --every 2",)
    ),
    "stress": Part(
        "patches made harder, docs/accuracy.md", ("tools/ladder.py WORK/rounds --only stress --every EVERY",)
    ),
    "failures": Part(
        "what is left, docs/accuracy.md", ("tools/ladder.py WORK/rounds --only failures --rounds 4",)
    ),
    "left-out": Part(
        "numbers fitted to other places, docs/accuracy.md",
        ("tools/left_out.py WORK/rounds",),
        "docs/accuracy.md",
    ),
    "calibration": Part(
        "what confidence means, docs/accuracy.md",
        (
            "matcher fit SERIES --rounds 1 -o WORK/model.npz --json WORK/fit.json -q",
            "tools/calibration.py WORK/fit.json --figure docs/reliability.png",
        ),
        "docs/accuracy.md",
    ),
    "verify": Part("pairs, docs/baseline.md", ("tools/measure_verify.py --data DATA",)),
    "change": Part(
        "painted changes, docs/baseline.md", ("tools/measure_change.py --data DATA",), "docs/baseline.md"
    ),
    "features": Part("what dates share, docs/baseline.md", ("matcher features PLACES",)),
    "tasks": Part(
        "classification and segmentation, docs/baseline.md",
        ("tools/measure_tasks.py --data DATA", "docs/classify.py DATA/places/deurne.npz"),
        "docs/baseline.md",
    ),
    "locate": Part(
        "chips in scenes, docs/guide.md", ("tools/measure_locate.py --data DATA",), "docs/guide.md"
    ),
    "subpixel": Part(
        "fractions of a pixel, docs/align.md", ("tools/measure_subpixel.py --data DATA",), "docs/align.md"
    ),
    "align": Part(
        "whole scenes, docs/align.md",
        (
            "tools/measure_align.py --data DATA --warps none,field",
            "tools/measure_align.py --data DATA --folder more --warps none,field",
        ),
        "docs/align.md",
    ),
    "tie-points": Part(
        "tie points beside peers, docs/align.md",
        ("benchmarks/align.py --data DATA --places 2",),
        "docs/align.md",
    ),
    "realism": Part(
        "the synthetic Earth, docs/simulation.md",
        ("tools/realism.py --data DATA --seed 0 --match",),
        "docs/simulation.md",
    ),
    "speed": Part(
        "rates and stages, docs/speed.md",
        ("benchmarks/rates.py", "benchmarks/full_challenge.py --peers 2000 --cache WORK/challenge"),
    ),
    "demo": Part("the demo, README.md", ("tools/update_readme.py",)),
    "tutorials": Part(
        "what the tutorials show",
        (
            "tools/tutorials.py WORK hackathon cluster qgis --write",
            "tools/tutorials.py WORK learned guide --data DATA --write",
        ),
    ),
}


def words(command: str, work: Path, data: Path, every: int) -> list[str]:
    """A command's words as they are run."""
    places = sorted(data.glob("places/*.npz"))
    more = [path for bands in "4321" for path in sorted(data.glob(f"more/bands{bands}/*.npz"))]
    lists = {"PLACES": places, "SERIES": [*places, *more]}
    out = []
    for word in command.split():
        if word in lists:
            out += map(str, lists[word])
        else:
            out.append(
                word.replace("WORK", str(work)).replace("DATA", str(data)).replace("EVERY", str(every))
            )
    start = ["-c", "from matcher.cli import main; main()"] if out[0] == "matcher" else [str(ROOT / out[0])]
    return [sys.executable, *start, *out[1:]]


def printed(name: str, work: Path, data: Path, every: int) -> str:
    """What a part's commands print, kept in WORK/figures too; each line is shown as it comes."""
    path = work / "figures" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "MATCHER_DATA": str(data)}
    with open(path, "w", encoding="utf-8") as file:
        for command in PARTS[name].commands:
            run = words(command, work, data, every)
            with subprocess.Popen(
                run, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
            ) as process:
                for line in process.stdout or ():
                    print(line, end="", flush=True)
                    file.write(line)
            # A table that ends what one command prints is not the one that the next begins with.
            file.write("\n")
            if process.returncode:
                raise SystemExit(f"{name}: `{command}` failed")
    return path.read_text(encoding="utf-8")


def printed_tables(text: str) -> Iterator[list[str]]:
    """The Markdown tables of a text, as lines."""
    for table, lines in groupby(text.splitlines(), key=lambda line: line.startswith("|")):
        if table:
            yield list(lines)


def lay(name: str, text: str, document: Path) -> None:
    """The tables of a part between their marks in a document; those without marks stay in the file."""
    tables = list(printed_tables(text))
    for number in map(int, re.findall(rf"<!-- {name} (\d+): ", document.read_text(encoding="utf-8"))):
        if number > len(tables):
            raise SystemExit(
                f"{name}: printed {len(tables)} tables, and {document.name} has a place for {number}"
            )
        put(document, f"{name} {number}", tables[number - 1], "tools/figures.py")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, nargs="?")
    given = os.environ.get("MATCHER_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(given))
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument(
        "--every", type=int, default=4, help="of the ladder's and the stress patches, every so many-th"
    )
    parser.add_argument("--list", action="store_true", help="say what the parts are, and stop")
    options = parser.parse_args()
    if options.list:
        for name, part in PARTS.items():
            print(f"{name:12} {part.says}")
        return
    if options.work is None:
        parser.error("give WORK")
    for name in options.only.split(","):
        if name not in PARTS:
            raise SystemExit(f"{name}: no part; there are {', '.join(PARTS)}")
    for name in options.only.split(","):
        text = printed(name, options.work.resolve(), options.data.resolve(), options.every)
        if PARTS[name].document:
            lay(name, text, ROOT / PARTS[name].document)


if __name__ == "__main__":
    main()
