"""Rows of different lengths, packed to be sent: numbers of one row after those of another, as small as they fit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMALL = (np.int16, np.int32)


@dataclass(frozen=True)
class Ragged:
    """Some entries of each row of tables that are alike.

    Attributes
    ----------
    counts : ndarray of int32, (rows,)
        Entries of each row.
    values : tuple of ndarray (entries, …)
        Of each table, one row after another.
    """

    counts: NDArray[np.int32]
    values: tuple[NDArray[np.integer], ...]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], *tables: NDArray[np.integer]) -> "Ragged":
        """The entries of whole numbers (rows, columns, …) that a mask (rows, columns) chooses."""
        return cls(mask.sum(1).astype(np.int32), tuple(slim(table[mask]) for table in tables))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where entries stand once they are `padded`: (rows, columns of the longest)."""
        out: NDArray[np.bool_] = np.arange(self.counts.max(initial=0)) < self.counts[:, np.newaxis]
        return out

    def padded(self, *fills: int) -> list[NDArray[np.int64]]:
        """The tables again, int64, (rows, columns of the longest, …): each row from the left, and a fill."""
        mask, out = self.mask, []
        for values, fill in zip(self.values, fills, strict=True):
            table = np.full((*mask.shape, *values.shape[1:]), fill, np.int64)
            table[mask] = values
            out.append(table)
        return out


def slim(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """`values`, of any shape, as the smallest whole numbers of 16, 32 and 64 bits with a sign that hold them all."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for kind in _SMALL:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.int64)
