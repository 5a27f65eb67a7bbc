"""``matcher merge``: join the run directories of a job array."""

import sys

import click

from matcher.cli.options import min_confidence_option
from matcher.cli.paths import Read, Written
from matcher.words import counted


@click.command("merge")
@click.argument("folders", metavar="DIR...", type=Read(), nargs=-1, required=True)
@click.option("-o", "--output", type=Written(), required=True, help="The submission to write.")
@click.option("--details", type=Written(), help="CSV of scores, runners-up, confidence and reasons.")
@click.option(
    "--xy-order",
    type=click.Choice(["xy", "yx"]),
    default="xy",
    show_default=True,
    help="Which of column and row the submission has first.",
)
@min_confidence_option()
def command(
    folders: tuple[str, ...], output: str, details: str | None, xy_order: str, min_confidence: float
) -> None:
    """Verify the shards of every DIR and join them: what one run without interruption writes.

    A shard that is missing, damaged or in two directories is named. Exit code 3 where records were skipped.
    """
    from matcher.runs import merge

    outcome = merge(folders, min_confidence)
    if details is not None:
        outcome.result.to_details(details)
    outcome.result.to_submission(output, xy_order=xy_order)
    click.echo(
        f"matcher: {output}: {counted(len(outcome.result), 'answers')} of {len(folders)} directories",
        err=True,
    )
    sys.exit(outcome.exit_code)
