"""Patches cut from series and matched by what is fitted so far: they tell what a score is worth."""

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from matcher.cutting.options import CutOptions
from matcher.cutting.run import cut
from matcher.fitting.options import FitOptions
from matcher.fitting.trust import Observed, enough, fit_odds, fit_trust, joined, observe, settled
from matcher.formats.series import SeriesInput
from matcher.model import Model
from matcher.settings import Settings

# Pixels a side of the images that patches are cut from and sought in, and patches of each.
LARGEST, PATCHES = 224, 16

log = logging.getLogger("matcher")
Progress = Callable[[int, int], None]


def match_rounds(
    series: SeriesInput,
    model: Model,
    bands: tuple[str, ...],
    options: FitOptions,
    progress: Progress | None,
) -> tuple[Model, Observed]:
    """A model with its odds and trust fitted to patches cut from the series, and what they were fitted to.

    Odds are what a score says alone, so the patches are matched without colour first; with colour and these odds what
    was in doubt is matched again, and that tells how sure an answer is. Where too few are wrong, both stay.
    """
    todo = [(side, k) for side in options.sides for k in range(options.rounds)]
    blind = replace(model, colour=replace(model.colour, bands=tuple(f"no {name}" for name in bands)))
    parts: list[Observed] = []
    with tempfile.TemporaryDirectory() as work:
        settings = Settings(bands=bands, value_range="dn", threads=options.threads, memory=options.memory)
        settings = replace(settings, model=os.path.join(work, "model.npz"))
        blind.save(str(settings.model))
        for done, (side, k) in enumerate(todo):
            folder = _folder(work, side, k)
            cut(series, folder, _cut(options, side, k))
            parts.append(observe(folder, side, settings))
            right = parts[-1].right
            log.info("%d px, round %d of %d: %d of %d right without colour", side, k + 1, options.rounds,
                     int(right.sum()), len(right))  # fmt: skip
            if progress is not None:
                progress(done + 1, len(todo))
        raw = joined(parts)
        if not enough(raw):
            return model, raw
        # What is in doubt is told by these answers too, so that nothing depends on the model that ships.
        trust = fit_trust(raw)
        model = replace(model, odds=fit_odds(raw, trust, model.odds), trust=trust)
        model.save(str(settings.model))
        parts = [
            settled(part, _folder(work, *which), settings, model.trust)
            for part, which in zip(parts, todo, strict=True)
        ]
    observed = joined(parts)
    return (replace(model, trust=fit_trust(observed)) if enough(observed) else model), observed


def _folder(work: str, side: int, k: int) -> Path:
    return Path(work, f"{side}-{k}")


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
