#!/usr/bin/env python3
"""Measure how near a place found to a fraction of a pixel is, and whether its standard error is right.

    python tools/measure_subpixel.py [--data ../shared/data] [--windows 4] [--seed 101] [--arosics PYTHON]

Windows of one date are found in the other date of the same place, at the place known, as `match --places`, `locate`
and `align` do at the end. Cities are moved by known fractions of a pixel in two ways: the whole picture by a Fourier
shift; and by averaging both dates onto pixels 3 and 4 times as large that begin a pixel later on one of them, which no
method can know from spectra. The offset of a city's dates (`shift_yx`) is itself good to 0.1 px, of the larger
pixels to a third or a quarter of that; "own" errors are those about the median of the place, which no offset of the
dates is part of. "Moves" is the absolute deviation of a move seen from the move made, a coordinate, median.

Beside it on the same windows: scikit-image's phase correlation and, by the interpreter that --arosics or AROSICS_PYTHON
names (its GDAL may not go with ours), AROSICS's COREG, both of the mean band. COREG is given the surroundings of both
windows and may look up to 5 px off; windows in which it says that it found nothing are left out of its row and counted.

The second table sorts windows of pairs of dates by their standard error. Beside the median of each quarter stands the
68.3 % point of errors over what was told of them, 1 where that is right. Errors are those of a coordinate about the
plane that most windows of the pair follow, since the dates of some places are turned or scaled by parts of a pixel over
the picture, with which the standard error of a window has nothing to do (times the root of n / (n - 3), which the plane
takes away). With --fit the numbers behind the standard error are fitted with places left out.
"""

import argparse
import json
import os
import subprocess
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from matcher.alignment.outliers import plane
from matcher.imagery import Roles
from matcher.search import subpixel
from matcher.search.blocks import REACH
from matcher.search.subpixel import refine
from matcher.settings import DEFAULT_EVIDENCE

MOVES = [(0, 0), (0.5, 0.5), (0.25, -0.25), (0.4, 0.1), (-0.3, 0.45), (0.15, 0.35)]
KINDS = {
    "Fourier": "Fourier shifts",
    "3": "cut from pixels a third the size",
    "4": "cut from pixels a quarter the size",
}
FEWEST = 8  # windows of a pair from which a plane is taken
USUAL, KEPT = (0.03, 0.04, 0.05, 0.06, 0.07), (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)  # tried by --fit
PAD = 32  # px of mirrored picture about a Fourier shift
RIM = REACH + 2


COREG = """
import json, sys
import numpy as np
from arosics import COREG
from geoarray import GeoArray
from pyproj import CRS

place = (500000.0, 10.0, 0.0, 5000000.0, 0.0, -10.0), CRS.from_epsg(32631).to_wkt()
for line in sys.stdin:
    with np.load(line.strip()) as file:
        own, other, side = file["own"], file["other"], int(file["side"])
    middle = 500000.0 + 5 * own.shape[1], 5000000.0 - 5 * own.shape[0]
    answer = None
    try:
        run = COREG(GeoArray(other, *place), GeoArray(own, *place), wp=middle, ws=(side, side), max_shift=5,
                    nodata=(0, 0), CPUs=1, progress=False, q=True)
        run.calculate_spatial_shifts()
        if run.success:
            answer = [float(run.coreg_info["corrected_shifts_px"][k]) for k in ("y", "x")]
    except Exception as error:
        print(error, file=sys.stderr)
    print("answer", json.dumps(answer), flush=True)
"""


def ours(around, window, roles):
    """Rows and columns off the middle, and the standard error, of the product."""
    found = refine(inner(around), window, (REACH, REACH), roles, DEFAULT_EVIDENCE)
    return found.row - REACH, found.col - REACH, found.sigma


def skimage(around, window, _roles):
    """The same of scikit-image's phase correlation of the mean band, with no standard error."""
    from skimage.registration import phase_cross_correlation

    pair = inner(window).mean(-1), inner(around).mean(-1)
    row, col = phase_cross_correlation(*pair, upsample_factor=100)[0]
    return row, col, np.nan


def arosics(python):
    """The same of AROSICS's COREG, by another interpreter; nan where it finds nothing."""
    worker = subprocess.Popen(
        [python, "-c", COREG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )  # fmt: skip

    def find(around, window, _roles):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pair.npz")
            pair = {"own": around.mean(-1), "other": window.mean(-1)}
            np.savez(path, **pair, side=around.shape[0] - 2 * REACH)
            print(path, file=worker.stdin, flush=True)
            for line in worker.stdout:
                if line.startswith("answer"):
                    found = json.loads(line.split(maxsplit=1)[1])
                    return (*(found or (np.nan, np.nan)), np.nan)
        raise SystemExit(f"{python}: AROSICS ended; can it be imported there?")

    return find


def inner(window):
    """A window without its surroundings."""
    return np.ascontiguousarray(window[REACH:-REACH, REACH:-REACH])


def moved(picture, down, right):
    """A picture whose content lies `down` and `right` px further on, by a Fourier shift."""
    padded = np.pad(picture, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="reflect")
    height, width = padded.shape[:2]
    phase = np.exp(
        -2j * np.pi * (np.fft.fftfreq(height)[:, None] * down + np.fft.rfftfreq(width)[None] * right)
    )
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * phase[..., None]
    back = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    return back[PAD:-PAD, PAD:-PAD].astype(np.float32)


def larger(picture, factor, start=(0, 0)):
    """Means over squares of pixels that begin at `start`."""
    rows, columns = ((n - s) // factor for n, s in zip(picture.shape, start, strict=False))
    part = picture[start[0] : start[0] + rows * factor, start[1] : start[1] + columns * factor]
    return part.reshape(rows, factor, columns, factor, -1).mean((1, 3)).astype(np.float32)


def spots(pictures, side, count, rng):
    """Corners of windows that both pictures show, with all their surroundings."""
    height, width = (min(p.shape[k] for p in pictures) for k in (0, 1))
    room = height - side - 2 * RIM, width - side - 2 * RIM
    out = []
    for _ in range(20 * count if min(room) > 0 else 0):
        y, x = int(rng.integers(room[0])) + RIM, int(rng.integers(room[1])) + RIM
        parts = [p[y - RIM : y + side + RIM, x - RIM : x + side + RIM] for p in pictures]
        if all((part.max(-1) <= 0).mean() <= 0.02 for part in parts) and len(out) < count:
            out.append((y, x))
    return out


def cases(first, second, offset, corners, side):
    """(window, window, true move off the middle) of two pictures whose content lies `offset` px apart.

    Both with `REACH` px of surroundings.
    """
    whole = [round(v) for v in offset]
    for y, x in corners:
        top, left = y + whole[0] - REACH, x + whole[1] - REACH
        window = second[top : top + side + 2 * REACH, left : left + side + 2 * REACH]
        around = first[y - REACH : y + side + REACH, x - REACH : x + side + REACH]
        yield (
            np.ascontiguousarray(around),
            np.ascontiguousarray(window),
            (offset[0] - whole[0], offset[1] - whole[1]),
        )


def errors(method, made, roles):
    """(cases, 3): errors of rows and columns, and the standard error."""
    rows = []
    for around, window, truth in made:
        row, col, sigma = method(around, window, roles)
        rows.append((row - truth[0], col - truth[1], sigma))
    return np.array(rows).reshape(-1, 3)


def cities(data):
    """(place, first date, second date, roles, offset) of every city."""
    for path in sorted(Path(data, "places").glob("*.npz")):
        with np.load(path) as file:
            if "shift_yx" in file:
                images = file["images"].astype(np.float32)
                offset = -file["shift_yx"].astype(float)
                yield path.stem, images[0], images[1], Roles.of(tuple(file["bands"])), offset


def others(data):
    """The same, without offset, of pairs of dates of all other places."""
    for path in [*sorted(Path(data, "places").glob("*.npz")), *sorted(Path(data, "more").glob("*/*.npz"))]:
        with np.load(path) as file:
            if "shift_yx" in file:
                continue
            images, roles = file["images"].astype(np.float32), Roles.of(tuple(file["bands"]))
        for k in range(min(len(images) - 1, 4)):
            yield path.stem, images[k], images[k + 1], roles, (0.0, 0.0)


def measure_moves(data, method, kind, side, windows, seed):
    """A row of the first table."""
    every, own, moves = [], [], []
    for _, first, second, roles, offset in cities(data):
        rng = np.random.default_rng(seed)
        if kind == "Fourier":
            corners = spots([first, second], side, windows, rng)
            sets = [
                (first, moved(second, *move) if any(move) else second, np.add(offset, move)) for move in MOVES
            ]
        else:
            factor = int(kind)
            small = larger(first, factor)
            corners = spots([small, larger(second, factor)], side, windows, rng)
            starts = [(0, 0), *(tuple(int(v) for v in rng.integers(0, factor, 2)) for _ in MOVES[1:])]
            sets = [(small, larger(second, factor, s), (np.array(offset) - s) / factor) for s in starts]
        corners = [c for c in corners if _inside(c, side, [s[1] for s in sets])]
        if not corners:
            continue
        found = np.array(
            [errors(method, cases(a, b, off, corners, side), roles)[:, :2] for a, b, off in sets]
        )
        every.append(found.reshape(-1, 2))
        own.append(every[-1] - np.nanmedian(every[-1], axis=0))
        moves.append(np.abs(found[1:] - found[0]).ravel())
    every, own = np.concatenate(every), np.concatenate(own)
    found = np.isfinite(every).all(-1)
    distance, about = (np.hypot(*part[found].T) for part in (every, own))
    cells = [np.median(distance), np.percentile(distance, 90), np.median(about), np.percentile(about, 90)]
    return [len(found), len(found) - int(found.sum()), *cells, np.nanmedian(np.concatenate(moves))]


def _inside(corner, side, pictures):
    return all(c + side + RIM <= min(p.shape[k] for p in pictures) for k, c in enumerate(corner))


def about_planes(pairs, side, windows, seed):
    """(place, standard error told, errors of rows and columns about the plane of the pair) of all windows."""
    out = []
    for name, first, second, roles, offset in pairs:
        corners = spots([first, second], side, windows, np.random.default_rng(seed))
        rows = errors(ours, cases(first, second, offset, corners, side), roles)
        known = np.isfinite(rows[:, 2])
        if known.sum() >= FEWEST:
            rows, places = rows[known], np.array(corners, float)[known]
            about = rows[:, :2] - plane(places, rows[:, :2])
            about *= np.sqrt(len(rows) / (len(rows) - 3))
            out += [(name, sigma, *error) for sigma, error in zip(rows[:, 2], about, strict=True)]
    return out


def in_quarters(windows, told):
    """(median told, errors found over it) of quarters by what is told, and of all."""
    order = np.argsort(told, kind="stable")
    over = np.abs([w[2:] for w in windows]) / told[:, np.newaxis]
    return [
        (np.median(told[part]), np.percentile(over[part], 68.3))
        for part in (*np.array_split(order, 4), order)
    ]


def print_errors(sets):
    """The second table."""
    print("\n| windows | told, and found over told, by quarter | | | | all |\n|---|---|---|---|---|---|")
    for title, windows in sets.items():
        cells = in_quarters(windows, np.array([w[1] for w in windows]))
        print(f"| {title} | {' | '.join(f'{a:.3f}, {b:.2f}' for a, b in cells)} |", flush=True)


def print_fits(sets):
    """What is kept of the distance from the usual error, and that error, fitted without a quarter of the places each.

    Printed after them: errors found over told at the places left out.
    """
    names = sorted({w[0] for windows in sets.values() for w in windows})
    parts = np.array_split(np.random.default_rng(0).permutation(names), 4)
    held = {title: [] for title in sets}
    for out in [*parts, []]:
        best = min((_unlike(sets, out, *numbers), numbers) for numbers in product(USUAL, KEPT))
        print(f"without {', '.join(out) or 'none'}: usual {best[1][0]:.2f} px, kept {best[1][1]:.2f}")
        for title, windows in sets.items():
            held[title] += [(w, _told(w[1], *best[1])) for w in windows if w[0] in out]
    for title, rows in held.items():
        cells = in_quarters([w for w, _ in rows], np.array([told for _, told in rows]))
        print(f"{title}: {', '.join(f'{b:.2f}' for _, b in cells)}")


def _unlike(sets, out, *numbers):
    """How far errors found lie from those told: squares of logs, summed over all quarters."""
    total = 0.0
    for windows in sets.values():
        rest = [w for w in windows if w[0] not in out]
        told = np.array([_told(w[1], *numbers) for w in rest])
        total += sum(np.log(b) ** 2 for _, b in in_quarters(rest, told)[:4])
    return total


def _told(sigma, usual, kept):
    """A standard error by other numbers than those that ship."""
    by_blocks = subpixel._USUAL * (sigma / subpixel._USUAL) ** (1 / subpixel._KEPT)
    return usual * (by_blocks / usual) ** kept


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--windows", type=int, default=4, help="a place and pair of dates")
    parser.add_argument("--seed", type=int, default=101)
    peer = os.environ.get("AROSICS_PYTHON")
    parser.add_argument("--arosics", metavar="PYTHON", default=peer, help="a Python that has AROSICS")
    parser.add_argument("--fit", action="store_true", help="fit what is told anew, places left out in turn")
    parser.add_argument("--errors-only", action="store_true", help="the second table alone")
    options = parser.parse_args()
    given = options.windows, options.seed
    peers = {"matcher": ours, "scikit-image": skimage}
    if options.arosics:
        peers["AROSICS COREG"] = arosics(options.arosics)
    if not options.errors_only:
        print_moves(options.data, given, peers)
    sets = {
        f"{title}, {side} px": about_planes(pairs(options.data), side, 5 * given[0], given[1])
        for title, pairs in (("cities", cities), ("other places", others))
        for side in (32, 64)
    }
    print_errors(sets)
    if options.fit:
        print_fits({f"{s} px": sets[f"cities, {s} px"] + sets[f"other places, {s} px"] for s in (32, 64)})


def print_moves(data, given, peers):
    """The first table."""
    print("| windows | method | error | own | moves |\n|---|---|---|---|---|")
    for side, kind in ((64, "Fourier"), (128, "Fourier"), (64, "3"), (64, "4")):
        title = f"{side} px, {KINDS[kind]}"
        for name, method in peers.items():
            number, none, *cells, move = measure_moves(data, method, kind, side, *given)
            said = f", {none} of {number} not found" if none else ""
            error, own = (f"{a:.3f} / {b:.3f}" for a, b in (cells[:2], cells[2:]))
            print(f"| {title} | {name}{said} | {error} | {own} | {move:.3f} |", flush=True)
            title = ""


if __name__ == "__main__":
    main()
