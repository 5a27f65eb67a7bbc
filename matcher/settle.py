"""Answers that the search leaves in doubt, settled by colour: the place of highest expected score.

A patch of open water has no edge to find it by, and the best of millions of windows is noise. Its posterior is spread
over all water, and what scores best is the middle of the likeliest. With ground that shows, colour and texture level
tell which of several places that fit about alike is right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.candidates import Candidates
from matcher.colour import Colours, block, grid
from matcher.decide import Odds
from matcher.scoring.judge import OFFICIAL_RADIUS as RADIUS

# The score of a place in the right image that structure alone chose there, when it is wrong.
_ELSEWHERE = 0.6
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


def settle(found: Candidates, statistics: NDArray[np.float32], ground: Ground) -> Candidates:
    """Candidates of patches in doubt anew, the answer first.

    Parameters
    ----------
    found : Candidates
        Of these patches, best first.
    statistics : ndarray (n, 2 bands), float32
        `matcher.colour.statistics` of the patches.
    ground : Ground

    Returns
    -------
    Candidates
        The answer first, then the others as they were: the answer may score less than they do, and what colour says
        makes no answer surer. The score of an answer by colour alone is that of a place as likely.
    """
    out = Candidates.empty(len(found.target), found.target.shape[1])
    for n, own in enumerate(statistics):
        row = np.array([n])
        out.put(row, _settled(found.take(row), ground.colours.density(own), ground))
    return out


def _settled(found: Candidates, density: NDArray[np.float64], ground: Ground) -> Candidates:
    """One patch's candidates anew, its density at every window given."""
    steps = block(ground.side)
    mass = np.add.reduceat(density, ground.colours.starts[:-1]) * (steps[0] * steps[1])
    at = np.searchsorted(ground.numbers, found.target[0])
    weight = np.array([_odds(found, m, int(k), density, ground) for m, k in enumerate(at)])
    first, likeliest = int(weight.argmax()), int(mass.argmax())
    place, worth = _middle(density, likeliest, ground)
    by_structure = weight[first] + (_ELSEWHERE * mass[at[first]] if weight[first] > 0 else 0.0)
    by_colour = worth * mass[likeliest] + _ELSEWHERE * weight[at == likeliest].sum()
    if by_structure >= by_colour:
        return _answered(
            found, int(found.target[0, first]), found.place[0, first], float(found.score[0, first])
        )
    low, high = ground.colours.starts[likeliest : likeliest + 2]
    score = max((float(np.log(density[low:high].max())) - ground.odds.level) / ground.odds.slope, 0.0)
    return _answered(found, int(ground.numbers[likeliest]), place, score)


def _odds(found: Candidates, m: int, target: int, density: NDArray[np.float64], ground: Ground) -> float:
    """Odds of one candidate's place against any other pixel, by its score and its colour."""
    if found.target[0, m] < 0:
        return 0.0
    at = ground.colours.starts[target] + _window(found.place[0, m], target, ground)
    level, slope = ground.odds
    return float(np.exp(slope * min(float(found.score[0, m]), _LARGEST) + level) * density[at])


def _answered(found: Candidates, target: int, place: NDArray[np.int64], score: float) -> Candidates:
    """One patch's candidates with the answer first and other targets' after it, as they were."""
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


def _middle(density: NDArray[np.float64], target: int, ground: Ground) -> tuple[NDArray[np.int64], float]:
    """The place (y, x) of one target that scores best if the patch lies there somewhere, and what it is worth."""
    low, high = ground.colours.starts[target : target + 2]
    shape, steps = grid(ground.shape(target), ground.side), block(ground.side)
    likely = density[low:high].reshape(shape)
    reach = [min(int(RADIUS / step), of - 1) for step, of in zip(steps, shape, strict=True)]
    y, x = (np.arange(-r, r + 1) * step for r, step in zip(reach, steps, strict=True))
    cone = np.maximum(1 - np.hypot(y[:, np.newaxis], x) / RADIUS, 0)
    worth = ndimage.convolve(likely / likely.sum(), cone, mode="constant")
    row, column = np.unravel_index(worth.argmax(), shape)
    return np.array([row * steps[0], column * steps[1]]), float(0.5 + 0.5 * worth.max())
