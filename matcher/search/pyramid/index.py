"""The codes of a set of targets, laid out for the search, and those of a block of patches."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.colour import grid, statistics
from matcher.imagery import Roles
from matcher.kernels.bits import CHUNK
from matcher.kernels.slide import unroll_windows
from matcher.search.pyramid.codes import Codes, Plan, code, code_shapes, plane_channels, together
from matcher.threads import ahead, spread

TARGET_LOT, PATCH_LOT = 1, 2
PARTS = ("fine", "middle", "coarse")  # as `code_shapes` tells them
_FLOAT = 4  # bytes
KEY_BYTES = 4


@dataclass(frozen=True)
class Layout:
    """How targets are coded, and in what order: all that can be said of an index without its codes.

    Attributes
    ----------
    plan : Plan
    shapes : ndarray of int64, (targets, 2)
        Height and width of each.
    channel : ndarray of int64, (planes,)
        Which channel of the fine score a plane counts for.
    """

    plan: Plan
    shapes: NDArray[np.int64]
    channel: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shapes)

    def places(self) -> NDArray[np.int64]:
        """Rows and columns of coarse places of every target: (targets, 2)."""
        return (self.shapes - np.array(self.plan.side)) // self.plan.stride + 1

    def chunk_starts(self) -> NDArray[np.int64]:
        """First chunk of every second row and column of a target's places, and the number of all: (targets + 1,)."""
        return np.concatenate([[0], np.cumsum(-(-((self.places() + 1) // 2).prod(1) // CHUNK))])

    def columns(self) -> NDArray[np.int64]:
        """First column of middle places of every target, and the number of all: (targets + 1,)."""
        places = self.shapes // self.plan.factor - np.array(self.plan.middle) + 1
        return np.concatenate([[0], np.cumsum(np.where(places[..., 0] > 0, places[..., 1], 0))])

    def key_bytes(self, columns: int) -> int:
        """Bytes that the keys of one patch in so many columns take, in the process that holds most of them."""
        return KEY_BYTES * max(columns, 1)


@dataclass(frozen=True)
class Index(Layout):
    """Codes of targets.

    Attributes
    ----------
    fine, middle, coarse : ndarray of uint64
        As in `Codes`, flat.
    fine_starts, middle_starts, coarse_starts : ndarray of int64, (targets,)
        Where each target's begin; they need not follow each other.
    sizes : ndarray of int64, (targets, 3)
        Words that each takes in `fine`, `middle` and `coarse`.
    colour : ndarray of float32, (windows, 2 bands)
        `matcher.evidence.colour.statistics` of all targets, for windows of a patch's size.
    colour_starts : ndarray of int64, (targets + 1,)
        Where each target's windows begin, and the end.
    """

    fine: NDArray[np.uint64]
    middle: NDArray[np.uint64]
    coarse: NDArray[np.uint64]
    fine_starts: NDArray[np.int64]
    middle_starts: NDArray[np.int64]
    coarse_starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    colour: NDArray[np.float32]
    colour_starts: NDArray[np.int64]

    def fine_of(self, target: int) -> NDArray[np.uint64]:
        """Fine codes of one target, (planes, words, height): a view."""
        height, width = self.shapes[target].tolist()
        start = self.fine_starts[target]
        flat = self.fine[start : start + self.sizes[target, 0]]
        return flat.reshape(-(-width // 64) + 1, height, len(self.channel)).transpose(2, 0, 1)

    def windows(self, target: int) -> NDArray[np.uint64]:
        """Middle windows of one target, (columns, words, rows), made anew at each call."""
        height, width = self.shapes[target] // self.plan.factor
        start = self.middle_starts[target]
        flat = self.middle[start : start + self.sizes[target, 1]]
        planes = flat.reshape(-1, -(-width // 64) + 1, height)
        per_word, cells = self.plan.per_word, self.plan.middle[1]
        out = np.empty((width - cells + 1, -(-len(planes) // per_word), height), np.uint64)
        unroll_windows(planes, cells, per_word, out)
        return out

    def part(self, first: int, last: int) -> "Index":
        """The targets first to last - 1: of the codes themselves nothing is copied."""
        some = slice(first, last)
        windows = self.colour_starts[first : last + 1]
        return replace(
            self,
            shapes=self.shapes[some],
            fine_starts=self.fine_starts[some],
            middle_starts=self.middle_starts[some],
            coarse_starts=self.coarse_starts[some],
            sizes=self.sizes[some],
            colour=self.colour[windows[0] : windows[-1]],
            colour_starts=windows - windows[0],
        )


@dataclass(frozen=True)
class PatchCodes:
    """Codes of a block of patches.

    Attributes
    ----------
    fine : ndarray (n, words, height, planes), uint64
        Without padding.
    masks : ndarray (words,), uint64
        Bits in use of each word of a row.
    middle : ndarray (n, words, rows), uint64
        Packed as `unroll_windows` packs.
    coarse : ndarray (n, words), uint64
    """

    fine: NDArray[np.uint64]
    masks: NDArray[np.uint64]
    middle: NDArray[np.uint64]
    coarse: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.coarse)


def build_index(
    targets: Iterable[NDArray[np.float32]], shapes: Sequence[tuple[int, int]], roles: Roles, plan: Plan
) -> Index:
    """Codes of targets (DN, height x width x bands), whose heights and widths are told beforehand."""
    sizes = code_sizes(shapes, roles, plan)
    starts = np.cumsum(sizes, axis=0) - sizes
    room = [np.empty(total, np.uint64) for total in sizes.sum(axis=0).tolist()]
    windows = np.array([math.prod(grid(shape, plan.whole)) for shape in shapes], np.int64)
    colour_starts = np.concatenate([[0], np.cumsum(windows)])
    colour = np.empty((colour_starts[-1], 2 * bands_of(roles)), np.float32)
    for number, codes, seen in coded(targets, roles, plan, room, starts):
        after = number + len(codes.fine)
        colour[colour_starts[number] : colour_starts[after]] = np.concatenate(seen)
    flat = dict(zip(PARTS, room, strict=True))
    bounds = {f"{part}_starts": np.ascontiguousarray(starts[:, p]) for p, part in enumerate(PARTS)}
    of_colour = {"sizes": sizes, "colour": colour, "colour_starts": colour_starts}
    return Index(plan, np.array(shapes, np.int64), plane_channels(roles), **flat, **bounds, **of_colour)


def code_sizes(shapes: Sequence[tuple[int, int]], roles: Roles, plan: Plan) -> NDArray[np.int64]:
    """Words of the fine, middle and coarse codes of targets of these heights and widths: (targets, 3)."""
    known = {
        shape: [math.prod(part) for part in code_shapes(*shape, roles, plan)]
        for shape in dict.fromkeys(shapes)
    }
    return np.array([known[shape] for shape in shapes], np.int64).reshape(-1, len(PARTS))


def coded(
    targets: Iterable[NDArray[np.float32]],
    roles: Roles,
    plan: Plan,
    room: Sequence[NDArray[np.uint64]] | None = None,
    starts: NDArray[np.int64] | None = None,
) -> Iterator[tuple[int, Codes, list[NDArray[np.float32]]]]:
    """The codes of targets (DN), a few of one shape at a time, in order.

    Parameters
    ----------
    targets : iterable of ndarray (height, width, bands), float32
    roles, plan : Roles, Plan
    room : three ndarrays of uint64, optional
        Flat, for all fine, middle and coarse codes; by default every batch has its own.
    starts : ndarray of int64, (targets, 3)
        Where each target's begin in it, one after another.

    Yields
    ------
    number : int
        Of the first target of the batch.
    codes : Codes
    colour : list of ndarray (windows, 2 bands), float32
        `matcher.evidence.colour.statistics` of each.
    """
    number = 0
    for batch in ahead(_alike(targets)):
        out = None
        if room is not None and starts is not None:
            shapes = code_shapes(batch[0].shape[0], batch[0].shape[1], roles, plan)
            out = Codes(
                *(
                    flat[low : low + len(batch) * math.prod(shape)].reshape(len(batch), *shape)
                    for flat, low, shape in zip(room, starts[number].tolist(), shapes, strict=True)
                )
            )
        codes = code(batch, roles, plan, TARGET_LOT, out=out)
        seen = spread(lambda dn: statistics(dn, plan.whole), batch)
        yield number, codes, [one.reshape(-1, one.shape[-1]) for one in seen]
        number += len(batch)


def index_bytes(shapes: Sequence[tuple[int, int]], roles: Roles, plan: Plan) -> int:
    """Bytes of the index of targets of these heights and widths."""
    codes = 8 * sum(math.prod(part) for shape in shapes for part in code_shapes(*shape, roles, plan))
    return codes + _FLOAT * 2 * bands_of(roles) * sum(math.prod(grid(shape, plan.whole)) for shape in shapes)


def bands_of(roles: Roles) -> int:
    """How many bands pictures of these roles have."""
    return len(roles.visible) + (roles.nir is not None)


def code_patches(patches: Sequence[NDArray[np.float32]], roles: Roles, plan: Plan) -> PatchCodes:
    """Codes of patches (DN, all of one shape)."""
    (height, width), (top, left) = plan.side, plan.margin
    codes = code([dn[top : top + height, left : left + width] for dn in patches], roles, plan, PATCH_LOT)
    words = -(-width // 64)
    masks = np.full(words, ~np.uint64(0))
    if width % 64:
        masks[-1] = np.uint64((1 << (width % 64)) - 1)
    fine = np.ascontiguousarray(codes.fine[:, :words])
    return PatchCodes(fine, masks, _packed_middle(codes, plan), codes.coarse)


def _packed_middle(codes: Codes, plan: Plan) -> NDArray[np.uint64]:
    """Middle planes of patches, several to a word: (n, words, rows)."""
    rows, columns = plan.middle
    count, planes = codes.middle.shape[:2]
    out = np.zeros((count, -(-planes // plan.per_word), rows), np.uint64)
    for p in range(planes):
        out[:, p // plan.per_word] |= codes.middle[:, p, 0] << np.uint64(p % plan.per_word * columns)
    return out


def _alike(pictures: Iterable[NDArray[np.float32]]) -> Iterator[list[NDArray[np.float32]]]:
    """Successive pictures of one shape, a few at a time."""
    batch: list[NDArray[np.float32]] = []
    for dn in pictures:
        if batch and (dn.shape != batch[0].shape or len(batch) == together(*dn.shape[:2])):
            yield batch
            batch = []
        batch.append(dn)
    if batch:
        yield batch
