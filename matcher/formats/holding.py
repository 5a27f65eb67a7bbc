"""Folders that one process at a time works in: their lock, and what a killed process left half written."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from matcher.errors import MatcherError, ResumeError
from matcher.formats.files import is_temporary, problem

_LOCKED_BYTE = 1 << 30  # Windows locks bytes and lets nobody read them: one behind the text


def lock_holder(path: Path) -> str | None:
    """The number of the process that a lock tells of, empty where it tells none; None where the file is no lock."""
    try:
        found = re.fullmatch(r"([0-9]*)\n?", path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found and found[1]


@contextlib.contextmanager
def locked(path: Path, noun: str, option: str, inside: Sequence[str] = ()) -> Iterator[None]:
    """Make a folder and hold it; the lock goes with the process, however that ends.

    Parameters
    ----------
    path : Path
    noun : str
        What works in it, for messages: ``run``.
    option : str
        By which the user names another folder.
    inside : sequence of str
        Folders in it that are made too.

    Raises
    ------
    ResumeError
        If another process holds it.
    MatcherError
        If it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in inside:
            (path / name).mkdir(exist_ok=True)
        file = open(path / "lock", "a+", encoding="utf-8")  # noqa: SIM115
    except (OSError, ValueError) as error:
        what = problem(error) if isinstance(error, OSError) else str(error)
        raise MatcherError(f"{path}: cannot be made or written to: {what}") from None
    with file:
        if not _lock(file):
            file.seek(0)
            raise ResumeError(
                f"{path}: another {noun} (process {file.read().strip() or 'unknown'}) works in it; wait for it, or "
                f"give another {option}"
            )
        # Past the buffer: what that holds is written when the file is closed, on a full disk too.
        with contextlib.suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield


def sweep(*folders: Path) -> None:
    """Remove what a killed process was writing in some folders."""
    for folder in folders:
        for path in folder.glob(".*"):
            if is_temporary(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()


def _lock(file: IO[str]) -> bool:
    """Take the lock of an open file without waiting; False where another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise MatcherError(f"{file.name}: cannot be locked: {problem(error)}") from None
    return True
