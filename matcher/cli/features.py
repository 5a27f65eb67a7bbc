"""``matcher features``: what the dates of a series share, and features of windows made of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import bands_option, quiet_option, series_options
from matcher.cli.output import emit, json_option
from matcher.cli.paths import Read, Written

if TYPE_CHECKING:
    from matcher.shared.run import PlaceSplit


@click.command("features")
@click.argument("series", type=Read(), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=Written(by_ending=True),
    help="Features of all windows, .npz or .parquet (extra research).",
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
@click.option("--save-split", type=Written(by_ending=True), help="Write the split (of one series) to .npz.")
@click.option(
    "--picture", type=Written(by_ending=True), help="Draw the split (of one series) to a file (extra plot)."
)
@bands_option
@series_options
@json_option
@quiet_option
def command(
    series: tuple[str, ...],
    output: str | None,
    window: int,
    save_split: str | None,
    picture: str | None,
    json_to: str | None,
    quiet: bool,  # noqa: ARG001 (every command has it; this one has nothing to be quiet about)
    **options: Any,
) -> None:
    """Split SERIES into what their dates share and what is each date's own.

    Printed is the share of energy by band and scale, and by kind of evidence. With --output, features of windows are
    written: level and texture of the shared part. SERIES are those of `matcher cut`.
    """
    from matcher.formats.outputs import check_ending
    from matcher.report.shared import FORMATS as PICTURES
    from matcher.shared.features import SUFFIXES
    from matcher.shared.run import features

    if output is not None:
        check_ending(output, "features", SUFFIXES)
    if save_split is not None:
        check_ending(save_split, "splits", (".npz",))
    if picture is not None:
        check_ending(picture, "pictures", PICTURES)
    made = features(series, side=window, windows=output is not None, **options)
    if save_split is not None or picture is not None:
        _write_split(made.places, save_split, picture)
    if output is not None and made.features is not None:
        made.features.save(output)
    emit(str(made), made.to_dict(), json_to, [])


def _write_split(places: "Sequence[PlaceSplit]", path: str | None, picture: str | None) -> None:
    """Write and draw the split of the one series that there must be."""
    from matcher.errors import SettingsError

    if len(places) != 1:
        raise SettingsError(f"--save-split and --picture take one series, and there are {len(places)}")
    one = places[0]
    if path is not None:
        one.split.save(path)
    if picture is not None:
        from matcher.report.shared import draw_split

        draw_split(one.stack, one.dates, one.split, picture)
