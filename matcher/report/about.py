"""What a page on a match says about itself: inputs, settings and versions, as pairs of name and text."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from matcher.formats.base import Source
from matcher.identity import settings_identity, versions
from matcher.runs.folder import RunFolder
from matcher.settings import Settings
from matcher.version import VERSION

_SHOWN = ("scipy", "numba", "pillow")
Pairs = list[list[str]]


def inputs(images: Source, patches: Source, details: Any, answers: Any) -> Pairs:
    """The files."""
    return [
        ["images", f"{images.name} ({len(images):,})"],
        ["patches", f"{patches.name} ({len(patches):,})"],
        ["details", os.fspath(details) if isinstance(details, str | os.PathLike) else "in memory"],
        ["answers", os.fspath(answers) if isinstance(answers, str | os.PathLike) else "none given"],
    ]


def made_with(details: Any, settings: Settings | str | os.PathLike[str] | None) -> Pairs:
    """The settings of the match, and the versions that made it.

    Parameters
    ----------
    details : path or Result
        Of a run directory, where they lie in one.
    settings : Settings or path, optional
        What was matched with, or the run directory that says so.

    Raises
    ------
    FormatError
        If the folder is no run directory, or its ``run.json`` is damaged.
    """
    if isinstance(settings, Settings):
        return [*_settings(settings_identity(settings))]
    folder = settings
    if folder is None and isinstance(details, str | os.PathLike):
        beside = Path(details).parent
        folder = beside if (beside / "run.json").is_file() else None
    if folder is None:
        return [["settings of the match", "not known: no run directory says them"]]
    run = RunFolder(folder).read_run()
    made_by = ", ".join(f"{name} {version}" for name, version in run["identity"]["versions"].items())
    return [*_settings(run["resolved"]), ["versions of the match", made_by]]


def _settings(named: dict[str, Any]) -> Pairs:
    return [[name.replace("_", " "), _spelled(value)] for name, value in named.items()]


def _spelled(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, dict):
        return ", ".join(f"{_spelled(part)} ({name})" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def shown_as(false_colour: bool, shown: int, of: int) -> Pairs:
    """How the page was made."""
    chosen = "all" if shown == of else f"{shown:,} of {of:,}: the least sure, and every so many of the others"
    bands = "near infrared, red, green" if false_colour else "first three bands"
    here = {"Python": platform.python_version(), "matcher": VERSION, **versions()}
    here |= {name: metadata.version(name) for name in _SHOWN}
    return [
        ["pictures", f"{bands}; 2nd to 98th percentile"],
        ["matches with pictures", chosen],
        ["versions of this page", ", ".join(f"{name} {version}" for name, version in here.items())],
    ]
