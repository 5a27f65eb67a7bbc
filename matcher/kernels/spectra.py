"""The exact engine's inner loops: products of spectra, and scores from correlation maps."""

import numpy as np
from numpy.typing import NDArray

from matcher.kernels.jit import REORDER, kernel


@kernel(nogil=True, fastmath=REORDER)
def cross_spectra(patch: NDArray, targets: NDArray, out: NDArray) -> None:
    """Sum over fields of conj(patch) target: (F, H, W), (N, F, H, W) to (N, H, W), complex."""
    count, fields, height, width = targets.shape
    for k in range(count * height):
        i = k // height
        y = k % height
        for x in range(width):
            out[i, y, x] = patch[0, y, x].conjugate() * targets[i, 0, y, x]
        for f in range(1, fields):
            for x in range(width):
                out[i, y, x] += patch[f, y, x].conjugate() * targets[i, f, y, x]


@kernel(nogil=True)
def laid_in_pairs(fields: NDArray, out: NDArray) -> None:
    """Fields two by two as real and imaginary parts: (N, F, h, w) to out (N, pairs, H >= h, W >= w, 2), 0 beyond them.

    Of an odd number of fields the last imaginary part is 0.
    """
    number, count, height, width = fields.shape
    for n in range(number):
        for p in range(out.shape[1]):
            both = 2 * p + 1 < count
            for y in range(out.shape[2]):
                row = out[n, p, y]
                if y >= height:
                    row[:] = 0
                    continue
                one, other = fields[n, 2 * p, y], fields[n, 2 * p + both, y]
                if both:
                    for x in range(width):
                        row[x, 0] = one[x]
                        row[x, 1] = other[x]
                else:
                    for x in range(width):
                        row[x, 0] = one[x]
                        row[x, 1] = 0
                row[width:] = 0


@kernel(nogil=True)
def window_norms(energy: NDArray, flat: float, full: float, weight: float, norm: NDArray) -> None:
    """1 / sqrt of windows' energies, each weighed with `full` as `weight` to 1; 0 where one is at most `flat`.

    energy float64 to norm float32, both (N, places y, places x).
    """
    for n in range(len(energy)):
        for y in range(energy.shape[1]):
            row, made = energy[n, y], norm[n, y]
            for x in range(len(row)):
                made[x] = 0 if row[x] <= flat else 1 / np.sqrt((row[x] + weight * full) / (1 + weight))


@kernel(nogil=True)
def window_energy(fields: NDArray, centred: bool, out: NDArray) -> None:
    """Sums over fields and windows of squares: (N, F, H, W) to out (N, places y, places x), float64.

    The windows' size follows from the places. With `centred` each field counts less its mean over the window; fields
    are to lie near zero then. Sums are differences of running sums in float64.
    """
    number, count, height, width = fields.shape
    places, across = out.shape[1:]
    tall, wide = height - places + 1, width - across + 1
    sums = np.zeros((height + 1, width))  # down the columns
    along = np.zeros(width + 1)
    for n in range(number):
        for k in range(-1, count if centred else 0):  # squares of all, then each field as it is
            for y in range(height):
                row = sums[y + 1]
                row[:] = 0
                for f in range(count if k < 0 else 1):
                    own = fields[n, max(k, f), y]
                    for x in range(width):
                        value = np.float64(own[x])
                        row[x] += value * value if k < 0 else value
                for x in range(width):
                    row[x] += sums[y, x]
            for y in range(places):
                low, high, total = sums[y], sums[y + tall], out[n, y]
                for x in range(width):
                    along[x + 1] = along[x] + (high[x] - low[x])
                ends = along[wide : wide + across]
                for x in range(across):
                    value = ends[x] - along[x]
                    total[x] = value if k < 0 else total[x] - value * value / (tall * wide)


@kernel(nogil=True, fastmath=REORDER)
def moments(score: NDArray, weight: NDArray) -> tuple[float, float, float]:
    """Mass, mean and variance of a weighted map (H, W), summed in float64 row by row; 0 where the mass is."""
    height, width = score.shape
    mass = 0.0
    total = 0.0
    square = 0.0
    for y in range(height):
        row_mass = 0.0
        row_total = 0.0
        row_square = 0.0
        for x in range(width):
            w = np.float64(weight[y, x])
            v = np.float64(score[y, x])
            row_mass += w
            row_total += w * v
            row_square += w * v * v
        mass += row_mass
        total += row_total
        square += row_square
    if mass <= 0.0:
        return 0.0, 0.0, 0.0
    mean = total / mass
    return mass, mean, max(square / mass - mean * mean, 0.0)


@kernel(nogil=True, fastmath=REORDER)
def combine_peaks(
    maps: NDArray,
    live: NDArray,
    weights: NDArray,
    prior: NDArray,
    prior_count: float,
    apart: int,
    out_score: NDArray,
    out_place: NDArray,
) -> None:
    """Best and second place of each target by the sum of weighted squares of positive z-scores.

    maps, live (N, C, H, W): a place counts in the noise of its map by how live it is; weights, prior (C,): the prior
    variance of a channel's noise counts as `prior_count` live places.
    The second place lies more than `apart` px from the best in y or x. out_score (N, 2), -1 where there is none;
    out_place (N, 2, 2) as (y, x). Ties go to the lower y, then the lower x.
    """
    count, channels, height, width = maps.shape
    for i in range(count):
        mean = np.empty(channels)
        scale = np.empty(channels)
        for c in range(channels):
            places, m, v = moments(maps[i, c], live[i, c])
            share = places / (places + prior_count)
            mean[c] = m * share
            spread = share * (v + m * m) - mean[c] * mean[c] + (1.0 - share) * prior[c]
            scale[c] = np.sqrt(weights[c] / max(spread, 1e-12))
        total = np.zeros((height, width), np.float32)
        for c in range(channels):
            low = np.float32(mean[c])
            gain = np.float32(scale[c])
            for y in range(height):
                for x in range(width):
                    z = max((maps[i, c, y, x] - low) * gain, np.float32(0))
                    total[y, x] += z * z
        best_y = 0
        best_x = 0
        best = np.float32(-1)
        for y in range(height):
            for x in range(width):
                if total[y, x] > best:
                    best = total[y, x]
                    best_y = y
                    best_x = x
        second_y = 0
        second_x = 0
        second = np.float32(-1)
        for y in range(height):
            for x in range(width):
                if total[y, x] > second and (abs(y - best_y) > apart or abs(x - best_x) > apart):
                    second = total[y, x]
                    second_y = y
                    second_x = x
        out_score[i, 0] = best
        out_score[i, 1] = second
        out_place[i, 0, 0] = best_y
        out_place[i, 0, 1] = best_x
        out_place[i, 1, 0] = second_y
        out_place[i, 1, 1] = second_x
