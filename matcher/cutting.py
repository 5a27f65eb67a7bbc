"""Challenges with known answers, cut from co-registered time series of any form."""

import csv
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.evidence.pixels import BRIGHT
from matcher.formats.official import write_images, write_patches
from matcher.formats.series import Series, iterate_series
from matcher.formats.submission import write_submission
from matcher.imagery import CEILING, Roles, to_dn, to_official
from matcher.placements import Placements
from matcher.settings import BANDS_BY_COUNT, RANGES
from matcher.verification.pairs import empty
from matcher.version import VERSION

CLEAR, CLOUDY = 0.02, 0.1  # share of bright pixels: at most, at least
SKIES = ("any", "clear", "cloudy")
FORMS = ("official", "arrays")
MANIFEST = (
    "Patch ID", "place", "group", "file", "target date", "patch date", "gap", "row", "column", "tile row",
    "tile column", "target cloud", "patch cloud",
)  # fmt: skip
_TRIES = 20  # windows looked at for each that is wanted
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CutOptions:
    """What is cut.

    Attributes
    ----------
    patches : int
        An image.
    side, largest : int
        Pixels a side of a patch, and at most of an image; larger ones are cut into square tiles, of which each is
        an image.
    dates : tuple of int, optional
        Numbers of the dates to use; all by default.
    gap : (int, int), optional
        Least and most between the dates of image and patch: days where all dates are named by a day (2020-06-24 or
        20200624), else steps.
    holdout : float
        The share of places held out, in [0, 1): each goes to ``train`` or ``validation`` whole, by its name and the
        seed alone, whatever the others are. 0 writes one challenge.
    sky : str
        ``clear``: at most 2 % of patch and window brighter than 2,000 DN in all visible bands; ``cloudy``: at least
        10 % of either; ``any``.
    form : str
        ``official`` TFRecords, [-1, 1] in float16, or ``arrays``: images.npz and patches.npy, DN in uint16.
    value_range : str
        What the series' numbers are, of `matcher.settings.RANGES` without ``auto``.
    series_dates, series_bands : int
        Of TFRecords, which do not say it.
    seed : int
    """

    patches: int = 64
    side: int = 64
    largest: int = 512
    dates: tuple[int, ...] | None = None
    gap: tuple[int, int] | None = None
    holdout: float = 0.0
    sky: str = "any"
    form: str = "official"
    value_range: str = "dn"
    series_dates: int = 12
    series_bands: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for fine, message in (
            (self.patches >= 1 and self.side >= 4, "give 1 patch an image or more, of 4 px a side or more"),
            (self.largest >= self.side, f"an image of {self.largest} px holds no patch of {self.side}"),
            (0 <= self.holdout < 1, "holdout goes from 0 to less than 1"),
            (self.sky in SKIES, f"sky {self.sky!r}: choose from {', '.join(SKIES)}"),
            (self.form in FORMS, f"form {self.form!r}: choose from {', '.join(FORMS)}"),
            (
                self.value_range in RANGES[1:],
                f"value range {self.value_range!r}: choose from {', '.join(RANGES[1:])}",
            ),
            (self.gap is None or 0 <= self.gap[0] <= self.gap[1], "gap: give least,most, from 0 up"),
            (self.dates is None or len(set(self.dates)) > 1, "dates: give two or more"),
            (self.seed >= 0, "seed is 0 or more"),
        ):
            if not fine:
                raise SettingsError(message)


@dataclass(frozen=True)
class Cut:
    """What was written: the folders, and the counts of places, images and patches in each."""

    counts: dict[str, tuple[int, int, int]]


def cut_series(
    series: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    options: CutOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Cut:
    """Cut a challenge with known answers from time series, one place in memory at a time.

    Each tile of a place is an image, of a date drawn at random; its patches are cut at random from other dates, and
    the answer is their own corner. Windows with more than 2 % of no data are passed over. What is cut from a place
    depends on its name, its pixels, the options and the seed, not on other places.

    Written to `folder` (with a holdout to ``train`` and ``validation`` in it): images, patches, ``answers.csv``,
    ``manifest.csv`` (where every patch came from; its columns serve as groups and difficulty) and ``manifest.json``
    (version, options, SHA-256 of the files). Files appear when all are whole; those of these names are replaced.

    Parameters
    ----------
    series : sequence of paths
        As `matcher.formats.series.iterate_series`.
    folder : path
        Made where it does not exist.
    options : CutOptions, optional
    progress : callable, optional
        Called with (places done, 0) after each.

    Raises
    ------
    MatcherError
        If a series cannot be read, nothing fits the options, or the folder cannot be written.
    """
    options = options or CutOptions()
    out = Path(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".cut-") as work:
            parts = [""] if options.holdout == 0 else ["train", "validation"]
            writers = {part: _Writer(Path(work, part or "all"), options) for part in parts}
            names: set[str] = set()
            for one in iterate_series(series, dates=options.series_dates, bands=options.series_bands):
                if one.place in names:
                    raise MatcherError(
                        f"{one.file}: a place called {one.place} was read before; names must differ"
                    )
                names.add(one.place)
                part = parts[-1] if _fraction(options.seed, one.place) < options.holdout else parts[0]
                writers[part].add(one)
                if progress is not None:
                    progress(len(names), 0)
            counts = {}
            for part, writer in writers.items():
                counts[part] = writer.finish()
                if not counts[part][2]:
                    raise MatcherError(
                        f"{part or out}: no window fits: {len(names)} places were read; allow other dates, gaps, "
                        "skies, a smaller side, or another holdout or seed"
                    )
            for part, writer in writers.items():
                (out / part).mkdir(exist_ok=True)
                for path in sorted(writer.folder.iterdir()):
                    os.replace(path, out / part / path.name)
    except OSError as error:
        raise MatcherError(f"{out}: cannot write there: {error.strerror or error}") from None
    return Cut(counts)


class _Writer:
    """One challenge as it is cut: pixels go to the disk at once, patches by way of a scratch file."""

    def __init__(self, folder: Path, options: CutOptions) -> None:
        self.folder, self.options = folder, options
        folder.mkdir()
        self._scratch: list[IO[bytes]] = [tempfile.TemporaryFile(dir=folder) for _ in range(2)]  # noqa: SIM115
        self._shapes: list[tuple[int, int, int]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._answers: list[tuple[int, int, int]] = []
        self._places = 0

    def add(self, series: Series) -> None:
        """Cut one place."""
        before = len(self._rows)
        for image, patches, rows, corners in cut_place(series, self.options):
            if self._shapes and image.shape[2] != self._shapes[0][2]:
                raise MatcherError(
                    f"{series.file}: has {image.shape[2]} bands, the first series has {self._shapes[0][2]}"
                )
            self._scratch[0].write(image.tobytes())
            self._scratch[1].writelines(patch.tobytes() for patch in patches)
            self._rows += rows
            self._answers += [(len(self._shapes), x, y) for y, x in corners]
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
            with open(self.folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(MANIFEST)
                rows.writerows((k, *self._rows[n]) for k, n in enumerate(order.tolist()))
        for scratch in self._scratch:
            scratch.close()
        if count:
            self._write_manifest(count)
        return self._places, len(self._shapes), count

    def _write_pixels(self, images: Iterator[NDArray], patches: Iterator[NDArray], count: int) -> None:
        if self.options.form == "official":
            write_images(self.folder / "test_images.tfrecords", map(to_official, images))
            write_patches(self.folder / "test_patches.tfrecords", map(to_official, patches))
            return
        import zipfile

        with zipfile.ZipFile(self.folder / "images.npz", "w") as archive:
            for k, image in enumerate(images):
                with archive.open(f"{k}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, image)
        side, bands = self.options.side, self._shapes[0][2]
        stack = np.lib.format.open_memmap(
            self.folder / "patches.npy", "w+", np.uint16, (count, side, side, bands)
        )
        for k, patch in enumerate(patches):
            stack[k] = patch
        stack.flush()

    def _write_manifest(self, count: int) -> None:
        files = {path.name: _checksum(path) for path in sorted(self.folder.iterdir()) if path.is_file()}
        data = {
            "matcher": VERSION,
            "options": asdict(self.options),
            "places": self._places,
            "images": len(self._shapes),
            "patches": count,
            "sha256": files,
        }
        (self.folder / "manifest.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def cut_place(
    series: Series, options: CutOptions
) -> Iterator[
    tuple[NDArray[np.uint16], list[NDArray[np.uint16]], list[tuple[Any, ...]], list[tuple[int, int]]]
]:
    """The images of one place: each with its patches (DN, uint16), their manifest rows and corners (y, x)."""
    count, height, width, bands = series.shape
    dates = list(range(count)) if options.dates is None else [d for d in options.dates if 0 <= d < count]
    side = min(options.largest, height, width)
    if len(dates) < 2 or side < options.side:
        return
    rng = np.random.default_rng([options.seed, number_of(series.place)])
    gaps = _gaps(series.dates)
    names = BANDS_BY_COUNT.get(bands, tuple(map(str, range(bands))))
    visible = list(Roles.of(names).visible)
    low, high = options.gap or (0, np.inf)
    held: dict[int, NDArray[np.uint16]] = {}
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            target = int(rng.choice(dates))
            others = [d for d in dates if d != target and low <= abs(gaps[d] - gaps[target]) <= high]
            if not others:
                continue
            image = _read(series, target, options, held)[top : top + side, left : left + side]
            patches: list[NDArray[np.uint16]] = []
            rows: list[tuple[Any, ...]] = []
            corners: list[tuple[int, int]] = []
            for _ in range(_TRIES * options.patches):
                if len(patches) == options.patches:
                    break
                source = int(rng.choice(others))
                y, x = (int(n) for n in rng.integers(0, side - options.side + 1, 2))
                under = image[y : y + options.side, x : x + options.side]
                whole = _read(series, source, options, held)
                patch = whole[top + y : top + y + options.side, left + x : left + x + options.side]
                clouds = [bright_share(window, visible) for window in (under, patch)]
                if empty(patch) or empty(under) or not _sky_fits(options.sky, clouds):
                    continue
                patches.append(patch.copy())
                corners.append((y, x))
                rows.append(
                    (
                        series.place, series.group, series.file, series.dates[target], series.dates[source],
                        abs(gaps[source] - gaps[target]), top + y, left + x, top, left,
                        f"{clouds[0]:.2f}", f"{clouds[1]:.2f}",
                    )
                )  # fmt: skip
            if patches:
                yield image, patches, rows, corners


def bright_share(window: NDArray, visible: Sequence[int]) -> float:
    """Share of a window (height, width, bands), DN, that is bright as cloud in every visible band."""
    return float((window[..., list(visible)].min(-1) > BRIGHT).mean())


def stacks(
    series: Sequence[str | os.PathLike[str]], options: CutOptions
) -> Iterator[tuple[str, str, NDArray]]:
    """(place, group, DN of the chosen dates) of every series, as `matcher.verification.pairs.cut_pairs` takes them."""
    for one in iterate_series(series, dates=options.series_dates, bands=options.series_bands):
        dates = [d for d in options.dates or range(one.shape[0]) if d < one.shape[0]]
        yield one.place, one.group, np.stack([_read(one, d, options, {}) for d in dates])


def _read(series: Series, number: int, options: CutOptions, held: dict[int, NDArray]) -> NDArray[np.uint16]:
    """One date as DN, uint16, clipped as the official loader does; kept for the place's other tiles."""
    if number not in held:
        dn = to_dn(series.read(number), options.value_range)
        if not np.isfinite(dn).all():
            raise MatcherError(f"{series.file}, date {series.dates[number]}: has NaN or infinite values")
        held[number] = np.clip(np.rint(dn), 0, CEILING).astype(np.uint16)
    return held[number]


def _gaps(names: tuple[str, ...]) -> list[int]:
    """Days of dates that are named by one, or else their numbers."""
    days = []
    for name in names:
        found = _DATE.search(name)
        try:
            days.append(date(*map(int, found.groups())).toordinal() if found else -1)
        except ValueError:
            days.append(-1)
    return days if min(days) >= 0 else list(range(len(names)))


def _sky_fits(sky: str, clouds: Sequence[float]) -> bool:
    return sky == "any" or (max(clouds) <= CLEAR if sky == "clear" else max(clouds) >= CLOUDY)


def number_of(name: str) -> int:
    """A number of a name, for seeds."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _fraction(seed: int, name: str) -> float:
    return number_of(f"{seed} {name}") / 2**64


def _read_back(
    scratch: IO[bytes], shapes: Sequence[tuple[int, int, int]], order: Sequence[int]
) -> Iterator[NDArray[np.uint16]]:
    sizes = [2 * h * w * b for h, w, b in shapes]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for k in order:
        scratch.seek(int(starts[k]))
        yield np.frombuffer(scratch.read(sizes[k]), np.uint16).reshape(shapes[k])


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
