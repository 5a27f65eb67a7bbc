"""Small turns and scales of a chip that was found, which neither its file nor a rotation that was tried says.

A chip turned by a few degrees is found by the part of it that lies on its ground, and its corners lie off by pixels.
Here its own ground says how it lies. It is laid anew only where that is sure, moves a corner by half a pixel and more,
and fits better, so that chips which lie straight stay where they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from matcher.decision.reasons import IN_DOUBT
from matcher.evidence import Channel, channels, templates
from matcher.geo.resample import shrunk
from matcher.locating.hits import Hit, apart, ground_about, ordered
from matcher.locating.plan import LocatePlan
from matcher.locating.weighing import Weighed, in_order, piece_of
from matcher.search.correlation import target_spectra
from matcher.search.exhaustive import patch_peaks
from matcher.search.pose import Matrix, Pose, Settled, settle
from matcher.search.pyramid.exact_tiles import MARGIN, WIDE
from matcher.search.votes import propose, reach

_LEAST, _SURE = 0.5, 4.0  # px that turn and scale must move a corner, and times the standard error of that
_FEW = 4  # steps to the pose of a chip that lies straight
_STRAIGHT = 1.0  # px that a corner surely does not lie off, from which nothing else is looked for
_NEAR = 2.0  # px from the pose at which the whole chip must fit best
_TRIED = 2  # places that are looked at of a chip in doubt


def turned(planned: LocatePlan, best: Weighed) -> Weighed:
    """A chip's hits, those that lie turned or scaled laid as they do: the first, and of a chip in doubt some more."""
    if not best.hits:
        return best
    clear = best.sure >= IN_DOUBT
    some = apart(planned.scenes, best.hits)[: 1 if clear else _TRIED]
    laid = [_laid_anew(planned, hit, clear) for hit in some]
    if not any(laid):
        return best
    straight = [hit for hit, anew in zip(some, laid, strict=True) if anew]
    rest = [hit for hit in best.hits if all(hit is not one for one in straight)]
    return in_order(planned, ordered([*(hit for anew in laid for hit in anew), *rest]))


def chip_to_scene(hit: Hit, pose: Pose) -> Affine:
    """Column and row in the chip to column and row in the scene, of a hit that lies by a pose."""
    (down, across), (height, width) = hit.search.tiles.shrink, hit.search.tiles.side
    (e, d), (b, a) = pose.matrix.tolist()
    row, col = pose.middle.tolist()
    scale = Affine.scale(across, down)
    laid = Affine(a, b, col, d, e, row) @ Affine.translation(-width / 2, -height / 2)
    return scale @ laid @ ~scale @ hit.variant.affine(0, 0)


def _laid_anew(planned: LocatePlan, hit: Hit, clear: bool) -> list[Hit]:
    """The hit as its ground says that it lies, and the best other place about it; none where it lies straight.

    One that is `clear` is thought to lie straight; one in doubt to be somewhere else.
    """
    ground = _ground(hit, reach(hit.search.tiles.side) + WIDE + MARGIN)
    made = _settled(hit, ground, _square(planned, hit), clear)
    if made is None or made.far < max(_LEAST, _SURE * made.sigma):
        return []
    job = hit.job
    own = templates(job.patches[hit.row_of], job.roles, job.settings.evidence, job.model.responses)
    laid, off = _judged(hit, own, ground, made.pose)
    straight, _ = _judged(hit, own, ground, Pose(made.pose.middle, np.eye(2)))
    if off > _NEAR or laid[0].score <= straight[0].score:
        return []
    return [replace(laid[0], pose=made.pose), *(other for other in laid[1:] if other.score > 0)]


@dataclass(frozen=True)
class _Ground:
    """DN of a hit's surroundings in the search, 0 beyond the scene, and the row and column of the first pixel."""

    dn: NDArray[np.float32]
    corner: tuple[int, int]

    def about(self, hit: Hit, rim: int) -> NDArray[np.float32]:
        """The hit's window and `rim` px on each side."""
        top, left = hit.row - rim - self.corner[0], hit.col - rim - self.corner[1]
        height, width = hit.search.tiles.side
        return np.ascontiguousarray(self.dn[top : top + height + 2 * rim, left : left + width + 2 * rim])


def _ground(hit: Hit, rim: int) -> _Ground:
    side, corner = hit.search.tiles.side, (hit.row - rim, hit.col - rim)
    seen, (top, left) = ground_about(hit, rim)
    dn = np.zeros((side[0] + 2 * rim, side[1] + 2 * rim, seen.shape[2]), np.float32)
    down, across = top - corner[0], left - corner[1]
    dn[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
    return _Ground(dn, corner)


def _square(planned: LocatePlan, hit: Hit) -> Matrix:
    """Pixels of the search, rows first, to square ones: the ground's where the scene says, else the chip's."""
    georef = planned.scenes.rasters[hit.scene].georef
    if georef is None:
        linear = np.linalg.inv(np.reshape(hit.variant.linear, (2, 2)))
    else:
        linear = np.asarray(georef.ground(), np.float64)
    return np.asarray(linear[:, ::-1] @ np.diag(hit.search.tiles.shrink), np.float64)


def _settled(hit: Hit, ground: _Ground, square: Matrix, clear: bool) -> Settled | None:
    """How the hit lies, by its ground; None where its ground is not there."""
    job, side = hit.job, hit.search.tiles.side
    patch, compared = job.patches[hit.row_of], (job.roles, job.settings.evidence)
    begin = Pose.straight(hit.row, hit.col, side)
    if clear:
        straight = settle(patch, ground.dn, ground.corner, begin, square, *compared, _FEW)
        if straight is not None and straight.far + _SURE * straight.sigma < _STRAIGHT:
            return straight
    rim = reach(side)
    found = propose(patch, ground.about(hit, rim), rim, square, *compared, job.model.responses)
    if found is None:
        return None
    return settle(patch, ground.dn, ground.corner, begin.moved(*found), square, *compared)


def _judged(hit: Hit, own: Sequence[Channel], ground: _Ground, pose: Pose) -> tuple[list[Hit], float]:
    """The best place of the hit laid by a pose, and the best other one about it, by the noise of the ground there.

    And how many pixels the best lies off the pose. `own` are the chip's templates.
    """
    job, tiles = hit.job, hit.search.tiles
    height, width = tiles.side
    around = pose.seen(ground.dn, ground.corner, tiles.side, WIDE + MARGIN)
    size = height + 2 * WIDE, width + 2 * WIDE
    fields = [c.window((MARGIN, MARGIN), size) for c in channels(around, job.roles, job.settings.evidence)]
    score, place = patch_peaks(own, target_spectra([fields], tiles.side))
    last = np.subtract(shrunk(tiles.scenes.shape(hit.scene), tiles.shrink), tiles.side)
    out = []
    for value, at in zip(score[0].tolist(), place[0], strict=True):
        middle = pose.middle + pose.matrix @ (at - WIDE)
        row, col = np.clip(np.rint(middle - (height / 2, width / 2)), 0, last).astype(int).tolist()
        piece = piece_of(tiles, hit.scene, row, col)
        out.append(replace(hit, pose=Pose(middle, pose.matrix), row=row, col=col, piece=piece, score=value))
    return out, float(np.abs(place[0, 0] - WIDE).max())
