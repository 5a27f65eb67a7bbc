"""One-bit codes of a picture's gradient fields: fine (every pixel), middle and coarse (pooled).

The sign of a field says nearly as much as its value where thousands of pixels vote (one bit of a uniform angle's
cosine keeps 0.9 of its correlation), and 512 of them are compared in a few instructions. A pixel whose field is 0
(flat, saturated, no data) votes by lot, patch and target by different lots, so that nothing agrees with nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from matcher.evidence.gradient_phase import LOGS, gaussian_weights, ratio_pairs
from matcher.evidence.pixels import HAZE, valid_pixels
from matcher.imagery import Roles
from matcher.kernels.coding import code_picture
from matcher.threads import spread

# px, of Gaussian derivatives: of bands, and of ratios. Rounder than those of evidence, since signs weigh noise and
# edges alike.
SIGMA, REACH = 0.7, 3
RATIO_SIGMA, RATIO_REACH = 1.0, 4
CELLS = 8  # cells a side of the coarse code
MIDDLE = 16  # cells a side of the middle code, about
LARGEST = 128  # px: of a larger patch the middle is coded
TOGETHER = 8  # pictures coded in one call, so that every core has some …
MOST_TOGETHER = 1 << 23  # … and their pixels at most, unless one has more
_RAW, _DN = 2, 4  # bytes of a number as most files hold it, and of DN
CHANNELS = 3  # of the fine score: signed visible, signed near infrared or ratios, sign-blind


@dataclass(frozen=True)
class Plan:
    """How patches of one size are coded.

    Attributes
    ----------
    whole : (int, int)
        Height and width of a patch.
    side : (int, int)
        Height and width of its coded part.
    margin : (int, int)
        Rows above and columns left of it that are not coded.
    cell, stride : int
        Pixels a side of a pooled cell, and between places of the coarse search.
    cells : (int, int)
        Rows and columns of cells in the coded part.
    factor : int
        Pixels a side of a middle cell, and between the places of the middle search.
    """

    whole: tuple[int, int]
    side: tuple[int, int]
    margin: tuple[int, int]
    cell: int
    stride: int
    cells: tuple[int, int]
    factor: int

    @classmethod
    def of(cls, height: int, width: int) -> "Plan":
        """The plan for patches of height x width pixels."""
        side = (min(height, LARGEST), min(width, LARGEST))
        stride = max(min(side) // (2 * CELLS), 1)
        cell = max(min(side) // CELLS // stride, 1) * stride
        cells = (min(side[0] // cell, CELLS), min(side[1] // cell, CELLS))
        factor = max((min(side) + MIDDLE // 2) // MIDDLE, -(-max(side) // 64))
        margin = ((height - side[0]) // 2, (width - side[1]) // 2)
        return cls((height, width), side, margin, cell, stride, cells, factor)

    def places(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of coarse places in a target of height x width pixels."""
        return (height - self.side[0]) // self.stride + 1, (width - self.side[1]) // self.stride + 1

    @property
    def middle(self) -> tuple[int, int]:
        """Rows and columns of middle cells in the coded part."""
        return self.side[0] // self.factor, self.side[1] // self.factor

    @property
    def per_word(self) -> int:
        """Planes whose row of middle cells shares a word."""
        return 64 // self.middle[1]


@dataclass(frozen=True)
class Codes:
    """Codes of pictures of one shape.

    Attributes
    ----------
    fine : ndarray (n, words, height, planes), uint64
        Signs of every field at every pixel: word w of row y holds columns 64 w to 64 w + 63, lowest bit first; a
        word of padding at the right. What is compared at once lies together.
    middle : ndarray (n, planes, words, height // factor), uint64
        The same of sums over factor x factor px.
    coarse : ndarray (n, words x rows x columns), uint64
        Of every coarse place, in lattices (`matcher.kernels.lattices`); words a multiple of 8.
    """

    fine: NDArray[np.uint64]
    middle: NDArray[np.uint64]
    coarse: NDArray[np.uint64]


def plane_channels(roles: Roles) -> NDArray[np.int64]:
    """Which channel of the fine score each plane counts for."""
    ratios = [1, 1] if len(_ratios(roles)) else []
    return np.array([0, 0, 2, 2, *([] if roles.nir is None else [1, 1, 2, 2]), *ratios])


def plane_kinds(roles: Roles) -> tuple[str, ...]:
    """Which kind of evidence each plane is of."""
    of_bands = ("phase", "phase", "phase2", "phase2") * (1 if roles.nir is None else 2)
    return (*of_bands, *(("ratio", "ratio") if len(_ratios(roles)) else ()))


def _ratios(roles: Roles) -> NDArray[np.int64]:
    """The ratios whose phase has planes: bands (above, below) of each, (n, 2).

    Ratios take the place of near infrared where there is none. Beside it they cost more than they tell: in place of its
    signed planes, or as two more, they place fewer patches under broken cloud.
    """
    return np.array(ratio_pairs(roles) if roles.nir is None else [], np.int64).reshape(-1, 2)


def _evidence(roles: Roles) -> tuple[Any, ...]:
    """What `plane_fields` takes."""
    bands = (np.array(roles.visible), -1 if roles.nir is None else roles.nir, *gaussian_weights(SIGMA, REACH))
    weights = gaussian_weights(RATIO_SIGMA, RATIO_REACH)
    return (*bands, _ratios(roles), *weights, np.float32(HAZE), np.float32(LOGS))


def code_shapes(height: int, width: int, roles: Roles, plan: Plan) -> tuple[tuple[int, ...], ...]:
    """Shapes of the fine, middle and coarse codes, in words of 64 bits, of one target of `height` x `width` pixels.

    `roles` say how many planes are coded, `plan` how the codes of patches of one size lie.
    """
    planes = len(plane_kinds(roles))
    reduced = (height // plan.factor, width // plan.factor)
    return (
        (-(-width // 64) + 1, height, planes),
        (planes, -(-reduced[1] // 64) + 1, reduced[0]),
        (-(-planes // 8) * 8 * math.prod(plan.places(height, width)),),
    )


def coding_bytes(shapes: Sequence[tuple[int, int]], roles: Roles, threads: int) -> int:
    """The most that reading and coding pictures of these heights and widths holds beside their codes, bytes."""
    planes, bands = len(plane_kinds(roles)), len(roles.visible) + (roles.nir is not None)
    most = 0
    for height, width in set(shapes):
        # Pixels as read and as DN, once more where several are stacked, and which are valid; those that are read
        # ahead; sums of fields.
        count = together(height, width)
        each = bands * (_RAW + _DN * (2 if count > 1 else 1)) + 1
        ahead = count * bands * (_RAW + _DN) if len(shapes) > count and threads > 1 else 0
        most = max(most, height * width * (count * each + ahead + min(threads, count) * planes * _DN))
    return most


def together(height: int, width: int) -> int:
    """How many pictures of a size are coded in one call: some for every core, and one by one where they are large."""
    return max(1, min(TOGETHER, MOST_TOGETHER // (height * width)))


def code(
    pictures: Sequence[NDArray[np.float32]],
    roles: Roles,
    plan: Plan,
    lot: int,
    out: Codes | None = None,
) -> Codes:
    """Codes of pictures (DN, height x width x bands, all of one shape), in `out` if given.

    Flat pixels vote by `lot`.
    """
    # A large picture by itself is not copied: it is what the process holds most of.
    stack = pictures[0][np.newaxis] if len(pictures) == 1 else np.stack(pictures)
    valid = np.stack([valid_pixels(dn) for dn in stack])
    shapes = code_shapes(stack.shape[1], stack.shape[2], roles, plan)
    out = out or Codes(*(np.empty((len(stack), *shape), np.uint64) for shape in shapes))
    work = np.empty((min(numba.get_num_threads(), len(stack)), shapes[0][2], *stack.shape[1:3]), np.float32)
    pooling = (
        plan.cell,
        plan.stride,
        plan.factor,
        np.array(plan.cells),
        plan.places(*stack.shape[1:3]),
    )
    evidence = _evidence(roles)

    def of_part(part: int) -> None:  # each works in memory of its own, on one picture after another
        for n in range(part, len(stack), len(work)):
            codes = (out.fine[n].transpose(2, 0, 1), out.middle[n], out.coarse[n])
            code_picture(stack[n], valid[n], evidence, pooling, lot, work[part], *codes)

    spread(of_part, range(len(work)))
    return out
