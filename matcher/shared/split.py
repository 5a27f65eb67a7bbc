"""Shared and own parts of a series, in closed form: covariance between dates against covariance within.

A date is read as x_d = s + n_d, with s the same on all dates and n_d each date's own, unrelated to s and to one
another. Then the covariance of two dates is that of s, and what a date's covariance has beyond it is that of n_d
(the variance components of a random-effects model; Searle, Casella and McCulloch, "Variance Components", 1992). Both
are taken by scale, in octaves of wavelength, as matrices over the bands; the best linear guess of s from some dates
is Wiener's.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError
from matcher.evidence.pixels import HAZE
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive
from matcher.values import compared

EDGES = (4.0, 8.0, 16.0, 32.0, 64.0)  # px of wavelength, between one scale and the next
_LEAST = 1e-6


def scale_names(edges: Sequence[float] = EDGES) -> tuple[str, ...]:
    """Of the scales, finest first: ``2-4``, …, ``64-``, px of wavelength."""
    bounds = [2.0, *edges]
    return (*(f"{a:g}-{b:g}" for a, b in pairwise(bounds)), f"{bounds[-1]:g}-")


@compared
@dataclass(frozen=True)
class Split:
    """How much of what the dates show is shared.

    Attributes
    ----------
    bands : tuple of str
    between : ndarray of float64, (scales, bands, bands)
        Covariance of the shared part, finest scale first, of log bands of mean 0 and deviation 1 on each date.
    within : ndarray of float64, (scales, bands, bands)
        Covariance of a date's own part.
    """

    bands: tuple[str, ...]
    between: NDArray[np.float64]
    within: NDArray[np.float64]

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of the energy of every scale and band that is shared, (scales, bands), 0..1."""
        shared, own = (np.einsum("sbb->sb", part) for part in (self.between, self.within))
        out: NDArray[np.float64] = shared / np.maximum(shared + own, _LEAST)
        return out

    @property
    def energy(self) -> NDArray[np.float64]:
        """Energy of every scale and band, (scales, bands): each band's scales add up to about 1."""
        out: NDArray[np.float64] = np.einsum("sbb->sb", self.between + self.within)
        return out

    @property
    def information(self) -> NDArray[np.float64]:
        """What one date says of another at every scale, (scales,), bits a pixel.

        Minus half the sum of the logs of 1 less squared coherence (Gelfand and Yaglom 1959), for each of the
        frequencies that a scale has: of these the finest has three quarters, which is why fine structure places a
        patch though less of it is shared.
        """
        corners = [
            np.pi / 4 * (2 / edge) ** 2 for edge in EDGES
        ]  # of the frequencies, those coarser than an edge
        modes = -np.diff([1.0, *corners, 0.0])
        eye = _LEAST * np.eye(len(self.bands))
        bits = []
        for shared, own in zip(self.between, self.within, strict=True):
            coherence = np.linalg.eigvals(shared @ np.linalg.inv(shared + own + eye)).real
            bits.append(-0.5 * np.log2(1 - np.clip(coherence, 0, 1 - 1e-9) ** 2).sum())
        return modes * np.array(bits)

    def filters(self, dates: int = 1) -> NDArray[np.float64]:
        """Wiener's matrices, (scales, bands, bands): the mean of so many dates to the best guess of what they share."""
        eye = _LEAST * np.eye(len(self.bands))
        return np.stack(
            [s @ np.linalg.inv(s + n / dates + eye) for s, n in zip(self.between, self.within, strict=True)]
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to ``.npz``: bands, between, within."""
        with atomic_write(path) as file:
            np.savez_compressed(file, bands=np.array(self.bands), between=self.between, within=self.within)


def read_split(path: str | os.PathLike[str]) -> Split:
    """Read what `Split.save` wrote.

    Raises
    ------
    FormatError
        If it is missing, damaged, or its arrays do not fit.
    """
    members = open_archive(path)
    name = os.fspath(path)
    for key in ("bands", "between", "within"):
        if key not in members:
            raise FormatError(
                f"{name}: has no array {key!r}; a split of `matcher features --save-split` was expected"
            )
    bands, between, within = (
        members[key].load(members[key].check()) for key in ("bands", "between", "within")
    )
    wanted = (len(EDGES) + 1, len(bands), len(bands))
    if between.shape != wanted or within.shape != wanted or not np.isfinite(between + within).all():
        raise FormatError(f"{name}: has arrays of {between.shape} and {within.shape}; {wanted} were expected")
    return Split(tuple(str(b) for b in bands), between.astype(np.float64), within.astype(np.float64))


def standard(dn: NDArray) -> NDArray[np.float64]:
    """Log bands of a date (height, width, bands) less their mean, over their deviation; 0 where there is no data."""
    valid = (dn > 0).any(-1)
    if not valid.any():
        return np.zeros(dn.shape)
    logs = np.log(np.maximum(dn.astype(np.float64), 0) + HAZE)
    seen = logs[valid]
    out = (logs - seen.mean(0)) / np.maximum(seen.std(0), 1e-3)
    out[~valid] = 0
    return out


def scales(values: NDArray[np.float64], edges: Sequence[float] = EDGES) -> NDArray[np.float64]:
    """A picture (height, width, bands) by scale, (scales, height, width, bands), finest first; they add up to it.

    Octaves of wavelength with soft edges, by cosine transforms, which mirror the picture at its borders.
    """
    height, width = values.shape[:2]
    spectrum = scipy.fft.dctn(values, axes=(0, 1), norm="ortho")
    rows, columns = np.arange(height) / (2 * height), np.arange(width) / (2 * width)
    frequency = np.hypot(rows[:, None], columns[None])  # cycles a pixel
    octave = np.log2(np.maximum(frequency, 1e-9))
    # 1 above an edge's frequency, 0 half an octave below it
    above = [np.clip((octave + np.log2(edge)) * 2 + 0.5, 0, 1) for edge in edges]
    above = [np.sin(np.pi / 2 * part) ** 2 for part in above]
    parts = [above[0], *(b - a for a, b in pairwise(above)), 1 - above[-1]]
    return np.stack(
        [scipy.fft.idctn(spectrum * part[..., None], axes=(0, 1), norm="ortho") for part in parts]
    )


def fit_split(stack: NDArray, bands: Sequence[str]) -> Split:
    """The split of a series.

    Parameters
    ----------
    stack : ndarray (dates, height, width, bands)
        DN, two dates or more, all on one grid; 0 in all bands is no data.
    bands : sequence of str

    Raises
    ------
    MatcherError
        If there are fewer than two dates, or no pixel that all have.
    """
    if len(stack) < 2:
        raise MatcherError("what dates share is told from two dates or more, and there is one")
    seen = (stack > 0).any(-1).all(0)
    if not seen.any():
        raise MatcherError("the dates have no pixel in common: nothing is shared")
    count, width = len(EDGES) + 1, stack.shape[3]
    total, square = np.zeros((count, int(seen.sum()), width)), np.zeros((count, width, width))
    for dn in stack:
        parts = scales(standard(dn))[:, seen]
        total += parts
        square += np.einsum("spi,spj->sij", parts, parts)
    number, pixels = len(stack), total.shape[1]
    every = square / (number * pixels)
    # The sum over pairs of different dates is that over all pairs less that of each date with itself.
    pairs = np.einsum("spi,spj->sij", total, total) - square
    between = np.stack([_definite(part) for part in pairs / (number * (number - 1) * pixels)])
    within = np.stack([_definite(part) for part in every - between])
    return Split(tuple(bands), between, within)


def shared_part(stack: NDArray, split: Split) -> NDArray[np.float64]:
    """The best guess of what dates share, by scale, (scales, height, width, bands).

    Parameters
    ----------
    stack : ndarray (dates, height, width, bands)
        DN, of one date or more; `split` may come from other dates or another place.
    split : Split

    Raises
    ------
    MatcherError
        If the bands differ in number.
    """
    if stack.shape[3] != len(split.bands):
        raise MatcherError(f"the series has {stack.shape[3]} bands, and the split {len(split.bands)}")
    parts = scales(np.mean([standard(dn) for dn in stack], axis=0))
    out: NDArray[np.float64] = np.einsum("sij,syxj->syxi", split.filters(len(stack)), parts)
    return out


def share_text(split: Split) -> str:
    """The share of energy by band and scale, as a table; in brackets the part of the band's energy at the scale.

    The last column is `Split.information`.
    """
    share, energy = split.share, split.energy
    energy = energy / np.maximum(energy.sum(0), _LEAST)
    lines = [
        f"{'wavelength, px':16}" + "".join(f"{band:>14}" for band in split.bands) + f"{'bits a pixel':>14}"
    ]
    for name, row, part, bits in zip(scale_names(), share, energy, split.information, strict=True):
        cells = "".join(f"{a:7.2f} ({b:.2f})" for a, b in zip(row, part, strict=True))
        lines.append(f"{name:16}{cells}{bits:14.4f}")
    whole = np.einsum("sbb->b", split.between) / np.maximum(split.energy.sum(0), _LEAST)
    cells = "".join(f"{a:7.2f}       " for a in whole)
    lines.append(f"{'all':16}{cells}{split.information.sum():14.4f}")
    return "\n".join(lines)


def _definite(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest covariance: symmetric, no negative eigenvalue."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    out: NDArray[np.float64] = (vectors * np.maximum(values, 0)) @ vectors.T
    return out
