"""The answers of a match as places: to a fraction of a pixel, and on Earth where the images say where they lie."""

import math

import numpy as np
from affine import Affine

from matcher.formats.base import Source
from matcher.formats.raster import Raster, RasterSource
from matcher.geo.place import Place
from matcher.matching.job import Job
from matcher.result import Result
from matcher.search.blocks import REACH
from matcher.search.subpixel import refine

_NOWHERE = Affine.translation(math.nan, math.nan)


def find_places(job: Job, result: Result) -> list[Place]:
    """Where the patches of a match lie.

    Parameters
    ----------
    job : Job
        What was matched.
    result : Result
        Its answers, or some of them.

    Returns
    -------
    list of Place
        One a row, in the order of the result; of rank 0 where it was refused or is a placeholder. Rasters are called
        by their files, other pictures by their ids.

    Raises
    ------
    MatcherError
        If a picture cannot be read.
    """
    patch_at = {k: n for n, k in enumerate(job.patches.ids.tolist())}
    image_at = {k: n for n, k in enumerate(job.targets.ids.tolist())}
    out: list[Place | None] = [None] * len(result)
    for n in np.argsort(result.image, kind="stable").tolist():  # neighbours of one image are read together
        patch = patch_at.get(int(result.ids[n]))
        if patch is None or result.refused[n]:
            out[n] = _refused(job, result, n, patch)
        else:
            out[n] = _place(job, result, n, patch, image_at[int(result.image[n])])
    return [place for place in out if place is not None]


def _place(job: Job, result: Result, n: int, patch: int, image: int) -> Place:
    row, col = _refined(job, patch, image, (int(result.y[n]), int(result.x[n])))
    raster = _raster(job.targets.source, image)
    height, width, _ = job.patches.shape(patch)
    return Place(
        chip=_name(job.patches.source, patch),
        rank=1,
        scene=_name(job.targets.source, image),
        row=row,
        col=col,
        affine=Affine.translation(col, row),
        size=(height, width),
        georef=None if raster is None else raster.georef,
        scale=1.0,
        rotation=0.0,
        score=float(result.score[n]),
        confidence=float(result.confidence[n]),
        reason=result.reason[n],
        chip_id=int(result.ids[n]),
        scene_id=int(result.image[n]),
    )


def _refused(job: Job, result: Result, n: int, patch: int | None) -> Place:
    name = str(result.ids[n]) if patch is None else _name(job.patches.source, patch)
    height, width, _ = (0, 0, 0) if patch is None else job.patches.shape(patch)
    sure, reason = float(result.confidence[n]), result.reason[n]
    return Place(
        name, 0, "", math.nan, math.nan, _NOWHERE, (height, width), None, 1.0, 0.0, math.nan, sure, reason,
        chip_id=int(result.ids[n]),
    )  # fmt: skip


def _refined(job: Job, patch: int, image: int, answer: tuple[int, int]) -> tuple[float, float]:
    """An answer's row and column to a fraction of a pixel."""
    own = job.patches[patch]
    high, wide, _ = job.targets.shape(image)
    top, left = (max(a - REACH, 0) for a in answer)
    bottom, right = min(answer[0] + len(own) + REACH, high), min(answer[1] + own.shape[1] + REACH, wide)
    window = job.targets.crop(image, (top, left), (bottom - top, right - left))
    found = refine(own, window, (answer[0] - top, answer[1] - left), job.roles, job.settings.evidence)
    return found.row + top, found.col + left


def _raster(source: Source, index: int) -> Raster | None:
    return source.rasters[index] if isinstance(source, RasterSource) else None


def _name(source: Source, index: int) -> str:
    raster = _raster(source, index)
    return str(source.ids[index]) if raster is None else raster.name
