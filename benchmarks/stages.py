"""The stages of the default search, one by one, each with its cost on paper.

Costs are of 64-bit word comparisons (XOR and population count), floating-point operations and bytes moved to or from
memory, counted from the shapes alone. A share of doubt says what part of the patches the later stages see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcher.evidence import channels
from matcher.formats.opening import open_images
from matcher.imagery import Pictures, Roles
from matcher.kernels.bits import CHUNK
from matcher.model import shipped
from matcher.search.pyramid import levels, sweep
from matcher.search.pyramid.cascade import index_targets
from matcher.search.pyramid.codes import Plan, plane_channels
from matcher.search.pyramid.exact_tiles import AROUND, judge_exactly
from matcher.search.pyramid.index import code_patches
from matcher.search.pyramid.judging import WIDER, judge
from matcher.search.pyramid.maps import Pieces, extents_of
from matcher.search.pyramid.promise import Promise
from matcher.search.pyramid.proposals import propose_coarse, propose_middle
from matcher.search.task import Task
from matcher.settings import DEFAULT_EVIDENCE

NAMES = ("red", "green", "blue", "nir")
FOUR = Roles.of(NAMES)
NOISE_WINDOWS = 64  # a patch, and again a patch and candidate image
PHASE_PLANES = 8  # planes of the coarse and middle codes
FIELD_OPERATIONS = 130  # floating-point operations a pixel and band of all fields of a code (sums, roots)
_EXACT = channels(np.ones((16, 16, len(NAMES)), np.float32), FOUR, DEFAULT_EVIDENCE)
EXACT_FIELDS = sum(len(stack) for channel in _EXACT for stack in channel.stacks)
EXACT_CHANNELS = len(_EXACT)  # maps that the exact engine transforms back


@dataclass(frozen=True)
class Scale:
    """How much there is to do: counts, pixels a side, and the share of patches in doubt after the coarse level."""

    images: int
    patches: int
    size: int = 512
    side: int = 64
    doubt: float = 0.1

    @property
    def plan(self) -> Plan:
        return Plan.of(self.side, self.side)

    @property
    def pairs(self) -> int:
        return self.images * self.patches


CHALLENGE = Scale(600, 38_400)


@dataclass(frozen=True)
class Cost:
    """On paper: 64-bit comparisons, floating-point operations (of transforms apart), bytes to or from memory."""

    words: float = 0.0
    flops: float = 0.0
    fft: float = 0.0
    bytes: float = 0.0

    @property
    def work(self) -> float:
        """What the time of a stage grows with."""
        return self.flops + self.fft or self.words


def read_cost(scale: Scale) -> Cost:
    """Float16 records read twice (checksums, then pixels), and float32 pixels written."""
    pixels = 4 * (scale.images * scale.size**2 + scale.patches * scale.side**2)
    return Cost(flops=2 * pixels, bytes=pixels * (2 + 2 + 4))


def image_codes_cost(scale: Scale) -> Cost:
    """Fields of every pixel of the images, and coarse words put together from the signs of 64 cells."""
    places = scale.images * _count(scale.plan.places(scale.size, scale.size))
    return _codes_cost(scale, scale.images * scale.size**2, places)


def patch_codes_cost(scale: Scale) -> Cost:
    """The same of the patches, which have one place each."""
    return _codes_cost(scale, scale.patches * scale.side**2, scale.patches)


def coarse_cost(scale: Scale) -> Cost:
    """512 bits at every second row and column of coarse places of every pair, and beside the best.

    Codes once a block, keys written once and read three times.
    """
    places = _second(scale)
    keys = scale.pairs * -(-places // CHUNK) * 4
    blocks = -(-scale.patches // levels.BLOCK)
    beside = 9 * min(levels.WIDE_DEPTH, scale.images * -(-places // CHUNK)) * scale.patches
    return Cost(
        words=8 * (places * scale.pairs + beside), bytes=4 * keys + blocks * scale.images * places * 64
    )


def _second(scale: Scale) -> int:
    """Every second row and column of an image's coarse places."""
    return _count(tuple((n + 1) // 2 for n in scale.plan.places(scale.size, scale.size)))


def refine_coarse_cost(scale: Scale) -> Cost:
    """Every pixel near the best of the places beside the best of each of the best chunks."""
    chunks = -(-_second(scale) // CHUNK)
    depth = min(levels.DEPTH, chunks * scale.images)
    return _refine_cost(scale, scale.patches, depth, (scale.plan.stride + 1) // 2)


def middle_cost(scale: Scale) -> Cost:
    """The middle code of every image, for patches in doubt; windows unrolled once a block."""
    plan = scale.plan
    rows, columns = plan.middle
    wide = scale.size // plan.factor
    words = -(-PHASE_PLANES // plan.per_word)
    across, down = wide - columns + 1, wide - rows + 1
    doubtful = scale.patches * scale.doubt
    blocks = -(-doubtful // levels.DOUBTFUL_BLOCK)
    keys = doubtful * scale.images * across * 4
    unrolled = blocks * scale.images * across * words * wide * 8
    return Cost(words=doubtful * scale.images * across * down * words * rows, bytes=4 * keys + 2 * unrolled)


def refine_middle_cost(scale: Scale) -> Cost:
    """Every pixel near the best place of each of the best columns, for patches in doubt."""
    plan = scale.plan
    columns = scale.images * (scale.size // plan.factor - plan.middle[1] + 1)
    radius = (plan.factor + 1) // 2 if plan.factor > 1 else 0
    return _refine_cost(scale, scale.patches * scale.doubt, min(levels.MIDDLE_DEPTH, columns), radius)


def exact_cost(scale: Scale) -> Cost:
    """Fields, spectra, products and inverse transforms of the tiles round a doubtful patch's candidates."""
    tile = min(scale.side + 2 * AROUND, scale.size)
    pixels = tile**2
    tiles = scale.patches * scale.doubt * min(levels.FINAL, scale.images)
    return Cost(
        flops=tiles * pixels * (4 * FIELD_OPERATIONS + 4 * EXACT_FIELDS + 12 * EXACT_CHANNELS),
        fft=tiles * (EXACT_FIELDS / 2 + EXACT_CHANNELS) * 5 * pixels * np.log2(pixels),
        bytes=tiles * pixels * 4 * (4 + 2 * EXACT_FIELDS),
    )


def sweep_cost(scale: Scale) -> Cost:
    """Spectra of the pieces of every image, once a block; a product and an inverse transform a patch and two pieces."""
    doubtful = scale.patches * scale.doubt
    pieces = Pieces.of((scale.size, scale.size), (scale.side, scale.side))
    extent = float(extents_of([(scale.size, scale.size)], (scale.side, scale.side))[0])
    share = min(1.0, sweep.REACHES[-1] / (scale.images * extent))
    pixels, pairs = _count(pieces.transform), scale.images * len(pieces.pairs())
    seen = doubtful * pairs * share
    blocks = -(-doubtful // levels.DOUBTFUL_BLOCK)
    return Cost(
        flops=seen * 8 * PHASE_PLANES * pixels,
        fft=(blocks * pairs * PHASE_PLANES + seen) * 5 * pixels * np.log2(pixels),
        bytes=seen * 2 * PHASE_PLANES * pixels,
    )


@dataclass(frozen=True)
class Stage:
    """A stage: its cost at any scale, and a run of it on some pictures, for which every patch is in doubt."""

    name: str
    cost: Callable[[Scale], Cost]
    run: Callable[[], Any]


def stages(targets: list[np.ndarray], patches: list[np.ndarray]) -> list[Stage]:
    """The search's stages on some pictures (DN, float32, of one shape each); what later ones need is made now."""
    plan = Plan.of(*patches[0].shape[:2])
    held = Pictures(open_images(targets), "dn")
    task = Task(
        held,
        Pictures(open_images(patches), "dn"),
        FOUR,
        DEFAULT_EVIDENCE,
        shipped(),
        2,
        1.0,
        2 << 30,
        ("red", "green", "blue", "nir"),
    )
    index, codes = index_targets(task, plan.side), code_patches(patches, FOUR, plan)
    coarse = propose_coarse(index, codes, levels.WIDE_DEPTH, levels.DEPTH)
    middle = propose_middle(index, codes, levels.MIDDLE_DEPTH)
    best = judge(index, codes, coarse, levels.FINAL)
    promise = Promise(index, task.bands, task.model)
    return [
        Stage("code images", image_codes_cost, lambda: index_targets(task, plan.side)),
        Stage("code patches", patch_codes_cost, lambda: code_patches(patches, FOUR, plan)),
        Stage("coarse", coarse_cost, lambda: propose_coarse(index, codes, levels.WIDE_DEPTH, levels.DEPTH)),
        Stage("refine coarse", refine_coarse_cost, lambda: judge(index, codes, coarse, levels.FINAL)),
        Stage("middle", middle_cost, lambda: propose_middle(index, codes, levels.MIDDLE_DEPTH)),
        Stage("refine middle", refine_middle_cost, lambda: judge(index, codes, middle, levels.FINAL)),
        Stage("exact", exact_cost, lambda: judge_exactly(patches, best, task)),
        Stage(
            "sweep",
            sweep_cost,
            lambda: sweep.sweep(
                task, index, promise.distances(patches, task.roles), range(len(patches)), patches
            ),
        ),
    ]


def _codes_cost(scale: Scale, pixels: int, places: int) -> Cost:
    return Cost(
        words=places * PHASE_PLANES * _count(scale.plan.cells),
        flops=4 * FIELD_OPERATIONS * pixels,
        bytes=pixels * 4 * 4 + places * 8 * PHASE_PLANES,
    )


def _refine_cost(scale: Scale, patches: float, depth: int, radius: int) -> Cost:
    """Windows by the fine code: near each proposal, farther round what is kept, and those that tell the noise."""
    words = len(plane_channels(FOUR)) * -(-scale.side // 64) * scale.side
    kept = min(levels.FINAL, scale.images)
    noise = NOISE_WINDOWS * (1 + kept)
    wider = kept * (2 * WIDER * scale.plan.stride + 1) ** 2
    return Cost(
        words=patches * words * (depth * (2 * radius + 1) ** 2 + wider + noise),
        bytes=patches * words * (depth + noise) * 8 * 2,
    )


def _count(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1]
