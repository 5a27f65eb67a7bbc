"""``matcher locate``: where on Earth chips lie."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import (
    Names,
    dry_run_option,
    gathered,
    match_options,
    min_confidence_option,
    prior_option,
    quiet_option,
    skip_bad_option,
)
from matcher.cli.paths import Filled, Read, Written
from matcher.cli.progress import reporting
from matcher.errors import MatcherError, SettingsError
from matcher.settings import Settings

if TYPE_CHECKING:
    from matcher.formats.raster import RasterSource
    from matcher.geo.place import Place
    from matcher.locating.found import Places
    from matcher.locating.plan import LocatePlan

_WORD = "in"  # between chips and scenes
_LARGER = 2  # times the pixels of the smallest chip: so large a one may be a scene
log = logging.getLogger("matcher")


@click.command("locate")
@click.argument("files", metavar="CHIP… [in] SCENE…", nargs=-1, required=True, type=Read())
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=Written(by_ending=True),
    help="Write the places: .csv, .geojson, .gpkg (extra geopackage), .parquet (extra geoparquet). May be given "
    "several times.",
)
@click.option(
    "--json",
    "json_to",
    type=Written(printed=True),
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    help='Write JSON to FILE; "-", or nothing at the end of the line, prints it instead of the table.',
)
@click.option(
    "--candidates",
    type=click.IntRange(1, 50),
    default=1,
    show_default=True,
    help="Places shown a chip, no two on the same ground.",
)
@prior_option(Settings.prior, "chips that are expected to be in the scenes")
@min_confidence_option(0.5, "Chips whose best place is")
@click.option(
    "--near",
    metavar="AREA",
    help="Look only here: W,S,E,N or LON,LAT,KM, in degrees; or KM about each chip's own position, which otherwise "
    "is not looked at.",
)
@click.option(
    "--scale",
    metavar="auto|FLOAT",
    default="auto",
    show_default=True,
    help="Scene pixels a chip pixel; auto takes both sides' pixel sizes, and tries a few for chips that have none.",
)
@click.option(
    "--rotations",
    metavar="any|DEG,…",
    help="Turn chips that are in doubt by these angles too, degrees anticlockwise, such as -10,10; any tries 44, and "
    "each takes as long again as the chip. Turns of up to 6 degrees are found without.  [default: none]",
)
@click.option(
    "--chip-bands",
    type=Names(),
    metavar="A,B,…",
    help="As --bands, for chips whose files differ from the scenes'.",
)
@click.option(
    "--offset", type=float, help="Added to the scenes' values.  [default: what Sentinel-2 metadata say, or 0]"
)
@click.option("--pixels", is_flag=True, help="Let scenes without CRS pass: rows and columns, no coordinates.")
@click.option(
    "--write-georeferenced",
    "folder",
    type=Filled(file_okay=False),
    help="Write chips as GeoTIFFs in place to DIR.",
)
@click.option(
    "--report",
    "page",
    type=Written(),
    metavar="FILE",
    help="Write one page, .html: each chip in its surroundings, its rivals, and a map.",
)
@click.option(
    "--false-colour", is_flag=True, help="On the page, near infrared, red, green as red, green, blue."
)
@skip_bad_option
@dry_run_option
@match_options
@quiet_option
def command(
    files: tuple[str, ...], dry_run: bool, rotations: str | None, candidates: int, quiet: bool, **options: Any
) -> None:
    """Find where each CHIP lies in the SCENEs, and how sure that is.

    Chips and scenes are GeoTIFF, JPEG2000, PNG or JPEG files, folders or globs of them, .txt lists of paths, or
    Sentinel-2 .SAFE folders. The last argument is the scene; with several, write the word `in` between chips and
    scenes: matcher locate a.tif b.tif in scenes/*.tif. Rows and columns are those of the chip's top-left corner,
    coordinates those of its middle. Exit codes: 0 done, 1 an error, 2 wrong usage, 3 done with chips or scenes skipped,
    4 no chip or no scene can be used, 5 not one chip was found.
    """
    from matcher.cli.locate_text import dry
    from matcher.locating.run import ranged, run

    outputs = gathered(_Outputs, options)
    chips, scenes = split(files)
    outputs.check()
    options["candidates"] = outputs.candidates(candidates)
    with reporting(quiet) as progress:
        planned = _planned(chips, scenes, files, rotations, options)
        outputs.check_folder(planned, files)
        if not dry_run:
            planned = ranged(planned)
            every = run(planned, progress)
    for one in planned.skipped:
        click.echo(f"matcher: skipped: {one}", err=True)
    if dry_run:
        click.echo(dry(planned, outputs.names()))
        return
    places = [place for place in every if place.rank <= candidates]
    made = outputs.write(planned, every, places, files)
    if not quiet:
        for path in made:
            click.echo(f"matcher: {path}", err=True)
    found = any(place.rank for place in places)
    if not found:
        click.echo("matcher: not one chip was found: all are in none of these scenes", err=True)
    sys.exit(3 if planned.skipped else 0 if found else 5)


@dataclass(frozen=True)
class _Outputs:
    """What is written, by the names of the command's options.

    Attributes
    ----------
    outputs : tuple of str
        Tables of places.
    json_to : str or None
        File of JSON; "-" prints it in place of the table.
    folder : str or None
        Of chips as GeoTIFFs in place.
    page : str or None
    false_colour : bool
        Whether the page shows near infrared.
    """

    outputs: tuple[str, ...]
    json_to: str | None
    folder: str | None
    page: str | None
    false_colour: bool

    def check(self) -> None:
        """Refuse endings that nothing is written by."""
        from matcher.formats.outputs import check_ending
        from matcher.formats.placefiles import check_suffix

        for output in self.outputs:
            check_suffix(output)
        if self.page is not None:
            check_ending(self.page, "pages", (".html",))

    def check_folder(self, planned: "LocatePlan", inputs: Sequence[str]) -> None:
        """Refuse to write chips over inputs, or over what others put into the folder."""
        from matcher.formats.filled import OutputFolder
        from matcher.formats.placefiles import GEOREFERENCED, georeferenced_names

        if self.folder is not None:
            names = georeferenced_names([raster.name for raster in planned.chips.rasters])
            OutputFolder(self.folder, GEOREFERENCED).check(names.values(), inputs)

    def candidates(self, shown: int) -> int:
        """How many places a chip are sought: a page shows rivals, whether tables do or not."""
        if self.page is None:
            return shown
        from matcher.report.located_cards import RIVALS

        return max(shown, RIVALS)

    def names(self, folder: str | None = None) -> list[str]:
        """What is written, the folder by another name where one is given."""
        folders = [folder or self.folder] if self.folder else []
        return [*self.outputs, *folders, *([self.page] if self.page else [])]

    def write(
        self, planned: "LocatePlan", every: "Places", places: "list[Place]", inputs: Sequence[str]
    ) -> list[str]:
        """Write everything, `every` place on the page and `places` elsewhere; returns what was written."""
        from matcher.cli.locate_text import table
        from matcher.formats.files import atomic_write
        from matcher.formats.placefiles import write_georeferenced, write_places
        from matcher.geo.place import records

        for output in self.outputs:
            write_places(output, places)
        written = write_georeferenced(self.folder, places, planned.chips, inputs) if self.folder else []
        if self.page is not None:
            from matcher.report.located import write_located

            write_located(
                self.page,
                every,
                planned.chips,
                planned.scenes,
                settings=planned.settings,
                ranges=planned.ranges,
                false_colour=self.false_colour,
            )
        text = json.dumps(records(places), indent=2, allow_nan=False)
        if self.json_to not in (None, "-"):
            with atomic_write(str(self.json_to), "w") as file:
                file.write(text + "\n")
        click.echo(text if self.json_to == "-" else table(places))
        return self.names(f"{self.folder}: {len(written)} GeoTIFFs")


def _planned(
    chips: Sequence[str],
    scenes: Sequence[str],
    files: Sequence[str],
    rotations: str | None,
    options: dict[str, Any],
) -> "LocatePlan":
    """The plan of a call; how files were taken is told where it fails, or where a scene may be among the chips."""
    from matcher.locating.run import plan

    told = _taken(chips, scenes, files)
    try:
        planned = plan(chips, scenes, rotations=rotations or (), **options)
    except MatcherError as error:
        raise type(error)(f"{error}{told}") from None
    if told and _differ(planned.chips):
        log.warning("%s", told.removeprefix("; "))
    return planned


def split(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments as chips and scenes: at the word `in`, or before the last."""
    words = [k for k, name in enumerate(files) if name == _WORD and not os.path.exists(name)]
    if len(words) > 1:
        raise SettingsError("the word `in` stands more than once: write it between chips and scenes")
    at = words[0] if words else len(files) - 1
    chips, scenes = list(files[:at]), list(files[at + 1 :] if words else files[at:])
    if not chips or not scenes:
        raise SettingsError("name chips, and then the scenes to look in: matcher locate CHIP… in SCENE…")
    return chips, scenes


def _taken(chips: Sequence[str], scenes: Sequence[str], files: Sequence[str]) -> str:
    """What was taken for chips and what for scenes, where several were named without the word between."""
    if len(chips) < 2 or len(chips) + len(scenes) < len(files):
        return ""
    return (
        f"; {len(chips)} files were taken for chips, {chips[-1]} the last, and {scenes[0]} alone for a scene: if there "
        "are more scenes, write the word `in` between chips and scenes"
    )


def _differ(chips: "RasterSource") -> bool:
    """Whether chips are of so different sizes that one may be a scene."""
    sizes = [raster.height * raster.width for raster in chips.rasters]
    return max(sizes) >= _LARGER * min(sizes)
