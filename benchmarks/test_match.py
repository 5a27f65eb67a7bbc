"""The stages of the search, and the whole match from files to answers, on a small simulated set."""

import numpy as np
import pytest
from stages import Scale, stages

import matcher
from matcher.formats.opening import open_images, open_patches
from matcher.imagery import Pictures
from matcher.search.pyramid.index import Index, PatchCodes
from matcher.search.pyramid.proposals import Proposals

STAGES = ["code images", "code patches", "coarse", "refine coarse", "middle", "refine middle"]
STAGES += ["exact"]
ENOUGH = 0.8  # share of right places; the rest may be sea or under cloud


@pytest.fixture(scope="module")
def made(small):
    return {stage.name: stage for stage in stages(small.images, small.patches)}


def found_among(small, proposals: Proposals, reach: int):
    """Patches whose true place is within reach of a proposal: (n,) bool."""
    near = np.abs(proposals.corner - small.corner[:, np.newaxis]).max(-1) <= reach
    return (near & (proposals.target == small.image[:, np.newaxis])).any(1)


@pytest.mark.parametrize("name", STAGES)
def test_stage(name, made, small, time_it, benchmark):
    stage = made[name]
    out = time_it(stage.run, rounds=2)
    scale = Scale(len(small.images), len(small.patches), len(small.images[0]), len(small.patches[0]), 1.0)
    benchmark.extra_info["work"] = stage.cost(scale).work
    if isinstance(out, Index):
        assert out.shapes.tolist() == [list(dn.shape[:2]) for dn in small.images]
    elif isinstance(out, PatchCodes):
        assert len(out) == len(small.patches)
    elif isinstance(out, Proposals):
        assert found_among(small, out, out.radius + 4).mean() >= ENOUGH
    else:
        assert small.right(out.target[:, 0], out.place[:, 0]).mean() >= ENOUGH


def test_read(small, time_it):
    def read():
        images = Pictures(open_images(small.files.images), "auto")
        patches = Pictures(open_patches(small.files.patches), "auto")
        return [dn.shape for dn in images], [dn.shape for dn in patches]

    images, patches = time_it(read)
    assert images == [dn.shape for dn in small.images]
    assert patches == [dn.shape for dn in small.patches]


def test_whole_match(small, time_it, figure):
    result = time_it(lambda: matcher.match(small.files.images, small.files.patches), rounds=2)
    score = matcher.score(result, small.files.answers)
    assert score.total >= ENOUGH
    figure(f"the whole match: official score {score.total:.3f} of {score.n_patches} patches")


@pytest.mark.parametrize("threads", [1, 2])
def test_threads(small, time_it, threads):
    result = time_it(lambda: matcher.match(small.images, small.patches, threads=threads), rounds=2)
    assert small.right(result.image, np.stack([result.y, result.x], axis=-1)).mean() >= ENOUGH
