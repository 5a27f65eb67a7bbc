"""From series to a model: spectra and colour of their windows, then trust by matching what is cut from them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.cutting.windows import number_of
from matcher.errors import MatcherError
from matcher.fitting.colours import ColourPairs
from matcher.fitting.options import FitOptions
from matcher.fitting.rounds import Progress, match_rounds
from matcher.fitting.spectra import LEAST, SIDE, MeanSpectra
from matcher.fitting.trust import Held, enough, held_out
from matcher.formats.series import Places, Series, SeriesInput, iterate_series
from matcher.imagery import Roles, read_stack
from matcher.model import Model, shipped
from matcher.settings import DEFAULT_EVIDENCE, Settings
from matcher.values import compared
from matcher.verification.pairs import empty

WINDOWS = 20  # of each place whose spectra are taken
PAIRS = 60  # of each place and size whose colour is compared; three times as many where there are more dates
LEAST_PAIRS = 200  # for covariances of eight statistics to be more than chance
_TRIES = 5  # windows looked at for each that is wanted


@compared
@dataclass(frozen=True)
class Fit:
    """A model, and what it was fitted to.

    Attributes
    ----------
    model : Model
    places, windows, pairs : int
        Series, windows whose spectra were taken, pairs of windows whose colour was compared.
    patches : int
        Matched for the trust in scores.
    fitted_trust : bool
        Whether that was fitted; else there were too few answers in doubt, right or wrong, or no patches were sought.
    held, held_kinds : dict of str to Held
        How confidences hold that were fitted without the patch's place, and without its kind: in open and closed
        rounds, and by size, bands and kind.
    """

    model: Model
    places: int
    windows: int
    pairs: int
    patches: int
    fitted_trust: bool
    held: dict[str, Held]
    held_kinds: dict[str, Held]

    def __str__(self) -> str:
        lines = [f"{self.places} places, {self.windows} windows, {self.pairs} pairs, {self.patches} patches"]
        for kind, response in self.model.responses.items():
            lines.append(f"response of {kind + ':':11}" + "".join(f"{value:6.2f}" for value in response))
        share = np.diag(self.model.colour.within) / np.diag(self.model.colour.apart)
        names = [f"{what} {band}" for what in ("level", "texture") for band in self.model.colour.bands]
        lines.append("variance within a place, of that between places:")
        lines.append("  " + ", ".join(f"{name} {part:.2f}" for name, part in zip(names, share, strict=True)))
        why = "too few answers in doubt to fit it" if self.patches else "no patches were sought"
        kept = "" if self.fitted_trust else f" (kept: {why})"
        trust = ", ".join(f"{name} {value:g}" for name, value in self.model.trust._asdict().items())
        odds = ", ".join(f"{name} {value:g}" for name, value in self.model.odds._asdict().items())
        lines.append(f"trust: {trust}; odds: {odds}{kept}")
        for what, all_ in (("place", self.held), ("kind", self.held_kinds)):
            for name, held in all_.items():
                lines.append(f"each {what} left out, {name}: {held}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers."""
        return {
            "places": self.places,
            "windows": self.windows,
            "pairs": self.pairs,
            "patches": self.patches,
            "responses": {kind: list(values) for kind, values in self.model.responses.items()},
            "bands": list(self.model.colour.bands),
            "within": self.model.colour.within.tolist(),
            "apart": self.model.colour.apart.tolist(),
            "trust": self.model.trust._asdict(),
            "odds": self.model.odds._asdict(),
            "fitted_trust": self.fitted_trust,
            "evidence": list(self.model.evidence),
            "held_out": {name: held.to_dict() for name, held in self.held.items()},
            "kinds_held_out": {name: held.to_dict() for name, held in self.held_kinds.items()},
        }


def fit_model(
    series: SeriesInput,
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Fit:
    """Fit the numbers of a match to co-registered series of several dates, in closed form.

    Windows are drawn by each place's name and the seed. Nothing that is fitted knows a place, an image's size or an
    id.

    Parameters
    ----------
    series : path, ndarray or `Series`, or a sequence of these
        As `matcher.formats.series.iterate_series`; one is in memory at a time. The first says which bands whitening and
        colour are fitted to; those of other bands tell what a score is worth.
    options : FitOptions, optional
    progress : callable, optional
        Called with (rounds matched, rounds in all).

    Raises
    ------
    MatcherError
        If a series cannot be read or is given twice, under whatever name, or there are too few places of two dates to
        compare.
    """
    checks.of_kind("options", options, FitOptions)
    checks.function("progress", progress)
    options = FitOptions() if options is None else options
    spectra, pairs = MeanSpectra(), ColourPairs()
    names: tuple[str, ...] | None = None
    alike: dict[tuple[str, ...], dict[str, Path | Series]] = {}  # series by their bands, and file
    places = windows = 0
    seen = Places()
    for one in iterate_series(series, options):
        seen.add(one)
        first = names is None or one.shape[3] == len(names)
        own = Settings(bands=options.bands if first else None).band_names(one.shape[3])
        # Files are opened again for the rounds; what is no file is kept.
        alike.setdefault(own, {})[one.file] = Path(one.file) if os.path.exists(one.file) else one
        places += 1
        names = names or own
        if own != names:
            continue
        stack = read_stack(one, options.value_range)
        rng = np.random.default_rng([options.seed, number_of(one.place)])
        windows += _add_spectra(spectra, stack, Roles.of(own), one.group, rng)
        _add_pairs(pairs, stack, options.sides, rng)
    if names is None or places < 2 or len(pairs) < LEAST_PAIRS or not windows:
        raise MatcherError(
            f"{places} series with {len(pairs)} pairs of windows and {windows} windows of {LEAST} px: a fit needs two "
            f"places or more, {LEAST_PAIRS} pairs of two dates, and pixels with data"
        )
    before = shipped()
    responses = {**before.responses, **spectra.responses()}
    model = Model(DEFAULT_EVIDENCE, responses, pairs.model(names), before.trust, before.odds)
    observed = None
    if options.rounds:
        some = {own: list(files.values()) for own, files in alike.items()}
        model, observed = match_rounds(some, model, options, progress)
    fitted = observed is not None and enough(observed)
    held, kinds = (
        held_out(observed, model.trust, by) if observed is not None and fitted else {}
        for by in ("place", "group")
    )
    matched = 0 if observed is None else int(observed.whole.sum())
    return Fit(model, places, windows, len(pairs), matched, fitted, held, kinds)


def _add_spectra(
    spectra: MeanSpectra, stack: NDArray[np.float32], roles: Roles, group: str, rng: np.random.Generator
) -> int:
    """Windows of a place whose spectra were added."""
    size = [min(SIDE, length) for length in stack.shape[1:3]]
    added = 0
    for _ in range(_TRIES * WINDOWS):
        if added == WINDOWS or min(size) < LEAST:
            break
        y, x = (int(rng.integers(n - s + 1)) for n, s in zip(stack.shape[1:3], size, strict=True))
        dn = stack[rng.integers(len(stack)), y : y + size[0], x : x + size[1]]
        if not empty(dn):
            spectra.add(np.ascontiguousarray(dn), roles, group)
            added += 1
    return added


def _add_pairs(
    pairs: ColourPairs, stack: NDArray[np.float32], sides: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Pairs of windows of a place on two of its dates."""
    wanted = PAIRS if len(stack) == 2 else 3 * PAIRS
    for side in sides:
        added = 0
        for _ in range(_TRIES * wanted):
            if added == wanted or len(stack) < 2 or min(stack.shape[1:3]) < side:
                break
            dates = rng.choice(len(stack), 2, replace=False)
            y, x = (int(rng.integers(length - side + 1)) for length in stack.shape[1:3])
            first, second = stack[dates, y : y + side, x : x + side]
            if not empty(first) and not empty(second):
                pairs.add(first, second)
                added += 1
