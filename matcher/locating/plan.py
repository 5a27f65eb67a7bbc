"""What `matcher.locate` is asked, and the plan made of it: inputs opened and checked, the searches they need."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from matcher import checks
from matcher.errors import MatcherError, NoInputError, SettingsError
from matcher.formats.base import BadRecord
from matcher.formats.gather import bad_raster, common_bands
from matcher.formats.opening import open_rasters
from matcher.formats.plain import as_rasters, with_offset
from matcher.formats.raster import RasterSource
from matcher.indexing.opened import ImageIndex, indexed
from matcher.locating.area import Near, box
from matcher.locating.variants import Search, parse_rotations, parse_scale, searches
from matcher.settings import MatchOptions, Settings, with_options

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("matcher")


@dataclass(frozen=True)
class Locating:
    """What `locate` is asked to do, beside the `Settings` of the match.

    Attributes
    ----------
    candidates : int
        Places handed back a chip, 1 to 50.
    min_confidence : float
        A chip whose best place is less sure is refused: in none of these scenes. It goes before that of the settings,
        which counts where it is more than 0.
    prior : float
        As `Settings.prior`, of chips in scenes; it goes before that of the settings. By default the same, so that one
        chip in one scene is as sure by either command.
    near : Near, optional
        Where to look; by default everywhere.
    scale : float, optional
        Scene pixels a chip pixel. By default (auto) from both sides' pixel sizes; a chip that does not say its own
        is tried at `matcher.locating.variants.TRIED`.
    rotations : tuple of float
        Degrees, anticlockwise, by which chips in doubt are turned and tried again; any turn is found by
        `matcher.locating.variants.ANY`.
    chip_bands : tuple of str, optional
        As `Settings.bands`, for the chips, where theirs differ from the scenes'.
    offset : float, optional
        Added to the scenes' values; by default what Sentinel-2 metadata say.
    pixels : bool
        Whether scenes without CRS will do: rows and columns, no coordinates.
    skip_bad : bool
        Whether chips and scenes that cannot be used are left out instead of ending the run; all are read through first.
    """

    candidates: int = 1
    min_confidence: float = 0.5
    prior: float = Settings.prior
    near: Near | None = None
    scale: float | None = None
    rotations: tuple[float, ...] = ()
    chip_bands: tuple[str, ...] | None = None
    offset: float | None = None
    pixels: bool = False
    skip_bad: bool = False

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)
        settle("candidates", checks.whole("candidates", self.candidates, 1, 50))
        settle("min_confidence", checks.number("min_confidence", self.min_confidence, 0, 1))
        settle("prior", checks.share("prior", self.prior))
        if self.near is not None and not isinstance(self.near, Near):
            raise checks.refusal("near", self.near, "text as --near takes it, such as '4.3,50.8,20'")
        settle("rotations", checks.numbers("rotations", self.rotations, -180, 180))
        if self.chip_bands is not None:
            settle("chip_bands", checks.words("chip_bands", self.chip_bands))
        if self.offset is not None:
            settle("offset", checks.number("offset", self.offset))
        for field in ("pixels", "skip_bad"):
            settle(field, checks.flag(field, getattr(self, field)))


class LocateOptions(MatchOptions, total=False):
    """The fields of `Locating` and of `Settings` as keywords of a call, for type checkers."""

    candidates: int
    near: Near | str | None
    scale: float | Literal["auto"] | None
    rotations: 'Sequence[float] | Literal["any"]'
    chip_bands: "Sequence[str] | None"
    offset: float | None
    pixels: bool
    skip_bad: bool


@dataclass(frozen=True)
class LocatePlan:
    """Opened and checked inputs, the searches they need, and what was left out (`Locating.skip_bad`).

    `ranges` are what the numbers of scenes and chips are, told once for all searches; `stored` the index that the
    scenes are of, if any.
    """

    chips: RasterSource
    scenes: RasterSource
    settings: Settings
    asked: Locating
    searches: list[Search]
    skipped: tuple[BadRecord, ...] = ()
    ranges: tuple[str, str] | None = None
    stored: ImageIndex | None = None

    @property
    def pairs(self) -> int:
        """Pieces times chips of all first searches."""
        return sum(len(s.tiles) * len(s.variants) for s in self.searches if s.variants[0].first)


def plan(chips: Any, scenes: Any, settings: Settings | None = None, **options: Any) -> LocatePlan:
    """Open and check everything that `locate` needs, and say which searches it makes; takes and raises the same."""
    checks.of_kind("settings", settings, Settings)
    own = {field.name: None for field in fields(Locating)}  # in their order, for messages
    asked = {key: value for key, value in options.items() if key in own}
    if isinstance(asked.get("near"), str):
        asked["near"] = Near.parse(asked["near"])
    if asked.get("scale") is not None:
        asked["scale"] = parse_scale(asked["scale"])
    if isinstance(asked.get("rotations"), str):
        asked["rotations"] = parse_rotations(asked["rotations"])
    if settings is not None and settings.min_confidence > 0:
        asked.setdefault("min_confidence", settings.min_confidence)
    if settings is not None and settings.prior != Settings.prior:
        asked.setdefault("prior", settings.prior)
    wanted = Locating(**asked)
    settings = with_options(settings, {k: v for k, v in options.items() if k not in own}, own)
    bad: list[BadRecord] = []
    on_bad = bad.append if wanted.skip_bad else None
    images, patches, stored = scenes, chips, indexed(scenes)
    if stored is not None:
        images = _stored_scenes(stored, settings, wanted)
    elif isinstance(scenes, RasterSource):
        images = with_offset(scenes, wanted.offset)
    else:
        images = open_rasters(
            scenes, settings.bands, wanted.offset, on_bad, shape=settings.image_shape, dtype=settings.dtype
        )
    if not isinstance(chips, RasterSource):
        patches = open_rasters(
            chips,
            wanted.chip_bands or settings.bands,
            None,
            on_bad,
            noun="patches",
            mixed=True,
            shape=settings.patch_shape,
            dtype=settings.dtype,
        )
    if wanted.skip_bad:
        images = _usable(images, lambda source: _check_scenes(source, wanted), bad)
    _check_scenes(images, wanted)

    def make(some: RasterSource) -> tuple[RasterSource, list[Search]]:
        return _searches(some, images, wanted)

    if wanted.skip_bad:
        patches = _usable(patches, make, bad)
    patches, made = make(patches)
    if not any(search.variants[0].first for search in made):
        raise MatcherError(f"{images.name}: {_no_room(patches, images, wanted)}")
    _warn_of_positions(patches, wanted.near)
    settings = replace(settings, bands=None, image_shape=None, patch_shape=None)
    return LocatePlan(patches, images, settings, wanted, made, tuple(bad), stored=stored)


def _stored_scenes(stored: ImageIndex, settings: Settings, asked: Locating) -> RasterSource:
    """The scenes of an index; an error where they are asked for in another way than it was made."""
    stored.settled(settings)
    made = stored.catalog.origins[0].offset
    if asked.offset is not None and asked.offset != made:
        raise SettingsError(
            f"{stored.folder}: offset was {made} and is {asked.offset}: make another index, with --offset"
        )
    return as_rasters(stored.source, stored.bands)


def _searches(
    chips: RasterSource, scenes: RasterSource, asked: Locating
) -> tuple[RasterSource, list[Search]]:
    """Chips with the bands that they are compared by, and the searches: each chip by all that it shares with scenes."""
    kinds: dict[tuple[str | None, ...], list[int]] = {}
    for k, raster in enumerate(chips.rasters):
        kinds.setdefault(raster.names, []).append(k)
    rasters, groups = list(chips.rasters), []
    for which in kinds.values():
        some, pictures, names = common_bands(chips.subset(which), scenes)
        for k, raster in zip(which, some.rasters, strict=True):
            rasters[k] = raster
        groups.append((which, pictures, names))
    chosen = RasterSource(rasters, chips.name, chips.ids)
    made = [
        search
        for which, pictures, names in groups
        for search in searches(chosen, which, pictures, asked.scale, asked.rotations, asked.near, names)
    ]
    return chosen, sorted(made, key=lambda search: not search.variants[0].first)


def _no_room(chips: RasterSource, scenes: RasterSource, asked: Locating) -> str:
    """Why no scene has a place for any chip, and the way out."""
    everywhere = _searches(chips, scenes, replace(asked, near=None))[1]
    if any(search.variants[0].first for search in everywhere):
        return (
            "--near names no part of a scene that is large enough for a chip: name a wider area, or leave it out"
            f"{_swapped(scenes, asked.near)}"
        )
    return (
        "no scene is large enough for a chip at the scenes' pixel size: chips go first and scenes last, and --scale "
        "says how many scene pixels a chip's pixel is"
    )


def _swapped(scenes: RasterSource, near: Near | None) -> str:
    """A hint that latitude and longitude were swapped, where swapping them back names a part of a scene."""
    area = None if near is None else near.swapped()
    if area is None or not any(box(raster, area, (0, 0), (1.0, 1.0)) for raster in scenes.rasters):
        return ""
    return "; with latitude and longitude the other way round it would name one: the longitude goes first"


def _warn_of_positions(chips: RasterSource, near: Near | None) -> None:
    """Say so where a radius about the chips' own positions is given and some chips have no position."""
    lost = [raster for raster in chips.rasters if raster.georef is None]
    if near is not None and near.radius is not None and lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        log.warning(
            "%s%s: %s, so --near %g has no position to go by: sought everywhere",
            lost[0].name,
            more,
            lost[0].ungridded,
            near.radius,
        )


def _usable(
    source: RasterSource, check: Callable[[RasterSource], object], bad: list[BadRecord]
) -> RasterSource:
    """The source without the rasters that a check refuses, which are added to `bad`."""
    good = []
    for k, raster in enumerate(source.rasters):
        try:
            check(source.subset([k]))
        except MatcherError as error:
            bad.append(bad_raster(raster.name, int(source.ids[k]), error))
        else:
            good.append(k)
    if not good:
        raise NoInputError(f"{source.name}: not one raster of it can be used; the last fault: {bad[-1]}")
    return source.subset(good)


def _check_scenes(scenes: RasterSource, asked: Locating) -> None:
    for raster in scenes.rasters:
        if raster.georef is None and not asked.pixels:
            raise MatcherError(
                f"{raster.name}: {raster.ungridded}; or take rows and columns alone with --pixels"
            )
