"""Change of many patches, each at its place."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matcher import checks
from matcher.changing.detect import CLASSES, PRIOR, Change, find_change
from matcher.errors import MatcherError
from matcher.formats.notebook import pictures, table
from matcher.formats.opening import open_pair
from matcher.formats.raster import RasterSource
from matcher.formats.submission import read_submission
from matcher.geo.grid import Grid
from matcher.imagery import Roles, open_pictures, resolve_bands
from matcher.matching.run import match
from matcher.placements import Placements
from matcher.settings import PictureOptions, Settings, with_options
from matcher.values import compared

if TYPE_CHECKING:
    from typing_extensions import Unpack


@compared
@dataclass(frozen=True)
class Found:
    """The change of one patch, and where it lies.

    Attributes
    ----------
    patch, image : int
        Ids.
    x, y : int
        Column and row of the patch's top-left pixel in the image.
    change : Change
    georef : Grid, optional
        Of the patch's pixels, where the image is a raster with a CRS.
    """

    patch: int
    image: int
    x: int
    y: int
    change: Change
    georef: Grid | None

    def _repr_html_(self) -> str:
        """The patch and the window it lies on, and the shares of what changed, as notebooks show them."""
        patch, window = pictures([self.change.patch, self.change.window], ["patch", "window"])
        shares = self.change.shares()
        cells = [patch, window, *(f"{shares[name]:.3f}" for name in CLASSES[1:])]
        note = f"patch {self.patch} in image {self.image}, x {self.x}, y {self.y}"
        return table(["patch", "window", *CLASSES[1:]], [cells], note)


def change(
    images: Any,
    patches: Any,
    places: Placements | str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    *,
    threshold: float = 0.5,
    prior: float = PRIOR,
    **options: "Unpack[PictureOptions]",
) -> Iterator[Found]:
    """The change of every patch that has a place, in the order of the places.

    All inputs are opened and checked at the call; the pixels of a patch are compared when its turn comes.

    Parameters
    ----------
    images, patches : what `matcher.open_images` and `matcher.open_patches` take
    places : Placements, path or None
        Where the patches were found, of any part of them: what `matcher.match` gave, or a submission. By default they
        are matched first.
    settings : Settings, optional
        Options of the match; where `places` are given, only bands and value range are used.
    threshold, prior : float
        As of `matcher.changing.detect.find_change`.
    **options
        `bands`, `value_range` and `threads` in place of those of `settings`.

    Raises
    ------
    MatcherError
        If an input cannot be read, a place names no patch or image that is there, or does not lie in its image.
    """
    threshold, prior = checks.number("threshold", threshold, 0, 1), checks.share("prior", prior)
    if places is not None and not isinstance(places, Placements | str | os.PathLike):
        raise checks.refusal("places", places, "what matcher.match gave, or the path of a submission")
    left, right, settings = open_pair(images, patches, with_options(settings, {**options}))
    targets, queries = open_pictures(left, right, settings.value_range)
    if places is None:
        places = match(left, right, settings)
    elif not isinstance(places, Placements):
        places = read_submission(places)
    roles = Roles.of(resolve_bands(targets, queries, settings))
    at = [{int(k): n for n, k in enumerate(pictures.ids)} for pictures in (targets, queries)]
    rows = [
        (int(patch), int(image), int(x), int(y))
        for patch, image, x, y in zip(places.ids, places.image, places.x, places.y, strict=True)
    ]
    for patch, image, x, y in rows:
        for number, held, name in ((image, at[0], targets.name), (patch, at[1], queries.name)):
            if number not in held:
                raise MatcherError(f"{name}: has no picture {number}, which the place of patch {patch} names")
        height, width, _ = queries.shape(at[1][patch])
        size = targets.shape(at[0][image])
        if not (0 <= y <= size[0] - height and 0 <= x <= size[1] - width):
            raise MatcherError(
                f"patch {patch}: {height} x {width} px at row {y}, column {x} do not lie in image {image} of "
                f"{size[0]} x {size[1]} px"
            )

    def find() -> Iterator[Found]:
        last, picture = -1, np.empty((0, 0, 0), np.float32)
        for patch, image, x, y in rows:
            number = at[0][image]
            if number != last:
                last, picture = number, targets[number]
            dn = queries[at[1][patch]]
            change = find_change(dn, picture, (y, x), roles, threshold=threshold, prior=prior)
            # What lies at a patch's pixel lies in the image by the rest shift beside the window's.
            corner = y + change.shift[0], x + change.shift[1]
            yield Found(patch, image, x, y, change, _georef(left, number, *corner, dn.shape[:2]))

    return find()


def _georef(source: Any, index: int, row: float, col: float, shape: tuple[int, int]) -> Grid | None:
    """Of a window of an image, where that has one."""
    whole = source.rasters[index].georef if isinstance(source, RasterSource) else None
    return None if whole is None else whole.window(row, col, shape)
