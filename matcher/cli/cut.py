"""``matcher cut``: a challenge with known answers from time series."""

from typing import Any

import click

from matcher.cli.options import SEED_HELP, Names, quiet_option, series_options
from matcher.cli.paths import Filled, Read
from matcher.cli.progress import reporting
from matcher.words import counted


@click.command("cut")
@click.argument("series", type=Read(), nargs=-1, required=True)
@click.option("-o", "--output", type=Filled(), required=True, help="The folder to write to.")
@click.option("--patches", type=click.IntRange(1), default=64, show_default=True, help="Patches an image.")
@click.option(
    "--side", type=click.IntRange(4), default=64, show_default=True, help="Pixels a side of a patch."
)
@click.option(
    "--largest",
    type=click.IntRange(4),
    default=512,
    show_default=True,
    help="Pixels a side of an image, at most.",
)
@click.option(
    "--dates", type=Names(), metavar="A,B,…", help="Numbers of the dates to use, from 0.  [default: all]"
)
@click.option("--gap", type=Names(), metavar="LEAST,MOST", help="Days (or steps) between image and patch.")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of places that go to validation/ instead of train/.",
)
@click.option(
    "--sky",
    type=click.Choice(["any", "clear", "cloudy"]),
    default="any",
    show_default=True,
    help="Bright pixels of patch and window: at most 2 %, or at least 10 % of either.",
)
@click.option(
    "--form",
    type=click.Choice(["official", "arrays"]),
    default="official",
    show_default=True,
    help="TFRecords as the challenge has them, or images.npz and patches.npy in DN.",
)
@series_options
@click.option(
    "--pairs", type=click.IntRange(1), help="Write pairs.npz for verify instead: same pairs a place."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help=SEED_HELP)
@quiet_option
def command(
    series: tuple[str, ...],
    output: str,
    dates: tuple[str, ...] | None,
    gap: tuple[str, ...] | None,
    pairs: int | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Cut a challenge with known answers from SERIES to a folder.

    SERIES are official training TFRecords (files or a folder of them), .npy or .npz stacks of (dates, height, width,
    bands), or folders with a raster a date. One place is in memory at a time.
    """
    from matcher.cutting.options import CutOptions
    from matcher.cutting.run import cut

    chosen = CutOptions(
        dates=None if dates is None else _whole("--dates", dates),
        gap=None if gap is None else _two(_whole("--gap", gap)),
        **options,
    )
    if pairs is not None:
        _cut_pairs(series, output, chosen, pairs)
        return
    with reporting(quiet, "places") as progress:
        made = cut(series, output, chosen, progress=progress)
    for part, (places, images, count) in made.counts.items():
        where = f"{output}/{part}" if part else output
        numbers = ((places, "places"), (images, "images"), (count, "patches"))
        click.echo(f"{where}: {', '.join(counted(*one) for one in numbers)}")


def _cut_pairs(series: tuple[str, ...], output: str, options: Any, count: int) -> None:
    from matcher.cutting.run import stacks
    from matcher.formats.filled import OutputFolder
    from matcher.verification.pairs import cut_pairs, write_pairs

    name, inside = "pairs.npz", OutputFolder(output, "cut")
    inside.make([name], series)
    made = cut_pairs(stacks(series, options), count, side=options.side, seed=options.seed)
    path = inside.path / name
    write_pairs(path, made)
    inside.wrote(name)
    click.echo(f"{path}: {counted(len(made), 'pairs')}")


def _whole(name: str, texts: tuple[str, ...]) -> tuple[int, ...]:
    from matcher.errors import SettingsError

    try:
        return tuple(int(text) for text in texts)
    except ValueError:
        raise SettingsError(f"{name} {','.join(texts)}: give whole numbers with commas between") from None


def _two(numbers: tuple[int, ...]) -> tuple[int, int]:
    from matcher.errors import SettingsError

    if len(numbers) != 2:
        raise SettingsError("--gap: give least,most, such as 30,400")
    return numbers[0], numbers[1]
