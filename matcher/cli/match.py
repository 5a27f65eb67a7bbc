"""``matcher match``: the image and the pixel of every patch."""

import time
from typing import Any

import click

from matcher.cli.options import match_options, quiet_option
from matcher.cli.progress import reporting, spell_time


@click.command("match")
@click.argument("images", type=click.Path())
@click.argument("patches", type=click.Path())
@click.option("-o", "--output", type=click.Path(), required=True, help="The submission to write.")
@click.option("--details", type=click.Path(), help="CSV of scores, runners-up, confidence and reasons.")
@click.option(
    "--xy-order",
    type=click.Choice(["xy", "yx"]),
    default="xy",
    show_default=True,
    help="Which of column and row the submission has first.",
)
@match_options
@quiet_option
def command(
    images: str,
    patches: str,
    output: str,
    details: str | None,
    xy_order: str,
    quiet: bool,
    **settings: Any,
) -> None:
    """Find the image and the pixel of every patch of PATCHES among IMAGES.

    Both are .tfrecords of the challenge, .npy or .npz files. The submission is written when all is done, and
    not at all where anything goes wrong; progress and notes go to standard error.
    """
    from matcher.formats.files import check_outputs

    check_outputs([output, details], [images, patches])
    import matcher

    start = time.monotonic()
    with reporting(quiet) as progress:
        result = matcher.match(images, patches, progress=progress, **settings)
    if details is not None:
        result.to_details(details)
    result.to_submission(output, xy_order=xy_order)
    if not quiet:
        click.echo(
            f"matcher: {output}: {len(result)} answers in {spell_time(time.monotonic() - start)}", err=True
        )
