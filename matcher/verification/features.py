"""What is measured of a pair of patches: the peak of the combined evidence over shifts, and its lead."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import SettingsError
from matcher.evidence import Channel, channels
from matcher.evidence.pixels import BRIGHT
from matcher.imagery import Roles
from matcher.search.exhaustive import APART, PRIOR_PLACES
from matcher.settings import MIN_SIDE
from matcher.verification.overlap import overlap_pixels, shift_map

NAMES = ("log peak", "log lead")
NOISE_REACH = 16  # px; the noise of a map is told from shifts so far, whatever --max-shift
EVIDENCE = ("phase", "phase2", "magnitude")  # what the shipped model was fitted to
_PAD = 8  # px of mirrored surroundings: evidence looks 7 px round a pixel
_TRIM = 1  # px at the border whose gradient the mirror spoils


@dataclass(frozen=True)
class PatchFields:
    """What is correlated of a patch: all of it, and what is not bright as cloud; None where nothing is."""

    whole: list[Channel]
    clear: list[Channel] | None


@dataclass(frozen=True)
class PairEvidence:
    """What two patches say of being one place.

    Attributes
    ----------
    features : ndarray of float64, (2,)
        By `NAMES`: log of 1 + the combined score at the peak, and that less the same of the best shift more than
        6 px away from it.
    shift : (int, int)
        (dy, dx) at the peak: the pixel (y, x) of the first patch lies on (y + dy, x + dx) of the second.
    """

    features: NDArray[np.float64]
    shift: tuple[int, int]


def fields(dn: NDArray[np.float32], roles: Roles) -> PatchFields:
    """Channels of a patch (height, width, bands), DN, 1 px less on each side: nothing in them tells the border."""
    height, width = dn.shape[:2]
    mirrored = np.pad(dn, ((_PAD, _PAD), (_PAD, _PAD), (0, 0)), mode="reflect")
    corner, size = (_PAD + _TRIM,) * 2, (height - 2 * _TRIM, width - 2 * _TRIM)
    every = channels(np.ascontiguousarray(mirrored), roles, EVIDENCE)
    whole = [channel.window(corner, size) for channel in every]
    bright = dn[_TRIM:-_TRIM, _TRIM:-_TRIM, list(roles.visible)].min(-1) > BRIGHT
    if not bright.any():
        return PatchFields(whole, None)
    keep = (~bright).astype(np.float32)
    clear = [replace(c, stacks=tuple(stack * keep for stack in c.stacks)) for c in whole]
    return PatchFields(whole, clear)


def pair_evidence(first: PatchFields, second: PatchFields, max_shift: int) -> PairEvidence:
    """The evidence that two patches of one size show one place, at shifts up to `max_shift` px along each axis.

    The correlation of noise over n pixels spreads as 1 / sqrt(n), so maps are weighed by the root of the overlap
    before their z-scores are taken; the combined score is the match's own, the weighted sum of squares of positive
    z-scores. A wider search has higher peaks by chance: twice the log of the number of shifts, against that of
    33 x 33, is taken off. Where a pixel is bright as cloud, the pair is read without such pixels too, and the
    reading with the higher peak counts: under broken cloud what is clear is found, and bright ground is not lost.

    Raises
    ------
    SettingsError
        If `max_shift` is negative, or leaves less than 12 px of overlap.
    """
    side = first.whole[0].shape
    check_shift((side[0] + 2 * _TRIM, side[1] + 2 * _TRIM), max_shift)
    read = _reading(first.whole, second.whole, max_shift)
    if first.clear is None and second.clear is None:
        return read
    clear = _reading(first.clear or first.whole, second.clear or second.whole, max_shift)
    return clear if clear.features[0] > read.features[0] else read


def check_shift(side: tuple[int, int], max_shift: int) -> None:
    """Raise a SettingsError where a shift is negative or leaves less than 12 px of patches of `side`."""
    if max_shift < 0 or max_shift > min(side) - MIN_SIDE:
        most = max(min(side) - MIN_SIDE, 0)
        raise SettingsError(f"max shift {max_shift}: patches of {side[0]} x {side[1]} px allow 0 to {most}")


def _reading(first: list[Channel], second: list[Channel], max_shift: int) -> PairEvidence:
    side = first[0].shape
    reach = max(max_shift, min(NOISE_REACH, min(side) // 4))
    weight = np.sqrt(overlap_pixels(side, reach))
    total = np.zeros(weight.shape)
    for one, other in zip(first, second, strict=True):
        maps = [shift_map(a, b, reach) for a, b in zip(one.stacks, other.stacks, strict=True)]
        scaled = np.mean(maps, axis=0) * weight
        prior = PRIOR_PLACES / scaled.size
        deviation = np.sqrt((scaled.var() + prior) / (1 + prior))
        total += one.weight * np.maximum((scaled - scaled.mean()) / deviation, 0) ** 2
    near = slice(reach - max_shift, reach + max_shift + 1)
    inside = total[near, near]
    row, col = (int(k) + reach - max_shift for k in divmod(int(inside.argmax()), inside.shape[1]))
    peak = max(total[row, col] - 2 * np.log(inside.size / (2 * NOISE_REACH + 1) ** 2), 0.0)
    total[max(row - APART, 0) : row + APART + 1, max(col - APART, 0) : col + APART + 1] = 0
    features = np.array([np.log1p(peak), np.log1p(peak) - np.log1p(total.max())])
    return PairEvidence(features, (row - reach, col - reach))
