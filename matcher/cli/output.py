"""What the scoring commands share: how a result reaches the screen or a JSON file."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from matcher.cli.paths import Read, Written
from matcher.errors import SettingsError
from matcher.formats.files import atomic_write

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json FILE``; "-" is standard output."""
    return click.option(
        "--json",
        "json_to",
        type=Written(printed=True),
        metavar="FILE",
        help='Write JSON to FILE; "-" prints it instead of the table.',
    )(function)


def groups_options(function: F) -> F:
    """Add ``--groups`` and ``--group-by``."""
    column = click.option(
        "--group-by", metavar="COLUMN", help="Column of the groups file.  [default: group, or else the first]"
    )
    file = click.option("--groups", type=Read(), help="CSV of patch ids and groups: score each apart.")
    return file(column(function))


def load_groups(path: str | None, column: str | None) -> dict[int, str] | None:
    """The group of every patch id; None where no file is given."""
    if path is None:
        if column is not None:
            raise SettingsError(f"--group-by {column} names a column of a groups file: give it with --groups")
        return None
    from matcher.formats.columns import read_groups

    return read_groups(path, column)


def xy_order_option(function: F) -> F:
    """Add ``--xy-order`` of the answers."""
    return click.option(
        "--xy-order",
        type=click.Choice(["xy", "yx"]),
        default="xy",
        show_default=True,
        help="Order of the answers' last two numbers: yx where they come swapped.",
    )(function)


def resample_options(function: F) -> F:
    """Add ``--resamples`` and ``--seed`` of the intervals."""
    seed = click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws."
    )
    resamples = click.option(
        "--resamples",
        type=click.IntRange(1, 1_000_000),
        default=2000,
        show_default=True,
        help="How often images are drawn anew for the intervals.",
    )
    return resamples(seed(function))


def emit(table: str, data: dict[str, Any], json_to: str | None, notes: Sequence[str]) -> None:
    """Print the table, or the JSON where ``json_to`` is "-" (the notes then go to standard error)."""
    if json_to == "-":
        click.echo(json.dumps(data, indent=2, allow_nan=False))
        for note in notes:
            click.echo(note, err=True)
        return
    if json_to is not None:
        with atomic_write(json_to, "w") as file:
            file.write(json.dumps(data, indent=2, allow_nan=False) + "\n")
    click.echo(table)
