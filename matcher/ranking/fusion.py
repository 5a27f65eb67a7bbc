"""Fusion of a ranking with another method's scores of the same candidates, by calibrated log-likelihood ratios."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.formats.npz import open_archive
from matcher.formats.parquet import read_parquet
from matcher.placements import Placements
from matcher.ranking.rankings import KS, Path_, Ranking, Worth, worth

_FOLDS = 5
_STEPS = 50
_RIDGE = 1e-3  # on the squares of the weights of standardised scores, a patch
_LONG = ("patch_id", "image_id", "window_x", "window_y", "score")
_WIDE = ("ids", "image", "window_x", "window_y", "score")


def read_scores(path: Path_, ranking: Ranking) -> NDArray[np.float64]:
    """A learned method's scores, (n, m), for the candidates of a ranking.

    The file is as `Ranking.save` writes it: ``.npz`` with ids (n,), image and score (n, any) and, of windows, window_x
    and window_y, or ``.parquet`` with patch_id, image_id, score and, of windows, window_x and window_y, a row a
    candidate; in any order, higher is better. A candidate that it leaves out gets the least of its patch's scores.

    Raises
    ------
    FormatError
        If it is damaged, its arrays do not fit, a patch is missing or doubled, or a score is NaN.
    """
    name = os.fspath(path)
    wide = not name.lower().endswith(".parquet")
    patch, image, corner, score = (_wide if wide else _long)(path, ranking.corner is not None)
    if np.isnan(score).any():
        raise FormatError(f"{name}: has a score that is NaN")
    order = np.argsort(patch, kind="stable")
    starts = dict(zip(*np.unique(patch[order], return_index=True), strict=True))
    stops = dict(zip(*np.unique(patch[order][::-1], return_index=True), strict=True))
    out = np.full(ranking.image.shape, -np.inf)
    for n, which in enumerate(ranking.ids.tolist()):
        if which not in starts:
            raise FormatError(f"{name}: has no scores of patch {which}")
        rows = order[starts[which] : len(order) - stops[which]]
        rows = rows[(image[rows] >= 0) & np.isfinite(score[rows])]
        if not len(rows):
            raise FormatError(f"{name}: has no finite score of patch {which}")
        keys = zip(image[rows].tolist(), *(c.tolist() for c in corner[rows].T), strict=True)
        given = dict(zip(keys, score[rows].tolist(), strict=True))
        least = min(given.values())
        own = np.zeros((ranking.image.shape[1], 2), np.int64) if ranking.corner is None else ranking.corner[n]
        wanted = zip(ranking.image[n].tolist(), *(c.tolist() for c in own.T), strict=True)
        out[n] = [given.get(key, least) for key in wanted]
    return out


Rows = tuple[NDArray, NDArray, NDArray, NDArray]


def _wide(path: Path_, windows: bool) -> Rows:
    """Patch, image, corner (row, column) and score, a row a candidate, of an .npz."""
    name = os.fspath(path)
    members = open_archive(path)
    wanted = [key for key in _WIDE if windows or not key.startswith("window")]
    for key in wanted:
        if key not in members:
            raise FormatError(f"{name}: has no array {key!r}; {', '.join(wanted)} were expected")
    arrays = {key: members[key].load(members[key].check()) for key in wanted}
    ids, image, score = (arrays[key] for key in ("ids", "image", "score"))
    if (
        ids.ndim != 1
        or score.ndim != 2
        or len(score) != len(ids)
        or any(arrays[key].shape != score.shape for key in wanted[1:])
    ):
        shapes = ", ".join(f"{key} {arrays[key].shape}" for key in wanted)
        raise FormatError(
            f"{name}: has arrays of the shapes {shapes}; (n,) and then (n, m) each were expected"
        )
    if len(np.unique(ids)) < len(ids):
        raise FormatError(f"{name}: has a patch twice")
    corner = np.zeros((score.size, 2), np.int64)
    if windows:
        corner = np.stack([arrays["window_y"].ravel(), arrays["window_x"].ravel()], -1)
    return np.repeat(ids, score.shape[1]), image.ravel(), corner, score.ravel()


def _long(path: Path_, windows: bool) -> Rows:
    """The same of a .parquet."""
    wanted = [key for key in _LONG if windows or not key.startswith("window")]
    columns = read_parquet(path, tuple(wanted))
    for key in wanted:
        if key not in columns:
            raise FormatError(f"{os.fspath(path)}: has no column {key!r}; {', '.join(wanted)} were expected")
    corner = np.zeros((len(columns["score"]), 2), np.int64)
    if windows:
        corner = np.stack([columns["window_y"], columns["window_x"]], -1)
    return columns["patch_id"], columns["image_id"], corner, columns["score"].astype(np.float64)


@dataclass(frozen=True)
class Fusion:
    """A ranking fused with other scores.

    Attributes
    ----------
    ranking : Ranking
        By the sum of calibrated log-likelihood ratios.
    weights : tuple of float
        Nats a unit of each method's score, fitted on all answered patches: matcher's own, then the others.
    bits : dict of str to float
        Mean surprise of the true candidate, bits a patch, each patch judged by weights fitted without its image: for
        ``own``, ``other`` and ``fused``. What a method adds is the difference.
    worths : dict of str to Worth
        For the same three.
    """

    ranking: Ranking
    weights: tuple[float, ...]
    bits: dict[str, float]
    worths: dict[str, Worth]


def fuse(ranking: Ranking, other: NDArray[np.float64], answers: Placements, ks: Sequence[int] = KS) -> Fusion:
    """Fuse a ranking with another method's scores (n, m) of the same candidates.

    The chance of each candidate is the softmax over candidates of a weighted sum of the scores (conditional logit,
    McFadden 1974): each weighted score is a log-likelihood ratio up to a constant of the patch. Weights are fitted by
    Newton's method on the answered patches; an answered patch is judged by weights fitted without its image.

    Raises
    ------
    MatcherError
        If fewer than two images have answered patches.
    """
    rows, hits = ranking.hits(answers)
    known = dict(zip(answers.ids.tolist(), answers.image.tolist(), strict=True))
    truth = np.array([known[patch] for patch in ranking.ids[rows].tolist()])
    images = np.unique(truth)
    if len(images) < 2:
        raise MatcherError("fusion is fitted with images left out: give answers of two images or more")
    fold = np.searchsorted(images, truth) % min(_FOLDS, len(images))
    usable = hits.any(1)
    own = np.where(np.isfinite(ranking.score), ranking.score, 0).astype(np.float64)
    bits, worths, fused = {}, {}, ranking
    weights: tuple[float, ...] = ()
    for name, scores in (
        ("own", own[..., None]),
        ("other", other[..., None]),
        ("fused", np.stack([own, other], -1)),
    ):
        whole = _fit_weights(scores[rows[usable]], ranking.image[rows[usable]], hits[usable])
        combined = scores @ whole
        surprise = []
        for k in np.unique(fold):
            held, kept = fold == k, usable & (fold != k)
            fitted = _fit_weights(scores[rows[kept]], ranking.image[rows[kept]], hits[kept])
            combined[rows[held]] = scores[rows[held]] @ fitted
            chance = _chances(combined[rows[held]], ranking.image[rows[held]])
            surprise.append(-np.log2(np.maximum((chance * hits[held]).sum(1), 1e-12)))
        bits[name] = float(np.concatenate(surprise).mean())
        fused, weights = ranking.with_scores(combined), tuple(whole.tolist())
        worths[name] = worth(fused, answers, ks)
    return Fusion(fused, weights, bits, worths)


def _chances(score: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
    masked = np.where(image >= 0, score, -np.inf)
    odds = np.exp(masked - masked.max(1, keepdims=True))
    out: NDArray[np.float64] = odds / odds.sum(1, keepdims=True)
    return out


def _fit_weights(
    scores: NDArray[np.float64], image: NDArray[np.int64], hit: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights (k,) of scores (n, m, k) that make the true candidates (n, m) likeliest."""
    if not len(hit):
        raise SettingsError("fusion: no answered patch has its true image or window among the candidates")
    spread = np.maximum(scores[image >= 0].std(0), 1e-12)
    scaled = scores / spread
    at = hit[..., None]
    beta = np.zeros(scores.shape[2])

    def loss(trial: NDArray[np.float64]) -> float:
        said = (_chances(scaled @ trial, image) * at[..., 0]).sum(1)
        return float(-np.log(np.maximum(said, 1e-300)).sum() + _RIDGE * len(hit) * (trial**2).sum() / 2)

    for _ in range(_STEPS):
        chance = _chances(scaled @ beta, image)[..., None]
        mean = (chance * scaled).sum(1)
        gradient = ((at * scaled).sum(1) - mean).sum(0) - _RIDGE * len(hit) * beta
        apart = scaled - mean[:, None]
        curve = np.einsum("nmi,nmj->ij", chance * apart, apart) + _RIDGE * len(hit) * np.eye(len(beta))
        step = np.linalg.solve(curve, gradient)
        before = loss(beta)
        while loss(beta + step) > before and np.abs(step).max() > 1e-9:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    out: NDArray[np.float64] = beta / spread
    return out
