"""Fine codes: how many bits of a patch agree with a window of an image, one bit a pixel, and the best window near."""

import numpy as np
from numba import prange
from numpy.typing import NDArray

from matcher.kernels.bits import popcount
from matcher.kernels.jit import kernel

_RUN = 256  # candidates that a thread takes at a time
# What the fine kernels take and give, as `refine` tells.
FineCodes = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]
Windows = tuple[NDArray, NDArray, NDArray]
Noise = tuple[NDArray, NDArray]
Found = tuple[NDArray, NDArray]


@kernel()
def windows_agree(
    planes: NDArray,
    patch: NDArray,
    masks: NDArray,
    channel: NDArray,
    corner: tuple[int, int],
    span: tuple[int, int],
    out: NDArray,
) -> None:
    """Agreeing bits of a patch with every window whose corner lies within a rectangle.

    planes (P, W, H) uint64: word w of row y of plane p holds columns 64 w .. 64 w + 63, lowest bit first; one word
    of padding at the right. patch (P, w, h) likewise, without padding; masks (w,) of the bits in use. channel (P,):
    which column of `out` a plane counts for. corner (y, x), span (rows, columns) of the rectangle; out
    (rows * columns, channels) int32.
    """
    count, words, height = patch.shape
    rows, columns = span
    long = height + rows - 1
    window = np.empty((count, long), np.uint64)
    bits = 0
    for w in range(words):
        bits += np.int64(popcount(masks[w]))
    out[:] = 0
    for dx in range(columns):
        first = (corner[1] + dx) >> 6
        shift = np.uint64((corner[1] + dx) & 63)
        back = np.uint64(63) - shift
        for w in range(words):
            for p in range(count):
                low = planes[p, first + w, corner[0] : corner[0] + long]
                high = planes[p, first + w + 1, corner[0] : corner[0] + long]
                into = window[p]
                for y in range(long):
                    into[y] = ((low[y] >> shift) | ((high[y] << np.uint64(1)) << back)) & masks[w]
            p = 0
            while p < count:  # two planes of one channel at a time: half the sums across a register
                pair = p + 1 < count and channel[p + 1] == channel[p]
                for dy in range(rows):
                    differ = np.uint64(0)
                    if pair:
                        for y in range(height):
                            differ += popcount(window[p, y + dy] ^ patch[p, w, y]) + popcount(
                                window[p + 1, y + dy] ^ patch[p + 1, w, y]
                            )
                    else:
                        for y in range(height):
                            differ += popcount(window[p, y + dy] ^ patch[p, w, y])
                    out[dy * columns + dx, channel[p]] -= np.int64(differ)
                p += 2 if pair else 1
    for p in range(count):
        out[:, channel[p]] += bits * height


@kernel()
def window_agrees(
    planes: NDArray, patch: NDArray, masks: NDArray, channel: NDArray, corner: tuple[int, int], out: NDArray
) -> None:
    """As `windows_agree` for one window; out (channels,)."""
    count, words, height = patch.shape
    first = corner[1] >> 6
    shift = np.uint64(corner[1] & 63)
    back = np.uint64(63) - shift
    out[:] = 0
    for p in range(count):
        differ = np.uint64(0)
        for w in range(words):
            low = planes[p, first + w, corner[0] : corner[0] + height]
            high = planes[p, first + w + 1, corner[0] : corner[0] + height]
            own = patch[p, w]
            mask = masks[w]
            out[channel[p]] += np.int64(popcount(mask)) * height
            for y in range(height):
                differ += popcount(
                    (((low[y] >> shift) | ((high[y] << np.uint64(1)) << back)) & mask) ^ own[y]
                )
        out[channel[p]] -= np.int64(differ)


@kernel()
def _tried(corner: int, end: int, radius: int) -> tuple[int, int]:
    """First place and number of places within `radius` px of a corner, of 0 to `end` along one axis.

    Those on to the end are tried too where it is less than 2 `radius` off: a grid of places seldom ends there.
    """
    corner = min(corner, end)
    first = max(corner - radius, 0)
    last = corner + radius if end - corner >= 2 * radius else end
    return first, last - first + 1


@kernel()
def _best_place(agree: NDArray, mean: NDArray, scale: NDArray) -> tuple[np.float32, int]:
    """Highest sum over channels of squared positive z-scores, of agreeing bits (places, C), and its first place."""
    best = np.float32(-1)
    at = 0
    for place in range(len(agree)):
        total = np.float32(0)
        for c in range(len(mean)):
            z = (agree[place, c] - mean[c]) * scale[c]
            if z > 0:
                total += np.float32(z * z)
        if total > best:
            best = total
            at = place
    return best, at


@kernel(parallel=True, nogil=True)
def refine(codes: FineCodes, windows: Windows, radius: int, noise: Noise, out: Found) -> None:
    """Best place near each candidate, by the sum over channels of squared positive z-scores of agreeing bits.

    codes are (planes, starts, shapes, patches, masks, channel): planes flat uint64, image i's from starts[i] on, of
    shapes[i] = (height, width) pixels, each laid out as `windows_agree` wants it; patches (n, P, w, h).
    windows are (targets, corners, order): targets (n, m) image of each candidate, -1 where there is none; corners
    (n, m, 2) as (y, x), which may lie beyond the last place that is wholly inside, and then count as that; order
    (n * m,) in which they are taken: those of one image together, so that its planes stay in the cache.
    Every corner within `radius` px that lies inside is tried, and those on to the image's end where it is near.
    noise is (mean, scale), each (n, C): z = (agreement - mean) scale. out is (score, place): (n, m) float32, -1 where
    there is none, and (n, m, 2).
    """
    planes, starts, shapes, patches, masks, channel = codes
    targets, corners, order = windows
    mean, scale = noise
    out_score, out_place = out
    _, count, words, height = patches.shape
    channels = mean.shape[1]
    side = 3 * radius + 1
    width = np.int64(0)
    for w in range(words):
        width += np.int64(popcount(masks[w]))
    for part in prange((len(order) + _RUN - 1) // _RUN):
        agree = np.empty((side * side, channels), np.int32)
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            out_score[n, m] = -1
            if i < 0:
                continue
            high, wide = shapes[i, 0], shapes[i, 1]
            across = (wide + 63) // 64 + 1
            image = planes[starts[i] : starts[i] + count * across * high].reshape((count, across, high))
            y, rows = _tried(corners[n, m, 0], high - height, radius)
            x, columns = _tried(corners[n, m, 1], wide - width, radius)
            near = agree[: rows * columns]
            windows_agree(image, patches[n], masks, channel, (y, x), (rows, columns), near)
            out_score[n, m], place = _best_place(near, mean[n], scale[n])
            out_place[n, m, 0] = y + place // columns
            out_place[n, m, 1] = x + place % columns


@kernel(parallel=True, nogil=True)
def sample_agreement(codes: FineCodes, windows: Windows, out: NDArray) -> None:
    """Agreeing bits of each patch at given windows: as `refine`, out (n, m, C) int32; -1 where there is no target."""
    planes, starts, shapes, patches, masks, channel = codes
    targets, corners, order = windows
    count = patches.shape[1]
    for part in prange((len(order) + _RUN - 1) // _RUN):
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            if i < 0:
                out[n, m] = -1
                continue
            across, high = (shapes[i, 1] + 63) // 64 + 1, shapes[i, 0]
            image = planes[starts[i] : starts[i] + count * across * high].reshape((count, across, high))
            window_agrees(image, patches[n], masks, channel, (corners[n, m, 0], corners[n, m, 1]), out[n, m])
