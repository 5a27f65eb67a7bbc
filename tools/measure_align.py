#!/usr/bin/env python3
"""Measure `matcher.align` on pairs of dates of real places, one of them warped by a known amount.

    python tools/measure_align.py [--data ../shared/data] [--folder more] [--seed 101] [--only city]
    python tools/measure_align.py --large FOLDER [--blocks 45] [--count 2000]

The second date is laid out anew by cubic splines: shifted by up to 300 px, turned by up to 3 degrees, scaled by up to
3 %, bent by a smooth field of up to 2 px, and all of it; and its file says that it lies where it did, so that nothing
tells of the warp but the ground. The error is that of the field found, at every 8th pixel of the moving scene whose
ground the reference shows; the offset that the dates of a place have by themselves is taken from the median of the
field found without any warp, or from `shift_yx` with --own-offset (good to 0.1 px).

Printed as a table: the RMSE by warp, px, a row a pair. In brackets, where the pair was laid without any warp before:
the RMSE when what its dates are apart by themselves is a field (fitted to the tie points of the unwarped pair), not one
offset; what both have in common, such as ground that changed, cancels in it. "Wrong": tie points used, in all the warps
of the row, that lie more than 3 px off their place. What each run found goes to standard error.

With --large, two dates of one scene of 10,980 x 10,980 px (45 x 45 blocks of 244 px of the cities, each once as it is
and the rest turned and mirrored) are written to a folder, where they are not there yet, the second one 700 m off, and
aligned. Printed: seconds of the wall and of the processor, and the largest memory of the process.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from scipy import ndimage

import matcher
from matcher.alignment.run import Alignment
from matcher.alignment.transforms import choose
from matcher.errors import MatcherError

NAMES = ("red", "green", "blue", "nir")
WARPS = ("none", "shift", "turn", "scale", "field", "all")
TITLES = {"field": "bent"}
STEP = 8  # px between the points at which the field is judged
WRONG = 3.0  # px off its place, from where a tie point is wrong


def write(path, array, names, east=500000.0, north=5000000.0, pixel=10.0):
    """A GeoTIFF of (height, width, bands) uint16."""
    with rasterio.open(
        path, "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=array.shape[2],
        dtype="uint16", crs="EPSG:32631", transform=from_origin(east, north, pixel, pixel), nodata=0,
    ) as file:  # fmt: skip
        file.write(np.moveaxis(array, -1, 0))
        for k, name in enumerate(names, 1):
            file.set_band_description(k, str(name))


def warp(kind, size, rng):
    """A function of places (n, 2) of the new picture to places of the old one, rows first."""
    middle = np.array(size) / 2
    angle = np.radians(rng.uniform(1, 3) * rng.choice((-1, 1))) if kind in ("turn", "all") else 0.0
    scale = 1 + rng.uniform(0.01, 0.03) * rng.choice((-1, 1)) if kind in ("scale", "all") else 1.0
    shift = np.array([rng.uniform(0.1, 0.9, 2) if kind in ("shift", "all") else (0.0, 0.0)])[0]
    bend = 2.0 if kind in ("field", "all") else 0.0
    phase, waves = rng.uniform(0, 2 * np.pi, (2, 2)), rng.uniform(0.6, 1.2, (2, 2))
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def to_old(places):
        out = (places - middle) @ matrix.T + middle + shift
        at = places / np.array(size)
        for axis in (0, 1):
            wave = np.sin(2 * np.pi * waves[axis, 0] * at[:, 0] + phase[axis, 0])
            out[:, axis] += bend * wave * np.sin(2 * np.pi * waves[axis, 1] * at[:, 1] + phase[axis, 1])
        return out

    return to_old


def laid_out(picture, to_old):
    """The picture as its warp shows it; 0 beyond it and where no data takes part."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width] + 0.5
    old = to_old(np.stack([rows.ravel(), columns.ravel()], -1)).T.reshape(2, height, width) - 0.5
    empty = ndimage.map_coordinates((picture.max(-1) == 0).astype(np.float32), old, order=1, cval=1) > 0.01
    bands = [
        ndimage.map_coordinates(picture[..., b].astype(np.float64), old, order=3)
        for b in range(picture.shape[2])
    ]
    out = np.clip(np.rint(np.stack(bands, -1)), 1, 4095).astype(np.uint16)
    out[empty] = 0
    return out


@dataclass(frozen=True)
class Warped:
    """A pair that was laid on one another: what was found, and where ground of the moving scene lies in truth."""

    found: Alignment
    to_old: object
    far: np.ndarray
    offset: np.ndarray
    places: np.ndarray
    seconds: float

    def errors(self, places, shifts, own=None):
        """Of shifts (n, 2) at places (n, 2); `own` are the dates' own shifts beside their offset."""
        old = self.to_old(places)
        there = old + self.offset if own is None else old + self.offset + own(old)
        return shifts - (there - self.far - places)

    def over_the_scene(self, own=None):
        """Errors of the field found, (n, 2)."""
        return self.errors(self.places, self.found.transform.shifts(self.places), own)

    def wrong(self):
        """How many tie points are used and lie far off."""
        points = self.found.points.take(self.found.points.used)
        return int((np.hypot(*self.errors(points.places, points.shifts).T) > WRONG).sum())


def measure(folder, pair, kind, offset, rng, **options):
    """One pair and warp as `Warped`, or the error that says why not."""
    size = pair.second.shape[:2]
    to_old = warp(kind, size, rng)
    far = rng.integers(100, 300, 2) * rng.choice((-1, 1), 2) if kind in ("shift", "all") else np.zeros(2)
    write(folder / "reference.tif", pair.first, pair.bands)
    moved = laid_out(pair.second, to_old)
    write(folder / "moving.tif", moved, pair.bands, 500000.0 + 10 * far[1], 5000000.0 - 10 * far[0])
    start = time.perf_counter()
    try:
        found = matcher.align(folder / "moving.tif", folder / "reference.tif", **options)
    except MatcherError as error:
        return error
    seconds = time.perf_counter() - start
    rows, columns = np.mgrid[STEP // 2 : size[0] : STEP, STEP // 2 : size[1] : STEP]
    rows, columns = rows.ravel(), columns.ravel()
    places = np.stack([rows, columns], -1) + 0.5
    there = to_old(places) + offset
    seen = (moved[rows, columns].max(-1) > 0) & (there > 0).all(-1) & (there < pair.first.shape[:2]).all(-1)
    return Warped(found, to_old, far, offset, places[seen], seconds)


@dataclass(frozen=True)
class Pair:
    """Two dates of a place; `offset` is where the ground of the second lies on the first, px."""

    name: str
    group: str
    first: np.ndarray
    second: np.ndarray
    bands: tuple
    offset: np.ndarray


def pairs(data, folder="places"):
    """Pairs of dates of all places of a folder: of two dates the one, of more of them two."""
    paths = Path(data, folder).glob("*.npz" if folder == "places" else "*/*.npz")
    for path in sorted(paths):
        with np.load(path) as file:
            images, group = file["images"], str(file["group"])
            shift = file["shift_yx"].astype(float) if "shift_yx" in file else np.zeros(2)
            bands = tuple(str(n) for n in file["bands"])
        many = [(0, 1)] if len(images) == 2 else [(0, len(images) // 2), (1, len(images) - 2)]
        for a, b in many:
            kind = f", {len(bands)} band{'s' if len(bands) > 1 else ''}"
            name = path.stem + ("" if folder == "places" else kind)
            yield Pair(
                name if len(many) == 1 else f"{name}, dates {a + 1} and {b + 1}",
                group, images[a], images[b], bands, shift,
            )  # fmt: skip


def lay_blocks(data, folder, blocks):
    """Write two dates of a large scene of blocks, a row of them at a time."""
    from measure_locate import BLOCK, turned

    stacks = []
    for pair in pairs(data):
        if pair.group == "cities":
            rows, columns = (n // BLOCK for n in pair.first.shape[:2])
            corners = np.mgrid[:rows, :columns].reshape(2, -1).T * BLOCK
            dates = pair.first, pair.second
            stacks += [[d[y : y + BLOCK, x : x + BLOCK] for d in dates] for y, x in corners]
    rng = np.random.default_rng(0)
    order = [(int(k), int(w)) for k, w in rng.integers((len(stacks), 8), size=(blocks**2, 2))]
    for date, name, east in ((0, "reference.tif", 300000.0), (1, "moving.tif", 300700.0)):
        side = blocks * BLOCK
        with rasterio.open(
            folder / name, "w", driver="GTiff", height=side, width=side, count=4, dtype="uint16", tiled=True,
            crs="EPSG:32631", transform=from_origin(east, 5700000.0, 10, 10), nodata=0, BIGTIFF="IF_SAFER",
        ) as file:  # fmt: skip
            for row in range(blocks):
                strip = [turned(stacks[k][date], way) for k, way in order[row * blocks : (row + 1) * blocks]]
                window = rasterio.windows.Window(0, row * BLOCK, side, BLOCK)
                file.write(np.moveaxis(np.concatenate(strip, 1), -1, 0), window=window)
            for k, band in enumerate(NAMES, 1):
                file.set_band_description(k, band)


def measure_large(options):
    """Align a large scene, and print what it took."""
    folder = Path(options.large)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "moving.tif").exists():
        lay_blocks(options.data, folder, options.blocks)
        print(f"{folder}: written; run again to measure")
        return
    start, used = time.perf_counter(), time.process_time()
    made = matcher.align(folder / "moving.tif", folder / "reference.tif", count=options.count)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    points = made.points
    print(
        f"{len(points)} tie points of {made.size[0]} x {made.size[1]} px, 4 bands: {seconds:.0f} s, {used:.0f} s of "
        f"processor, {peak:.2f} GiB; {int(points.used.sum())} used, {made.transform.kind}, RMSE left "
        f"{made.accuracy()['rmse'].value:.2f} px; not used: {points.counts()}"
    )


def own_field(unwarped):
    """The shifts that a pair's dates have beside their offset, as a function of places."""
    points = unwarped.found.points.take(unwarped.found.points.used)
    try:
        made = choose("field", points.places, points.shifts, points.sigma, unwarped.found.size)
    except MatcherError:
        made = unwarped.found.transform
    return lambda places: made.shifts(places) - unwarped.offset


def rms(errors):
    """Root of the mean squared distance."""
    return float(np.sqrt((errors**2).sum(-1).mean()))


def row(pair, options):
    """Cells of a pair: its RMSE by warp, and the tie points that are wrong."""
    cells, wrong, used, own = [], 0, 0, None
    offset = pair.offset
    for kind in options.warps.split(","):
        with tempfile.TemporaryDirectory() as folder:
            rng = np.random.default_rng(options.seed)
            made = measure(Path(folder), pair, kind, offset, rng, count=options.count)
        if not isinstance(made, Warped):
            print(f"{pair.name}, {kind}: {made}", file=sys.stderr, flush=True)
            cells.append("refused")
            continue
        if kind == "none":
            if not options.own_offset:
                offset = offset + np.median(made.over_the_scene(), axis=0)
                made = replace(made, offset=offset)
            own = own_field(made)
        error, points = rms(made.over_the_scene()), made.found.points
        beside = "" if own is None or kind == "none" else f" ({rms(made.over_the_scene(own)):.3f})"
        cells.append(f"{error:.3f}{beside}")
        wrong, used = wrong + made.wrong(), used + int(points.used.sum())
        distance = np.hypot(*made.over_the_scene().T)
        print(
            f"{pair.name}, {kind}: {error:.3f}{beside}, 90 % {np.percentile(distance, 90):.3f}, worst "
            f"{distance.max():.3f}; {points.used.sum()} of {len(points)} used, {made.wrong()} of them wrong; "
            f"{made.found.transform.kind}, {made.seconds:.1f} s; not used: {points.counts()}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return [*cells, f"{wrong} of {used}"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--folder", default="places", choices=("places", "more"))
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--only", help="places whose name or group holds one of these, with commas between")
    parser.add_argument("--warps", default=",".join(WARPS))
    parser.add_argument("--count", type=int, default=150, help="tie points sought")
    parser.add_argument("--own-offset", action="store_true", help="take shift_yx for the dates' own offset")
    parser.add_argument("--large", metavar="FOLDER", help="one large scene, for time and memory")
    parser.add_argument("--blocks", type=int, default=45, help="of 244 px, along a side of the large scene")
    options = parser.parse_args()
    if options.large:
        measure_large(options)
        return
    kinds = [TITLES.get(kind, kind) for kind in options.warps.split(",")]
    print(f"| pair | {' | '.join(kinds)} | wrong |\n|{'---|' * (len(kinds) + 2)}")
    for pair in pairs(options.data, options.folder):
        if options.only and not any(w in pair.name or w in pair.group for w in options.only.split(",")):
            continue
        print(f"| {' | '.join([pair.name, *row(pair, options)])} |", flush=True)


if __name__ == "__main__":
    main()
