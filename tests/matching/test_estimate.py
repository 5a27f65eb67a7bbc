"""What a match would take: the codes are counted exactly, and everything grows with what it depends on."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.matching import estimate as estimating
from matcher.matching.estimate import estimate
from matcher.matching.job import prepare
from matcher.search.pyramid.codes import MOST_TOGETHER, together
from matcher.settings import Settings

RNG = np.random.default_rng(0)


class Many:
    """So many targets of so many pixels a side, that nobody reads."""

    def __init__(self, count, side):
        self._count, self._side = count, side

    def __len__(self):
        return self._count

    def shape(self, _):
        return self._side, self._side, 4


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

    told = estimate(replace(job, targets=Many(1, 6000)))
    assert 2.0 < told.memory / 2**30 < 3.0
    assert estimate(replace(job, targets=Many(1, 6000)), workers=1).memory >= told.memory - 2**30


@pytest.mark.parametrize(("size", "count"), [(64, 8), (512, 8), (1024, 8), (2048, 2), (6000, 1), (20000, 1)])
def test_large_pictures_are_coded_one_by_one(size, count):
    assert together(size, size) == count
    assert count == 1 or count * size * size <= MOST_TOGETHER


def test_what_it_grows_with(job):
    many = replace(job, targets=Many(600, 512))

    def seconds(patches=10_000, workers=None, **options):
        return estimate(replace(many, settings=replace(many.settings, **options)), patches, workers).seconds

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


@pytest.mark.parametrize(
    ("images", "side", "patches", "patch", "least", "most"),
    [
        (78, 256, 912, 64, 11, 13),
        (78, 256, 912, 32, 28, 32),
        (600, 256, 912, 64, 10, 13),
        (600, 512, 38_400, 64, 350, 375),
    ],
)
@pytest.mark.parametrize("slowness", [1.0, estimating._WITHOUT])
def test_times_as_they_were_measured(job, images, side, patches, patch, least, most, slowness, monkeypatch):
    """Processor seconds on real places, and of the whole challenge, within a third; as much more without AVX-512."""
    monkeypatch.setattr(estimating, "slowness", lambda: slowness)
    least, most = least * slowness, most * slowness
    told = estimate(replace(job, targets=Many(images, side), patches=Many(patches, patch)))
    assert 2 / 3 * least < told.seconds * 2 < 4 / 3 * most
    if patches == 38_400:
        assert 1.2 < told.memory / 2**30 < 1.6


@pytest.mark.parametrize(("patches", "taken"), [(1, 3.0), (10, 4.4), (30, 6.8)])
def test_times_of_an_exhaustive_search_as_they_were_measured(job, patches, taken, monkeypatch):
    """Processor seconds of patches of 64 px in 78 images of 180 to 320 px, within a third."""
    monkeypatch.setattr(estimating, "slowness", lambda: 1.0)
    settings = replace(job.settings, search="exhaustive", threads=1)
    told = estimate(replace(job, targets=Many(78, 257), patches=Many(patches, 64), settings=settings))
    assert 2 / 3 * taken < told.seconds < 4 / 3 * taken


def test_codes_that_do_not_fit(job):
    assert not estimate(replace(job, targets=Many(120_000, 130))).fits


def test_a_large_image_is_worked_on_whole(job):
    """One of 6,000 x 6,000 px took 2.4 GiB; as many pixels in images of 1,000 x 1,000 take far less."""

    large, small = (estimate(replace(job, targets=Many(*size))).memory for size in ((1, 6000), (36, 1000)))
    assert 2.2 < large / 2**30 < 3.0
    assert small / 2**30 < 1.2


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
def test_large_patches_take_their_share_of_the_memory(job, search):
    """1,000 patches of 512 px are 4 GiB: no more of them are read together than have room."""

    def memory(side, budget):
        settings = replace(job.settings, memory=budget << 20, search=search)
        return estimate(
            replace(job, targets=Many(8, 700), patches=Many(1000, side), settings=settings)
        ).memory

    assert memory(512, 2048) < 2.3 * (1 << 30)
    assert memory(512, 512) < memory(512, 2048)
    assert memory(64, 512) < memory(512, 512) < 1.7 * (1 << 30)


def test_few_patches_hold_less_than_many(job):
    settings = replace(job.settings, search="exhaustive")
    many = replace(job, targets=Many(600, 100), settings=settings)
    assert estimate(many, 1).memory < estimate(many, 600).memory


@pytest.mark.parametrize(("side", "most"), [(64, 1024), (128, 512), (512, 32)])
def test_as_many_patches_as_have_room(job, side, most):
    task = replace(job.task(1), memory=2 << 30)
    assert task.together(task.pixel_bytes(side * side), 1024) == most
    assert replace(task, memory=1 << 20).together(task.pixel_bytes(side * side), 1024) == 1
