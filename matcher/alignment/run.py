"""One scene brought onto another: tie points, blunders among them, the transform, and what is left."""

import functools
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.alignment.accuracy import Figure, measure
from matcher.alignment.chips import ChipSearch, corners, find, settled
from matcher.alignment.fits import KINDS, Transform
from matcher.alignment.frame import Frame, Side, frame
from matcher.alignment.outliers import outliers
from matcher.alignment.probes import prior
from matcher.alignment.ties import OUTLIER, TiePoints
from matcher.alignment.transforms import choose
from matcher.errors import MatcherError
from matcher.formats.gather import common_bands
from matcher.formats.opening import open_rasters
from matcher.formats.plain import with_offset
from matcher.formats.raster import RasterSource
from matcher.geo.grid import Grid
from matcher.imagery import Roles, open_pictures
from matcher.indexing.tiles import TiledSource
from matcher.model import read_model, shipped
from matcher.settings import MIN_SIDE, MatchOptions, Settings, with_options
from matcher.threads import limited
from matcher.values import compared

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("matcher")
_LOT = 64  # chips between two reports of progress


@dataclass(frozen=True)
class Aligning:
    """What `align` is asked to do, beside the `Settings` of the match.

    Attributes
    ----------
    count : int
        Tie points sought, about.
    side : int
        Of a chip, pixels of the coarser of both scenes.
    radius : int
        How far from the place that probes tell a chip is sought, the same pixels.
    min_confidence : float
        Below it a tie point is not used; goes before that of the settings.
    prior : float
        The share of chips whose ground is expected to be seen in the reference at all; goes before that of the
        settings.
    transform : str
        ``auto`` or one of `matcher.alignment.fits.KINDS`.
    offset : float, optional
        Added to the reference's values; by default what Sentinel-2 metadata say.
    """

    count: int = 400
    side: int = 64
    radius: int = 12
    min_confidence: float = 0.9
    prior: float = 0.5
    transform: str = "auto"
    offset: float | None = None

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)
        settle("count", checks.whole("count", self.count, 1))
        settle("side", checks.whole("side", self.side, MIN_SIDE, 512))
        settle("radius", checks.whole("radius", self.radius, 2, 128))
        settle("min_confidence", checks.number("min_confidence", self.min_confidence, 0, 1))
        settle("prior", checks.share("prior", self.prior))
        checks.choice("transform", self.transform, ("auto", *KINDS))
        if self.offset is not None:
            settle("offset", checks.number("offset", self.offset))


class AlignOptions(MatchOptions, total=False):
    """The fields of `Aligning` and of `Settings` as keywords of a call, for type checkers; some are of both."""

    count: int
    side: int
    radius: int
    transform: Literal["auto", "shift", "similarity", "affine", "polynomial", "field"]
    offset: float | None


@compared
@dataclass(frozen=True)
class Alignment:
    """One scene on another.

    Attributes
    ----------
    moving, reference : str
        Files.
    size : (int, int)
        Of the moving scene, pixels.
    georef : Grid, optional
        Of the moving scene, as its file states it.
    pixel : float
        Ground size of a pixel of the moving scene, metres; nan where unknown.
    points : TiePoints
    transform : Transform
    side : float
        Of a chip, pixels of the moving scene.
    """

    moving: str
    reference: str
    size: tuple[int, int]
    georef: Grid | None
    pixel: float
    points: TiePoints
    transform: Transform
    side: float

    @property
    def left(self) -> NDArray[np.float64]:
        """(n, 2): what is left of the shift at each point, pixels; nan where nothing was found.

        Of points used it is what a transform that has not seen them leaves, so that a kind that bends through all its
        points does not look perfect.
        """
        out = self.points.shifts - self.transform.shifts(self.points.places)
        used = np.flatnonzero(self.points.used)
        if len(self.transform.left) == len(used):
            out[used] = self.transform.left
        return out

    def accuracy(self, after: bool = True) -> dict[str, Figure]:
        """`matcher.alignment.accuracy.measure` of the points used, pixels: after the transform, or before."""
        offsets = self.left if after else self.points.shifts
        return measure(offsets[self.points.used])


def align(
    moving: Any,
    reference: Any,
    settings: Settings | None = None,
    *,
    points: TiePoints | None = None,
    progress: Progress | None = None,
    **options: "Unpack[AlignOptions]",
) -> Alignment:
    """Bring a scene onto another of the same ground.

    Parameters
    ----------
    moving, reference : path, sequence of paths (a band each), or RasterSource of one raster
    settings : Settings, optional
        Options of the match.
    points : TiePoints, optional
        Taken instead of being sought: what `matcher.alignment.ties.tie_points` makes of those that
        `matcher.formats.tiefiles.read_ties` read, perhaps mended by hand.
    progress : callable, optional
        Called with (chips done, chips in all) now and then.
    **options
        Fields of `Aligning`, and of `Settings` in place of those of `settings`.

    Raises
    ------
    MatcherError
        If a file cannot be read, only one of both says where it lies, the scenes show no common ground, or too few tie
        points agree for the transform asked for.
    """
    checks.of_kind("points", points, TiePoints)
    checks.function("progress", progress)
    own, given = Aligning.__dataclass_fields__, dict[str, Any](options)
    settings = with_options(settings, {k: v for k, v in given.items() if k not in own}, own)
    if settings.min_confidence > 0:
        given.setdefault("min_confidence", settings.min_confidence)
    if settings.prior != Settings.prior:
        given.setdefault("prior", settings.prior)
    asked = Aligning(**{key: value for key, value in given.items() if key in own})
    sides, settings = open_sides(moving, reference, settings, asked)
    with limited(settings.threads):
        return align_sides(sides[0], sides[1], settings, asked, points, progress)


def open_sides(
    moving: Any, reference: Any, settings: Settings, asked: Aligning
) -> tuple[tuple[Side, Side], Settings]:
    """Both scenes with the bands that both have, and the settings with these bands' names."""
    left = moving if isinstance(moving, RasterSource) else open_moving(moving, settings)
    right = (
        with_offset(reference, asked.offset)
        if isinstance(reference, RasterSource)
        else open_reference(reference, settings, asked)
    )
    for source in (left, right):
        if len(source) != 1:
            raise MatcherError(f"{source.name}: holds {len(source)} scenes, and one was expected")
    left, right, names = common_bands(left, right)
    georefs = [source.rasters[0].georef for source in (left, right)]
    for source, georef, other in zip((left, right), georefs, georefs[::-1], strict=True):
        if georef is None and other is not None:
            raise MatcherError(
                f"{source.rasters[0].name}: {source.rasters[0].ungridded}, and the other scene has a place: give both "
                "one, or none"
            )
    small = min(*left.shape(0)[:2], *right.shape(0)[:2])
    piece = (min(asked.side, small), min(asked.side, small))
    pictures = open_pictures(TiledSource(right, piece), TiledSource(left, piece), settings.value_range)
    sides = tuple(
        Side(source, 0, dn.value_range, georef)
        for source, dn, georef in zip((left, right), pictures[::-1], georefs, strict=True)
    )
    return (sides[0], sides[1]), settings if names is None else replace(settings, bands=names)


def open_moving(moving: Any, settings: Settings) -> RasterSource:
    """What is moved, opened as the settings say; records have the patches' shape, or else the images'."""
    shape = settings.patch_shape or settings.image_shape
    return open_rasters(moving, settings.bands, shape=shape, dtype=settings.dtype)


def open_reference(reference: Any, settings: Settings, asked: Aligning) -> RasterSource:
    """What it is laid on, opened as the settings say; records have the images' shape."""
    return open_rasters(
        reference, settings.bands, asked.offset, shape=settings.image_shape, dtype=settings.dtype
    )


def align_sides(
    moving: Side,
    reference: Side,
    settings: Settings,
    asked: Aligning,
    points: TiePoints | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """`align` of opened scenes, with as many threads as `matcher.threads.limited` set."""
    laid = frame(moving, reference)
    side = min(asked.side, *(int(n / laid.shrink) for n in moving.size))
    if points is not None:
        made = _chosen(points, asked, moving, reference)
    else:
        search = _search(laid, replace(asked, side=side), settings)
        points = _sought(laid, search, asked.count, settings, progress)
        made = _chosen(points, asked, moving, reference)
        if made.bent is not None:
            points = settled(replace(laid, bent=made.shifts), points, search)
            made = _chosen(points, asked, moving, reference)
    return Alignment(
        moving.name,
        reference.name,
        moving.size,
        moving.georef,
        np.nan if moving.georef is None else float(np.sqrt(abs(np.linalg.det(moving.georef.ground())))),
        points,
        made,
        side * laid.shrink,
    )


def _chosen(points: TiePoints, asked: Aligning, moving: Side, reference: Side) -> Transform:
    """The transform of the points used."""
    used = points.take(points.used)
    try:
        return choose(asked.transform, used.places, used.shifts, used.sigma, moving.size)
    except MatcherError as error:
        told = ", ".join(f"{count} {word}" for word, count in points.counts().items())
        raise MatcherError(
            f"{moving.name}: cannot be laid on {reference.name}: {error}"
            + (f" (not used: {told})" if told else "")
        ) from None


def _search(laid: Frame, asked: Aligning, settings: Settings) -> ChipSearch:
    """How chips of a side asked for are sought."""
    model = shipped() if settings.model is None else read_model(settings.model)
    roles = Roles.of(settings.band_names(laid.moving.source.shape(laid.moving.index)[2]))
    return ChipSearch(
        asked.side, asked.radius, asked.min_confidence, asked.prior, roles, settings.evidence, model
    )


def _sought(
    laid: Frame, search: ChipSearch, count: int, settings: Settings, progress: Progress | None
) -> TiePoints:
    """Tie points found, blunders told."""
    laid = prior(laid, search, settings)
    places = corners(laid, search.side, count)
    found: TiePoints | None = None
    for start in range(0, len(places), _LOT):
        lot = find(laid, places[start : start + _LOT], search)
        found = lot if found is None else found.joined(lot)
        if progress is not None:
            progress(min(start + _LOT, len(places)), len(places))
    assert found is not None
    used = np.flatnonzero(found.used)
    some = found.take(used)
    bad = outliers(some.places, some.shifts, some.sigma)
    return found.doubted(used[bad], OUTLIER)
