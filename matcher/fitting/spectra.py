"""How the templates of every kind of evidence are whitened: one over a power of the mean spectrum of its fields.

A patch is sought in images whose own fields are the noise. The best linear template in noise of a known spectrum is
the patch divided by it (the matched filter: Turin, "An introduction to matched filters", IRE Trans. 1960); a part of
that does best on real pairs of dates, whose agreement fades towards high frequencies.
"""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import channels
from matcher.imagery import Roles
from matcher.model import FREQUENCIES

KINDS = ("phase", "phase2", "ratio", "ratio-signed", "magnitude")  # those of gradients
SIDE = 200  # px of a window, or what the series has
LEAST = 48  # px below which a window tells too little of low frequencies
STEPS = 16  # a cycle a pixel, as `matcher.search.correlation` reads a response
# Of mean energy: half would make templates white. By 0.5 and by 0.8 one of 400 patches of 32 px less is found.
POWER = 0.65
_DIGITS = 2


def spectrum(fields: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean energy of fields (n, height, width) at 0, 1/16 … 11/16 cycles a pixel, in any direction, (12,)."""
    height, width = fields.shape[1:]
    taper = np.hanning(height)[:, np.newaxis] * np.hanning(width)
    energy = (np.abs(np.fft.fft2(fields * taper)) ** 2).sum(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
    ring = np.rint(frequency * STEPS).astype(int)
    count = np.bincount(ring.ravel(), minlength=FREQUENCIES)
    return np.bincount(ring.ravel(), energy.ravel(), FREQUENCIES) / count


class MeanSpectra:
    """Mean spectra by kind of evidence and group of places, gathered window by window."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[NDArray[np.float64]]] = {}

    def add(self, dn: NDArray[np.float32], roles: Roles, group: str) -> None:
        """Look at a window (height, width, bands), DN, of a place of some group."""
        for kind in KINDS[: None if dn.shape[2] > 1 else 2]:
            for channel in channels(dn, roles, (kind,)):
                energy = spectrum(channel.stacks[0])
                if energy.mean() > 0:
                    self._seen.setdefault((kind, group), []).append(energy / energy.mean())

    def responses(self) -> dict[str, tuple[float, ...]]:
        """What templates are multiplied by, by kind; every group counts alike. The largest is 1."""
        out = {}
        for kind in sorted({kind for kind, _ in self._seen}):
            logs = [np.log(np.mean(rows, axis=0)) for (own, _), rows in self._seen.items() if own == kind]
            response = np.exp(-POWER * np.mean(logs, axis=0))
            out[kind] = tuple(np.round(response / response.max(), _DIGITS).clip(0.01).tolist())
        return out
