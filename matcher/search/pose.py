"""How a patch lies that is turned or scaled a little, to a fraction of a pixel.

As `matcher.search.subpixel` finds a shift, so here a shift, a turn and a scale are found by the slopes of the patch's
blocks, the ground being laid out anew at each step (Lucas and Kanade, "An iterative image registration technique",
1981). The standard error is that of the same sandwich.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.geo.resample import interpolated
from matcher.imagery import Roles
from matcher.search.blocks import ALIKE, BLOCK, REACH, block_products, evidence_fields, slopes_and_bends

_STILL, _FURTHEST = 0.01, 1.5  # px that a step moves a corner: below, it is the last; and at most
_FEWEST = 8  # blocks with evidence, by which a pose can be told

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a patch lies in a picture; rows first, pixels from the outer corner of the first one.

    Attributes
    ----------
    middle : ndarray (2,)
        Of the patch.
    matrix : ndarray (2, 2)
        Offsets from the patch's middle to offsets in the picture.
    """

    middle: NDArray[np.float64]
    matrix: Matrix

    @classmethod
    def straight(cls, row: float, col: float, size: tuple[int, int]) -> "Pose":
        """Of a patch that is neither turned nor scaled, by its corner."""
        return cls(np.array([row, col]) + np.array(size) / 2, np.eye(2))

    def moved(self, shift: NDArray[np.float64], change: Matrix) -> "Pose":
        """Of a patch whose ground lies at p + shift + change p for offsets p from its middle, as it sees itself."""
        return Pose(self.middle + self.matrix @ shift, self.matrix @ (np.eye(2) + change))

    def seen(
        self, picture: NDArray[np.float32], corner: tuple[int, int], size: tuple[int, int], rim: int
    ) -> NDArray[np.float32]:
        """A picture, whose first pixel is `corner`, as a patch of `size` and `rim` px about it show it, by splines."""
        row, col = (np.arange(-rim, n + rim) + 0.5 - n / 2 for n in size)
        lines = [
            a * row[:, np.newaxis] + b * col + middle - first - 0.5
            for (a, b), middle, first in zip(self.matrix, self.middle, corner, strict=True)
        ]
        return interpolated(picture, np.stack(lines))


@dataclass(frozen=True, eq=False)
class Settled:
    """A pose at which evidence fits best.

    Attributes
    ----------
    pose : Pose
    far : float
        Px that its turn and scale move a corner of the patch, beside a patch that lies straight.
    sigma : float
        Standard error of that.
    """

    pose: Pose
    far: float
    sigma: float


def linear(growth: float, turn: float, square: Matrix) -> Matrix:
    """The change of offsets (2, 2) that a growth (scale less 1) and a turn (radians) make.

    `square` takes pixels, rows first, to square ones.
    """
    matrix = np.array([[growth, -turn], [turn, growth]])
    return np.asarray(np.linalg.solve(square, matrix @ square), np.float64)


def settle(
    patch: NDArray[np.float32],
    picture: NDArray[np.float32],
    corner: tuple[int, int],
    begin: Pose,
    square: Matrix,
    roles: Roles,
    evidence: tuple[str, ...],
    steps: int = 12,
) -> Settled | None:
    """The pose near another at which evidence fits best; None where there is none, or too little evidence.

    Parameters
    ----------
    patch, picture : ndarray (height, width, bands), float32
        DN; the picture shows the patch's surroundings, and its first pixel is `corner`.
    corner : (int, int)
    begin : Pose
        Off by a pixel or two at the patch's corners.
    square : ndarray (2, 2)
        Pixels, rows first, to square ones.
    roles : Roles
    evidence : tuple of str
    steps : int
        At most.
    """
    own = evidence_fields(np.ascontiguousarray(patch), roles, evidence)
    size = patch.shape[0], patch.shape[1]
    corners = np.array([size, (size[0], -size[1])]) / 2
    pose, moves = begin, _moves(size, square)
    for _ in range(steps):
        fields = evidence_fields(pose.seen(picture, corner, size, REACH), roles, evidence)
        solved = _step(block_products(own, fields), moves)
        if solved is None:
            return None
        step, covariance = solved
        change = linear(step[2], step[3], square)
        far = _length(step[:2]) + _farthest(corners, change)
        kept = min(1.0, _FURTHEST / max(far, 1e-9))
        pose = pose.moved(kept * step[:2], kept * change)
        if far < _STILL:
            sigma = float(np.hypot(*size)) / 2 * ALIKE * float(np.sqrt(np.trace(covariance[2:, 2:])))
            return Settled(pose, _farthest(corners, pose.matrix - np.eye(2)), sigma)
    return None


def _length(offset: NDArray[np.float64]) -> float:
    return float(np.hypot(offset[0], offset[1]))


def _farthest(corners: NDArray[np.float64], change: Matrix) -> float:
    """Px that a change moves the corner that it moves most."""
    return max(_length(change @ at) for at in corners)


def _moves(size: tuple[int, int], square: Matrix) -> NDArray[np.float64]:
    """What a shift down and right, a growth and a turn do to the middle of each block, (blocks, 2, 4), row by row."""
    lines = []
    for length in size:
        starts = np.arange(0, length, BLOCK)
        lines.append((starts + np.minimum(starts + BLOCK, length) - length) / 2)
    middles = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)
    moved = [middles @ linear(*one, square).T for one in ((1.0, 0.0), (0.0, 1.0))]
    shifts = np.broadcast_to(np.eye(2), (len(middles), 2, 2))
    return np.concatenate([shifts, np.stack(moved, -1)], -1)


def _step(
    sums: NDArray[np.float64], moves: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """From `block_products` the step to the peak (4,) and its covariance (4, 4); None where there is no peak."""
    slopes, bends = slopes_and_bends(sums.reshape(-1, 3, 3))
    each = np.einsum("bik,bi->bk", moves, slopes)
    bend = np.einsum("bik,bij,bjl->kl", moves, bends, moves)
    used = int(np.count_nonzero(slopes.any(1)))
    if used < _FEWEST:
        return None
    if not (
        np.linalg.eigvalsh(bend) < 0
    ).all():  # not yet at a peak in all directions: uphill, by the mean curvature
        mean = np.einsum("bii->", bends) / 2
        if mean >= 0:
            return None
        bend = mean / len(moves) * np.einsum("bik,bil->kl", moves, moves)
    inverse = np.linalg.inv(bend)
    covariance = inverse @ (each.T @ each) @ inverse * (used / (used - moves.shape[2]))
    return -inverse @ each.sum(0), covariance
