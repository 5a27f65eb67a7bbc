#!/usr/bin/env python3
"""The evaluation protocol: make its challenges, check their checksums, and score the matcher and plain methods on them.

    python tools/protocol.py WORK [--data ../shared/data] [--only NAME,…]        # make and check
    python tools/protocol.py WORK --results [--only NAME,…]                      # and match, rank and score
    python tools/protocol.py WORK --write                                        # and record the checksums

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

from matcher.formats.outputs import file_checksum
from matcher.settings import DEFAULT_EVIDENCE, plugin_names

VERSION = 1
RECORD = Path(__file__).parents[1] / "docs" / "protocol.json"
KEPT = (
    "images",
    "patches",
    "answers",
    "pairs",
)  # what a checksum is kept of; manifests name paths of this machine
EXAMPLE = "histograms"  # evidence of the worked example, docs/histograms: left out where it is not installed
METHODS = {
    "matcher": [],
    "matcher, exhaustive": ["--search", "exhaustive"],
    "ZNCC of the bands": ["--search", "exhaustive", "--evidence", "bands"],
    "ZNCC of NDVI": ["--search", "exhaustive", "--evidence", "ndvi"],
    "local histograms": ["--search", "exhaustive", "--evidence", EXAMPLE],
    "matcher and histograms": [
        "--search",
        "exhaustive",
        "--evidence",
        ",".join((*DEFAULT_EVIDENCE, EXAMPLE)),
    ],
}


@dataclass(frozen=True)
class Challenge:
    """How one is made, and which methods it is small enough for."""

    command: tuple[str, ...]
    places: bool  # whether it takes the real places
    methods: tuple[str, ...]


CUT = ("cut", "--largest", "256", "--patches", "16", "--seed", "0")
CHALLENGES = {
    "real-64": Challenge(CUT, True, ("matcher",)),
    "real-32": Challenge((*CUT, "--side", "32"), True, ("matcher",)),
    "real-split": Challenge((*CUT, "--holdout", "0.3"), True, ()),
    "real-trial": Challenge(
        ("cut", "--largest", "256", "--patches", "3", "--seed", "0"), True, tuple(METHODS)
    ),
    "real-pairs": Challenge(("cut", "--pairs", "40", "--seed", "0"), True, ()),
    "simulated-100": Challenge(
        ("simulate", "--images", "100", "--patches-per-image", "64", "--seed", "0"), False, ("matcher",)
    ),
    "simulated-12": Challenge(
        ("simulate", "--images", "12", "--patches-per-image", "8", "--seed", "0", "--size", "256"),
        False,
        tuple(METHODS),
    ),
}


def make(name: str, challenge: Challenge, folder: Path, data: Path) -> None:
    """Make a challenge, by the command line that docs/protocol.md gives."""
    verb, *options = challenge.command
    if challenge.places:
        places = sorted(str(path) for path in data.glob("places/*.npz"))
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


def results(name: str, challenge: Challenge, folder: Path) -> list[str]:
    """A row a method: official score, right image, within 2 px, with intervals."""
    rows = []
    images, patches = folder / "test_images.tfrecords", folder / "test_patches.tfrecords"
    for method in challenge.methods:
        if EXAMPLE in " ".join(METHODS[method]) and EXAMPLE not in plugin_names():
            continue
        stem = method.replace(" ", "-").replace(",", "")
        submission = folder.parent / f"{name}.{stem}.csv"
        if not submission.exists():
            run(["match", str(images), str(patches), "-o", str(submission), "-q", *METHODS[method]])
        score = json.loads(run(["score", str(submission), str(folder / "answers.csv"), "--json", "-"]))
        rows.append(
            f"| {name} | {method} | "
            + " | ".join(_cell(score, key) for key in ("total", "image", "within_2"))
        )
    return [row + " |" for row in rows]


def rankings(name: str, challenge: Challenge, folder: Path) -> list[str]:
    """What retrieval is worth: images and windows, and images fused with the example's scores."""
    if len(challenge.methods) < len(METHODS):
        return []
    base = [str(folder / "test_images.tfrecords"), str(folder / "test_patches.tfrecords"), "-q"]
    base += ["--answers", str(folder / "answers.csv")]
    out = [f"{name}, images", run(["retrieve", *base])]
    out += [f"{name}, windows every 32 px", run(["retrieve", *base, "--stride", "32"])]
    if EXAMPLE in plugin_names():
        theirs = folder.parent / f"{name}.{EXAMPLE}.npz"
        run(["retrieve", *base, "--evidence", EXAMPLE, "--export", str(theirs)])
        out += [
            f"{name}, images, fused with local histograms",
            run(["retrieve", *base, "--scores", str(theirs)]),
        ]
    return out


def _cell(score: dict, key: str) -> str:
    value = score["metrics"][key]
    if value["interval"] is None:
        return f"{value['value']:.3f}"
    low, high = value["interval"]
    return f"{value['value']:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", default=Path(__file__).parents[2] / "shared" / "data", type=Path)
    parser.add_argument("--only", help="challenges, with commas between")
    parser.add_argument("--results", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    known = record.get("sha256", {})
    names = options.only.split(",") if options.only else list(CHALLENGES)
    wrong, table, ranked = 0, [], []
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
        if options.results:
            table += results(name, challenge, folder)
            ranked += rankings(name, challenge, folder)
    if options.write:
        text = json.dumps({"protocol": VERSION, "sha256": known}, indent=2) + "\n"
        RECORD.write_text(text, encoding="utf-8")
    if table:
        print("\n| challenge | method | official score | right image | within 2 px |\n|---|---|---|---|---|")
        print("\n".join([*table, "", *ranked]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
