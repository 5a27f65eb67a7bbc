"""Rankings in files: NumPy archives, Parquet tables and TREC runs, read in any order and written best first."""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import AnyPath
from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive
from matcher.formats.outputs import check_ending
from matcher.formats.parquet import read_metadata, read_parquet, write_parquet
from matcher.ranking.rankings import Ranking, WindowGrid, check_scores
from matcher.ranking.trec import TREC_SUFFIXES, read_run, write_run

SUFFIXES = (".npz", ".parquet", *TREC_SUFFIXES)
_WINDOW, _PLACE = ("window_x", "window_y"), ("x", "y")
_GRID = ("stride", "sides", "shape_ids", "shapes")
_METADATA = "matcher.grid"  # where a Parquet file says its grid of windows, as JSON


def is_ranking(path: AnyPath) -> bool:
    """Whether a path's ending is one of a ranking."""
    return os.path.splitext(os.fspath(path))[1].lower() in SUFFIXES


def read_ranking(path: AnyPath) -> Ranking:
    """Read a ranking; its candidates may stand in any order, higher scores are better.

    ``.npz`` holds ids (n,), image and score (n, m), and where they are known x and y, of windows window_x and window_y,
    and their grid (stride; sides (n, 2); shape_ids (k,) and shapes (k, 2) of the images). ``.parquet`` holds patch_id,
    image_id, score and the same, a row a candidate. ``.run`` and ``.trec`` are runs of trec_eval
    (`matcher.ranking.trec`). Candidates of image -1 or a score of -inf are none.

    Raises
    ------
    FormatError
        If it is missing or damaged, arrays or columns do not fit, a patch or a candidate stands twice, a patch has no
        candidate, or a score is no real number, NaN or +inf.
    SettingsError
        If its ending is another.
    """
    check_ending(path, "rankings", SUFFIXES)
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix in TREC_SUFFIXES:
        patch, image, corner, score = read_run(path)
        rows = {"patch": patch, "image": image, "score": score}
        if corner is not None:
            rows |= {"window_x": corner[:, 1], "window_y": corner[:, 0]}
        return _ranking(os.fspath(path), np.unique(patch), rows, None)
    return (_read_npz if suffix == ".npz" else _read_parquet)(path)


def write_ranking(ranking: Ranking, path: AnyPath, top: int | None = None) -> None:
    """Write the first `top` candidates of every patch, or all, in the form that the path's ending says.

    What `read_ranking` reads; Parquet has a column rank, from 1, besides.

    Raises
    ------
    MatcherError
        If the ending is another, `top` is below 1, pyarrow is missing for Parquet, or the file cannot be written.
    """
    check_ending(path, "rankings", SUFFIXES)
    if top is not None:
        top = checks.whole("top", top, 1)
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix in TREC_SUFFIXES:
        write_run(ranking, path, top)
        return
    columns: dict[str, NDArray] = {"image": ranking.image[:, :top], "score": ranking.score[:, :top]}
    if ranking.placed:
        columns |= {"x": ranking.x[:, :top], "y": ranking.y[:, :top]}
    if ranking.corner is not None:
        columns |= {"window_x": ranking.corner[:, :top, 1], "window_y": ranking.corner[:, :top, 0]}
    grid = {} if ranking.grid is None else _grid_arrays(ranking.grid)
    if suffix == ".npz":
        with atomic_write(path) as file:
            np.savez_compressed(file, ids=ranking.ids, **columns, **grid)  # type: ignore[arg-type]
        return
    real = columns["image"] >= 0
    rank = np.broadcast_to(np.arange(1, real.shape[1] + 1), real.shape)
    ids = np.broadcast_to(ranking.ids[:, None], real.shape)
    long = {"patch_id": ids, "rank": rank, "image_id": columns.pop("image"), **columns}
    said = json.dumps({"ids": ranking.ids.tolist()} | {key: value.tolist() for key, value in grid.items()})
    table = {key: column[real] for key, column in long.items()}
    write_parquet(path, table, {_METADATA: said} if grid else {})


def _read_npz(path: AnyPath) -> Ranking:
    name = os.fspath(path)
    members = open_archive(path)
    wanted = ("ids", "image", "score")
    for key in wanted:
        if key not in members:
            raise FormatError(f"{name}: has no array {key!r}; {', '.join(wanted)} were expected")
    arrays = {
        key: members[key].load(members[key].check())
        for key in (*wanted, *_optional(members), *(key for key in _GRID if key in members))
    }
    ids, score = arrays["ids"], arrays["score"]
    tables = [key for key in arrays if key not in ("ids", *_GRID)]
    fits = ids.ndim == 1 and score.ndim == 2 and len(score) == len(ids) and score.size > 0
    if not fits or any(arrays[key].shape != score.shape for key in tables):
        shapes = ", ".join(f"{key} {arrays[key].shape}" for key in ("ids", *tables))
        raise FormatError(
            f"{name}: has arrays of the shapes {shapes}; (n,) and then (n, m) each were expected"
        )
    ids = _whole(name, "ids", ids)
    if len(np.unique(ids)) < len(ids):
        raise FormatError(f"{name}: has a patch twice")
    rows = {key: arrays[key].ravel() for key in tables} | {"patch": np.repeat(ids, score.shape[1])}
    return _ranking(name, ids, rows, _grid_of(name, ids, arrays) if "window_x" in arrays else None)


def _read_parquet(path: AnyPath) -> Ranking:
    name = os.fspath(path)
    wanted = ("patch_id", "image_id", "score")
    columns = read_parquet(path, (*wanted, *_PLACE, *_WINDOW))
    for key in wanted:
        if key not in columns:
            raise FormatError(f"{name}: has no column {key!r}; {', '.join(wanted)} were expected")
    if not len(columns["patch_id"]):
        raise FormatError(f"{name}: has no row")
    rows = {key: columns[key] for key in ("score", *_optional(columns))}
    rows |= {"patch": columns["patch_id"], "image": columns["image_id"]}
    ids = np.unique(_whole(name, "patch_id", rows["patch"]))
    grid = None
    said = read_metadata(path).get(_METADATA)
    if said is not None and "window_x" in rows:
        try:
            grid = _grid_of(name, ids, {key: np.array(value) for key, value in json.loads(said).items()})
        except (ValueError, AttributeError):
            raise FormatError(f"{name}: what it says of its windows is damaged") from None
    return _ranking(name, ids, rows, grid)


def _optional(held: Mapping[str, Any]) -> list[str]:
    """Those pairs of optional arrays that a ranking has both of."""
    return [key for pair in (_PLACE, _WINDOW) if all(one in held for one in pair) for key in pair]


def _ranking(name: str, ids: NDArray[np.int64], rows: dict[str, NDArray], grid: WindowGrid | None) -> Ranking:
    """A ranking from a row a candidate: patch, image and score, and where known x, y, window_x, window_y."""
    score = rows["score"]
    if score.dtype.kind not in "iuf":
        raise FormatError(f"{name}: score has the type {score.dtype}; real numbers were expected")
    check_scores(name, score)
    whole = {key: _whole(name, key, value) for key, value in rows.items() if key != "score"}
    real = (whole["image"] >= 0) & (rows["score"] != -np.inf)
    score = rows["score"][real]
    if score.dtype not in (np.float32, np.float64):
        score = score.astype(np.float64)
    whole = {key: value[real] for key, value in whole.items()}
    windows = "window_x" in whole
    corner = np.zeros((len(score), 2), np.int64)
    if windows:
        corner = np.stack([whole["window_y"], whole["window_x"]], -1)
    by_id = np.argsort(ids, kind="stable")
    number = by_id[np.searchsorted(ids[by_id], whole["patch"])]
    _check_once(name, ids, number, whole["image"], corner)
    order = np.lexsort((corner[:, 1], corner[:, 0], whole["image"], -score, number))
    count = np.bincount(number, minlength=len(ids))
    if not count.all():
        raise FormatError(f"{name}: has no finite score of patch {ids[count.argmin()]}")
    number = number[order]
    at = np.arange(len(order)) - (np.cumsum(count) - count)[number]

    def wide(values: NDArray, blank: float) -> NDArray:
        out = np.full((len(ids), int(count.max())), blank, values.dtype)
        out[number, at] = values[order]
        return out

    image = wide(whole["image"], -1)
    placed = "x" in whole
    x, y = (wide(whole[key], -1) if placed else np.full_like(image, -1) for key in ("x", "y"))
    corners = np.stack([wide(corner[:, k], 0) for k in (0, 1)], -1) if windows else None
    if corners is not None and not placed:  # a window is a place too
        x, y, placed = (
            np.where(image < 0, -1, corners[..., 1]),
            np.where(image < 0, -1, corners[..., 0]),
            True,
        )
    return Ranking(ids, image, x, y, wide(score, -np.inf), corners, grid, placed)


def _check_once(
    name: str, ids: NDArray[np.int64], number: NDArray, image: NDArray, corner: NDArray[np.int64]
) -> None:
    """Raise where a patch names a candidate twice."""
    keys = (corner[:, 1], corner[:, 0], image, number)
    order = np.lexsort(keys)
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    if same.any():
        at = order[np.flatnonzero(same)[0]]
        raise FormatError(f"{name}: patch {ids[number[at]]} has the candidate {image[at]} twice")


def _whole(name: str, key: str, values: NDArray) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu":
        raise FormatError(f"{name}: {key} has the type {values.dtype}; whole numbers were expected")
    if values.size and values.max() > np.iinfo(np.int64).max:
        raise FormatError(f"{name}: {key} has a whole number beyond int64")
    return values.astype(np.int64)


def _grid_arrays(grid: WindowGrid) -> dict[str, NDArray[np.int64]]:
    return {
        "stride": np.array(grid.stride),
        "sides": grid.sides,
        "shape_ids": np.array(list(grid.shapes), np.int64),
        "shapes": np.array(list(grid.shapes.values()), np.int64).reshape(-1, 2),
    }


def _grid_of(name: str, ids: NDArray[np.int64], arrays: Mapping[str, NDArray]) -> WindowGrid | None:
    """The grid of windows, its sides in the order of `ids`; None where it is not said."""
    if not all(key in arrays for key in _GRID):
        return None
    stride, sides, numbers, shapes = (_whole(name, key, np.asarray(arrays[key])) for key in _GRID)
    own = np.asarray(arrays["ids"])
    fits = stride.ndim == 0 and stride >= 1 and numbers.ndim == 1
    if not fits or sides.shape != (len(own), 2) or shapes.shape != (len(numbers), 2):
        raise FormatError(
            f"{name}: its windows need stride (), sides (n, 2), shape_ids (k,) and shapes (k, 2)"
        )
    row_of = {patch: k for k, patch in enumerate(own.tolist())}
    try:
        sides = sides[[row_of[patch] for patch in ids.tolist()]]
    except KeyError as error:
        raise FormatError(f"{name}: does not say the size of patch {error}") from None
    pairs = zip(numbers.tolist(), shapes.tolist(), strict=True)
    return WindowGrid(int(stride), {number: (height, width) for number, (height, width) in pairs}, sides)


def aligned(other: Ranking, ranking: Ranking, name: str = "the other scores") -> NDArray[np.float64]:
    """Another method's scores (n, m) of the candidates of a ranking; one that it leaves out gets the patch's lowest.

    Raises
    ------
    MatcherError
        If one ranks images and the other windows, or a patch is missing.
    """
    if other.noun != ranking.noun:
        raise MatcherError(
            f"{name}: ranks {other.noun}s, and the ranking {ranking.noun}s: give the same of both"
        )
    row_of = {patch: k for k, patch in enumerate(other.ids.tolist())}
    out = np.full(ranking.image.shape, -np.inf)
    for n, which in enumerate(ranking.ids.tolist()):
        if which not in row_of:
            raise MatcherError(f"{name}: has no scores of patch {which}")
        row = row_of[which]
        real = other.image[row] >= 0
        given = dict(zip(_keys(other, row), other.score[row].tolist(), strict=True))
        least = float(other.score[row][real].min())
        out[n] = [given.get(key, least) for key in _keys(ranking, n)]
    return np.where(ranking.image < 0, -np.inf, out)


def _keys(ranking: Ranking, row: int) -> list[tuple[int, ...]]:
    corner = () if ranking.corner is None else ranking.corner[row].T.tolist()
    return list(zip(ranking.image[row].tolist(), *corner, strict=True))
