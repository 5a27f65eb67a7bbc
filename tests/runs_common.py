"""What the tests of batch runs share: tiny inputs, their answers, a disk that fails."""

import errno
import hashlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import matcher
from matcher.errors import MatcherError
from matcher.formats import files
from matcher.formats.official import write_images, write_patches
from matcher.result import Result
from matcher.runs import Batch
from matcher.runs.engines import Work

SIZE, SIDE = 64, 20


def pictures(images=3, patches=11, seed=0, size=SIZE, side=SIDE):
    """Images and patches cut from them, in [-1, 1], float16."""
    rng = np.random.default_rng(seed)
    noise = (gaussian_filter(rng.normal(size=(size, size, 4)), (1, 1, 0)) for _ in range(images))
    dn = [(n * 3000 + 2000).clip(1, 4095) for n in noise]
    made = [(d / 2047.5 - 1).astype(np.float16) for d in dn]
    corners = rng.integers(0, size - side, (patches, 2))
    cut = [made[k % images][y : y + side, x : x + side] for k, (y, x) in enumerate(corners.tolist())]
    return made, cut


def write_inputs(folder: Path, **options):
    """The pictures as official files: their paths, ids from 100 and from 1000."""
    images, patches = pictures(**options)
    paths = folder / "images.tfrecords", folder / "patches.tfrecords"
    write_images(paths[0], images, range(100, 100 + len(images)))
    write_patches(paths[1], patches, range(1000, 1000 + len(patches)))
    return paths


def outputs(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "submission.csv").read_bytes(), (folder / "details.csv").read_bytes()


def expected_outputs(folder: Path, images, patches, **options) -> tuple[bytes, bytes]:
    """What an uninterrupted match without a run directory writes."""
    result = matcher.match(images, patches, **options)
    folder.mkdir(exist_ok=True)
    result.to_submission(folder / "submission.csv")
    result.to_details(folder / "details.csv")
    return outputs(folder)


def shard_files(folder: Path) -> list[Path]:
    return sorted((folder / "shards").glob("*.shard")) if (folder / "shards").is_dir() else []


class Killed(BaseException):
    """The process is dead: nothing of it runs any more."""


class DyingLayer(files.Layer):
    """A disk whose process dies at its Nth operation, half of a write done; or fails there with an error."""

    def __init__(self, at: int = -1, error: int | None = None) -> None:
        self.at, self.error, self.count = at, error, 0
        self.log: list[str] = []
        self.hit: str | None = None

    def step(self, name: str) -> None:
        if self.hit is not None and self.error is None:
            raise Killed
        self.log.append(name)
        self.count += 1
        if self.count - 1 == self.at:
            self.hit = name
            if self.error is None:
                raise Killed
            raise OSError(self.error, os.strerror(self.error))

    def raw(self, descriptor: int) -> io.RawIOBase:
        return _DyingFile(descriptor, self)

    def sync(self, descriptor: int) -> None:
        self.step("sync")
        super().sync(descriptor)

    def replace(self, old: str, new: str) -> None:
        self.step("replace")
        super().replace(old, new)

    def sync_folder(self, folder: str) -> None:
        self.step("sync_folder")
        super().sync_folder(folder)

    def remove(self, path: str) -> None:
        self.step("remove")
        super().remove(path)


class _DyingFile(io.FileIO):
    def __init__(self, descriptor: int, layer: DyingLayer) -> None:
        super().__init__(descriptor, "wb")
        self._layer = layer

    def write(self, data):
        layer = self._layer
        try:
            layer.step("write")
        except BaseException:
            if layer.hit == "write" and layer.count - 1 == layer.at:
                super().write(memoryview(data)[: len(data) // 2])
            raise
        return super().write(data)


class Answering:
    """An engine that knows the answers: what is tested is all around it."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.asked: list[tuple[int, int]] = []

    def __call__(self, work: Work):
        for shard in work.shards:
            self.asked.append((shard.start, shard.stop))
            yield shard, part_of(self.result, shard.start, shard.stop)


def part_of(result: Result, start: int, stop: int) -> Result:
    names = result.__dataclass_fields__
    return Result(**{name: getattr(result, name)[start:stop] for name in names})


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(matcher.__file__).parents[1])}


def python(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the interpreter, its output taken as text."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**environment(), **options.pop("env", {})},
        timeout=options.pop("timeout", 300),
        check=False,
        **options,
    )


CLI = ("-c", "from matcher.cli import main; main()")
SMALL = Batch(shard_size=4)
NO_SPACE, BROKEN = errno.ENOSPC, errno.EIO


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()


class Trapped:
    """Patches in memory, one of which does harm when a worker process reads it, so many times.

    Each time a file is left that says how many shards were finished by then. Mode "last" waits for so many others.
    """

    def __init__(self, patches, trap: int, mode: str, times: int, folder: Path, others: int = 0) -> None:
        self.name = "trapped patches"
        self.ids = np.arange(1000, 1000 + len(patches))
        self._patches, self._trap, self._mode, self._times = patches, trap, mode, times
        self._folder, self._others = folder, others
        folder.mkdir(exist_ok=True)

    def __len__(self) -> int:
        return len(self._patches)

    def shape(self, index: int) -> tuple[int, int, int]:
        return self._patches[index].shape

    def where(self, index: int) -> str:
        return f"{self.name}, picture {index}"

    def sprung(self) -> list[int]:
        return [
            int(path.read_text())
            for path in sorted(self._folder.glob("trap*"), key=lambda p: p.stat().st_mtime_ns)
        ]

    def __getitem__(self, index: int):
        if (
            index == self._trap
            and multiprocessing.parent_process() is not None
            and len(self.sprung()) < self._times
        ):
            count = len(shard_files(self._folder / "run"))
            if self._mode == "last":
                while count < self._others:
                    time.sleep(0.01)
                    count = len(shard_files(self._folder / "run"))
            (self._folder / f"trap-{os.getpid()}").write_text(str(count))
            if self._mode in ("kill", "last"):
                os.kill(os.getpid(), signal.SIGKILL)
            elif self._mode == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            elif self._mode == "hang":
                time.sleep(600)
            elif self._mode == "memory":
                raise MemoryError
            elif self._mode == "fault":
                raise MatcherError(f"{self.where(index)}: sprang")
            elif self._mode == "bug":
                raise ZeroDivisionError("a bug")
        return self._patches[index]
