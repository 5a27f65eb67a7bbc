"""The kernels, each timed on what a block of the challenge gives it and checked on a part."""

import numpy as np
import pytest
import scipy.fft
from stages import EXACT_CHANNELS, EXACT_FIELDS, FOUR

from matcher.evidence import channels
from matcher.kernels.bits import CHUNK, KEY_SHIFT, chunk_minima, least_keys
from matcher.kernels.fine import refine
from matcher.kernels.slide import ROW_SHIFT, column_minima, unroll_windows
from matcher.kernels.spectra import combine_peaks, cross_spectra
from matcher.search.pyramid.codes import CHANNELS, Plan, code
from matcher.search.pyramid.index import build_index, code_patches
from matcher.settings import DEFAULT_EVIDENCE

PLAN = Plan.of(64, 64)


def words(rng, *shape):
    return rng.integers(0, 2**64, shape, np.uint64)


def bits(array):
    """Bits of words along a new last axis, the lowest first."""
    little = np.ascontiguousarray(array).astype("<u8")[..., np.newaxis].view(np.uint8)
    return np.unpackbits(little, axis=-1, bitorder="little")


def differing(one, other):
    """Differing bits of words, over the last axis of words."""
    return (bits(one) != bits(other)).sum((-1, -2))


@pytest.fixture(scope="module")
def ground():
    """A picture with structure at several scales, DN (512, 512, 4)."""
    rng = np.random.default_rng(0)
    out = np.full((512, 512, 4), 1200.0, np.float32)
    for scale in (1, 2, 4, 8, 16):
        out += np.kron(rng.normal(0, 90, (512 // scale, 512 // scale, 4)), np.ones((scale, scale, 1)))
    return out.clip(1, 4095).astype(np.float32)


def test_chunk_minima(time_it, benchmark):
    rng = np.random.default_rng(1)
    places = 113 * 113
    codes, patches = words(rng, 8, places), words(rng, 256, 8)
    target = (codes.ravel(), np.array([0]), np.array([0, -(-places // CHUNK)]), np.array([places]))
    patches[7] = codes[:, 5 * CHUNK + 9]
    out = np.empty((256, -(-places // CHUNK)), np.uint32)
    time_it(lambda: chunk_minima(*target, patches, out))
    benchmark.extra_info["comparisons"] = 256 * places
    assert out[7, 5] == 9  # distance 0 at place 9
    for p, chunk in ((0, 0), (130, 50), (255, out.shape[1] - 1)):
        distance = differing(codes[:, chunk * CHUNK : (chunk + 1) * CHUNK].T, patches[p])
        assert divmod(int(out[p, chunk]), 1 << KEY_SHIFT) == (distance.min(), distance.argmin())


def test_column_minima(time_it, benchmark):
    rng = np.random.default_rng(2)
    size = 512 // PLAN.factor
    planes = words(rng, 8, size // 64 + 1, size)
    rows, columns = PLAN.middle
    windows = np.empty((size - columns + 1, 8 // PLAN.per_word, size), np.uint64)
    unroll_windows(planes, columns, PLAN.per_word, windows)
    patches = words(rng, 16, windows.shape[1], rows)
    patches[3] = windows[40, :, 70 : 70 + rows]
    out = np.empty((16, len(windows)), np.uint32)
    time_it(lambda: column_minima(windows, patches, np.arange(16), out))
    benchmark.extra_info["places"] = 16 * len(windows) * (size - rows + 1)
    assert out[3, 40] == 70  # distance 0 in row 70
    for p, x in ((0, 0), (9, 100), (15, len(windows) - 1)):
        column = windows[x]
        distance = [int(differing(column[:, y : y + rows], patches[p]).sum()) for y in range(size - rows + 1)]
        assert divmod(int(out[p, x]), 1 << ROW_SHIFT) == (min(distance), int(np.argmin(distance)))


def test_least_keys(time_it):
    keys = np.random.default_rng(3).integers(0, 200 << KEY_SHIFT, (64, 20_000), np.uint32)
    out, least = np.empty((64, 128), np.int64), np.empty((64, 128), np.uint32)
    time_it(lambda: least_keys(keys, KEY_SHIFT, out, least))
    order = np.argsort(keys >> KEY_SHIFT, axis=1, kind="stable")
    np.testing.assert_array_equal(out, order[:, :128])


def test_refine(time_it, benchmark, ground):
    rng = np.random.default_rng(4)
    places = rng.integers(0, 449, (64, 2))
    index = build_index([ground], [ground.shape[:2]], FOUR, PLAN)
    codes = code_patches([ground[y : y + 64, x : x + 64] for y, x in places], FOUR, PLAN)
    corner = rng.integers(0, 449, (64, 128, 2))
    corner[:, 5] = (places + rng.integers(-2, 3, (64, 2))).clip(0, 448)
    mean, scale = np.full((64, CHANNELS), 2048, np.float32), np.full((64, CHANNELS), 1e-2, np.float32)
    score, place = np.empty((64, 128), np.float32), np.zeros((64, 128, 2), np.int64)
    channel = tuple(index.channel.tolist())
    first = (index.fine, index.fine_starts, index.shapes, codes.fine, codes.masks, channel)
    windows = (np.zeros((64, 128), np.int64), corner, np.arange(64 * 128))
    time_it(lambda: refine(first, windows, 2, (mean, scale), (score, place)))
    benchmark.extra_info["windows"] = 64 * 128 * 25
    best = score.argmax(1)
    np.testing.assert_array_equal(place[np.arange(64), best], places)


def test_code(time_it, benchmark, ground):
    codes = time_it(lambda: code([ground, ground[::-1]], FOUR, PLAN, 1))
    benchmark.extra_info["pixels"] = 2 * 512 * 512
    down = ground[2:, 1:-1] - ground[:-2, 1:-1]
    across = ground[1:-1, 2:] - ground[1:-1, :-2]
    size = np.hypot(down, across)
    field = np.divide(down, size, out=np.zeros_like(down), where=size > 0)[..., :3].sum(-1)
    packed = bits(codes.fine[0, :8, :, 0].T).reshape(512, 512)[1:-1, 1:-1]
    clear = np.abs(field) > 1e-3
    np.testing.assert_array_equal(packed[clear], field[clear] > 0)


def test_the_paper_cost_counts_the_default_evidence(ground):
    found = channels(ground[:32, :32], FOUR, DEFAULT_EVIDENCE)
    assert len(found) == EXACT_CHANNELS
    assert sum(len(stack) for channel in found for stack in channel.stacks) == EXACT_FIELDS


def test_combine_peaks(time_it, benchmark):
    rng = np.random.default_rng(5)
    maps = rng.normal(0, 0.05, (8, EXACT_CHANNELS, 449, 449)).astype(np.float32)
    live = rng.uniform(0.5, 1, maps.shape).astype(np.float32)
    maps[3, :, 100, 200], maps[3, :, 300, 17] = 0.6, 0.5
    weights, prior = np.ones(EXACT_CHANNELS), np.full(EXACT_CHANNELS, 1 / 64**2)
    score, place = np.empty((8, 2), np.float32), np.empty((8, 2, 2), np.int64)
    time_it(lambda: combine_peaks(maps, live, weights, prior, 50.0, 6, score, place))
    benchmark.extra_info["places"] = maps[:, 0].size
    assert place[3].tolist() == [[100, 200], [300, 17]]
    assert score[:, 0].argmax() == 3
    assert score[3, 0] == pytest.approx(EXACT_CHANNELS * (0.6 / 0.05) ** 2, rel=0.02)


def test_spectra_and_inverse(time_it, ground):
    targets = np.stack([np.moveaxis(ground, -1, 0), np.moveaxis(ground[::-1], -1, 0)]) - np.float32(1200)
    patch = np.zeros((4, 512, 512), np.float32)
    patch[:, :64, :64] = targets[0, :, 100:164, 200:264]
    own, of = scipy.fft.rfft2(patch), scipy.fft.rfft2(targets)
    product = np.empty((2, *own.shape[1:]), own.dtype)

    def correlate():
        cross_spectra(own, of, product)
        return scipy.fft.irfft2(product, s=(512, 512))

    maps = time_it(correlate)
    assert np.unravel_index(maps.argmax(), maps.shape) == (0, 100, 200)
    window = targets[1, :, 33:97, 44:108]
    energy = np.linalg.norm(window) * np.linalg.norm(patch)
    assert maps[1, 33, 44] == pytest.approx(
        float((window * patch[:, :64, :64]).sum()), abs=float(1e-4 * energy)
    )
