"""The match itself: from opened pictures to a `Result`."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.decision.confidence import confidence, log_likelihood
from matcher.decision.doubtful import settle_doubtful
from matcher.decision.reasons import IN_DOUBT, reason
from matcher.errors import MatcherError
from matcher.evidence import channels
from matcher.formats import OnBad, Source, is_paths, open_images, open_patches
from matcher.formats.geotiff import RasterSource
from matcher.formats.rasterfiles import is_raster
from matcher.formats.rasters import common_bands, open_rasters
from matcher.imagery import Pictures, Roles, open_pictures, resolve_bands
from matcher.model import Model, read_model, shipped
from matcher.result import Result
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fits, search_everywhere
from matcher.search.pyramid.cascade import index_targets, search_pyramid
from matcher.search.pyramid.index import Index
from matcher.search.task import Report, Task
from matcher.settings import MIN_SIDE, Settings
from matcher.threads import limited

log = logging.getLogger("matcher")
Progress = Callable[[int, int], None]
Indexes = Mapping[tuple[int, int], Index]
_KEEP = 2  # the answer and the runner-up
_CANDIDATES = 6  # among which doubt is settled
_REHEARSAL = 64  # px a side of the picture on which evidence is tried before anything is read


def match(
    images: Any,
    patches: Any,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Result:
    """Find the image and the pixel of every patch.

    Parameters
    ----------
    images, patches : path, ndarray, sequence of ndarrays, or Source
        What `matcher.open_images` and `matcher.open_patches` take.
    settings : Settings, optional
        Options; by default all defaults.
    progress : callable, optional
        Called with (pairs done, pairs in all) now and then.
    **options
        Fields of `Settings` by name, in place of those of `settings`.

    Returns
    -------
    Result
        One row a patch, in the order of the patches.

    Raises
    ------
    MatcherError
        If an input cannot be read, the bands do not fit, a patch is larger than every image, a value is NaN, infinite
        or absurd, or every patch is constant; the message names the file and the record. All of it is looked at
        before the search starts.

    Notes
    -----
    A constant patch among others is answered with a placeholder, confidence near 0, and a warning in the log
    ``matcher``, where the value ranges that were told are noted too.

    Examples
    --------
    >>> import numpy as np, matcher
    >>> image = np.random.default_rng(0).integers(200, 3000, (96, 96, 4)).astype(np.uint16)
    >>> result = matcher.match([image], [image[20:84, 10:74]])
    >>> int(result.image[0]), int(result.x[0]), int(result.y[0])
    (0, 10, 20)
    """
    job = prepare(images, patches, settings, **options)
    return match_rows(job, progress=progress).refuse(job.settings.min_confidence)


@dataclass(frozen=True)
class Job:
    """A match made ready: pictures opened and checked, what was left open resolved from the whole input.

    Any cut of its patches into blocks gives the same answers.

    Attributes
    ----------
    targets, patches : Pictures
    roles : Roles
    settings : Settings
        With the bands named.
    model : Model
        The fitted numbers that `settings` names.
    """

    targets: Pictures
    patches: Pictures
    roles: Roles
    settings: Settings
    model: Model

    def search(
        self, which: Sequence[int], keep: int, report: Report, index: Index | None = None
    ) -> Candidates:
        """The `keep` best targets and places of some patches of one size; `index` as `build_indexes` makes it."""
        if self.settings.search == "exhaustive":
            return search_everywhere(self.task(keep), which, report)
        return search_pyramid(self.task(keep), which, report, index)

    def task(self, keep: int) -> Task:
        """What a search is given, to keep so many targets a patch."""
        s = self.settings
        return Task(self.targets, self.patches, self.roles, s.evidence, self.model, keep, s.effort, s.memory)


def prepare(images: Any, patches: Any, settings: Settings | None = None, **options: Any) -> Job:
    """Open and check everything that a match needs; takes and raises what `match` does."""
    settings = _with_options(settings or Settings(), options)
    model = shipped() if settings.model is None else read_model(settings.model)
    left, right, settings = open_both(images, patches, settings)
    targets, queries = open_pictures(left, right, settings.value_range)
    names = resolve_bands(targets, queries, settings)
    roles = Roles.of(names)
    channels(np.zeros((_REHEARSAL, _REHEARSAL, len(names)), np.float32), roles, settings.evidence)
    _check_sizes(targets, queries)
    for what, pictures in (("images", targets), ("patches", queries)):
        log.info("%s", describe(what, pictures, names, settings.value_range == "auto"))
        _tell_numbers(what, pictures.source)
    _check_constant(queries)
    if settings.search == "exhaustive":
        for _ in targets:  # read through, so that a bad value ends the run before hours of work
            pass
    return Job(targets, queries, roles, replace(settings, bands=names), model)


def describe(what: str, pictures: Pictures, names: Sequence[str], detected: bool) -> str:
    """A line on some pictures: how many, of what sizes, bands and value range."""
    sizes = sorted({pictures.shape(k)[:2] for k in range(len(pictures))})
    spelled = [f"{height} x {width}" for height, width in (sizes[0], sizes[-1])]
    size = spelled[0] if len(sizes) == 1 else f"{spelled[0]} to {spelled[1]}"
    return (
        f"{pictures.name}: {len(pictures)} {what} of {size} px, bands {','.join(names)}, "
        f"values {pictures.value_range}{' (detected)' if detected else ''}"
    )


def _tell_numbers(what: str, source: Source) -> None:
    """Which raster is which number, where their names do not say so."""
    if isinstance(source, RasterSource) and source.in_order:
        first, last = (f"{source.ids[k]} {source.where(k)}" for k in (0, len(source) - 1))
        log.info(
            "%s have the numbers of their order: %s%s", what, first, f" to {last}" if len(source) > 1 else ""
        )


def open_both(
    images: Any,
    patches: Any,
    settings: Settings,
    bad_images: OnBad | None = None,
    bad_patches: OnBad | None = None,
) -> tuple[Source, Source, Settings]:
    """Images and patches opened, rasters with the bands that both have, and the settings with these bands' names."""
    sources = (
        _opened(open_images, images, settings.bands, bad_images),
        _opened(open_patches, patches, settings.bands, bad_patches),
    )
    targets, queries = sources
    names: tuple[str | None, ...] | None = None
    if isinstance(targets, RasterSource) and isinstance(queries, RasterSource):
        queries, targets, names = common_bands(queries, targets)
    elif rasters := [source for source in sources if isinstance(source, RasterSource)]:
        names = rasters[0].band_names
    if names is not None and None not in names:
        settings = replace(settings, bands=names)  # type: ignore[arg-type]
    return targets, queries, settings


def _opened(
    opener: Callable[..., Source], what: Any, names: tuple[str, ...] | None, on_bad: OnBad | None
) -> Source:
    """Opened; so many bands are asked for only where the file does not say how many it has."""
    if is_paths(what) or (isinstance(what, str | os.PathLike) and is_raster(os.fspath(what))):
        return open_rasters(what, names, on_bad=on_bad)
    bands = None if names is None else len(names)
    named = isinstance(what, str | os.PathLike) and not os.fspath(what).lower().endswith((".npy", ".npz"))
    return opener(what, bands=bands, on_bad=on_bad) if named else opener(what, on_bad=on_bad)


def _check_constant(patches: Pictures) -> None:
    """Read all patches; constant ones are warned of, and an error where all are."""
    constant = [k for k, dn in enumerate(patches) if (dn == dn[:1, :1]).all()]
    if len(constant) == len(patches):
        raise MatcherError(
            f"{patches.source.where(0)}: is constant, and so is every other patch: there is nothing to match; "
            "check the file and the value range (--range)"
        )
    if constant:
        more = f" and {len(constant) - 1} more" if len(constant) > 1 else ""
        log.warning(
            "%s%s: constant in every band, so nothing can place it: answered with a placeholder",
            patches.source.where(constant[0]),
            more,
        )


def build_indexes(job: Job) -> Indexes:
    """What the search makes of the images alone, by patch size: made once, it serves every block of patches."""
    if job.settings.search != "pyramid":
        return {}
    sides = sorted({job.patches.shape(k)[:2] for k in range(len(job.patches))})
    with limited(job.settings.threads):
        return {side: index_targets(job.task(_KEEP), side) for side in sides}


def match_rows(
    job: Job,
    rows: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
    indexes: Indexes | None = None,
) -> Result:
    """Match some patches of a job against all its images.

    Parameters
    ----------
    job : Job
    rows : ndarray of int, optional
        Which patches, by their numbers in the source; by default all.
    progress : callable, optional
        Called with (pairs done, pairs in all) of these patches.
    indexes : dict, optional
        What `build_indexes` gave for this job; by default it is made here.

    Returns
    -------
    Result
        One row a patch, in the order of `rows`; nothing is refused yet (`Result.refuse`).

    Raises
    ------
    MatcherError
        If a picture cannot be read.
    """
    which = np.arange(len(job.patches)) if rows is None else np.asarray(rows, np.int64)
    with limited(job.settings.threads):
        found = _search(job, which, progress or (lambda _done, _all: None), indexes or {})
    return _result(job, which, found)


def _with_options(settings: Settings, options: dict[str, Any]) -> Settings:
    try:
        return replace(settings, **options)
    except TypeError as error:
        known = ", ".join(Settings.__dataclass_fields__)
        raise MatcherError(f"unknown option among {', '.join(options)}: choose from {known}") from error


def _check_sizes(targets: Pictures, patches: Pictures) -> None:
    """Every patch must be large enough to be told apart, and lie inside some image."""
    shapes = {targets.shape(k)[:2] for k in range(len(targets))}
    for k in range(len(patches)):
        height, width, _ = patches.shape(k)
        if min(height, width) < MIN_SIDE:
            raise MatcherError(
                f"{patches.source.where(k)}: is {height} x {width} px; the least that can be matched is "
                f"{MIN_SIDE} x {MIN_SIDE}"
            )
        if not any(fits((height, width), shape) for shape in shapes):
            raise MatcherError(
                f"{patches.source.where(k)}: is {height} x {width} px, larger than every image of {targets.name}: "
                "are images and patches swapped?"
            )


def _search(job: Job, rows: NDArray[np.int64], progress: Progress, indexes: Indexes) -> Candidates:
    pairs = len(job.targets) * len(rows)
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(done, pairs)

    found = Candidates.empty(len(rows), _KEEP)
    for side, at in _by_side(job.patches, rows).items():
        task, which, index = job.task(_CANDIDATES), rows[at].tolist(), indexes.get(side)
        if index is None and job.settings.search == "pyramid":
            index = index_targets(task, side)
        places = job.search(which, _CANDIDATES, report, index)
        places = settle_doubtful(task, job.settings.bands or (), which, places, index)
        found.put(at, places.first(_KEEP))
    progress(pairs, pairs)
    return found


def _by_side(patches: Pictures, rows: NDArray[np.int64]) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Positions in `rows` of the patches of each height and width."""
    groups: dict[tuple[int, int], list[int]] = {}
    for at, k in enumerate(rows.tolist()):
        groups.setdefault(patches.shape(k)[:2], []).append(at)
    return {side: np.array(group) for side, group in groups.items()}


def _result(job: Job, rows: NDArray[np.int64], found: Candidates) -> Result:
    targets = job.targets
    likelihood = log_likelihood(found)
    sure = confidence(found.score[:, 0], found.score[:, 1], job.model.trust)
    runner_up = np.where(found.target[:, 1] >= 0, targets.ids[found.target[:, 1]], -1)
    return Result(
        ids=job.patches.ids[rows],
        # Every patch is answered, be it by the first image.
        image=targets.ids[np.maximum(found.target[:, 0], 0)],
        x=found.place[:, 0, 1],
        y=found.place[:, 0, 0],
        score=likelihood[:, 0],
        runner_up_image=runner_up,
        runner_up_score=likelihood[:, 1],
        confidence=sure,
        reason=_reasons(job, rows, found, sure),
    )


def _reasons(
    job: Job, rows: NDArray[np.int64], found: Candidates, sure: NDArray[np.float32]
) -> tuple[str, ...]:
    """A reason for every answer that is in doubt, empty for the others."""
    out = [""] * len(rows)
    doubtful = np.flatnonzero(sure < IN_DOUBT)
    for n in doubtful[np.argsort(found.target[doubtful, 0], kind="stable")].tolist():
        patch, target = job.patches[int(rows[n])], int(found.target[n, 0])
        window = None
        if target >= 0:
            y, x = (int(v) for v in found.place[n, 0])
            window = job.targets.crop(target, (y, x), (patch.shape[0], patch.shape[1]))
        out[n] = reason(patch, window, job.roles, *(float(v) for v in found.score[n, :2]))
    return tuple(out)
