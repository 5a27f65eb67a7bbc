#!/usr/bin/env python3
"""Measure `matcher.locate` on the real places: chips of one date sought in mosaics of the other.

    python tools/measure_locate.py [--data ../shared/data] [--chips 8] [--seed 0]
    python tools/measure_locate.py --large [--blocks 45]

Each place becomes two GeoTIFFs of a made-up but consistent grid (10 m, one UTM zone, places side by side): the
mosaic of one date, and chips of 64, 96 and 128 px cut from another. Chips carry a shifted transform, so that
nothing is gained by reading it; their true place is the window's own row and column, for cities corrected by the
offset measured between the dates (`shift_yx`). Printed, for each size and in all: the share of chips with confidence
0.9 and above, the share of those within 2 px, and for cities the median distance, px.

With --large, one scene of 10,980 x 10,980 px (45 x 45 blocks of 244 px) is laid out of the places' blocks, each once
as it is and the rest turned and mirrored, and 100 chips of 64 px of the other dates are sought in it. Printed: seconds
of the wall and of the processor, the largest memory of the process, and how many chips are found.
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
from rasterio.windows import Window

import matcher

SIDES = (64, 96, 128)
NAMES = ("red", "green", "blue", "nir")
BLOCK = 244  # px a side of a block of the large scene


def geotiff(path, height, width, east, north):
    """A new GeoTIFF of four bands, uint16."""
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=4,
        dtype="uint16",
        crs="EPSG:32631",
        transform=from_origin(east, north, 10, 10),
        nodata=0,
        tiled=True,
        compress="deflate",
    )


def write(path, array, east, north):
    """A four-band GeoTIFF of (height, width, 4) uint16."""
    with geotiff(path, *array.shape[:2], east, north) as dataset:
        dataset.write(np.moveaxis(array, -1, 0))
        for k, name in enumerate(NAMES, 1):
            dataset.set_band_description(k, name)


def make(data, folder, chips_a_place, rng):
    """Write mosaics and chips; {chip: (scene, row, col, side, group, whether the offset is known)}."""
    truth = {}
    (folder / "scenes").mkdir()
    (folder / "chips").mkdir()
    for number, path in enumerate(sorted(Path(data, "places").glob("*.npz"))):
        with np.load(path) as file:
            stack, group = file["images"], str(file["group"])
            shift = file["shift_yx"].astype(float) if "shift_yx" in file else None
        target, source = (int(k) for k in rng.choice(len(stack), 2, replace=False))
        offset = (0.0, 0.0) if shift is None else tuple(shift if source == 1 else -shift)
        scene = folder / "scenes" / f"{path.stem}.tif"
        write(scene, stack[target], 300000 + 20000 * number, 5700000)
        height, width = stack.shape[1:3]
        for side in SIDES:
            made = 0
            while made < chips_a_place:
                row, col = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
                chip = stack[source, row : row + side, col : col + side]
                under = stack[target, row : row + side, col : col + side]
                if max((a.max(-1) == 0).mean() for a in (chip, under)) > 0.02:
                    continue
                name = folder / "chips" / f"{path.stem}-{side}-{made}.tif"
                write(name, chip, 700000 + 100 * made, 4000000)
                truth[str(name)] = (
                    str(scene),
                    row + offset[0],
                    col + offset[1],
                    side,
                    group,
                    shift is not None,
                )
                made += 1
    return truth


def make_large(data, folder, blocks, count, rng):
    """Write a scene of blocks x blocks blocks of places and `count` chips; {chip: (row, col)}."""
    stacks = []
    for path in sorted(Path(data, "places").glob("*.npz")):
        with np.load(path) as file:
            stack = file["images"]
        target, source = (int(k) for k in rng.choice(len(stack), 2, replace=False))
        height, width = (n // BLOCK * BLOCK for n in stack.shape[1:3])
        corners = [(y, x) for y in range(0, height, BLOCK) for x in range(0, width, BLOCK)]
        stacks += [stack[[target, source], y : y + BLOCK, x : x + BLOCK] for y, x in corners]
    spots = rng.permutation(blocks * blocks)
    again = [k // len(stacks) for k in range(len(spots))]
    content = {
        int(spot): (k % len(stacks), (n - 1) % 7 + 1 if n else 0)
        for k, (spot, n) in enumerate(zip(spots, again, strict=True))
    }
    side = blocks * BLOCK
    with geotiff(folder / "scene.tif", side, side, 300000, 5700000) as dataset:
        for row in range(blocks):
            line = [content[row * blocks + k] for k in range(blocks)]
            strip = np.concatenate([turned(stacks[k][0], way) for k, way in line], axis=1)
            dataset.write(np.moveaxis(strip, -1, 0), window=Window(0, row * BLOCK, side, BLOCK))
    (folder / "chips").mkdir()
    upright = {content[int(spot)][0]: int(spot) for spot in spots[: len(stacks)]}
    truth = {}
    while len(truth) < count:
        k, row, col = int(rng.choice(list(upright))), *(int(v) for v in rng.integers(0, BLOCK - 64, 2))
        chip = stacks[k][1, row : row + 64, col : col + 64]
        if (chip.max(-1) == 0).mean() > 0.02:
            continue
        name = folder / "chips" / f"{len(truth)}.tif"
        write(name, chip, 700000, 4000000)
        truth[str(name)] = upright[k] // blocks * BLOCK + row, upright[k] % blocks * BLOCK + col
    return truth


def turned(block, way):
    """One of the eight ways that a square can lie."""
    block = np.rot90(block, way % 4)
    return block[:, ::-1] if way >= 4 else block


def measure_large(data, blocks, seed):
    """Locate 100 chips in one large scene, and print what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = make_large(data, folder, blocks, 100, np.random.default_rng(seed))
        start, used = time.perf_counter(), time.process_time()
        places = matcher.locate(folder / "chips", folder / "scene.tif", min_confidence=0)
        seconds, used = time.perf_counter() - start, time.process_time() - used
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    error = np.array([np.hypot(p.row - truth[p.chip][0], p.col - truth[p.chip][1]) for p in places])
    sure = np.array([p.confidence >= 0.9 for p in places])
    side = blocks * BLOCK
    print(
        f"{len(places)} chips of 64 px in {side} x {side} px, 4 bands: {seconds:.0f} s, {used:.0f} s of processor"
    )
    print(
        f"largest memory {peak:.2f} GiB; within 2 px {(error <= 2).mean():.2f}, confidence >= 0.9 {sure.mean():.2f}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--data", default=Path(given), type=Path)
    parser.add_argument("--chips", type=int, default=8, help="of each size, a place")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--large", action="store_true", help="one large scene, for time and memory")
    parser.add_argument("--blocks", type=int, default=45, help="of 244 px, along a side of the large scene")
    options = parser.parse_args()
    if options.large:
        measure_large(options.data, options.blocks, options.seed)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = make(options.data, folder, options.chips, np.random.default_rng(options.seed))
        start = time.perf_counter()
        places = matcher.locate(folder / "chips", folder / "scenes", min_confidence=0)
        seconds = time.perf_counter() - start
        rows = []
        for place in places:
            scene, row, col, side, group, known = truth[place.chip]
            error = np.hypot(place.row - row, place.col - col) if place.scene == scene else np.inf
            rows.append((side, group, place.confidence, error, known))
    print(f"{len(rows)} chips, {len({v[0] for v in truth.values()})} scenes, {seconds:.0f} s\n")
    print("| chips | number | confidence >= 0.9 | of those within 2 px | median error where known, px |")
    print("|---|---|---|---|---|")
    for label, keep in [
        *((f"{side} px", lambda r, side=side: r[0] == side) for side in SIDES),
        *((group, lambda r, group=group: r[1] == group) for group in sorted({r[1] for r in rows})),
        ("all", lambda _: True),
    ]:
        part = [r for r in rows if keep(r)]
        sure = [r for r in part if r[2] >= 0.9]
        within = np.mean([r[3] <= 2 for r in sure]) if sure else np.nan
        known = [r[3] for r in sure if r[4] and r[3] <= 2]
        error = f"{np.median(known):.3f}" if known else ""
        print(f"| {label} | {len(part)} | {len(sure) / len(part):.3f} | {within:.3f} | {error} |")


if __name__ == "__main__":
    main()
