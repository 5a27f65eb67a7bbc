"""Pictures by matplotlib: begun where it can write them, and written whole. Needs the extra ``plot``."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matcher.errors import MatcherError, SettingsError
from matcher.formats.files import atomic_write
from matcher.version import install_command

FORMATS = (".png", ".svg", ".pdf")
# Okabe and Ito's colours, told apart by the colour-blind too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def new_figure(
    path: str | os.PathLike[str], width: float, height: float, formats: Sequence[str] = FORMATS
) -> Any:
    """A matplotlib figure of so many inches, to be saved to a path.

    Raises
    ------
    MatcherError
        If the ending is none of `formats`, or matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in formats:
        raise SettingsError(f"{os.fspath(path)}: a picture ends in {', '.join(formats)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MatcherError(
            f"{os.fspath(path)}: pictures need matplotlib ({error}): {install_command('plot')}"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: str | os.PathLike[str], dpi: int) -> None:
    """Write a figure in the form that the path's ending says; the file appears when it is whole.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As `new_figure` began it for the same path.
    path : path
    dpi : int
        Pixels an inch, in the forms that have pixels.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix.lower()[1:], dpi=dpi)
    with atomic_write(path) as file:
        file.write(picture.getvalue())


def plain(text: str) -> str:
    """Text that matplotlib neither sets as a formula nor leaves out of a legend."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")
