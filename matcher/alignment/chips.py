"""Chips of the moving scene and where the reference has them: exact correlation near the place expected."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.alignment.frame import Frame
from matcher.alignment.ties import OUTSIDE, TiePoints, tie_points
from matcher.decision.confidence import chance_level, confidence
from matcher.decision.content import content
from matcher.decision.reasons import fault, reason
from matcher.evidence import channels, templates
from matcher.imagery import Roles
from matcher.model import Model
from matcher.search.blocks import REACH
from matcher.search.candidates import APART
from matcher.search.correlation import score_maps, target_spectra
from matcher.search.peaks import combined
from matcher.search.subpixel import refine
from matcher.threads import spread

_HELD = 0.5  # share of a chip, and of the ground under it, that must hold data


@dataclass(frozen=True)
class ChipSearch:
    """How chips are sought.

    Attributes
    ----------
    side : int
        Of a chip, pixels of the search.
    radius : int
        How far from the place expected, pixels of the search.
    min_confidence : float
        Confidence from which a point is used.
    prior : float
        The share of chips expected to be there.
    roles : Roles
    evidence : tuple of str
    model : Model
    """

    side: int
    radius: int
    min_confidence: float
    prior: float
    roles: Roles
    evidence: tuple[str, ...]
    model: Model


def corners(frame: Frame, side: int, count: int) -> NDArray[np.int64]:
    """Corners of about `count` chips spread evenly over the moving scene, (n, 2), rows first, moving pixels.

    Chips lie at least half a side apart, and at the least there is one.
    """
    step = int(np.ceil(side * frame.shrink))
    rooms = [max(n - step, 0) for n in frame.moving.size]
    spacing = max(np.sqrt((rooms[0] + 1) * (rooms[1] + 1) / count), step / 2)
    lines = []
    for room in rooms:
        number = int(room / spacing) + 1
        lines.append(np.rint(np.linspace(0, room, number) if number > 1 else [room / 2]).astype(np.int64))
    return np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)


def find(frame: Frame, places: NDArray[np.int64], search: ChipSearch) -> TiePoints:
    """Tie points of chips at some corners; those in doubt have their reason."""
    rows = spread(lambda place: _find(frame, int(place[0]), int(place[1]), search), list(places))
    return tie_points(rows)


def _find(
    frame: Frame, top: int, left: int, search: ChipSearch
) -> tuple[float, float, float, float, float, float, str]:
    """One chip's row of `tie_points`."""
    half = search.side * frame.shrink / 2
    middle = np.array([[top + half, left + half]])
    lost = (*middle[0].tolist(), np.nan, np.nan, np.nan, 0.0)
    chip = frame.chip(top, left, search.side)
    if _empty(chip) > 1 - _HELD:
        return (*lost, "nodata")
    window, start = frame.window(top, left, search.side, search.radius + REACH)
    if _empty(window) == 1:
        return (*lost, OUTSIDE)
    inner = window[REACH:-REACH, REACH:-REACH]
    own = templates(chip, search.roles, search.evidence, search.model.responses)
    around = [
        c.window((REACH, REACH), inner.shape[:2]) for c in channels(window, search.roles, search.evidence)
    ]
    maps, live = next(score_maps(own, target_spectra([around], chip.shape[:2])))
    total = combined(maps[0], live[0], own)
    row, col = (int(k) for k in np.unravel_index(total.argmax(), total.shape))
    score = float(total[row, col])
    under = inner[row : row + search.side, col : col + search.side]
    if score <= 0:
        return (*lost, fault(chip, search.roles) or fault(under, search.roles) or "weak")
    if _empty(under) > 1 - _HELD:
        return (*lost, OUTSIDE)
    total[max(row - APART, 0) : row + APART + 1, max(col - APART, 0) : col + APART + 1] = 0
    runner_up = float(total.max())
    said = content(chip, search.roles)
    chance = chance_level(own)
    told = ([score], [runner_up], [said.independent], chance)
    sure = float(confidence(*told, trust=search.model.trust, prior=search.prior)[0])
    fine = refine(chip, window, (row + REACH, col + REACH), search.roles, search.evidence)
    moved = start + np.array([fine.row, fine.col])
    shift = frame.predicted(middle + frame.shrink * moved) - middle
    sigma = fine.sigma * frame.shrink
    word = ""
    if sure < search.min_confidence or not np.isfinite(sigma):
        word = reason(chip, under, search.roles, said, score, runner_up, chance)
    return (*middle[0].tolist(), *shift[0].tolist(), sigma, sure, word)


def settled(frame: Frame, points: TiePoints, search: ChipSearch) -> TiePoints:
    """Tie points that are used, found anew by windows of the reference that bend as `frame` says the ground does.

    A chip tells one shift, some mean of what the ground under it moves by, in which textured ground counts more than
    flat; by a window that bends with the ground, what is left to be told is small all over the chip. Points that show
    no peak stay as they are.
    """
    used = np.flatnonzero(points.used)
    found = spread(lambda k: _settled(frame, points.places[k], search), list(used))
    down, right, sigma = points.down.copy(), points.right.copy(), points.sigma.copy()
    for k, (shift, error) in zip(used, found, strict=True):
        if np.isfinite(error):
            down[k], right[k], sigma[k] = *shift, error
    return replace(points, down=down, right=right, sigma=sigma)


def _settled(
    frame: Frame, middle: NDArray[np.float64], search: ChipSearch
) -> tuple[NDArray[np.float64], float]:
    """The shift and standard error of one chip near where the frame has it."""
    top, left = (int(v) for v in np.rint(middle - search.side * frame.shrink / 2))  # as `corners` gave it
    chip = frame.chip(top, left, search.side)
    window, start = frame.window(top, left, search.side, REACH)
    fine = refine(chip, window, (REACH, REACH), search.roles, search.evidence)
    moved = start + np.array([fine.row, fine.col])
    there = frame.predicted(middle[np.newaxis] + frame.shrink * moved)[0]
    return there - middle, fine.sigma * frame.shrink


def _empty(dn: NDArray[np.float32]) -> float:
    """The share of pixels without data."""
    return float(np.all(dn <= 0, axis=-1).mean())
