"""The usual scores of likeness, at their best over the same shifts: gray ZNCC, SSIM and phase correlation."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from matcher.verification.overlap import overlap_pixels, shift_map

RIVALS = ("gray ZNCC", "SSIM", "phase correlation")
_LEAST_WINDOW = 7  # px, SSIM's window


def rival_scores(
    first: NDArray[np.float32], second: NDArray[np.float32], max_shift: int
) -> NDArray[np.float64]:
    """Scores of a pair by `RIVALS`, (3,).

    Gray is the mean of the bands. ZNCC (Lewis 1995) is taken over the overlap, at its best shift. SSIM (Wang et al.
    2004, scikit-image) is taken of the overlap at that shift, since at 1,089 shifts it is out of reach, with the
    data range of the two. Phase correlation (Kuglin and Hines 1975) is the peak of the whitened cross spectrum of
    the two under Hann windows, among the shifts allowed.
    """
    from skimage.metrics import structural_similarity

    a, b = (dn.mean(-1, dtype=np.float64) for dn in (first, second))
    zncc = shift_map(a[np.newaxis], b[np.newaxis], max_shift, centred=True)
    best = int(zncc.argmax())
    dy, dx = (k - max_shift for k in divmod(best, zncc.shape[1]))
    one, other = overlap(a, b, (dy, dx))
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    alike = 0.0
    if high > low and min(one.shape) >= _LEAST_WINDOW:
        alike = float(structural_similarity(one, other, data_range=high - low))
    return np.array([zncc.flat[best], alike, _phase_correlation(a, b, max_shift)])


def overlap(first: NDArray, second: NDArray, shift: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """What two patches share at a shift (dy, dx) of the first on the second: the parts of each, alike in shape."""
    (dy, dx), (height, width) = shift, first.shape[:2]
    rows = slice(max(-dy, 0), height - max(dy, 0)), slice(max(dy, 0), height + min(dy, 0))
    columns = slice(max(-dx, 0), width - max(dx, 0)), slice(max(dx, 0), width + min(dx, 0))
    return first[rows[0], columns[0]], second[rows[1], columns[1]]


def _phase_correlation(a: NDArray[np.float64], b: NDArray[np.float64], max_shift: int) -> float:
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in a.shape))
    shape = tuple(scipy.fft.next_fast_len(n + max_shift) for n in a.shape)
    spectra = [scipy.fft.rfft2((x - x.mean()) * window, shape) for x in (a, b)]
    cross = spectra[0].conj() * spectra[1]
    size = np.abs(cross)
    around = scipy.fft.irfft2(np.divide(cross, size, out=np.zeros_like(cross), where=size > 1e-9), shape)
    index = np.arange(-max_shift, max_shift + 1)
    return float(around[np.ix_(index, index)].max() * np.sqrt(overlap_pixels(a.shape, 0)[0, 0]))
