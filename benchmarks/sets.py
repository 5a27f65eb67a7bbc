"""Sets to measure on, made once and kept: simulated ones, and real places cut by ``cut.py``."""

import importlib.util
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matcher.formats.official import write_images, write_patches
from matcher.formats.submission import write_submission
from matcher.placements import Placements
from matcher.simulate import simulate

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".benchmarks" / "sets"
DATA = Path(os.environ.get("MATCHER_DATA", ROOT.parent / "shared" / "data"))
MADE = "made.json"  # written last: a folder without it is not whole
_IMAGES = ("test_images.tfrecords", "images.npz", "images.npy")
_PATCHES = ("test_patches.tfrecords", "patches.npz")


@dataclass(frozen=True)
class Set:
    """Files of images, patches and answers; `groups` where there is such a file; seconds that making it took."""

    folder: Path
    images: Path
    patches: Path
    answers: Path
    groups: Path | None
    seconds: float

    @classmethod
    def of(cls, folder: Path) -> "Set":
        """The set in a folder, as `matcher simulate` or ``cut.py`` wrote it."""
        made = Path(folder, MADE)
        groups = Path(folder, "groups.csv")
        return cls(
            Path(folder),
            _first(folder, _IMAGES),
            _first(folder, _PATCHES),
            _first(folder, ("answers.csv",)),
            groups if groups.is_file() else None,
            json.loads(made.read_text())["seconds"] if made.is_file() else 0.0,
        )


def simulated(cache: Path, images: int, patches_per_image: int, size: int = 512, seed: int = 8) -> Set:
    """A set of the synthetic Earth, in the official form."""

    def make(folder: Path) -> None:
        simulate(folder, images=images, patches_per_image=patches_per_image, seed=seed, size=size)

    return _cached(cache / f"simulated-{images}x{size}-{patches_per_image}-{seed}", make)


def real(cache: Path, images: int, patches: int, largest: int = 512, side: int = 64, seed: int = 8) -> Set:
    """Real places, turned and flipped tiles among them until there are so many images, and so many patches.

    Patches are cut from every tile at random, as many as that needs: they overlap, their dates and places differ.
    """

    def make(folder: Path) -> None:
        cut = load_cut()
        places = cut.read_places("*.npz")
        if not places:
            raise SystemExit(f"{DATA / 'places'}: no places are there")
        pictures, cuts, answers, groups = _cut_many(cut, places, patches, largest, side, seed)
        pictures = cut.add_distractors(pictures, images, np.random.default_rng([seed, 0, 1]))
        _write(cut, folder, pictures, cuts)
        columns = np.array(answers, np.int64)
        write_submission(
            folder / "answers.csv",
            Placements(np.arange(len(columns)), columns[:, 0], columns[:, 1], columns[:, 2]),
        )
        header = ["Patch ID", "group", "place", "target date", "patch date"]
        cut.write_csv(folder / "groups.csv", header, [(k, *group) for k, group in enumerate(groups)])

    return _cached(cache / f"real-{images}x{largest}-{patches}x{side}-{seed}", make)


def load_cut():
    """The module ``cut.py`` of the real places."""
    path = DATA / "cut.py"
    if not path.is_file():
        raise SystemExit(f"{path}: is not there; say where the real places are in MATCHER_DATA")
    spec = importlib.util.spec_from_file_location("cut", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cut_many(cut, places, patches: int, largest: int, side: int, seed: int):
    """One round with so many patches a tile that there are enough, all of which lie in its tiles."""
    _, one, _, _ = cut.cut(places, 1, np.random.default_rng(seed), side, largest)
    if not one:
        raise SystemExit(f"no tile of these places holds a patch of {side} px")
    per_tile = -(-patches // len(one))
    while True:
        pictures, *rest = cut.cut(places, per_tile, np.random.default_rng(seed), side, largest)
        if len(rest[0]) >= patches:
            return (pictures, *(some[:patches] for some in rest))  # in random order already
        per_tile += -(-per_tile // 10)  # some tries fell on pixels without data


def _write(cut, folder: Path, pictures, cuts) -> None:
    """Official records where all pictures are of one size, npz where they are not (records of theirs say no shape)."""
    if len({picture.shape for picture in pictures}) == 1:
        write_images(folder / "test_images.tfrecords", (cut.official(dn) for dn in pictures))
    else:
        np.savez(folder / "images.npz", **{str(k): dn for k, dn in enumerate(pictures)})
    if len({picture.shape for picture in pictures}) == 1:  # both sides in one value range
        write_patches(folder / "test_patches.tfrecords", (cut.official(dn) for dn in cuts))
    else:
        np.savez(folder / "patches.npz", patches=np.stack(cuts), ids=np.arange(len(cuts)))


def _cached(folder: Path, make) -> Set:
    """The set in a folder, made in a temporary one beside it where it is not there yet."""
    if not (folder / MADE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as temporary:
            work = Path(temporary, "set")
            work.mkdir()
            start = time.perf_counter()
            make(work)
            (work / MADE).write_text(json.dumps({"seconds": time.perf_counter() - start}))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(work, folder)
    return Set.of(folder)


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if Path(folder, name).is_file():
            return Path(folder, name)
    raise SystemExit(f"{folder}: holds none of {', '.join(names)}")
