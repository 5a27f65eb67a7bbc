"""The codes of a set of targets, laid out for the search, and those of a block of patches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.imagery import Roles
from matcher.kernels.bits import CHUNK
from matcher.pyramid.codes import Plan, coarse_codes, code_fields, fine_planes

TARGET_LOT, PATCH_LOT = 1, 2


@dataclass(frozen=True)
class Index:
    """Codes of targets.

    Attributes
    ----------
    plan : Plan
    coarse : list of ndarray (words, places), uint64
    planes : ndarray, uint64
        Fine planes of all targets, one after another.
    starts : ndarray of int64, (targets,)
    shapes : ndarray of int64, (targets, 3)
        Words a row, height and width of each.
    channel : ndarray of int64, (planes,)
    """

    plan: Plan
    coarse: list[NDArray[np.uint64]]
    planes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]
    channel: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.coarse)

    @property
    def chunks(self) -> NDArray[np.int64]:
        """First chunk of every target, and the number of all."""
        counts = [-(-codes.shape[1] // CHUNK) for codes in self.coarse]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@dataclass(frozen=True)
class PatchCodes:
    """Codes of a block of patches: coarse (n, words), fine (n, planes, words, height), masks (words,) of used bits."""

    coarse: NDArray[np.uint64]
    fine: NDArray[np.uint64]
    masks: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.coarse)

    def take(self, which: NDArray[np.integer]) -> "PatchCodes":
        """The codes of some of them."""
        return PatchCodes(self.coarse[which], self.fine[which], self.masks)


def build_index(targets: Iterable[NDArray[np.float32]], roles: Roles, plan: Plan) -> Index:
    """Codes of targets (DN, each height x width x bands)."""
    coarse, fine, shapes = [], [], []
    channel = np.zeros(0, np.int64)
    for dn in targets:
        fields = code_fields(dn, roles)
        channel = fields.channel
        coarse.append(coarse_codes(fields, plan, TARGET_LOT))
        planes = fine_planes(fields, TARGET_LOT)
        shapes.append((planes.shape[1], *dn.shape[:2]))
        fine.append(planes.ravel())
    starts = np.concatenate([[0], np.cumsum([len(f) for f in fine])[:-1]]).astype(np.int64)
    return Index(plan, coarse, np.concatenate(fine), starts, np.array(shapes, np.int64), channel)


def code_patches(patches: Sequence[NDArray[np.float32]], roles: Roles, plan: Plan) -> PatchCodes:
    """Codes of patches (DN, all of one shape)."""
    (height, width), (top, left) = plan.side, plan.margin
    coarse, fine = [], []
    for dn in patches:
        fields = code_fields(np.ascontiguousarray(dn[top : top + height, left : left + width]), roles)
        coarse.append(coarse_codes(fields, plan, PATCH_LOT)[:, 0])
        fine.append(fine_planes(fields, PATCH_LOT)[:, :-1])
    words = -(-width // 64)
    masks = np.full(words, ~np.uint64(0))
    if width % 64:
        masks[-1] = np.uint64((1 << (width % 64)) - 1)
    return PatchCodes(np.stack(coarse), np.stack(fine), masks)
