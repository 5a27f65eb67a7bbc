#!/usr/bin/env python3
"""`matcher.align` beside AROSICS, KARIOS and scikit-image on the same pairs: errors of tie points, how many are kept.

    python benchmarks/align.py [--data ../shared/data] [--arosics PYTHON] [--karios PYTHON] [--warps none,field]
    python benchmarks/align.py --large FOLDER --arosics PYTHON

Pairs of dates of cities, the second one laid out anew by a known warp (`tools/measure_align.py`). All sides seek tie
points by 64 px windows every 32 px. AROSICS's COREG_LOCAL runs with the interpreter that --arosics names, which has it
(its GDAL may not go with ours), with shifts up to 10 px; it is passed over where none is named. KARIOS (corners tracked
by KLT, as its own configuration says, points of its least confidence and more) likewise by --karios; its points lie at
corners of its own choice. scikit-image: phase correlation of the mean band, upsampled 100 times, on the same windows.
The error of a point is its distance from the warp known, less the median of the place, which the dates' own offset is
part of. The interpreters may stand in AROSICS_PYTHON and KARIOS_PYTHON instead.

With --large, the two scenes of 10,980 x 10,980 px that `tools/measure_align.py --large FOLDER` writes, by some 2,000
windows of 64 px: seconds and the largest memory of AROSICS, to be held against what that tool prints of ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import measure_align as known

import matcher

WINDOW, STEP, FAR = 64, 32, 10
AROSICS = """
import json, sys
from arosics import COREG_LOCAL
folder = sys.argv[1]
run = COREG_LOCAL(folder + "/reference.tif", folder + "/moving.tif", grid_res={step}, window_size=({window}, {window}),
                  max_shift={far}, q=True, CPUs=2, nodata=(0, 0), path_out=None)
table = run.CoRegPoints_table
kept = table[(table.X_SHIFT_M != -9999) & (table.OUTLIER == False)]
print(json.dumps([len(table), [[float(v) for v in row] for row in
      kept[["X_MAP", "Y_MAP", "X_SHIFT_M", "Y_SHIFT_M"]].values]]))
"""
KARIOS = """
import json, sys
from pathlib import Path
import karios
from karios.core.configuration import ProcessingConfiguration
from karios.core.image import GdalRasterImage
from karios.matcher.klt import KLT
folder = sys.argv[1]
conf = ProcessingConfiguration.from_file(Path(karios.__file__).parent / "configuration/processing_configuration.json")
moving, reference = (GdalRasterImage(f"{folder}/{name}.tif") for name in ("moving", "reference"))
points = list(KLT(conf.klt_configuration).match(moving, reference, None))
least = conf.accuracy_analysis_configuration.confidence_threshold
rows = [[float(v) for v in row] for part in points
        for row in part[part.score >= least][["y0", "x0", "dy", "dx"]].values]
print(json.dumps([sum(len(part) for part in points), rows]))
"""


LARGE = """
import resource, sys, time
from arosics import COREG_LOCAL
folder, start = sys.argv[1], time.perf_counter()
run = COREG_LOCAL(folder + "/reference.tif", folder + "/moving.tif", grid_res={step}, window_size=({window}, {window}),
                  max_shift={far}, q=True, CPUs=2, nodata=(0, 0), path_out=None)
table = run.CoRegPoints_table
seconds = time.perf_counter() - start
own, each = (resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
kept = int(((table.X_SHIFT_M != -9999) & (table.OUTLIER == False)).sum())
print(f"AROSICS: {{len(table)}} tie points, {{kept}} kept: {{seconds:.0f}} s")
print(f"{{own:.2f}} GiB, and {{each:.2f}} GiB of the largest process that it starts")
"""


def arosics(folder, python):
    """(points sought, rows of (row, col, down, right)) of COREG_LOCAL."""
    total, rows = answer(AROSICS.format(step=STEP, window=WINDOW, far=FAR), folder, python)
    x, y, right, up = rows.T
    return total, np.stack([(5000000.0 - y) / 10, (x - 500000.0) / 10, -up / 10, right / 10], -1)


def karios(folder, python):
    """The same of KARIOS, which looks up corners of the reference in the moving scene."""
    total, rows = answer(KARIOS, folder, python)
    down, right = rows[:, 2:].T
    return total, np.stack([rows[:, 0] + 0.5 + down, rows[:, 1] + 0.5 + right, -down, -right], -1)


def answer(code, folder, python):
    """What another interpreter prints: a number, and rows of four numbers."""
    done = subprocess.run([python, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        print(f"{python}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return 0, np.zeros((0, 4))
    total, rows = json.loads(done.stdout.strip().splitlines()[-1])
    return total, np.array(rows, float).reshape(-1, 4)


def ours(folder):
    """The same of `matcher.align`."""
    with known.rasterio.open(folder / "moving.tif") as file:
        height, width = file.shape
    count = ((height - WINDOW) // STEP + 1) * ((width - WINDOW) // STEP + 1)
    points = matcher.align(folder / "moving.tif", folder / "reference.tif", count=count, side=WINDOW).points
    used = points.used
    return len(points), np.column_stack([points.places, points.shifts])[used]


def skimage(folder):
    """The same of scikit-image's phase correlation, every window kept."""
    from skimage.registration import phase_cross_correlation

    pictures = []
    for name in ("moving", "reference"):
        with known.rasterio.open(folder / f"{name}.tif") as file:
            pictures.append(file.read().astype(np.float64).mean(0))
    moving, reference = pictures
    rows = []
    for row in range(0, moving.shape[0] - WINDOW + 1, STEP):
        for col in range(0, moving.shape[1] - WINDOW + 1, STEP):
            part = np.s_[row : row + WINDOW, col : col + WINDOW]
            shift = phase_cross_correlation(reference[part], moving[part], upsample_factor=100)[0]
            rows.append((row + WINDOW / 2, col + WINDOW / 2, *shift))
    return len(rows), np.array(rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    own = os.environ.get
    parser.add_argument("--arosics", default=own("AROSICS_PYTHON"), help="a Python that has AROSICS")
    parser.add_argument("--karios", default=own("KARIOS_PYTHON"), help="a Python that has KARIOS")
    parser.add_argument("--warps", default="none,field")
    parser.add_argument("--places", type=int, default=13)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument(
        "--large", metavar="FOLDER", help="time and memory of AROSICS on the large scenes there"
    )
    options = parser.parse_args()
    if options.large:
        code = LARGE.format(step=244, window=WINDOW, far=80)
        subprocess.run([options.arosics, "-c", code, options.large], check=True)
        return
    peers = {"matcher": ours, "scikit-image": skimage}
    if options.arosics:
        peers["AROSICS COREG_LOCAL"] = lambda folder: arosics(folder, options.arosics)
    if options.karios:
        peers["KARIOS"] = lambda folder: karios(folder, options.karios)
    cities = [pair for pair in known.pairs(options.data) if pair.group == "cities"][: options.places]
    print(
        "| warp | method | points | kept | error of those kept: median / 90 % / 99 % |\n|---|---|---|---|---|"
    )
    for kind in options.warps.split(","):
        found = {name: ([], []) for name in peers}
        for pair in cities:
            size = pair.second.shape[:2]
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                to_old = known.warp(kind, size, np.random.default_rng(options.seed))
                known.write(folder / "reference.tif", pair.first, pair.bands)
                known.write(folder / "moving.tif", known.laid_out(pair.second, to_old), pair.bands)
                for peer, run in peers.items():
                    total, rows = run(folder)
                    truth = to_old(rows[:, :2]) + pair.offset - rows[:, :2]
                    off = rows[:, 2:] - truth
                    errors = np.hypot(*(off - np.median(off, axis=0)).T) if len(off) else np.zeros(0)
                    found[peer][0].append(errors)
                    found[peer][1].append((total, len(rows)))
        for peer, (errors, counts) in found.items():
            distance = np.concatenate(errors)
            total, kept = np.sum(counts, axis=0)
            marks = np.percentile(distance, [50, 90, 99]) if len(distance) else [np.nan] * 3
            cells = peer, total, f"{kept / max(total, 1):.0%}", " / ".join(f"{v:.3f}" for v in marks)
            print(f"| {kind} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
