"""The exact engine: normalised correlation of a patch at every pixel of a target, by FFT.

Spectra of a target are made once for all patches, spectra of a patch once for all targets of one shape; each pair
then costs one product and one inverse transform a stack of fields. The reference of everything faster.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.channel import FULL, Channel
from matcher.kernels.spectra import cross_spectra, window_energy, window_norms
from matcher.search.paired import backward, forward, spectra_bytes

Every = Callable[[Callable[[range], NDArray], Iterable[range]], Iterable[NDArray]]
BATCH = 8  # targets whose maps are made together, at most …
_CACHED = 1 << 19  # … and bytes of their spectra, unless one has more: more leave the cache and run slower
_LOT = 1 << 17  # px of targets a call: small ones go together, since calls have a cost of their own
Units = list[list[NDArray | None]]  # fields of a patch, by channel and stack
# Of a stack's energy a pixel and field: below, a window carries no evidence. Fields that are correlated in single
# precision (unit vectors, log magnitude) need more: their transforms' rounding, over the root of less, passes 1e-5.
_FLAT_CENTRED, _FLAT_PLAIN = 1e-6, 3e-4
_ODD = (1, 3, 5, 7, 9, 15, 21, 25, 35, 45)  # factors of lengths that are transformed fast
_SHORT, _NEAR = (8, 128), 1.25  # powers of two that are taken before them, so many times as long at most
_STEPS = 16  # of a channel's response, a cycle a pixel


@dataclass(frozen=True)
class Spectra:
    """Targets of one shape, ready for patches of one size.

    Attributes
    ----------
    shape, side : (int, int)
        Height and width of the targets and of the patches, pixels.
    values : tuple, a channel, of tuples, a stack, of ndarray (targets, pairs of fields, rows, columns), complex
        Spectra at the transform's shape (`matcher.search.paired`).
    norms : tuple, a channel, of tuples, a stack, of ndarray (targets, places y, places x), float32
        1 / sqrt(energy that the window is judged by), 0 where the window is flat.
    live : ndarray (targets, channels, places y, places x), float32
        How full of texture a window is: its energy over a full one's; 1 where the channel knows none.
    """

    shape: tuple[int, int]
    side: tuple[int, int]
    values: tuple[tuple[NDArray, ...], ...]
    norms: tuple[tuple[NDArray[np.float32], ...], ...]
    live: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values[0][0])


def transform_shape(height: int, width: int) -> tuple[int, int]:
    """The shape of the transforms for a target: only places that lie inside are read, so no padding is needed."""
    return _transform_length(height), _transform_length(width)


@lru_cache(maxsize=1024)
def _transform_length(least: int) -> int:
    """A length whose transforms are fast: one of `_ODD` times a power of two, or of short ones the next power of two.

    Complex transforms of OpenCV of 128 x 128 px take 0.7 of what 120 x 120 take, of 224 x 224 half of 225 x 225:
    `getOptimalDFTSize` counts operations and knows nothing of that.
    """
    power = 1 << (least - 1).bit_length()
    if _SHORT[0] <= power <= min(_SHORT[1], _NEAR * least):
        return power
    return min(odd << k for odd in _ODD for k in range(3, 32) if odd << k >= least)


def target_bytes(channels: Sequence[Channel], height: int, width: int) -> int:
    """Bytes that `Spectra` holds for each target of a shape, given the channels of any picture like it."""
    rows, columns = transform_shape(height, width)
    total = 0
    for channel in channels:
        for stack in channel.stacks:
            total += spectra_bytes(len(stack), (rows, columns), channel.centred)
            total += height * width * 4
        total += height * width * 4
    return total


def target_spectra(
    targets: Sequence[Sequence[Channel]], side: tuple[int, int], every: Every = map
) -> Spectra:
    """Spectra and window norms of targets of one shape, each given by its channels, for patches of one size.

    `every` calls a function for all lots of targets: `map`, or `matcher.threads.spread` where no other is at work.
    """

    def stacked(c: int, s: int, lot: range) -> NDArray[np.float32]:
        return np.stack([targets[n][c].stacks[s] for n in lot])

    return _spectra(targets[0], len(targets), stacked, side, every)


def spectra_of_all(many: Sequence[Channel], side: tuple[int, int]) -> Spectra:
    """As `target_spectra`, of channels that hold all targets: stacks are (targets, fields, height, width)."""

    def stacked(c: int, s: int, lot: range) -> NDArray[np.float32]:
        return many[c].stacks[s][lot.start : lot.stop]

    return _spectra(many, len(many[0].stacks[0]), stacked, side, map)


def _spectra(
    first: Sequence[Channel],
    count: int,
    stacked: Callable[[int, int, range], NDArray[np.float32]],
    side: tuple[int, int],
    every: Every,
) -> Spectra:
    """Spectra of so many targets with channels as the `first`; `stacked` gives fields by channel, stack and lot."""
    height, width = first[0].shape
    shape = transform_shape(height, width)
    values, norms = [], []
    size, places = side[0] * side[1], (height - side[0] + 1, width - side[1] + 1)
    live = np.ones((count, len(first), *places), np.float32)
    together = max(1, _LOT // (height * width))
    lots = [range(start, min(start + together, count)) for start in range(0, count, together)]
    for c, channel in enumerate(first):
        if channel.energy:
            live[:, c] = 0
        full = channel.energy * size * len(channel.stacks)
        spectra, scales = [], []
        # One after the other, so that little is held beside what is kept.
        for s in range(len(channel.stacks)):
            scale = np.empty((count, *places), np.float32)

            def made(
                lot: range,
                c: int = c,
                s: int = s,
                channel: Channel = channel,
                full: float = full,
                scale: NDArray = scale,
            ) -> NDArray:
                part = slice(lot.start, lot.stop)
                fields = _centre(channel.centred, stacked(c, s, lot))
                energy = np.empty((len(lot), *places))
                window_energy(fields, channel.centred, energy)
                flat, weight = _flat_energy(size * fields.shape[1], channel.centred), FULL if full else 0.0
                window_norms(energy, flat, channel.energy * size, weight, scale[part])
                if full:
                    live[part, c] += energy / full
                return forward(fields, shape)

            parts = list(every(made, lots))
            spectra.append(np.concatenate(parts) if len(parts) > 1 else parts[0])
            scales.append(scale)
        values.append(tuple(spectra))
        norms.append(tuple(scales))
    return Spectra((height, width), side, tuple(values), tuple(norms), live)


def unit_fields(patch: Sequence[Channel]) -> Units:
    """A patch's fields as they are correlated, by channel and stack: whitened, of energy 1, or None where flat."""
    return [[_template(stack, channel) for stack in channel.stacks] for channel in patch]


def score_maps(
    patch: Sequence[Channel],
    targets: Spectra,
    units: Units | None = None,
    which: NDArray[np.int64] | None = None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Score maps of one patch over targets of one shape.

    Parameters
    ----------
    patch : sequence of Channel
    targets : Spectra
        Of the same kinds of evidence.
    units : Units, optional
        The patch's `unit_fields`, where they are known.
    which : ndarray (k,), int64, optional
        Numbers of the targets that are asked for, in ascending order, by default all.

    Yields
    ------
    maps, live : ndarray (targets, channels, places y, places x), float32
        For at most 8 targets at a time, in order; each value of the maps lies in [-1, 1], and place (y, x) is the
        patch's top-left pixel; `live` is that part of the targets' own.
    """
    shape = transform_shape(*targets.shape)
    rows, columns = (of - own + 1 for of, own in zip(targets.shape, targets.side, strict=True))
    known = unit_fields(patch) if units is None else units
    spectra = [[_query(unit, shape) for unit in stacks] for stacks in known]
    together = max(1, min(BATCH, _CACHED // spectra_bytes(1, shape, double=False)))
    for part in _runs(np.arange(len(targets)) if which is None else which, together):
        out = np.zeros((part.stop - part.start, len(patch), rows, columns), np.float32)
        for c, stacks in enumerate(spectra):
            for s, spectrum in enumerate(stacks):
                if spectrum is not None:
                    maps = _inverse(spectrum, targets.values[c][s][part], shape, (rows, columns))
                    out[:, c] += maps * targets.norms[c][s][part]
            if len(stacks) > 1:
                out[:, c] /= len(stacks)
        yield np.clip(out, -1, 1, out=out), targets.live[part]


def _runs(which: NDArray[np.int64], together: int) -> Iterator[slice]:
    """Some ascending numbers as runs without a gap, of at most so many: what these cut from an array is no copy."""
    for run in np.split(which, np.flatnonzero(np.diff(which) > 1) + 1):
        for start in range(0, len(run), together):
            yield slice(int(run[start]), int(run[min(start + together, len(run)) - 1]) + 1)


def _query(unit: NDArray | None, shape: tuple[int, int]) -> NDArray | None:
    """The spectra of a patch's unit fields, scaled as the inverse transform asks."""
    if unit is None:
        return None
    spectra = forward(unit, shape)
    spectra *= spectra.real.dtype.type(1 / (shape[0] * shape[1]))
    return spectra


def _inverse(
    patch: NDArray, targets: NDArray, shape: tuple[int, int], places: tuple[int, int]
) -> NDArray[np.floating]:
    """Correlations of a patch with some targets, (n, places y, places x)."""
    product = np.empty((len(targets), *patch.shape[1:]), patch.dtype)
    cross_spectra(patch, targets, product)
    return backward(product, shape[1])[:, : places[0], : places[1], 0]


def _centre(centred: bool, stacks: NDArray[np.float32]) -> NDArray:
    """Targets' fields (n, F, H, W) as they are correlated: double precision where bright must not drown dark."""
    if not centred:
        return stacks
    fields = stacks.astype(np.float64)
    return fields - fields.mean((2, 3), keepdims=True)


def _template(stack: NDArray[np.float32], channel: Channel) -> NDArray | None:
    """A patch's fields as they are correlated, with energy 1, or None where they are flat."""
    fields: NDArray = _centre(channel.centred, stack[np.newaxis])[0]
    if _energy(fields) <= _flat_energy(fields.size, channel.centred):
        return None
    if channel.response:
        fields = whitened(fields, channel.response)
    return (fields / np.sqrt(_energy(fields))).astype(fields.dtype)


def _energy(fields: NDArray) -> float:
    return float(np.square(fields, dtype=np.float64).sum())


def whitened(fields: NDArray, response: tuple[float, ...]) -> NDArray:
    """`fields` (n, h, w), nothing beyond their borders, whose spectra are multiplied by `Channel.response`."""
    count, height, width = fields.shape
    shape = (2 * height, 2 * width)  # nothing reaches round the transform's end
    spectra = forward(fields, shape)
    spectra[:, :, : shape[1]] *= _gain(shape, response).astype(fields.dtype)
    both = backward(spectra, shape[1])[:, :height, :width]
    return np.moveaxis(both, -1, 1).reshape(-1, height, width)[:count]


@lru_cache(maxsize=32)
def _gain(shape: tuple[int, int], response: tuple[float, ...]) -> NDArray[np.float64]:
    """A response at every frequency, over what an inverse transform multiplies by."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis], np.fft.fftfreq(shape[1]))
    return np.interp(frequency * _STEPS, np.arange(len(response)), response) / (shape[0] * shape[1])


def _flat_energy(size: int, centred: bool) -> float:
    """The energy of so many numbers below which they are flat."""
    return (_FLAT_CENTRED if centred else _FLAT_PLAIN) * size
