"""The cells of tools/stress_table.py: patches of the sample, some of them made harder, are matched and judged."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from matcher.demo.sample import read_sample

SIDE = 64
TOOL = "stress_table"


@pytest.mark.slow
def test_a_recipe_is_matched_and_judged(tool, tmp_path):
    places = read_sample()[:3]
    margin = importlib.import_module("stress").MARGIN
    corner = (60, 60)
    at = tuple(slice(k - margin, k + SIDE + margin) for k in corner)
    samples = [
        tool.Sample(
            place.other[at].astype(np.float32),
            place.image[at].astype(np.float32),
            corner,
            place.image.shape[:2],
        )
        for place in places
    ]
    images = [place.image for place in places]
    side = tool.Side("real", images, samples, np.arange(len(images)))
    round_ = SimpleNamespace(folder=tmp_path, every=1)
    score, near, sure = tool.stress_cells("noise x 4 (12 to 32 DN)", 0, round_, side)
    assert float(score.split()[0]) > 0.6
    assert float(near.split()[0]) > 0.6
    assert 0 <= float(sure.split()[0]) <= 1
