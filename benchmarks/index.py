#!/usr/bin/env python3
"""Time, memory and bytes read of chips by an index, from process start to the answer, beside a match of the images.

    python benchmarks/index.py [--images 600] [--side 512] [--chip 64] [--scene 0] [--scenes 2] [--scene-chip 96]
                               [--repeats 3] [--folder DIR]

Images are smoothed noise, of which chips are cut and changed; each command is a process of its own, its kernels were
compiled and its files read before, and the fastest of the repeats counts. With ``--scene 10980`` scenes of so many
pixels a side are made, indexed in pieces and searched too (extra ``geo``): one by itself, and all of them, from which
follows what 40 of them take. Printed: seconds; the most memory, with what is mapped of files and without it; bytes of
the index; and what is read of the disk once all files of it were let go of (Linux).
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

COUNTS = (1, 100)  # chips
TILES, TILE = 40, 10980  # that are worked out, and their pixels a side
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


@dataclass(frozen=True)
class Run:
    """What a command took: seconds, and MiB that it held at most, of these its own, and that it read of the disk."""

    seconds: float
    held: float
    own: float
    read: float

    def __str__(self) -> str:
        return f"{self.seconds:7.2f} s {self.held:7,.0f} MiB, without files {self.own:,.0f} MiB"


def run(*arguments: object) -> Run:
    """Run a command."""
    start = time.perf_counter()
    # As an installed package has it: its modules are compiled once and not at every start.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "matcher", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
        )
        own, status = 0, 0
        while True:
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                break
            own = max(own, _own_memory(child.pid))
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        if status:
            said.seek(0)
            raise SystemExit(f"matcher {' '.join(map(str, arguments))}: {said.read().decode()}")
    return Run(seconds, usage.ru_maxrss / 1024, own / 1024, usage.ru_inblock * 512 / 2**20)


def _own_memory(process: int) -> int:
    """KiB that a process holds now, without what is mapped of files; 0 where that is not told."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def best(repeats: int, *arguments: object) -> Run:
    """The fastest of some runs after one that does not count."""
    run(*arguments)
    return min((run(*arguments) for _ in range(repeats)), key=lambda one: one.seconds)


def read_by(folders: Sequence[Path], *arguments: object) -> float:
    """MiB that a command reads of the disk where nothing of these files, or folders of files, is in memory."""
    for folder in folders:
        for path in [folder] if folder.is_file() else folder.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return run(*arguments).read


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
    made = run("index", folder / "images.npy", "-o", folder / "index", "--size", options.chip, "-q")
    size = sum(path.stat().st_size for path in (folder / "index").iterdir())
    yield f"{options.images} images of {options.side} px: index {size / 2**20:,.0f} MiB, {made}"
    for count in COUNTS:
        chips = folder / f"chips{count}.npy"
        for what, name in (("index", "an index"), ("images.npy", "the images")):
            asked = ("match", folder / what, chips, "-o", folder / f"{what}.csv", "-q")
            yield f"{count:4d} chips of {options.chip} px by {name}: {best(options.repeats, *asked)}"
            if what == "index":
                read = read_by([folder / "index", folder / "images.npy"], *asked)
                yield f"     read: {read:,.0f} MiB, {read / count:,.1f} a chip"
        same = (folder / "index.csv").read_bytes() == (folder / "images.npy.csv").read_bytes()
        yield f"     the same bytes: {same}"


def draw_scenes(folder: Path, options: argparse.Namespace) -> None:
    """Scenes, all but the first of the first one's blocks in another order, turned; and chips of the first."""
    import rasterio

    rng, size, side = np.random.default_rng(2), options.scene, options.scene_chip
    starts = range(0, size, BLOCK)
    form = {"driver": "GTiff", "height": size, "width": size, "count": 4, "dtype": "uint16", "tiled": True}
    blocks = {
        (y, x): texture(min(BLOCK, size - y), min(BLOCK, size - x), rng) for y in starts for x in starts
    }
    some = [block for block in blocks.values() if min(block.shape[:2]) >= side][:8]
    for number in range(options.scenes):
        where = rasterio.Affine(10, 0, 5e5 + 2e5 * number, 0, -10, 6e6)
        whole = [place for place, block in blocks.items() if block.shape[:2] == (BLOCK, BLOCK)]
        other = dict(zip(whole, rng.permutation(whole).tolist(), strict=True))
        with rasterio.open(
            folder / f"scene{number}.tif", "w", **form, crs="EPSG:32631", transform=where
        ) as file:
            file.descriptions = ("red", "green", "blue", "nir")
            for (y, x), own in blocks.items():
                moved = number > 0 and (y, x) in other
                block = np.rot90(blocks[tuple(other[y, x])], int(rng.integers(1, 4))) if moved else own
                window = rasterio.windows.Window(x, y, block.shape[1], block.shape[0])
                file.write(np.moveaxis(block, -1, 0), window=window)
    for count in COUNTS:
        (folder / f"chips-{count}").mkdir()
        for k, chip in enumerate(chips_of(some, side, count, rng)):
            own = {**form, "height": side, "width": side, "tiled": False}
            with rasterio.open(folder / f"chips-{count}" / f"{k}.tif", "w", **own) as file:
                file.write(np.moveaxis(chip, -1, 0))
                file.descriptions = ("red", "green", "blue", "nir")


def scenes(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """The figures of one scene and of several by locate, and of 40."""
    apart(draw_scenes, folder, options)
    took: dict[tuple[int, int], Run] = {}
    read: dict[tuple[int, int], float] = {}
    numbers = sorted({1, options.scenes})
    place, files = folder / "scenes", [folder / f"scene{k}.tif" for k in range(options.scenes)]
    for number in numbers:
        if number == 1:
            made = run("index", files[0], "-o", place, "--size", options.scene_chip, "--cut", "pieces", "-q")
        else:
            made = run("index", "add", place, *files[1:], "-q")
        size = sum(path.stat().st_size for path in place.iterdir())
        yield f"{number} scenes of {options.scene} px: index {size / 2**20:,.0f} MiB, made or added to {made}"
        for count in COUNTS:
            out = ("--scale", 1, "--min-confidence", 0, "-q", "-o", folder / "places.csv")
            asked = ("locate", folder / f"chips-{count}", "in", place, *out)
            took[number, count] = best(options.repeats, *asked)
            read[number, count] = read_by([place, *files[:number]], *asked)
            yield (
                f"{count:4d} chips of {options.scene_chip} px: {took[number, count]}; read {read[number, count]:,.0f} "
                f"MiB, {read[number, count] / count:,.1f} a chip"
            )
    if len(numbers) > 1:
        more = (TILES * (TILE / options.scene) ** 2 - 1) / (
            numbers[1] - 1
        )  # times what the further scenes added
        for count in COUNTS:
            one, every = took[1, count], took[numbers[1], count]
            seconds = one.seconds + (every.seconds - one.seconds) * more
            own = one.own + (every.own - one.own) * more
            bytes_ = read[1, count] + (read[numbers[1], count] - read[1, count]) * more
            yield (
                f"{TILES} tiles of {TILE} px, worked out, {count} chips: {seconds:.0f} s, without files {own:,.0f} "
                f"MiB, read {bytes_:,.0f} MiB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--chip", type=int, default=64)
    parser.add_argument("--scene", type=int, default=0, help="pixels a side of a scene; none by default")
    parser.add_argument("--scenes", type=int, default=2, help="how many")
    parser.add_argument("--scene-chip", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where files are made; by default one that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if options.images:
            for line in images(Path(name), options):
                print(line, flush=True)
        if options.scene:
            for line in scenes(Path(name), options):
                print(line, flush=True)


if __name__ == "__main__":
    main()
