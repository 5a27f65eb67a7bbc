"""Join the run directories of a job array: every patch once, or an error that names what is missing or doubled."""

import os
from collections.abc import Sequence
from typing import Any

from matcher.errors import FormatError, MatcherError, ResumeError
from matcher.formats.fingerprint import differences
from matcher.runs.batch import Outcome
from matcher.runs.folder import RunFolder
from matcher.runs.ready import placeholder_rows
from matcher.runs.shards import Shard, cut, join


def merge(folders: Sequence[str | os.PathLike[str]], min_confidence: float = 0.0) -> Outcome:
    """Verify and join the shards of run directories that cut one run among them.

    Parameters
    ----------
    folders : sequence of paths
        In any order.
    min_confidence : float
        As `matcher.Settings.min_confidence`: shards hold all answers, so it is told here and not taken from the runs.

    Returns
    -------
    Outcome
        As one uninterrupted run gives it.

    Raises
    ------
    FormatError
        If a folder is no run directory, or a shard is damaged.
    ResumeError
        If the folders hold different runs; the message names what differs.
    MatcherError
        If a shard is missing, or in two folders.
    """
    if not folders:
        raise MatcherError("no run directory was given")
    places = [RunFolder(folder) for folder in folders]
    runs = [place.read_run() for place in places]
    for place, one in zip(places[1:], runs[1:], strict=True):
        if wrong := differences(runs[0]["identity"], one["identity"]):
            raise ResumeError(f"{place.path}: holds another run than {places[0].path}: {'; '.join(wrong)}")
    shards = _in_order(places, runs)
    rows = []
    for shard, place in shards:
        if not os.path.exists(place.shard_path(shard)):
            raise MatcherError(f"{place.path}: {shard} are not finished; run its command again")
        try:
            rows.append(place.read(shard))
        except FormatError as error:
            raise FormatError(
                f"{error}; run the command of {place.path} again, which makes it anew"
            ) from None
    facts = runs[0]
    rows.append(placeholder_rows(facts["placeholders"], facts["placeholder_image"]))
    patches, images = (dict(map(tuple, names)) for names in facts.get("files", ([], [])))
    result = join(rows).refuse(min_confidence).naming((patches, images))
    return Outcome(result, tuple(facts["skipped"]))


def _in_order(places: list[RunFolder], runs: list[dict[str, Any]]) -> list[tuple[Shard, RunFolder]]:
    """All shards by their first patch, every patch in exactly one."""
    found: list[tuple[Shard, RunFolder]] = []
    for place, one in zip(places, runs, strict=True):
        number, parts = one["cut"]["part"]
        found += [(s, place) for s in cut(one["patches"], one["cut"]["shard_size"], (number, parts))]
    found.sort(key=lambda item: item[0])
    parts = max(one["cut"]["part"][1] for one in runs)
    end, before = 0, places[0]
    for shard, place in found:
        if shard.start < end:
            doubled = Shard(shard.start, min(end, shard.stop))
            raise MatcherError(f"{doubled} are in both {before.path} and {place.path}: give one of the two")
        if shard.start > end:
            raise _missing(Shard(end, shard.start), runs[0]["patches"], parts)
        end, before = shard.stop, place
    if end < runs[0]["patches"]:
        raise _missing(Shard(end, runs[0]["patches"]), runs[0]["patches"], parts)
    return found


def _missing(gap: Shard, count: int, parts: int) -> MatcherError:
    """Names the parts, as `--shard` counts them, that lie in a gap."""
    inside = [
        f"{k}/{parts}"
        for k in range(1, parts + 1)
        if count * (k - 1) // parts < gap.stop and count * k // parts > gap.start
    ]
    return MatcherError(f"{gap} are in no directory: shard {', '.join(inside)} is missing")
