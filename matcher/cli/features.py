"""``matcher features``: what the dates of a series share, and features of windows made of it."""

from typing import Any

import click

from matcher.cli.options import Names, quiet_option, series_options
from matcher.cli.output import emit, json_option
from matcher.cli.paths import Read, Written


@click.command("features")
@click.argument("series", type=Read(), nargs=-1, required=True)
@click.option(
    "-o", "--output", type=Written(), help="Features of all windows, .npz or .parquet (extra research)."
)
@click.option(
    "--window", type=click.IntRange(1), default=32, show_default=True, help="Pixels a side of a window."
)
@click.option(
    "--stride", type=click.IntRange(1), default=16, show_default=True, help="Pixels from window to window."
)
@click.option(
    "--each-date",
    is_flag=True,
    help="Features of every date by itself, not of all dates of a series together.",
)
@click.option("--split", type=Read(), help="Use this split and not the series' own: one date will do.")
@click.option("--save-split", type=Written(), help="Write the split (of one series) to .npz.")
@click.option("--picture", type=Written(), help="Draw the split (of one series) to a file (extra plot).")
@click.option("--bands", type=Names(), metavar="A,B,…", help="Names of the bands in order.")
@series_options
@json_option
@quiet_option
def command(
    series: tuple[str, ...],
    output: str | None,
    window: int,
    stride: int,
    each_date: bool,
    split: str | None,
    save_split: str | None,
    picture: str | None,
    bands: tuple[str, ...] | None,
    value_range: str,
    series_dates: int,
    series_bands: int,
    json_to: str | None,
    quiet: bool,  # noqa: ARG001 (every command has it; this one has nothing to be quiet about)
) -> None:
    """Split SERIES into what their dates share and what is each date's own.

    Printed is the share of energy by band and scale, and by kind of evidence. With --output, features of windows are
    written: level and texture of the shared part. SERIES are those of `matcher cut`.
    """
    from matcher.errors import SettingsError
    from matcher.shared.features import check_suffix
    from matcher.shared.run import features

    if output is not None:
        check_suffix(output)
    options: dict[str, Any] = {
        "value_range": value_range,
        "dates": series_dates,
        "count": series_bands,
        "bands": bands,
    }
    made = features(
        series,
        side=window,
        stride=stride,
        each_date=each_date,
        split=split,
        windows=output is not None,
        **options,
    )
    if (save_split or picture) and len(made.places) != 1:
        raise SettingsError(f"--save-split and --picture take one series, and there are {len(made.places)}")
    if save_split is not None:
        made.places[0].split.save(save_split)
    if picture is not None:
        from matcher.report.shared import draw_split

        one = made.places[0]
        draw_split(one.stack, one.dates, one.split, picture)
    if output is not None and made.features is not None:
        made.features.save(output)
    emit(str(made), made.to_dict(), json_to, [])
