"""A challenge on the disk: images, patches, answers, and where every patch came from."""

import csv
import json
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from matcher.cutting.options import CutOptions
from matcher.cutting.windows import cut_place
from matcher.errors import MatcherError
from matcher.formats.filled import file_checksum
from matcher.formats.official import write_images, write_patches
from matcher.formats.series import Series
from matcher.formats.submission import write_submission
from matcher.imagery import to_official
from matcher.placements import Placements
from matcher.version import VERSION

MANIFEST = (
    "Patch ID", "place", "group", "file", "target date", "patch date", "gap", "row", "column", "tile row",
    "tile column", "target cloud", "patch cloud", "season gap", "cloud", "texture", "size",
)  # fmt: skip


def file_names(form: str) -> tuple[str, ...]:
    """The files of a challenge of one form."""
    pixels = (
        ("test_images.tfrecords", "test_patches.tfrecords")
        if form == "official"
        else ("images.npz", "patches.npy")
    )
    return (*pixels, "answers.csv", "manifest.csv", "manifest.json")


class ChallengeWriter:
    """One challenge as it is cut: pixels go to the disk at once, patches by way of a scratch file."""

    def __init__(self, folder: Path, options: CutOptions) -> None:
        self.folder, self.options = folder, options
        folder.mkdir(exist_ok=True)
        self._scratch: list[IO[bytes]] = [tempfile.TemporaryFile(dir=folder) for _ in range(2)]  # noqa: SIM115
        self._shapes: list[tuple[int, int, int]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._answers: list[tuple[int, int, int]] = []
        self._places = 0

    def add(self, series: Series) -> None:
        """Cut one place."""
        before = len(self._rows)
        for tile in cut_place(series, self.options):
            image = tile.image
            if self._shapes and image.shape[2] != self._shapes[0][2]:
                raise MatcherError(
                    f"{series.file}: has {image.shape[2]} bands, the first series has {self._shapes[0][2]}"
                )
            self._scratch[0].write(image.tobytes())
            self._scratch[1].writelines(patch.tobytes() for patch in tile.patches)
            self._rows += tile.rows
            self._answers += [(len(self._shapes), x, y) for y, x in tile.corners]
            self._shapes.append(image.shape)
        self._places += len(self._rows) > before

    def finish(self) -> tuple[int, int, int]:
        """Write everything; the counts of places, images and patches."""
        count = len(self._rows)
        if count:
            order = np.random.default_rng([self.options.seed, count]).permutation(count)
            side, bands = self.options.side, self._shapes[0][2]
            self._write_pixels(
                _read_back(self._scratch[0], self._shapes, range(len(self._shapes))),
                _read_back(self._scratch[1], [(side, side, bands)] * count, order.tolist()),
                count,
            )
            image, x, y = np.array(self._answers)[order].T
            write_submission(self.folder / "answers.csv", Placements(np.arange(count), image, x, y))
            # The name of a file need not be text on Linux.
            with open(
                self.folder / "manifest.csv", "w", newline="", encoding="utf-8", errors="backslashreplace"
            ) as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(MANIFEST)
                rows.writerows((k, *self._rows[n]) for k, n in enumerate(order.tolist()))
        self.close()
        if count:
            self._write_manifest(count)
        return self._places, len(self._shapes), count

    def close(self) -> None:
        """Let go of the scratch files."""
        for scratch in self._scratch:
            scratch.close()

    def _write_pixels(self, images: Iterator[NDArray], patches: Iterator[NDArray], count: int) -> None:
        if self.options.form == "official":
            write_images(self.folder / "test_images.tfrecords", map(to_official, images))
            write_patches(self.folder / "test_patches.tfrecords", map(to_official, patches))
            return
        with zipfile.ZipFile(self.folder / "images.npz", "w") as archive:
            for k, image in enumerate(images):
                with archive.open(f"{k}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, image)
        side, bands = self.options.side, self._shapes[0][2]
        header = {"descr": "<u2", "fortran_order": False, "shape": (count, side, side, bands)}
        with open(self.folder / "patches.npy", "wb") as file:  # a full disk ends who writes through a map
            np.lib.format.write_array_header_1_0(file, header)
            file.writelines(patch.astype("<u2").tobytes() for patch in patches)

    def _write_manifest(self, count: int) -> None:
        files = {path.name: file_checksum(path) for path in sorted(self.folder.iterdir()) if path.is_file()}
        data = {
            "matcher": VERSION,
            "options": asdict(self.options),
            "places": self._places,
            "images": len(self._shapes),
            "patches": count,
            "sha256": files,
        }
        (self.folder / "manifest.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _read_back(
    scratch: IO[bytes], shapes: Sequence[tuple[int, int, int]], order: Sequence[int]
) -> Iterator[NDArray[np.uint16]]:
    sizes = [2 * h * w * b for h, w, b in shapes]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for k in order:
        scratch.seek(int(starts[k]))
        yield np.frombuffer(scratch.read(sizes[k]), np.uint16).reshape(shapes[k])
