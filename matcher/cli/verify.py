"""``matcher verify``: whether two patches show the same place."""

from typing import Any

import click

from matcher.cli.options import quiet_option, range_option, reading_options, threads_option
from matcher.cli.output import emit, json_option
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting
from matcher.settings import Settings


@click.command("verify")
@click.argument("pairs", type=Read())
@click.argument("others", type=Read(), required=False)
@click.option("-o", "--output", type=Written(), help="CSV of every pair's probability and shift.")
@click.option(
    "--max-shift",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="How far one may lie off the other along each axis, px.",
)
@click.option(
    "--prior",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="The share of pairs of the same place that is expected.",
)
@click.option(
    "--refit", is_flag=True, help="Judge each labelled pair by numbers fitted to the pairs of other places."
)
@click.option("--picture", type=Written(), help="Draw ROC and precision-recall curves (extra plot).")
@reading_options
@range_option
@threads_option
@json_option
@quiet_option
def command(
    pairs: str,
    others: str | None,
    output: str | None,
    max_shift: int,
    prior: float,
    refit: bool,
    picture: str | None,
    json_to: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Say of every pair how probable it is that its two patches show the same place.

    PAIRS is a .npz with the stacks first and second, or, with OTHERS, two files of patches or single patches, taken
    in order. Where PAIRS has the array same (1 or 0), the probabilities are judged beside gray ZNCC, SSIM and phase
    correlation; else they are printed as CSV.
    """
    from matcher.errors import SettingsError
    from matcher.verification.pairs import pairs_of, read_pairs
    from matcher.verification.verifying import account, account_text, rivals, verify, write_verdicts

    settings = Settings(**options)
    given = read_pairs(pairs) if others is None else pairs_of(pairs, others, settings)
    if given.same is None and (refit or picture is not None or json_to is not None):
        raise SettingsError(
            f"{pairs}: --refit, --picture and --json judge labelled pairs, and there is no array 'same'"
        )
    with reporting(quiet) as progress:
        verdicts = verify(given, max_shift=max_shift, prior=prior, settings=settings, progress=progress)
    if given.same is not None:
        scores = rivals(given, max_shift=max_shift, settings=settings)
        judged = account(given, verdicts, scores, refit=refit)
        if picture is not None:
            from matcher.report.verification import draw_curves

            draw_curves(judged, picture)
        data = {method: {part: c.to_dict() for part, c in parts.items()} for method, parts in judged.items()}
        emit(account_text(judged), data, json_to, [])
    if output is not None or given.same is None:
        write_verdicts(output, verdicts, given)
