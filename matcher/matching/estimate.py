"""What a match would take: memory and time, roughly, told before it is run."""

import math
from dataclasses import dataclass, replace

from matcher.matching.job import Job
from matcher.search.exhaustive import fits, held_bytes
from matcher.search.pyramid import levels, sweep
from matcher.search.pyramid.cascade import INDEX_SHARE, key_bytes
from matcher.search.pyramid.codes import LARGEST, Plan, coding_bytes, plane_kinds
from matcher.search.pyramid.index import index_bytes
from matcher.search.pyramid.maps import extents_of
from matcher.settings import LEAST_MEMORY
from matcher.threads import usable_cores

# Processor time of one thread of an AMD EPYC with AVX-512, 64 px in images of 250 to 512 px; from the levels of 912
# patches in 5 million pixels of real places, and of 6,000 in 157 million simulated ones. Shares in doubt are those of
# real places, the small patches' of 32 px.
_CODES = 0.016 / 512**2  # s a pixel of the images
_PAIR = 0.019e-9  # s a patch and pixel of the images: coarse, and middle at the share that it sees
_PATCH = 3.0e-3  # s a patch: reading, codes, places refined by all levels, the exact level at the share that it sees
_EXACT = 0.013  # s a patch that the exact engine judges
_EVERYWHERE = 1.8e-3 / 250**2  # s a patch and pixel of the images, searched exhaustively
_READY = 0.16e-6  # s a pixel of the images until they can be: fields, spectra, kernels
_SWEPT = 0.5e-9  # s a patch in doubt and pixel of the sweep's maps
_WITHOUT = 2.2  # times as long without AVX-512, which compares the codes
_UNSEEN = 0.6  # share of these that patches in doubt need and are worth
_SWEPT_EXACT = 1.1e-3  # s a place that the exact engine judges after it
_ALIKE = 0.1  # share of the patches in doubt that the likest images are made ready for
_DOUBT = 0.065  # share of patches that are in doubt to the end
_SMALL_DOUBT = 0.18  # … where they are small
_START = 2.0  # s until the kernels are there
# Bytes of a process by itself: libraries, kernels, and what the allocator keeps of what was freed.
_PROCESS = 330 << 20


def slowness() -> float:
    """How many times as long this machine takes as the one whose rates these are."""
    import llvmlite.binding  # numba's, by which kernels are compiled for this machine

    return 1.0 if llvmlite.binding.get_host_cpu_features().get("avx512f") else _WITHOUT


@dataclass(frozen=True)
class Estimate:
    """What a match would take.

    Attributes
    ----------
    pairs : int
        Patches times images.
    codes : int
        Bytes of the images' codes that are made, exact; 0 where the search is exhaustive, or an index has them.
    stored : int
        Bytes of the codes that an index has already: they are mapped, and let go where memory is short.
    fits : bool
        Whether the codes that are made fit the memory given; if not, the match is refused.
    memory : int
        Bytes that all processes hold at most, about, without what is mapped of an index.
    seconds : float
        Of the wall, about: other machines and pictures may take several times as much or a fraction.
    cores : int
        That it is told for.
    """

    pairs: int
    codes: int
    stored: int
    fits: bool
    memory: int
    seconds: float
    cores: int


def estimate(job: Job, patches: int | None = None, workers: int | None = None) -> Estimate:
    """Estimate what a job takes.

    Parameters
    ----------
    job : Job
    patches : int, optional
        How many of its patches are matched; by default all.
    workers : int, optional
        Processes of one thread each; by default one process of as many threads as its settings say.
    """
    count = len(job.patches) if patches is None else patches
    share = count / len(job.patches)
    shapes = [job.targets.shape(k)[:2] for k in range(len(job.targets))]
    pixels = sum(height * width for height, width in shapes)
    sides: dict[tuple[int, int], int] = {}
    for k in range(len(job.patches)):
        side = job.patches.shape(k)[:2]
        sides[side] = sides.get(side, 0) + 1
    memory = job.settings.memory // (workers or 1)
    task = replace(job.task(1), memory=max(memory, LEAST_MEMORY))
    cores = workers or job.settings.threads or usable_cores()
    codes, stored, held, seconds = 0, 0, 0, 0.0
    for side, many in sides.items():
        many_here = many * share
        threads = 1 if workers else cores
        if job.settings.search == "exhaustive":
            held = max(held, held_bytes(task, side, math.ceil(many_here), threads))
            seconds += pixels * (_READY + many_here * _EVERYWHERE)
            continue
        plan = Plan.of(*side)
        taken = [s for s in shapes if fits(side, s)]
        if job.indexed(side):
            stored += index_bytes(taken, job.roles, plan)
        else:
            codes = max(codes, index_bytes(taken, job.roles, plan))
            held = max(held, coding_bytes(taken, job.roles, threads))
            seconds += pixels * _CODES
        finer = (64 / min(*side, LARGEST)) ** 2  # places of the coarse search: the smaller a patch, the more
        seconds += many_here * (pixels * _PAIR * finer + _PATCH) * job.settings.effort
        if not job.model.fits(job.settings.evidence):
            seconds += many_here * _EXACT
        doubt = _SMALL_DOUBT if max(side) <= sweep.SMALL else _DOUBT
        doubtful, planes = many_here * doubt, len(plane_kinds(job.roles))
        together = min(math.ceil(doubtful), levels.DOUBTFUL_BLOCK)
        if levels.EVERYWHERE.sees(side, pixels, job.settings.effort):
            others = held_bytes(task, side, together, threads)
            seconds += doubtful * pixels * _EVERYWHERE
        else:
            others = max(
                sweep.held_bytes(taken, plan, planes, task.memory, together, threads),
                levels.LIKEST_FEW.held_bytes(task, side, together, threads),
            )
            extent = float(extents_of(taken, plan.side).sum())
            reach = min(extent, sweep.REACHES[-1] * job.settings.effort)
            seconds += doubtful * _UNSEEN * reach * _SWEPT
            seconds += doubtful * min(len(taken), sweep.TOP) * _SWEPT_EXACT
            likest = min(pixels, levels.LIKEST_FEW.pixels * job.settings.effort)
            seconds += doubtful * _ALIKE * likest * (_READY + _EVERYWHERE)
        keys = key_bytes(taken, plan, task.memory)
        whole, left = math.ceil(many_here), math.ceil(doubtful)
        held = max(held, levels.held_bytes(task, side, whole, left, keys, others, threads))
    return Estimate(
        pairs=count * len(job.targets),
        codes=codes,
        stored=stored,
        fits=codes <= INDEX_SHARE * job.settings.memory,
        # The making of the index and the levels follow each other, and none holds what another does.
        memory=codes + (_PROCESS + held) * (workers or 1) + (_PROCESS if workers else 0),
        seconds=_START + seconds * slowness() / cores,
        cores=cores,
    )
