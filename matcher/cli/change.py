"""``matcher change``: what changed between patches and the windows found for them."""

import csv
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import Names, gathered, quiet_option, range_option, reading_options
from matcher.cli.output import xy_order_option
from matcher.cli.paths import Filled, Read
from matcher.cli.progress import reporting

if TYPE_CHECKING:
    from matcher.placements import Placements


@click.command("change")
@click.argument("images", type=Read())
@click.argument("patches", type=Read())
@click.argument("places", type=Read(), required=False)
@click.option("-o", "--output", type=Filled(), help="Write a file a patch to this folder.")
@click.option(
    "--forms",
    type=Names(("npz", "tif", "png")),
    metavar="A,B,…",
    default="npz,png",
    show_default=True,
    help="Of the files: npz, tif (GeoTIFF, extra geo), png.",
)
@click.option("--only", type=Names(), metavar="ID,…", help="Only these patches.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="The score from which a pixel counts as changed.",
)
@click.option(
    "--prior",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="The share of changed pixels that is expected.",
)
@xy_order_option
@reading_options
@range_option
@quiet_option
def command(
    images: str,
    patches: str,
    output: str | None,
    forms: tuple[str, ...],
    threshold: float,
    prior: float,
    quiet: bool,
    **options: Any,
) -> None:
    """Say what changed between PATCHES and the windows of IMAGES found for them.

    PLACES is a submission; without it the patches are matched first. Printed is a CSV of the rest of the shift (px)
    and the shares of pixels that are changed, cloud, shadow and no data; --output has every pixel.
    """
    from matcher.changing.detect import CLASSES
    from matcher.changing.run import change
    from matcher.formats.details import FILES
    from matcher.formats.opening import open_pair, open_patches
    from matcher.formats.raster import file_names
    from matcher.matching.run import match
    from matcher.report.change import ChangeFolder
    from matcher.settings import Settings

    chosen = gathered(_Chosen, options)
    settings, wanted = Settings(**options), chosen.ids()
    with reporting(quiet, "patches") as progress:
        found = chosen.read(wanted)
        folder = None
        if output is not None:
            ids = (wanted or open_patches(patches).ids.tolist()) if found is None else found.ids.tolist()
            read = [images, patches, *([] if chosen.places is None else [chosen.places])]
            folder = ChangeFolder(output, ids, forms, read)
        if found is None:
            found = _only(match(images, patches, settings, progress=progress), wanted)
        pair = open_pair(images, patches, settings)
        names = [file_names(source) for source in reversed(pair[:2])]
        heads = ["Patch ID", "Result", "dy", "dx", *CLASSES[1:], *(FILES if any(names) else ())]
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(heads)
        for one in change(images, patches, found, settings, threshold=threshold, prior=prior):
            shares = one.change.shares()
            dy, dx = one.change.shift
            row = [f"{one.patch}", f"{one.image} {one.x} {one.y}", f"{dy:.2f}", f"{dx:.2f}"]
            files = [names[0].get(one.patch, ""), names[1].get(one.image, "")] if any(names) else []
            table.writerow([*row, *(f"{shares[name]:.4f}" for name in CLASSES[1:]), *files])
            if folder is not None:
                folder.write(one)


@dataclass(frozen=True)
class _Chosen:
    """Which patches are looked at, and where: by the names of the command's options.

    Attributes
    ----------
    places : str or None
        A submission.
    xy_order : str
        Its order of coordinates.
    only : tuple of str or None
        Ids of patches; all by default.
    """

    places: str | None
    xy_order: str
    only: tuple[str, ...] | None

    def ids(self) -> list[int] | None:
        """The patches asked for, None where all are."""
        from matcher.errors import SettingsError

        try:
            return None if self.only is None else [int(text) for text in self.only]
        except ValueError:
            raise SettingsError(
                f"--only {','.join(self.only or ())}: give patch ids with commas between"
            ) from None

    def read(self, wanted: list[int] | None) -> "Placements | None":
        """The places of the submission, of these patches; None where there is no submission."""
        from matcher.formats.submission import read_submission

        if self.places is None:
            return None
        return _only(read_submission(self.places, xy_order=self.xy_order), wanted)


def _only(places: "Placements", wanted: list[int] | None) -> "Placements":
    if wanted is None:
        return places
    import numpy as np

    from matcher.errors import SettingsError
    from matcher.placements import Placements

    missing = sorted(set(wanted) - set(places.ids.tolist()))
    if missing:
        raise SettingsError(f"--only: there is no place of patch {missing[0]}")
    keep = np.isin(places.ids, wanted)
    return Placements(*(column[keep] for column in (places.ids, places.image, places.x, places.y)))
