"""Which workers hold a part of the images, and what a worker keeps of one."""

import numpy as np
import pytest

from matcher.matching.job import prepare
from matcher.matching.run import match_rows
from matcher.runs import parts
from matcher.runs.engines import share_of
from matcher.runs.folder import RunFolder
from matcher.search.pyramid.divided import Divided
from matcher.search.pyramid.parts import cut_evenly
from tests.runs_common import pictures


@pytest.mark.parametrize(
    ("workers", "count", "expected"),
    [
        (4, 2, ["ab", "cd"]),
        (5, 3, ["a", "bc", "de"]),
        (3, 3, ["a", "b", "c"]),
        (2, 5, ["a", "b", "a", "b", "a"]),
    ],
)
def test_neighbours_hold_a_part(workers, count, expected):
    assert ["".join(crew) for crew in parts.crews("abcde"[:workers], count)] == expected


class Client:
    """A Dask client whose workers are this process, and which sends nothing on."""

    def __init__(self):
        self.asked = []

    def nthreads(self):
        return {"tcp://b": 1, "tcp://a": 1}

    def submit(self, function, *given, key, pure, workers, allow_other_workers):
        assert allow_other_workers
        assert not pure
        self.asked.append((key, given[3], workers))
        return function(*given)

    def scatter(self, value, **_options):
        return value

    def gather(self, answers):
        return answers


def test_workers_answer_for_parts_of_a_run(tmp_path):
    images, patches = pictures(images=5)
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        job = prepare(images, patches, threads=1)
        folder.run = "a run"
        folder.indexes(job)
        digest = folder.post_job(share_of(job, 1))
    side, client = job.patches.shape(0)[:2], Client()
    index = job.index(side)
    bounds = cut_evenly(index, 3)
    workers = parts.Workers(client, str(tmp_path / "run"), digest, side, 3)
    whole = match_rows(job, indexes={side: index})
    asked = match_rows(job, indexes={side: Divided.of(index, bounds, workers)})
    for name in whole.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(asked, name), getattr(whole, name))
    assert len({key for key, *_ in client.asked}) == len(client.asked)
    assert {part: crew for _, (part, _), crew in client.asked} == {
        0: ["tcp://a"],
        1: ["tcp://b"],
        2: ["tcp://a"],
    }
    assert {key[0] for key in parts._parts} == {digest}
