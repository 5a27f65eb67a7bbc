"""A challenge cut from the synthetic Earth, written in the official form."""

import csv
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matcher import checks
from matcher.errors import MatcherError, SettingsError
from matcher.formats.filled import OutputFolder
from matcher.formats.official import DATES, write_images, write_patches, write_series
from matcher.formats.submission import write_submission
from matcher.imagery import to_official
from matcher.placements import Placements
from matcher.simulate.noise import Field
from matcher.simulate.world import SimulatedPlace, generator, make_place
from matcher.threads import usable_cores

BANDS = 4
SERIES_A_FILE = 100
GROUP_HEADER = (
    "Patch ID", "group", "season", "cloud", "snow", "place",
    "target date", "patch date", "target cloud", "patch cloud",
)  # fmt: skip
TEST, TRAINING = 0, 1  # streams of places

T = TypeVar("T")
StageProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Simulated:
    """What was written: the folder, and the counts of images, patches and series."""

    folder: Path
    images: int
    patches: int
    series: int


@dataclass(frozen=True)
class SimulatedCut:
    """One test place: target image, patches, their corners (n, 2) as (y, x), and a row of groups each."""

    image: NDArray[np.float16]
    patches: NDArray[np.float16]
    corners: NDArray[np.int64]
    groups: list[tuple[str, ...]]


def _share_name(share: float) -> str:
    return "clear" if share < 0.01 else "few" if share < 0.25 else "broken" if share < 0.75 else "overcast"


def _share(field: Field | None, y: int, x: int, side: int) -> float:
    return 0.0 if field is None else float(field[y : y + side, x : x + side].mean())


def cut_place(
    seed: int, number: int, size: int, count: int, side: int, cover: str | None = None
) -> SimulatedCut:
    """Test place ``number``: its first date is the target, patches are cut at random from its second."""
    place = make_place(seed, number, size, stream=TEST, cover=cover)
    rng = generator(seed, TEST, number, 3)
    corners = rng.integers(0, size - side + 1, (count, 2))
    target, other = place.scenes
    patches = np.stack([other.dn[y : y + side, x : x + side] for y, x in corners])
    groups = [_group(place, int(y), int(x), side) for y, x in corners]
    return SimulatedCut(to_official(target.dn), to_official(patches), corners, groups)


def _group(place: SimulatedPlace, y: int, x: int, side: int) -> tuple[str, ...]:
    clouds = [_share(scene.cloud, y, x, side) for scene in place.scenes]
    snow = max(_share(scene.snow, y, x, side) for scene in place.scenes)
    target, other = place.moments
    season = (
        target.season if target.season == other.season else "-".join(sorted((target.season, other.season)))
    )
    return (
        place.cover, season, _share_name(max(clouds)), "snow" if snow > 0.1 else "none", str(place.number),
        target.date.isoformat(), other.date.isoformat(), f"{clouds[0]:.2f}", f"{clouds[1]:.2f}",
    )  # fmt: skip


def make_series(seed: int, number: int, size: int) -> NDArray[np.float16]:
    """Training place ``number`` on 12 dates in order of time: (dates, size, size, 4) raw DN, not clipped."""
    place = make_place(seed, number, size, dates=DATES, stream=TRAINING)
    order = sorted(range(DATES), key=lambda k: place.moments[k].date)
    return np.stack([place.scenes[k].dn for k in order]).astype(np.float16)


def _in_order(job: Callable[[int], T], count: int, threads: int) -> Iterator[T]:
    """``job(0) .. job(count - 1)`` in order, a few ahead at a time."""
    if threads == 1:
        yield from map(job, range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for k in range(count):
                waiting.append(pool.submit(job, k))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check(images: int, patches_per_image: int, seed: int, size: int, patch_side: int, threads: int) -> None:
    for name, value, least in (
        ("images", images, 1),
        ("patches_per_image", patches_per_image, 1),
        ("seed", seed, 0),
        ("patch_side", patch_side, 4),
        ("threads", threads, 1),
        ("size", size, 0),
    ):
        checks.whole(name, value, least)
    if size < patch_side or size < 32:
        raise SettingsError(
            f"size is {size}: give at least {max(patch_side, 32)}, to hold a patch of {patch_side} px"
        )
    if size > 4096:
        raise SettingsError(f"size is {size}: give 4096 or less")


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MatcherError(
            f"{folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free;"
            " make room, or write less"
        )


def simulate(
    folder: str | os.PathLike[str],
    *,
    images: int,
    patches_per_image: int,
    seed: int,
    size: int = 512,
    series: bool = False,
    patch_side: int = 64,
    threads: int | None = None,
    progress: StageProgress | None = None,
) -> Simulated:
    """Write a challenge of a synthetic Earth with its answers, in the official form.

    Every image is a place of its own on one date; its patches are cut at random from another date of the same
    place, and the answer is the corner in that other date's grid. Place ``k`` of a seed has the same pixels
    and corners whatever the number of images; patch ids are shuffled over all patches.

    Written to ``folder``: ``test_images.tfrecords``, ``test_patches.tfrecords``, ``answers.csv``
    (``Patch ID,Result``), ``groups.csv`` (cover, season, cloud and snow of every patch) and with ``series``
    ``training/*.tfrecords``, as many series as images, of other places. Files appear when all are whole.

    Parameters
    ----------
    folder : path
        Made where it does not exist. Files that an earlier call wrote there are replaced; where the folder holds
        other files of these names, nothing is written.
    images, patches_per_image : int
        How many images, and how many patches of each, 1 or more.
    seed : int
        0 or more. The same seed gives the same bytes.
    size : int
        Pixels a side of an image, `patch_side` or more and 32 to 4096.
    series : bool
        Write training series too: 25 MB each at 512 px.
    patch_side : int
        Pixels a side of a patch, 4 or more.
    threads : int, optional
        How many places are made at once, 1 or more; by default as many as the cores this process may use.
    progress : callable, optional
        Called with ("images" or "series", done, total).

    Returns
    -------
    Simulated
        The folder and the counts of what was written.

    Raises
    ------
    SettingsError
        If a number is out of its range or not whole.
    MatcherError
        If the folder cannot be written, holds files of these names that no earlier call wrote, or the disk has no
        room.
    """
    threads = usable_cores() if threads is None else threads
    _check(images, patches_per_image, seed, size, patch_side, threads)
    folder = Path(folder)
    count = images * patches_per_image
    patch_bytes = 2 * BANDS * patch_side**2
    needed = 2 * BANDS * size**2 * images * (1 + DATES * series) + 2 * count * patch_bytes
    with (
        OutputFolder(folder, "simulate").filling(_file_names(images if series else 0)) as work,
        threadpool_limits(1),
    ):
        _check_room(folder, needed)
        job = partial(_cut_by_number, seed, size, patches_per_image, patch_side)
        cuts = _reported(_in_order(job, images, threads), "images", images, progress)
        order = np.random.default_rng([seed, images, patches_per_image]).permutation(count)
        _write_test(work, cuts, order, patches_per_image, patch_side)
        if series:
            made = _in_order(partial(_series_by_number, seed, size), images, threads)
            _write_training(work / "training", _reported(made, "series", images, progress))
    return Simulated(folder, images, count, images if series else 0)


def _cut_by_number(seed: int, size: int, count: int, side: int, number: int) -> SimulatedCut:
    return cut_place(seed, number, size, count, side)


def _series_by_number(seed: int, size: int, number: int) -> NDArray[np.float16]:
    return make_series(seed, number, size)


def _reported(items: Iterable[T], what: str, total: int, progress: StageProgress | None) -> Iterator[T]:
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(what, done, total)


def _write_test(work: Path, cuts: Iterator[SimulatedCut], order: NDArray, per_image: int, side: int) -> None:
    """Images as they come; patches by way of a file on disk, since ids are shuffled over all of them."""
    answers = np.empty((len(order), 3), np.int64)  # image, y, x
    groups: list[tuple[str, ...]] = [()] * len(order)
    shape = (side, side, BANDS)
    with tempfile.TemporaryFile(dir=work) as scratch:
        images = _take(cuts, order, per_image, (scratch, answers, groups))
        write_images(work / "test_images.tfrecords", images)
        write_patches(work / "test_patches.tfrecords", _read_back(scratch, len(order), shape))
    ids = np.arange(len(order))
    write_submission(work / "answers.csv", Placements(ids, answers[:, 0], answers[:, 2], answers[:, 1]))
    with open(work / "groups.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(GROUP_HEADER)
        rows.writerows((k, *group) for k, group in enumerate(groups))


def _take(
    cuts: Iterable[SimulatedCut],
    order: NDArray,
    per_image: int,
    into: tuple[IO[bytes], NDArray, list[tuple[str, ...]]],
) -> Iterator[NDArray]:
    """The images one by one; their patches, answers and groups go where their ids say."""
    scratch, answers, groups = into
    for number, cut in enumerate(cuts):
        ids = order[number * per_image : (number + 1) * per_image]
        answers[ids, 0], answers[ids, 1:] = number, cut.corners
        for identifier, patch, group in zip(ids.tolist(), cut.patches, cut.groups, strict=True):
            scratch.seek(identifier * patch.nbytes)
            scratch.write(patch.tobytes())
            groups[identifier] = group
        yield cut.image


def _read_back(scratch: IO[bytes], count: int, shape: tuple[int, int, int]) -> Iterator[NDArray]:
    scratch.seek(0)
    size = 2 * int(np.prod(shape))
    for _ in range(count):
        yield np.frombuffer(scratch.read(size), np.float16).reshape(shape)


def _write_training(folder: Path, series: Iterator[NDArray]) -> None:
    folder.mkdir()
    for number, first in enumerate(series):

        def some(first: NDArray = first) -> Iterator[NDArray]:
            yield first
            for _, more in zip(range(SERIES_A_FILE - 1), series):  # noqa: B905
                yield more

        write_series(folder / f"{number:03d}.tfrecords", some())


def _file_names(series: int) -> list[str]:
    """The files of a challenge with so many training series."""
    training = [f"training/{number:03d}.tfrecords" for number in range(-(-series // SERIES_A_FILE))]
    return ["test_images.tfrecords", "test_patches.tfrecords", "answers.csv", "groups.csv", *training]
