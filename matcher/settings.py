"""Every option of a match, by the names and defaults that the command line and the Python API share."""

import functools
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from matcher import checks
from matcher.errors import SettingsError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

BANDS_BY_COUNT = {
    1: ("gray",),
    2: ("red", "nir"),
    3: ("red", "green", "blue"),
    4: ("red", "green", "blue", "nir"),
}
SeriesRange = Literal["dn", "signed", "reflectance", "8bit", "16bit"]
ValueRange = Literal["auto", "dn", "signed", "reflectance", "8bit", "16bit"]
SearchKind = Literal["pyramid", "exhaustive"]
RANGES: tuple[ValueRange, ...] = get_args(ValueRange)
SEARCHES: tuple[SearchKind, ...] = get_args(SearchKind)
# Every kind of evidence that ships, in the order in which several are compared: its file in `matcher.evidence`, and
# the function there.
EVIDENCE = {
    "bands": "plain:bands",
    "ndvi": "plain:ndvi",
    "phase": "gradient_phase:phase",
    "phase2": "gradient_phase:phase2",
    "ratio": "gradient_phase:ratio",
    "ratio-signed": "gradient_phase:ratio_signed",
    "magnitude": "gradient_phase:magnitude",
}
PLUGINS = "matcher.evidence"  # the group of entry points by which packages add evidence
DEFAULT_EVIDENCE = ("phase", "phase2", "ratio", "ratio-signed")
MIN_SIDE = 12  # px a side of a patch: fewer are found by chance alone
LEAST_MEMORY = 256 << 20  # bytes, that libraries and one image at work take
_MEMORY = "256 MiB or more, as a whole number of bytes"
_SHAPE = "height, width and bands, whole numbers above 0"


@dataclass(frozen=True)
class Settings:
    """What a match is asked to do.

    Attributes
    ----------
    bands : tuple of str, optional
        Names of the bands in order; by default red, green, blue, nir for four, red, green, blue for three, gray
        for one.
    value_range : str
        What the numbers mean: ``auto`` (told from dtype and values), ``dn`` (reflectance x 10,000), ``signed``
        (the challenge's [-1, 1]), ``reflectance`` (0..1), ``8bit`` or ``16bit``.
    evidence : tuple of str
        What is compared: ``bands`` (ZNCC of the bands), ``ndvi`` (ZNCC of NDVI), ``phase`` (signed gradient
        phase), ``phase2`` (sign-blind), ``ratio`` (sign-blind, of band ratios), ``ratio-signed`` (signed, of band
        ratios), ``magnitude`` (gradient magnitude), or what an installed package adds (`matcher.evidence.plugins`).
        Several are added as log-likelihood ratios; in what order they are named makes no difference.
    search : str
        ``pyramid``: coarse to fine, exact where there is doubt. ``exhaustive``: every pixel of every image.
    effort : float
        How much the pyramid searches: 1 is the default; more finds more, slower. From 0.1 to 100.
    threads : int, optional
        Cores to use; by default all that this process may use. Answers do not depend on it.
    memory : int
        Bytes the match may hold beside the interpreter; work is cut to fit. Answers do not depend on it.
    model : str, optional
        Path of fitted numbers, as ``matcher fit`` writes; by default what ships with the package.
    prior : float
        The share of patches that are expected to be in the images at all, between 0 and 1: it moves how sure answers
        are, as Bayes' rule says. By default 0.5, even chances: nothing is known of the patches. Of a challenge all
        are there, which 0.99 says.
    min_confidence : float
        Answers less sure are refused, from 0 (none) to 1: see `matcher.Result`.
    image_shape : (height, width, bands), optional
        Of every image. TFRecords do not say it: by default each is square.
    patch_shape : (height, width, bands), optional
        The same of every patch.
    dtype : str, optional
        Of the values of TFRecords, which do not say it, such as ``float32`` or ``>u2``; told from them by default.
    """

    bands: tuple[str, ...] | None = None
    value_range: ValueRange = "auto"
    evidence: tuple[str, ...] = DEFAULT_EVIDENCE
    search: SearchKind = "pyramid"
    effort: float = 1.0
    threads: int | None = None
    memory: int = 2 << 30
    model: str | None = None
    prior: float = 0.5
    min_confidence: float = 0.0
    image_shape: tuple[int, int, int] | None = None
    patch_shape: tuple[int, int, int] | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)  # on what is meant: 2 of np.int64(2)
        checks.choice("value_range", self.value_range, RANGES)
        checks.choice("search", self.search, SEARCHES)
        settle("evidence", _evidence(self.evidence))
        if self.bands is not None:
            settle("bands", checks.words("bands", self.bands))
            _check(bool(self.bands) and all(self.bands), "band names are empty: give one name a band")
            _check(
                len(set(self.bands)) == len(self.bands), f"a band is named twice in {', '.join(self.bands)}"
            )
        settle("effort", checks.number("effort", self.effort, 0.1, 100))
        if self.threads is not None:
            settle("threads", checks.whole("threads", self.threads, 1))
        settle("memory", checks.whole("memory", self.memory, LEAST_MEMORY, wanted=_MEMORY))
        for field in ("image_shape", "patch_shape"):
            if getattr(self, field) is not None:
                settle(field, checks.wholes(field, getattr(self, field), _SHAPE, count=3, least=1))
        if self.model is not None:
            settle("model", checks.path("model", self.model))
        if self.dtype is not None and not isinstance(self.dtype, str):
            raise checks.refusal("dtype", self.dtype, "the name of a type, such as 'float32' or '>u2'")
        settle("prior", checks.share("prior", self.prior))
        settle("min_confidence", checks.number("min_confidence", self.min_confidence, 0, 1))

    def band_names(self, count: int) -> tuple[str, ...]:
        """The names of so many bands.

        Raises
        ------
        SettingsError
            If `bands` names another number of bands, or there is no default for so many.
        """
        if self.bands is not None:
            _check(
                len(self.bands) == count,
                f"the pictures have {count} bands, and {len(self.bands)} are named ({', '.join(self.bands)}): "
                f"name every band in order, --bands {','.join(BANDS_BY_COUNT.get(count, ('first', 'second', '…')))}",
            )
            return self.bands
        _check(count in BANDS_BY_COUNT, f"the pictures have {count} bands: name them in order with --bands")
        return BANDS_BY_COUNT[count]


@dataclass(frozen=True, kw_only=True)
class SeriesOptions:
    """What files of series do not say of themselves; whatever reads series takes these options.

    Attributes
    ----------
    value_range : str
        What the series' numbers are, of `RANGES` without ``auto``.
    series_dates, series_bands : int
        Of TFRecords.
    """

    value_range: SeriesRange = "dn"
    series_dates: int = 12
    series_bands: int = 4

    def __post_init__(self) -> None:
        checks.choice("value_range", self.value_range, RANGES[1:])
        for field in ("series_dates", "series_bands"):
            object.__setattr__(self, field, checks.whole(field, getattr(self, field), 1))


def with_options(
    settings: Settings | None, options: dict[str, Any], beside: "Iterable[str]" = ()
) -> Settings:
    """The settings, by default all defaults, with some fields replaced; `beside` are other options of the same call.

    Raises
    ------
    SettingsError
        If these are no settings, there is no such field, or a value does not fit it.
    """
    checks.of_kind("settings", settings, Settings)
    unknown = [name for name in options if name not in Settings.__dataclass_fields__]
    if unknown:
        known = ", ".join(dict.fromkeys((*beside, *Settings.__dataclass_fields__)))
        raise SettingsError(f"unknown option {', '.join(unknown)}: choose from {known}")
    return replace(Settings() if settings is None else settings, **options)


class PictureOptions(TypedDict, total=False):
    """Those fields of `Settings`, as keywords of a call, that say how pictures are read."""

    bands: "Sequence[str] | None"
    value_range: ValueRange
    threads: int | None
    image_shape: "tuple[int, int, int] | None"
    patch_shape: "tuple[int, int, int] | None"
    dtype: str | None


class SeriesKeywords(TypedDict, total=False):
    """The fields of `SeriesOptions` as keywords of a call."""

    value_range: SeriesRange
    series_dates: int
    series_bands: int


class MatchOptions(PictureOptions, total=False):
    """The fields of `Settings` as keywords of a call, so that a type checker knows their names and values."""

    evidence: "Sequence[str]"
    search: SearchKind
    effort: float
    memory: int
    model: "str | os.PathLike[str] | None"
    min_confidence: float
    prior: float


def known_evidence(name: str) -> bool:
    """Whether evidence of this name ships, or an installed package adds it."""
    if name in EVIDENCE:
        return True
    return name in plugin_names()


def plugin_names() -> tuple[str, ...]:
    """Names of the evidence that installed packages add, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=PLUGINS)}))


def _evidence(given: Any) -> tuple[str, ...]:
    """Names of evidence in their own order: those that ship, then what packages add."""
    names = checks.words("evidence", given)
    _check(bool(names), f"no evidence: name one or more of {', '.join(EVIDENCE)}")
    for name in names:
        _check(known_evidence(name), f"evidence {name!r}: choose from {', '.join(EVIDENCE)}, or install it")
    _check(len(set(names)) == len(names), f"evidence named twice in {', '.join(names)}")
    return (*(name for name in EVIDENCE if name in names), *sorted(set(names) - set(EVIDENCE)))


def _check(fine: bool, message: str) -> None:
    if not fine:
        raise SettingsError(message)
