"""The levels of the cascade: whom each sees, what it does, and how many patches it takes together.

Every patch gets the cheap first level, the doubtful ones more. Scores of one-bit codes and of the exact engine are both
sums of squared deviations above noise, so that one rule says what is in doubt after any of them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.search.candidates import Candidates
from matcher.search.pyramid.every_pixel import Everywhere, Likest, Sweep
from matcher.search.pyramid.exact_tiles import CONVINCING, LEAD, in_doubt, judge_exactly, tile_bytes
from matcher.search.pyramid.hunt import Hunt, Patches
from matcher.search.pyramid.level import DOUBTFUL_BLOCK, Doubt, Level, merged
from matcher.search.pyramid.proposals import propose_coarse, propose_middle
from matcher.search.pyramid.sweep import LEAST, SMALL, SMALL_TOP, TOP, worth
from matcher.search.task import Task

WIDE_DEPTH = 2048  # chunks of every second coarse place beside whose best the others are tried
DEPTH = 128  # coarse places that are refined
MIDDLE_DEPTH = 1024  # columns of middle places whose best is refined
FINAL = 6  # targets kept a patch, which the exact engine judges where it is in doubt
BLOCK = 1024  # patches coded and searched together

# Hardly any wrong place scores 60, and hardly any leads the best other target by 2.5 after the coarse level: chance
# goes far with many places. After the middle level 1.6 will do, since the true place is seldom missing among its best.
AFTER_COARSE = Doubt(60.0, 2.5)
AFTER_MIDDLE = Doubt(60.0, 1.6)
AFTER_EXACT = Doubt(CONVINCING, LEAD)
AFTER_SWEEP = Doubt(60.0, 0.0)  # what chance reaches, whatever its lead


@dataclass(frozen=True)
class Coarse(Level):
    """Pooled codes at every few pixels; the best places of the best chunks are refined by the fine codes."""

    wide: int  # chunks of every second place
    depth: int  # places
    name: str = "coarse"

    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """All."""
        return np.arange(len(hunt.which))

    def together(self, hunt: Hunt) -> int:
        """As many as their keys allow."""
        return min(hunt.block(BLOCK), hunt.keys(int(hunt.index.chunk_starts()[-1])))

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:  # noqa: ARG002
        """The best of the coarse places."""
        codes = hunt.codes(patches)
        return hunt.judged(
            codes, propose_coarse(hunt.index, codes, hunt.depth(self.wide), hunt.depth(self.depth))
        )


@dataclass(frozen=True)
class Middle(Level):
    """Codes of smaller cells, at every few pixels of some targets."""

    name: str
    doubt: Doubt
    depth: int  # columns of places, among all targets
    # Of all targets' pixels, the likest targets first: from which share on to which.
    part: tuple[float, float]

    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """Those in doubt."""
        return self.doubt.rows(hunt.found) if hunt.index.columns()[-1] else np.arange(0)

    def together(self, hunt: Hunt) -> int:
        """As many as their keys allow."""
        return min(hunt.block(DOUBTFUL_BLOCK), hunt.keys(int(hunt.index.columns()[-1])))

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:
        """The best of these places and of what was known; of water and cloud it finds nothing, and looks nowhere."""
        codes = hunt.codes(patches)
        before = hunt.promise.before(hunt.distances(rows, patches))
        first, last = self.part
        wanted = (before >= first) & (before < last)
        wanted[[worth(dn, hunt.task.roles) <= LEAST for dn in patches]] = False
        depth = hunt.depth(round(self.depth * (last - first)))
        proposals = propose_middle(hunt.index, codes, depth, wanted)
        return merged(hunt.found.take(rows), hunt.judged(codes, proposals))


@dataclass(frozen=True)
class Exact(Level):
    """The exact engine round the best place of every target kept."""

    name: str = "exact"

    def rows(self, hunt: Hunt) -> NDArray[np.int64]:
        """Those in doubt; all where the model's numbers are of other evidence, which codes know nothing of."""
        if hunt.task.model.fits(hunt.task.evidence):
            return in_doubt(hunt.found)
        return np.arange(len(hunt.which))

    def together(self, hunt: Hunt) -> int:
        """A block."""
        return hunt.block(DOUBTFUL_BLOCK)

    def look(self, hunt: Hunt, rows: NDArray[np.int64], patches: Patches) -> Candidates:
        """The same places by exact scores."""
        return judge_exactly(patches, hunt.found.take(rows), hunt.task)


EVERYWHERE = Everywhere(AFTER_EXACT, pixels=8e6, small_pixels=48e6)
# The true image is the likest of 600, or as like, for a third of the real patches that the sweep leaves in doubt, and
# for none of the simulated ones, whose colours all images share.
LIKEST_FEW = Likest(AFTER_SWEEP, unless=EVERYWHERE, pixels=6e5, apart=3.0, share=0.05)
# Targets whose colour and texture are like a patch's are looked at before the others, which are spared where these hold
# the answer: four in five do on real ground, two in three of the simulated.
LIKEST, OTHERS = (0.0, 0.25), (0.25, 1.0)
LEVELS: tuple[Level, ...] = (
    Coarse(WIDE_DEPTH, DEPTH),
    Middle("middle", AFTER_COARSE, MIDDLE_DEPTH, LIKEST),
    Middle("middle, others", AFTER_MIDDLE, MIDDLE_DEPTH, OTHERS),
    Exact(),
    EVERYWHERE,
    Sweep(AFTER_EXACT, unless=EVERYWHERE),
    LIKEST_FEW,
)


def held_bytes(
    task: Task, side: tuple[int, int], count: int, doubtful: int, keys: int, others: int, threads: int
) -> int:
    """The most that the levels hold beside the codes of targets, bytes.

    The keys of a block of patches and its pixels, which are put together to be coded; of patches in doubt, tiles that
    the exact engine looks at, or what is made to look elsewhere. Several threads read the next block ahead.

    Parameters
    ----------
    task : Task
    side : (int, int)
        Height and width of the patches.
    count, doubtful : int
        How many there are, and how many of them are in doubt to the end.
    keys, others : int
        Bytes of the keys of a block, and of what is made to look elsewhere.
    threads : int
    """
    each, ahead = task.pixel_bytes(math.prod(side)), int(threads > 1)
    block, some = (
        each * task.block(side, min(many, most))
        for many, most in ((count, BLOCK), (doubtful, DOUBTFUL_BLOCK))
    )
    top = max(FINAL, SMALL_TOP if max(side) <= SMALL else TOP)
    tiles = tile_bytes(task, side, doubtful, top, threads)
    return max(keys + block * (2 + ahead), some * (1 + ahead) + max(tiles, others))
