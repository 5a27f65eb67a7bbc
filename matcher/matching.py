"""The match itself: from opened pictures to a `Result`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.candidates import Candidates
from matcher.decide import confidence, log_likelihood, reasons
from matcher.errors import MatcherError
from matcher.evidence import channels
from matcher.exhaustive import fits, search_everywhere
from matcher.formats import open_images, open_patches
from matcher.imagery import Pictures, Roles, resolve_bands
from matcher.kernels.fields import FLAT
from matcher.pyramid.levels import search_pyramid
from matcher.result import Result
from matcher.settings import DEFAULT_EVIDENCE, MIN_SIDE, Settings
from matcher.threads import limited

Progress = Callable[[int, int], None]
_KEEP = 2  # the answer and the runner-up
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
        If an input cannot be read, the bands do not fit, or a patch is larger than every image; the message names
        the file and the record.

    Examples
    --------
    >>> import numpy as np, matcher
    >>> image = np.random.default_rng(0).integers(200, 3000, (96, 96, 4)).astype(np.uint16)
    >>> result = matcher.match([image], [image[20:84, 10:74]])
    >>> int(result.image[0]), int(result.x[0]), int(result.y[0])
    (0, 10, 20)
    """
    settings = _with_options(settings or Settings(), options)
    targets = Pictures(open_images(images), settings.value_range)
    queries = Pictures(open_patches(patches), settings.value_range)
    roles = Roles.of(resolve_bands(targets, queries, settings))
    channels(np.zeros((_REHEARSAL, _REHEARSAL, targets.shape(0)[2]), np.float32), roles, settings.evidence)
    _check_sizes(targets, queries)
    with limited(settings.threads):
        found = _search(targets, queries, roles, settings, progress or (lambda _done, _all: None))
        flat = np.array([flat_share(dn) for dn in queries])
    return _result(targets, queries, found, flat)


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


def _search(
    targets: Pictures, patches: Pictures, roles: Roles, settings: Settings, progress: Progress
) -> Candidates:
    pairs = len(targets) * len(patches)
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(done, pairs)

    found = Candidates.empty(len(patches), _KEEP)
    for which in _by_shape(patches):
        if settings.search == "exhaustive":
            part = search_everywhere(
                targets, patches, which, roles, settings.evidence, _KEEP, settings.memory // 2, report
            )
        else:
            exact = settings.evidence != DEFAULT_EVIDENCE
            part = search_pyramid(
                targets, patches, which, roles, settings.evidence, _KEEP, exact, settings.effort, report
            )
        found.put(np.array(which), part)
    progress(pairs, pairs)
    return found


def _by_shape(patches: Pictures) -> Iterable[list[int]]:
    """Indices of the patches of each shape."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for k in range(len(patches)):
        groups.setdefault(patches.shape(k), []).append(k)
    return groups.values()


def flat_share(dn: NDArray[np.float32]) -> float:
    """Share of a picture's pixels without a gradient in any band, from 0 to 1."""
    step = np.abs(np.diff(dn, axis=0))[:, :-1] + np.abs(np.diff(dn, axis=1))[:-1]
    return float((step.max(-1) <= FLAT).mean())


def _result(targets: Pictures, patches: Pictures, found: Candidates, flat: NDArray[np.floating]) -> Result:
    likelihood = log_likelihood(found)
    sure = confidence(found.score[:, 0], found.score[:, 1])
    runner_up = np.where(found.target[:, 1] >= 0, targets.ids[found.target[:, 1]], -1)
    return Result(
        ids=patches.ids,
        image=targets.ids[found.target[:, 0]],
        x=found.place[:, 0, 1],
        y=found.place[:, 0, 0],
        score=likelihood[:, 0],
        runner_up_image=runner_up,
        runner_up_score=likelihood[:, 1],
        confidence=sure,
        reason=reasons(found.score[:, 0], sure, flat),
    )
