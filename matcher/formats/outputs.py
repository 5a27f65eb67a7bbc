"""Where outputs may be written: never over an input, and in folders never over a file of somebody else's.

Both are told before any work starts. Files are known by device and inode, so that no link, ``..`` or spelling of a name
in another case hides that two names are one file. In a folder that a command fills it keeps a list of what it wrote,
lines of SHA-256 and name as ``sha256sum`` prints them: what is not on it, or was changed since, is not the program's.
"""

import contextlib
import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matcher.aliases import AnyPath
from matcher.errors import MatcherError, SettingsError
from matcher.formats.catalog import is_index, read_catalog
from matcher.formats.files import CHUNK, describe_magic, problem

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
        if os.path.exists(target) and not os.path.isfile(target):
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
            key = _key(target)
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
            key = _key(file)
            if key is not None:
                out.setdefault(key, "an input" if file == path else f"a file of the input {path}")
    return out


def _key(path: str) -> Key | None:
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


class OutputFolder:
    """A folder that a command fills with files, some of which may be there from an earlier time.

    Parameters
    ----------
    path : path
    command : str
        Who fills it; one command does not replace the files of another.
    """

    def __init__(self, path: AnyPath, command: str) -> None:
        self.path = Path(path)
        self._list = self.path / f".matcher-{command}.sha256"

    def check(self, names: Iterable[str], inputs: Iterable[AnyPath] = ()) -> None:
        """Refuse names of files (relative to the folder) that are there and are not the program's, or are inputs.

        Raises
        ------
        MatcherError
            If there is one, or the folder cannot be written to.
        """
        if self.path.is_dir() and not os.access(self.path, os.W_OK | os.X_OK):
            raise MatcherError(f"{self.path}: cannot be written to")
        there = [name for name in names if os.path.lexists(self.path / name)]
        own, keys = self._own() if there else {}, input_keys(inputs) if there else {}
        for name in there:
            path = self.path / name
            key = _key(os.fspath(path))
            if key is not None and key in keys:
                raise MatcherError(f"{path}: is {keys[key]}, which would be lost; name another folder")
            if path.is_symlink() or not path.is_file() or file_checksum(path) not in own.get(name, ()):
                raise MatcherError(
                    f"{path}: is there already, and not as this command wrote it: move it, or name another folder"
                )

    def make(self, names: Iterable[str], inputs: Iterable[AnyPath] = ()) -> None:
        """Check the names, and make the folder where it is not there.

        Raises
        ------
        MatcherError
            As `check`, or if it cannot be made.
        """
        self.check(names, inputs)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            what = problem(error) if isinstance(error, OSError) else str(error)
            raise MatcherError(f"{self.path}: cannot be made: {what}") from None

    def wrote(self, name: str, content: AnyPath | None = None) -> None:
        """Put a file on the list: to be called before it is moved in from `content`, or when it is written."""
        digest = file_checksum(Path(self.path / name if content is None else content))
        try:
            with open(self._list, "a", encoding="utf-8") as file:
                file.write(f"{digest}  {name}\n")
        except OSError as error:
            raise MatcherError(f"{self._list}: cannot be written: {problem(error)}") from None

    def _own(self) -> dict[str, set[str]]:
        """Digests that each file on the list has had."""
        out: dict[str, set[str]] = {}
        try:
            lines = self._list.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return out
        for line in lines:
            digest, _, name = line.partition("  ")
            out.setdefault(name, set()).add(digest)
        return out


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's contents.

    Raises
    ------
    MatcherError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                digest.update(piece)
    except OSError as error:
        raise MatcherError(f"{path}: cannot be read: {problem(error)}") from None
    return digest.hexdigest()
