"""``matcher match``: the image and the pixel of every patch."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import (
    dry_run_option,
    match_options,
    min_confidence_option,
    prior_option,
    quiet_option,
)
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting, spell_time
from matcher.cli.running import check_run_options, make_batch, perform, run_options
from matcher.settings import Settings

if TYPE_CHECKING:
    from matcher.result import Result


@click.command("match")
@click.argument("images", type=Read())
@click.argument("patches", type=Read())
@click.option("-o", "--output", type=Written(), help="The submission to write; needed without --run-dir.")
@click.option("--details", type=Written(), help="CSV of scores, runners-up, confidence and reasons.")
@click.option(
    "--places",
    type=Written(by_ending=True),
    help="Places to a tenth of a pixel, on Earth where images are georeferenced: .csv, .geojson, .gpkg or .parquet.",
)
@click.option(
    "--xy-order",
    type=click.Choice(["xy", "yx"]),
    default="xy",
    show_default=True,
    help="Which of column and row the submission has first.",
)
@prior_option(Settings.prior, "patches that are expected to be in the images")
@min_confidence_option()
@match_options
@run_options
@dry_run_option
@quiet_option
def command(
    images: str,
    patches: str,
    output: str | None,
    details: str | None,
    places: str | None,
    xy_order: str,
    dry_run: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Find the image and the pixel of every patch of PATCHES among IMAGES.

    Both are .tfrecords of the challenge, .npy or .npz files, or rasters of one pixel size (GeoTIFF, JPEG2000, PNG,
    JPEG files, folders, globs or .txt lists of them), which are numbered by their names or else in order. The
    submission is written when all is done, and not at all where anything goes wrong; progress and notes go to
    standard error. Exit codes: 0 done, 1 an error, 2 wrong usage, 3 done with records skipped, 4 no valid input, 5
    the run directory is another run's, 130 and 143 interrupted.
    """

    check_run_options(options, output, dry_run)
    if places is not None:
        from matcher.formats.placefiles import check_suffix

        check_suffix(places)
    settings = {name: options.pop(name) for name in Settings.__dataclass_fields__ if name in options}
    if options["run_dir"] is not None:
        from matcher.runs.folder import RunFolder

        RunFolder(options["run_dir"]).check()
    if dry_run:
        click.echo(_dry(images, patches, settings, options, [output, details, places]))
        return
    start = time.monotonic()
    with reporting(quiet) as progress:
        outcome = perform(images, patches, settings, options, progress)
    if places is not None:
        from matcher.formats.placefiles import write_places
        from matcher.matching.georeference import find_places

        assert outcome.job is not None
        write_places(places, find_places(outcome.job, outcome.result))
    if details is not None:
        outcome.result.to_details(details)
    if output is not None:
        outcome.result.to_submission(output, xy_order=xy_order)
    if options["run_dir"] is None:
        for one in outcome.skipped:
            click.echo(f"matcher: skipped: {spell_skipped(one)}", err=True)
    if not quiet:
        from matcher.words import counted

        taken = spell_time(time.monotonic() - start)
        skipped = f", {counted(len(outcome.skipped), 'records')} skipped" if outcome.skipped else ""
        where = output or options["run_dir"]
        told = summary(outcome.result, settings["min_confidence"])
        answers = counted(len(outcome.result), "answers")
        click.echo(f"matcher: {where}: {answers} in {taken}: {told}{skipped}", err=True)
    sys.exit(outcome.exit_code)


def summary(result: "Result", min_confidence: float) -> str:
    """How many answers are sure, how many are in doubt, and how many were refused."""
    from matcher.decision.reasons import IN_DOUBT

    sure = result.confidence >= IN_DOUBT
    none = f", {int(result.refused.sum())} in none of these images" if min_confidence else ""
    doubtful = int((~sure & ~result.refused).sum())
    return f"{int((sure & ~result.refused).sum())} sure ({IN_DOUBT} and above), {doubtful} doubtful{none}"


def _dry(
    images: str, patches: str, settings: dict[str, Any], options: dict[str, Any], outputs: list[str | None]
) -> str:
    """What the match would do; only its inputs are opened and checked."""
    from matcher.cli.match_text import dry
    from matcher.runs.ready import make_ready

    batch = make_batch(options)
    with reporting(quiet=True):
        return dry(make_ready(images, patches, Settings(**settings), batch), batch, options, outputs)


def spell_skipped(one: dict[str, Any]) -> str:
    """A line of ``errors.jsonl`` in words."""
    record = "" if one["record"] is None else f", record {one['record']}"
    offset = "" if one["offset"] is None else f" at byte {one['offset']}"
    identifier = "" if one["id"] is None else f" (id {one['id']})"
    return f"{one['file']}{record}{offset}{identifier}: {one['reason']}"
