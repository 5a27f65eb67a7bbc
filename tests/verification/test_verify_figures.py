"""The figures of verification on real places, each pair judged by weights fitted without its place."""

import numpy as np
import pytest

from matcher.verification.pairs import cut_pairs
from matcher.verification.verifying import account, rivals, verify
from tests.places import DATA, needs_data

pytestmark = [*needs_data, pytest.mark.slow]


def places():
    for path in sorted(DATA.glob("places/*.npz")):
        with np.load(path) as file:
            group, stack = str(file["group"]), file["images"]
        for _ in range(1 if group == "cities" else 3):
            yield path.stem, group, stack


def test_verification_on_places_left_out():
    pairs = cut_pairs(places(), 40, seed=0)
    judged = account(pairs, verify(pairs), rivals(pairs))
    own = judged["matcher"]
    assert min(own[group].auc for group in ("cities", "seasons", "farmland")) >= 0.99
    assert own["clouds"].auc >= 0.95
    assert own["all"].brier <= own["all"].brier_constant / 5
    assert own["all"].calibration < 0.03
    for method in ("gray ZNCC", "SSIM", "phase correlation"):
        for part, curves in own.items():
            assert curves.auc > judged[method][part].auc
            assert curves.brier < judged[method][part].brier / 2
