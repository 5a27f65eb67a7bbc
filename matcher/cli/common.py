"""What every command has: ``--config FILE.toml`` and ``-v/--verbose``."""

import functools
import logging
import re
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


def is_verbose() -> bool:
    """Whether ``-v`` was given."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().meta.get("matcher.verbose"))


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
        given = _options(value, _command(context), known)
        context.default_map = {}
        for key, (found, line) in given.items():
            option, text = known[key], _as_text(known[key], found)
            try:
                option.type_cast_value(context, text)
            except click.BadParameter as error:
                raise SettingsError(f"{value}, line {line}: {key}: {error.message}") from None
            context.default_map[option.name or key] = text


def _command(context: click.Context) -> str:
    """The name of the command that a context is in; of the group, where the command is one of a group."""
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return context.info_name or ""


def _options(path: str, command: str, known: dict[str, Any]) -> dict[str, tuple[Any, int]]:
    """The file's values for one command, with their lines: those at the top, then those of its own table."""
    from matcher.cli import COMMANDS

    text = _read(path)
    found = _parsed(path, text)
    tables = {key: value for key, value in found.items() if isinstance(value, dict)}
    out: dict[str, tuple[Any, int]] = {}
    for table in tables:
        if table not in COMMANDS:
            where = f"{path}, line {_line(text, table)}"
            raise SettingsError(f"{where}: [{table}] is no command; there are {', '.join(COMMANDS)}")
    for table, values in (("", found), (command, tables.get(command, {}))):
        for key, value in values.items():
            name, line = key.replace("_", "-"), _line(text, table, key)
            if name in known and not isinstance(value, dict):
                out[name] = value, line
            elif table:
                raise SettingsError(
                    f"{path}, line {line}: {command} has no option {name!r}; it has {', '.join(sorted(known))}"
                )
            elif not isinstance(value, dict) and not _is_option(name):
                raise SettingsError(f"{path}, line {line}: no command has an option {name!r}")
    return out


def _line(text: str, table: str, key: str | None = None) -> int:
    """The line of a key in a table (the top where it is empty), or of the table's own head."""
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*[\"']?([^\]\"']+?)[\"']?\s*\]", line)
        if head is not None:
            inside = head[1]
            if key is None and inside == table:
                return number
        elif key is not None and inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return 1  # written in a way that this does not follow, such as a table in one line


def _is_option(name: str) -> bool:
    """Whether any command has an option of this name."""
    import importlib

    from matcher.cli import COMMANDS

    commands = [importlib.import_module(f"matcher.cli.{key}").command for key in COMMANDS]
    inside = [
        one for command in commands if isinstance(command, click.Group) for one in command.commands.values()
    ]
    return any(f"--{name}" in param.opts for command in (*commands, *inside) for param in command.params)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: is not UTF-8") from None


def _parsed(path: str, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def _as_text(option: click.Option, value: Any) -> Any:
    """A value as the command line would give it: lists with commas between, unless the option may be repeated."""
    if isinstance(value, list) and not option.multiple:
        return ",".join(str(item) for item in value)
    if isinstance(value, bool) or option.multiple:
        return value
    return str(value)
