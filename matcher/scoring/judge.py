"""Patch by patch: is the image right, how far off is the corner, what does the official scorer give."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matcher import checks
from matcher.errors import MatcherError
from matcher.placements import OFFICIAL_RADIUS, Placements
from matcher.ranking.files import is_ranking, read_ranking
from matcher.ranking.rankings import Ranking, standing
from matcher.ranking.trec import QRELS_SUFFIX, read_qrels

WITHIN = (0, 1, 2, 4)
"""Distances, in pixels, within which a place counts as found."""

METRICS = ("total", "image", "slides", *(f"within_{px}" for px in WITHIN))
"""The columns of `Judged.table`: each is a mean over patches."""

FIRST = (1, 5, 10, 100)
"""Ranks up to which the true image (or window) of a patch counts as found."""

RANKED = (*(f"first_{k}" for k in FIRST), "mrr", "map")
"""The columns besides, of rankings: means over patches, and mAP of images a mean over images."""

LABELS = {
    "total": "official score",
    "image": "right image (SC_img)",
    "slides": "slides' score",
    **{f"within_{px}": f"within {px} px" + (" (SC_loc)" if px == 0 else "") for px in WITHIN},
    "first_1": "true one first",
    **{f"first_{k}": f"among the first {k}" for k in FIRST[1:]},
    "mrr": "mean reciprocal rank",
    "map": "mean average precision",
}
"""What a person reads for each of `METRICS` and `RANKED`."""


class PlacementLike(Protocol):
    """Whatever has the four arrays of Placements: these themselves, or a Result."""

    @property
    def ids(self) -> ArrayLike: ...
    @property
    def image(self) -> ArrayLike: ...
    @property
    def x(self) -> ArrayLike: ...
    @property
    def y(self) -> ArrayLike: ...


Placed: TypeAlias = PlacementLike | Ranking | str | PathLike[str]
"""Placements or what has their arrays, a ranking, or the path of a submission or ranking."""


@dataclass(frozen=True)
class Judged:
    """A submission, or a ranking, held against the answers, one row an answered patch, by ascending patch id.

    Attributes
    ----------
    ids, true_image : ndarray of int64, shape (n,)
        The answers' patch ids and images; the images are what intervals are resampled by.
    image, x, y : ndarray of int64, shape (n,)
        What the submission, or the ranking's first, says; -1 where it says nothing.
    right : ndarray of bool, shape (n,)
        Whether the image is right.
    distance : ndarray of float64, shape (n,)
        Euclidean distance of the corners in pixels; inf where the image is wrong or missing, nan where the answers
        say images alone. A right image of a ranking that says no places counts as `OFFICIAL_RADIUS` off.
    points : ndarray of float64, shape (n,)
        The official score, 0 or 0.5 to 1; nan where the answers say images alone.
    missing, extra : ndarray of int64
        Ids that only the answers have (they earn 0), and that only the submission has (not counted).
    ranked : ndarray of float64, shape (n, 6), optional
        Of a ranking, the columns `RANKED`.
    map_by_image : bool
        Whether the mean average precision is a mean over images, and not over patches.
    remarks : tuple of str
        What is to be known of the figures.
    """

    ids: NDArray[np.int64]
    true_image: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    right: NDArray[np.bool_]
    distance: NDArray[np.float64]
    points: NDArray[np.float64]
    missing: NDArray[np.int64]
    extra: NDArray[np.int64]
    ranked: NDArray[np.float64] | None = None
    map_by_image: bool = True
    remarks: tuple[str, ...] = ()

    def table(self, ranked: bool | None = None) -> NDArray[np.float64]:
        """Every patch's value of every metric, shape (n, 7) or, of a ranking, (n, 13).

        Columns as `METRICS` and `RANKED`, in [0, 1]; nan where there is no such value. With `ranked` the columns of
        rankings are there, or not, whatever this is.
        """
        unknown = np.isnan(self.distance)
        near = [np.where(unknown, np.nan, self.distance <= px) for px in WITHIN]
        slides = (self.right.astype(np.float64) + near[0]) / 2
        columns = np.stack([self.points, self.right, slides, *near], axis=1).astype(np.float64)
        if not (self.ranked is not None if ranked is None else ranked):
            return columns
        more = np.full((len(columns), len(RANKED)), np.nan) if self.ranked is None else self.ranked
        return np.concatenate([columns, more], axis=1)

    def weights(self, count: int) -> NDArray[np.float64]:
        """What each patch weighs in the mean of each of the first `count` columns of its table, shape (n, count)."""
        out = np.ones((len(self.ids), len(METRICS) + len(RANKED)))
        if self.map_by_image:
            _, cluster, size = np.unique(self.true_image, return_inverse=True, return_counts=True)
            out[:, -1] = 1 / size[cluster]
        return out[:, :count]

    def part(self, mask: NDArray[np.bool_]) -> "Judged":
        """The patches under a mask, shape (n,); extra ids belong to no part."""
        ids = self.ids[mask]
        return Judged(
            ids=ids,
            true_image=self.true_image[mask],
            image=self.image[mask],
            x=self.x[mask],
            y=self.y[mask],
            right=self.right[mask],
            distance=self.distance[mask],
            points=self.points[mask],
            missing=np.intersect1d(self.missing, ids),
            extra=self.extra[:0],
            ranked=None if self.ranked is None else self.ranked[mask],
            map_by_image=self.map_by_image,
        )


def official_points(distance: ArrayLike) -> NDArray[np.float64]:
    """Official score of patches whose image is right: 0.5 + 0.5 max(0, 1 - d / R), R = 64 sqrt 2.

    Parameters
    ----------
    distance : array_like
        Euclidean distance of the corners in pixels; inf stands for a wrong image and earns 0.
    """
    d = np.asarray(distance, np.float64)
    return np.where(np.isfinite(d), 0.5 + 0.5 * np.maximum(0.0, 1.0 - d / OFFICIAL_RADIUS), 0.0)


def judge(submission: Placements | Ranking, answers: Placements, places: bool = True) -> Judged:
    """Hold a submission, or a ranking, against the answers, in whatever order their rows stand.

    With `places` False the answers say images alone: nothing is known of what depends on places.

    Raises
    ------
    MatcherError
        An id stands twice, there are no answers, or the two have no id in common.
    """
    ranking = submission if isinstance(submission, Ranking) else None
    placements = submission.placements() if isinstance(submission, Ranking) else submission
    said, truth = _by_id(placements, "the submission"), _by_id(answers, "the answers")
    if not len(truth):
        raise MatcherError("the answers have no rows: nothing to score against")
    row = np.searchsorted(said.ids, truth.ids)
    there = row < len(said)
    there[there] = said.ids[row[there]] == truth.ids[there]
    if not there.any():
        raise MatcherError(
            f"no patch id of the {len(truth)} answers is in the submission ({len(said)} rows): "
            "give the answers that belong to it"
        )
    image, x, y = (np.full(len(truth), -1, np.int64) for _ in range(3))
    for out, column in ((image, said.image), (x, said.x), (y, said.y)):
        out[there] = column[row[there]]
    right = there & (image == truth.image)
    offset = np.hypot(x.astype(np.float64) - truth.x, y.astype(np.float64) - truth.y)
    if ranking is not None and not ranking.placed:
        offset = np.full(len(truth), OFFICIAL_RADIUS)
    distance = np.where(right, offset, np.inf) if places else np.full(len(truth), np.nan)
    return Judged(
        ids=truth.ids,
        true_image=truth.image,
        image=image,
        x=x,
        y=y,
        right=right,
        distance=distance,
        points=official_points(distance) if places else distance,
        missing=truth.ids[~there],
        extra=np.setdiff1d(said.ids, truth.ids),
        **({} if ranking is None else _ranked(ranking, truth, places)),
    )


def _ranked(ranking: Ranking, truth: Placements, places: bool) -> dict[str, Any]:
    """What a ranking adds to `Judged`."""
    if ranking.corner is not None and not places:
        raise MatcherError("a ranking of windows needs answers that say places: give them as a submission")
    found = standing(ranking, truth)
    at = np.searchsorted(truth.ids, ranking.ids[found.rows])
    out = np.zeros((len(truth), len(RANKED)))
    out[at] = np.stack([*(found.rank <= k for k in FIRST), 1 / found.rank, found.precision], axis=1)
    remarks = []
    lost = int(np.isinf(found.rank).sum())
    if lost:
        remarks.append(
            f"the true {ranking.noun} is not among the candidates of {lost} patches: counted as missed"
        )
    if not ranking.placed:
        remarks.append("the ranking says no places: a right image earns 0.5")
    return {"ranked": out, "map_by_image": ranking.corner is None, "remarks": tuple(remarks)}


def load(source: Placed, what: str) -> Placements | Ranking:
    """A submission or a ranking, from a path or in memory."""
    if isinstance(source, Ranking):
        return source
    if isinstance(source, str | PathLike) and is_ranking(source):
        ranking = read_ranking(source)
        check_grid(str(source), ranking)
        return ranking
    return load_placements(source, what)


def check_grid(name: str, ranking: Ranking) -> None:
    """Raise MatcherError where windows are ranked whose grid is not known: none can be said to be the true one."""
    if ranking.corner is not None and ranking.grid is None:
        raise MatcherError(
            f"{name}: does not say of which windows it is, so it cannot be scored: export windows as .npz or .parquet, "
            "which keep their grid"
        )


def load_answers(source: Placed, xy_order: str = "xy") -> tuple[Placements, bool]:
    """The answers, and whether they say places: qrels say images alone."""
    if isinstance(source, str | PathLike) and str(source).lower().endswith(QRELS_SUFFIX):
        return read_qrels(source), False
    return load_placements(source, "the answers", xy_order), True


def load_placements(source: Placed, what: str, xy_order: str = "xy") -> Placements:
    """Placements from a path, or from anything with the arrays `ids`, `image`, `x` and `y`.

    Parameters
    ----------
    source : path, Placements, Result or the like
        Of a path, the submission in it. Of anything else, its arrays of whole numbers, shape (n,): the patch ids, the
        image id of each and the column and row of its top left corner there, pixels.
    what : str
        What to call it in an error, as "the answers".
    xy_order : {"xy", "yx"}
        Which of a result's last two numbers is the column; of arrays, yx swaps them.

    Returns
    -------
    Placements
        With arrays of int64, in the order given.

    Raises
    ------
    SettingsError
        If the order is none of the two.
    FormatError
        As `matcher.read_submission`.
    MatcherError
        If an array is missing, is not one row of whole numbers, or they are of unlike length.
    """
    checks.choice("xy_order", xy_order, ("xy", "yx"))
    if isinstance(source, str | PathLike):
        from matcher.formats.submission import read_submission

        return read_submission(source, xy_order=xy_order)
    names = ("ids", "image", "x", "y")
    if not all(hasattr(source, name) for name in names):
        raise MatcherError(f"{what}: a path, Placements or a Result is wanted, not {type(source).__name__}")
    columns = [_whole(getattr(source, name), what, name) for name in names]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(f"{n} {len(c)}" for n, c in zip(names, columns, strict=True))
        raise MatcherError(f"{what}: arrays of unlike length ({lengths})")
    ids, image, x, y = columns
    return Placements(ids, image, x, y) if xy_order == "xy" else Placements(ids, image, y, x)


def first_few(ids: Iterable[int], shown: int = 5) -> str:
    """Ids as "3, 8, 11" or, where there are more than `shown`, "3, 8, 11, ...": for messages."""
    every = [str(int(i)) for i in ids]
    return ", ".join(every[:shown]) + (", ..." if len(every) > shown else "")


def _whole(values: Any, what: str, name: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise MatcherError(
            f"{what}: {name} has shape {array.shape} and dtype {array.dtype}; give one row of integers"
        )
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise MatcherError(f"{what}: {name} has a whole number beyond int64")
    return array.astype(np.int64)


def _by_id(placements: Placements, what: str) -> Placements:
    order = np.argsort(placements.ids, kind="stable")
    ids = placements.ids[order]
    double = np.unique(ids[1:][ids[1:] == ids[:-1]])
    if len(double):
        raise MatcherError(
            f"{what}: {len(double)} patch ids stand more than once ({first_few(double)}): keep one row each"
        )
    return Placements(ids, placements.image[order], placements.x[order], placements.y[order])
