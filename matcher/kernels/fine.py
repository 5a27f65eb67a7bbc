"""Fine codes: how many bits of a patch agree with a window of an image, one bit a pixel, and the best window near."""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from matcher.kernels.bits import popcount
from matcher.kernels.jit import kernel

_RUN = 256  # candidates that a thread takes at a time
# What the fine kernels take and give, as `refine` tells.
FineCodes = tuple[NDArray, NDArray, NDArray, NDArray, NDArray, tuple[int, ...]]
Windows = tuple[NDArray, NDArray, NDArray]
Noise = tuple[NDArray, NDArray]
Found = tuple[NDArray, NDArray]


@intrinsic
def _apart(_typing, window, _at, _step, patch, shape, channel, out, _place):  # type: ignore[no-untyped-def]
    """In how many bits a patch and a window differ, by channel, to out[place], int32 (places, channels).

    window, patch flat uint64: rows of as many words as there are planes, `shape` (words, height) of them in the patch
    one after another; in the window a word's begin at `at` and `step` behind those of the one before. channel, a
    tuple: which channel each plane counts for. Generated as one vector a row, since the compiler makes none of a loop
    over so few planes.
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lanes, word, small = signature.args[5].count, ir.IntType(64), ir.IntType(32)
        row = ir.VectorType(word, lanes)

        def intrinsic_of(name, result):  # type: ignore[no-untyped-def]
            kind = ir.FunctionType(result, [row])
            return cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{lanes}i64")

        count_bits, add_up = intrinsic_of("ctpop", row), intrinsic_of("vector.reduce.add", word)

        def data(k):  # type: ignore[no-untyped-def]
            return context.make_array(signature.args[k])(context, builder, arguments[k]).data

        def load(pointer, first):  # type: ignore[no-untyped-def]
            value = builder.load(builder.bitcast(builder.gep(pointer, [first]), row.as_pointer()))
            value.align = 8
            return value

        words, height = cgutils.unpack_tuple(builder, arguments[4])
        total = cgutils.alloca_once_value(builder, ir.Constant(row, [0] * lanes))
        with cgutils.for_range(builder, words) as across:
            mine = builder.gep(data(0), [builder.add(arguments[1], builder.mul(across.index, arguments[2]))])
            first = builder.mul(builder.mul(across.index, height), word(lanes))
            its = builder.gep(data(3), [first])
            with cgutils.for_range(builder, height) as down:
                step = builder.mul(down.index, word(lanes))
                counted = builder.call(count_bits, [builder.xor(load(mine, step), load(its, step))])
                builder.store(builder.add(builder.load(total), counted), total)
        owner = ir.Constant(row, ir.Undefined)
        for p, one in enumerate(cgutils.unpack_tuple(builder, arguments[5])):
            owner = builder.insert_element(owner, one, small(p))
        found = context.make_array(signature.args[6])(context, builder, arguments[6])
        channels = builder.extract_value(found.shape, 1)
        first = builder.mul(arguments[7], channels)
        with cgutils.for_range(builder, channels) as loop:
            every = builder.insert_element(ir.Constant(row, ir.Undefined), loop.index, small(0))
            every = builder.shuffle_vector(
                every, every, ir.Constant(ir.VectorType(small, lanes), [0] * lanes)
            )
            chosen = builder.sext(builder.icmp_signed("==", owner, every), row)  # all bits or none
            differ = builder.call(add_up, [builder.and_(builder.load(total), chosen)])
            builder.store(
                builder.trunc(differ, small), builder.gep(found.data, [builder.add(first, loop.index)])
            )
        return context.get_dummy_value()

    arguments = (window, types.int64, types.int64, patch, shape, channel, out, types.int64)
    return types.void(*arguments), generate


@kernel()
def room_for(rows: int, patch: NDArray) -> NDArray:
    """What `windows_agree` works in for so many rows of places: rows of eight words begin lines of the cache there."""
    words, height, planes = patch.shape
    room = np.empty(((height + rows) * words + words * height) * planes + 24, np.uint64)
    return room[(-(room.ctypes.data >> 3)) & 7 :]


@kernel()
def windows_agree(
    planes: NDArray,
    patch: NDArray,
    masks: NDArray,
    channel: tuple[int, ...],
    corner: tuple[int, int],
    span: tuple[int, int],
    room: NDArray,
    out: NDArray,
) -> None:
    """Agreeing bits of a patch with every window whose corner lies within a rectangle.

    planes (W, H, P) uint64: word w of row y of plane p holds columns 64 w .. 64 w + 63, lowest bit first; one word
    of padding at the right. patch (w, h, P) likewise, without padding; masks (w,) of the bits in use. channel, a tuple
    of P: which column of `out` a plane counts for. corner (y, x), span (rows, columns) of the rectangle; room as of
    `room_for`; out (rows * columns, channels) int32, contiguous.
    """
    words, height, count = patch.shape
    rows, columns = span
    step = (height + rows - 1) * count
    window = room[: words * step]
    after = (words * step + 7) & ~7
    flat = patch.reshape(-1)
    own = flat
    if rows * columns > 1:  # worth a copy that begins a line of the cache
        own = room[after : after + len(flat)]
        for k in range(len(flat)):
            own[k] = flat[k]
    bits = 0
    for w in range(words):
        bits += np.int64(popcount(masks[w]))
    for dx in range(columns):
        first = (corner[1] + dx) >> 6
        shift = np.uint64((corner[1] + dx) & 63)
        back = np.uint64(63) - shift
        for w in range(words):
            low = planes[first + w, corner[0] : corner[0] + height + rows - 1].reshape(-1)
            high = planes[first + w + 1, corner[0] : corner[0] + height + rows - 1].reshape(-1)
            into, mask = window[w * step : (w + 1) * step], masks[w]
            for k in range(step):
                into[k] = ((low[k] >> shift) | ((high[k] << np.uint64(1)) << back)) & mask
        for dy in range(rows):
            _apart(window, dy * count, step, own, (words, height), channel, out, dy * columns + dx)
    for c in range(out.shape[1]):
        most = 0
        for p in range(count):
            most += bits * height * (channel[p] == c)
        for place in range(rows * columns):
            out[place, c] = most - out[place, c]


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
    shapes[i] = (height, width) pixels, each laid out as `windows_agree` wants it; patches (n, w, h, P).
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
    _, words, height, count = patches.shape
    channels = mean.shape[1]
    side = 3 * radius + 1
    width = np.int64(0)
    for w in range(words):
        width += np.int64(popcount(masks[w]))
    for part in prange((len(order) + _RUN - 1) // _RUN):
        agree = np.empty((side * side, channels), np.int32)
        room = room_for(side, patches[0])
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            out_score[n, m] = -1
            if i < 0:
                continue
            high, wide = shapes[i, 0], shapes[i, 1]
            across = (wide + 63) // 64 + 1
            image = planes[starts[i] : starts[i] + count * across * high].reshape((across, high, count))
            y, rows = _tried(corners[n, m, 0], high - height, radius)
            x, columns = _tried(corners[n, m, 1], wide - width, radius)
            near = agree[: rows * columns]
            windows_agree(image, patches[n], masks, channel, (y, x), (rows, columns), room, near)
            out_score[n, m], place = _best_place(near, mean[n], scale[n])
            out_place[n, m, 0] = y + place // columns
            out_place[n, m, 1] = x + place % columns


@kernel(parallel=True, nogil=True)
def sample_agreement(codes: FineCodes, windows: Windows, out: NDArray) -> None:
    """Agreeing bits of each patch at given windows: as `refine`, out (n, m, C) int32; -1 where there is no target."""
    planes, starts, shapes, patches, masks, channel = codes
    targets, corners, order = windows
    count = patches.shape[3]
    for part in prange((len(order) + _RUN - 1) // _RUN):
        room = room_for(1, patches[0])
        for k in range(part * _RUN, min((part + 1) * _RUN, len(order))):
            n, m = divmod(order[k], targets.shape[1])
            i = targets[n, m]
            if i < 0:
                out[n, m] = -1
                continue
            across, high = (shapes[i, 1] + 63) // 64 + 1, shapes[i, 0]
            image = planes[starts[i] : starts[i] + count * across * high].reshape((across, high, count))
            corner = (corners[n, m, 0], corners[n, m, 1])
            windows_agree(image, patches[n], masks, channel, corner, (1, 1), room, out[n, m : m + 1])
