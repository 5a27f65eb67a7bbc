"""The sweep's inner loops: fields from bits, products of spectra, the highest places of a map, one place's sum."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel

_LANES = 32  # columns whose sums are kept apart
_EVEN = 1e-12  # of a deviation: nothing but rounding


@kernel(nogil=True)
def _signs(planes: NDArray, corner: tuple[int, int], line: NDArray) -> int:
    """Bits of a row of one plane (words, H) from a corner (y, x) on as -1 and 1, to line; where in it they begin."""
    first = corner[1] >> 6
    for w in range(len(line) >> 6):
        word = planes[first + w, corner[0]]
        part = line[64 * w : 64 * w + 64]
        for x in range(64):
            part[x] = np.float32(2 * np.int32((word >> np.uint64(x)) & np.uint64(1)) - 1)
    return corner[1] & 63


@kernel(nogil=True)
def _line(corner: tuple[int, int], width: int) -> NDArray:
    """Room for a row of so many columns from a corner on, in whole words."""
    return np.empty((((corner[1] & 63) + width + 63) >> 6) << 6, np.float32)


@kernel(nogil=True)
def folded_signs(
    planes: NDArray, corners: NDArray, size: tuple[int, int], fold: tuple[int, int], out: NDArray
) -> None:
    """Bits of two windows as fields of -1 and 1, folded: planes (P, words, H) uint64 to out (P, h, w, 2) float32.

    Word w of row y holds columns 64 w to 64 w + 63, lowest bit first; the windows have `size` (rows, columns), their
    top-left pixels are corners (2, 2), (y, x) each. Pixels whose rows differ by multiples of fold[0] and columns by
    multiples of fold[1] are summed; the rest of out is 0.
    """
    count = len(out)
    sums = np.empty((2, fold[0], fold[1]), np.float32)
    for p in range(count):
        sums[:] = 0
        for c in range(2):
            line = _line((corners[c, 0], corners[c, 1]), size[1])
            for y in range(size[0]):
                offset = _signs(planes[p], (corners[c, 0] + y, corners[c, 1]), line)
                row = sums[c, y % fold[0]]
                for start in range(0, size[1], fold[1]):
                    part = line[offset + start : offset + min(start + fold[1], size[1])]
                    for x in range(len(part)):
                        row[x] += part[x]
        out[p] = 0
        for y in range(fold[0]):
            one, other, both = sums[0, y], sums[1, y], out[p, y]
            for x in range(fold[1]):
                both[x, 0] = one[x]
                both[x, 1] = other[x]


@kernel(nogil=True, fastmath=REORDER)
def place_sum(planes: NDArray, corner: tuple[int, int], template: NDArray) -> float:
    """Sum of a template (P, h, w) float32 times the signs of the window at a corner (y, x) of planes (P, words, H)."""
    count, height, width = template.shape
    lanes = np.zeros(_LANES, np.float32)
    for p in range(count):
        for start in range(0, width, _LANES):
            word = (corner[1] + start) >> 6
            shift = np.uint64((corner[1] + start) & 63)
            back = np.uint64(63) - shift
            low = planes[p, word, corner[0] : corner[0] + height]
            high = planes[p, word + 1, corner[0] : corner[0] + height]
            size = min(_LANES, width - start)
            for y in range(height):
                bits = np.uint32((low[y] >> shift) | ((high[y] << np.uint64(1)) << back))
                own = template[p, y, start : start + size]
                if size == _LANES:  # a number that the compiler knows: a third of the time
                    for x in range(_LANES):
                        lanes[x] += own[x] if (bits >> np.uint32(x)) & np.uint32(1) else -own[x]
                else:
                    for x in range(size):
                        lanes[x] += own[x] if (bits >> np.uint32(x)) & np.uint32(1) else -own[x]
    total = 0.0
    for x in range(_LANES):
        total += np.float64(lanes[x])
    return total


@kernel(nogil=True)
def part_spectra(spectra: NDArray, scale: float, out: NDArray) -> None:
    """Spectra in whole numbers, row by row: `scale` times (P, H, 2 W' >= 2 W) float32 to out (H, P, 2, W), signed.

    Of spectra the real parts are the even columns.
    """
    height, count, _, width = out.shape
    factor = np.float32(scale)
    for y in range(height):
        for p in range(count):
            row, real, imaginary = spectra[p, y], out[y, p, 0], out[y, p, 1]
            for x in range(width):
                real[x] = np.int32(np.rint(row[2 * x] * factor))
                imaginary[x] = np.int32(np.rint(row[2 * x + 1] * factor))


@kernel(nogil=True, fastmath=REORDER)
def summed_product(patch: NDArray, target: NDArray, out: NDArray) -> None:
    """Sum over fields of conj(patch) target: (H, P, 2, W) int8 and int16 to out (H, 2 W' >= 2 W) float32.

    Of out the real parts are the even columns.
    """
    height, count, _, width = patch.shape
    real = np.empty(width, np.float32)
    imaginary = np.empty(width, np.float32)
    for y in range(height):
        real[:] = 0
        imaginary[:] = 0
        for p in range(count):
            own_real, own_imaginary = patch[y, p, 0], patch[y, p, 1]
            other_real, other_imaginary = target[y, p, 0], target[y, p, 1]
            for x in range(width):
                a, b = np.float32(own_real[x]), np.float32(own_imaginary[x])
                c, d = np.float32(other_real[x]), np.float32(other_imaginary[x])
                real[x] += a * c + b * d
                imaginary[x] += a * d - b * c
        row = out[y]
        for x in range(width):
            row[2 * x] = real[x]
            row[2 * x + 1] = imaginary[x]


@kernel(nogil=True, fastmath=REORDER)
def _column_sums(values: NDArray, height: int, total: NDArray, square: NDArray, top: NDArray) -> None:
    """Sums, sums of squares and highest values of columns of the first `height` rows of values (H, W' >= W): (W,) each.

    Four rows a step: what is summed is read and written for each of them once.
    """
    width = len(total)
    total[:] = 0
    square[:] = 0
    top[:] = -np.inf
    for y in range(0, height - 3, 4):
        a, b, c, d = values[y, :width], values[y + 1, :width], values[y + 2, :width], values[y + 3, :width]
        for x in range(width):
            total[x] += (a[x] + b[x]) + (c[x] + d[x])
            square[x] += (a[x] * a[x] + b[x] * b[x]) + (c[x] * c[x] + d[x] * d[x])
            top[x] = max(top[x], max(max(a[x], b[x]), max(c[x], d[x])))
    for y in range(height // 4 * 4, height):
        row = values[y, :width]
        for x in range(width):
            total[x] += row[x]
            square[x] += row[x] * row[x]
            top[x] = max(top[x], row[x])


@kernel(nogil=True)
def _best_apart(
    values: NDArray, height: int, which: int, top: NDArray, known: tuple[int, int], apart: int
) -> tuple[np.float32, int, int]:
    """The highest value of map `which` that is more than `apart` off a known place (y, x) in y or x, and its place.

    values as `highest_places` has them, top (W,) the map's highest value of each column. The lowest value and the
    first place where there is none.
    """
    width = len(top)
    left, right = max(known[1] - apart, 0), min(known[1] + apart + 1, width)
    best = np.float32(-np.inf)
    for x in range(width):
        if (x < left or x >= right) and top[x] > best:
            best = top[x]
    for y in range(height):
        if abs(y - known[0]) > apart:
            for x in range(left, right):
                best = max(best, values[y, 2 * x + which])
    if best == -np.inf:
        return best, 0, 0
    best_y, best_x = height, 0
    for x in range(width):
        if top[x] < best:
            continue
        near = left <= x < right
        for y in range(best_y):
            if values[y, 2 * x + which] == best and not (near and abs(y - known[0]) <= apart):
                best_y, best_x = y, x
                break
    return best, best_y, best_x


@kernel(nogil=True)
def highest_places(
    values: NDArray,
    places: tuple[int, int],
    apart: int,
    out_score: NDArray,
    out_place: NDArray,
    out_noise: NDArray,
) -> None:
    """Of two maps the highest place and the highest that is more than `apart` px off in y or x.

    The maps are the even and the odd columns of values (H, 2 W), the first `places` (rows, columns) of each. To
    out_score (2, 2), a row a map: values less the map's mean and over its deviation, 0 where the map is even, -1 where
    there is no second; to out_place (2, 2, 2) as (y, x); to out_noise (2, 2) that mean and deviation. Sums of columns
    are added in float64. Ties go to the lower y, then the lower x.
    """
    height, width = places
    sums = np.empty((3, 2 * width), np.float32)
    total, square, tops = sums[0], sums[1], sums[2]
    _column_sums(values, height, total, square, tops)
    for c in range(2):
        top = tops[c::2].copy()
        first, first_y, first_x = _best_apart(values, height, c, top, (0, 0), -1)
        second, second_y, second_x = _best_apart(values, height, c, top, (first_y, first_x), apart)
        mean, squares = 0.0, 0.0
        for x in range(c, 2 * width, 2):
            mean += np.float64(total[x])
            squares += np.float64(square[x])
        mean /= height * width
        spread = max(squares / (height * width) - mean * mean, 0.0)
        scale = 1.0 / np.sqrt(spread) if spread > 1e-24 else 0.0
        out_score[c, 0] = (first - mean) * scale
        out_score[c, 1] = (second - mean) * scale if second > -np.inf else -1.0
        out_noise[c, 0] = mean
        out_noise[c, 1] = np.sqrt(spread)
        out_place[c, 0, 0] = first_y
        out_place[c, 0, 1] = first_x
        out_place[c, 1, 0] = second_y
        out_place[c, 1, 1] = second_x


@kernel(nogil=True)
def highest_then_product(
    values: NDArray,
    places: tuple[int, int],
    apart: int,
    m: int,
    found: tuple[NDArray, NDArray, NDArray],
    patch: NDArray,
    target: NDArray,
) -> None:
    """`highest_places` of two maps, then in their place the `summed_product` that the next two are made of.

    found (score, place, noise) are `highest_places`' outputs for many pairs of maps, of which these are the m-th. One
    call, since threads wait for each other at the end of each.
    """
    score, place, noise = found
    highest_places(values, places, apart, score[m], place[m], noise[m])
    summed_product(patch, target, values)


@kernel(nogil=True)
def best_unfolded(
    codes: tuple[NDArray, NDArray, NDArray],
    peaks: tuple[NDArray, NDArray, NDArray, NDArray],
    cuts: NDArray,
    template: NDArray,
    out_place: NDArray,
    out_score: NDArray,
) -> None:
    """The best of the places that lie at each place of folded maps, by `place_sum`.

    codes are (planes, starts, shapes): planes flat uint64, target t's from starts[t] on, of shapes[t] = (height,
    width) pixels, laid out as `matcher.kernels.fine` wants them. peaks are target (m,), corner (m, 2) of a piece and
    place (m, 2) in its map, both (y, x), and noise (m, 2), the mean and deviation of a sum; cuts (m, 4) are the piece's
    height and width and the rows and columns of its map, which repeats. To out_place (m, 2) the place in the target, to
    out_score (m,) its deviations above the mean; -1 where none holds the template whole.
    """
    planes, starts, shapes = codes
    targets, corner, place, noise = peaks
    count, height, width = template.shape
    for m in range(len(targets)):
        t = targets[m]
        across = (shapes[t, 1] + 63) // 64 + 1
        flat = planes[starts[t] : starts[t] + count * across * shapes[t, 0]]
        own = flat.reshape(across, shapes[t, 0], count).transpose(2, 0, 1)
        best = -1.0
        for y in range(place[m, 0], cuts[m, 0] - height + 1, cuts[m, 2]):
            for x in range(place[m, 1], cuts[m, 1] - width + 1, cuts[m, 3]):
                at = (y + corner[m, 0], x + corner[m, 1])
                score = (place_sum(own, at, template) - noise[m, 0]) / max(noise[m, 1], _EVEN)
                if score > best:
                    best = score
                    out_place[m, 0], out_place[m, 1] = at
        out_score[m] = best
