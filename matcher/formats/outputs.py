"""Where outputs may be written: never over an input, which is told before any work starts.

Files are known by device and inode, so that no link, ``..`` or spelling of a name in another case hides that two names
are one file.
"""

import contextlib
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matcher.aliases import AnyPath
from matcher.errors import MatcherError, SettingsError
from matcher.formats.catalog import is_index, read_catalog
from matcher.formats.files import describe_magic, is_stream

Key = tuple[int, int]

LISTS = (".txt", ".lst", ".vrt")  # text that names other files
# What is written beside pictures, and no reader of pictures takes for one.
BESIDE = (".csv", ".geojson", ".html", ".json", ".parquet", ".pdf", ".svg")
RUN_FILES = ("run.json", "submission.csv", "details.csv", "errors.jsonl", "DONE", "job.pickle", "lock")
# Endings that say that an output is no text; where another names a picture that is there, the name is a mistake.
_NO_TEXT = (".gpkg", ".jpg", ".npz", ".parquet", ".pdf", ".png", ".tif", ".webp")
_SOURCE = re.compile(r"<SourceFilename[^>]*>([^<]+)</SourceFilename>")


def check_outputs(
    outputs: Sequence[AnyPath | None],
    inputs: Iterable[AnyPath] = (),
    by_ending: Sequence[AnyPath | None] = (),
) -> None:
    """Refuse, before any work starts, outputs that could not be written at its end or would destroy an input.

    Parameters
    ----------
    outputs : sequence of paths
        Text, whatever their endings. None is passed over.
    inputs : iterable of paths
        Files, folders, globs and lists of paths; what is none of these is passed over.
    by_ending : sequence of paths
        Outputs whose endings say what is written, such as pictures and archives.

    Raises
    ------
    MatcherError
        If an output is a folder, lies in a folder that does not exist or cannot be written to, is given twice, is one
        of the inputs or lies among the files of one, or is text and would replace a picture.
    """
    inputs = list(inputs)
    taken: dict[str, str] = {}
    keys: dict[Key, str] | None = None
    for k, output in enumerate((*outputs, *by_ending)):
        if output is None:
            continue
        name, target = os.fspath(output), os.path.realpath(output)
        folder = os.path.dirname(target)
        if not name or os.path.isdir(target):
            raise MatcherError(f"{name or repr(name)}: is a folder; name a file to write")
        if is_stream(name) and not os.path.isfile(target):
            continue  # a terminal or a pipe, which may well be given twice
        same = target.casefold()  # on some file systems names that differ in case alone are one file
        if same in taken:
            raise MatcherError(f"{name}: is {taken[same]} too; write to another file")
        taken[same] = "another output"
        if not os.path.isdir(folder):
            raise MatcherError(f"{name}: cannot be written: its folder does not exist; make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise MatcherError(f"{name}: cannot be written: its folder cannot be written to")
        if os.path.isfile(target):
            if keys is None:
                keys = input_keys(inputs)
            key = file_key(target)
            if key is not None:
                if key in keys:
                    raise MatcherError(f"{name}: is {keys[key]} too; write to another file")
                keys[key] = "another output"
            if k < len(outputs) or not target.lower().endswith(_NO_TEXT):
                _check_kind(name, target)


def _check_kind(name: str, target: str) -> None:
    """Refuse text in place of a picture."""
    try:
        with open(target, "rb") as file:
            kind = describe_magic(file.read(16))
    except OSError:
        return  # whether it can be replaced is seen when it is
    if kind is not None:
        raise MatcherError(f"{name}: is {kind}, which would be lost; write to another file")


def check_ending(path: AnyPath, what: str, endings: Iterable[str]) -> str:
    """The ending of a file to write, in small letters.

    Raises
    ------
    SettingsError
        If it is none of those in which `what`, in words, is written.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    endings = tuple(endings)
    if ending not in endings:
        raise SettingsError(
            f"{os.fspath(path)}: {what} are written as {', '.join(endings)}; choose one of them"
        )
    return ending


def input_keys(inputs: Iterable[AnyPath]) -> dict[Key, str]:
    """What identifies every file of some inputs, and what to call it: an input, or a file of the input so called."""
    out: dict[Key, str] = {}
    for one in inputs:
        path = os.fspath(one)
        for file in _files(path):
            key = file_key(file)
            if key is not None:
                out.setdefault(key, "an input" if file == path else f"a file of the input {path}")
    return out


def file_key(path: AnyPath) -> Key | None:
    """What identifies a file, None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _files(path: str) -> Iterator[str]:
    """The files that an input may be read from."""
    if os.path.isdir(path):
        yield from _inside(path)
    elif os.path.exists(path):
        yield path
        if path.lower().endswith(LISTS):
            yield from _named(path)
    elif any(sign in path for sign in "*?["):
        for found in glob.iglob(path, recursive=True):
            yield from _files(found)


def _inside(folder: str) -> Iterator[str]:
    """The files of a folder that is an input, but for those that were written beside them."""
    if is_index(folder):
        yield from _indexed(folder)
        return
    run = os.path.exists(os.path.join(folder, "run.json"))
    for where, folders, names in os.walk(folder):
        folders.sort()
        whole = any(part.lower().endswith((".safe", ".zarr")) for part in where.split(os.sep))
        for name in sorted(names):
            path = os.path.join(where, name)
            if whole or not name.lower().endswith(BESIDE) or (run and name in RUN_FILES):
                yield path
                if name.lower().endswith(LISTS):
                    yield from _named(path)


def _indexed(folder: str) -> Iterator[str]:
    """The files of an index, and those that its images are read from."""
    yield from (os.path.join(folder, name) for name in sorted(os.listdir(folder)))
    with contextlib.suppress(MatcherError):  # what it lacks is told by who reads it
        for origin in read_catalog(folder).origins:
            yield from origin.stamps


def _named(path: str) -> Iterator[str]:
    """The files that a text list or a virtual raster names."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return
    virtual = path.lower().endswith(".vrt")
    for entry in _SOURCE.findall(text) if virtual else text.splitlines():
        full = os.path.join(os.path.dirname(path), entry.strip())
        if entry.strip() and full != path:
            yield from _inside(full) if os.path.isdir(full) else [full]
