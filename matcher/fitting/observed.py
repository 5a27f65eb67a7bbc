"""Patches with known answers, matched where their own image is among few or many others, and where it is not."""

import csv
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.decision.confidence import tempered
from matcher.decision.content import content
from matcher.decision.reasons import fault
from matcher.decision.settle import mutual_of
from matcher.formats.opening import open_images
from matcher.formats.submission import read_submission
from matcher.matching.job import Job, prepare
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.exhaustive import search_everywhere
from matcher.search.pyramid.exact_tiles import weigh
from matcher.settings import Settings
from matcher.threads import limited

WITHIN = 4.0  # px of a right answer
COUNTS = (
    1,
    2,
    6,
    20,
    1 << 30,
)  # images among which a patch is sought, one of these drawn for each; the last is all
KEEP = 6  # targets kept a patch, as a match does
# Scores, tempered, of more than so many times what chance makes are right but for a few twins, dunes like dunes, that
# would bend the fit of all. On own seeds, places left out, the middle of confidence holds better by 6 than by 8, and by
# 5 more absent patches are sure.
UNCLEAR = 6.0


@dataclass(frozen=True)
class Observed:
    """Patches that were sought, (n,) each; the same patch several times.

    Attributes
    ----------
    score, runner_up : ndarray of float32
        Sums of squared z-scores, of the best place and of the best other one; -1 where there is none.
    pixels : ndarray of float64
        Independent ones of the patch.
    chance : ndarray of float64
        What wrong places score by the evidence (`matcher.decision.confidence.chance_level`).
    right : ndarray of bool
    sought, shared : ndarray of float32 (n, 2), ndarray of float64 (n, 2)
        Of the best places of the two best images, what they scored in the search, and their mutual information with the
        patch; -1 and 0 where there is none.
    hit : ndarray of bool (n, 2)
        Which of these is right; the second without texture is so by chance, and not counted.
    here : ndarray of bool
        Whether the patch's own image was among those that were searched.
    whole : ndarray of bool
        Whether all images were, with all bands.
    fault : ndarray of str
        Of the patch, as `matcher.decision.reasons.fault`.
    place, group : ndarray of str
    side, bands : ndarray of int
        Pixels a side of the patch; its bands.
    log_pixels : ndarray of float64
        Log of the number of pixels of all images.
    """

    score: NDArray[np.float32]
    runner_up: NDArray[np.float32]
    pixels: NDArray[np.float64]
    chance: NDArray[np.float64]
    right: NDArray[np.bool_]
    sought: NDArray[np.float32]
    shared: NDArray[np.float64]
    hit: NDArray[np.bool_]
    here: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    fault: NDArray[np.str_]
    place: NDArray[np.str_]
    group: NDArray[np.str_]
    side: NDArray[np.int64]
    bands: NDArray[np.int64]
    log_pixels: NDArray[np.float64]

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where the score tells: not below chance, nor where it is clear."""
        return (self.score >= self.chance) & (tempered(self.score, self.pixels) < UNCLEAR * self.chance)

    def rows(self, which: NDArray[np.bool_]) -> "Observed":
        """Some of them."""
        return Observed(*(getattr(self, name)[which] for name in vars(self)))


def joined(parts: list[Observed]) -> Observed:
    """All of some."""
    return Observed(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))


def observe(
    folder: Path, settings: Settings, names: tuple[str, ...], most: int, rng: np.random.Generator
) -> Observed:
    """Seek patches, at most so many, of a challenge that `matcher.cutting.run.cut` wrote as arrays.

    Each is sought three times by every pixel: among all images, and among so many of them as is drawn from `COUNTS`
    with its own and without.

    Parameters
    ----------
    folder : Path
    settings : Settings
        Whose bands are those of the challenge.
    names : tuple of str
        The bands to go by.
    most : int
    rng : Generator
        Draws the patches and the images.
    """
    patches, answers = np.load(folder / "patches.npy"), read_submission(folder / "answers.csv")
    rows = np.sort(rng.permutation(len(patches))[:most])
    bands = [(settings.bands or ()).index(name) for name in names]
    source = open_images(folder / "images.npz")
    images = [np.ascontiguousarray(source[k][..., bands]) for k in range(len(source))]
    own = np.searchsorted(source.ids, answers.image[rows])
    truth = np.stack([answers.y[rows], answers.x[rows]], axis=-1)
    with _quiet():
        job = prepare(images, patches[rows][..., bands], replace(settings, bands=names))
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    place, group = (np.array([told[k][key] for k in rows.tolist()]) for key in ("place", "group"))
    pixels = np.log(sum(image.shape[0] * image.shape[1] for image in images))
    with limited(settings.threads):
        all_ = search_everywhere(job.task(len(images)), list(range(len(rows))), lambda _pairs: None)
        ways = ((True, None), (True, rng), (False, rng))
        return joined(
            [
                _sought(
                    job,
                    _drawn(all_, own, here, draw),
                    own,
                    truth,
                    (here, draw is None),
                    (place, group),
                    pixels,
                )
                for here, draw in ways
            ]
        )


def _drawn(
    all_: Candidates, own: NDArray[np.int64], here: bool, rng: np.random.Generator | None
) -> Candidates:
    """The candidates in some images, drawn for each patch, with its own or without; in all of them without a draw."""
    left = all_.target.copy()
    for n, targets in enumerate(all_.target):
        others = np.sort(targets[(targets >= 0) & (targets != own[n])])
        count = len(others) if rng is None else min(int(rng.choice(COUNTS)), len(others) + here) - here
        kept = others if rng is None else rng.permutation(others)[:count]
        left[n, ~np.isin(targets, [*kept.tolist(), *([own[n]] if here else [])])] = -1
    return best_by_target(replace(all_, target=left), KEEP)


def _sought(
    job: Job,
    found: Candidates,
    own: NDArray[np.int64],
    truth: NDArray[np.int64],
    how: tuple[bool, bool],
    where: tuple[NDArray[np.str_], NDArray[np.str_]],
    log_pixels: float,
) -> Observed:
    """What became of patches with these candidates."""
    count = len(own)
    two = found.first(2)
    hit = (two.target == own[:, np.newaxis]) & (
        np.hypot(*np.moveaxis(two.place - truth[:, np.newaxis], -1, 0)) <= WITHIN
    )
    shared = mutual_of(job.task(KEEP), range(count), found)[:, :2]
    found = weigh(job.task(KEEP), list(range(count)), found)
    second = found.runner_up()
    patches = [job.patches[k] for k in range(count)]
    faults = np.array([fault(dn, job.roles) for dn in patches])
    off = np.hypot(*(found.place[:, 0] - truth).T)
    bands = job.patches.shape(0)[2]
    return Observed(
        score=found.score[:, 0],
        runner_up=second.score[:, 0],
        pixels=np.array([content(dn, job.roles).independent for dn in patches]),
        chance=np.full(count, job.chance),
        right=(found.target[:, 0] == own) & (off <= WITHIN),
        sought=two.score,
        shared=shared,
        hit=hit & np.stack([np.full(count, True), faults != "flat"], axis=-1),
        here=np.full(count, how[0]),
        whole=np.full(count, how[1]),
        fault=faults,
        place=where[0],
        group=where[1],
        side=np.full(count, patches[0].shape[0]),
        bands=np.full(count, bands),
        log_pixels=np.full(count, log_pixels),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No notes of a match on files that nobody named."""
    log = logging.getLogger("matcher")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
