"""Retrieval: every image ranked for every patch, what the ranking is worth, and its fusion with other scores."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive
from matcher.matching import prepare
from matcher.placements import Placements
from matcher.settings import Settings
from matcher.threads import limited

KS = (1, 5, 10)
_FOLDS = 5
_STEPS = 50
_RIDGE = 1e-3  # on the squares of the weights of standardised scores, a patch

Progress = Callable[[int, int], None]
Path_ = str | os.PathLike[str]


@dataclass(frozen=True)
class Ranking:
    """The images of every patch, best first.

    Attributes
    ----------
    ids : ndarray of int64, (n,)
        Of the patches.
    image, x, y : ndarray of int64, (n, m)
        Image id, and column and row of the patch's top-left pixel where it fits that image best; -1 where there is
        no further image.
    score : ndarray of float32, (n, m)
        Log-likelihood ratio, nats; -inf where there is no image.
    """

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    score: NDArray[np.float32]

    def placements(self) -> Placements:
        """The first of each patch."""
        return Placements(self.ids, np.maximum(self.image[:, 0], 0), self.x[:, 0], self.y[:, 0])

    def with_scores(self, score: NDArray[np.floating]) -> "Ranking":
        """Ranked anew by other scores (n, m); ties to the lower image id."""
        score = np.where(self.image < 0, -np.inf, score)
        order = np.lexsort((self.image, -score), axis=-1)
        rows = np.arange(len(order))[:, np.newaxis]
        return Ranking(
            self.ids,
            self.image[rows, order],
            self.x[rows, order],
            self.y[rows, order],
            score[rows, order].astype(np.float32),
        )

    def save(self, path: Path_, top: int) -> None:
        """Write the first `top` images of every patch to ``.npz``: ids, image, x, y, score."""
        with atomic_write(path) as file:
            np.savez_compressed(
                file, ids=self.ids, **{k: getattr(self, k)[:, :top] for k in ("image", "x", "y", "score")}
            )


@dataclass(frozen=True)
class Worth:
    """What a ranking is worth against the answers, over answered patches.

    Attributes
    ----------
    patches : int
    top : dict of int to float
        Share of patches whose image is among the first k.
    mrr : float
        Mean of 1 / rank of the true image; 0 where it is not ranked.
    mean_average_precision : float
        The other way round: each image ranks the patches by score, its own are the relevant ones; the mean over
        images with patches of the average precision. It falls where scores of different patches cannot be compared.
    """

    patches: int
    top: dict[int, float]
    mrr: float
    mean_average_precision: float

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers."""
        return {
            "patches": self.patches,
            "top": {str(k): share for k, share in self.top.items()},
            "mrr": self.mrr,
            "mAP": self.mean_average_precision,
        }


def retrieve(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Ranking:
    """Rank all images for every patch, by the best place of each at every pixel.

    Parameters and errors as of `matcher.match`; the search is always exhaustive.
    """
    job = prepare(images, patches, settings, **(options | {"search": "exhaustive"}))
    count, keep = len(job.patches), len(job.targets)
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, count * keep)

    by_side: dict[tuple[int, int], list[int]] = {}
    for k in range(count):
        by_side.setdefault(job.patches.shape(k)[:2], []).append(k)
    target = np.full((count, keep), -1, np.int64)
    place = np.zeros((count, keep, 2), np.int64)
    score = np.full((count, keep), -np.inf, np.float32)
    with limited(job.settings.threads):
        for which in by_side.values():
            found = job.search(which, keep, report)
            target[which], place[which] = found.target, found.place
            score[which] = np.where(found.target >= 0, found.score / 2, -np.inf)
    image = np.where(target >= 0, job.targets.ids[target], -1)
    return Ranking(job.patches.ids, image, place[..., 1], place[..., 0], score)


def worth(ranking: Ranking, answers: Placements, ks: Sequence[int] = KS) -> Worth:
    """What a ranking is worth.

    Raises
    ------
    MatcherError
        If no patch of it has an answer.
    """
    truth = _truth(ranking, answers)
    rows = np.flatnonzero(truth >= 0)
    hit = ranking.image[rows] == truth[rows, np.newaxis]
    rank = np.where(hit.any(1), hit.argmax(1) + 1, np.inf)
    precisions = []
    for image in np.unique(truth[rows]):
        column = np.where(ranking.image[rows] == image, ranking.score[rows], -np.inf).max(1)
        relevant = (truth[rows] == image)[np.argsort(-column, kind="stable")]
        place = np.flatnonzero(relevant) + 1
        precisions.append(float((np.arange(1, len(place) + 1) / place).mean()))
    return Worth(
        len(rows),
        {int(k): float((rank <= k).mean()) for k in ks},
        float((1 / rank).mean()),
        float(np.mean(precisions)),
    )


def read_scores(path: Path_, ranking: Ranking) -> NDArray[np.float64]:
    """A learned method's scores, (n, m), for the candidates of a ranking.

    The file is as `Ranking.save` writes it, ``.npz`` with ids (n,), image and score (n, any), in any order; higher is
    better. A candidate that it leaves out gets the least of its patch's scores.

    Raises
    ------
    FormatError
        If it is damaged, its arrays do not fit, a patch is missing or doubled, or a score is NaN.
    """
    name = os.fspath(path)
    members = open_archive(path)
    for key in ("ids", "image", "score"):
        if key not in members:
            raise FormatError(f"{name}: has no array {key!r}; 'ids', 'image' and 'score' were expected")
    ids, image, score = (members[key].load(members[key].check()) for key in ("ids", "image", "score"))
    if ids.ndim != 1 or image.shape != score.shape or image.ndim != 2 or len(image) != len(ids):
        raise FormatError(
            f"{name}: ids of shape {ids.shape}, image {image.shape} and score {score.shape}; "
            "(n,), (n, m) and (n, m) were expected"
        )
    if np.isnan(score).any() or len(np.unique(ids)) < len(ids):
        raise FormatError(f"{name}: has a score that is NaN, or a patch twice")
    where = {int(patch): k for k, patch in enumerate(ids)}
    out = np.full(ranking.image.shape, -np.inf)
    for n, patch in enumerate(ranking.ids.tolist()):
        if patch not in where:
            raise FormatError(f"{name}: has no scores of patch {patch}")
        row = where[patch]
        real = (image[row] >= 0) & np.isfinite(score[row])
        if not real.any():
            raise FormatError(f"{name}: has no finite score of patch {patch}")
        given = dict(zip(image[row][real].tolist(), score[row][real].tolist(), strict=True))
        least = min(given.values())
        out[n] = [given.get(candidate, least) for candidate in ranking.image[n].tolist()]
    return out


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
        Mean surprise of the true image, bits a patch, each patch judged by weights fitted without its image: for
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

    The chance of each image is the softmax over candidates of a weighted sum of the scores (conditional logit,
    McFadden 1974): each weighted score is a log-likelihood ratio up to a constant of the patch. Weights are fitted by
    Newton's method on the answered patches; an answered patch is judged by weights fitted without its image.

    Raises
    ------
    MatcherError
        If fewer than two images have answered patches.
    """
    truth = _truth(ranking, answers)
    own = np.where(np.isfinite(ranking.score), ranking.score, 0).astype(np.float64)
    answered = np.unique(truth[truth >= 0])
    if len(answered) < 2:
        raise MatcherError("fusion is fitted with images left out: give answers of two images or more")
    fold = np.searchsorted(answered, truth) % min(_FOLDS, len(answered))
    bits, worths, fused = {}, {}, ranking
    weights: tuple[float, ...] = ()
    for name, scores in (
        ("own", own[..., None]),
        ("other", other[..., None]),
        ("fused", np.stack([own, other], -1)),
    ):
        usable = (truth >= 0) & (ranking.image == truth[:, None]).any(1)
        whole = _fit_weights(scores[usable], ranking.image[usable], truth[usable])
        combined = scores @ whole
        surprise = []
        for k in np.unique(fold[truth >= 0]):
            held = (truth >= 0) & (fold == k)
            fitted = _fit_weights(
                scores[usable & ~held], ranking.image[usable & ~held], truth[usable & ~held]
            )
            combined[held] = scores[held] @ fitted
            chance = _chances(combined[held], ranking.image[held])
            at = ranking.image[held] == truth[held, None]
            surprise.append(-np.log2(np.maximum((chance * at).sum(1), 1e-12)))
        bits[name] = float(np.concatenate(surprise).mean())
        fused, weights = ranking.with_scores(combined), tuple(whole.tolist())
        worths[name] = worth(fused, answers, ks)
    return Fusion(fused, weights, bits, worths)


def worth_text(worths: dict[str, Worth], bits: dict[str, float] | None = None) -> str:
    """Worths side by side as a table."""
    first = next(iter(worths.values()))
    lines = [f"{first.patches} patches", f"{'':22}" + "".join(f"{name:>10}" for name in worths)]
    for k in first.top:
        lines.append(f"{f'image among first {k}':22}" + "".join(f"{w.top[k]:10.4f}" for w in worths.values()))
    lines.append(f"{'mean reciprocal rank':22}" + "".join(f"{w.mrr:10.4f}" for w in worths.values()))
    lines.append(
        f"{'mAP of images':22}" + "".join(f"{w.mean_average_precision:10.4f}" for w in worths.values())
    )
    if bits is not None:
        lines.append(f"{'surprise, bits':22}" + "".join(f"{bits[name]:10.4f}" for name in worths))
        lines.append(f"matcher adds {bits['other'] - bits['fused']:.4f} bits a patch to the other scores")
        lines.append(f"the other scores add {bits['own'] - bits['fused']:.4f} bits a patch to matcher's")
    return "\n".join(lines)


def _truth(ranking: Ranking, answers: Placements) -> NDArray[np.int64]:
    """The true image of every patch, -1 where it has no answer."""
    known = dict(zip(answers.ids.tolist(), answers.image.tolist(), strict=True))
    truth = np.array([known.get(patch, -1) for patch in ranking.ids.tolist()], np.int64)
    if not (truth >= 0).any():
        raise MatcherError("no patch has an answer: do the answers belong to these patches?")
    return truth


def _chances(score: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
    masked = np.where(image >= 0, score, -np.inf)
    odds = np.exp(masked - masked.max(1, keepdims=True))
    out: NDArray[np.float64] = odds / odds.sum(1, keepdims=True)
    return out


def _fit_weights(
    scores: NDArray[np.float64], image: NDArray[np.int64], truth: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights (k,) of scores (n, m, k) that make the true images likeliest."""
    if not len(truth):
        raise SettingsError("fusion: no answered patch has its true image among the candidates")
    spread = np.maximum(scores[image >= 0].std(0), 1e-12)
    scaled = scores / spread
    at = (image == truth[:, None])[..., None]
    beta = np.zeros(scores.shape[2])

    def loss(trial: NDArray[np.float64]) -> float:
        said = (_chances(scaled @ trial, image) * at[..., 0]).sum(1)
        return float(-np.log(np.maximum(said, 1e-300)).sum() + _RIDGE * len(truth) * (trial**2).sum() / 2)

    for _ in range(_STEPS):
        chance = _chances(scaled @ beta, image)[..., None]
        mean = (chance * scaled).sum(1)
        gradient = ((at * scaled).sum(1) - mean).sum(0) - _RIDGE * len(truth) * beta
        apart = scaled - mean[:, None]
        curve = np.einsum("nmi,nmj->ij", chance * apart, apart) + _RIDGE * len(truth) * np.eye(len(beta))
        step = np.linalg.solve(curve, gradient)
        before = loss(beta)
        while loss(beta + step) > before and np.abs(step).max() > 1e-9:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    out: NDArray[np.float64] = beta / spread
    return out
