"""Paths on the command line: read, written, or folders that are filled; what is written is checked before any work."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

P = TypeVar("P", bound=click.Path)
# Of a run directory, by the parameter that may name it as its own.
RUN_OUTPUTS = {"output": "submission.csv", "details": "details.csv"}
RUN_FOLDERS = ("index", "shards")  # of a run directory, in which nothing else is written


class Read(click.Path):
    """A file or folder that a command reads, or a glob."""


class Written(click.Path):
    """A file that a command writes.

    Parameters
    ----------
    by_ending : bool
        Whether its ending says what is written, such as a picture or an archive; else it is text, whatever its ending.
    printed : bool
        Whether "-" prints it; of other files "-" would be the name.
    """

    def __init__(self, *, by_ending: bool = False, printed: bool = False) -> None:
        super().__init__()
        self.by_ending, self.printed = by_ending, printed


class Filled(click.Path):
    """A folder that a command writes files to; it checks their names itself."""


class RunDir(click.Path):
    """The directory of a run."""


def check(command: click.Command, values: dict[str, Any]) -> None:
    """Refuse outputs that are inputs, that are named twice or cannot be written.

    Parameters
    ----------
    command : click.Command
        Whose parameters say which paths are read and which are written.
    values : dict
        By the parameters' names.

    Raises
    ------
    MatcherError
        As `matcher.formats.outputs.check_outputs`; if an output is "-" and cannot be printed, or is a run's own file.
    """
    from matcher.errors import MatcherError
    from matcher.formats.outputs import RUN_FILES, check_outputs

    outputs: list[str] = []
    by_ending: list[str] = []
    for kind, path in _of(command, values, Written):
        if path == "-" and not kind.printed:
            raise MatcherError("-: names no file; name one, or /dev/stdout for standard output")
        if path != "-":
            (by_ending if kind.by_ending else outputs).append(path)
    read = [path for _, path in _of(command, values, Read)]
    inputs = [*read, *_config(click.get_current_context(silent=True))]
    check_outputs(outputs, inputs, by_ending)
    for _, folder in _of(command, values, RunDir):
        own = {os.path.realpath(os.path.join(folder, name)) for name in (*RUN_FILES, *RUN_FOLDERS)}
        same = _of_run(folder, values)
        for output in (*outputs, *by_ending):
            target = Path(os.path.realpath(output))
            if str(target) not in same and own.intersection(map(str, (target, *target.parents))):
                raise MatcherError(f"{output}: is a file of the run directory; write to another file")
        there = (os.path.join(folder, name) for name in RUN_FILES)
        around = set(map(str, Path(os.path.realpath(folder)).parents))  # of its files these read none
        others = [path for path in inputs if os.path.realpath(path) not in around]
        check_outputs([path for path in there if os.path.isfile(path)], others)


def _of(command: click.Command, values: dict[str, Any], kind: type[P]) -> Iterator[tuple[P, str]]:
    """The parameters of one kind of path, each with its value or one after the other with each of them."""
    for param in command.params:
        value = values.get(param.name or "")
        if isinstance(param.type, kind) and value is not None:
            for path in [value] if isinstance(value, str) else value:
                yield param.type, path


def _of_run(folder: str, values: dict[str, Any]) -> set[str]:
    """Files of a run directory that are written again as they are: what the run writes has the column first."""
    named = RUN_OUTPUTS if values.get("xy_order", "xy") == "xy" else {"details": RUN_OUTPUTS["details"]}
    paths = {os.path.realpath(os.path.join(folder, file)): values.get(name) for name, file in named.items()}
    return {path for path, value in paths.items() if value is not None and os.path.realpath(value) == path}


def _config(context: click.Context | None) -> list[str]:
    """The file of options, which is read before all else."""
    return [] if context is None else context.meta.get("matcher.config", [])
