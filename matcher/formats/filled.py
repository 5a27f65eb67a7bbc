"""Folders that a command fills with files: never over a file of somebody else's, and never with some of two calls.

It keeps a list there of what it wrote, lines of SHA-256 and name as ``sha256sum`` prints them: what is not on it, or
was changed since, is not the program's.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from matcher.aliases import AnyPath
from matcher.errors import MatcherError
from matcher.formats.files import CHUNK, problem
from matcher.formats.outputs import file_key, input_keys

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


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
        self._scratch = f".matcher-{command}-"

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
            key = file_key(path)
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

    @contextlib.contextmanager
    def filling(self, names: Iterable[str], inputs: Iterable[AnyPath] = ()) -> Iterator[Path]:
        """A folder to write files to, which take their places here when the body is done, and none before.

        Those that they replace are gone before the first is there: a kill leaves some files of one call, never some of
        two that do not belong together. What killed calls left is removed.

        Parameters
        ----------
        names : iterable of str
            Of all that may be written, relative to the folder.
        inputs : iterable of paths

        Raises
        ------
        MatcherError
            As `make`, if another process fills the folder, or where something cannot be written.
        """
        self.make(names, inputs)
        try:
            with self._held() as alone:
                if alone:
                    self._sweep()
                with tempfile.TemporaryDirectory(
                    dir=self.path, prefix=self._scratch, ignore_cleanup_errors=True
                ) as work:
                    yield Path(work)
                    self._move_in(Path(work))
        except OSError as error:
            raise MatcherError(f"{self.path}: cannot write there: {problem(error)}") from None

    def _move_in(self, work: Path) -> None:
        """Move all files of a folder in, unless one of their names was taken meanwhile."""
        paths = {path.relative_to(work): path for path in sorted(work.rglob("*")) if path.is_file()}
        self.check(map(str, paths))
        for name, path in paths.items():
            self.wrote(name.as_posix(), path)
        for name in paths:
            (self.path / name).unlink(missing_ok=True)
        for name, path in paths.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            os.replace(path, self.path / name)

    @contextlib.contextmanager
    def _held(self) -> Iterator[bool]:
        """Hold the folder; False where the system or the file system has no locks of folders."""
        if fcntl is None:
            yield False
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MatcherError(
                    f"{self.path}: another process fills it; wait for it, or name another folder"
                ) from None
            except OSError:
                alone = False
            else:
                alone = True
            yield alone
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        for path in self.path.iterdir():
            if re.fullmatch(rf"{re.escape(self._scratch)}[a-z0-9_]{{8}}", path.name):
                shutil.rmtree(path, ignore_errors=True)

    def wrote(self, name: str, content: AnyPath | None = None) -> None:
        """Put a file on the list: to be called before it is moved in from `content`, or when it is written."""
        digest = file_checksum(Path(self.path / name if content is None else content))
        try:
            with open(self._list, "ab+") as file:
                if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                    file.write(b"\n")  # a line that a full disk cut short
                file.write(f"{digest}  {name}\n".encode())
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
