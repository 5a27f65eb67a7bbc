"""Fusion of a ranking with another method's scores of the same candidates, kept where it pays on images not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.placements import Placements
from matcher.ranking.rankings import Ranking, check_scores
from matcher.values import compared

_FOLDS = 5
_STEPS = 50
_RIDGE = 1e-3  # on the squares of the weights of standardised scores, a patch
_LEVEL = 0.95  # of the interval that says whether fusing pays
_UNIT = 4  # typical spreads of a method's scores above which they are bent


@compared
@dataclass(frozen=True)
class Fusion:
    """A ranking fused with other scores, and whether that pays.

    Attributes
    ----------
    fused : Ranking
        By the sum of calibrated log-likelihood ratios. Every answered patch is ranked by weights that were fitted
        without its image.
    pays : bool
        Whether `gain_interval` lies above 0.
    gain : float
        Mean reciprocal rank of the true candidate, fused less own, over answered patches, each by weights fitted
        without its image.
    gain_interval : (float, float)
        95 % interval of it, images being what is drawn.
    weights : (float, float)
        Of the own and the other scores, fitted on all answered patches; 0 where a method only disturbs.
    bits : dict of str to float
        Mean surprise of the true candidate, bits a patch, each patch judged by weights fitted without its image: for
        ``own``, ``other`` and ``fused``. What a method adds is the difference.
    ranking : Ranking
        What to use: the fused one where it pays, else the own one as it was.
    """

    fused: Ranking
    pays: bool
    gain: float
    gain_interval: tuple[float, float]
    weights: tuple[float, float]
    bits: dict[str, float]
    ranking: Ranking

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, fit for JSON."""
        return {
            "pays": bool(self.pays),
            "gain": self.gain,
            "gain_interval": list(self.gain_interval),
            "weights": list(self.weights),
            "bits": self.bits,
        }

    def __str__(self) -> str:
        low, high = self.gain_interval
        kept = (
            "fusing pays: the fused ranking is used"
            if self.pays
            else "fusing does not pay: matcher's own is kept"
        )
        return "\n".join(
            [
                "surprise, bits a patch: " + ", ".join(f"{k} {v:.4f}" for k, v in self.bits.items()),
                f"matcher adds {self.bits['other'] - self.bits['fused']:.4f} bits a patch to the other scores",
                f"the other scores add {self.bits['own'] - self.bits['fused']:.4f} bits a patch to matcher's",
                f"mean reciprocal rank, fused - matcher, on images not fitted to: {self.gain:+.4f} "
                f"[{low:+.4f}, {high:+.4f}]",
                kept,
            ]
        )


def fuse(ranking: Ranking, other: NDArray[np.float64], answers: Placements) -> Fusion:
    """Fuse a ranking with another method's scores (n, m) of the same candidates.

    The chance of each candidate is the softmax over candidates of a weighted sum of the scores (conditional logit,
    McFadden 1974), so that each weighted score is a log-likelihood ratio up to a constant of the patch. Before that
    each method's scores are taken less their patch's median, over four times the method's typical spread, and bent by
    asinh: what lies far above the rest is sure, and being farther still says little more. Weights are fitted by
    Newton's method on the answered patches and are never negative.

    Raises
    ------
    MatcherError
        If the other scores have another shape, or one is NaN or +inf, fewer than two images have answered patches, or
        no true image or window is among the candidates.
    """
    if np.shape(other) != ranking.image.shape:
        raise MatcherError(
            f"the other scores have the shape {np.shape(other)}, and the ranking {ranking.image.shape}: give one a "
            "candidate"
        )
    check_scores("the other scores", np.asarray(other))
    rows, hits = ranking.hits(answers)
    known = dict(zip(answers.ids.tolist(), answers.image.tolist(), strict=True))
    truth = np.array([known[patch] for patch in ranking.ids[rows].tolist()])
    images = np.unique(truth)
    if len(images) < 2:
        raise MatcherError("fusion is fitted with images left out: give answers of two images or more")
    fold = np.searchsorted(images, truth) % min(_FOLDS, len(images))
    real = ranking.image >= 0
    bent = np.stack([_bent(ranking.score, real), _bent(other, real)], -1)
    combined, weights, bits = {}, {}, {}
    for name, columns in {"own": [0], "other": [1], "fused": [0, 1]}.items():
        scores = bent[..., columns]
        combined[name], weights[name], bits[name] = _left_out(scores, real, rows, hits, fold)
    before = _reciprocal(ranking.score[rows], real[rows], hits)
    change = _reciprocal(combined["fused"][rows], real[rows], hits) - before
    gain, interval = _by_image(change, truth)
    fused = ranking.with_scores(combined["fused"].astype(np.float32))
    pays = interval[0] > 0
    both = (float(weights["fused"][0]), float(weights["fused"][1]))
    return Fusion(fused, pays, gain, interval, both, bits, fused if pays else ranking)


def _bent(score: NDArray[np.floating], real: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Scores (n, m) less their patch's median, over the method's spread, compressed by asinh; 0 where there is none."""
    held = np.where(real & np.isfinite(score), score, np.nan).astype(np.float64)
    apart = held - np.nanmedian(held, axis=1, keepdims=True)
    spread = float(np.nanmedian(np.abs(apart)))
    if spread <= 0:  # most candidates are alike
        spread = float(np.nanstd(apart)) or 1.0
    return np.nan_to_num(np.arcsinh(apart / (_UNIT * spread)), nan=0.0)


def _left_out(
    scores: NDArray[np.float64],
    real: NDArray[np.bool_],
    rows: NDArray[np.int64],
    hits: NDArray[np.bool_],
    fold: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Combined scores (n, m), the answered patches' by weights fitted without their fold; weights of all; bits."""
    usable = hits.any(1)
    whole = _fit_weights(scores[rows[usable]], real[rows[usable]], hits[usable])
    combined = scores @ whole
    surprise = []
    for k in np.unique(fold):
        held, kept = fold == k, usable & (fold != k)
        combined[rows[held]] = scores[rows[held]] @ _fit_weights(
            scores[rows[kept]], real[rows[kept]], hits[kept]
        )
        chance = _chances(combined[rows[held]], real[rows[held]])
        surprise.append(-np.log2(np.maximum((chance * hits[held]).sum(1), 1e-12)))
    return combined, whole, float(np.concatenate(surprise).mean())


def _reciprocal(
    score: NDArray[np.floating], real: NDArray[np.bool_], hits: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """1 / rank of the true candidate of every patch (k,), a tie counting half; 0 where it is not ranked."""
    own = np.where(hits, score, -np.inf).max(1, keepdims=True)
    above = (real & (score > own)).sum(1)
    level = (real & (score == own) & ~hits).sum(1)
    return np.where(hits.any(1), 1 / (1 + above + level / 2), 0.0)


def _by_image(values: NDArray[np.float64], image: NDArray[np.int64]) -> tuple[float, tuple[float, float]]:
    """The mean of patches' values, and its 95 % interval where images are what is drawn (Liang and Zeger 1986)."""
    from scipy.special import stdtrit

    mean = float(values.mean())
    _, cluster = np.unique(image, return_inverse=True)
    sums = np.bincount(cluster, values - mean)
    deviation = float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)) / len(values))
    half = float(stdtrit(len(sums) - 1, (1 + _LEVEL) / 2)) * deviation
    return mean, (mean - half, mean + half)


def _chances(score: NDArray[np.float64], real: NDArray[np.bool_]) -> NDArray[np.float64]:
    masked = np.where(real, score, -np.inf)
    odds = np.exp(masked - masked.max(1, keepdims=True))
    out: NDArray[np.float64] = odds / odds.sum(1, keepdims=True)
    return out


def _fit_weights(
    scores: NDArray[np.float64], real: NDArray[np.bool_], hit: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights (k,), none negative, of scores (n, m, k) that make the true candidates (n, m) likeliest."""
    if not len(hit):
        raise SettingsError("fusion: no answered patch has its true image or window among the candidates")
    used = np.arange(scores.shape[2])
    while True:
        beta = _newton(scores[..., used], real, hit)
        if len(used) == 1 or (beta >= 0).all():
            out = np.zeros(scores.shape[2])
            out[used] = np.maximum(beta, 0)
            return out
        used = np.delete(used, beta.argmin())


def _newton(
    scores: NDArray[np.float64], real: NDArray[np.bool_], hit: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The weights (k,) without the bound."""
    spread = np.maximum(scores[real].std(0), 1e-12)
    scaled = scores / spread
    at = hit[..., None]
    beta = np.zeros(scores.shape[2])

    def loss(trial: NDArray[np.float64]) -> float:
        said = (_chances(scaled @ trial, real) * at[..., 0]).sum(1)
        return float(-np.log(np.maximum(said, 1e-300)).sum() + _RIDGE * len(hit) * (trial**2).sum() / 2)

    for _ in range(_STEPS):
        chance = _chances(scaled @ beta, real)[..., None]
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
