"""No answer lies beyond the last place where the whole patch is inside its image."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

import matcher
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.index import build_index, code_patches
from matcher.search.pyramid.judging import _general_noise, _refined, agreement, judge
from matcher.search.pyramid.proposals import propose_coarse, propose_middle
from tests.evidence.test_evidence import FOUR, texture

sides = st.integers(12, 130)
more = st.integers(0, 40)


def water(height, width, seed, level=0):
    """Dark water with sensor noise: colour alone places it."""
    rng = np.random.default_rng(seed)
    return (np.array((300, 320, 420, 90)) + level + rng.normal(0, 5, (height, width, 4))).round()


def shore(height, width, side, seed):
    """Dark water, but for the far corner, which is as bright as the patches are."""
    image = water(height, width, seed)
    y, x = max(height - side[0], 1), max(width - side[1], 1)
    image[y:, x:] = water(height - y, width - x, seed + 1, 700)
    return image


@settings(max_examples=15)
@given(side=st.tuples(sides, sides), spare=st.tuples(more, more), seed=st.integers(0, 9))
def test_levels_propose_and_judge_inside(side, spare, seed):
    """Every level's places lie inside, and their score is that of the window there."""
    side = (side[0], min(side[1], 4 * side[0]))
    shape = (side[0] + spare[0], side[1] + spare[1])
    plan = Plan.of(*side)
    targets = [texture(*shape, seed=10 * seed + k) for k in range(2)]
    index = build_index(targets, [shape] * 2, FOUR, plan)
    patches = code_patches([texture(*side, seed=1000 + 10 * seed + k) for k in range(2)], FOUR, plan)
    last = np.array(shape) - np.array(plan.side)
    noise = _general_noise(index, patches)
    proposed = [propose_coarse(index, patches, 32, 8)]
    if index.columns()[-1]:
        proposed.append(propose_middle(index, patches, 32))
    for proposals in proposed:
        found = _refined(index, patches, proposals, noise)
        agree = agreement(index, patches, found.target, found.place)
        z = np.maximum((agree - noise[0][:, np.newaxis]) / noise[1][:, np.newaxis], 0)
        own = np.where(found.target >= 0, (z * z).sum(-1), -1)
        np.testing.assert_allclose(found.score, own, rtol=1e-3, atol=1e-3)
        for one in (found, judge(index, patches, proposals, 2)):
            there = one.target >= 0
            assert there[:, 0].all()
            assert (one.place >= 0).all()
            assert (one.place[there] <= last).all()


@settings(max_examples=30)
@given(
    side=st.tuples(sides, sides),
    spare=st.tuples(more, more),
    seed=st.integers(0, 9),
    search=st.sampled_from(["pyramid", "exhaustive"]),
)
def test_answers_lie_inside(side, spare, seed, search):
    """Of patches that colour alone places, at the far corner, and of such that are nowhere."""
    shape = (side[0] + spare[0], side[1] + spare[1])
    images = [water(*shape, seed, -100), shore(*shape, side, seed), texture(*shape, seed=seed)]
    patches = [water(*side, 50 + seed, 700), texture(*side, seed=100 + seed)]
    made = matcher.match(images, patches, search=search, threads=1)
    assert (made.x >= 0).all()
    assert (made.y >= 0).all()
    assert (made.x <= spare[1]).all()
    assert (made.y <= spare[0]).all()


@pytest.mark.parametrize(("side", "size"), [(63, 75), (47, 60), (95, 118), (14, 16)])
def test_answers_in_rasters_lie_inside(side, size):
    """Places on Earth too, and to a fraction of a pixel, by `match` and by `locate`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = [water(size, size, 0, -100), shore(size, size, (side, side), 1)]
        files = {"i0": images[0], "i1": images[1], "p0": water(side, side, 9, 700)}
        for stem, image in files.items():
            write(folder / f"{stem[0]}/{stem[1]}.tif", image)
        made = matcher.match(folder / "i", folder / "p", threads=1)
        assert max(made.x.max(), made.y.max()) <= size - side
        for place in matcher.locate([folder / "p"], [folder / "i"], min_confidence=0, threads=1):
            assert 0 <= place.row <= size - side
            assert 0 <= place.col <= size - side


def write(path, image):
    """A GeoTIFF of red, green, blue and near infrared."""
    path.parent.mkdir(exist_ok=True)
    grid = {"crs": "EPSG:32630", "transform": from_origin(690000, 4970000, 10, 10)}
    size = {"height": image.shape[0], "width": image.shape[1], "count": 4, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **size, **grid) as file:
        file.write(np.moveaxis(np.maximum(image, 1).astype(np.uint16), -1, 0))
        for k, band in enumerate(("red", "green", "blue", "nir"), 1):
            file.set_band_description(k, band)
