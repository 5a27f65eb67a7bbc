"""A worker's side of a run: the job read, and the images' codes mapped, once a process."""

import hashlib
import os
import pickle
import platform
import threading
from pathlib import Path

import numpy as np

from matcher.aliases import Progress
from matcher.errors import FormatError, MatcherError
from matcher.formats.files import FileBytes
from matcher.formats.fingerprint import differences
from matcher.identity import versions
from matcher.matching.job import Job
from matcher.matching.run import Indexes, match_rows
from matcher.result import Result
from matcher.runs.folder import load_indexes

_ready: dict[str, tuple[Job, Indexes]] = {}  # of the last run only
_entering = threading.Lock()


def do_shard(folder: str, digest: str, start: int, stop: int, progress: Progress | None = None) -> Result:
    """Match the patches start to stop - 1 of the run in a folder.

    Parameters
    ----------
    folder : str
        The run directory, absolute.
    digest : str
        What `RunFolder.post_job` gave.

    Raises
    ------
    MatcherError
        If this process does not see the folder or the inputs, or has other versions.
    """
    job, indexes = enter(folder, digest)
    return match_rows(job, np.arange(start, stop), progress, indexes)


def enter(folder: str, digest: str) -> tuple[Job, Indexes]:
    """The job and codes of a run, read at the first call."""
    with _entering:
        if digest not in _ready:
            entered = _enter(Path(folder), digest)
            _ready.clear()
            _ready[digest] = entered
        return _ready[digest]


def _enter(folder: Path, digest: str) -> tuple[Job, Indexes]:
    try:
        file = FileBytes(folder / "job.pickle")
    except FormatError as error:
        raise MatcherError(
            f"process {os.getpid()} on {platform.node() or 'this host'} does not see "
            f"the run directory ({error}): it and the inputs must be where all workers see them by the same path"
        ) from None
    data = file.read(0, file.size)
    if hashlib.sha256(data).hexdigest() != digest:
        raise MatcherError(f"{folder / 'job.pickle'}: is not the one that the run posted; run again")
    theirs, run, job = pickle.loads(data)
    if wrong := differences(theirs, versions()):
        raise MatcherError(f"a worker has other versions than the run: {'; '.join(wrong)}")
    return job, load_indexes(folder / "index", run, job)
