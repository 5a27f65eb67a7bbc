"""The run directory: who works in it, what it holds, and what is finished."""

import contextlib
import hashlib
import json
import os
import pickle
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matcher.errors import FormatError, MatcherError, ResumeError
from matcher.formats.catalog import kept_of
from matcher.formats.files import atomic_write, is_temporary, key_of, problem
from matcher.formats.fingerprint import differences
from matcher.formats.holding import lock_holder, locked, sweep
from matcher.identity import versions
from matcher.indexing.codefiles import damaged
from matcher.matching.job import Job
from matcher.matching.run import Indexes, map_indexes, write_indexes
from matcher.result import Result
from matcher.runs.shards import Shard, read_shard, write_shard

_SHARD = re.compile(r"[0-9]{9,}-[0-9]{9,}\.shard")
KEPT = "codes.json"  # which codes there are, and where
SUBMISSION, DETAILS, ERRORS, DONE = "submission.csv", "details.csv", "errors.jsonl", "DONE"


class RunFolder:
    """A run directory.

    Attributes
    ----------
    path : Path
    run : str
        The key of the run that it holds; empty until `claim`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.run = ""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directory and hold it; the lock goes with the process, however that ends.

        Raises
        ------
        ResumeError
            If another process holds it.
        MatcherError
            If it cannot be made or written to, or holds files and no run.
        """
        self.check()
        with locked(self.path, "run", "--run-dir", ("shards",)):
            self._sweep()
            yield

    def check(self) -> None:
        """Refuse a folder that holds something and no run: nothing of somebody else's is to be replaced.

        Raises
        ------
        MatcherError
            If it does.
        """
        try:
            names = sorted(os.listdir(self.path)) if self.path.is_dir() else []
        except OSError as error:
            raise MatcherError(f"{self.path}: cannot be read: {problem(error)}") from None
        with contextlib.suppress(FormatError):
            if "run.json" in names:
                self.read_run()
                return
        shards = (self.path / "shards").glob("*.shard") if "shards" in names else ()
        if any(_SHARD.fullmatch(path.name) for path in shards):
            return  # a run whose run.json was lost: the shards say themselves to which run they belong
        foreign = [name for name in names if not self._is_begun(name)]
        if foreign:
            raise MatcherError(
                f"{self.path}: is no run directory, and is not empty (it holds {foreign[0]}): name another --run-dir"
            )

    def _is_begun(self, name: str) -> bool:
        """Whether a run that ended before it wrote ``run.json`` leaves such a file."""
        path = self.path / name
        if name == "shards":
            return path.is_dir() and all(is_temporary(inside) for inside in os.listdir(path))
        if name == "lock":
            return lock_holder(path) is not None
        return is_temporary(name)

    def compare(self, identity: dict[str, Any], cut: dict[str, Any]) -> bool:
        """Whether the directory holds this run already, begun earlier.

        Raises
        ------
        ResumeError
            If it holds another one; the message names what differs.
        """
        self.run = key_of(identity)
        try:
            old = self.read_run()
        except FormatError:
            # Missing or damaged: the shards say themselves to which run they belong.
            return False
        finally:
            self.run = key_of(identity)
        if wrong := differences({**old["identity"], **old["cut"]}, {**identity, **cut}):
            raise ResumeError(
                f"{self.path}: holds another run: {'; '.join(wrong)}. Give the same again to go on with it, or "
                "another --run-dir"
            )
        return True

    def begin(self, identity: dict[str, Any], cut: dict[str, Any], facts: dict[str, Any]) -> None:
        """Write ``run.json``, by which a later call knows the run.

        Parameters
        ----------
        identity : dict
            What the answers depend on: fingerprints of the inputs, settings, versions. Like all three, of what JSON
            can say.
        cut : dict
            How the patches are divided: ``shard_size`` and ``part``.
        facts : dict
            What else a merge needs, beside ``identity`` and ``cut``: the numbers of images and patches, bad records.

        Raises
        ------
        MatcherError
            If the file cannot be written.
        """
        content = {"identity": identity, "cut": cut, **facts}
        self._write("run.json", {**content, "check": key_of(content)})

    def read_run(self) -> dict[str, Any]:
        """What ``run.json`` holds.

        Raises
        ------
        FormatError
            If it is missing or damaged.
        """
        path = self.path / "run.json"
        try:
            content = dict(json.loads(path.read_text("utf-8")))
            if content.pop("check") != key_of(content):
                raise ValueError("its checksum does not hold")
            self.run = key_of(content["identity"])
        except FileNotFoundError:
            raise FormatError(f"{self.path}: is no run directory (there is no run.json in it)") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path}: is damaged: {error}; its command, run again, mends it") from None
        return content

    def shard_path(self, shard: Shard) -> str:
        """Where a shard's answers are, once it is finished."""
        return os.fspath(self.path / "shards" / shard.file)

    def finished(self, shard: Shard) -> bool:
        """Whether a shard is finished and sound; a damaged one is not, and will be written anew.

        Raises
        ------
        ResumeError
            If it is sound and belongs to another run.
        """
        try:
            self.read(shard)
        except FormatError:
            return False
        return True

    def read(self, shard: Shard) -> Result:
        """The answers of a finished shard.

        Raises
        ------
        FormatError
            If its file is missing or damaged.
        ResumeError
            If it is sound and belongs to another run or other patches.
        """
        return read_shard(self.shard_path(shard), self.run, shard)

    def write(self, shard: Shard, result: Result) -> None:
        """Keep the answers of a shard; once this returns, they are on the disk and the shard is finished.

        Parameters
        ----------
        shard : Shard
        result : Result
            One row for each of the shard's patches, in their order.

        Raises
        ------
        MatcherError
            If the file cannot be written.
        """
        write_shard(self.shard_path(shard), self.run, shard, result)

    def write_errors(self, entries: Iterable[dict[str, Any]]) -> None:
        """Write ``errors.jsonl``, one line an entry, in place of the one that is there.

        Parameters
        ----------
        entries : iterable of dict
            Bad records and shards that were set aside, of what JSON can say.

        Raises
        ------
        MatcherError
            If the file cannot be written.
        """
        with atomic_write(self.path / ERRORS, "w") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)

    def indexes(self, job: Job) -> Indexes:
        """What the images alone give, mapped: made at the first call of a run, found at later ones."""
        root = self.path / "index"
        with contextlib.suppress(FormatError):
            return load_indexes(root, self.run, job, verify=True)
        try:
            root.mkdir(exist_ok=True)
        except OSError as error:
            raise MatcherError(
                f"{root}: cannot be made: {problem(error)}; move it, or name another --run-dir"
            ) from None
        kept = write_indexes(job, root)
        with atomic_write(root / KEPT, "w") as file:
            json.dump({"run": self.run, "kept": [asdict(one) for one in kept]}, file)
        return load_indexes(root, self.run, job)

    def post_job(self, job: Job) -> str:
        """Write the job for other processes to read; returns its checksum."""
        data = pickle.dumps((versions(), self.run, job))
        with atomic_write(self.path / "job.pickle") as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def finish(self, facts: dict[str, Any]) -> None:
        """Write ``DONE``, which says that all other files are whole.

        Parameters
        ----------
        facts : dict
            What it holds, as JSON: the numbers of rows and of skipped patches, and checksums of the outputs.

        Raises
        ------
        MatcherError
            If the file cannot be written.
        """
        self._write(DONE, facts)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        with atomic_write(self.path / name, "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")

    def _sweep(self) -> None:
        """Remove what a killed process was writing, where runs write."""
        sweep(self.path, self.path / "shards", self.path / "index")


def load_indexes(root: Path, run: str, job: Job, verify: bool = False) -> Indexes:
    """Map the indexes that `RunFolder.indexes` wrote for a run.

    Raises
    ------
    FormatError
        If they are not there, are of another run or too short or, where that is verified, a checksum does not hold.
    """
    try:
        content = json.loads((root / KEPT).read_text("utf-8"))
        kept = [kept_of(one) for one in content["kept"]]
        if content["run"] != run:
            raise FormatError(f"{root}: holds codes of another run")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{root}: holds no codes that can be read: {error}") from None
    if verify and any(True for one in kept for _ in damaged(root, one)):
        raise FormatError(f"{root}: the codes are damaged (a checksum does not hold)")
    return map_indexes(job, root, kept)
