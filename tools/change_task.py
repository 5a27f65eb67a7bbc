"""Change as a task beside classification and segmentation: painted changes, told by features of both dates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from change_trial import OWN, fit, sample_rows, scores
from measure_change import ROLES
from numpy.typing import NDArray
from painted import MARGIN, Painted
from sklearn.pipeline import Pipeline

from matcher.changing.align import moved, rest_shift

RESAMPLES = 1000
_LEARNED, _JUDGED = 3, 2  # of the pixels every so many-th, along each axis
Dense = Callable[[NDArray], NDArray]  # a date (height, width, bands) to features (height, width, k)
Make = Callable[[list[str]], dict[str, tuple[Dense, Pipeline]]]  # of the names of the places learned from


@dataclass(frozen=True)
class Told:
    """What a method says of the pixels of one place, and what is true of them."""

    score: NDArray[np.floating]
    truth: NDArray[np.bool_]


def differences(one: Painted, window: NDArray, dense: Dense) -> NDArray:
    """How far the features of both dates lie apart at every pixel, (height, width, k)."""
    return np.abs(dense(one.patch) - dense(window))


def judged(
    samples: Sequence[Painted], parts: Sequence[Sequence[str]], make: Make
) -> dict[str, dict[str, Told]]:
    """Of every method what it says, by place; each part of the places is judged by what the others taught.

    A method learns from as many unchanged pixels as changed ones. The last one is ``matcher change``, its weights
    fitted to the same windows.
    """
    windows = []
    for one in samples:
        found = one.image[MARGIN:-MARGIN, MARGIN:-MARGIN]
        shift = rest_shift(one.patch, found, ROLES)
        windows.append(moved(one.image, (MARGIN, MARGIN), one.truth.shape, shift))
    rows = [sample_rows(one, ROLES) for one in samples]
    every = np.s_[::_JUDGED, ::_JUDGED]
    out: dict[str, dict[str, list[Told]]] = {}

    def keep(name: str, one: Painted, score: NDArray) -> None:
        told = Told(score[every].ravel(), one.truth[every].ravel())
        out.setdefault(name, {}).setdefault(one.place, []).append(told)

    for part in parts:
        learned = [k for k, one in enumerate(samples) if one.place not in part]
        held = [k for k, one in enumerate(samples) if one.place in part]
        if not held:
            continue
        for name, (dense, model) in make(sorted({samples[k].place for k in learned})).items():
            model.fit(*_balanced([(samples[k], windows[k]) for k in learned], dense))
            for k in held:
                values = differences(samples[k], windows[k], dense)
                chance = model.predict_proba(values.reshape(-1, values.shape[-1]))[:, 1]
                keep(name, samples[k], chance.reshape(values.shape[:2]))
        own = fit([rows[k] for k in learned])
        for k in held:
            keep("matcher change", samples[k], scores(samples[k], ROLES, own)[OWN])
    return {name: {place: _joined(some) for place, some in told.items()} for name, told in out.items()}


def _balanced(pairs: Sequence[tuple[Painted, NDArray]], dense: Dense) -> tuple[NDArray, NDArray[np.bool_]]:
    """Differences of some pixels and whether they changed, as many of both kinds."""
    rng = np.random.default_rng(0)
    some = np.s_[::_LEARNED, ::_LEARNED]
    values = [differences(one, window, dense)[some] for one, window in pairs]
    rows = np.concatenate([part.reshape(-1, part.shape[-1]) for part in values])
    truth = np.concatenate([one.truth[some].ravel() for one, _ in pairs])
    still = np.flatnonzero(~truth)
    changed = np.flatnonzero(truth)
    chosen = np.concatenate([changed, rng.choice(still, min(len(changed), len(still)), replace=False)])
    return rows[chosen], truth[chosen]


def _joined(some: Sequence[Told]) -> Told:
    return Told(np.concatenate([t.score for t in some]), np.concatenate([t.truth for t in some]))


def precision(told: Sequence[Told]) -> Callable[[NDArray[np.int64]], float]:
    """The average precision of all pixels together, of how often each place is drawn.

    The pixels are sorted once for all draws; as `sklearn.metrics.average_precision_score`, equal scores are one step.
    """
    whole = _joined(told)
    order = np.argsort(-whole.score, kind="stable")
    place = np.repeat(np.arange(len(told)), [len(t.truth) for t in told])[order]
    truth, score = whole.truth[order], whole.score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)

    def of(drawn: NDArray[np.int64]) -> float:
        times = drawn[place]
        found, said = np.cumsum(times * truth)[ends], np.cumsum(times)[ends]
        steps = np.diff(found, prepend=0)
        return float((steps * (found / np.maximum(said, 1))).sum() / found[-1])

    return of


def cells(found: dict[str, dict[str, Told]], seed: int) -> Iterator[tuple[str, str]]:
    """Of each method its average precision, in brackets the 95 % interval by resampling places."""
    for name, by_place in found.items():
        number, of = len(by_place), precision(list(by_place.values()))
        rng = np.random.default_rng(seed)
        drawn = [of(np.bincount(rng.integers(0, number, number), minlength=number)) for _ in range(RESAMPLES)]
        low, high = np.quantile(drawn, (0.025, 0.975))
        yield name, f"{of(np.ones(number, np.int64)):.3f} [{low:.3f}, {high:.3f}]"
