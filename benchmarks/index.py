#!/usr/bin/env python3
"""Time and memory of chips by an index, from process start to the answer, beside a match of the images themselves.

    python benchmarks/index.py [--images 600] [--side 512] [--chip 64] [--scene 0] [--scene-chip 96] [--repeats 3]
                               [--folder DIR]

Images are smoothed noise, of which chips are cut and changed; each command is a process of its own, its kernels were
compiled and its files read before, and the fastest of the repeats counts. With ``--scene 10980`` one scene of so many
pixels a side is made, indexed in pieces and searched too (extra ``geo``); what 40 of them take is worked out from it.
Printed: seconds and the most memory (mapped files counted in) of each, and bytes of the index.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

COUNTS = (1, 100)  # chips
TILES = 40
BLOCK = 1098  # px of a scene drawn at once


def texture(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Four bands of smoothed noise, most of it shared, DN."""

    def noise(sigma: float) -> NDArray[np.float32]:
        return gaussian_filter(rng.standard_normal((height, width), np.float32), sigma) * sigma

    shared = noise(1) + noise(2) + noise(6)
    return np.stack([((shared + noise(1.5)) * 500 + 1200).clip(1, 4095) for _ in range(4)], -1).astype(
        np.uint16
    )


def chips_of(
    pictures: Sequence[NDArray[np.uint16]], side: int, count: int, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Windows of pictures as another day might show them."""
    out = []
    for _ in range(count):
        picture = pictures[int(rng.integers(len(pictures)))]
        y, x = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
        out.append(picture[y : y + side, x : x + side] * 1.1 + rng.normal(0, 60, (side, side, 4)))
    return np.stack(out).clip(1, 4095).astype(np.uint16)


def run(*arguments: object) -> tuple[float, float]:
    """Seconds of a command, and the most MiB that it held."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "matcher", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = child.stderr.read().decode() if child.stderr else ""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"matcher {' '.join(map(str, arguments))}: {said}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def best(repeats: int, *arguments: object) -> str:
    """The fastest of some runs after one that does not count, in words."""
    run(*arguments)
    seconds, memory = min(run(*arguments) for _ in range(repeats))
    return f"{seconds:7.2f} s {memory:7.0f} MiB"


def apart(
    make: Callable[[Path, argparse.Namespace], None], folder: Path, options: argparse.Namespace
) -> None:
    """Make files in another process: what a process held before it began another counts as held by that too."""
    child = multiprocessing.get_context("spawn").Process(target=make, args=(folder, options))
    child.start()
    child.join()


def draw_images(folder: Path, options: argparse.Namespace) -> None:
    """Images, and chips of them."""
    rng = np.random.default_rng(1)
    shape = (options.images, options.side, options.side, 4)
    made = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint16, shape)
    for picture in made:
        picture[:] = texture(options.side, options.side, rng)
    for count in COUNTS:
        np.save(folder / f"chips{count}.npy", chips_of(made, options.chip, count, rng))
    made.flush()


def images(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """The figures of many images by match."""
    apart(draw_images, folder, options)
    run("index", folder / "images.npy", "-o", folder / "warm", "--size", options.chip, "-q")
    seconds, memory = run(
        "index", folder / "images.npy", "-o", folder / "index", "--size", options.chip, "-q"
    )
    size = sum(path.stat().st_size for path in (folder / "index").iterdir())
    told = f"{size / 2**20:,.0f} MiB, {seconds:.1f} s {memory:.0f} MiB"
    yield f"{options.images} images of {options.side} px: index {told}"
    for count in COUNTS:
        for what in ("index", "images.npy"):
            told = best(
                options.repeats,
                "match",
                folder / what,
                folder / f"chips{count}.npy",
                "-o",
                folder / f"{what}.csv",
                "-q",
            )
            yield f"{count:4d} chips of {options.chip} px by {'an index' if what == 'index' else 'the images'}: {told}"
        same = (folder / "index.csv").read_bytes() == (folder / "images.npy.csv").read_bytes()
        yield f"     the same bytes: {same}"


def draw_scene(folder: Path, options: argparse.Namespace) -> None:
    """A scene, and chips of its first blocks."""
    import rasterio

    rng, size, side = np.random.default_rng(2), options.scene, options.scene_chip
    starts = range(0, size, BLOCK)
    form = {"driver": "GTiff", "height": size, "width": size, "count": 4, "dtype": "uint16", "tiled": True}
    some: list[NDArray[np.uint16]] = []
    with rasterio.open(
        folder / "scene.tif",
        "w",
        **form,
        crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 6e6),
    ) as file:
        file.descriptions = ("red", "green", "blue", "nir")
        for y in starts:
            for x in starts:
                block = texture(min(BLOCK, size - y), min(BLOCK, size - x), rng)
                if min(block.shape[:2]) >= side and len(some) < 8:
                    some.append(block)
                window = rasterio.windows.Window(x, y, block.shape[1], block.shape[0])
                file.write(np.moveaxis(block, -1, 0), window=window)
    for count in COUNTS:
        (folder / f"scene{count}").mkdir()
        for k, chip in enumerate(chips_of(some, side, count, rng)):
            own = {**form, "height": side, "width": side, "tiled": False}
            with rasterio.open(folder / f"scene{count}" / f"{k}.tif", "w", **own) as file:
                file.write(np.moveaxis(chip, -1, 0))
                file.descriptions = ("red", "green", "blue", "nir")


def scene(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """The figures of one scene by locate, and of 40."""
    side = options.scene_chip
    apart(draw_scene, folder, options)
    place = folder / "scene-index"
    seconds, memory = run("index", folder / "scene.tif", "-o", place, "--size", side, "--cut", "pieces", "-q")
    held = sum(path.stat().st_size for path in place.iterdir())
    yield f"a scene of {options.scene} px: index {held / 2**20:,.0f} MiB, {seconds:.1f} s {memory:.0f} MiB"
    took = {}
    for count in COUNTS:
        chips, scale = (
            folder / f"scene{count}",
            ("--scale", 1, "--min-confidence", 0, "-q", "-o", folder / "places.csv"),
        )
        run("locate", chips, "in", place, *scale)
        took[count], memory = min(run("locate", chips, "in", place, *scale) for _ in range(options.repeats))
        yield f"{count:4d} chips of {side} px: {took[count]:7.2f} s {memory:7.0f} MiB"
    most = {count: seconds * TILES for count, seconds in took.items()}
    yield f"{TILES} such scenes, worked out: at most {most[1]:.0f} s for 1 chip, {most[100]:.0f} s for 100"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--chip", type=int, default=64)
    parser.add_argument("--scene", type=int, default=0, help="pixels a side of a scene; none by default")
    parser.add_argument("--scene-chip", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where files are made; by default one that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if options.images:
            for line in images(Path(name), options):
                print(line, flush=True)
        if options.scene:
            for line in scene(Path(name), options):
                print(line, flush=True)


if __name__ == "__main__":
    main()
