"""Codes that lie in files, mapped: the index that a search is given, without a byte of it read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.evidence.colour import grid
from matcher.formats.catalog import Kept
from matcher.formats.files import problem
from matcher.imagery import Roles
from matcher.indexing.codefiles import ends, paths_of
from matcher.search.pyramid.codes import Plan, plane_channels
from matcher.search.pyramid.index import Index, bands_of, code_sizes

Shape = tuple[int, int]
Files = tuple[NDArray[np.uint64], NDArray[np.float32]]
"""Codes and colour."""


def map_codes(
    folder: Path, kept: Kept, cut: Sequence[Sequence[Shape]], roles: Roles, files: Files | None = None
) -> Index:
    """The codes that are kept for patches of one size, as a search takes them.

    Parameters
    ----------
    folder : Path
    kept : Kept
    cut : sequence of sequences of (int, int)
        Heights and widths of each picture's pieces.
    roles : Roles
        Of the bands that the codes were made of.
    files : Files, optional
        What `map_files` gave.

    Raises
    ------
    FormatError
        If a file is missing or too short.
    """
    plan = Plan.of(*kept.side)
    words, of_colour = map_files(folder, kept) if files is None else files
    shapes = [shape for pieces in cut for shape in pieces]
    sizes = code_sizes(shapes, roles, plan)
    counts = [len(pieces) for pieces in cut]
    # Of each piece the fine codes, then the middle and the coarse ones; pieces of a picture follow each other.
    before = np.cumsum(sizes.sum(1)) - sizes.sum(1)
    first = np.cumsum([0, *counts])[:-1]
    begin = np.repeat(np.array(kept.codes, np.int64) // 8, counts) + before
    begin -= np.repeat(before[np.minimum(first, max(len(before) - 1, 0))], counts) if len(before) else 0
    starts = begin[:, np.newaxis] + np.cumsum(sizes, axis=1) - sizes
    windows = np.array([grid(shape, plan.whole) for shape in shapes], np.int64).reshape(-1, 2).prod(1)
    return Index(
        plan,
        np.array(shapes, np.int64).reshape(-1, 2),
        plane_channels(roles),
        fine=words,
        middle=words,
        coarse=words,
        fine_starts=np.ascontiguousarray(starts[:, 0]),
        middle_starts=np.ascontiguousarray(starts[:, 1]),
        coarse_starts=np.ascontiguousarray(starts[:, 2]),
        sizes=sizes,
        colour=_gathered(of_colour, kept).reshape(-1, 2 * bands_of(roles)),
        colour_starts=np.concatenate([[0], np.cumsum(windows)]),
    )


def map_files(folder: Path, kept: Kept) -> Files:
    """Both files as far as is known what they hold: flat, and there though the files are removed.

    Raises
    ------
    FormatError
        If one is missing or too short.
    """
    codes, colour = (
        _map(path, end, dtype)
        for path, end, dtype in zip(
            paths_of(folder, kept), ends(kept.rows()), (np.uint64, np.float32), strict=True
        )
    )
    return codes, colour


def _map(path: Path, size: int, dtype: Any) -> NDArray:
    try:
        if path.stat().st_size < size:
            raise FormatError(
                f"{path}: ends {size - path.stat().st_size} bytes too early; make the index anew"
            )
        if not size:
            return np.empty(0, dtype)
        # Copy on write: to kernels a read-only array is another type, which they would be compiled for anew.
        return np.asarray(np.memmap(path, dtype, "c", shape=(size // np.dtype(dtype).itemsize,)))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {problem(error)}; make the index anew") from None


def _gathered(values: NDArray[np.float32], kept: Kept) -> NDArray[np.float32]:
    """Colour of all pictures in their order: the map itself where they lie in it so."""
    starts, sizes = (np.array(part, np.int64) // values.itemsize for part in (kept.colour, kept.colour_bytes))
    if (starts == np.cumsum(sizes) - sizes).all():
        return values[: sizes.sum()]
    return np.concatenate([values[a : a + n] for a, n in zip(starts, sizes, strict=True)])
