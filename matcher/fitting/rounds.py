"""Patches cut from series and sought by what is fitted so far: they tell what a score is worth."""

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from matcher.aliases import Progress
from matcher.cutting.options import CutOptions
from matcher.cutting.run import cut
from matcher.fitting.observed import Observed, joined, observe
from matcher.fitting.options import FitOptions
from matcher.fitting.trust import enough, fit_mutual, fit_odds, fit_trust
from matcher.formats.series import Series
from matcher.model import Model
from matcher.settings import Settings

# Pixels a side of the images that patches are cut from and sought in, and patches of each.
LARGEST, PATCHES = 224, 16
MOST = 64  # patches a round that are sought

log = logging.getLogger("matcher")


def match_rounds(
    series: Mapping[tuple[str, ...], Sequence[Path | Series]],
    model: Model,
    options: FitOptions,
    progress: Progress | None,
) -> tuple[Model, Observed]:
    """A model with its odds and trust fitted to patches cut from the series, and what they were fitted to.

    Every round is one of patches of a size, cut from the series that have the same bands, and sought by some of them:
    all, those of a colour picture, and one. Levels and slope of the odds are of the first series' bands. Where too
    few answers are in doubt, odds and trust stay.
    """
    todo = [
        (bands, side, k, names)
        for bands in series
        for side in options.sides
        for k in range(options.rounds)
        for names in _choices(bands)
    ]
    parts: list[Observed] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        path = os.path.join(work, "model.npz")
        model.save(path)
        settings = Settings(value_range="dn", threads=options.threads, memory=options.memory, model=path)
        for done, (bands, side, k, names) in enumerate(todo):
            folder = Path(work, f"{len(bands)}-{side}-{k}")
            if not folder.exists():
                cut(series[bands], folder, _cut(options, side, k))
            rng = np.random.default_rng([options.seed, side, k, len(names)])
            parts.append(observe(folder, replace(settings, bands=bands), names, MOST, rng))
            _tell(parts[-1], side, k, names)
            if progress is not None:
                progress(done + 1, len(todo))
    observed = joined(parts)
    if not enough(observed):
        return model, observed
    trust, whole = fit_trust(observed), observed.rows(observed.whole)
    odds = fit_odds(whole.rows(whole.bands == len(next(iter(series)))), trust, model.odds)
    return replace(model, trust=trust, odds=fit_mutual(whole, trust, odds)), observed


def _choices(bands: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The bands that rounds go by: all, without near infrared, and the first alone."""
    visible = tuple(name for name in bands if name != "nir")
    return list(dict.fromkeys([bands, visible or bands, bands[:1]]))


def _tell(observed: Observed, side: int, k: int, names: tuple[str, ...]) -> None:
    whole = observed.rows(observed.whole)
    right, count = int(whole.right.sum()), len(whole.right)
    log.info("%d px, round %d, %s: %d of %d right", side, k + 1, ",".join(names), right, count)


def _cut(options: FitOptions, side: int, k: int) -> CutOptions:
    return CutOptions(
        patches=PATCHES,
        side=side,
        largest=max(LARGEST, side),
        form="arrays",
        value_range=options.value_range,
        series_dates=options.series_dates,
        series_bands=options.series_bands,
        seed=options.seed + k,
    )
