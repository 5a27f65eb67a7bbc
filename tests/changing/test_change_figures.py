"""The figures of change on real places, each window judged by weights fitted without its place."""

import importlib.util
import sys
from pathlib import Path

import pytest
from change_trial import account, left_out

from tests.places import DATA, needs_data

pytestmark = [*needs_data, pytest.mark.slow]
TOOL = Path(__file__).parents[2] / "tools" / "measure_change.py"


def test_change_on_places_left_out():
    spec = importlib.util.spec_from_file_location("measure_change", TOOL)
    tool = importlib.util.module_from_spec(spec)
    sys.modules["measure_change"] = tool
    spec.loader.exec_module(tool)
    samples = tool.painted(DATA, 4, 64, 0)
    scored = list(zip(samples, left_out(samples, tool.ROLES), strict=True))
    unseen = [pair for pair in scored if pair[0].place not in tool.DEVELOPED]
    for part in (scored, unseen):
        judged = account([one for one, _ in part], [score for _, score in part])
        own = judged["matcher"]["all"].average_precision
        for rival in ("plain differencing", "NDVI differencing"):
            assert own >= 2 * judged[rival]["all"].average_precision
            for recipe in ("buildings", "field", "pond"):
                less = judged[rival][recipe].average_precision
                assert judged["matcher"][recipe].average_precision > 1.4 * less
