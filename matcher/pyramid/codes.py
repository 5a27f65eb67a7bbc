"""One-bit codes of a picture's gradient fields: fine, every pixel, and coarse, pooled.

The sign of a field says nearly as much as its value where thousands of pixels vote (one bit of a uniform angle's
cosine keeps 0.9 of its correlation), and 512 of them are compared in a few instructions. A pixel whose field is 0
(flat, saturated, no data) votes by lot, patch and target by different lots, so that nothing agrees with nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import valid_pixels
from matcher.evidence.gradient_phase import blind_fields, magnitude_fields, signed_fields
from matcher.imagery import Roles

CELLS = 8  # cells a side of the coarse code
LARGEST = 128  # px: of a larger patch the middle is coded


@dataclass(frozen=True)
class Plan:
    """How patches of one size are coded.

    Attributes
    ----------
    side : (int, int)
        Height and width of the coded part of a patch.
    margin : (int, int)
        Rows above and columns left of it that are not coded.
    cell, stride : int
        Pixels a side of a pooled cell, and between places of the coarse search.
    cells : (int, int)
        Rows and columns of cells in the coded part.
    """

    side: tuple[int, int]
    margin: tuple[int, int]
    cell: int
    stride: int
    cells: tuple[int, int]

    @classmethod
    def of(cls, height: int, width: int) -> "Plan":
        """The plan for patches of height x width pixels."""
        side = (min(height, LARGEST), min(width, LARGEST))
        stride = max(min(side) // (2 * CELLS), 1)
        cell = max(min(side) // CELLS // stride, 1) * stride
        cells = (min(side[0] // cell, CELLS), min(side[1] // cell, CELLS))
        return cls(side, ((height - side[0]) // 2, (width - side[1]) // 2), cell, stride, cells)

    def places(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of coarse places in a target of height x width pixels."""
        return (height - self.side[0]) // self.stride + 1, (width - self.side[1]) // self.stride + 1


@dataclass(frozen=True)
class Fields:
    """The fields that are coded: sums over visible bands, and near infrared where there is one.

    Attributes
    ----------
    values : ndarray (planes, height, width), float32
    channel : ndarray of int64, (planes,)
        Which score a plane counts for: 0 signed visible, 1 signed near infrared, 2 sign-blind, 3 magnitude.
    coarse : ndarray of int64
        The planes that the coarse code holds.
    """

    values: NDArray[np.float32]
    channel: NDArray[np.int64]
    coarse: NDArray[np.int64]


CHANNELS = 4
WEIGHTS = np.array([1.0, 1.0, 1.0, 0.25])


def code_fields(dn: NDArray[np.float32], roles: Roles) -> Fields:
    """The fields to code of a picture, dn (height, width, bands)."""
    valid = valid_pixels(dn)
    bands = dn.shape[2]
    signed, blind, magnitude = signed_fields(dn, valid), blind_fields(dn, valid), magnitude_fields(dn, valid)
    groups = [list(roles.visible)] + ([[roles.nir]] if roles.nir is not None else [])
    planes, channel = [], []
    for k, group in enumerate(groups):
        for fields, number in ((signed, k), (blind, 2)):
            for half in (0, bands):
                planes.append(fields[[half + b for b in group]].sum(0))
                channel.append(number)
    coarse = np.arange(len(planes))
    for group in groups:
        planes.append(magnitude[group].sum(0))
        channel.append(3)
    return Fields(np.stack(planes), np.array(channel), coarse)


def fine_planes(fields: Fields, lot: int) -> NDArray[np.uint64]:
    """Signs of every field at every pixel: (planes, words, height) uint64, a padding word at the right.

    Word w of row y holds columns 64 w to 64 w + 63, the lowest bit first; padding bits are 0.
    """
    bits = _signs(fields.values, lot)
    planes, height, width = bits.shape
    words = -(-width // 64) + 1
    padded = np.zeros((planes, height, 64 * words), np.uint8)
    padded[:, :, :width] = bits
    packed = np.packbits(padded, axis=2, bitorder="little").view("<u8")
    return np.ascontiguousarray(packed.transpose(0, 2, 1)).astype(np.uint64, copy=False)


def coarse_codes(fields: Fields, plan: Plan, lot: int) -> NDArray[np.uint64]:
    """Codes of every coarse place: (words, places) uint64, words a multiple of 4, places row by row.

    Word k is component k: the signs of the cells below the place, row by row, the lowest bit first.
    """
    values = fields.values[fields.coarse]
    height, width = values.shape[1:]
    rows, columns = plan.places(height, width)
    bits = _signs(_pooled(values, plan.cell)[:, :: plan.stride, :: plan.stride], lot).astype(np.uint64)
    step = plan.cell // plan.stride
    out = np.zeros((-(-len(values) // 4) * 4, rows, columns), np.uint64)
    for r in range(plan.cells[0]):
        for c in range(plan.cells[1]):
            shifted = bits[:, step * r : step * r + rows, step * c : step * c + columns]
            out[: len(values)] |= shifted << np.uint64(r * plan.cells[1] + c)
    return out.reshape(len(out), rows * columns)


def _pooled(values: NDArray[np.float32], cell: int) -> NDArray[np.float64]:
    """Sums over every cell x cell window: (planes, height, width) to (planes, height - cell + 1, …)."""
    sums = np.zeros((len(values), values.shape[1] + 1, values.shape[2] + 1))
    np.cumsum(np.cumsum(values, axis=1, dtype=np.float64), axis=2, out=sums[:, 1:, 1:])
    out: NDArray[np.float64] = (
        sums[:, cell:, cell:] - sums[:, :-cell, cell:] - sums[:, cell:, :-cell] + sums[:, :-cell, :-cell]
    )
    return out


def _signs(values: NDArray[np.floating], lot: int) -> NDArray[np.uint8]:
    """1 where positive, 0 where negative, and a fixed lot where (nearly) zero."""
    bits = (values > 0).astype(np.uint8)
    flat = np.abs(values) < 1e-4
    if flat.any():
        lots = np.random.Generator(np.random.PCG64(lot)).integers(0, 2, values.shape, np.uint8)
        bits[flat] = lots[flat]
    return bits
