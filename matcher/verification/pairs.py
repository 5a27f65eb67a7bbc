"""Pairs of patches: read and written, and cut from series with known answers."""

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive
from matcher.formats.opening import open_pair
from matcher.formats.raster import file_names
from matcher.settings import Settings
from matcher.values import compared

KINDS = ("same", "near", "alike", "other")
NEAR = (40, 120)  # px from a window to a hard negative of its own image
_EMPTY = 0.02  # of a window may be no data
_TRIES = 30
_POOL = 4  # windows looked through for the most alike, for each that is wanted


@compared
@dataclass(frozen=True)
class Pairs:
    """Pairs of patches and, where it is known, whether they show one place.

    Attributes
    ----------
    first, second : ndarray (n, height, width, bands)
    same : ndarray (n,), bool, optional
    kind : ndarray (n,), str, optional
        One of `KINDS`: the same place on another date; another window of the same image 40 to 120 px away; the most
        alike window of another place; any window of another place.
    place, group : ndarray (n,), str, optional
        Of the first patch.
    name : str
        Where they come from, for messages.
    bands : tuple of str, optional
        Names of the bands, where files say them.
    files : (tuple of str, tuple of str), optional
        What the files of the first and the second patches are called, where each is a file of its own.
    """

    first: NDArray
    second: NDArray
    same: NDArray[np.bool_] | None = None
    kind: NDArray[np.str_] | None = None
    place: NDArray[np.str_] | None = None
    group: NDArray[np.str_] | None = None
    name: str = "pairs"
    bands: tuple[str, ...] | None = None
    files: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)  # lists say the same as arrays
        for name in ("first", "second"):
            settle(name, _array(self.name, name, getattr(self, name)))
        for what in (self.first, self.second):
            if what.ndim != 4 or what.shape != self.first.shape or not what.size:
                raise FormatError(
                    f"{self.name}: has stacks of the shapes {self.first.shape} and {self.second.shape}; two alike of "
                    "(n, height, width, bands) were expected"
                )
        for name in ("same", "kind", "place", "group"):
            if getattr(self, name) is None:
                continue
            column = _array(self.name, name, getattr(self, name))
            if column.shape != (len(self.first),):
                raise FormatError(
                    f"{self.name}: {name} has the shape {column.shape}; one a pair was expected"
                )
            if name == "same" and (column.dtype.kind not in "biuf" or not np.isin(column, (0, 1)).all()):
                raise FormatError(f"{self.name}: same holds other values than 0 and 1")
            settle(name, column.astype(bool) if name == "same" else column)

    def __len__(self) -> int:
        return len(self.first)


def _array(name: str, column: str, given: Any) -> NDArray:
    """What was given for a column, as an array."""
    try:
        return np.asarray(given)
    except ValueError:  # of lists of unlike length
        raise FormatError(f"{name}: {column} is no array: its rows are of unlike length") from None


def read_pairs(path: AnyPath) -> Pairs:
    """Read ``.npz`` with arrays ``first`` and ``second`` and any of ``same``, ``kind``, ``place``, ``group``.

    Raises
    ------
    FormatError
        If it is missing, damaged, or its arrays do not fit each other.
    """
    members = open_archive(path)
    name = os.fspath(path)
    for key in ("first", "second"):
        if key not in members:
            raise FormatError(f"{name}: has no array {key!r}; pairs are two stacks, 'first' and 'second'")
    arrays = {key: member.load(member.check()) for key, member in members.items()}
    return Pairs(
        arrays["first"],
        arrays["second"],
        arrays.get("same"),
        arrays.get("kind"),
        arrays.get("place"),
        arrays.get("group"),
        name=name,
    )


def pairs_of(first: Any, second: Any, settings: Settings | None = None) -> Pairs:
    """Pairs of two files or arrays of patches, taken in order.

    Parameters
    ----------
    first, second : what `matcher.open_patches` takes
        Of one array, the first axis counts the patches: a pair of single ones is given as ``[first], [second]``.
    settings : Settings, optional
        Bands, shape and type of records; the rest is not used.

    Raises
    ------
    MatcherError
        If either cannot be read, they hold different numbers of patches, or their sizes differ.
    """
    left, right, read = open_pair(first, second, settings or Settings(), nouns=("patches", "patches"))
    sources = [left, right]
    if len(left) != len(right):
        raise FormatError(
            f"{left.name} has {len(left)} patches and {right.name} has {len(right)}: pairs are taken in order, one of "
            "each"
        )
    shape = sources[0].shape(0)
    for source in sources:
        for k in range(len(source)):
            if source.shape(k) != shape:
                raise FormatError(
                    f"{source.where(k)}: is of {source.shape(k)}; {shape} was expected, as the first is"
                )
    stacks = [np.stack([source[k] for k in range(len(source))]) for source in sources]
    names = [tuple(file_names(source).values()) for source in sources]
    files = (names[0], names[1]) if all(names) else None
    return Pairs(stacks[0], stacks[1], name=f"{left.name} and {right.name}", bands=read.bands, files=files)


def write_pairs(path: AnyPath, pairs: Pairs) -> None:
    """Write pairs as ``.npz``, as `read_pairs` reads them; the file appears when it is whole."""
    columns = {key: getattr(pairs, key) for key in ("same", "kind", "place", "group")}
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            first=pairs.first,
            second=pairs.second,
            **{key: column for key, column in columns.items() if column is not None},
        )


@dataclass
class _Cut:
    """Windows as they are cut: whose partner is found, and whose is still to be found in another place."""

    rows: list[tuple[NDArray, NDArray, str, str, str]]
    waiting: list[tuple[NDArray, str, str, str]]  # patch, kind, place, group
    pool: list[tuple[NDArray, str]]  # window, place


def cut_pairs(
    series: Iterable[tuple[str, str, NDArray]],
    count: int,
    *,
    side: int = 64,
    max_shift: int = 16,
    seed: int = 0,
) -> Pairs:
    """Cut pairs with known answers from co-registered series.

    Half show the same place on two dates, shifted by up to `max_shift` px along each axis; of the others half are
    windows of other places, a quarter windows of the same image 40 to 120 px away, and a quarter the most alike of
    the windows cut from other places (by mean and spread of the log bands, texture and its orientation). The two
    of every pair are of different dates where they are of one place.

    Parameters
    ----------
    series : iterable of (place, group, ndarray (dates, height, width, bands))
        DN; read once, in order.
    count : int
        Pairs of the same place cut from each series, and as many others.
    side, max_shift : int
        Pixels.
    seed : int

    Raises
    ------
    SettingsError
        If a number is out of its range.
    MatcherError
        If no series holds such windows, there are fewer than two places, or their bands differ in number.
    """
    if count < 1 or side < 1 or max_shift < 0 or seed < 0:
        raise SettingsError("pairs: count and side are 1 or more, max shift and seed 0 or more")
    rng = np.random.default_rng(seed)
    cut = _Cut([], [], [])
    bands = 0
    for place, group, stack in series:
        bands = bands or stack.shape[3]
        if stack.shape[3] != bands:
            raise MatcherError(f"{place}: has {stack.shape[3]} bands, the first series has {bands}")
        _cut_series(place, group, stack, count, (side, max_shift), rng, cut)
    if len({place for _, place in cut.pool}) < 2:
        raise MatcherError(
            f"pairs need two places or more with two dates and windows of {side + 2 * max_shift} px: give more series"
        )
    _find_partners(cut, rng)
    columns = [list(column) for column in zip(*cut.rows, strict=True)]
    kind = np.array(columns[2])
    return Pairs(
        np.stack(columns[0]),
        np.stack(columns[1]),
        kind == "same",
        kind,
        np.array(columns[3]),
        np.array(columns[4]),
    )


def _cut_series(
    place: str,
    group: str,
    stack: NDArray,
    count: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    cut: _Cut,
) -> None:
    """Pairs within one series, its windows that wait for a partner, and its share of the pool."""
    side = size[0]
    kinds = ["same"] * count + [("other", "near", "other", "alike")[k % 4] for k in range(count)]
    if len(stack) < 2 or min(stack.shape[1:3]) < side:
        return
    for kind in kinds:
        dates = rng.permutation(len(stack))[:2]
        first = _window(stack[dates[0]], side, rng)
        if first is None:
            continue
        patch, corner = first
        if kind in ("other", "alike"):
            cut.waiting.append((patch, kind, place, group))
            continue
        second = _partner(stack[dates[1]], corner, kind, size, rng)
        if second is not None:
            cut.rows.append((patch, second, kind, place, group))
    for _ in range(_POOL * count):
        window = _window(stack[int(rng.integers(len(stack)))], side, rng)
        if window is not None:
            cut.pool.append((window[0], place))


def _window(image: NDArray, side: int, rng: np.random.Generator) -> tuple[NDArray, tuple[int, int]] | None:
    """A random window with data in it, and its corner."""
    for _ in range(_TRIES):
        y, x = (int(rng.integers(n - side + 1)) for n in image.shape[:2])
        window = image[y : y + side, x : x + side]
        if not empty(window):
            return window.copy(), (y, x)
    return None


def _partner(
    image: NDArray, corner: tuple[int, int], kind: str, size: tuple[int, int], rng: np.random.Generator
) -> NDArray | None:
    side, max_shift = size
    reach = max_shift if kind == "same" else NEAR[1]
    for _ in range(_TRIES * 4):
        dy, dx = rng.integers(-reach, reach + 1, 2).tolist()
        y, x = corner[0] + dy, corner[1] + dx
        if kind == "near" and not NEAR[0] <= np.hypot(dy, dx) <= NEAR[1]:
            continue
        if 0 <= y <= image.shape[0] - side and 0 <= x <= image.shape[1] - side:
            window = image[y : y + side, x : x + side]
            if not empty(window):
                return window.copy()
    return None


def _find_partners(cut: _Cut, rng: np.random.Generator) -> None:
    """Windows of other places for those that wait; one is taken for `alike` once only."""
    raw = np.array([_look(window) for window, _ in cut.pool])
    middle, spread = raw.mean(0), np.maximum(raw.std(0), 1e-9)
    looks = (raw - middle) / spread
    own = [(_look(patch) - middle) / spread for patch, *_ in cut.waiting]
    places = np.array([place for _, place in cut.pool])
    for k, (patch, kind, place, group) in enumerate(cut.waiting):
        elsewhere = np.flatnonzero(places != place)
        if kind == "alike":
            at = elsewhere[int(((looks[elsewhere] - own[k]) ** 2).sum(1).argmin())]
            looks[at] = np.inf
        else:
            at = elsewhere[int(rng.integers(len(elsewhere)))]
        cut.rows.append((patch, cut.pool[at][0], kind, place, group))


def _look(patch: NDArray) -> NDArray[np.float64]:
    """How a window looks, whatever it shows: colour, contrast, texture by orientation."""
    log = np.log(np.maximum(patch.astype(np.float64), 1))
    gray = log.mean(-1)
    gy, gx = np.gradient(gray)
    size = np.hypot(gy, gx)
    angle = 2 * np.arctan2(gy, gx)
    return np.array(
        [
            *log.mean((0, 1)),
            *log.std((0, 1)),
            np.log(size.mean() + 1e-6),
            (size * np.cos(angle)).mean() / (size.mean() + 1e-6),
            (size * np.sin(angle)).mean() / (size.mean() + 1e-6),
        ]
    )


def empty(window: NDArray) -> bool:
    """Whether more than 2 % of a window (height, width, bands) in DN hold no data."""
    return bool((window.max(-1) <= 0).mean() > _EMPTY)
