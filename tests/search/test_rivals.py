"""The other places of a target: the kernel that proposes them against loops, and rivals that every search must know."""

import numpy as np
import pytest

from matcher.kernels.between import least_beside
from matcher.kernels.rivals import places_apart
from matcher.matching.job import prepare
from matcher.search.candidates import APART
from tests import naive
from tests.evidence.test_evidence import texture


def naive_places_apart(codes, own, known, stride, apart, count):
    """[(y, x)] of the least distances of codes (words, rows, columns), none near the known place or another: loops."""
    _, rows, columns = codes.shape
    left = [
        (naive.naive_distance(codes[:, r, c], own), r * stride, c * stride)
        for r in range(rows)
        for c in range(columns)
        if max(abs(r * stride - known[0]), abs(c * stride - known[1])) > apart
    ]
    out = []
    while left and len(out) < count:
        best = min(left)
        out.append(best[1:])
        left = [one for one in left if max(abs(one[1] - best[1]), abs(one[2] - best[2])) > apart]
    return out + [(-1, -1)] * (count - len(out))


@pytest.mark.parametrize(("stride", "apart"), [(1, 6), (4, 8), (5, 6), (3, 0)])
def test_places_apart_as_loops(stride, apart):
    rng = np.random.default_rng(stride)
    grids = np.array([(9, 11), (1, 3), (14, 5)])
    parts = [rng.integers(0, 2**64, (8, *grid), np.uint64) for grid in grids]
    parts[2][:, 3] = parts[2][:, 2]  # ties
    starts = np.cumsum([0, *(part.size for part in parts)])
    target = np.array([0, 2, 1, -1, 2, 0])
    patches = rng.integers(0, 2**64, (len(target), 8), np.uint64)
    corner = np.stack(
        [rng.integers(0, 9 * stride, len(target)), rng.integers(0, 5 * stride, len(target))], -1
    )
    out = np.empty((len(target), 5, 2), np.int64)
    codes = np.concatenate([naive.naive_lattices(part) for part in parts])
    for rows in ((0, 2), (2, 6)):
        places_apart(codes, starts, grids, patches, rows, (target, corner), stride, apart, out)
    for n, t in enumerate(target.tolist()):
        expected = (
            [(-1, -1)] * 5 if t < 0 else naive_places_apart(parts[t], patches[n], corner[n], stride, apart, 5)
        )
        assert [tuple(place) for place in out[n].tolist()] == expected


def test_least_beside_as_loops():
    rng = np.random.default_rng(3)
    grids = np.array([(9, 11), (1, 3), (14, 5), (1, 1)])
    parts = [rng.integers(0, 2**64, (8, *grid), np.uint64) for grid in grids]
    parts[2][:, 3] = parts[2][:, 2]  # ties
    starts = np.cumsum([0, *(part.size for part in parts)])
    target = rng.integers(0, len(grids), (5, 40))
    places = np.stack([rng.integers(0, grids[target][..., k]) for k in range(2)], -1)
    patches = rng.integers(0, 2**64, (5, 8), np.uint64)
    moved, distance = places.copy(), np.empty(target.shape, np.uint32)
    codes = np.concatenate([naive.naive_lattices(part) for part in parts])
    order = rng.permutation(target.size)
    least_beside(codes, starts, grids, patches, (target, moved, order), distance)
    for n, m in np.ndindex(target.shape):
        (rows, columns), (row, column) = grids[target[n, m]], places[n, m]
        near = [
            (naive.naive_distance(parts[target[n, m]][:, r, c], patches[n]), r, c)
            for r in range(max(row - 1, 0), min(row + 2, rows))
            for c in range(max(column - 1, 0), min(column + 2, columns))
        ]
        assert (distance[n, m], *moved[n, m]) == min(near)


def twins(rng, apart, side=64, size=(300, 420)):
    """An image that shows one part twice, `apart` (dy, dx) from each other, and a patch of it, each with own noise."""
    image = texture(*size, seed=5)
    y, x = 40, 30
    part = image[y - 20 : y + side + 20, x - 20 : x + side + 20]
    image[y - 20 + apart[0] : y + side + 20 + apart[0], x - 20 + apart[1] : x + side + 20 + apart[1]] = part
    seen = image + rng.normal(0, 8, image.shape)
    patch = image[y : y + side, x : x + side] + rng.normal(0, 8, (side, side, image.shape[2]))
    return np.clip(seen, 1, 4095).astype(np.uint16), np.clip(patch, 1, 4095).astype(np.uint16), (y, x)


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
@pytest.mark.parametrize("apart", [(0, 250), (150, 0), (3, 211), (153, 7)])
def test_a_twin_in_the_same_image_is_the_rival(search, apart):
    """Also where both lie in one row of coarse places, of which a search hands over the best alone."""
    image, patch, (y, x) = twins(np.random.default_rng(1), apart)
    other = texture(200, 200, seed=9).astype(np.uint16)
    job = prepare([other, image], [patch], search=search)
    found = job.weigh([0], job.search([0], 2, lambda _pairs: None))
    second = found.runner_up()
    assert found.target[0, 0] == second.target[0, 0] == 1
    places = sorted((tuple(found.place[0, 0].tolist()), tuple(second.place[0, 0].tolist())))
    assert places == sorted([(y, x), (y + apart[0], x + apart[1])])
    assert second.score[0, 0] > 0.9 * found.score[0, 0]


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_a_place_that_can_slide_knows_it(search):
    """Stripes that run along the rows fit as well a few pixels on."""
    rng = np.random.default_rng(2)
    lines = np.kron(rng.normal(0, 300, (50, 1, 1)), np.ones((4, 260, 1)))
    ground = 1000 + lines + np.zeros((200, 260, 4))
    image, patch = (part + rng.normal(0, 15, part.shape) for part in (ground, ground[60:124, 90:154]))
    other = texture(200, 200, seed=9)
    job = prepare([other, image.clip(1, 4095)], [patch.clip(1, 4095)], search=search)
    found = job.weigh([0], job.search([0], 2, lambda _pairs: None))
    second = found.runner_up()
    assert second.target[0, 0] == 1
    assert np.abs(second.place[0, 0] - found.place[0, 0]).max() > APART
    assert second.score[0, 0] > 0.5 * found.score[0, 0]
