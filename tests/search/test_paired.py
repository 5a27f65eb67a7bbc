"""Transforms of fields two by two, against numpy's of each field alone."""

import numpy as np
import pytest

from matcher.search.paired import backward, forward, spectra_bytes, spectra_shape


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(20, 32), (15, 9)])
def test_forward(dtype, atol, count, shape):
    """Of fields smaller than the transform; a last one alone has no other beside it."""
    fields = np.random.default_rng(count).normal(size=(3, count, 13, 7)).astype(dtype)
    spectra = forward(fields, shape)
    assert spectra.shape == (3, *spectra_shape(count, shape))
    assert spectra.nbytes == 3 * spectra_bytes(count, shape, double=dtype == np.float64)
    assert not spectra[..., shape[1] :].any()
    padded = np.concatenate([fields, np.zeros_like(fields[:, :1])], axis=1).astype(np.float64)
    for k in range(len(spectra[0])):
        expected = np.fft.fft2(padded[:, 2 * k] + 1j * padded[:, 2 * k + 1], shape)
        np.testing.assert_allclose(spectra[:, k, :, : shape[1]], expected, atol=atol)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-3), (np.float64, 1e-11)])
def test_backward_gives_both_fields_again(dtype, atol):
    fields = np.random.default_rng(1).normal(size=(4, 2, 13, 7)).astype(dtype)
    both = backward(forward(fields, (20, 32))[:, 0], 32)
    assert both.dtype == dtype
    np.testing.assert_allclose(both[:, :13, :7] / (20 * 32), np.moveaxis(fields, 1, -1), atol=atol)


def test_real_part_is_the_sum_of_correlations():
    """As loops."""
    rng = np.random.default_rng(2)
    image, patch = rng.normal(size=(3, 11, 14)), rng.normal(size=(3, 4, 5))
    product = (forward(patch, (12, 15)).conj() * forward(image, (12, 15))).sum(0, keepdims=True)
    maps = backward(product, 15)[0, :8, :10, 0] / (12 * 15)
    for y in range(8):
        for x in range(10):
            np.testing.assert_allclose(maps[y, x], (image[:, y : y + 4, x : x + 5] * patch).sum(), atol=1e-12)
