"""``matcher score``: a submission, or a ranking, against the answers."""

import click

from matcher.cli.output import (
    emit,
    groups_options,
    json_option,
    load_groups,
    resample_options,
    xy_order_option,
)
from matcher.cli.paths import Read


@click.command("score")
@click.argument("submission", type=Read())
@click.argument("answers", type=Read())
@groups_options
@xy_order_option
@resample_options
@json_option
def command(
    submission: str,
    answers: str,
    groups: str | None,
    group_by: str | None,
    xy_order: str,
    resamples: int,
    seed: int,
    json_to: str | None,
) -> None:
    """Score SUBMISSION against ANSWERS (any part of the patches), with 95 % intervals by resampling images.

    Of a ranking (.npz, .parquet or .run) the first are scored, and where the true images stand in it.

    Patches without a row in the submission earn 0 and are named, as are rows without an answer.
    """
    from matcher.scoring import score

    labels = load_groups(groups, group_by)
    result = score(submission, answers, labels, xy_order=xy_order, resamples=resamples, seed=seed)
    emit(str(result), result.to_dict(), json_to, result.notes())
