"""PNG and JPEG pictures, by OpenCV, which is imported where one is read."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats.handles import Window

SUFFIXES = (".png", ".jpg", ".jpeg")


def is_picture(path: str) -> bool:
    """Whether a path names a PNG or JPEG."""
    return path.lower().endswith(SUFFIXES)


def import_cv2(path: str) -> Any:
    """The cv2 module, or a FormatError that says what is missing."""
    try:
        import cv2
    except ImportError as error:
        raise FormatError(
            f"{path}: PNG and JPEG are read by OpenCV, which does not load here ({error}); install "
            "opencv-python-headless, or the system's libGL and glib"
        ) from None
    return cv2


class Picture:
    """A decoded picture, a `matcher.formats.handles.Handle`."""

    def __init__(self, path: str) -> None:
        self.array = read_picture(path)

    def close(self) -> None:
        """Nothing is held open."""

    def read(self, indices: list[int], window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (bands, height, width) of a window; all of them are data."""
        row, col, height, width = window
        part = self.array[row : row + height, col : col + width][..., [k - 1 for k in indices]]
        return np.moveaxis(part, -1, 0), np.zeros((height, width), bool)


def read_picture(path: str) -> NDArray:
    """A picture, (height, width, bands), uint8 or uint16: gray, red-green-blue, or either with alpha last.

    Raises
    ------
    FormatError
        If it is missing, cut short or no picture that OpenCV reads.
    """
    cv2 = import_cv2(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be opened: {error.strerror or error}") from None
    if not _whole(data):
        raise FormatError(f"{path}: is cut short, or is no {os.path.splitext(path)[1][1:].upper()} picture")
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise FormatError(f"{path}: cannot be read as a picture")
    if array.ndim == 2:
        return array[..., np.newaxis]
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(array.shape[2])
    return array if order is None else np.ascontiguousarray(array[..., order])


def _whole(data: bytes) -> bool:
    """Whether a file begins and ends as PNG or JPEG do: decoders fill what is missing with gray and say nothing."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND\xaeB`\x82" in data[-64:]
    return data.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in data[-1024:]
