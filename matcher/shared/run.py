"""From series to splits and features."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError, SettingsError
from matcher.formats.series import SeriesInput, distinct_series
from matcher.imagery import Roles, read_stack
from matcher.settings import SeriesKeywords, SeriesOptions, Settings
from matcher.shared.features import Features, joined, window_features
from matcher.shared.kinds import evidence_shares
from matcher.shared.split import Split, fit_split, read_split, scale_names, share_text
from matcher.values import compared
from matcher.words import counted

if TYPE_CHECKING:
    from typing_extensions import Unpack


@compared
@dataclass(frozen=True)
class PlaceSplit:
    """One series: its split, and the share of each kind of evidence (empty where there is one date).

    `stack` (dates, height, width, bands), DN, is held of the last series alone, else empty.
    """

    place: str
    dates: tuple[str, ...]
    split: Split
    evidence: dict[str, float]
    stack: NDArray[np.float32]


@compared
@dataclass(frozen=True)
class SeriesFeatures:
    """Splits of some series and, where asked for, the features of their windows."""

    places: list[PlaceSplit]
    features: Features | None

    def __str__(self) -> str:
        parts = []
        for one in self.places:
            dates = counted(len(one.dates), "dates")
            text = f"{one.place}: share of energy of {dates} (in brackets, part of the band's energy)\n"
            text += share_text(one.split)
            if one.evidence:
                text += "\nevidence, share: " + ", ".join(f"{k} {v:.2f}" for k, v in one.evidence.items())
            parts.append(text)
        if self.features is not None:
            parts.append(
                f"{counted(len(self.features.row), 'windows')} of {len(self.features.names)} features"
            )
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain numbers: by place the shares and energies, (scales, bands), and those of evidence."""
        return {
            one.place: {
                "bands": one.split.bands,
                "scales": scale_names(),
                "share": one.split.share.tolist(),
                "energy": one.split.energy.tolist(),
                "information": one.split.information.tolist(),
                "evidence": one.evidence,
            }
            for one in self.places
        }


def features(
    series: SeriesInput,
    *,
    side: int = 32,
    stride: int = 16,
    each_date: bool = False,
    split: str | os.PathLike[str] | None = None,
    windows: bool = True,
    bands: Sequence[str] | None = None,
    **reading: "Unpack[SeriesKeywords]",
) -> SeriesFeatures:
    """Split series into what dates share and what is each one's own, and make features of their windows.

    Parameters
    ----------
    series : path, ndarray or `Series`, or a sequence of these
        As `matcher.formats.series.iterate_series`; one is in memory at a time.
    side, stride : int
        Of windows, px.
    each_date : bool
        Read every date by itself, not all of a series together.
    split : path, optional
        A split to use in place of the series' own.
    windows : bool
        Whether to make features of windows at all.
    bands : tuple of str, optional
    **reading
        `value_range`, `series_dates` and `series_bands`, as `matcher.settings.SeriesOptions`.

    Raises
    ------
    MatcherError
        If a series cannot be read, has one date and no split is given, or bands do not fit, or if two series have
        one name.
    """
    options = SeriesOptions(**reading)
    side, stride = checks.whole("side", side, 1), checks.whole("stride", stride, 1, 1 << 30)
    each_date, windows = checks.flag("each_date", each_date), checks.flag("windows", windows)
    asked = Settings(bands=None if bands is None else checks.words("bands", bands))
    given = None if split is None else read_split(split)
    places: list[PlaceSplit] = []
    made: list[Features] = []
    for one in distinct_series(series, options):
        stack = read_stack(one, options.value_range)
        if given is None and len(stack) < 2:
            raise MatcherError(
                f"{one.file}: has one date; give a series of two or more, or a split with --split"
            )
        with _named(one.file):
            names = asked.band_names(one.shape[3])
            own = fit_split(stack, names) if given is None else _fitting(given, names)
        evidence = evidence_shares(stack, Roles.of(names)) if len(stack) > 1 else {}
        if places:
            places[-1] = replace(places[-1], stack=np.empty((0, 0, 0, 0), np.float32))
        places.append(PlaceSplit(one.place, one.dates, own, evidence, stack))
        if windows:
            parts = [(stack, "all")] if not each_date else [(stack[[k]], d) for k, d in enumerate(one.dates)]
            with _named(one.file):
                made += [
                    window_features(part, own, side=side, stride=stride, place=one.place, date=date)
                    for part, date in parts
                ]
    return SeriesFeatures(places, joined(made) if made else None)


def _fitting(split: Split, names: tuple[str, ...]) -> Split:
    """A split that was given, if it is of these bands."""
    if split.bands != names:
        raise SettingsError(
            f"has {len(names)} bands, {', '.join(names)}, and the split {len(split.bands)}, {', '.join(split.bands)}"
        )
    return split


@contextlib.contextmanager
def _named(file: str) -> Iterator[None]:
    """Say of which file an error tells."""
    try:
        yield
    except MatcherError as error:
        raise type(error)(f"{file}: {error}") from None
