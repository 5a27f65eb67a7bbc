"""What every reader offers: images or patches by index, read when asked for."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Source(Protocol):
    """Images or patches, in file order, each read when it is asked for.

    Attributes
    ----------
    name : str
        Where they come from, for messages: a path, or ``"array"``.
    ids : ndarray of int64, shape (n,)
        The id of each; no two alike.
    """

    name: str
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        """How many there are."""

    def shape(self, index: int) -> tuple[int, int, int]:
        """(height, width, bands) of one, in pixels, without reading its pixels."""

    def __getitem__(self, index: int) -> NDArray:
        """One picture, (height, width, bands), with the values and dtype of the file.

        Raises
        ------
        FormatError
            If its bytes cannot be read.
        """

    def where(self, index: int) -> str:
        """The file, the record and its offset or key, for messages: ``"a.tfrecords, record 3 at byte 912"``."""
