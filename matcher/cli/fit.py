"""``matcher fit``: the numbers that a match goes by, from series of one's own."""

from typing import Any

import click

from matcher.cli.options import (
    SEED_HELP,
    bands_option,
    memory_option,
    quiet_option,
    series_options,
    threads_option,
)
from matcher.cli.output import emit, json_option
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting


@click.command("fit")
@click.argument("series", type=Read(), nargs=-1, required=True)
@click.option("-o", "--output", type=Written(by_ending=True), required=True, help="The model to write, .npz.")
@click.option(
    "--side",
    "sides",
    type=click.IntRange(1),
    multiple=True,
    default=(128, 64, 32, 24),
    show_default="128, 64, 32 and 24",
    help="Pixels a side of the patches it is to serve; may be given several times.",
)
@click.option(
    "--rounds",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="How often patches are cut and sought, a side and choice of bands; 0 keeps the trust in scores that ships.",
)
@bands_option
@series_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help=SEED_HELP)
@threads_option
@memory_option
@json_option
@quiet_option
def command(series: tuple[str, ...], output: str, json_to: str | None, quiet: bool, **options: Any) -> None:
    """Fit the numbers of a match to SERIES, for --model.

    These are: how templates of every kind of evidence are whitened, how colour differs between dates of one place and
    between places, and how sure a score is, which is told by cutting patches from the series and seeking them, with
    their own image there and without it. SERIES
    are those of `matcher cut`; a dozen places or more, of the sensor and the grounds that patches will come from.
    """
    from matcher.errors import SettingsError
    from matcher.fitting.options import FitOptions
    from matcher.fitting.run import fit_model

    if not output.lower().endswith(".npz"):
        raise SettingsError(f"{output}: a model is written as .npz")
    with reporting(quiet, "rounds") as progress:
        made = fit_model(series, FitOptions(**options), progress=progress)
    made.model.save(output)
    emit(str(made), made.to_dict(), json_to, [])
