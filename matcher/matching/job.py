"""A match made ready: pictures opened and checked, and options that were left open decided."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import Advance
from matcher.decision.confidence import chance_level
from matcher.errors import MatcherError
from matcher.evidence import Channel, channels
from matcher.formats.base import Source
from matcher.formats.opening import open_pair
from matcher.formats.raster import RasterSource
from matcher.imagery import Pictures, Roles, open_pictures, resolve_bands
from matcher.indexing.opened import ImageIndex, indexed
from matcher.model import Model, read_model, shipped
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fits, search_everywhere
from matcher.search.pyramid.cascade import index_targets, search_pyramid, to_code
from matcher.search.pyramid.exact_tiles import weigh
from matcher.search.pyramid.index import Index, Layout
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE, MIN_SIDE, MatchOptions, Settings, with_options
from matcher.words import counted

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("matcher")
_REHEARSAL = 64  # px a side of the picture on which evidence is tried before anything is read


@dataclass(frozen=True)
class Job:
    """A match made ready: pictures opened and checked, options that were left open decided from the whole input.

    Any cut of its patches into blocks gives the same answers.

    Attributes
    ----------
    targets, patches : Pictures
    roles : Roles
    settings : Settings
        With the bands named.
    model : Model
        The fitted numbers that `settings` names.
    stored : ImageIndex, optional
        That the targets are of.
    """

    targets: Pictures
    patches: Pictures
    roles: Roles
    settings: Settings
    model: Model
    stored: ImageIndex | None = None

    @cached_property
    def chance(self) -> float:
        """What wrong places score by this evidence (`matcher.decision.confidence.chance_level`)."""
        return chance_level(_rehearse(self.settings.bands or (), self.settings.evidence))

    def index(self, side: tuple[int, int]) -> Index:
        """The codes of the targets for patches of `side`: those of the index where it has them, else made here.

        Raises
        ------
        MatcherError
            If codes that are made do not fit the memory.
        """
        if self.stored is not None:
            if self.indexed(side):
                return self.stored.index(side)
            _tell_unindexed(self.stored, side)
        return index_targets(self.task(1), side)

    def to_code(self, side: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
        """The targets whose codes are made for patches of `side`, as `index` makes them, DN, read one by one.

        Raises
        ------
        MatcherError
            If the codes do not fit the memory.
        """
        if self.stored is not None:
            _tell_unindexed(self.stored, side)
        return to_code(self.task(1), side)[0]

    def indexed(self, side: tuple[int, int]) -> bool:
        """Whether the targets' index holds codes for patches of `side`."""
        return self.stored is not None and side in self.stored.sides and self.stored.whole(side)

    def search(
        self, which: Sequence[int], keep: int, report: Advance, index: Layout | None = None
    ) -> Candidates:
        """The `keep` best targets and places of some patches of one size; `index` is that of `Job.index`."""
        if self.settings.search == "exhaustive":
            return search_everywhere(self.task(keep), which, report)
        return search_pyramid(self.task(keep), which, report, index)

    def weigh(self, which: Sequence[int], found: Candidates) -> Candidates:
        """What was found for these patches, judged by the ground about it (`exact_tiles.weigh`); `found` stays."""
        return weigh(self.task(found.target.shape[1]), which, found.take(np.arange(len(which))))

    def task(self, keep: int) -> Task:
        """What a search is given, to keep so many targets a patch."""
        s = self.settings
        pictures = (self.targets, self.patches, self.roles)
        return Task(*pictures, s.evidence, self.model, keep, s.effort, s.memory, s.bands or ())


def prepare(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    *,
    ranges: tuple[str, str] | None = None,
    **options: "Unpack[MatchOptions]",
) -> Job:
    """Open and check everything that a match needs; takes and raises what `match` does.

    `ranges` are what the numbers of both sides are where that was told before (`matcher.imagery.tell_ranges`).
    """
    settings = with_options(settings, {**options})
    model = shipped() if settings.model is None else read_model(settings.model)
    stored = indexed(images)
    if stored is not None:
        images, settings = stored.source, stored.settled(settings)
    left, right, settings = open_pair(images, patches, settings)
    if stored is not None and ranges is None and settings.value_range == "auto":
        ranges = stored.ranges(right)
    targets, queries = open_pictures(left, right, settings.value_range, ranges)
    names = resolve_bands(targets, queries, settings)
    if stored is not None:
        stored.check(names, targets.value_range)
    roles = Roles.of(names)
    if settings.evidence != DEFAULT_EVIDENCE:  # which any bands have
        _rehearse(names, settings.evidence)
    _check_sizes(targets, queries)
    for what, pictures in (("images", targets), ("patches", queries)):
        log.info("%s", describe(what, pictures, names, settings.value_range == "auto"))
        _tell_numbers(what, pictures.source)
    _check_constant(queries)
    if settings.search == "exhaustive":
        for _ in targets:  # read through, so that a bad value ends the run before hours of work
            pass
    return Job(targets, queries, roles, replace(settings, bands=names), model, stored)


def _rehearse(names: tuple[str, ...], evidence: tuple[str, ...]) -> list[Channel]:
    """The channels of an even picture of these bands."""
    return channels(np.ones((_REHEARSAL, _REHEARSAL, len(names)), np.float32), Roles.of(names), evidence)


def tell_search(job: Job, count: int | None = None) -> None:
    """Say what is about to be searched, in the words of who asked for it: all patches, or so many of them."""
    patches, images = len(job.patches), len(job.targets)
    some = "" if count in (None, patches) else f"{count:,} of "
    every = ", every pixel" if job.settings.search == "exhaustive" else ""
    log.info("searching %s%s in %s%s", some, counted(patches, "patches"), counted(images, "images"), every)


def _tell_unindexed(stored: ImageIndex, side: tuple[int, int]) -> None:
    """Say that an index is of no use for patches of a size, and why."""
    spelled = ", ".join(f"{height} x {width}" for height, width in stored.sides)
    why = f"holds codes for {spelled} px" if side not in stored.sides else "holds codes of pieces, for locate"
    log.warning(
        "%s: %s, so those for patches of %d x %d px are made for this run alone", stored.folder, why, *side
    )


def describe(what: str, pictures: Pictures, names: Sequence[str], detected: bool) -> str:
    """A line on some pictures: how many, of what sizes, bands and value range."""
    sizes = sorted({pictures.shape(k)[:2] for k in range(len(pictures))})
    spelled = [f"{height} x {width}" for height, width in (sizes[0], sizes[-1])]
    size = spelled[0] if len(sizes) == 1 else f"{spelled[0]} to {spelled[1]}"
    return (
        f"{pictures.name}: {counted(len(pictures), what)} of {size} px, bands {','.join(names)}, "
        f"values {pictures.value_range}{' (detected)' if detected else ''}"
    )


def _tell_numbers(what: str, source: Source) -> None:
    """Say which number each raster got, where the names of the files are no numbers."""
    if isinstance(source, RasterSource) and source.in_order:
        first, last = (f"{source.ids[k]} {source.where(k)}" for k in (0, len(source) - 1))
        log.info(
            "%s have the numbers of their order: %s%s", what, first, f" to {last}" if len(source) > 1 else ""
        )


def _check_constant(patches: Pictures) -> None:
    """Read all patches: a warning where some are constant, an error where all are.

    One among others is ground that looks so, open water or deep snow; where there is nothing else, the file or the
    value range is more likely wrong.
    """
    constant = [k for k, dn in enumerate(patches) if (dn[0] == dn[0, 0]).all() and (dn == dn[:1, :1]).all()]
    if len(constant) == len(patches):
        others = ", and so is every other patch" if len(patches) > 1 else ""
        raise MatcherError(
            f"{patches.source.where(0)}: is constant{others}: there is nothing to match; check the file and the value "
            "range (--range)"
        )
    if constant:
        more = f" and {len(constant) - 1} more" if len(constant) > 1 else ""
        log.warning(
            "%s%s: constant in every band, so at most its colour can place it, and never surely",
            patches.source.where(constant[0]),
            more,
        )


def _check_sizes(targets: Pictures, patches: Pictures) -> None:
    """Every patch must be large enough to be told apart, and lie inside some image."""
    shapes = {targets.shape(k)[:2] for k in range(len(targets))}
    for k in range(len(patches)):
        height, width, _ = patches.shape(k)
        if min(height, width) < MIN_SIDE:
            raise MatcherError(
                f"{patches.source.where(k)}: is {height} x {width} px; the least that can be matched is "
                f"{MIN_SIDE} x {MIN_SIDE}"
            )
        if not any(fits((height, width), shape) for shape in shapes):
            raise MatcherError(
                f"{patches.source.where(k)}: is {height} x {width} px, larger than every image of {targets.name}: "
                "are images and patches swapped?"
            )
