"""The command line: one file a command, loaded when it is called, so that ``--help`` stays quick."""

import errno
import importlib
import io
import os
import sys
import traceback
from typing import Any

import click

from matcher.errors import MatcherError
from matcher.version import VERSION

COMMANDS = {
    "match": "Find the image and the pixel of every patch.",
    "index": "Make an index of images, to be searched in their place.",
    "merge": "Join the run directories of a match.",
    "locate": "Find where chips lie in scenes.",
    "align": "Bring scenes onto another of the same ground.",
    "score": "Score a submission against the answers.",
    "compare": "Compare submissions on the same answers.",
    "cut": "Cut a challenge with known answers from time series.",
    "verify": "Say whether two patches show the same place.",
    "retrieve": "Rank all images for every patch.",
    "change": "Say what changed between patches and where they lie.",
    "features": "Say what the dates of a series share, and make features of it.",
    "fit": "Fit the numbers of a match to series of your own.",
    "report": "Write one page on a match.",
    "simulate": "Write a challenge of a synthetic Earth, with answers.",
    "demo": "Match a small real sample and show the outcome.",
}


class LazyGroup(click.Group):
    """A group whose commands live in ``matcher.cli.<name>`` as ``command`` and are imported only when run."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(
                stream, io.TextIOWrapper
            ):  # a name that the terminal has no letters for ends no command
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            # Files are written under their names; what has none is what is printed.
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be printed as the process ends
            click.echo(f"matcher: standard output cannot be written: {error.strerror}", err=True)
            sys.exit(1)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        from matcher.cli.common import with_common

        command: click.Command = importlib.import_module(f"matcher.cli.{name}").command
        if isinstance(command, click.Group):
            for inside in command.commands.values():
                with_common(inside)
            return command
        return with_common(command)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MatcherError as error:
            if ctx.meta.get("matcher.verbose"):
                traceback.print_exc()
            click.echo(f"matcher: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("matcher: interrupted", err=True)
            sys.exit(130)


def _show_versions(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from matcher.cli.versions import versions

        for name, version in versions():
            click.echo(f"{name + ':':24}{version}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="matcher")
@click.option(
    "--show-versions",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of all that matters, and exit.",
)
def main() -> None:
    """Find where small satellite pictures belong: the image, the pixel, and how sure that is."""
