"""What every command has: ``--config FILE.toml`` and ``-v/--verbose``."""

import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from matcher.cli.idle import tell_idle
from matcher.cli.paths import Read, check
from matcher.errors import SettingsError


def with_common(command: click.Command) -> click.Command:
    """The command with the options that all have; added once."""
    if not any(param.name == "config" for param in command.params):
        config = click.Option(
            ["--config"],
            type=Read(),
            metavar="FILE.toml",
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="Options by their names, for all commands or in a table [COMMAND]; the command line goes first.",
        )
        verbose = click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_be_verbose,
            help="Show the libraries' logs, and where in the code an error arose.",
        )
        command.params += [config, verbose]
        command.callback = _checked(command)
    return command


def _checked(command: click.Command) -> Callable[..., Any]:
    """What the command does, after a look at its paths and at options that do nothing."""
    inner = command.callback
    assert inner is not None

    @functools.wraps(inner)
    def callback(*arguments: Any, **options: Any) -> Any:
        context = click.get_current_context()
        tell_idle(context)
        check(command, context.params)
        return inner(*arguments, **options)

    return callback


def _be_verbose(context: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta["matcher.verbose"] = True
        logging.basicConfig(
            stream=sys.stderr, level=logging.DEBUG, format="%(asctime)s %(name)s %(levelname)s %(message)s"
        )
        for name in ("numba", "matplotlib", "PIL"):  # they tell thousands of lines of their insides
            logging.getLogger(name).setLevel(logging.INFO)


def _read_config(context: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Make a file's values the command's defaults."""
    if value is not None:
        known = {
            long.removeprefix("--"): param
            for param in context.command.params
            if isinstance(param, click.Option)
            for long in param.opts
            if long.startswith("--") and param.name not in ("config", "verbose")
        }
        context.meta["matcher.config"] = [value]
        given = _options(value, context.info_name or "", known)
        context.default_map = {known[key].name or key: _as_text(known[key], v) for key, v in given.items()}


def _options(path: str, command: str, known: dict[str, Any]) -> dict[str, Any]:
    """The file's values for one command: those at the top that it has, then those of its own table."""
    from matcher.cli import COMMANDS

    found = _load(path)
    common = {key.replace("_", "-"): value for key, value in found.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in found.items() if isinstance(value, dict)}
    wrong = next((key for key in tables if key not in COMMANDS), None)
    if wrong is not None:
        raise SettingsError(f"{path}: [{wrong}] is no command; there are {', '.join(COMMANDS)}")
    own = {key.replace("_", "-"): value for key, value in tables.get(command, {}).items()}
    unknown = next((key for key in own if key not in known), None)
    if unknown is not None:
        raise SettingsError(f"{path}: {command} has no option {unknown!r}; it has {', '.join(sorted(known))}")
    stray = next((key for key in common if not _is_option(key)), None)
    if stray is not None:
        raise SettingsError(f"{path}: no command has an option {stray!r}")
    return {key: value for key, value in {**common, **own}.items() if key in known}


def _is_option(name: str) -> bool:
    """Whether any command has an option of this name."""
    import importlib

    from matcher.cli import COMMANDS

    commands = (importlib.import_module(f"matcher.cli.{key}").command for key in COMMANDS)
    return any(f"--{name}" in param.opts for command in commands for param in command.params)


def _load(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def _as_text(option: click.Option, value: Any) -> Any:
    """A value as the command line would give it: lists with commas between, unless the option may be repeated."""
    if isinstance(value, list) and not option.multiple:
        return ",".join(str(item) for item in value)
    if isinstance(value, bool) or option.multiple:
        return value
    return str(value)
