"""Transforms of real fields two by two: one is the real part of a complex picture, the other its imaginary one.

Of two such pictures the real part of the correlation, conj(a + i b) (c + i d), is a c + b d: what their fields have in
common, summed. So one complex transform does for two fields, and one for the sum of their correlations.
"""

import math

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.spectra import laid_in_pairs

_PAD = 8  # columns between rows: rows whose lengths are powers of two would lie on each other in the cache


def room(shape: tuple[int, int]) -> tuple[int, int, int]:
    """The shape of the room for a complex picture of some rows and columns, real and imaginary parts last."""
    return shape[0], shape[1] + _PAD, 2


def spectra_shape(fields: int, shape: tuple[int, int]) -> tuple[int, int, int]:
    """The shape of the spectra of so many fields by transforms of a shape (rows, columns)."""
    return -(-fields // 2), *room(shape)[:2]


def spectra_bytes(fields: int, shape: tuple[int, int], double: bool) -> int:
    """Bytes of these, of single or double precision."""
    return math.prod(spectra_shape(fields, shape)) * (16 if double else 8)


def transform(pictures: NDArray[np.floating], columns: int) -> None:
    """Fourier transforms in place of complex pictures (n, `room`) of so many columns."""
    import cv2  # as in `matcher.search.correlation`

    for picture in pictures[:, :, :columns]:
        cv2.dft(picture, picture)


def forward(fields: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.complexfloating]:
    """Spectra of zero-padded fields (…, F, H, W), two by two: (…, `spectra_shape`), complex of the same precision.

    Columns from shape[1] on are 0, and no part of them.
    """
    *many, count, height, width = fields.shape
    flat = fields.reshape(-1, count, height, width)
    out = np.empty((len(flat), *spectra_shape(count, shape), 2), fields.dtype)
    laid_in_pairs(flat, out)
    transform(out.reshape(-1, *room(shape)), shape[1])
    return out.view(_complex(fields.dtype)).reshape(*many, *out.shape[1:4])


def backward(spectra: NDArray[np.complexfloating], columns: int) -> NDArray[np.floating]:
    """The inverse transforms, not scaled, of spectra (n, rows, columns and more), which are written over.

    Returns
    -------
    ndarray (n, rows, columns, 2)
        Real and imaginary parts.
    """
    import cv2

    out: NDArray[np.floating] = spectra.view(spectra.real.dtype).reshape(*spectra.shape, 2)[:, :, :columns]
    for values in out:
        cv2.dft(values, values, flags=cv2.DFT_INVERSE)
    return out


def _complex(dtype: np.dtype) -> np.dtype:
    return np.result_type(dtype, np.complex64)
