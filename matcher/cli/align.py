"""``matcher align``: scenes brought onto another of the same ground."""

import sys
from typing import Any

import click

from matcher.cli.align_outputs import Wanted, many, one
from matcher.cli.locate import split
from matcher.cli.options import gathered, match_options, quiet_option
from matcher.cli.paths import Filled, Read, Written
from matcher.cli.progress import reporting

_KINDS = ("auto", "shift", "similarity", "affine", "polynomial", "field")
_FORMS = "csv, geojson, gpkg (extra geopackage), points (QGIS), gcps (gdal_translate)"


@click.command("align")
@click.argument("files", metavar="MOVING… [in] REFERENCE…", nargs=-1, required=True, type=Read())
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=Written(by_ending=True),
    help=f"Write the tie points: {_FORMS}; .json: all figures; .html: a page. May be given several times.",
)
@click.option(
    "--moved",
    type=Written(by_ending=True),
    metavar="FILE.tif",
    help="Write the moving scene where the reference has its ground, all its bands.",
)
@click.option(
    "--field",
    type=Written(by_ending=True),
    metavar="FILE.tif",
    help="Write the shift of every pixel, map units, two bands.",
)
@click.option(
    "--folder",
    type=Filled(file_okay=False),
    metavar="DIR",
    help="For several scenes: write all outputs of each to DIR, and go on from those that are there.",
)
@click.option(
    "--mutual",
    is_flag=True,
    help="Onto each other: the shift of each date by least squares over all pairs, about the reference.",
)
@click.option(
    "--points", type=Read(), help="Take tie points from here: .csv, .geojson or .points, mended by hand."
)
@click.option(
    "--transform",
    type=click.Choice(_KINDS),
    default="auto",
    show_default=True,
    help="What moves a scene; auto takes the plainest that leaves no more than the others.",
)
@click.option(
    "--onto-reference", is_flag=True, help="Warp the moved scene onto the reference's grid, pixel on pixel."
)
@click.option(
    "--resampling",
    type=click.Choice(("nearest", "bilinear", "cubic")),
    default="cubic",
    show_default=True,
    help="Where the moved scene is warped.",
)
@click.option(
    "--count", type=click.IntRange(1), default=400, show_default=True, help="Tie points sought, about."
)
@click.option(
    "--side", type=click.IntRange(12, 512), default=64, show_default=True, help="Of a tie point's chip, px."
)
@click.option(
    "--radius",
    type=click.IntRange(2, 128),
    default=12,
    show_default=True,
    help="How far from the place that probes tell a chip is sought, px.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="Tie points less sure are not used.",
)
@click.option(
    "--offset", type=float, help="Added to the reference's values.  [default: what metadata say, or 0]"
)
@match_options
@quiet_option
def command(
    files: tuple[str, ...], folder: str | None, mutual: bool, points: str | None, quiet: bool, **options: Any
) -> None:
    """Bring each MOVING scene onto the REFERENCE, and say what is left.

    With several, write the word `in` before the reference: matcher align dates/*.tif in june.tif --folder aligned.
    Printed is a line a scene: transform, tie points, RMSE before and after, px and metres. Exit codes: 0 done, 1 an
    error, 2 wrong usage, 3 done with scenes that could not be aligned.
    """
    from matcher.cli.align_text import table
    from matcher.errors import SettingsError

    moving, reference = split(files)
    wanted = gathered(Wanted, options)
    if folder is None and (len(moving) > 1 or mutual):
        raise SettingsError("several scenes are written to a folder: name one with --folder")
    if folder is not None and (wanted.outputs or wanted.moved or wanted.field or points):
        raise SettingsError(
            "--folder holds all outputs of all scenes: leave out -o, --moved, --field and --points"
        )
    with reporting(quiet, "chips") as progress:
        if folder is None:
            done = [one(moving, reference, wanted, points, progress, options)]
        else:
            done = many(moving, reference, folder, wanted, mutual, progress, options)
    click.echo(table(done))
    if not quiet:
        for path in [*wanted.outputs, wanted.moved, wanted.field, folder]:
            if path is not None:
                click.echo(f"matcher: {path}", err=True)
    sys.exit(3 if any("error" in row for row in done) else 0)
