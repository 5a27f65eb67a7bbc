"""``matcher score``: a submission against the answers."""

import click

from matcher.cli.output import emit, json_option, resample_options


@click.command("score")
@click.argument("submission", type=click.Path())
@click.argument("answers", type=click.Path())
@click.option("--groups", type=click.Path(), help="CSV of patch id and group: score each group apart.")
@click.option(
    "--xy-order",
    type=click.Choice(["xy", "yx"]),
    default="xy",
    show_default=True,
    help="Order of the answers' last two numbers: yx where they come swapped.",
)
@resample_options
@json_option
def command(
    submission: str,
    answers: str,
    groups: str | None,
    xy_order: str,
    resamples: int,
    seed: int,
    json_to: str | None,
) -> None:
    """Score SUBMISSION against ANSWERS (any part of the patches), with 95 % intervals by resampling images.

    Patches without a row in the submission earn 0 and are named, as are rows without an answer.
    """
    from matcher.scoring import score

    result = score(submission, answers, groups, xy_order=xy_order, resamples=resamples, seed=seed)
    emit(str(result), result.to_dict(), json_to, result.notes())
