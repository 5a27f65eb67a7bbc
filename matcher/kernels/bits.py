"""Comparisons of one-bit codes: XOR and population count, 64 bits at a time."""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

CHUNK = 128  # places that share one minimum
_SPAN = 4 * CHUNK  # places whose distances are held at once
FineCodes = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, NDArray]
_RUN = 256  # candidates that a thread takes at a time
KEY_SHIFT = 7  # a key is distance << KEY_SHIFT | place in the chunk


@intrinsic
def popcount(_typing, _value):  # type: ignore[no-untyped-def]
    """Bits that are set in a uint64 (LLVM's ctpop)."""

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        word = ir.IntType(64)
        count = builder.module.declare_intrinsic("llvm.ctpop", [word], ir.FunctionType(word, [word]))
        return builder.call(count, arguments)

    return types.uint64(types.uint64), generate


@kernel()
def least_key(distance: NDArray, shift: int) -> np.uint32:
    """Least of distance << shift | place over an array; signed and from 0, so that the compiler vectorises it."""
    key = np.int64(1) << 62
    for x in range(len(distance)):
        key = min(key, (np.int64(distance[x]) << shift) | x)
    return np.uint32(key)


@kernel(parallel=True, nogil=True)
def chunk_minima(codes: NDArray, patches: NDArray, out: NDArray) -> None:
    """Least Hamming distance of every patch in every chunk of an image's places.

    codes (8, places) uint64, patches (n, 8) uint64 with n a multiple of 4; out (n, chunks) uint32 keys.
    Four patches a pass, over several chunks at once, keep the popcount unit busy; the arrays
    are one-dimensional and the function's own, since the compiler must see that they do not overlap.
    """
    places = codes.shape[1]
    for quad in prange(len(patches) // 4):
        p = 4 * quad
        d0 = np.empty(_SPAN, np.uint64)
        d1 = np.empty(_SPAN, np.uint64)
        d2 = np.empty(_SPAN, np.uint64)
        d3 = np.empty(_SPAN, np.uint64)
        for low in range(0, places, _SPAN):
            size = min(_SPAN, places - low)
            c0 = codes[0, low : low + size]
            c1 = codes[1, low : low + size]
            c2 = codes[2, low : low + size]
            c3 = codes[3, low : low + size]
            c4 = codes[4, low : low + size]
            c5 = codes[5, low : low + size]
            c6 = codes[6, low : low + size]
            c7 = codes[7, low : low + size]
            p00 = patches[p + 0, 0]
            p01 = patches[p + 0, 1]
            p02 = patches[p + 0, 2]
            p03 = patches[p + 0, 3]
            p04 = patches[p + 0, 4]
            p05 = patches[p + 0, 5]
            p06 = patches[p + 0, 6]
            p07 = patches[p + 0, 7]
            p10 = patches[p + 1, 0]
            p11 = patches[p + 1, 1]
            p12 = patches[p + 1, 2]
            p13 = patches[p + 1, 3]
            p14 = patches[p + 1, 4]
            p15 = patches[p + 1, 5]
            p16 = patches[p + 1, 6]
            p17 = patches[p + 1, 7]
            p20 = patches[p + 2, 0]
            p21 = patches[p + 2, 1]
            p22 = patches[p + 2, 2]
            p23 = patches[p + 2, 3]
            p24 = patches[p + 2, 4]
            p25 = patches[p + 2, 5]
            p26 = patches[p + 2, 6]
            p27 = patches[p + 2, 7]
            p30 = patches[p + 3, 0]
            p31 = patches[p + 3, 1]
            p32 = patches[p + 3, 2]
            p33 = patches[p + 3, 3]
            p34 = patches[p + 3, 4]
            p35 = patches[p + 3, 5]
            p36 = patches[p + 3, 6]
            p37 = patches[p + 3, 7]
            for x in range(size):
                d0[x] = (
                    popcount(c0[x] ^ p00)
                    + popcount(c1[x] ^ p01)
                    + popcount(c2[x] ^ p02)
                    + popcount(c3[x] ^ p03)
                    + popcount(c4[x] ^ p04)
                    + popcount(c5[x] ^ p05)
                    + popcount(c6[x] ^ p06)
                    + popcount(c7[x] ^ p07)
                )
                d1[x] = (
                    popcount(c0[x] ^ p10)
                    + popcount(c1[x] ^ p11)
                    + popcount(c2[x] ^ p12)
                    + popcount(c3[x] ^ p13)
                    + popcount(c4[x] ^ p14)
                    + popcount(c5[x] ^ p15)
                    + popcount(c6[x] ^ p16)
                    + popcount(c7[x] ^ p17)
                )
                d2[x] = (
                    popcount(c0[x] ^ p20)
                    + popcount(c1[x] ^ p21)
                    + popcount(c2[x] ^ p22)
                    + popcount(c3[x] ^ p23)
                    + popcount(c4[x] ^ p24)
                    + popcount(c5[x] ^ p25)
                    + popcount(c6[x] ^ p26)
                    + popcount(c7[x] ^ p27)
                )
                d3[x] = (
                    popcount(c0[x] ^ p30)
                    + popcount(c1[x] ^ p31)
                    + popcount(c2[x] ^ p32)
                    + popcount(c3[x] ^ p33)
                    + popcount(c4[x] ^ p34)
                    + popcount(c5[x] ^ p35)
                    + popcount(c6[x] ^ p36)
                    + popcount(c7[x] ^ p37)
                )
            for q, distance in enumerate((d0, d1, d2, d3)):
                for start in range(0, size, CHUNK):
                    key = least_key(distance[start : min(start + CHUNK, size)], KEY_SHIFT)
                    out[p + q, (low + start) // CHUNK] = key


@kernel(parallel=True, nogil=True)
def least_keys(keys: NDArray, shift: int, count: int, out: NDArray) -> None:
    """Columns of the `count` least distances of each row: keys (n, m) uint32 to out (n, count) int64, ascending.

    A distance is a key without its lowest `shift` bits. Equal distances go to the lower column. A counting sort:
    distances are small whole numbers.
    """
    rows, columns = keys.shape
    for r in prange(rows):
        top = 0
        for c in range(columns):
            top = max(top, np.int64(keys[r, c] >> shift))
        histogram = np.zeros(top + 2, np.int64)
        for c in range(columns):
            histogram[np.int64(keys[r, c] >> shift) + 1] += 1
        for d in range(1, top + 2):
            histogram[d] += histogram[d - 1]
        for c in range(columns):
            d = np.int64(keys[r, c] >> shift)
            slot = histogram[d]
            if slot < count:
                out[r, slot] = c
            histogram[d] += 1


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


@kernel(parallel=True, nogil=True)
def refine(
    codes: FineCodes,
    targets: NDArray,
    corners: NDArray,
    order: NDArray,
    radius: int,
    mean: NDArray,
    scale: NDArray,
    out_score: NDArray,
    out_place: NDArray,
) -> None:
    """Best place near each candidate, by the sum over channels of squared positive z-scores of agreeing bits.

    codes are (planes, starts, shapes, patches, masks, channel): planes flat uint64, image i's from starts[i] to
    starts[i + 1], of shapes[i] = (height, width) pixels, each laid out as `windows_agree` wants it; patches
    (n, P, w, h).
    targets (n, m) image of each candidate, -1 where there is none; order (n * m,) in which they are taken: those of one
    image together, so that its planes stay in the cache. corners (n, m, 2) as (y, x), which may lie beyond the last
    place that is wholly inside, and then count as that; every corner within `radius` px that lies inside is tried, and
    those on to the image's end where it is less than 2 `radius` off: a grid of places seldom ends there.
    mean, scale (n, C): z = (agreement - mean) scale. out_score (n, m) float32, -1 where there is none; out_place
    (n, m, 2).
    """
    planes, starts, shapes, patches, masks, channel = codes
    _, count, words, height = patches.shape
    channels = mean.shape[1]
    side = 3 * radius + 1
    width_bits = np.int64(0)
    for w in range(words):
        width_bits += np.int64(popcount(masks[w]))
    for part in prange((len(order) + _RUN - 1) // _RUN):
        agree = np.empty((side * side, channels), np.int32)
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            out_score[n, m] = -1
            if i < 0:
                continue
            high, wide = shapes[i, 0], shapes[i, 1]
            image = planes[starts[i] : starts[i + 1]].reshape((count, (wide + 63) // 64 + 1, high))
            end_y = high - height
            end_x = wide - width_bits
            y = min(corners[n, m, 0], end_y)
            x = min(corners[n, m, 1], end_x)
            y0 = max(y - radius, 0)
            x0 = max(x - radius, 0)
            if end_y - y >= 2 * radius:
                end_y = y + radius
            if end_x - x >= 2 * radius:
                end_x = x + radius
            rows = end_y - y0 + 1
            columns = end_x - x0 + 1
            windows_agree(
                image, patches[n], masks, channel, (y0, x0), (rows, columns), agree[: rows * columns]
            )
            best = np.float32(-1)
            for place in range(rows * columns):
                total = np.float32(0)
                for c in range(channels):
                    z = (agree[place, c] - mean[n, c]) * scale[n, c]
                    if z > 0:
                        total += np.float32(z * z)
                if total > best:
                    best = total
                    out_place[n, m, 0] = y0 + place // columns
                    out_place[n, m, 1] = x0 + place % columns
            out_score[n, m] = best


@kernel(parallel=True, nogil=True)
def sample_agreement(
    codes: FineCodes,
    targets: NDArray,
    corners: NDArray,
    order: NDArray,
    out: NDArray,
) -> None:
    """Agreeing bits of each patch at given windows: as `refine`, out (n, m, C) int32; -1 where there is no target."""
    planes, starts, shapes, patches, masks, channel = codes
    count = patches.shape[1]
    for part in prange((len(order) + _RUN - 1) // _RUN):
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            if i < 0:
                out[n, m] = -1
                continue
            image = planes[starts[i] : starts[i + 1]].reshape(
                (count, (shapes[i, 1] + 63) // 64 + 1, shapes[i, 0])
            )
            window_agrees(image, patches[n], masks, channel, (corners[n, m, 0], corners[n, m, 1]), out[n, m])
