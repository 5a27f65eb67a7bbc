"""Which reader opens what: the one place where paths are told apart, for every command.

What ships goes first, by the names of files; then readers that installed packages add (entry points of the group
``matcher.readers``); then what ships, by a file's first bytes.
"""

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path as Folder

from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.base import Source
from matcher.formats.files import FileBytes, describe_magic
from matcher.formats.gather import Entry, RasterForm, gather
from matcher.formats.numpyfiles import ArrayReader
from matcher.formats.official import TFRecordReader
from matcher.formats.rasters import RasterReader
from matcher.formats.reader import Asked, Reader, Series
from matcher.formats.remote import is_remote, to_gdal
from matcher.formats.stac import StacReader
from matcher.formats.zarrs import ZarrReader

log = logging.getLogger("matcher")
GROUP = "matcher.readers"
LISTS = (".txt", ".lst")
SHIPPED: tuple[Reader, ...] = (RasterReader(), ZarrReader(), StacReader(), TFRecordReader(), ArrayReader())
_HEAD = 12  # bytes of a file that tell its form

Leaf = tuple[str, Reader]
"""A path as its reader opens it, and that reader."""


@cache
def added() -> tuple[Reader, ...]:
    """The readers that installed packages add, by their names.

    Raises
    ------
    FormatError
        If one does not load, or is no `Reader`.
    """
    out = []
    for point in sorted(set(entry_points(group=GROUP)), key=lambda point: (point.name, point.value)):
        try:
            reader = point.load()()
        except Exception as error:
            raise FormatError(f"reader {point.name!r}: {point.value} does not load: {error}") from None
        if not isinstance(reader, Reader):
            raise FormatError(
                f"reader {point.name!r}: {point.value} is no class of {Reader.__module__}.Reader"
            )
        out.append(reader)
    return tuple(out)


def readable() -> str:
    """All forms that are read, in words."""
    return "; ".join(reader.name for reader in (*SHIPPED, *added()))


def expand(path: str) -> list[Leaf]:
    """What a name stands for, in order: a file, a product or store, what lies in a folder, a glob, a text list.

    Raises
    ------
    FormatError
        If it is not there, or nothing in it is read.
    """
    if is_remote(path):
        return [_remote(path)]
    if any(c in path for c in "*?[") and not os.path.exists(path):
        return _known(path, sorted(glob.glob(path, recursive=True)), "matches nothing that is read")
    if path.lower().endswith(LISTS) and not os.path.isdir(path):
        return [leaf for entry in _listed(path) for leaf in expand(entry)]
    reader = _by_name(path)
    if reader is not None:
        if not os.path.exists(path):
            raise FormatError(f"{path}: there is no such file")
        return [(path, reader)]
    if os.path.isdir(path):
        inside = sorted(os.path.join(path, name) for name in os.listdir(path))
        return _of_one_kind(path, _known(path, inside, "is a folder without pictures"))
    return [(path, _by_content(path))]


def _remote(path: str) -> Leaf:
    """What GDAL reads under its own name for it, or another reader at its address."""
    reader = _by_name(path)
    if reader is None:
        raise FormatError(
            f"{path}: nothing reads what lies elsewhere under such a name; what is read: {readable()}"
        )
    return (to_gdal(path) if isinstance(reader, RasterReader) else path), reader


def open_paths(given: Sequence[AnyPath], asked: Asked) -> Source:
    """The pictures of some names, as one source.

    Raises
    ------
    FormatError
        If one cannot be read, is named twice, or they are of forms that cannot be joined.
    """
    leaves = [leaf for item in given for leaf in expand(os.fspath(item))]
    if not leaves:
        raise FormatError("nothing was named")
    paths = [path for path, _ in leaves]
    if len(set(paths)) < len(paths):
        doubled = next(path for path in paths if paths.count(path) > 1)
        raise FormatError(f"{doubled}: is named twice; give each file once")
    by_reader: dict[Reader, list[str]] = {}
    for path, reader in leaves:
        by_reader.setdefault(reader, []).append(path)
    if len(by_reader) == 1:
        return leaves[0][1].open(paths, asked)
    return _joined(by_reader, asked)


def files_of(path: str) -> list[str]:
    """The files that a name stands for, the list itself among them: those that a fingerprint is made of."""
    own = [path] if path.lower().endswith(LISTS) and os.path.isfile(path) else []
    return own + list(dict.fromkeys(file for leaf, reader in expand(path) for file in reader.files(leaf)))


def series_in(path: str, asked: Asked, dates: int) -> Iterator[Series]:
    """The co-registered series that one name stands for: see `matcher.formats.series.iterate_series`."""
    leaves = expand(path)
    readers = {reader for _, reader in leaves}
    if len(readers) > 1:
        raise FormatError(f"{path}: holds {_kinds(leaves)}; the dates of a series are of one form")
    yield from readers.pop().series(path, [leaf for leaf, _ in leaves], asked, dates)


def _by_name(path: str) -> Reader | None:
    """The reader that claims a path; those that packages add are asked last, and loaded only then."""
    for readers in (lambda: SHIPPED, added):
        for reader in readers():
            if reader.claims(path):
                return reader
    return None


def _by_content(path: str) -> Reader:
    """The reader of a file that none claims, by its first bytes."""
    file = FileBytes(path)
    head = file.read(0, min(_HEAD, file.size))
    for reader in (*SHIPPED, *added()):
        if reader.recognises(head):
            return reader
    what = describe_magic(head) or "of no form that is known"
    raise FormatError(f"{path}: is {what}; what is read: {readable()}")


def _known(path: str, paths: Sequence[str], without: str) -> list[Leaf]:
    """Those of some paths that a reader claims; an error where none does."""
    found = [(one, reader) for one in paths if (reader := _by_name(one)) is not None]
    if not found:
        raise FormatError(f"{path}: {without}; what is read: {readable()}")
    return found


def _of_one_kind(path: str, leaves: list[Leaf]) -> list[Leaf]:
    """What lies in a folder: rasters where there are any, for other files often lie beside them; else one form."""
    leaves = [leaf for leaf in leaves if not leaf[1].aside] or leaves
    rasters = [leaf for leaf in leaves if isinstance(leaf[1], RasterForm)]
    if rasters:
        if len(rasters) < len(leaves):
            other = next(leaf for leaf in leaves if leaf not in rasters)
            log.info(
                "%s: its rasters are read, and other files such as %s are not",
                path,
                os.path.basename(other[0]),
            )
        return rasters
    if len({reader for _, reader in leaves}) > 1:
        raise FormatError(f"{path}: holds {_kinds(leaves)}; name the one that is meant")
    return leaves


def _kinds(leaves: Sequence[Leaf]) -> str:
    """Forms in words, each with the first file of it."""
    first: dict[Reader, str] = {}
    for path, reader in leaves:
        first.setdefault(reader, path)
    return " and ".join(f"{reader.name}, such as {os.path.basename(path)}" for reader, path in first.items())


def _joined(by_reader: dict[Reader, list[str]], asked: Asked) -> Source:
    """Rasters of several forms as one source, numbered in order."""
    entries: list[Entry] = []
    for reader, paths in by_reader.items():
        if not isinstance(reader, RasterForm):
            leaves = [(paths[0], reader) for reader, paths in by_reader.items()]
            raise FormatError(
                f"{asked.name}: holds {_kinds(leaves)}, which cannot be joined; name one of them"
            )
        entries += reader.entries(paths)
    return gather(entries, asked)


def _listed(path: str) -> list[str]:
    """The paths of a text list, relative to it; blank lines and those with # are passed over."""
    try:
        lines = Folder(path).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: is no list of paths: {error}") from None
    out = []
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            full = entry if is_remote(entry) else os.path.join(os.path.dirname(path), entry)
            if not is_remote(full) and not os.path.exists(full):
                raise FormatError(f"{path}, line {number}: there is no file {full}")
            if full.lower().endswith(LISTS):
                raise FormatError(f"{path}, line {number}: {full} is a list itself; name its files here")
            out.append(full)
    if not out:
        raise FormatError(f"{path}: lists no file")
    return out
