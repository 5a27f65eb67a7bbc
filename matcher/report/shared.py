"""The picture of a split: dates, what they share, what is their own, and the share by band and scale (extra plot)."""

import os

import numpy as np
from numpy.typing import NDArray

from matcher.report.figures import FORMATS as PLOTTED
from matcher.report.figures import new_figure, plain, save_figure
from matcher.shared.split import Split, scale_names, shared_part, standard

FORMATS = (*PLOTTED, ".jpg")
_DATES = 3
_LARGEST = 256  # px shown of a place


def draw_split(stack: NDArray, dates: tuple[str, ...], split: Split, path: str | os.PathLike[str]) -> None:
    """Draw a few dates of a series (dates, height, width, bands), their shared part, their own, and the shares.

    Raises
    ------
    MatcherError
        If matplotlib is not installed, the ending is none of `FORMATS`, or the file cannot be written.
    """
    chosen = sorted({round(k * (len(stack) - 1) / (_DATES - 1)) for k in range(_DATES)})
    figure = new_figure(path, 2.2 * (len(chosen) + 2), 4.6, FORMATS)
    shared = shared_part(stack, split).sum(0)
    grid = figure.subplots(2, len(chosen) + 2)
    for axis, date in zip(grid.T, chosen, strict=False):
        values = standard(stack[date])
        axis[0].imshow(_shown(values))
        axis[0].set_title(plain(dates[date]), fontsize=8)
        axis[1].imshow(_shown(values - shared))
        axis[1].set_title("its own part", fontsize=8)
    grid[0, -2].imshow(_shown(shared))
    grid[0, -2].set_title(f"shared by {len(stack)} dates", fontsize=8)
    for axis in (*grid[:, : len(chosen) + 1].ravel(),):
        axis.set_axis_off()
    for axis in grid[:, -1]:
        axis.remove()
    for axis in (grid[1, -2],):
        axis.remove()
    shares = figure.add_subplot(grid[0, -1].get_gridspec()[:, -1])
    shown = shares.imshow(split.share, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    shares.set_xticks(range(len(split.bands)), [plain(band) for band in split.bands], fontsize=7, rotation=45)
    shares.set_yticks(range(len(split.share)), scale_names(), fontsize=7)
    shares.set_title("share of energy, by wavelength, px", fontsize=8)
    figure.colorbar(shown, ax=shares, shrink=0.7)
    save_figure(figure, path, 90)


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardised bands as red, green, blue, 0..1; the first 256 px."""
    bands = values.shape[2]
    rgb = values[:_LARGEST, :_LARGEST, [min(k, bands - 1) for k in range(3)]]
    out: NDArray[np.float64] = np.clip(rgb / 5 + 0.45, 0, 1)
    return out
