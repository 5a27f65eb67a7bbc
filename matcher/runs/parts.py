"""A Dask worker's side of a run whose images are cut into parts: shards of patches, and what they ask of a part."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from matcher.matching.run import match_rows
from matcher.result import Result
from matcher.runs.station import enter
from matcher.search.pyramid.divided import Divided
from matcher.search.pyramid.index import Index
from matcher.search.pyramid.parts import Calls, Part, cut_evenly
from matcher.threads import limited, waiting

Side = tuple[int, int]
_parts: dict[tuple[str, Side, int, int], Part] = {}  # of the last run only


def do_shard_by_parts(folder: str, digest: str, start: int, stop: int, parts: int) -> Result:
    """Match the patches start to stop - 1 of the run in a folder, whose images' codes others search part by part.

    To be called by a Dask worker, whose thread is free for parts meanwhile.

    Parameters
    ----------
    folder, digest
        As `matcher.runs.station.do_shard` takes them.
    parts : int
        Into how many parts of consecutive images the codes are cut; at most one an image.

    Raises
    ------
    MatcherError
        As `do_shard`, of this worker or of one that is asked.
    """
    from distributed import worker_client

    with worker_client() as client:
        job, _ = enter(folder, digest)
        rows = np.arange(start, stop)
        asked = {}
        for side in sorted({job.patches.shape(k)[:2] for k in rows.tolist()}):
            index = _index(folder, digest, side)
            bounds = cut_evenly(index, parts)
            asked[side] = Divided.of(index, bounds, Workers(client, folder, digest, side, len(bounds) - 1))
        return match_rows(job, rows, indexes=asked)


class Workers:
    """The workers of a Dask cluster as helpers: each part is in the hands of some of them, or of any where these die.

    Parameters
    ----------
    client : distributed.Client
    folder, digest : str
        Of the run.
    side : (int, int)
        Height and width of the patches.
    parts : int
    """

    def __init__(self, client: Any, folder: str, digest: str, side: Side, parts: int) -> None:
        self._client, self._run, self._parts = client, (folder, digest, side), parts
        self._crews = crews(sorted(client.nthreads()), parts)
        self._shared: tuple[Any, Any] = (None, None)

    def ask(self, function: Callable[..., Any], calls: Calls) -> dict[int, Any]:
        """As `matcher.search.pyramid.parts.Helpers` tells."""
        held = self.hold(function, calls)
        with waiting():
            answers = self._client.gather(list(held.values()))
        return dict(zip(held, answers, strict=True))

    def hold(self, function: Callable[..., Any], calls: Calls) -> dict[int, Any]:
        """As `matcher.search.pyramid.parts.Helpers` tells."""
        return {p: self._submit(p, function, given) for p, given in calls.items()}

    def share(self, value: Any) -> Any:
        """As `matcher.search.pyramid.parts.Helpers` tells; the last value alone is kept."""
        if self._shared[0] is not value:
            with waiting():
                self._shared = (value, self._client.scatter(value, hash=False))
        return self._shared[1]

    def _submit(self, part: int, function: Callable[..., Any], given: Sequence[Any]) -> Any:
        return self._client.submit(
            answer,
            *self._run,
            (part, self._parts),
            function,
            *given,
            key=f"matcher-part-{part}-{uuid.uuid4().hex}",
            pure=False,
            workers=self._crews[part],
            allow_other_workers=True,
        )


def crews(workers: Sequence[str], parts: int) -> list[list[str]]:
    """Which workers hold each part: neighbours in a list share one, or a worker holds several where parts are more."""
    if len(workers) < parts:
        return [[workers[p % len(workers)]] for p in range(parts)]
    bounds = [len(workers) * p // parts for p in range(parts + 1)]
    return [list(workers[a:b]) for a, b in itertools.pairwise(bounds)]


def answer(
    folder: str, digest: str, side: Side, part: tuple[int, int], function: Callable[..., Any], *given: Any
) -> Any:
    """What a function says of part I of N, I from 0, of the images of a run."""
    job, _ = enter(folder, digest)
    with limited(job.settings.threads):
        return function(_part(folder, digest, side, part), *given)


def _part(folder: str, digest: str, side: Side, part: tuple[int, int]) -> Part:
    key = (digest, side, *part)
    if key not in _parts:
        if any(other[0] != digest for other in _parts):
            _parts.clear()
        index = _index(folder, digest, side)
        job, _ = enter(folder, digest)
        _parts[key] = Part.of(job.task(1), index, cut_evenly(index, part[1]), part[0])
    return _parts[key]


def _index(folder: str, digest: str, side: Side) -> Index:
    """The codes of all images, mapped: what is not looked at is not read."""
    job, indexes = enter(folder, digest)
    return indexes[side] if side in indexes else job.index(side)
