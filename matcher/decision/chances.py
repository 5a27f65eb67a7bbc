"""Where a patch in doubt may lie, by the odds of its candidates and by colour, and what each answer may earn.

Of targets in parts (`matcher.search.pyramid.divided`) each part tells its best answers, which are looked at together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.decision.colour import Colours
from matcher.evidence.colour import block, grid, statistics
from matcher.model import Odds
from matcher.placements import OFFICIAL_RADIUS as RADIUS
from matcher.search.candidates import Candidates
from matcher.search.exhaustive import fitting
from matcher.search.pyramid.divided import Divided
from matcher.search.pyramid.index import Index, Layout
from matcher.search.pyramid.parts import Part
from matcher.search.task import Task
from matcher.threads import spread

# The target's number among all, the place (y, x), and the candidate's score or, where colour alone tells it, 0.
Answer = tuple[int, NDArray[np.int64], float]


class Improvement(NamedTuple):
    """An answer that earns more than those before it, and the most that any answer in its target may earn."""

    bound: float
    earned: float
    answer: Answer


class DoubtGround(Protocol):
    """Targets in which doubt is settled."""

    @property
    def odds(self) -> Odds:
        """Of a place, from its score and its mutual information."""

    def answers(
        self, found: Candidates, odds: NDArray[np.float64], statistics: NDArray[np.float32]
    ) -> list[Answer]:
        """The answer of each patch that is expected to earn most.

        Parameters
        ----------
        found : Candidates
            Of these patches.
        odds : ndarray (n, m), float64
            Their log odds.
        statistics : ndarray (n, 2 bands), float32
            `matcher.evidence.colour.statistics` of the patches.
        """


@dataclass(frozen=True)
class WindowedTargets:
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
        Of a place, from its score and its mutual information.
    """

    colours: Colours
    numbers: NDArray[np.int64]
    shapes: NDArray[np.int64]
    side: tuple[int, int]
    odds: Odds

    @property
    def steps(self) -> tuple[int, int]:
        """Rows and columns, pixels, from one window to the next."""
        return block(self.side)

    def grid(self, target: int) -> tuple[int, int]:
        """Rows and columns of one target's windows."""
        height, width = self.shapes[target].tolist()
        return grid((height, width), self.side)

    def window(self, place: NDArray[np.int64], target: int) -> int:
        """Which of a target's windows is nearest a place (y, x)."""
        rows, columns = self.grid(target)
        row, column = (int(p / step + 0.5) for p, step in zip(place, self.steps, strict=True))
        return min(row, rows - 1) * columns + min(column, columns - 1)

    def improvements(
        self, found: Candidates, odds: NDArray[np.float64], statistics: NDArray[np.float32]
    ) -> list[list["Improvement"]]:
        """For each patch in doubt: the answers that earn more than all before them, targets in order of their bounds.

        Candidates in other targets are passed over.
        """
        own = np.isin(found.target, self.numbers)
        found = replace(found, target=np.where(own, found.target, -1))

        def one(n: int) -> list[Improvement]:
            density = self.colours.density(statistics[n])
            return _Chances(found.take(np.array([n])), odds[n], density, self).improvements()

        return spread(one, range(len(statistics)))

    def answers(
        self, found: Candidates, odds: NDArray[np.float64], statistics: NDArray[np.float32]
    ) -> list[Answer]:
        """As `DoubtGround` tells."""
        return [best_improvement([one]) for one in self.improvements(found, odds, statistics)]


class _Chances:
    """Where one patch may lie: `found` its candidates and their log odds (m,), its density at every window."""

    def __init__(
        self,
        found: Candidates,
        odds: NDArray[np.float64],
        density: NDArray[np.float64],
        ground: WindowedTargets,
    ) -> None:
        self._found, self._density, self._ground = found, density, ground
        starts, area = ground.colours.starts[:-1], ground.steps[0] * ground.steps[1]
        there = [(m, t) for m, t in enumerate(found.target[0].tolist()) if t >= 0]
        self._candidate = {int(np.searchsorted(ground.numbers, t)): m for m, t in there}
        self._weight = np.zeros(len(starts))  # of the candidates, by target
        for k, m in self._candidate.items():
            at = ground.colours.starts[k] + ground.window(found.place[0, m], k)
            self._weight[k] = np.exp(odds[m]) * density[at]
        mass = np.add.reduceat(density, starts) * area
        self._total = mass + self._weight
        # No window has more about it than if all were as likely as the likeliest.
        about = _cone_about([int(RADIUS / step) for step in ground.steps], ground).sum() * area
        near = np.minimum(mass, np.maximum.reduceat(density, starts) * float(about))
        self._bound = (self._total + self._weight + near) / 2

    def improvements(self) -> list[Improvement]:
        """The answers that earn more than all before them; targets are looked at while they may still earn more."""
        most, out = -1.0, []
        for k in np.argsort(-self._bound, kind="stable").tolist():
            if self._bound[k] <= most:
                break
            for earned, place, score in self._answers(k):
                if earned > most:
                    most = earned
                    target = int(self._ground.numbers[k])
                    out.append(Improvement(float(self._bound[k]), earned, (target, place, score)))
        return out

    def _answers(self, k: int) -> Iterator[tuple[float, NDArray[np.int64], float]]:
        """What may be answered in one target, and what it earns: its candidate, and its best window."""
        ground = self._ground
        near = self._near(k)
        if k in self._candidate:
            m = self._candidate[k]
            place = self._found.place[0, m]
            earned = self._total[k] + self._weight[k] + near.flat[ground.window(place, k)]
            yield earned / 2, place, float(self._found.score[0, m])
            near += self._weight[k] * _cone(place, near.shape, ground)
        row, column = np.unravel_index(near.argmax(), near.shape)
        place = np.array([row * ground.steps[0], column * ground.steps[1]])
        yield (self._total[k] + near[row, column]) / 2, place, 0.0

    def _near(self, target: int) -> NDArray[np.float64]:
        """By window of one target: the density of its pixels, each weighed by what the window earns if it is there."""
        ground = self._ground
        low, high = ground.colours.starts[target : target + 2]
        shape, steps = ground.grid(target), ground.steps
        likely = self._density[low:high].reshape(shape) * (steps[0] * steps[1])
        reach = [min(int(RADIUS / step), of - 1) for step, of in zip(steps, shape, strict=True)]
        from scipy import ndimage  # takes a third of a second to load, and most patches are in no doubt

        out: NDArray[np.float64] = ndimage.convolve(likely, _cone_about(reach, ground), mode="constant")
        return out


def best_improvement(parts: Sequence[Sequence[Improvement]]) -> Answer:
    """The answer that earns most, as if the targets of all parts had been looked at in one order."""
    most, last, best = -1.0, -1, (0, np.zeros(2, np.int64), 0.0)
    for one in sorted(
        (r for improvements in parts for r in improvements), key=lambda r: (-r.bound, r.answer[0])
    ):
        if one.answer[0] != last and one.bound <= most:
            break
        last = one.answer[0]
        if one.earned > most:
            most, best = one.earned, one.answer
    return best


@singledispatch
def ground_of(index: Layout | None, task: Task, side: tuple[int, int]) -> DoubtGround:
    """The targets that a patch of `side` fits into, with the colour of their windows."""
    targets = task.targets
    numbers = np.array(fitting(targets, side))
    if index is None:
        made = [statistics(targets[k], side) for k in numbers.tolist()]
        values = np.concatenate([one.reshape(-1, one.shape[-1]) for one in made])
        starts = np.concatenate([[0], np.cumsum([one.shape[0] * one.shape[1] for one in made])])
    else:
        assert isinstance(index, Index)
        values, starts = index.colour, index.colour_starts
    return _windowed(task, values, starts, numbers, side)


def _windowed(
    task: Task,
    values: NDArray[np.float32],
    starts: NDArray[np.int64],
    numbers: NDArray[np.int64],
    side: tuple[int, int],
) -> WindowedTargets:
    shapes = np.array([task.targets.shape(k)[:2] for k in numbers.tolist()])
    colours = Colours(values, starts.astype(np.int64), task.bands, task.model.colour)
    return WindowedTargets(colours, numbers, shapes, side, task.model.odds)


@dataclass(frozen=True)
class DividedTargets:
    """Targets whose windows' colour others hold."""

    index: Divided
    odds: Odds

    def answers(
        self, found: Candidates, odds: NDArray[np.float64], statistics: NDArray[np.float32]
    ) -> list[Answer]:
        """As `DoubtGround` tells."""
        said = self.index.ask_all(_improvements, found, odds, statistics)
        return [best_improvement(parts) for parts in zip(*(said[p] for p in sorted(said)), strict=True)]


@ground_of.register
def _(index: Divided, task: Task, _side: tuple[int, int]) -> DoubtGround:
    return DividedTargets(index, task.model.odds)


def _improvements(
    part: Part, found: Candidates, odds: NDArray[np.float64], statistics: NDArray[np.float32]
) -> list[list[Improvement]]:
    index = part.index
    ground = _windowed(part.task, index.colour, index.colour_starts, part.numbers, index.plan.whole)
    return ground.improvements(found, odds, statistics)


def _cone(place: NDArray[np.int64], shape: tuple[int, ...], ground: WindowedTargets) -> NDArray[np.float64]:
    """What each window of a grid of `shape` earns if `place` (y, x) is right: 1 there, 0 from the radius on."""
    y, x = (np.arange(n) * step - p for n, step, p in zip(shape, ground.steps, place, strict=True))
    out: NDArray[np.float64] = np.maximum(1 - np.hypot(y[:, np.newaxis], x) / RADIUS, 0)
    return out


def _cone_about(reach: list[int], ground: WindowedTargets) -> NDArray[np.float64]:
    """What windows up to `reach` rows and columns away earn if the middle one is right."""
    size = tuple(2 * r + 1 for r in reach)
    return _cone(np.multiply(reach, ground.steps), size, ground)
