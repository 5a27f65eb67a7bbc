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

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from matcher.decision.chances import Answer, DoubtGround, ground_of
from matcher.decision.reasons import BLIND, fault
from matcher.evidence.colour import statistics
from matcher.evidence.mutual import mutual_information
from matcher.model import Odds
from matcher.search.candidates import APART, Candidates, best_by_target
from matcher.search.pyramid.index import Layout
from matcher.search.task import Task
from matcher.threads import spread

UNSETTLED = 0.5  # an answer that is rather wrong than right is settled
_LARGEST = 300.0  # log odds beyond which no more is said: they would leave float64


def settle_doubtful(
    task: Task,
    which: Sequence[int],
    found: Candidates,
    weighed: Candidates,
    doubtful: NDArray[np.int64],
    index: Layout | None,
) -> Candidates:
    """Candidates of patches of one size, those in doubt settled by colour.

    With other evidence than the model's odds were fitted to, or bands of which it knows no colour, they are left alone.

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
    index : Index, or another layout that answers as one, optional
        Holds the colour of the targets' windows; without it they are made here.
    """
    if not task.model.fits(task.evidence) or not set(task.bands) & set(task.model.colour.bands):
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
        ground = ground_of(index, task, task.patches.shape(which[0])[:2])
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


def settle(
    found: Candidates,
    weighed: Candidates,
    shared: NDArray[np.float64],
    statistics: NDArray[np.float32],
    flat: NDArray[np.bool_],
    ground: DoubtGround,
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
    ground : DoubtGround

    Returns
    -------
    Candidates
        The answer first, then the others as they were weighed: the answer may score less than they do, and what colour
        says makes no answer surer. An answer by colour alone scores 0.
    """
    out, odds = Candidates.empty(*found.target.shape), np.empty(found.target.shape)
    for n in range(len(statistics)):
        level = ground.odds.flat if flat[n] else ground.odds.level
        odds[n] = np.minimum(_odds(found.take(np.array([n])), shared[n], ground.odds) + level, _LARGEST)
    for n, answer in enumerate(ground.answers(found, odds, statistics)):
        row = np.array([n])
        out.put(row, _answered(weighed.take(row), answer))
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


def _answered(found: Candidates, answer: Answer) -> Candidates:
    """One patch's weighed candidates with the answer first, and others as they were.

    The answer's own score, 0 where colour alone tells it, holds unless the place was weighed.
    """
    target, place, score = answer
    if score:
        score = _weighed(found, target, place, score)
    top = np.array([[np.inf]], np.float32)  # it stays the first whatever it scores
    first = Candidates.alone(np.array([[target]]), place[np.newaxis, np.newaxis], top)
    # What the search found in the same target, and apart, is the answer's rival now.
    own = best_by_target(first.beside(found.of(found.target[0] == target)), 1)
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
