"""The levels that look at every pixel: of all targets where they are few, else of those that promise most."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.search.candidates import Candidates
from matcher.search.exhaustive import held_bytes, search_everywhere
from matcher.search.pyramid.exact_tiles import judge_exactly
from matcher.search.pyramid.hunt import Hunt, Patches
from matcher.search.pyramid.level import DOUBTFUL_BLOCK, Doubt, Level, merged
from matcher.search.pyramid.maps import spectra_bytes
from matcher.search.pyramid.sweep import LEAST, SMALL, SPECTRA_SHARE, sweep, worth
from matcher.search.task import Task

_LIKEST_SHARE = 1 / 4  # of the memory, for the likest targets' fields and spectra
_TARGET_KEYS = 6  # keys that take as much as a patch and target here: distance, order, share before it, marks


@dataclass(frozen=True)
class Everywhere(Level):
    """Every pixel of every target by the exact engine, where targets are few.

    The sweep adds kinds of evidence before it takes a map's maximum, where the exact engine adds squares of what each
    kind finds above noise. At 64 px the sweep loses a place in four hundred by that, most of them under cloud, and one
    in a hundred at 32 px, a quarter of the pixels. It takes a quarter of the time.
    """

    doubt: Doubt
    pixels: float  # of all targets together, in which patches of any size are sought …
    small_pixels: float  # … and in which those of at most `SMALL` px a side are
    name: str = "everywhere"

    def sees(self, side: tuple[int, int], pixels: float, effort: float) -> bool:
        """Whether so many pixels of targets are few for patches of `side` (height, width)."""
        return pixels <= (self.small_pixels if max(side) <= SMALL else self.pixels) * effort

    def sees_in(self, hunt: Hunt) -> bool:
        """Whether it sees the patches of a search."""
        pixels = float(hunt.index.shapes.prod(1).sum())
        return self.sees(hunt.index.plan.whole, pixels, hunt.task.effort)

    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """Those in doubt, among few targets."""
        return self.doubt.rows(hunt.found) if self.sees_in(hunt) else np.arange(0)

    def together(self, hunt: Hunt) -> int:
        """A block."""
        return hunt.block(DOUBTFUL_BLOCK)

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:  # noqa: ARG002
        """The best places anywhere."""
        task = replace(hunt.task, keep=hunt.found.target.shape[1])
        which = [hunt.which[k] for k in rows.tolist()]
        return search_everywhere(task, which, lambda _pairs: None)


@dataclass(frozen=True)
class AmongMany(Level):
    """A level of those in doubt where targets are too many to be looked at everywhere."""

    doubt: Doubt
    unless: Everywhere  # sees them: it finds whatever this level does

    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """Those in doubt, among many targets."""
        return np.arange(0) if self.unless.sees_in(hunt) else self.doubt.rows(hunt.found)


@dataclass(frozen=True)
class Sweep(AmongMany):
    """Every pixel of the most promising targets, by one transform a pair; the best places by the exact engine."""

    name: str = "sweep"

    def together(self, hunt: Hunt) -> int:
        """As many as their spectra allow."""
        index = hunt.index
        each = spectra_bytes(index.shapes.tolist(), index.plan.side, len(index.channel))
        return max(1, min(hunt.block(DOUBTFUL_BLOCK), int(hunt.task.memory * SPECTRA_SHARE) // each))

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:
        """The best of what is seen and of what was known."""
        which = [hunt.which[k] for k in rows.tolist()]
        distances = hunt.distances(rows, patches)
        seen = hunt.placed(sweep(hunt.task, hunt.index, distances, which, patches))
        return merged(hunt.found.take(rows), judge_exactly(patches, seen, hunt.task))


@dataclass(frozen=True)
class Likest(AmongMany):
    """Every pixel of the few targets that colour and texture level make likeliest by far, by the exact engine.

    What shows between clouds may say a little by every kind of evidence and stand out by none, or by none of the signs
    that the sweep adds up. Where colour tells few targets from all others, these are worth the exact engine's time.
    """

    pixels: float  # of a patch's targets together, at most: none of larger ones
    apart: float  # a target is as like as the likest where its squared distance is greater by less …
    share: float  # … and colour says little where more of all targets' pixels than this lie in such targets
    name: str = "likest"

    def together(self, hunt: Hunt) -> int:
        """As many as what is known of all targets allows: with many, it takes more than the patches."""
        return min(hunt.block(DOUBTFUL_BLOCK), hunt.keys(_TARGET_KEYS * len(hunt.index)))

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:
        """The best places there and of what was known."""
        wanted = np.zeros((len(rows), len(hunt.task.targets)), bool)
        wanted[:, hunt.numbers] = self.wanted(hunt, rows, patches)
        task = replace(self._part(hunt.task), keep=hunt.found.target.shape[1])
        which = [hunt.which[k] for k in rows.tolist()]
        return merged(hunt.found.take(rows), search_everywhere(task, which, lambda _pairs: None, wanted))

    def wanted(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> NDArray[np.bool_]:
        """In which targets of the index some patches are sought, (k, targets); of water and cloud in none."""
        distances, area = hunt.distances(rows, patches), hunt.index.shapes.prod(1)
        total = float(area.sum())
        wanted = hunt.promise.before(distances) * total + area <= self.pixels * hunt.task.effort
        like = (distances <= distances.min(1, keepdims=True) + self.apart) @ area
        wanted[like > self.share * total] = False
        wanted[[worth(dn, hunt.task.roles) <= LEAST for dn in patches]] = False
        return wanted

    def held_bytes(self, task: Task, side: tuple[int, int], count: int, threads: int) -> int:
        """The most that it holds for `count` patches of `side` (height, width), bytes."""
        return held_bytes(self._part(task), side, count, threads, self.pixels * task.effort)

    def _part(self, task: Task) -> Task:
        """A task with its share of the memory: the codes of all targets are held beside what it makes."""
        return replace(task, memory=int(task.memory * _LIKEST_SHARE))
