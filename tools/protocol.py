#!/usr/bin/env python3
"""The evaluation protocol: make its challenges, check their checksums, and rank images and windows on the small ones.

    python tools/protocol.py WORK [--data ../shared/data] [--only NAME,…]        # make and check
    python tools/protocol.py WORK --rankings [--only NAME,…]                     # and rank
    python tools/protocol.py WORK --write                                        # and record the checksums

Submissions to them are made and scored by tools/leaderboard.py.

A challenge that is in WORK already is not made again, but checked. Checksums are those of docs/protocol.json; the exit
code is 1 where one differs. docs/protocol.md describes the challenges.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from matcher.formats.filled import file_checksum
from matcher.settings import plugin_names

VERSION = 1
RECORD = Path(__file__).parents[1] / "docs" / "protocol.json"
KEPT = (
    "images",
    "patches",
    "answers",
    "pairs",
)  # what a checksum is kept of; manifests name paths of this machine
EXAMPLE = "histograms"  # evidence of the worked example, docs/histograms: left out where it is not installed
FIGURES = {
    "first_1": "true one first",
    "first_5": "among the first 5",
    "mrr": "mean reciprocal rank",
    "map": "mAP",
}


@dataclass(frozen=True)
class Challenge:
    """How one is made, from the real places or not, and whether it is small enough to be ranked."""

    command: tuple[str, ...]
    places: bool
    ranked: bool = False


CUT = ("cut", "--largest", "256", "--patches", "16", "--seed", "0")
CHALLENGES = {
    "real-64": Challenge(CUT, True),
    "real-32": Challenge((*CUT, "--side", "32"), True),
    "real-split": Challenge((*CUT, "--holdout", "0.3"), True),
    "real-trial": Challenge(("cut", "--largest", "256", "--patches", "3", "--seed", "0"), True, True),
    "real-pairs": Challenge(("cut", "--pairs", "40", "--seed", "0"), True),
    "simulated-100": Challenge(
        ("simulate", "--images", "100", "--patches-per-image", "64", "--seed", "0"), False
    ),
    "simulated-12": Challenge(
        ("simulate", "--images", "12", "--patches-per-image", "8", "--seed", "0", "--size", "256"),
        False,
        True,
    ),
}


def make(name: str, challenge: Challenge, folder: Path, data: Path) -> None:
    """Make a challenge, by the command line that docs/protocol.md gives."""
    verb, *options = challenge.command
    if challenge.places:
        places = sorted(str(path) for path in data.glob("places/*.npz"))
        if not places:
            raise SystemExit(
                f"{data}/places: no places; make them by tools/places.py, or name their folder (--data)"
            )
        run([verb, *places, "-o", str(folder), *options, "-q"])
    else:
        run([verb, str(folder), *options], any_processor())
    print(f"{name}: made", file=sys.stderr)


def any_processor() -> dict[str, str]:
    """Variables by which numpy and OpenBLAS take the code that every x86-64 processor runs.

    What they choose by the processor differs in the last bit, and a simulated pixel now and then with it.
    """
    here = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(here), "OPENBLAS_CORETYPE": "Nehalem"}


def run(arguments: list[str], variables: Mapping[str, str] | None = None) -> str:
    """The matcher's command line; what it prints."""
    command = [sys.executable, "-c", "from matcher.cli import main; main()", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, **(variables or {})}
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of a challenge's files, by their path; of .npz the arrays' names, types, shapes and bytes in order."""
    out = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or not any(key in path.name for key in KEPT):
            continue
        out[path.relative_to(folder).as_posix()] = (
            array_checksum(path) if path.suffix == ".npz" else file_checksum(path)
        )
    return out


def array_checksum(path: Path) -> str:
    """SHA-256 of the arrays of a .npz: names, types, shapes and bytes, in the order of names.

    Compressed bytes depend on the version of zlib.
    """
    digest = hashlib.sha256()
    with np.load(path) as file:
        for key in sorted(file.files):
            array = np.ascontiguousarray(file[key])
            digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def rankings(name: str, folder: Path) -> list[list[str]]:
    """Rows of a table: what rankings of images and of windows are worth, and of images fused with the example's."""
    base = ["retrieve", str(folder / "test_images.tfrecords"), str(folder / "test_patches.tfrecords")]
    base += ["--answers", str(folder / "answers.csv"), "--json", "-", "-q"]
    columns = [json.loads(run(base)), json.loads(run([*base, "--stride", "32"]))]
    columns = [column["metrics"] for column in columns]
    surprise = ["", ""]
    if EXAMPLE in plugin_names():
        theirs = folder.parent / f"{name}.{EXAMPLE}.npz"
        run([*base, "--evidence", EXAMPLE, "--export", str(theirs)])
        fused = json.loads(run([*base, "--scores", str(theirs)]))
        columns += [fused["scores"][key]["metrics"] for key in ("other", "fused")]
        bits = fused["fusion"]["bits"]
        surprise = [f"{bits[key]:.3f}" if key else "" for key in ("own", "", "other", "fused")]
    rows = []
    for key, said in FIGURES.items():
        first = f"`{name}`: {said}" if not rows else said
        rows.append([first, *(f"{column[key]['value']:.3f}" for column in columns)])
    return [*rows, ["surprise, bits a patch", *surprise]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--only", help="challenges, with commas between")
    parser.add_argument("--rankings", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    known = record.get("sha256", {})
    names = options.only.split(",") if options.only else list(CHALLENGES)
    wrong, ranked = 0, []
    for name in names:
        if name not in CHALLENGES:
            raise SystemExit(f"{name}: no challenge of the protocol; there are {', '.join(CHALLENGES)}")
        challenge, folder = CHALLENGES[name], options.work / name
        options.work.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            make(name, challenge, folder, options.data)
        found = checksums(folder)
        for file in sorted({*found, *known.get(name, {})}):
            own, want = found.get(file, "missing"), known.get(name, {}).get(file, "not recorded")
            same = own == want
            wrong += not same and not options.write
            said = "same" if same else "recorded" if options.write else "DIFFERENT"
            print(f"{said:10}{own[:16]} {name}/{file}")
        known[name] = found
        if options.rankings and challenge.ranked:
            ranked += rankings(name, folder)
    if options.write:
        text = json.dumps({"protocol": VERSION, "sha256": known}, indent=2) + "\n"
        RECORD.write_text(text, encoding="utf-8")
    if ranked:
        heads = ["", "images", "windows every 32 px", "histograms, images", "fused, images"][: len(ranked[0])]
        print()
        for row in (heads, ["---"] * len(heads), *ranked):
            print(f"| {' | '.join(row)} |")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
