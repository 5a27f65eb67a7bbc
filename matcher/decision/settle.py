"""Answers that the search leaves in doubt, settled by colour and mutual information.

A patch of open water has no edge to find it by, and the best of millions of windows is noise. Its posterior is spread
over all water, and what scores best is the middle of the likeliest. With ground that shows, colour and texture level
tell which of several places that fit about alike is right, and so does how much the pixels of patch and place tell of
each other (`matcher.evidence.mutual`), also where snow or crops changed the colour.

A patch lies at a candidate of the search by the candidate's odds times its density there, and at any other pixel by
its density: how much likelier it is, by its colour, to lie there than anywhere. An answer earns half for the right
image and up to half for the place, and the one that is given has the highest expected score.

Which place is likelier is told by the search's own scores, how sure the answer is by scores that the ground about each
place has weighed (`matcher.search.pyramid.exact_tiles.weigh`): beside rugged ground the noise is larger, and the true
place would fall behind one on quiet ground that fits less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from matcher.decision.colour import Colours
from matcher.decision.reasons import BLIND, fault
from matcher.evidence.colour import block, grid, statistics
from matcher.evidence.mutual import mutual_information
from matcher.model import Odds
from matcher.placements import OFFICIAL_RADIUS as RADIUS
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.exhaustive import fitting
from matcher.search.pyramid.index import Index
from matcher.search.task import Task
from matcher.threads import spread

UNSETTLED = 0.5  # an answer that is rather wrong than right is settled
_LARGEST = 300.0  # log odds beyond which no more is said: they would leave float64


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


def settle_doubtful(
    task: Task,
    which: Sequence[int],
    found: Candidates,
    weighed: Candidates,
    doubtful: NDArray[np.int64],
    index: Index | None,
) -> Candidates:
    """Candidates of patches of one size, those in doubt settled by colour.

    With other evidence than the model's odds were fitted to they are left alone.

    Parameters
    ----------
    task : Task
    which : sequence of int
        Indices of the patches.
    found : Candidates
        What the search found for them, with its own scores.
    weighed : Candidates
        The same, weighed by the ground about it; changed in place.
    doubtful : ndarray of int64
        Which of them are in doubt: rows of `found`.
    index : Index, optional
        Holds the colour of the targets' windows; without it they are made here.
    """
    if not task.model.fits(task.evidence):
        return weighed
    seen, own, flat = [], [], []
    for n in doubtful.tolist():
        patch = task.patches[which[n]]
        wrong = fault(patch, task.roles)
        if wrong not in BLIND:
            seen.append(n)
            flat.append(wrong == "flat")
            own.append(statistics(patch, (patch.shape[0], patch.shape[1]))[0, 0])
    if seen:
        ground = _ground(task, task.patches.shape(which[0])[:2], index)
        if ground.colours.known:
            rows = np.array(seen)
            some = found.take(rows)
            shared = mutual_of(task, [which[n] for n in seen], some)
            weighed.put(rows, settle(some, weighed.take(rows), shared, np.stack(own), np.array(flat), ground))
    return weighed


def mutual_of(task: Task, which: Sequence[int], found: Candidates) -> NDArray[np.float64]:
    """Mutual information of patches of one size with what lies at each of their candidates, (n, m); 0 without one."""
    out = np.zeros(found.target.shape)

    def one(n: int) -> None:
        patch = task.patches[which[n]]
        for m in np.flatnonzero(found.target[n] >= 0).tolist():
            y, x = found.place[n, m].tolist()
            window = task.targets.crop(int(found.target[n, m]), (y, x), (patch.shape[0], patch.shape[1]))
            out[n, m] = mutual_information(patch, window, task.roles)

    spread(one, range(len(which)))
    return out


def _ground(task: Task, side: tuple[int, int], index: Index | None) -> WindowedTargets:
    """The targets that a patch of `side` fits into, with the colour of their windows."""
    targets = task.targets
    numbers = np.array(fitting(targets, side))
    if index is None:
        made = [statistics(targets[k], side) for k in numbers.tolist()]
        values = np.concatenate([one.reshape(-1, one.shape[-1]) for one in made])
        starts = np.concatenate([[0], np.cumsum([one.shape[0] * one.shape[1] for one in made])])
    else:
        values, starts = index.colour, index.colour_starts
    shapes = np.array([targets.shape(k)[:2] for k in numbers.tolist()])
    colours = Colours(values, starts.astype(np.int64), task.bands, task.model.colour)
    return WindowedTargets(colours, numbers, shapes, side, task.model.odds)


def settle(
    found: Candidates,
    weighed: Candidates,
    shared: NDArray[np.float64],
    statistics: NDArray[np.float32],
    flat: NDArray[np.bool_],
    ground: WindowedTargets,
) -> Candidates:
    """New candidates of patches in doubt, the answer first.

    Parameters
    ----------
    found : Candidates
        Of these patches, best first, with the search's own scores.
    weighed : Candidates
        The same, weighed by the ground about them.
    shared : ndarray (n, m), float64
        Mutual information of each of `found` with the patch.
    statistics : ndarray (n, 2 bands), float32
        `matcher.decision.colour.statistics` of the patches.
    flat : ndarray (n,), bool
        Which of them have no texture.
    ground : WindowedTargets

    Returns
    -------
    Candidates
        The answer first, then the others as they were weighed: the answer may score less than they do, and what colour
        says makes no answer surer. An answer by colour alone scores 0.
    """
    out = Candidates.empty(*found.target.shape)
    for n, own in enumerate(statistics):
        row = np.array([n])
        level = ground.odds.flat if flat[n] else ground.odds.level
        odds = _odds(found.take(row), shared[n], ground.odds) + level
        chances = _Chances(found.take(row), np.minimum(odds, _LARGEST), ground.colours.density(own), ground)
        out.put(row, _answered(weighed.take(row), *chances.best(), ground))
    return out


def _odds(found: Candidates, shared: NDArray[np.float64], odds: Odds) -> NDArray[np.float64]:
    """Log odds of one patch's candidates but for the level, (m,).

    What all candidates together are worth is told by their scores, which of them it is also by mutual information: a
    smooth patch shares much with any place.
    """
    by_score = odds.slope * found.score[0].astype(np.float64)
    by_both = by_score + odds.mutual * shared
    there = found.target[0] >= 0
    if not there.any():
        return by_score
    logsumexp = scipy.special.logsumexp  # loaded here, since most runs have no patch in such doubt
    together: NDArray[np.float64] = by_both + logsumexp(by_score[there]) - logsumexp(by_both[there])
    return together


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
        numbers = [int(np.searchsorted(ground.numbers, t)) for t in found.target[0].tolist() if t >= 0]
        self._candidate = {k: m for m, k in enumerate(numbers)}
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

    def best(self) -> tuple[int, NDArray[np.int64], float]:
        """The answer that earns most: target, place and score; targets are looked at while they may still earn more."""
        most, answer = -1.0, (0, np.zeros(2, np.int64), 0.0)
        for k in np.argsort(-self._bound, kind="stable").tolist():
            if self._bound[k] <= most:
                break
            for earned, place, score in self._answers(k):
                if earned > most:
                    most, answer = earned, (k, place, score)
        return answer

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


def _answered(
    found: Candidates, k: int, place: NDArray[np.int64], score: float, ground: WindowedTargets
) -> Candidates:
    """One patch's weighed candidates with the answer, in target k of the ground, first, and others as they were.

    The answer's own score, 0 where colour alone tells it, holds unless the place was weighed.
    """
    target = int(ground.numbers[k])
    if score:
        score = _weighed(found, target, place, score)
    top = np.array([[np.inf]], np.float32)  # it stays the first whatever it scores
    answer = Candidates.alone(np.array([[target]]), place[np.newaxis, np.newaxis], top)
    # What the search found in the same target, and apart, is the answer's rival now.
    own = best_by_target(answer.beside(found.of(found.target[0] == target)), 1)
    own.score[:] = score
    keep = found.target.shape[1]
    others = found.of(found.target[0] != target)
    return own.beside(others).beside(Candidates.empty(1, keep)).first(keep)


def _weighed(found: Candidates, target: int, place: NDArray[np.int64], score: float) -> float:
    """The score of a place among one patch's weighed candidates; of another place at most the second's."""
    second = float(found.runner_up().score[0, 0])
    all_ = found.beside(found.rivals())
    here = (all_.target[0] == target) & (np.abs(all_.place[0] - place).max(-1) <= APART)
    return float(all_.score[0, here].max()) if here.any() else min(score, max(second, 0.0))


def _cone(place: NDArray[np.int64], shape: tuple[int, ...], ground: WindowedTargets) -> NDArray[np.float64]:
    """What each window of a grid of `shape` earns if `place` (y, x) is right: 1 there, 0 from the radius on."""
    y, x = (np.arange(n) * step - p for n, step, p in zip(shape, ground.steps, place, strict=True))
    out: NDArray[np.float64] = np.maximum(1 - np.hypot(y[:, np.newaxis], x) / RADIUS, 0)
    return out


def _cone_about(reach: list[int], ground: WindowedTargets) -> NDArray[np.float64]:
    """What windows up to `reach` rows and columns away earn if the middle one is right."""
    size = tuple(2 * r + 1 for r in reach)
    return _cone(np.multiply(reach, ground.steps), size, ground)
