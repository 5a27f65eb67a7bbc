"""NumPy's own files as pictures and as series: ``.npy`` stacks and ``.npz`` archives."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from matcher.errors import FormatError
from matcher.formats.arrays import JoinedSource, StackSource, open_npz
from matcher.formats.base import Source
from matcher.formats.npz import open_archive, open_npy
from matcher.formats.reader import Asked, Reader, Series


class ArrayReader(Reader):
    """Stacks and archives of arrays; several files are read as one where their ids allow it."""

    name = "NumPy files (.npy, .npz)"

    def claims(self, path: str) -> bool:
        """Whether a path has one of the suffixes."""
        return path.lower().endswith((".npy", ".npz"))

    def recognises(self, head: bytes) -> bool:
        """By NumPy's own mark, or that of a zip archive."""
        return head.startswith((b"\x93NUMPY", b"PK\x03\x04"))

    def open(self, paths: Sequence[str], asked: Asked) -> Source:
        """Pictures of one file or of several."""
        parts = [_open(path, asked) for path in paths]
        return parts[0] if len(parts) == 1 else JoinedSource(parts, asked.name)

    def series(self, name: str, paths: Sequence[str], asked: Asked, dates: int) -> Iterator[Series]:  # noqa: ARG002
        """A series a file; of a ``.npy`` of five axes one for each place."""
        for path in paths:
            if _is_archive(path):
                yield _archive(path)
            else:
                yield from _stacks(path)


def _is_archive(path: str) -> bool:
    low = path.lower()
    if low.endswith((".npy", ".npz")):
        return low.endswith(".npz")
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


def _open(path: str, asked: Asked) -> Source:
    return open_npz(path, asked.noun, asked.on_bad) if _is_archive(path) else StackSource(path)


def _stacks(path: str) -> Iterator[Series]:
    _, header = open_npy(path)
    if header.dtype.kind not in "uif" or len(header.shape) not in (4, 5) or 0 in header.shape:
        raise FormatError(
            f"{path}: has the shape {header.shape} of {header.dtype}; (dates, height, width, bands), or places before "
            "it, was expected"
        )
    stack = np.load(path, mmap_mode="r")
    for k, one in enumerate(stack if stack.ndim == 5 else stack[np.newaxis]):
        name = Path(path).stem if stack.ndim == 4 else f"{Path(path).stem}-{k}"
        yield Series(name, path, "", one.shape, _numbers(len(one)), lambda date, one=one: np.array(one[date]))  # type: ignore[misc]


def _archive(path: str) -> Series:
    members = open_archive(path)
    if "images" not in members:
        raise FormatError(f"{path}: has no array 'images' of (dates, height, width, bands)")
    arrays = {
        key: members[key].load(members[key].check()) for key in ("images", "dates", "group") if key in members
    }
    stack = arrays["images"]
    if stack.ndim != 4 or stack.dtype.kind not in "uif" or not stack.size:
        raise FormatError(
            f"{path}, array 'images': has the shape {stack.shape} of {stack.dtype}; (dates, height, width, bands) was "
            "expected"
        )
    dates = (
        tuple(str(d) for d in np.atleast_1d(arrays["dates"])) if "dates" in arrays else _numbers(len(stack))
    )
    if len(dates) != len(stack):
        raise FormatError(f"{path}: names {len(dates)} dates of {len(stack)}")
    group = str(arrays["group"]) if "group" in arrays else ""
    return Series(Path(path).stem, path, group, stack.shape, dates, lambda date: stack[date])


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))
