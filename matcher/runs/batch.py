"""A run from inputs to the merged submission: shard by shard, each kept as soon as it is done."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from matcher import checks
from matcher.aliases import Progress
from matcher.errors import MatcherError
from matcher.formats.fingerprint import Inputs
from matcher.formats.raster import file_names
from matcher.formats.submission import write_submission
from matcher.identity import settings_identity, versions
from matcher.indexing.opened import ImageIndex
from matcher.matching.job import Job, tell_search
from matcher.matching.run import match_rows
from matcher.result import Result
from matcher.runs.engines import Engine, InProcess, Particular, SetAside, Work
from matcher.runs.folder import DETAILS, SUBMISSION, RunFolder
from matcher.runs.ready import Batch, Ready, make_ready
from matcher.runs.shards import Shard, cut, join
from matcher.settings import Settings, with_options
from matcher.values import compared

log = logging.getLogger("matcher")


@compared
@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes
    ----------
    result : Result
        One row a patch, then the placeholders.
    skipped : tuple of dict
        What was left out, as in ``errors.jsonl``.
    job : Job, optional
        What was matched; None of runs that were merged.
    """

    result: Result
    skipped: tuple[dict[str, Any], ...]
    job: Job | None = None

    @property
    def exit_code(self) -> int:
        """0, or 3 where something was left out."""
        return 3 if self.skipped else 0


def run_at_once(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    batch: Batch | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Match without a run directory, as `matcher.match`, with the choices of a `Batch`.

    Raises
    ------
    MatcherError
        As `matcher.match`.
    """
    settings, batch = _asked(settings, batch, progress)
    with _memory_errors():
        ready = make_ready(images, patches, settings, batch)
        shards = list(cut(len(ready.job.patches), len(ready.job.patches), batch.part))
        tell_search(ready.job, sum(map(len, shards)))
        rows = [match_rows(ready.job, range(s.start, s.stop), progress) for s in shards]  # type: ignore[arg-type]
    return _outcome(ready, batch, rows)


def _asked(settings: Any, batch: Any, progress: Any) -> tuple[Settings, Batch]:
    """The settings and the batch, by default all defaults; a SettingsError where something else was given."""
    checks.of_kind("batch", batch, Batch)
    checks.function("progress", progress)
    return with_options(settings, {}), Batch() if batch is None else batch


def run(
    images: Any,
    patches: Any,
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    batch: Batch | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Match shard by shard into a run directory, or go on with what is in it.

    Parameters
    ----------
    images, patches
        What `matcher.match` takes.
    folder : path
        The run directory; it is made.
    settings : Settings, optional
    batch : Batch, optional
        How the run is cut, and what it does with bad records.
    engine : Engine, optional
        Who does the shards; by default this process.
    progress : callable, optional
        Called with (pairs done, pairs in all), what was done before counted in.

    Returns
    -------
    Outcome

    Raises
    ------
    ResumeError
        If the directory holds another run or another process works in it, or an input changes meanwhile.
    MatcherError
        As `matcher.match`; if a file cannot be written; or if shards were set aside because their workers died.
        What is finished is kept.
    """
    settings, batch = _asked(settings, batch, progress)
    if isinstance(engine, Particular):
        engine.check(settings)
    checks.function("engine", engine)
    place = RunFolder(checks.path("folder", folder))
    with place.locked(), _memory_errors():
        inputs = Inputs(images=images.folder if isinstance(images, ImageIndex) else images, patches=patches)
        identity = _identity(inputs, settings, batch)
        sliced = {"shard_size": batch.shard_size, "part": list(batch.part)}
        resumed = place.compare(identity, sliced)
        ready = make_ready(images, patches, settings, batch)
        inputs.check()
        if not resumed:
            place.begin(identity, sliced, _facts(ready))
        place.write_errors(one.to_dict() for one in ready.bad)
        shards = list(cut(len(ready.job.patches), batch.shard_size, batch.part))
        todo = [shard for shard in shards if not place.finished(shard)]
        if resumed:
            log.info(
                "%s: %d of %d shards are finished; going on", place.path, len(shards) - len(todo), len(shards)
            )
        if todo:
            tell_search(ready.job, sum(map(len, todo)))
            _do(Work(ready.job, place, todo, _Tally(ready, shards, todo, progress)), engine, inputs, ready)
        outcome = _outcome(ready, batch, [place.read(shard) for shard in shards])
        publish(place, outcome)
        return outcome


def publish(place: RunFolder, outcome: Outcome) -> None:
    """Write the merged submission and details of a run directory, and ``DONE``."""
    write_submission(place.path / SUBMISSION, outcome.result)
    outcome.result.to_details(place.path / DETAILS)
    digests = {
        name: hashlib.sha256((place.path / name).read_bytes()).hexdigest() for name in (SUBMISSION, DETAILS)
    }
    place.finish({"rows": len(outcome.result), "skipped": len(outcome.skipped), "sha256": digests})


def _do(work: Work, engine: Engine | None, inputs: Inputs, ready: Ready) -> None:
    """Have the shards done, and keep each as it comes."""
    aside: list[tuple[Shard, SetAside]] = []
    with contextlib.closing((engine or InProcess())(work)) as done:  # type: ignore[type-var]
        for shard, result in done:
            inputs.check()
            if isinstance(result, SetAside):
                log.warning("%s: set aside: %s", shard, result.reason)
                aside.append((shard, result))
                continue
            work.folder.write(shard, result)
            work.report(shard, len(shard) * len(work.job.targets))
    if aside:
        entries = [
            {"what": "shard", "start": shard.start, "stop": shard.stop, "reason": one.reason}
            for shard, one in aside
        ]
        work.folder.write_errors([*(one.to_dict() for one in ready.bad), *entries])
        names = "; ".join(f"{shard} ({one.reason})" for shard, one in aside)
        raise MatcherError(
            f"{work.folder.path}: set aside: {names}. All else is finished; run again to try these once more"
        )


class _Tally:
    """Adds what shards report to the run's progress."""

    def __init__(
        self, ready: Ready, shards: list[Shard], todo: list[Shard], progress: Progress | None
    ) -> None:
        targets = len(ready.job.targets)
        self._progress = progress or (lambda _done, _all: None)
        self._all = targets * sum(map(len, shards))
        self._before = self._all - targets * sum(map(len, todo))
        self._done: dict[Shard, int] = {}

    def __call__(self, shard: Shard, pairs: int) -> None:
        self._done[shard] = max(pairs, self._done.get(shard, 0))
        self._progress(self._before + sum(self._done.values()), self._all)


def _identity(inputs: Inputs, settings: Settings, batch: Batch) -> dict[str, Any]:
    return {
        **inputs.fingerprints,
        "settings": settings_identity(settings),
        "versions": versions(),
        **batch.identity(),
    }


def _files(ready: Ready) -> tuple[dict[int, str], dict[int, str]]:
    """By id what the files of patches and images are called."""
    return file_names(ready.job.patches.source), file_names(ready.job.targets.source)


def _facts(ready: Ready) -> dict[str, Any]:
    job = ready.job
    return {
        "resolved": {
            **settings_identity(job.settings),
            "value_range": {"images": job.targets.value_range, "patches": job.patches.value_range},
        },
        "files": [[*names.items()] for names in _files(ready)],
        "images": len(job.targets),
        "patches": len(job.patches),
        "placeholders": list(ready.placeholders),
        "placeholder_image": int(job.targets.ids[0]),
        "skipped": [one.to_dict() for one in ready.bad],
    }


def _outcome(ready: Ready, batch: Batch, rows: list[Result]) -> Outcome:
    if batch.part[1] == 1:  # otherwise they are added by the merge, once
        rows = [*rows, ready.placeholder_rows()]
    if not rows:
        rows = [replace(ready, placeholders=()).placeholder_rows()]
    result = join(rows).refuse(ready.job.settings.min_confidence).naming(_files(ready))
    return Outcome(result, tuple(one.to_dict() for one in ready.bad), ready.job)


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise MatcherError(
            f"out of memory ({error}): give less to the run (--memory), cut it finer (--shard-size), or take fewer "
            "--workers; what is finished is kept"
        ) from None
