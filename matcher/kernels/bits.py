"""Comparisons of one-bit codes: XOR and population count, 64 bits at a time."""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from matcher.kernels.jit import kernel

CHUNK = 128  # places that share one minimum
KEY_SHIFT = 7  # a key is distance << KEY_SHIFT | place in the chunk


@intrinsic
def popcount(_typing, value):  # type: ignore[no-untyped-def]
    """Bits that are set in a uint64 (LLVM's ctpop)."""

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        word = ir.IntType(64)
        count = builder.module.declare_intrinsic("llvm.ctpop", [word], ir.FunctionType(word, [word]))
        return builder.call(count, arguments)

    return types.uint64(types.uint64), generate


@kernel(parallel=True)
def chunk_minima(codes: NDArray, patches: NDArray, out: NDArray) -> None:
    """Least Hamming distance of every patch in every chunk of an image's places.

    codes (W, places) uint64, patches (n, W) uint64 with n a multiple of 4 and W of 4; out (n, chunks) uint32 keys.
    Four patches a pass and four words a step keep the popcount unit busy.
    """
    words, places = codes.shape
    chunks = (places + CHUNK - 1) // CHUNK
    for quad in prange(len(patches) // 4):
        p = 4 * quad
        d0 = np.empty(CHUNK, np.uint64)
        d1 = np.empty(CHUNK, np.uint64)
        d2 = np.empty(CHUNK, np.uint64)
        d3 = np.empty(CHUNK, np.uint64)
        for chunk in range(chunks):
            low = chunk * CHUNK
            size = min(CHUNK, places - low)
            for w in range(0, words, 4):
                a = codes[w, low : low + size]
                b = codes[w + 1, low : low + size]
                c = codes[w + 2, low : low + size]
                d = codes[w + 3, low : low + size]
                a0, a1, a2, a3 = patches[p, w], patches[p + 1, w], patches[p + 2, w], patches[p + 3, w]
                b0, b1, b2, b3 = (
                    patches[p, w + 1],
                    patches[p + 1, w + 1],
                    patches[p + 2, w + 1],
                    patches[p + 3, w + 1],
                )
                c0, c1, c2, c3 = (
                    patches[p, w + 2],
                    patches[p + 1, w + 2],
                    patches[p + 2, w + 2],
                    patches[p + 3, w + 2],
                )
                e0, e1, e2, e3 = (
                    patches[p, w + 3],
                    patches[p + 1, w + 3],
                    patches[p + 2, w + 3],
                    patches[p + 3, w + 3],
                )
                if w == 0:
                    for x in range(size):
                        d0[x] = (
                            popcount(a[x] ^ a0)
                            + popcount(b[x] ^ b0)
                            + popcount(c[x] ^ c0)
                            + popcount(d[x] ^ e0)
                        )
                        d1[x] = (
                            popcount(a[x] ^ a1)
                            + popcount(b[x] ^ b1)
                            + popcount(c[x] ^ c1)
                            + popcount(d[x] ^ e1)
                        )
                        d2[x] = (
                            popcount(a[x] ^ a2)
                            + popcount(b[x] ^ b2)
                            + popcount(c[x] ^ c2)
                            + popcount(d[x] ^ e2)
                        )
                        d3[x] = (
                            popcount(a[x] ^ a3)
                            + popcount(b[x] ^ b3)
                            + popcount(c[x] ^ c3)
                            + popcount(d[x] ^ e3)
                        )
                else:
                    for x in range(size):
                        d0[x] += (
                            popcount(a[x] ^ a0)
                            + popcount(b[x] ^ b0)
                            + popcount(c[x] ^ c0)
                            + popcount(d[x] ^ e0)
                        )
                        d1[x] += (
                            popcount(a[x] ^ a1)
                            + popcount(b[x] ^ b1)
                            + popcount(c[x] ^ c1)
                            + popcount(d[x] ^ e1)
                        )
                        d2[x] += (
                            popcount(a[x] ^ a2)
                            + popcount(b[x] ^ b2)
                            + popcount(c[x] ^ c2)
                            + popcount(d[x] ^ e2)
                        )
                        d3[x] += (
                            popcount(a[x] ^ a3)
                            + popcount(b[x] ^ b3)
                            + popcount(c[x] ^ c3)
                            + popcount(d[x] ^ e3)
                        )
            k0 = np.uint64(0xFFFFFFFF)
            k1 = np.uint64(0xFFFFFFFF)
            k2 = np.uint64(0xFFFFFFFF)
            k3 = np.uint64(0xFFFFFFFF)
            for x in range(size):
                place = np.uint64(x)
                k0 = min(k0, (d0[x] << np.uint64(KEY_SHIFT)) | place)
                k1 = min(k1, (d1[x] << np.uint64(KEY_SHIFT)) | place)
                k2 = min(k2, (d2[x] << np.uint64(KEY_SHIFT)) | place)
                k3 = min(k3, (d3[x] << np.uint64(KEY_SHIFT)) | place)
            out[p, chunk] = k0
            out[p + 1, chunk] = k1
            out[p + 2, chunk] = k2
            out[p + 3, chunk] = k3


@kernel(parallel=True)
def least_keys(keys: NDArray, shift: int, count: int, out: NDArray) -> None:
    """Columns of the `count` least distances of each row: keys (n, m) uint32 to out (n, count) int64, ascending.

    A distance is a key without its lowest `shift` bits. Equal distances go to the lower column. A counting sort: distances are small whole numbers.
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
    window = np.empty(height + rows - 1, np.uint64)
    bits = 0
    for w in range(words):
        bits += np.int64(popcount(masks[w]))
    out[:] = 0
    for dx in range(columns):
        x = corner[1] + dx
        first = x >> 6
        shift = np.uint64(x & 63)
        back = np.uint64(63) - shift
        for p in range(count):
            k = channel[p]
            for dy in range(rows):
                out[dy * columns + dx, k] += bits * height
            for w in range(words):
                low = planes[p, first + w, corner[0] : corner[0] + height + rows - 1]
                high = planes[p, first + w + 1, corner[0] : corner[0] + height + rows - 1]
                mask = masks[w]
                for y in range(height + rows - 1):
                    window[y] = ((low[y] >> shift) | ((high[y] << np.uint64(1)) << back)) & mask
                own = patch[p, w]
                for dy in range(rows):
                    differ = np.uint64(0)
                    for y in range(height):
                        differ += popcount(window[y + dy] ^ own[y])
                    out[dy * columns + dx, k] -= np.int64(differ)


@kernel(parallel=True)
def refine(
    planes: NDArray,
    starts: NDArray,
    shapes: NDArray,
    patches: NDArray,
    masks: NDArray,
    channel: NDArray,
    targets: NDArray,
    corners: NDArray,
    radius: int,
    mean: NDArray,
    scale: NDArray,
    out_score: NDArray,
    out_place: NDArray,
) -> None:
    """Best place near each candidate, by the sum over channels of squared positive z-scores of agreeing bits.

    planes flat uint64, image i's from starts[i] to starts[i + 1], of shapes[i] = (height, width) pixels, each laid out
    as `windows_agree` wants it; patches (n, P, w, h).
    targets (n, m) image of each candidate, -1 where there is none; corners (n, m, 2) as (y, x); every corner within
    `radius` px that lies inside is tried. mean, scale (n, C): z = (agreement - mean) scale, scale with the root of
    the channel's weight in it. out_score (n, m) float32, -1 where there is none; out_place (n, m, 2).
    """
    many, count, words, height = patches.shape
    channels = mean.shape[1]
    side = 2 * radius + 1
    width_bits = np.int64(0)
    for w in range(words):
        width_bits += np.int64(popcount(masks[w]))
    for n in prange(many):
        agree = np.empty((side * side, channels), np.int32)
        for m in range(targets.shape[1]):
            i = targets[n, m]
            out_score[n, m] = -1
            if i < 0:
                continue
            high, wide = shapes[i, 0], shapes[i, 1]
            image = planes[starts[i] : starts[i + 1]].reshape((count, (wide + 63) // 64 + 1, high))
            y0 = max(corners[n, m, 0] - radius, 0)
            x0 = max(corners[n, m, 1] - radius, 0)
            rows = min(corners[n, m, 0] + radius, high - height) - y0 + 1
            columns = min(corners[n, m, 1] + radius, wide - width_bits) - x0 + 1
            windows_agree(
                image, patches[n], masks, channel, (y0, x0), (rows, columns), agree[: rows * columns]
            )
            best = np.float32(-1)
            for k in range(rows * columns):
                total = np.float32(0)
                for c in range(channels):
                    z = (agree[k, c] - mean[n, c]) * scale[n, c]
                    if z > 0:
                        total += np.float32(z * z)
                if total > best:
                    best = total
                    out_place[n, m, 0] = y0 + k // columns
                    out_place[n, m, 1] = x0 + k % columns
            out_score[n, m] = best


@kernel(parallel=True)
def sample_agreement(
    planes: NDArray,
    starts: NDArray,
    shapes: NDArray,
    patches: NDArray,
    masks: NDArray,
    channel: NDArray,
    targets: NDArray,
    corners: NDArray,
    out: NDArray,
) -> None:
    """Agreeing bits of each patch at given windows: as `refine`, out (n, m, C) int32; -1 where there is no target."""
    many, count = patches.shape[:2]
    for n in prange(many):
        for m in range(targets.shape[1]):
            i = targets[n, m]
            if i < 0:
                out[n, m] = -1
                continue
            image = planes[starts[i] : starts[i + 1]].reshape(
                (count, (shapes[i, 1] + 63) // 64 + 1, shapes[i, 0])
            )
            place = (corners[n, m, 0], corners[n, m, 1])
            windows_agree(image, patches[n], masks, channel, place, (1, 1), out[n, m : m + 1])
