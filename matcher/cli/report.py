"""``matcher report``: one page on a match."""

from typing import Any

import click

from matcher.cli.options import quiet_option, reading_options
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting


@click.command("report")
@click.argument("images", type=Read())
@click.argument("patches", type=Read())
@click.argument("details", type=Read())
@click.option("-o", "--output", type=Written(), required=True, help="The page to write, .html or .htm.")
@click.option("--answers", type=Read(), help="The answers: adds the score, errors and reliability.")
@click.option("--false-colour", is_flag=True, help="Show near infrared, red, green as red, green, blue.")
@reading_options
@click.option(
    "--gallery",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Matches shown with pictures: the least sure, and every so many of the others.",
)
@click.option(
    "--run-dir",
    type=Read(file_okay=False),
    metavar="DIR",
    help="Run directory of the match, for its settings.  [default: the one that DETAILS lie in]",
)
@quiet_option
def command(
    images: str,
    patches: str,
    details: str,
    output: str,
    answers: str | None,
    false_colour: bool,
    gallery: int,
    run_dir: str | None,
    quiet: bool,
    **reading: Any,
) -> None:
    """Write one self-contained page on the match of PATCHES in IMAGES that DETAILS hold.

    DETAILS are what match --details wrote, a submission, a ranking (.npz, .parquet), or places that locate wrote
    (.csv, .geojson; IMAGES are then the scenes and PATCHES the chips). The page has score, gallery, histograms,
    reliability, hits on each image, settings and versions; with --answers the true window is shown where the answer is
    not right. It opens in any browser, without a network.
    """
    from matcher.report.page import write_report
    from matcher.settings import Settings

    with reporting(quiet):
        made = write_report(
            output,
            images,
            patches,
            details,
            answers,
            false_colour=false_colour,
            gallery=gallery,
            settings=run_dir,
            reading=Settings(**reading),
        )
    if not quiet:
        click.echo(
            f"matcher: {made.path}: {made.shown} of {made.patches} matches with pictures, {made.size / 1e6:.1f} MB",
            err=True,
        )
