"""From inputs to a job whose every record can be used, and the list of those that cannot."""

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError, NoInputError, SettingsError
from matcher.formats.base import BadRecord, Source
from matcher.formats.opening import open_pair
from matcher.formats.raster import RasterSource
from matcher.imagery import open_pictures
from matcher.indexing.opened import ImageIndex, indexed
from matcher.matching.job import Job, prepare
from matcher.result import Result
from matcher.search.exhaustive import fits
from matcher.settings import MIN_SIDE, Settings

PLACEHOLDER = "placeholder"
_PLACE = re.compile(r"(?:(?:record|picture) (\d+))?(?: at byte (\d+))?$")


@dataclass(frozen=True)
class Batch:
    """How a run is cut, and what it does with what it cannot use.

    Attributes
    ----------
    shard_size : int
        Patches of a shard.
    part : (int, int)
        I of N: only this part of the patches is matched, I from 1 to N.
    skip_bad : bool
        Whether bad records are left out instead of ending the run.
    must_answer : tuple of int, optional
        Ids that must be answered; those without a usable patch get a placeholder.
    """

    shard_size: int = 1000
    part: tuple[int, int] = (1, 1)
    skip_bad: bool = False
    must_answer: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        settle = functools.partial(object.__setattr__, self)
        settle("shard_size", checks.whole("shard_size", self.shard_size, 1))
        settle("part", checks.wholes("part", self.part, "I of N, two whole numbers", count=2, least=1))
        settle("skip_bad", checks.flag("skip_bad", self.skip_bad))
        if self.must_answer is not None:
            settle(
                "must_answer", checks.wholes("must_answer", self.must_answer, "ids, whole numbers from 0 up")
            )
        number, parts = self.part
        if not 1 <= number <= parts:
            raise SettingsError(f"shard {number}/{parts}: the first number goes from 1 to the second")

    def identity(self) -> dict[str, Any]:
        """What the answers depend on."""
        ids = self.must_answer
        digest = None if ids is None else hashlib.sha256(repr(ids).encode()).hexdigest()
        return {"skip_bad": self.skip_bad, "ids": digest}


@dataclass(frozen=True)
class Bad:
    """One thing that was left out.

    Attributes
    ----------
    what : str
        ``images``, ``patches`` or ``ids``.
    record : BadRecord
    """

    what: str
    record: BadRecord

    def to_dict(self) -> dict[str, Any]:
        """As a line of ``errors.jsonl``."""
        one = self.record
        return {
            "what": self.what,
            "file": one.file,
            "record": one.record if one.record >= 0 else None,
            "offset": one.offset if one.offset >= 0 else None,
            "id": one.id,
            "reason": one.reason,
        }


@dataclass(frozen=True)
class Ready:
    """A job, what was left out of its inputs, the ids that get a placeholder, whether value ranges were detected."""

    job: Job
    bad: tuple[Bad, ...]
    placeholders: tuple[int, ...]
    detected: bool = False

    def placeholder_rows(self) -> Result:
        """The placeholders' rows."""
        return placeholder_rows(self.placeholders, int(self.job.targets.ids[0]))


def placeholder_rows(ids: Sequence[int], image: int) -> Result:
    """Rows that answer without knowing: the corner of an image, confidence 0, reason ``placeholder``."""
    count = len(ids)
    missing = np.full(count, np.nan, np.float32)
    return Result(
        ids=np.array(ids, np.int64),
        image=np.full(count, image, np.int64),
        x=np.zeros(count, np.int64),
        y=np.zeros(count, np.int64),
        score=missing,
        runner_up_image=np.full(count, -1, np.int64),
        runner_up_score=missing.copy(),
        confidence=np.zeros(count, np.float32),
        reason=(PLACEHOLDER,) * count,
    )


class Subset:
    """Some pictures of a source, a `matcher.formats.base.Source`."""

    def __init__(self, source: Source, rows: Sequence[int]) -> None:
        self.name = source.name
        self._source, self._rows = source, list(rows)
        self.ids: NDArray[np.int64] = source.ids[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one."""
        return self._source.shape(self._rows[index])

    def where(self, index: int) -> str:
        """File, record and offset of one, for messages."""
        return self._source.where(self._rows[index])

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands)."""
        return self._source[self._rows[index]]


def make_ready(images: Any, patches: Any, settings: Settings, batch: Batch) -> Ready:
    """Open and check the inputs of a run.

    Raises
    ------
    NoInputError
        If not one image, or not one patch, can be used.
    MatcherError
        As `matcher.match`; bad records only where `batch.skip_bad` is not set.
    """
    bad: list[Bad] = []
    images = indexed(images) or images
    if batch.skip_bad:
        images, patches, settings = _usable(images, patches, settings, bad)
    job = prepare(images, patches, settings)
    answered = set(job.patches.ids.tolist())
    wanted = [one.record.id for one in bad if one.what == "patches"]
    placeholders = dict.fromkeys(k for k in wanted if k is not None and k not in answered)
    for k in batch.must_answer or ():
        if k not in answered and k not in placeholders:
            placeholders[k] = None
            reason = "must be answered, and no readable patch has it"
            bad.append(Bad("ids", BadRecord(job.patches.name, -1, -1, k, reason)))
    return Ready(job, tuple(bad), tuple(placeholders), settings.value_range == "auto")


def _usable(
    images: Any, patches: Any, settings: Settings, bad: list[Bad]
) -> tuple["Source | ImageIndex", Source, Settings]:
    """Both inputs without their bad records, which are added to `bad`, and the settings with the bands' names.

    Of an index the images are known to be good.
    """
    stored = images if isinstance(images, ImageIndex) else None
    if stored is not None:
        images, settings = stored.source, stored.settled(settings)
    targets, queries, settings = open_pair(
        images,
        patches,
        settings,
        on_bad_image=lambda one: bad.append(Bad("images", one)),
        on_bad_patch=lambda one: bad.append(Bad("patches", one)),
    )
    bands = targets.shape(0)[2] if settings.bands is None else len(settings.bands)
    targets = _without(targets, _wrong_bands(targets, bands), "images", bad)
    queries = _without(queries, _wrong_bands(queries, bands), "patches", bad)
    ranges = stored.ranges(queries) if stored is not None and settings.value_range == "auto" else None
    for what in ("images", "patches") if stored is None else ("patches",):
        told = open_pictures(targets, queries, settings.value_range, ranges)[what == "patches"]
        wrong: dict[int, str] = {}
        for k in range(len(told)):
            try:
                told[k]
            except MatcherError as error:
                wrong[k] = str(error)
        if what == "images":
            targets = _without(targets, wrong, what, bad)
        else:
            queries = _without(queries, wrong, what, bad)
    return stored or targets, _without(queries, _wrong_sizes(targets, queries), "patches", bad), settings


def _wrong_bands(source: Source, bands: int) -> dict[int, str]:
    has = [source.shape(k)[2] for k in range(len(source))]
    return {k: f"has {n} bands; the first image has {bands}" for k, n in enumerate(has) if n != bands}


def _wrong_sizes(targets: Source, patches: Source) -> dict[int, str]:
    shapes = {targets.shape(k)[:2] for k in range(len(targets))}
    wrong = {}
    for k in range(len(patches)):
        side = patches.shape(k)[:2]
        if min(side) < MIN_SIDE or not any(fits(side, shape) for shape in shapes):
            wrong[k] = (
                f"is {side[0]} x {side[1]} px, below {MIN_SIDE} x {MIN_SIDE} or larger than every image"
            )
    return wrong


def _without(source: Source, wrong: dict[int, str], what: str, bad: list[Bad]) -> Source:
    """The source without some pictures, which are added to `bad` with their reasons."""
    if not wrong:
        return source
    for k, reason in wrong.items():
        where = source.where(k)
        record, offset = _PLACE.search(where).groups()  # type: ignore[union-attr]
        one = BadRecord(
            source.name,
            -1 if record is None else int(record),
            -1 if offset is None else int(offset),
            int(source.ids[k]),
            reason.removeprefix(f"{where}: "),
        )
        bad.append(Bad(what, one))
    if len(wrong) == len(source):
        raise NoInputError(
            f"{source.name}: not one of its {what} can be used; the first fault: {bad[-len(wrong)].record}"
        )
    good = [k for k in range(len(source)) if k not in wrong]
    return source.subset(good) if isinstance(source, RasterSource) else Subset(source, good)
