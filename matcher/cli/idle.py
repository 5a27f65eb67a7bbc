"""Options that have no effect beside others are named in a warning: whoever gave one expects an effect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource


@dataclass(frozen=True)
class Idle:
    """When options do nothing.

    Attributes
    ----------
    commands : tuple of str
        Whose options they are.
    options : tuple of str
        By the names of their parameters.
    when : callable
        Takes the values of all parameters by name.
    why : str
        In words, after "has no effect".
    """

    commands: tuple[str, ...]
    options: tuple[str, ...]
    when: Callable[[dict[str, Any]], bool]
    why: str


_CUT = ("patches", "largest", "gap", "holdout", "sky", "form")
_RANKED = ("evidence", "threads", "memory", "bands", "value_range")
RULES = (
    Idle(
        ("match", "locate"),
        ("effort",),
        lambda v: v["search"] == "exhaustive",
        ": an exhaustive search looks everywhere",
    ),
    Idle(
        ("match",),
        ("threads",),
        lambda v: v["workers"] is not None or v["scheduler"] is not None,
        ": workers have one thread each; only the codes of the images are made with more",
    ),
    Idle(
        ("match",),
        ("patience",),
        lambda v: v["workers"] is None and v["scheduler"] is None,
        ": without --workers or --scheduler there is nobody to wait for",
    ),
    Idle(
        ("match",), ("shard_size",), lambda v: v["run_dir"] is None, ": without --run-dir no shards are kept"
    ),
    Idle(
        ("match",),
        ("xy_order",),
        lambda v: v["output"] is None,
        ": without -o; the submission of a run directory has the column first",
    ),
    Idle(("locate",), ("offset",), lambda _: True, " on chips: it is added to the scenes' values alone"),
    Idle(("change",), ("forms",), lambda v: v["output"] is None, ": without -o no files are written"),
    Idle(("change",), ("xy_order",), lambda v: v["places"] is None, ": without PLACES none are read"),
    Idle(("retrieve",), ("xy_order",), lambda v: v["answers"] is None, ": without --answers none are read"),
    Idle(("retrieve",), _RANKED, lambda v: v["ranked"] is not None, ": with --from nothing is ranked anew"),
    Idle(("cut",), _CUT, lambda v: v["pairs"] is not None, ": with --pairs no challenge is cut"),
    Idle(
        ("features",),
        ("window", "stride", "each_date"),
        lambda v: v["output"] is None,
        ": without -o no features of windows are made",
    ),
)
_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)  # a file of options serves many commands


def tell_idle(context: click.Context) -> None:
    """Warn on standard error of options of the command line that do nothing."""
    names = {param.name: max(param.opts, key=len) for param in context.command.params}
    for rule in RULES:
        if context.command.name not in rule.commands:
            continue
        given = [name for name in rule.options if context.get_parameter_source(name) in _GIVEN]
        if given and rule.when(context.params):
            spelled = ", ".join(names[name] for name in given)
            click.echo(
                f"matcher: warning: {spelled} {'has' if len(given) == 1 else 'have'} no effect{rule.why}",
                err=True,
            )
