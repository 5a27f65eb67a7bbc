"""``matcher change``: what changed between patches and the windows found for them."""

from typing import Any

import click

from matcher.cli.options import Names, quiet_option
from matcher.cli.output import xy_order_option
from matcher.cli.progress import reporting
from matcher.settings import RANGES


@click.command("change")
@click.argument("images", type=click.Path())
@click.argument("patches", type=click.Path())
@click.argument("places", type=click.Path(), required=False)
@click.option("-o", "--output", type=click.Path(), help="Write a file a patch to this folder.")
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
@click.option("--bands", type=Names(), metavar="A,B,…", help="Names of the bands in order.")
@click.option("--range", "value_range", type=click.Choice(RANGES), default="auto", show_default=True)
@quiet_option
def command(
    images: str,
    patches: str,
    places: str | None,
    output: str | None,
    forms: tuple[str, ...],
    only: tuple[str, ...] | None,
    xy_order: str,
    threshold: float,
    prior: float,
    quiet: bool,
    **options: Any,
) -> None:
    """Say what changed between PATCHES and the windows of IMAGES found for them.

    PLACES is a submission; without it the patches are matched first. Printed is a CSV of the rest of the shift (px)
    and the shares of pixels that are changed, cloud, shadow and no data; --output has every pixel.
    """
    from pathlib import Path

    from matcher.changing.detect import CLASSES
    from matcher.changing.run import change
    from matcher.errors import MatcherError
    from matcher.formats.files import problem
    from matcher.formats.submission import read_submission
    from matcher.matching.run import match
    from matcher.placements import Placements
    from matcher.report.change import write_change
    from matcher.settings import Settings

    settings = Settings(**options)
    with reporting(quiet, "patches") as progress:
        if places is not None:
            found: Placements = read_submission(places, xy_order=xy_order)
        else:
            found = match(images, patches, settings, progress=progress)
        if only is not None:
            found = _only(found, only)
        if output is not None:
            try:
                Path(output).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MatcherError(f"{output}: cannot be made: {problem(error)}") from None
        click.echo("Patch ID,Result,dy,dx," + ",".join(CLASSES[1:]))
        for one in change(images, patches, found, settings, threshold=threshold, prior=prior):
            shares = one.change.shares()
            dy, dx = one.change.shift
            row = ",".join(f"{shares[name]:.4f}" for name in CLASSES[1:])
            click.echo(f"{one.patch},{one.image} {one.x} {one.y},{dy:.2f},{dx:.2f},{row}")
            if output is not None:
                write_change(output, one, forms)


def _only(places: Any, ids: tuple[str, ...]) -> Any:
    import numpy as np

    from matcher.errors import SettingsError
    from matcher.placements import Placements

    try:
        wanted = [int(text) for text in ids]
    except ValueError:
        raise SettingsError(f"--only {','.join(ids)}: give patch ids with commas between") from None
    missing = sorted(set(wanted) - set(places.ids.tolist()))
    if missing:
        raise SettingsError(f"--only: there is no place of patch {missing[0]}")
    keep = np.isin(places.ids, wanted)
    return Placements(*(column[keep] for column in (places.ids, places.image, places.x, places.y)))
