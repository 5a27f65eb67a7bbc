"""Options that several commands share: those of a match, with the names and defaults of `Settings`."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from matcher.cli.paths import Read
from matcher.settings import EVIDENCE, LEAST_MEMORY, RANGES, SEARCHES, Settings, known_evidence

F = TypeVar("F", bound=Callable[..., Any])
Made = TypeVar("Made")
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


class Names(click.ParamType):
    """Names with commas between, as a tuple; of a fixed list where one is given, or those that `also` knows."""

    name = "names"

    def __init__(self, choices: tuple[str, ...] = (), also: Callable[[str], bool] | None = None) -> None:
        self.choices, self.also = choices, also

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name in it", param, ctx)
        for name in names:
            if self.choices and name not in self.choices and not (self.also and self.also(name)):
                self.fail(f"{name!r} is not one of {', '.join(self.choices)}", param, ctx)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            self.fail(f"{twice!r} is named twice", param, ctx)
        return names

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that may follow, each with what stands before it."""
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        return [
            CompletionItem(before + comma + name)
            for name in self.choices
            if name.startswith(last) and name not in taken
        ]


class Size(click.ParamType):
    """A number of bytes: ``2GiB``, ``500MB``, ``1.5G`` (a bare K, M or G counts in thousands)."""

    name = "size"

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*([kmgt]?i?)b?", value.strip().lower())
        if found is None or found[2] not in _UNITS | _BINARY:
            self.fail(f"{value!r} is not a size such as 2GiB or 500MB", param, ctx)
        size = int(float(found[1]) * (_UNITS | _BINARY)[found[2]])
        if size < self.least:
            self.fail(f"{value!r} is too little: give {spell_size(self.least)} or more", param, ctx)
        return size


def spell_size(size: int) -> str:
    """Bytes in the largest binary unit that divides them: 2147483648 is ``2GiB``."""
    for unit, factor in reversed(_BINARY.items()):
        if size % factor == 0:
            return f"{size // factor}{unit.capitalize()}B"
    return str(size)


class Shape(click.ParamType):
    """``H,W,BANDS`` as three numbers above 0."""

    name = "shape"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not height,width,bands, such as 64,48,4", param, ctx)
        return tuple(int(part) for part in parts)


_READING_OPTIONS = (
    click.option(
        "--bands",
        type=Names(),
        metavar="A,B,…",
        help="Names of the bands in order, or with their numbers (red=3,nir=5).  [default: what files say, or "
        "red,green,blue,nir for four, red,green,blue for three]",
    ),
    click.option(
        "--image-shape", type=Shape(), metavar="H,W,B", help="Of every image of TFRecords.  [default: square]"
    ),
    click.option(
        "--patch-shape", type=Shape(), metavar="H,W,B", help="Of every patch of TFRecords.  [default: square]"
    ),
    click.option(
        "--dtype",
        metavar="TYPE",
        help="Of the numbers of TFRecords, such as float32 or >u2.  [default: told from them]",
    ),
)

range_option = click.option(
    "--range",
    "value_range",
    type=click.Choice(RANGES),
    default=Settings.value_range,
    show_default=True,
    help="What the numbers are: dn is reflectance x 10,000, signed the challenge's [-1, 1], auto looks.",
)
bands_option = click.option("--bands", type=Names(), metavar="A,B,…", help="Names of the bands in order.")
evidence_option = click.option(
    "--evidence",
    type=Names(tuple(EVIDENCE), known_evidence),
    metavar="A,B,…",
    default=",".join(Settings.evidence),
    show_default=True,
    help=f"What is compared, of {', '.join(EVIDENCE)}.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Cores to use.  [default: all that the process may use]"
)
memory_option = click.option(
    "--memory",
    type=Size(LEAST_MEMORY),
    metavar="SIZE",
    default=spell_size(Settings.memory),
    show_default=True,
    help="What may be held at once; answers do not depend on it.",
)
SEED_HELP = "Another number draws other windows."

_MATCH_OPTIONS = (
    *_READING_OPTIONS,
    range_option,
    evidence_option,
    click.option(
        "--search",
        type=click.Choice(SEARCHES),
        default=Settings.search,
        show_default=True,
        help="Coarse to fine, or every pixel of every image (slow, exact).",
    ),
    click.option(
        "--effort",
        type=click.FloatRange(0.1, 100),
        default=Settings.effort,
        show_default=True,
        help="How much the pyramid searches: more finds more, slower.",
    ),
    click.option("--model", type=Read(), help="Fitted numbers of `matcher fit`.  [default: those that ship]"),
    threads_option,
    memory_option,
)


def add_options(function: F, options: Sequence[Callable[[F], F]]) -> F:
    """Add options to a command, which tells them in their order."""
    for option in reversed(options):
        function = option(function)
    return function


def reading_options(function: F) -> F:
    """Add the options that say what files do not: bands, shapes, type of numbers; named as `Settings`' fields."""
    return add_options(function, _READING_OPTIONS)


def match_options(function: F) -> F:
    """Add the options of a match; the command gets them by the names of `Settings`' fields."""
    return add_options(function, _MATCH_OPTIONS)


def min_confidence_option(
    default: float = Settings.min_confidence, what: str = "Answers"
) -> Callable[[F], F]:
    """Add ``--min-confidence``: what is less sure is refused."""
    return click.option(
        "--min-confidence",
        type=click.FloatRange(0, 1),
        default=default,
        show_default=True,
        help=f"{what} less sure are refused: in none of these.",
    )


def prior_option(default: float, what: str) -> Callable[[F], F]:
    """Add ``--prior``: how many are expected to be there."""
    return click.option(
        "--prior",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=default,
        show_default=True,
        help=f"Share of {what} at all; how sure answers are depends on it.",
    )


def skip_bad_option(function: F) -> F:
    """Add ``--skip-bad``."""
    return click.option(
        "--skip-bad", is_flag=True, help="Go on without bad records; they are listed, and the exit code is 3."
    )(function)


def dry_run_option(function: F) -> F:
    """Add ``--dry-run``."""
    return click.option(
        "--dry-run", is_flag=True, help="Say what would be read, searched and written, and stop."
    )(function)


_SERIES_OPTIONS = (
    click.option(
        "--range",
        "value_range",
        type=click.Choice(RANGES[1:]),
        default="dn",
        show_default=True,
        help="What the series' numbers are: dn is reflectance x 10,000, signed the challenge's [-1, 1].",
    ),
    click.option(
        "--series-dates", type=click.IntRange(1), default=12, show_default=True, help="Dates of a TFRecord."
    ),
    click.option(
        "--series-bands", type=click.IntRange(1), default=4, show_default=True, help="Bands of a TFRecord."
    ),
)


def series_options(function: F) -> F:
    """Add ``--range``, ``--series-dates`` and ``--series-bands``: what files of series do not say."""
    return add_options(function, _SERIES_OPTIONS)


def quiet_option(function: F) -> F:
    """Add ``-q/--quiet``."""
    return click.option("-q", "--quiet", is_flag=True, help="No progress and no notes, errors only.")(
        function
    )


def gathered(kind: type[Made], options: dict[str, Any]) -> Made:
    """A dataclass made of the options that its fields are named by, which are taken out of `options`."""
    return kind(**{field.name: options.pop(field.name) for field in fields(cast(Any, kind))})
