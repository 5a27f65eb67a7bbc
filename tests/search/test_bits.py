"""One-bit codes and their comparisons against loops: odd widths, edges, ties."""

import numpy as np
import pytest

from matcher.imagery import Roles
from matcher.kernels.bits import (
    CHUNK,
    KEY_SHIFT,
    chunk_minima,
    least_keys,
    places_of_chunks,
)
from matcher.kernels.coding import NOTHING, block_sums, pack_signs, pooled_codes
from matcher.kernels.fine import refine, room_for, sample_agreement, windows_agree
from matcher.kernels.slide import ROW_SHIFT, column_minima, unroll_windows
from matcher.search.pyramid.codes import (
    CHANNELS,
    RATIO_REACH,
    RATIO_SIGMA,
    REACH,
    SIGMA,
    Plan,
    code,
    plane_channels,
)
from matcher.search.pyramid.index import build_index, code_patches
from tests import naive
from tests.evidence.test_evidence import FOUR, ONE, THREE, texture

WIDTHS = [12, 63, 64, 65, 100, 128, 130]


def words(rng, *shape):
    return rng.integers(0, 2**64, shape, np.uint64)


def bits(rng, *shape):
    return rng.integers(0, 2, shape).astype(np.uint8)


def packed(planes, padding):
    """Bits (P, H, W) as words (P, words, H), with so many words of padding."""
    rows = [[naive.naive_pack(row) + [0] * padding for row in plane] for plane in planes.tolist()]
    return np.ascontiguousarray(np.array(rows, np.uint64).transpose(0, 2, 1))


def laid(planes, padding):
    """The same as fine codes lie: (words, H, P)."""
    return np.ascontiguousarray(packed(planes, padding).transpose(1, 2, 0))


def masks_of(width):
    return np.array(naive.naive_pack([1] * width), np.uint64)


class TestChunkMinima:
    @pytest.mark.parametrize("patches", [4, 8, 68])
    def test_as_loops(self, patches):
        """Of targets of few and many places, each of which begins anywhere in the codes."""
        rng = np.random.default_rng(patches)
        counts = [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3, 9 * CHUNK]
        flat, own = words(rng, 8 * sum(counts) + 500), words(rng, patches, 8)
        starts = np.array(
            [8 * sum(counts[t + 1 :]) + 31 * t for t in range(len(counts))]
        )  # the last comes first
        parts = [
            flat[start : start + 8 * count].reshape(8, count)
            for start, count in zip(starts, counts, strict=True)
        ]
        own[1], own[-1] = parts[0][:, 0], parts[6][:, 5 * CHUNK]  # two that are there
        chunks = np.cumsum([0, *(-(-count // CHUNK) for count in counts)])
        wide = np.full((patches, chunks[-1] + 2), 7, np.uint32)
        chunk_minima(flat, starts, chunks, np.array(counts), own, wide[:, 1:-1])
        assert (wide[:, 0] == 7).all()
        assert (wide[:, -1] == 7).all()
        for t, part in enumerate(parts):
            for p in {0, 1, 2, patches // 2, patches - 1}:
                for c in range(chunks[t + 1] - chunks[t]):
                    inside = range(c * CHUNK, min((c + 1) * CHUNK, counts[t]))
                    distances = [naive.naive_distance(part[:, k], own[p]) for k in inside]
                    (least,) = naive.naive_least(distances, 1)
                    assert wide[p, 1 + chunks[t] + c] == distances[least] << KEY_SHIFT | least
        assert wide[1, 1] >> KEY_SHIFT == wide[-1, 1 + chunks[6] + 5] >> KEY_SHIFT == 0

    def test_ties_go_to_the_first_place(self):
        codes = np.zeros((8, 2 * CHUNK), np.uint64)
        codes[:, [3, CHUNK + 5, CHUNK + 9]] = 2**64 - 1
        out = np.empty((4, 4), np.uint32)[:, 1:3]
        least_in_one(codes, np.full((4, 8), 2**64 - 1, np.uint64), out)
        assert (out & (1 << KEY_SHIFT) - 1).tolist() == [[3, 5]] * 4

    def test_a_key_holds_every_distance(self):
        """All bits differ: a distance of 512."""
        out = np.empty((4, 3), np.uint32)[:, 1:2]
        least_in_one(np.zeros((8, 5), np.uint64), np.full((4, 8), 2**64 - 1, np.uint64), out)
        assert (out == 512 << KEY_SHIFT).all()


def least_in_one(codes, patches, out):
    """Chunks' minima of one target, codes (8, places)."""
    chunk_minima(
        codes.ravel(), np.array([0]), np.array([0, out.shape[1]]), np.array([codes.shape[1]]), patches, out
    )


class TestLeastKeys:
    @pytest.mark.parametrize("shift", [KEY_SHIFT, ROW_SHIFT])
    @pytest.mark.parametrize(("columns", "count"), [(1, 1), (9, 9), (40, 7), (300, 300), (300, 1)])
    @pytest.mark.parametrize("largest", [1, 5, 600])
    def test_as_loops(self, shift, columns, count, largest):
        rng = np.random.default_rng(columns)
        distances = rng.integers(0, largest + 1, (3, columns))
        keys = np.empty((3, columns + 1), np.uint32)[:, :-1]  # as the search lays them out
        keys[:] = distances << shift | rng.integers(0, 1 << shift, (3, columns))
        out, least = np.empty((3, count), np.int64), np.empty((3, count), np.uint32)
        least_keys(keys, shift, out, least)
        for row, found in zip(distances.tolist(), out.tolist(), strict=True):
            assert found == naive.naive_least(row, count)
        np.testing.assert_array_equal(least, np.take_along_axis(keys, out, 1))


class TestChunkPlaces:
    def test_as_loops(self):
        """Rows of odd and even width, chunks that end with their target, targets of one place."""
        rng = np.random.default_rng(6)
        grids = [(27, 31), (1, 1), (40, 24), (3, 300)]
        places = [[(y, x) for y in range(0, rows, 2) for x in range(0, wide, 2)] for rows, wide in grids]
        counts = [-(-len(own) // CHUNK) for own in places]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        columns = rng.integers(0, bounds[-1], (7, 40))
        keys = rng.integers(0, 1 << 20, columns.shape).astype(np.uint32)
        expected = []
        for column, key in zip(columns.ravel().tolist(), keys.ravel().tolist(), strict=True):
            t = max(k for k in range(4) if bounds[k] <= column)
            at = (column - bounds[t]) * CHUNK + key % CHUNK
            expected.append((t, *places[t][at]) if at < len(places[t]) else None)
        target, place = np.empty_like(columns), np.empty((*columns.shape, 2), np.int64)
        places_of_chunks(columns, keys, bounds, np.array([wide for _, wide in grids]), target, place)
        found = zip(target.ravel().tolist(), *place.reshape(-1, 2).T.tolist(), strict=True)
        assert all(one == other for one, other in zip(found, expected, strict=True) if other is not None)
        assert sum(other is not None for other in expected) > 100


class TestWindows:
    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize(
        "channel", [(0, 0, 2, 1), (2,), (0, 0, 2, 2, 1, 1), (0, 0, 2, 2, 1, 1, 2, 2), (1,) * 9]
    )
    def test_agreement_as_loops(self, width, channel):
        """Every column shift, up to the last place at each edge, of as many planes as there are kinds, and more."""
        rng = np.random.default_rng(width)
        height, tall, wide, count = 5, 9, width + 70, len(channel)
        image, patch = bits(rng, count, tall, wide), bits(rng, count, height, width)
        rows = tall - height + 1
        for left, columns in ((0, 3), (61, 5), (wide - width, 1)):
            out = np.full((rows * columns, 3), 9, np.int32)
            own = laid(patch, 0)
            windows_agree(
                laid(image, 1),
                own,
                masks_of(width),
                channel,
                (0, left),
                (rows, columns),
                room_for(rows, own),
                out,
            )
            for k in range(rows * columns):
                y, x = k // columns, left + k % columns
                expected = [0, 0, 0]
                for p in range(count):
                    window = image[p, y : y + height, x : x + width]
                    expected[channel[p]] += naive.naive_agreement(patch[p], window)
                assert out[k].tolist() == expected

    @pytest.mark.parametrize(("width", "per_word"), [(8, 8), (12, 5), (25, 2), (32, 2), (33, 1), (64, 1)])
    def test_unrolled_as_loops(self, width, per_word):
        rng = np.random.default_rng(width)
        image = bits(rng, 5, 6, width + 66)
        columns = image.shape[2] - width + 1
        out = np.empty((columns, -(-5 // per_word), 6), np.uint64)
        unroll_windows(packed(image, 1), width, per_word, out)
        for x in range(columns):
            for w in range(out.shape[1]):
                for y in range(6):
                    planes = image[w * per_word : (w + 1) * per_word, y, x : x + width]
                    assert int(out[x, w, y]) == naive.naive_pack(planes.ravel())[0]

    @pytest.mark.parametrize(("rows", "height"), [(4, 4), (8, 21), (13, 15), (3, 9), (32, 50)])
    @pytest.mark.parametrize("count", [1, 3])
    def test_column_minima_as_loops(self, rows, height, count):
        rng = np.random.default_rng(rows)
        windows, patches = words(rng, 3, count, height), words(rng, 9, count, rows)
        windows[1, :, height - rows :] = patches[2]
        windows[2, :] = windows[2, :, :1]  # the same in every row: ties
        keys = np.full((9, 5), 7, np.uint32)
        which = [2, 0, 3, 8, 5, 7]
        column_minima(windows, patches, np.array([*which, 9, 9]), keys[:, 1:4])
        assert (keys[[1, 4, 6]] == 7).all()
        for p in which:
            for x in range(3):
                distances = [
                    sum(
                        naive.naive_distance(windows[x, w, y : y + rows], patches[p, w]) for w in range(count)
                    )
                    for y in range(height - rows + 1)
                ]
                (least,) = naive.naive_least(distances, 1)
                assert keys[p, 1 + x] == distances[least] << ROW_SHIFT | least
        assert (keys[:, [0, 4]] == 7).all()


def fine_set(width, height, seed=0):
    """Two images and three patches as bits, and as the kernels take them."""
    rng = np.random.default_rng(seed)
    shapes = [(height + 9, width + 67), (height, width)]
    images = [bits(rng, 5, *shape) for shape in shapes]
    patches = bits(rng, 3, 5, height, width)
    patches[1] = images[0][:, 4 : 4 + height, 61 : 61 + width]
    flat = [laid(image, 1).ravel() for image in images]
    starts = np.concatenate([[0], np.cumsum([len(a) for a in flat])])
    channel = (0, 0, 2, 2, 1)
    own = np.stack([laid(patch, 0) for patch in patches])
    arrays = (np.concatenate(flat), starts, np.array(shapes), own, masks_of(width), channel)
    return images, patches, arrays


def loop_agreement(image, patch, channel, y, x):
    out = [0] * CHANNELS
    for p, c in enumerate(channel):
        window = image[p, y : y + patch.shape[1], x : x + patch.shape[2]]
        out[c] += naive.naive_agreement(patch[p], window)
    return np.array(out)


class TestFine:
    @pytest.mark.parametrize(("width", "height"), [(12, 12), (64, 13), (65, 12), (100, 17)])
    def test_sample_agreement_as_loops(self, width, height):
        images, patches, arrays = fine_set(width, height)
        targets = np.array([[0, 1, -1, 0], [0, 0, 1, 0], [-1, -1, 0, 1]])
        corners = np.zeros((3, 4, 2), np.int64)
        rng = np.random.default_rng(1)
        corners[targets == 0] = rng.integers(0, (10, 68), (np.sum(targets == 0), 2))
        corners[0, 0] = 9, 67  # the last place
        out = np.empty((3, 4, CHANNELS), np.int32)
        sample_agreement(arrays, (targets, corners, rng.permutation(targets.size)), out)
        for n, m in np.ndindex(3, 4):
            k = targets[n, m]
            if k < 0:
                assert (out[n, m] == -1).all()
            else:
                expected = loop_agreement(images[k], patches[n], arrays[-1], *corners[n, m])
                assert out[n, m].tolist() == expected.tolist()

    @pytest.mark.parametrize(("width", "height"), [(12, 12), (65, 14)])
    @pytest.mark.parametrize("radius", [0, 2, 3])
    def test_refine_as_loops(self, width, height, radius):
        images, patches, arrays = fine_set(width, height)
        targets = np.array([[0, 1, -1, 0], [0, 0, 1, 0], [0, -1, 0, 1]])
        corners = np.zeros((3, 4, 2), np.int64)
        rng = np.random.default_rng(2)
        corners[targets == 0] = rng.integers(0, (10, 68), (np.sum(targets == 0), 2))
        corners[0, 0], corners[0, 3] = (9, 67), (0, 0)  # both ends
        corners[1, 0] = 4 + min(radius, 2), 61 - min(radius, 1)  # near where patch 1 was cut
        corners[2, 2] = 9 + 3, 67 + 2  # beyond the last place, which is taken in its stead
        mean = rng.normal(0.5, 0.02, (3, CHANNELS)) * [2 * width * height] * 1.0
        scale = rng.uniform(0.1, 0.3, (3, CHANNELS))
        mean, scale = mean.astype(np.float32), scale.astype(np.float32)
        score, place = np.empty((3, 4), np.float32), np.full((3, 4, 2), -5)
        windows = (targets, corners, rng.permutation(targets.size))
        refine(arrays, windows, radius, (mean, scale), (score, place))
        for n, m in np.ndindex(3, 4):
            k = targets[n, m]
            if k < 0:
                assert score[n, m] == -1
                continue
            limit = np.array(images[k].shape[1:]) - (height, width)
            corner = np.minimum(corners[n, m], limit)
            low = np.maximum(corner - radius, 0)
            # on to the end where the end is near
            high = np.where(limit - corner < 2 * radius, limit, corner + radius)
            best = (-1.0, None)
            for y in range(low[0], high[0] + 1):
                for x in range(low[1], high[1] + 1):
                    agree = loop_agreement(images[k], patches[n], arrays[-1], y, x)
                    z = np.maximum((agree - mean[n].astype(float)) * scale[n].astype(float), 0)
                    if (z**2).sum() > best[0]:
                        best = ((z**2).sum(), [y, x])
            assert score[n, m] == pytest.approx(best[0], rel=1e-4)
            assert place[n, m].tolist() == best[1]
        assert place[1, 0].tolist() == [4, 61] or radius == 0


class TestPacking:
    @pytest.mark.parametrize("width", [1, 63, 64, 65, 130])
    def test_signs_as_loops(self, width):
        rng = np.random.default_rng(width)
        fields = rng.normal(size=(3, 4, width)).astype(np.float32)
        fields[np.abs(fields) < 2 * NOTHING] = 1
        out = np.full((3, -(-width // 64) + 1, 4), 9, np.uint64)
        pack_signs(fields, 1, out)
        np.testing.assert_array_equal(out, packed((fields > 0).astype(np.uint8), 1))

    def test_nothing_votes_by_lot(self):
        """Of fields that are 0 half the bits are set; two lots agree by chance only; padding is 0."""
        fields = np.zeros((4, 60, 100), np.float32)
        first, again, second = (np.empty((4, 3, 60), np.uint64) for _ in range(3))
        pack_signs(fields, 1, first)
        pack_signs(fields + NOTHING / 2, 1, again)
        pack_signs(fields, 2, second)
        np.testing.assert_array_equal(first, again)
        ones = sum(naive.naive_distance(a, np.zeros_like(a)) for a in first.reshape(-1, 60))
        differ = naive.naive_distance(first.ravel(), second.ravel())
        for count in (ones, differ):
            assert abs(count - 12000) < 4 * 78  # four standard deviations of 24000 tosses
        assert not first[:, 2].any()
        assert not (first[:, 1] >> np.uint64(36)).any()
        planes = [first[p, 0].tolist() for p in range(4)]
        assert planes[0] != planes[1]

    @pytest.mark.parametrize("factor", [1, 2, 3])
    def test_block_sums_as_loops(self, factor):
        fields = np.random.default_rng(0).normal(size=(2, 13, 17)).astype(np.float32)
        out = np.empty((2, 13 // factor, 17 // factor), np.float32)
        block_sums(fields, factor, out)
        for p, y, x in np.ndindex(out.shape):
            expected = naive.naive_pooled(fields[p], factor, y * factor, x * factor)
            assert out[p, y, x] == pytest.approx(expected, abs=1e-5)

    @pytest.mark.parametrize(
        ("cell", "stride", "cells", "shape"),
        [
            (1, 1, (8, 8), (12, 15)),
            (4, 2, (3, 5), (19, 33)),
            (8, 4, (8, 8), (70, 67)),
            (6, 3, (8, 2), (50, 14)),
        ],
    )
    def test_pooled_codes_as_loops(self, cell, stride, cells, shape):
        fields = np.random.default_rng(cell).normal(size=(5, *shape)).astype(np.float32)
        rows, columns = ((n - cell * c) // stride + 1 for n, c in zip(shape, cells, strict=True))
        flat = np.full(8 * rows * columns, 9, np.uint64)
        pooled_codes(fields, cell, stride, np.array(cells), 1, (rows, columns), flat)
        out = naive.naive_of_lattices(flat, rows, columns)
        assert not out[5:].any()
        for p, y, x in np.ndindex(5, rows, columns):
            for r, c in np.ndindex(cells):
                total = naive.naive_pooled(fields[p], cell, y * stride + r * cell, x * stride + c * cell)
                if abs(total) > 2 * NOTHING:
                    assert (int(out[p, y, x]) >> (r * cells[1] + c) & 1) == (total > 0)


def naive_planes(dn, roles):
    """Sums of the fields that each plane codes."""
    signed = naive.naive_unit_gradient(dn)
    blind = naive.naive_doubled_gradient(dn, SIGMA, REACH)
    bands = dn.shape[2]
    groups = [list(roles.visible)] + ([] if roles.nir is None else [[roles.nir]])
    planes = []
    for group in groups:
        for fields in (signed, blind):
            planes += [sum(fields[b] for b in group), sum(fields[bands + b] for b in group)]
    if roles.nir is None and len(roles.visible) > 1:
        ratios = naive.naive_doubled_gradient(
            naive.naive_ratio(dn, roles), RATIO_SIGMA, RATIO_REACH, flat=1e-6
        )
        half = len(ratios) // 2
        planes += [ratios[:half].sum(0), ratios[half:].sum(0)]
    return np.stack(planes)


class TestCode:
    @pytest.mark.parametrize("roles", [FOUR, THREE, ONE, Roles.of(("nir", "red"))])
    def test_as_loops(self, roles):
        """Every bit of every code, but where a sum is so small that single precision may turn it."""
        bands = len(roles.visible) + (roles.nir is not None)
        pictures = [texture(19, 31, bands, seed=k) for k in range(2)]
        pictures[1][4:8, 5:9] = 0
        plan = Plan.of(13, 14)
        codes = code(pictures, roles, plan, 1)
        planes = len(plane_channels(roles))
        assert codes.fine.shape == (2, 2, 19, planes)
        coarse = naive.naive_of_lattices(codes.coarse[0], *plan.places(19, 31))
        assert len(coarse) == 8
        near = codes.fine[0, 0].T
        fields = naive_planes(pictures[0], roles)
        assert len(fields) == planes
        for p, y, x in np.ndindex(fields.shape):
            if abs(fields[p, y, x]) > 0.02:
                assert (int(near[p, y]) >> x & 1) == (fields[p, y, x] > 0)
        for p, y, x in np.ndindex(planes, *plan.places(19, 31)):
            for r, c in np.ndindex(plan.cells):
                top, left = y * plan.stride + r * plan.cell, x * plan.stride + c * plan.cell
                total = naive.naive_pooled(fields[p], plan.cell, top, left)
                if abs(total) > 0.02:
                    bit = int(coarse[p, y, x]) >> (r * plan.cells[1] + c) & 1
                    assert bit == (total > 0)

    def test_a_picture_is_coded_alike_among_any_others(self):
        pictures = [texture(40, 70, seed=k) for k in range(5)]
        plan = Plan.of(32, 32)
        together = code(pictures, FOUR, plan, 1)
        for k in (0, 3):
            alone = code([pictures[k]], FOUR, plan, 1)
            for name in ("fine", "middle", "coarse"):
                np.testing.assert_array_equal(getattr(together, name)[k], getattr(alone, name)[0])

    @pytest.mark.parametrize("side", [(12, 12), (13, 40), (64, 64), (65, 30), (100, 101), (140, 150)])
    def test_a_patch_agrees_with_its_window(self, side):
        """Beyond the border, where a patch cannot see what its window sees, all levels' bits are the same."""
        target = texture(side[0] + 9, side[1] + 23, seed=4)
        plan = Plan.of(*side)
        stride = plan.stride
        y, x = stride, 2 * stride
        index = build_index([target], [target.shape[:2]], FOUR, plan)
        patches = code_patches([target[y : y + side[0], x : x + side[1]]], FOUR, plan)
        assert len(patches) == len(index) == 1
        corner = np.array([[[y + plan.margin[0], x + plan.margin[1]]]])
        out = np.empty((1, 1, CHANNELS), np.int32)
        channel = tuple(index.channel.tolist())
        arrays = (index.fine, index.fine_starts, index.shapes, patches.fine, patches.masks, channel)
        sample_agreement(arrays, (np.zeros((1, 1), np.int64), corner, np.zeros(1, np.int64)), out)
        area = plan.side[0] * plan.side[1]
        border = 2 * (plan.side[0] + plan.side[1])
        total = area * np.bincount(index.channel, minlength=CHANNELS)
        assert (out[0, 0] <= total).all()
        assert (out[0, 0] > total * (1 - border / area)).all()
        if not any(plan.margin):
            codes = naive.naive_of_lattices(index.coarse, *index.places()[0])
            distance = naive.naive_distance(patches.coarse[0], codes[:, y // stride, x // stride])
            others = [naive.naive_distance(patches.coarse[0], c) for c in codes.reshape(8, -1).T]
            assert distance == min(others)
