"""``matcher demo``: the main job on the sample that ships with the package."""

from itertools import islice
from pathlib import Path

import click

from matcher.cli.options import quiet_option
from matcher.cli.paths import Filled
from matcher.cli.progress import reporting

_FIRST = 4  # lines shown of each file


@click.command("demo")
@click.argument("folder", metavar="[DIR]", type=Filled(file_okay=False), default="matcher-demo")
@click.option(
    "--rasters",
    is_flag=True,
    help="Write the sample as GeoTIFFs for matcher locate, DIR/scenes and DIR/chips, and match nothing. Needs the "
    "extra geo.",
)
@quiet_option
def command(folder: str, rasters: bool, quiet: bool) -> None:
    """Match a small real sample and show the outcome.

    Writes six real places of two dates to DIR (./matcher-demo unless given) in the official form, finds every
    patch of the one date in the images of the other, and scores the answers. Contains modified Copernicus
    Sentinel data.
    """
    if rasters:
        return _rasters(folder)
    from matcher.demo.run import run_demo

    with reporting(quiet) as progress:
        done = run_demo(folder, progress=progress)
    for what, path in (
        ("images", done.images),
        ("patches", done.patches),
        ("groups", done.groups),
        ("details", done.details),
    ):
        click.echo(f"{what + ':':12}{path}")
    for what, path in (("submission", done.submission), ("answers", done.answers)):
        click.echo(f"{what + ':':12}{path}")
        for line in first_lines(path):
            click.echo(f"    {line}")
    click.echo(f"\n{done.score}\n")
    click.echo(f"{'picture:':12}{done.picture}")
    return None


def _rasters(folder: str) -> None:
    """Write GeoTIFFs, and say where they are and what is done with them."""
    from matcher.demo.rasters import write_rasters

    chips = write_rasters(folder)
    where = Path(folder)
    scenes = sum(cut.place is not None for cut in chips.values())
    click.echo(f"{'scenes:':12}{where / 'scenes'}: {scenes} GeoTIFFs")
    click.echo(f"{'chips:':12}{where / 'chips'}: {len(chips)} GeoTIFFs of the other dates, one of them noise")
    click.echo(f"{'answers:':12}{where / 'chips.csv'}")
    click.echo(f"{'to find:':12}matcher locate {where / 'chips'} in {where / 'scenes'}")


def first_lines(path: Path) -> list[str]:
    """The first lines of a text file, and an ellipsis where there are more."""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in islice(file, _FIRST + 1)]
    return [*lines[:_FIRST], "…"] if len(lines) > _FIRST else lines
