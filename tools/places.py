#!/usr/bin/env python3
"""Make the real places again, which the challenges and figures of docs/ are cut from, out of public repositories.

    python tools/places.py OUT [--clones DIR] [--only NAME,...|places]

Writes OUT/places/*.npz and OUT/more/*/*.npz, and cut.py beside them, so that MATCHER_DATA=OUT serves every tool here,
and checks each place against its checksum in docs/places.json: the arrays' names, types, shapes and bytes. Exit code 1
says that one differs. `--only places` makes the sixteen that the challenges are cut from, out of four repositories.
Clones are looked for as DIR/OWNER+NAME, DIR/OWNER/NAME and DIR/NAME; what is not there is cloned into OUT/clones.
Reads the commits named below, so that a later state of a repository does no harm. Needs rasterio (extra geo).

Images are DN: reflectance x 10,000, clipped to 0..4095. Rights: Sentinel-2 is free and open (contains modified
Copernicus Sentinel data), NAIP and Landsat are in the public domain.
"""

import argparse
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from protocol import array_checksum

RECORD = Path(__file__).parents[1] / "docs" / "places.json"
RGBN, SENTINEL = ("red", "green", "blue", "nir"), ("B04", "B03", "B02", "B08")
CEILING = 4095
Files = dict[str, NDArray]


@dataclass(frozen=True)
class Source:
    """A clone at a commit."""

    clone: Path
    commit: str

    def names(self, folder: str) -> list[str]:
        """The files in a folder."""
        listed = self._git("ls-tree", "-r", "-z", "--name-only", self.commit, "--", folder)
        return [name for name in listed.decode().split("\0") if name]

    def read(self, path: str) -> bytes:
        """A file."""
        return self._git("cat-file", "blob", f"{self.commit}:{path}")

    def one(self, folder: str, part: str, ending: str) -> bytes:
        """The one file in a folder whose name has a part and an ending."""
        found = [name for name in self.names(folder) if part in name and name.endswith(ending)]
        if len(found) != 1:
            raise SystemExit(
                f"{self.clone}: has {len(found)} files in {folder} with {part} and {ending}, not one"
            )
        return self.read(found[0])

    def _git(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", "-C", str(self.clone), *arguments], capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{self.clone}: {done.stderr.decode().strip()}")
        return done.stdout


def raster(data: bytes) -> tuple[NDArray, dict]:
    """A raster's bands (bands, height, width), and what it says of itself."""
    from rasterio.io import MemoryFile

    with warnings.catch_warnings(), MemoryFile(data) as file:
        warnings.simplefilter("ignore")  # some have no place on the Earth
        with file.open() as dataset:
            return dataset.read(), dict(dataset.profile)


def picture(data: bytes) -> NDArray:
    """A PNG or JPEG, (height, width)."""
    return np.asarray(Image.open(io.BytesIO(data)))


def place(
    images: list[NDArray], bands: tuple[str, ...], dates: list[str], group: str, **more: NDArray
) -> Files:
    """The arrays of a place's file."""
    stack = np.clip(np.stack(images), 0, CEILING).astype(np.uint16)
    return {
        "images": stack,
        "bands": np.array(bands),
        "dates": np.array(dates),
        "group": np.array(group),
        **more,
    }


# Row and column by which the ground of the second date lies off: the median of a phase correlation of gradient
# magnitude over windows, to 0.05 px. It is a measurement, kept with the place and not made again here.
SHIFTS = {
    "aguasclaras": (0, 0.3), "beihai": (-0.8, -0.85), "bordeaux": (0.2, -0.85), "brasilia": (-0.25, 0.1),
    "chongqing": (-0.25, 0.05), "dubai": (-0.15, -0.7), "hongkong": (-0.25, -0.15), "milano": (-0.05, -0.25),
    "montpellier": (0.1, -0.35), "norcia": (0.3, 0.1), "pisa": (0.95, 0.2), "rennes": (0.05, -0.05),
    "valencia": (-1, 0.65),
}  # fmt: skip


def city(source: Source, name: str) -> Files:
    """A pair of the Onera set, as it was before it was warped; a second date of another grid brought to the first."""
    folder = f"Dataset/OSCD/Onera Satellite Change Detection dataset - Images/{name}"
    pair = [[raster(source.one(folder, f"/imgs_{k}/", f"_{band}.tif")) for band in SENTINEL] for k in (1, 2)]
    first, second = (np.stack([bands[0] for bands, _ in date]) for date in pair)
    if first.shape != second.shape:
        second = regridded(second, pair[1][0][1], first.shape[1:], pair[0][0][1])
    words = source.read(f"{folder}/dates.txt").decode().split()
    dates = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (words[1], words[3])]
    images = [np.moveaxis(date, 0, -1) for date in (first, second)]
    return place(images, RGBN, dates, "cities", shift_yx=np.array(SHIFTS[name], np.float32))


def regridded(bands: NDArray, own: dict, shape: tuple[int, int], wanted: dict) -> NDArray:
    """Bands (bands, height, width) on another grid, by GDAL's cubic convolution in single precision."""
    from rasterio.warp import Resampling, reproject

    out = np.zeros((len(bands), *shape), np.float32)
    grids = {
        f"{side}_{key}": of[key]
        for side, of in (("src", own), ("dst", wanted))
        for key in ("crs", "transform")
    }
    reproject(bands.astype(np.float32), out, resampling=Resampling.cubic, **grids)
    return np.rint(out)


def deurne(source: Source, _name: str) -> Files:
    """A bog on nine dates; 65,535 stands for a reflectance of 1."""
    dates = sorted({name.split("/")[1][:10] for name in source.names("data") if "_B04_" in name})
    images = []
    for date in dates:
        bands = [raster(source.one("data", f"/{date}-", f"_{band}_(Raw).tiff"))[0][0] for band in SENTINEL]
        images.append(np.rint(np.stack(bands, -1) * 10_000.0 / 65_535))
    return place(images, RGBN, dates, "seasons")


def tile(source: Source, name: str) -> Files:
    """Five dates of a Sentinel-2 tile, decimated to 120 m: its part without the edge of the orbit."""
    folder = "tests/testdata/sentinel2/full_products/sentinel-2-l2a"
    images, dates = [], ["2023-08-10", "2023-08-13", "2023-08-15", "2023-08-18", "2023-08-20"]
    for date in dates:
        day = f"{name[1:]}_{date.replace('-', '')}"
        bands = [raster(source.one(folder, day, f"/{band}.tif"))[0][0] for band in SENTINEL]
        images.append(np.stack(bands, -1)[:640, 7:647])
    return place(images, RGBN, dates, "clouds")


def potholes(source: Source, _name: str) -> Files:
    """Ten summers of aerial pictures of 8 bit at 5 m, brought to 10 m."""
    names = [name for name in source.names("naip") if "/m_4709963_se_14_1_" in name]
    images, dates = [], []
    for name in sorted(names):
        whole = np.moveaxis(raster(source.read(name))[0], 0, -1)
        high, wide = whole.shape[0] // 2, whole.shape[1] // 2
        blocks = whole[: 2 * high, : 2 * wide].reshape(high, 2, wide, 2, -1)[:361]
        images.append(np.rint(blocks.mean(axis=(1, 3))) * 16)
        day = name.rsplit("_", 1)[1]
        dates.append(f"{day[:4]}-{day[4:6]}-{day[6:8]}")
    return place(images, RGBN, dates, "farmland")


def alps(source: Source, name: str) -> Files:
    """Five dates of 8 bit, at about 107 m: red and near infrared, or the picture in true colour as gray."""
    kinds = {"bands2/alps": ("B04", "B08"), "bands1/alps": ("TCI",)}[name]
    folder = "Alps_dataset_2024"
    dates = sorted({name.split("_")[-3][:8] for name in source.names(f"{folder}/B04")})
    images = [
        np.stack([picture(source.one(f"{folder}/{kind}", date, ".png")) for kind in kinds], -1) * 16.0
        for date in dates
    ]
    return place(images, ("red", "nir")[: len(kinds)], dates, "snow")


def landsat(source: Source, scene: str) -> NDArray:
    """Red, green, blue and near infrared of a Landsat 8 scene, (height, width, bands)."""
    with tarfile.open(fileobj=io.BytesIO(source.one("data", scene, ".tar.gz"))) as archive:
        files = {member.name.rsplit("_", 1)[-1]: member for member in archive.getmembers()}
        read = [archive.extractfile(files[f"{band}.TIF"]).read() for band in ("B4", "B3", "B2", "B5")]
    return np.stack([raster(data)[0][0] for data in read], -1)


def corumba(source: Source, _name: str) -> Files:
    """A wetland before and after a fire: level 1, reflectance at the top of the atmosphere."""
    dates = ["20190809", "20190825"]
    scenes = [landsat(source, f"_L1TP_227074_{date}_") for date in dates]
    return place([np.rint((dn * 2e-5 - 0.1) * 10_000) for dn in scenes], RGBN, dates, "wetland")


def brumadinho(source: Source, _name: str) -> Files:
    """Hills before and after a dam broke: level 2, what both show; 0 where a band has no data."""
    dates, images = {"20190114": 30, "20190130": 0}, []
    for date, left in dates.items():
        dn = landsat(source, f"_L2SP_218074_{date}_")[:, left : left + 370]
        values = np.rint((dn.astype(np.float32) * np.float32(2.75e-5) - np.float32(0.2)) * 1e4)
        images.append(np.where((dn > 0).all(-1, keepdims=True), np.maximum(values, 1), 0))
    return place(images, RGBN, list(dates), "hills")


def madre(source: Source, _name: str) -> Files:
    """Before and after a fire: short-wave infrared, near infrared and red of 8 bit; 0 would mean no data."""
    images = []
    for when in ("Before", "After"):
        bands = raster(source.read(f"Outputs/{when}_fire_composite.tif"))[0][:, 480:790, 560:1140]
        images.append(np.maximum(np.moveaxis(bands, 0, -1) * 16.0, 16))
    return place(images, RGBN[:3], ["before", "after"], "burn")


HALVED = {  # files, the pixel (row, column) of each that the two have in common, size and what it is
    "bands1/andasol": (("Andasol/Andasol_09051987", "Andasol/Andasol_09122013"), ((2, 0), (0, 0)), (599, 600),
                       ["1987", "2013"], "arid"),
    "bands1/dubai_usgs": (("Dubai/Dubai_11272000", "Dubai/Dubai_11122012"), ((0, 6), (4, 0)), (798, 797),
                          ["2000", "2012"], "desert"),
}  # fmt: skip


def halved(source: Source, name: str) -> Files:
    """Two dates of Landsat in gray, at half the size; 0 would mean no data."""
    files, corners, (high, wide), dates, group = HALVED[name]
    images = []
    for file, (top, left) in zip(files, corners, strict=True):
        whole = picture(source.read(f"images/{file}.jpg"))[top : top + 2 * high, left : left + 2 * wide]
        images.append(np.maximum(whole.reshape(high, 2, wide, 2).mean(axis=(1, 3)) * 16, 16)[..., np.newaxis])
    return place(images, ("red",), dates, group)


def arcadia(source: Source, _name: str) -> Files:
    """The same of two pictures of which the second has two rows less: it is brought to the first's shape."""
    first, second = (
        picture(source.read(f"images/ArcadiaLake/ArcadiaLake{year}.jpg")).astype(np.float32)
        for year in (1986, 2011)
    )
    second = cv2.resize(second, first.shape[::-1], interpolation=cv2.INTER_LINEAR)
    halves = [cv2.resize(one, (800, 798), interpolation=cv2.INTER_AREA) for one in (first, second)]
    images = [np.maximum(np.rint(half * 16), 16)[..., np.newaxis] for half in halves]
    return place(images, ("red",), ["1986", "2011"], "arable")


ONERA = ("ChenHongruixuan/ChangeDetectionRepository", "020f7702f235001ea0b2abac054651ab28aeeb0f")
SEIR = ("catobrinkhof/SEIR_finalproject_2025", "1f00406db0e3f48186d2ad534aee836c8fed9317")
EO = ("mapchete/mapchete-eo", "bcea0fbf4b29b69a8743ea36ab1e76cb01408cf7")
DATA = ("opengeos/data", "6d9ff544d3adcf4d87bcd694068f4b510a0fdf27")
ALPS = ("HannaVasiunyk/Sentinel-2-image-matching", "bd6105c26429e5902318645749e26c1b7b4a3db0")
XLANDSAT = ("compgeolab/xlandsat", "20c25691d4e30d026a90e0a64d9f2e087634b3dc")
MADRE = ("Anpanman11111/Madre-fire-burn-severity-2025", "0450d62651f582aefc2d52beaae12dc7f9548c12")
USGS = (
    "ChaymaBouzaidii/Change-detection-in-multitemporal-satellite-images",
    "a18484503fa867a8e4a73c9ca56dd979448c48f9",
)
PLACES: dict[str, tuple[tuple[str, str], Callable[[Source, str], Files]]] = {
    **dict.fromkeys(SHIFTS, (ONERA, city)),
    "deurne": (SEIR, deurne),
    "T33TWL": (EO, tile),
    "potholes": (DATA, potholes),
    "bands4/corumba": (XLANDSAT, corumba),
    "bands4/brumadinho": (XLANDSAT, brumadinho),
    "bands3/madre": (MADRE, madre),
    "bands2/alps": (ALPS, alps),
    "bands1/alps": (ALPS, alps),
    **dict.fromkeys(HALVED, (USGS, halved)),
    "bands1/arcadia": (USGS, arcadia),
}


def find_clone(repository: str, clones: Path | None, out: Path) -> Path:
    """A clone that is there, or one made by git in OUT/clones."""
    owner, name = repository.split("/")
    for folder in (clones, out / "clones"):
        for own in (f"{owner}+{name}", f"{owner}/{name}", name):
            for path in () if folder is None else (folder / own / "repo", folder / own):
                if (path / ".git").exists() or (path / "objects").is_dir():
                    return path
    path = out / "clones" / f"{owner}+{name}"
    print(f"cloning {repository}", file=sys.stderr, flush=True)
    command = ["git", "clone", "--quiet", "--no-checkout", f"https://github.com/{repository}", str(path)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{repository}: cannot be cloned; give a folder of clones with --clones")
    return path


def make(name: str, clones: Path | None, out: Path) -> Path:
    """Write a place's file, and say where it is."""
    (repository, commit), function = PLACES[name]
    files = function(Source(find_clone(repository, clones, out), commit), name)
    path = out / ("more" if "/" in name else "places") / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **files)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--clones", type=Path, help="a folder of clones")
    parser.add_argument(
        "--only",
        default=",".join(PLACES),
        help="some places, with commas between; places: those of OUT/places",
    )
    options = parser.parse_args()
    if importlib.util.find_spec("rasterio") is None:
        raise SystemExit("rasterio is not installed: python -m pip install -e '.[geo]'")
    sixteen = ",".join(name for name in PLACES if "/" not in name)
    only = sixteen if options.only == "places" else options.only
    wanted = json.loads(RECORD.read_text(encoding="utf-8"))["sha256"]
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parent / "cut.py", options.out / "cut.py")
    wrong = 0
    for name in only.split(","):
        if name not in PLACES:
            raise SystemExit(f"{name}: no place; there are {', '.join(PLACES)}")
        found = array_checksum(make(name, options.clones, options.out))
        wrong += found != wanted[name]
        print(f"{'same' if found == wanted[name] else 'DIFFERENT':10}{found[:16]} {name}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
