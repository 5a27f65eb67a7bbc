"""``matcher index``: make, change and look at an index of images."""

import re
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import quiet_option, range_option, reading_options, skip_bad_option
from matcher.cli.paths import Filled, Read
from matcher.cli.progress import reporting, spell_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from matcher.aliases import Progress
    from matcher.formats.base import BadRecord
    from matcher.formats.catalog import Catalog


class _Sizes(click.ParamType):
    """Sizes of patches with commas between: ``64`` or ``64x48`` (height x width)."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        found = [re.fullmatch(r"([0-9]+)(?:x([0-9]+))?", part.strip()) for part in value.split(",")]
        if not all(found):
            self.fail(f"{value!r} is not a list of sizes such as 64 or 64x48", param, ctx)
        return tuple((int(one[1]), int(one[2] or one[1])) for one in found if one is not None)


class _Group(click.Group):
    """Makes an index where no other command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


_threads = click.option(
    "--threads", type=click.IntRange(1), help="Cores to use.  [default: all that the process may use]"
)
_folder = click.argument("folder", metavar="DIR", type=Read(file_okay=False))
_images = click.argument("images", nargs=-1, required=True, type=Read())


@click.group("index", cls=_Group)
def command() -> None:
    """Make an index of IMAGES, to be searched in their place, or change one.

    \b
    matcher index IMAGES… -o DIR          make it, or go on making it
    matcher match DIR PATCHES -o OUT.csv  search it
    matcher locate CHIP in DIR            the same for scenes (made with --cut pieces)

    Of what a match computes, an index keeps all that depends on the images alone. The answers are those of a match of
    the images themselves. Images are read where pixels are needed: they must stay where they are.
    """


@command.command("make")
@_images
@click.option(
    "-o", "--output", "folder", required=True, type=Filled(file_okay=False), metavar="DIR", help="The index."
)
@click.option(
    "--size", "sizes", type=_Sizes(), default="64", show_default=True, metavar="N,…",
    help="Sizes of patches it is for, px: 64, 64x48 (height x width), or several.",
)  # fmt: skip
@click.option(
    "--cut",
    type=click.Choice(["whole", "pieces"]),
    default="whole",
    show_default=True,
    help="Whole, as match searches images, or in pieces, as locate searches scenes.",
)
@click.option(
    "--offset", type=float, help="Added to the values of rasters.  [default: what their metadata say, or 0]"
)
@reading_options
@range_option
@skip_bad_option
@_threads
@quiet_option
def make(
    images: tuple[str, ...], folder: str, sizes: Any, quiet: bool, skip_bad: bool, **options: Any
) -> None:
    """Make an index of IMAGES for patches of some sizes, or go on where making it was stopped.

    Named again with further sizes, it holds those too.
    """
    from matcher.indexing.making import make_index

    bad: list[BadRecord] = []
    on_bad = bad.append if skip_bad else None
    _changed(
        quiet,
        folder,
        lambda tell: make_index(list(images), folder, sizes, on_bad=on_bad, progress=tell, **options),
    )
    for one in bad:
        click.echo(f"matcher: skipped: {one}", err=True)
    sys.exit(3 if bad else 0)


@command.command("add")
@_folder
@_images
@_threads
@quiet_option
def add(folder: str, images: tuple[str, ...], threads: int | None, quiet: bool) -> None:
    """Add IMAGES to the index DIR; those that are there are not coded anew."""
    from matcher.indexing.making import add_images

    _changed(quiet, folder, lambda tell: add_images(folder, list(images), progress=tell, threads=threads))


@command.command("remove")
@_folder
@click.argument("ids", metavar="ID…", nargs=-1, required=True, type=click.IntRange(0))
@quiet_option
def remove(folder: str, ids: tuple[int, ...], quiet: bool) -> None:
    """Take the images of some ids out of the index DIR; their files are left alone."""
    from matcher.indexing.making import remove_images

    _changed(quiet, folder, lambda tell: remove_images(folder, ids, progress=tell))


@command.command("replace")
@_folder
@_images
@_threads
@quiet_option
def replace(folder: str, images: tuple[str, ...], threads: int | None, quiet: bool) -> None:
    """Put IMAGES in the place of those of the index DIR that have their ids."""
    from matcher.indexing.making import replace_images

    _changed(quiet, folder, lambda tell: replace_images(folder, list(images), progress=tell, threads=threads))


@command.command("info")
@_folder
def info(folder: str) -> None:
    """Say what the index DIR is of, for which sizes, and how large."""
    from matcher.indexing.telling import describe

    for line in describe(folder):
        click.echo(line)


@command.command("check")
@_folder
def check(folder: str) -> None:
    """Compare all that the index DIR holds, and the images, with their checksums."""
    from matcher.indexing.telling import faults

    found = list(faults(folder))
    for line in found:
        click.echo(f"matcher: {line}", err=True)
    if found:
        sys.exit(1)
    click.echo(f"{folder}: sound")


def _changed(quiet: bool, folder: str, change: "Callable[[Progress], Catalog]") -> None:
    """Change an index, showing how far it is, and say what came of it."""
    start = time.monotonic()
    with reporting(quiet, "images") as tell:
        catalog = change(tell)
    if not quiet:
        from matcher.indexing.telling import summary

        taken = spell_time(time.monotonic() - start)
        click.echo(f"matcher: {folder}: {summary(catalog)}, in {taken}", err=True)
