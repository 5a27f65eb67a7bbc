"""The images and patches of one place."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.cutting.options import CutOptions
from matcher.errors import MatcherError
from matcher.evidence.pixels import BRIGHT
from matcher.formats.series import Series
from matcher.imagery import CEILING, Roles, to_dn
from matcher.settings import BANDS_BY_COUNT
from matcher.verification.pairs import empty

CLEAR, CLOUDY = 0.02, 0.1  # share of bright pixels: at most, at least
_TRIES = 20  # windows looked at for each that is wanted
_YEAR = 365.25  # days
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


@dataclass(frozen=True)
class Tile:
    """One image of a place, and the patches that were cut for it.

    Attributes
    ----------
    image : ndarray (height, width, bands), uint16
        DN.
    patches : list of ndarray (side, side, bands), uint16
    rows : list of tuple
        Of the manifest, less the patch's id.
    corners : list of (y, x)
        Of the patches in the image.
    """

    image: NDArray[np.uint16]
    patches: list[NDArray[np.uint16]] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    corners: list[tuple[int, int]] = field(default_factory=list)


class Dates:
    """The dates of one place as DN, each read once.

    Attributes
    ----------
    usable : list of int
        Numbers of the dates that may be cut.
    gaps : list of int
        Days of all dates where they are named by one, or else their numbers.
    visible : list of int
        Which bands are visible.
    """

    def __init__(self, series: Series, options: CutOptions) -> None:
        count, bands = series.shape[0], series.shape[3]
        self.series, self.options = series, options
        self.usable = [d for d in options.dates or range(count) if 0 <= d < count]
        self.gaps = _gaps(series.dates)
        self.visible = list(Roles.of(BANDS_BY_COUNT.get(bands, tuple(map(str, range(bands))))).visible)
        self._held: dict[int, NDArray[np.uint16]] = {}

    def __getitem__(self, number: int) -> NDArray[np.uint16]:
        """One date, clipped as the official loader does; an error where it has NaN or infinite values."""
        if number not in self._held:
            dn = to_dn(self.series.read(number), self.options.value_range)
            if not np.isfinite(dn).all():
                name = self.series.dates[number]
                raise MatcherError(
                    f"{self.series.file}, date {name}: has NaN or infinite values, or some beyond float32; set such "
                    "pixels to 0, which is no data"
                )
            self._held[number] = np.clip(np.rint(dn), 0, CEILING).astype(np.uint16)
        return self._held[number]

    def partners(self, target: int) -> list[int]:
        """The dates whose gap to the target's is within the options'."""
        low, high = self.options.gap or (0, np.inf)
        return [d for d in self.usable if d != target and low <= self.gap(d, target) <= high]

    def gap(self, one: int, other: int) -> int:
        """Days, or steps, between two dates."""
        return abs(self.gaps[one] - self.gaps[other])

    def season_gap(self, one: int, other: int) -> int | str:
        """Days between two dates' seasons, 0 to 183; blank where dates are not named by a day."""
        if not all(_DATE.search(self.series.dates[number]) for number in (one, other)):
            return ""
        apart = self.gap(one, other) % _YEAR
        return round(min(apart, _YEAR - apart))


def cut_place(series: Series, options: CutOptions) -> Iterator[Tile]:
    """The tiles of one place that have patches."""
    dates = Dates(series, options)
    _, height, width, _ = series.shape
    side = min(options.largest, height, width)
    if len(dates.usable) < 2 or side < options.side:
        return
    rng = np.random.default_rng([options.seed, number_of(series.place)])
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            target = int(rng.choice(dates.usable))
            sources = dates.partners(target)
            if sources:
                tile = _cut_tile(dates, target, sources, (top, left, side), rng)
                if tile.patches:
                    yield tile


def _cut_tile(
    dates: Dates, target: int, sources: list[int], at: tuple[int, int, int], rng: np.random.Generator
) -> Tile:
    """One tile (top, left, side) of a date, and patches at random from other dates."""
    top, left, side = at
    series, options = dates.series, dates.options
    tile = Tile(dates[target][top : top + side, left : left + side])
    for _ in range(_TRIES * options.patches):
        if len(tile.patches) == options.patches:
            break
        source = int(rng.choice(sources))
        y, x = (int(n) for n in rng.integers(0, side - options.side + 1, 2))
        under = tile.image[y : y + options.side, x : x + options.side]
        patch = dates[source][top + y : top + y + options.side, left + x : left + x + options.side]
        clouds = [bright_share(window, dates.visible) for window in (under, patch)]
        if empty(patch) or empty(under) or not _sky_fits(options.sky, clouds):
            continue
        tile.patches.append(patch.copy())
        tile.corners.append((y, x))
        tile.rows.append(
            (
                series.place, series.group, series.file, series.dates[target], series.dates[source],
                dates.gap(source, target), top + y, left + x, top, left,
                f"{clouds[0]:.2f}", f"{clouds[1]:.2f}",
                dates.season_gap(source, target), f"{max(clouds):.2f}", f"{texture(patch):.3f}", options.side,
            )
        )  # fmt: skip
    return tile


def bright_share(window: NDArray, visible: Sequence[int]) -> float:
    """Share of a window (height, width, bands), DN, that is bright as cloud in every visible band."""
    return float((window[..., list(visible)].min(-1) > BRIGHT).mean())


def texture(window: NDArray) -> float:
    """How much a window (height, width, bands) varies: deviation over mean, the mean over bands."""
    values = window.astype(np.float64)
    mean = np.maximum(values.mean((0, 1)), 1)
    return float((values.std((0, 1)) / mean).mean())


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
