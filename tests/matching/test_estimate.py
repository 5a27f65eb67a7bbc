"""What a match would take: the codes are counted exactly, and everything grows with what it depends on."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.matching.estimate import estimate
from matcher.matching.job import prepare
from matcher.search.pyramid.codes import MOST_TOGETHER, together
from matcher.settings import Settings

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def job():
    images = RNG.integers(200, 3000, (3, 120, 140, 4)).astype(np.uint16)
    return prepare(images, images[:, :64, :64], Settings(threads=2))


def test_codes_are_those_that_are_made(job):
    index = job.index((64, 64))
    told = estimate(job)
    assert told.codes == sum(getattr(index, part).nbytes for part in ("fine", "middle", "coarse", "colour"))
    assert told.fits
    assert told.memory > told.codes
    assert (told.pairs, told.cores) == (9, 2)


def test_a_large_image_is_held_while_it_is_coded(job):
    """A scene of 6,000 x 6,000 px took 2.6 GiB, of which its codes are a tenth."""

    class One:
        def __len__(self):
            return 1

        def shape(self, _):
            return 6000, 6000, 4

    told = estimate(replace(job, targets=One()))
    assert 2.0 < told.memory / 2**30 < 3.0
    assert estimate(replace(job, targets=One()), workers=1).memory >= told.memory - 2**30


@pytest.mark.parametrize(("size", "count"), [(64, 8), (512, 8), (1024, 8), (2048, 2), (6000, 1), (20000, 1)])
def test_large_pictures_are_coded_one_by_one(size, count):
    assert together(size, size) == count
    assert count == 1 or count * size * size <= MOST_TOGETHER


def test_what_it_grows_with(job):
    def seconds(patches=10_000, workers=None, **options):
        return estimate(replace(job, settings=replace(job.settings, **options)), patches, workers).seconds

    told = seconds()
    assert seconds(search="exhaustive") > told
    assert seconds(effort=10) > told
    assert seconds(evidence=("phase",)) > told
    assert seconds(patches=1000) < told
    assert seconds(workers=8) < told
    assert seconds(threads=1) > told
    assert estimate(replace(job, settings=replace(job.settings, search="exhaustive"))).codes == 0
    assert estimate(job, patches=1).pairs == 3
    assert estimate(job, workers=8).memory > estimate(job).memory


def test_the_challenge_as_it_was_measured(job):
    """38,400 patches of 64 px in 600 images of 512 x 512 px: docs/speed.md."""

    class Many:
        def __len__(self):
            return 600

        def shape(self, _):
            return 512, 512, 4

    told = estimate(replace(job, targets=Many()), patches=38_400)
    assert 300 < told.seconds < 450
    assert 1.2 < told.memory / 2**30 < 1.6


def test_codes_that_do_not_fit(job):
    class Many:
        """The job's targets, as if there were many more."""

        def __init__(self, targets):
            self._targets = targets

        def __len__(self):
            return 3 * 40000

        def shape(self, k):
            return self._targets.shape(k % 3)

    assert not estimate(replace(job, targets=Many(job.targets))).fits


def test_a_large_image_is_worked_on_whole(job):
    """One of 6,000 x 6,000 px took 2.4 GiB; as many pixels in images of 1,000 x 1,000 take far less."""

    class Pictures:
        def __init__(self, count, side):
            self.count, self.side = count, side

        def __len__(self):
            return self.count

        def shape(self, _):
            return self.side, self.side, 4

    large, small = (
        estimate(replace(job, targets=Pictures(*size))).memory for size in ((1, 6000), (36, 1000))
    )
    assert 2.2 < large / 2**30 < 3.0
    assert small / 2**30 < 1.0
