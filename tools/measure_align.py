#!/usr/bin/env python3
"""Measure `matcher.align` on pairs of dates of real places, one of them warped by a known amount.

    python tools/measure_align.py [--data ../shared/data] [--seed 101] [--only city]
    python tools/measure_align.py --large FOLDER [--blocks 45] [--count 2000]

The second date is laid out anew by cubic splines: shifted by up to 300 px, turned by up to 3 degrees, scaled by up to
3 %, bent by a smooth field of up to 2 px, and all of it; and its file says that it lies where it did, so that nothing
tells of the warp but the ground. The error is that of the field found, at every 8th pixel of the moving scene whose
ground the reference shows; the offset that the dates of a place have by themselves is taken from the median of the
field found without any warp, or from `shift_yx` with --own-offset (good to 0.1 px).

With --large, two dates of one scene of 10,980 x 10,980 px (45 x 45 blocks of 244 px of the cities, each once as it is
and the rest turned and mirrored) are written to a folder, where they are not there yet, the second one 700 m off, and
aligned. Printed: seconds of the wall and of the processor, and the largest memory of the process.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from scipy import ndimage

import matcher
from matcher.errors import MatcherError

NAMES = ("red", "green", "blue", "nir")
WARPS = ("none", "shift", "turn", "scale", "field", "all")
STEP = 8  # px between the points at which the field is judged


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


def measure(folder, first, second, names, kind, offset, rng, **options):
    """(alignment or its error, errors (n, 2), seconds) of one pair and warp."""
    size = second.shape[:2]
    to_old = warp(kind, size, rng)
    far = rng.integers(100, 300, 2) * rng.choice((-1, 1), 2) if kind in ("shift", "all") else np.zeros(2)
    write(folder / "reference.tif", first, names)
    moved = laid_out(second, to_old)
    write(folder / "moving.tif", moved, names, 500000.0 + 10 * far[1], 5000000.0 - 10 * far[0])
    start = time.perf_counter()
    try:
        found = matcher.align(folder / "moving.tif", folder / "reference.tif", **options)
    except MatcherError as error:
        return error, None, time.perf_counter() - start
    seconds = time.perf_counter() - start
    rows, columns = np.mgrid[STEP // 2 : size[0] : STEP, STEP // 2 : size[1] : STEP]
    rows, columns = rows.ravel(), columns.ravel()
    places = np.stack([rows, columns], -1) + 0.5
    there = to_old(places) + offset
    seen = (moved[rows, columns].max(-1) > 0) & (there > 0).all(-1) & (there < first.shape[:2]).all(-1)
    truth = there - far - places
    return found, (found.transform.shifts(places) - truth)[seen], seconds


def pairs(data):
    """(place, group, first date, second date, band names, where the ground of the second lies on the first)."""
    for path in sorted(Path(data, "places").glob("*.npz")):
        with np.load(path) as file:
            images, group = file["images"], str(file["group"])
            shift = file["shift_yx"].astype(float) if "shift_yx" in file else np.zeros(2)
            names = tuple(str(n) for n in file["bands"])
        many = [(0, 1)] if len(images) == 2 else [(0, len(images) // 2), (1, len(images) - 2)]
        for a, b in many:
            yield path.stem, group, images[a], images[b], names, shift


def lay_blocks(data, folder, blocks):
    """Write two dates of a large scene of blocks, a row of them at a time."""
    from measure_locate import BLOCK, turned

    stacks = []
    for _, group, first, second, _, _ in pairs(data):
        if group == "cities":
            corners = np.mgrid[: first.shape[0] // BLOCK, : first.shape[1] // BLOCK].reshape(2, -1).T * BLOCK
            stacks += [[d[y : y + BLOCK, x : x + BLOCK] for d in (first, second)] for y, x in corners]
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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--only", help="places whose name or group holds this")
    parser.add_argument("--warps", default=",".join(WARPS))
    parser.add_argument("--count", type=int, default=150, help="tie points sought")
    parser.add_argument("--own-offset", action="store_true", help="take shift_yx for the dates' own offset")
    parser.add_argument("--large", metavar="FOLDER", help="one large scene, for time and memory")
    parser.add_argument("--blocks", type=int, default=45, help="of 244 px, along a side of the large scene")
    options = parser.parse_args()
    if options.large:
        measure_large(options)
        return
    print(
        "| place | warp | RMSE, px | 90 % | worst | points | kind | seconds |\n|---|---|---|---|---|---|---|---|"
    )
    all_errors = {}
    for name, group, first, second, names, offset in pairs(options.data):
        if options.only and options.only not in name and options.only not in group:
            continue
        for kind in options.warps.split(","):
            with tempfile.TemporaryDirectory() as folder:
                rng = np.random.default_rng(options.seed)
                found, errors, seconds = measure(
                    Path(folder), first, second, names, kind, offset, rng, count=options.count
                )
            if errors is None:
                print(f"| {name} | {kind} | refused: {found} | {seconds:.1f} |", flush=True)
                all_errors.setdefault((group, kind), []).append(np.nan)
                continue
            if kind == "none" and not options.own_offset:
                offset = offset + np.median(errors, axis=0)
                errors = errors - np.median(errors, axis=0)
            distance = np.hypot(*errors.T)
            rmse = float(np.sqrt((distance**2).mean()))
            all_errors.setdefault((group, kind), []).append(rmse)
            used, total = int(found.points.used.sum()), len(found.points)
            print(
                f"| {name} | {kind} | {rmse:.3f} | {np.percentile(distance, 90):.3f} | {distance.max():.3f} | "
                f"{used} of {total} | {found.transform.kind} | {seconds:.1f} |",
                flush=True,
            )
    print("\n| group | warp | median RMSE of pairs, px | largest | refused |\n|---|---|---|---|---|")
    for (group, kind), rmse in all_errors.items():
        known = [v for v in rmse if np.isfinite(v)]
        print(
            f"| {group} | {kind} | {np.median(known) if known else np.nan:.3f} | {max(known, default=np.nan):.3f} | "
            f"{len(rmse) - len(known)} of {len(rmse)} |"
        )


if __name__ == "__main__":
    main()
