"""Open files of this process, the least used closed first: what reads windows of a raster's bands."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_OPEN = 12  # files held open a process

Window = tuple[int, int, int, int]
"""Row, column, height and width, px."""


class Handle(Protocol):
    """One open file, as a reader's own function opens it."""

    def read(self, indices: list[int], window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (bands, height, width) of a window, and where they are no data (height, width).

        Bands are numbered from 1, as `matcher.formats.raster.Band` numbers them.
        """

    def close(self) -> None:
        """Let go of the file."""


Opener = Callable[[str], Any]
"""From a path to a `Handle`: a function of a module, so that rasters can be sent to other processes."""


class _Handles:
    """The open files, by path."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._open: OrderedDict[str, tuple[tuple[int, int] | None, Any]] = OrderedDict()
        self._pid = os.getpid()

    def get(self, path: str, opener: Opener) -> Any:
        """The handle of a path, opened now or before; hold the lock while it is used."""
        if self._pid != os.getpid():  # a handle must not cross a fork
            self._open, self._pid = OrderedDict(), os.getpid()
        stamp = _stamp(path)
        if path in self._open and self._open[path][0] != stamp:
            self._open.pop(path)[1].close()
        if path not in self._open:
            self._open[path] = stamp, opener(path)
            while len(self._open) > _OPEN:
                self._open.popitem(last=False)[1][1].close()
        self._open.move_to_end(path)
        return self._open[path][1]


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of a file, which tell that it was replaced."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


HANDLES = _Handles()
