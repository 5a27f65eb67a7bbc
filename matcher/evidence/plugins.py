"""Evidence that other packages add: entry points of the group ``matcher.evidence``.

A package names a function there, ``name = "module:function"``, of the type `matcher.evidence.Kind`. Its name can then
be given to ``--evidence`` like those that ship. Nothing is looked for until a name is asked for that does not ship.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from matcher.errors import SettingsError
from matcher.settings import PLUGINS


@cache
def load_plugin(name: str) -> Any:
    """The function of a name.

    Raises
    ------
    SettingsError
        If no package, or more than one, adds it, or its package cannot be imported.
    """
    points = list(entry_points(group=PLUGINS, name=name))
    if len({point.value for point in points}) != 1:
        found = ", ".join(point.value for point in points) or "none"
        raise SettingsError(
            f"evidence {name!r}: one package must add it to {PLUGINS}, and there are: {found}"
        )
    point = next(iter(points))
    try:
        return point.load()
    except Exception as error:
        raise SettingsError(f"evidence {name!r}: {point.value} does not load: {error}") from None
