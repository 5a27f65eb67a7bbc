"""``matcher compare``: submissions and rankings side by side."""

from pathlib import Path
from typing import Any

import click

from matcher.cli.options import Names
from matcher.cli.output import (
    emit,
    groups_options,
    json_option,
    load_groups,
    resample_options,
    xy_order_option,
)
from matcher.cli.paths import Read, Written
from matcher.errors import MatcherError


@click.command("compare")
@click.argument("submissions", type=Read(), nargs=-1, required=True)
@click.option("--answers", type=Read(), required=True, help="The answers, of any part of the patches.")
@groups_options
@click.option(
    "--difficulty",
    type=Read(),
    help="CSV of patch ids and columns such as texture, cloud, season gap, as a manifest: numbers are cut into thirds.",
)
@click.option(
    "--columns",
    type=Names(),
    metavar="A,B,…",
    help="Columns of --difficulty.  [default: those that do not say where a patch is from]",
)
@xy_order_option
@resample_options
@json_option
@click.option(
    "--picture", type=Written(by_ending=True), help="Draw the comparison to a PNG, SVG or PDF (extra plot)."
)
def command(
    submissions: tuple[str, ...],
    answers: str,
    groups: str | None,
    group_by: str | None,
    difficulty: str | None,
    picture: str | None,
    json_to: str | None,
    **options: Any,
) -> None:
    """Compare two or more SUBMISSIONS or rankings (.npz, .parquet, .run) on the same answers.

    Scores side by side with 95 % intervals, the paired differences (intervals by resampling images, McNemar's
    test for hits), by group and by difficulty, agreement, and what the best choice among them would reach.
    """
    from matcher.scoring import compare

    result = compare(named(submissions), answers, load_groups(groups, group_by), difficulty, **options)
    if picture is not None:
        from matcher.report.comparison import draw_comparison

        draw_comparison(result, picture)
    emit(str(result), result.to_dict(), json_to, result.notes())


def named(paths: tuple[str, ...]) -> dict[str, str]:
    """A name for every file: its stem, or where two have the same the whole path."""
    stems = [Path(path).stem for path in paths]
    names = [stem if stems.count(stem) == 1 else path for path, stem in zip(paths, stems, strict=True)]
    if len(set(names)) < len(names):
        raise MatcherError(
            f"{next(n for n in names if names.count(n) > 1)}: given twice; give each file once"
        )
    return dict(zip(names, paths, strict=True))
