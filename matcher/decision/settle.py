"""Answers that the search leaves in doubt, settled by colour: the place of highest expected score.

A patch of open water has no edge to find it by, and the best of millions of windows is noise. Its posterior is spread
over all water, and what scores best is the middle of the likeliest. With ground that shows, colour and texture level
tell which of several places that fit about alike is right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.decision.colour import Colours
from matcher.decision.confidence import Odds
from matcher.evidence.colour import block, grid
from matcher.placements import OFFICIAL_RADIUS as RADIUS
from matcher.search.candidates import Candidates

_LARGEST = 500.0  # a score beyond says no more: its odds would leave float64


@dataclass(frozen=True)
class Ground:
    """Targets as `settle` sees them.

    Attributes
    ----------
    colours : Colours
    numbers : ndarray of int64, (targets,)
        Their numbers among all targets; those of `colours`, in order.
    shapes : ndarray of int64, (targets, 2)
        Heights and widths.
    side : (int, int)
        Height and width of the patches.
    odds : Odds
        Of a place, from its score.
    """

    colours: Colours
    numbers: NDArray[np.int64]
    shapes: NDArray[np.int64]
    side: tuple[int, int]
    odds: Odds

    def shape(self, target: int) -> tuple[int, int]:
        """Height and width of one of these targets."""
        height, width = self.shapes[target].tolist()
        return height, width


def settle(
    found: Candidates, statistics: NDArray[np.float32], flat: NDArray[np.bool_], ground: Ground
) -> Candidates:
    """Candidates of patches in doubt anew, the answer first.

    Parameters
    ----------
    found : Candidates
        Of these patches, best first.
    statistics : ndarray (n, 2 bands), float32
        `matcher.evidence.colour.statistics` of the patches.
    flat : ndarray (n,), bool
        Which of them have no texture.
    ground : Ground

    Returns
    -------
    Candidates
        The answer first, then the others as they were: the answer may score less than they do, and what colour says
        makes no answer surer. An answer by colour alone scores 0.
    """
    out = Candidates.empty(len(found.target), found.target.shape[1])
    for n, own in enumerate(statistics):
        row = np.array([n])
        level = ground.odds.flat if flat[n] else ground.odds.level
        out.put(row, _settled(found.take(row), ground.colours.density(own), level, ground))
    return out


def _settled(found: Candidates, density: NDArray[np.float64], level: float, ground: Ground) -> Candidates:
    """One patch's candidates anew, its density at every window and the level of its odds given.

    The patch lies at a candidate by its odds times its density there, at any other pixel by its density. An answer
    earns half for the image and up to half for the place.
    """
    steps, starts = block(ground.side), ground.colours.starts[:-1]
    mass = np.add.reduceat(density, starts) * (steps[0] * steps[1])
    candidate = {
        int(np.searchsorted(ground.numbers, target)): m
        for m, target in enumerate(found.target[0].tolist())
        if target >= 0
    }
    weight = np.zeros(len(mass))
    for k, m in candidate.items():
        weight[k] = _odds(found, m, k, density, level, ground)
    total = mass + weight
    # No window has more about it than if all were as likely as the likeliest.
    pixels = float(_about([int(RADIUS / step) for step in steps], ground).sum()) * steps[0] * steps[1]
    most = np.minimum(mass, np.maximum.reduceat(density, starts) * pixels)
    bound = (total + weight + most) / 2
    best, answer = -1.0, found
    for k in np.argsort(-bound, kind="stable").tolist():
        if bound[k] <= best:
            break
        near = _near(density, k, ground)
        if k in candidate:
            place, score = found.place[0, candidate[k]], float(found.score[0, candidate[k]])
            earned = (total[k] + weight[k] + near.flat[_window(place, k, ground)]) / 2
            if earned > best:
                best, answer = earned, _answered(found, k, place, score, ground)
            near += weight[k] * _cone(place, near.shape, ground)
        row, column = np.unravel_index(near.argmax(), near.shape)
        earned = (total[k] + near[row, column]) / 2
        if earned > best:
            place = np.array([row * steps[0], column * steps[1]])
            best, answer = earned, _answered(found, k, place, 0.0, ground)
    return answer


def _odds(
    found: Candidates, m: int, target: int, density: NDArray[np.float64], level: float, ground: Ground
) -> float:
    """Odds of one candidate's place against any other pixel, by its score and its colour."""
    at = ground.colours.starts[target] + _window(found.place[0, m], target, ground)
    return float(np.exp(ground.odds.slope * min(float(found.score[0, m]), _LARGEST) + level) * density[at])


def _answered(
    found: Candidates, k: int, place: NDArray[np.int64], score: float, ground: Ground
) -> Candidates:
    """One patch's candidates with the answer, in target k of the ground, first and other targets' as they were."""
    target = int(ground.numbers[k])
    out = Candidates.empty(1, found.target.shape[1])
    out.target[0, 0], out.place[0, 0], out.score[0, 0] = target, place, score
    rest = np.flatnonzero((found.target[0] >= 0) & (found.target[0] != target))[: out.target.shape[1] - 1]
    for name in ("target", "place", "score"):
        getattr(out, name)[0, 1 : 1 + len(rest)] = getattr(found, name)[0, rest]
    return out


def _window(place: NDArray[np.int64], target: int, ground: Ground) -> int:
    """Which of a target's windows is nearest a place (y, x)."""
    rows, columns = grid(ground.shape(target), ground.side)
    row, column = (int(p / step + 0.5) for p, step in zip(place, block(ground.side), strict=True))
    return min(row, rows - 1) * columns + min(column, columns - 1)


def _near(density: NDArray[np.float64], target: int, ground: Ground) -> NDArray[np.float64]:
    """By window of one target: the density of its pixels, each weighed by what the window earns if it is the place."""
    low, high = ground.colours.starts[target : target + 2]
    shape, steps = grid(ground.shape(target), ground.side), block(ground.side)
    likely = density[low:high].reshape(shape) * (steps[0] * steps[1])
    reach = [min(int(RADIUS / step), of - 1) for step, of in zip(steps, shape, strict=True)]
    out: NDArray[np.float64] = ndimage.convolve(likely, _about(reach, ground), mode="constant")
    return out


def _cone(place: NDArray[np.int64], shape: tuple[int, ...], ground: Ground) -> NDArray[np.float64]:
    """What each window of a grid of `shape` earns if `place` (y, x) is right: 1 there, 0 from the radius on."""
    y, x = (np.arange(n) * step - p for n, step, p in zip(shape, block(ground.side), place, strict=True))
    out: NDArray[np.float64] = np.maximum(1 - np.hypot(y[:, np.newaxis], x) / RADIUS, 0)
    return out


def _about(reach: list[int], ground: Ground) -> NDArray[np.float64]:
    """What windows up to `reach` rows and columns away earn if the middle one is right."""
    size = tuple(2 * r + 1 for r in reach)
    return _cone(np.multiply(reach, block(ground.side)), size, ground)
