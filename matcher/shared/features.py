"""Features of windows from the shared part: its level by band, and its texture by band and scale."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.errors import MatcherError, SettingsError
from matcher.formats.files import atomic_write
from matcher.formats.outputs import check_ending
from matcher.formats.parquet import write_parquet
from matcher.shared.split import Split, scale_names, shared_part
from matcher.values import compared

SUFFIXES = (".npz", ".parquet")
_FAINT = 1e-3  # of a texture's mean square: what is below is nothing


@compared
@dataclass(frozen=True)
class Features:
    """Windows and what is shared in them.

    Attributes
    ----------
    place : ndarray of str, (n,)
    date : ndarray of str, (n,)
        Of the date they were read from; ``all`` where all dates of a series are read together.
    row, col : ndarray of int64, (n,)
        Of the window's top-left pixel.
    values : ndarray of float32, (n, features)
    names : tuple of str
        ``level_<band>``: mean of the shared part over the window; ``texture_<band>_<scale>``: log of its mean square
        at wavelengths of so many px.
    """

    place: NDArray[np.str_]
    date: NDArray[np.str_]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    values: NDArray[np.float32]
    names: tuple[str, ...]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to ``.npz`` (arrays place, date, row, col, values, names) or ``.parquet`` (a column each).

        Raises
        ------
        MatcherError
            If the ending is another, pyarrow is missing for Parquet, or the file cannot be written.
        """
        if check_ending(path, "features", SUFFIXES) == ".parquet":
            columns = {key: getattr(self, key) for key in ("place", "date", "row", "col")}
            write_parquet(path, columns | dict(zip(self.names, self.values.T, strict=True)))
            return
        with atomic_write(path) as file:
            np.savez_compressed(file, **{**vars(self), "names": np.array(self.names)})


def window_features(
    stack: NDArray,
    split: Split,
    *,
    side: int = 32,
    stride: int = 16,
    place: str = "",
    date: str = "all",
) -> Features:
    """Features of all windows that hold data in half of their pixels or more.

    Parameters
    ----------
    stack : ndarray (dates, height, width, bands)
        DN; one date, or more that are read together.
    split : Split
    side, stride : int
        Of the windows, px; the first lies at row 0, column 0.
    place, date : str

    Raises
    ------
    MatcherError
        If the bands do not fit, or the picture holds no window.
    """
    height, width = stack.shape[1:3]
    if not (1 <= side <= min(height, width) and stride >= 1):
        raise SettingsError(
            f"windows of {side} px every {stride} px do not fit a picture of {height} x {width} px"
        )
    shared = shared_part(stack, split)
    rows, columns = np.arange(0, height - side + 1, stride), np.arange(0, width - side + 1, stride)

    def means(values: NDArray) -> NDArray[np.float64]:
        """Over every window, (rows, columns, …)."""
        sums = np.zeros((height + 1, width + 1, *values.shape[2:]))
        sums[1:, 1:] = values.cumsum(0).cumsum(1)
        low, high = np.ix_(rows, columns), np.ix_(rows + side, columns + side)
        across = sums[np.ix_(rows, columns + side)] + sums[np.ix_(rows + side, columns)]
        out: NDArray[np.float64] = (sums[high] + sums[low] - across) / side**2
        return out

    level = means(shared.sum(0))
    texture = [np.log(means(part**2) + _FAINT) for part in shared[:-1]]
    seen = means((stack > 0).any(-1).all(0).astype(float)) >= 0.5
    values = np.concatenate([level, *texture], -1)[seen]
    if not len(values):
        raise MatcherError(f"no window of {date if date != 'all' else 'its dates'} holds data")
    names = [f"level_{band}" for band in split.bands]
    names += [f"texture_{band}_{scale}" for scale in scale_names()[:-1] for band in split.bands]
    where = np.argwhere(seen)
    return Features(
        np.full(len(where), place),
        np.full(len(where), date),
        rows[where[:, 0]].astype(np.int64),
        columns[where[:, 1]].astype(np.int64),
        values.astype(np.float32),
        tuple(names),
    )


def joined(parts: Sequence[Features]) -> Features:
    """Features of several places or dates one after the other."""
    if len({part.names for part in parts}) != 1:
        raise MatcherError("features of series with different bands cannot stand in one file")
    columns = {
        key: np.concatenate([getattr(part, key) for part in parts])
        for key in ("place", "date", "row", "col", "values")
    }
    return Features(**columns, names=parts[0].names)


def pixel_features(stack: NDArray, split: Split, reach: float = 3.0) -> NDArray[np.float32]:
    """The same at every pixel, (height, width, features): means are Gaussian ones of `reach` px."""
    shared = shared_part(stack, split)
    sigma = (reach / 3, reach / 3, 0)
    level = ndimage.gaussian_filter(shared.sum(0), sigma)
    texture = [np.log(ndimage.gaussian_filter(part**2, (reach, reach, 0)) + _FAINT) for part in shared[:-1]]
    return np.concatenate([level, *texture], -1).astype(np.float32)
