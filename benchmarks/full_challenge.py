#!/usr/bin/env python3
"""The whole challenge: 38,400 patches against 600 images by `matcher match` with its defaults.

    python benchmarks/full_challenge.py [--form simulated|real] [--images 600] [--patches-per-image 64] [--cache DIR]
                                        [--threads N] [--memory 2GiB] [--peers PAIRS] [--json FILE] [--quick]

The set is made once and kept: `simulated`, official TFRecords of the synthetic Earth, 512 x 512; or `real`, tiles of
the real places of up to 512 px, turned and flipped ones among them up to the number of images, patches cut from the
tiles as they are, until there are as many as the challenge has. The match is a process of its own, as a user starts
it. Printed: wall time, peak memory, time and patches of each level, pairs a second, official score; with --peers the
rate of OpenCV's `matchTemplate` by two processes on so many pairs of the same set, and the ratios.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import launch
import numpy as np
import sets

_LEVEL = re.compile(r"level ([\w ,-]+): ([\d,]+) (patches|targets)(?: \S+)*?, ([\d.,]+) s\b")
_PEER_IMAGES, _PEER_PATCHES = 16, 512  # drawn from: the workers hold them


@dataclass
class Level:
    """What the log says of one level of the search: how many it saw, of what, and seconds."""

    count: int
    unit: str
    seconds: float


def parse_levels(log: str) -> dict[str, Level]:
    """Levels by name in the order of the log; those of several groups of patches are added up."""
    levels: dict[str, Level] = {}
    for name, count, unit, seconds in _LEVEL.findall(log):
        level = levels.setdefault(name, Level(0, unit, 0.0))
        level.count += int(count.replace(",", ""))
        level.seconds += float(seconds.replace(",", ""))
    return levels


def run_match(chosen: sets.Set, out: Path, threads: int | None, memory: str) -> tuple[launch.Usage, str]:
    """Match by the command line; what it took, and its log."""
    command = [sys.executable, "-c", "from matcher.cli import main; main()", "match", "-v"]
    command += [os.fspath(chosen.images), os.fspath(chosen.patches), "--memory", memory]
    command += ["-o", os.fspath(out / "submission.csv"), "--details", os.fspath(out / "details.csv")]
    if threads is not None:
        command += ["--threads", str(threads)]
    usage = launch.measure(command, out / "usage.json", out / "log.txt")
    if usage.code != 0:
        raise SystemExit(f"the match failed: exit code {usage.code}")
    return usage, (out / "log.txt").read_text(encoding="utf-8")


def print_run(usage: launch.Usage, levels: dict[str, Level], images: int, patches: int) -> None:
    print(f"wall time     {usage.seconds:10.1f} s")
    print(f"processor     {usage.cpu_seconds:10.1f} s")
    print(f"peak memory   {usage.peak_bytes / 2**30:10.2f} GiB")
    print(f"pairs         {images * patches:10,}")
    print(f"pairs a second{images * patches / usage.seconds:10,.0f}")
    for name, level in levels.items():
        share = f" ({level.count / patches:.1%} of the patches)" if level.unit == "patches" else ""
        print(f"level {name:<8}{level.seconds:10.2f} s   {level.count:,} {level.unit}{share}")
    if levels:
        rest = usage.seconds - sum(level.seconds for level in levels.values())
        print(f"{'the rest':<14}{rest:10.2f} s   start, reading and checking, writing")
    else:
        print("the log names no level")


def run_peers(chosen: sets.Set, pairs: int) -> dict[str, float]:
    """Pairs a second of OpenCV's loops by two processes, on pairs drawn from the set."""
    from peers import Peers, draw_pairs

    from matcher.formats.opening import open_images, open_patches
    from matcher.imagery import Pictures

    rng = np.random.default_rng(0)
    drawn = []
    for source, most in (
        (open_images(chosen.images), _PEER_IMAGES),
        (open_patches(chosen.patches), _PEER_PATCHES),
    ):
        pictures = Pictures(source, "auto")
        which = rng.choice(len(pictures), min(most, len(pictures)), replace=False)
        drawn.append([pictures[int(k)] for k in which])
    images, patches = drawn
    cut = draw_pairs(len(patches), len(images), pairs)
    with Peers(images, patches) as workers:
        return {name: workers.run(name, cut).rate for name in ("OpenCV, gray", "OpenCV, four bands")}


def print_machine() -> None:
    from matcher.threads import usable_cores

    model = ""
    if Path("/proc/cpuinfo").is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1] if found else ""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=sets.ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    print(
        f"machine       {model or 'unknown'}, {usable_cores()} cores, Python {sys.version.split()[0]}, {commit}"
    )
    print(f"load before   {os.getloadavg()[0]:10.2f}")


def count_images(made: sets.Set) -> int:
    """How many images there are: tiles of real places may be more than were asked for."""
    from matcher.formats.opening import open_images

    return len(open_images(made.images))


def make_set(chosen: argparse.Namespace) -> sets.Set:
    if chosen.form == "simulated":
        return sets.simulated(chosen.cache, chosen.images, chosen.patches_per_image, chosen.size)
    return sets.real(chosen.cache, chosen.images, chosen.images * chosen.patches_per_image, chosen.size)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--form", choices=["simulated", "real"], default="simulated")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--patches-per-image", type=int, default=64)
    parser.add_argument(
        "--size", type=int, default=512, help="pixels a side of an image; of a real one, at most"
    )
    parser.add_argument("--cache", type=Path, default=sets.CACHE, help="where sets are kept")
    parser.add_argument("--out", type=Path, help="where submission, details and log go; nowhere by default")
    parser.add_argument("--threads", type=int, help="as of matcher match")
    parser.add_argument("--memory", default="2GiB", help="as of matcher match")
    parser.add_argument(
        "--peers", type=int, default=0, metavar="PAIRS", help="time OpenCV on so many pairs too"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="40 images, 16 patches each: a trial")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.images, chosen.patches_per_image = 40, 16
        chosen.size = 256 if chosen.form == "simulated" else 512
    made = make_set(chosen)
    print(f"set           {made.folder} (made in {made.seconds:.1f} s)")
    print_machine()
    with tempfile.TemporaryDirectory() as temporary:
        out = chosen.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        figures = measure(chosen, made, out)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(chosen: argparse.Namespace, made: sets.Set, out: Path) -> dict:
    """Run, print, and the figures as plain numbers."""
    usage, log = run_match(made, out, chosen.threads, chosen.memory)
    import matcher

    scored = matcher.score(out / "submission.csv", made.answers, groups=_groups(made))
    images, patches = count_images(made), scored.n_patches
    levels = parse_levels(log)
    print_run(usage, levels, images, patches)
    rate = images * patches / usage.seconds
    peers = run_peers(made, chosen.peers) if chosen.peers else {}
    for name, peer in peers.items():
        print(
            f"{name:<20}{peer:10,.1f} pairs a second by two processes; matcher is {rate / peer:,.0f} times as fast"
        )
    print(f"\n{scored}")
    return {
        "form": chosen.form,
        "images": images,
        "patches": patches,
        "usage": asdict(usage),
        "levels": {name: asdict(level) for name, level in levels.items()},
        "pairs_a_second": rate,
        "peers_pairs_a_second": peers,
        "score": scored.total,
        "right_image": scored.image,
    }


def _groups(made: sets.Set) -> dict[int, str] | None:
    from matcher.formats.columns import read_groups

    return None if made.groups is None else read_groups(made.groups)


if __name__ == "__main__":
    main()
