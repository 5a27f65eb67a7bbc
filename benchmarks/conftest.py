"""What the benchmarks share: small sets, how often a thing is timed, and figures for the end of the report."""

from pathlib import Path

import numpy as np
import pytest
import sets

from matcher.formats.opening import open_images, open_patches
from matcher.formats.submission import read_submission
from matcher.imagery import Pictures

FIGURES = pytest.StashKey[list]()


def pytest_addoption(parser):
    group = parser.getgroup("matcher")
    group.addoption("--bench-images", type=int, default=6, help="images of the compared and matched set")
    group.addoption("--bench-patches", type=int, default=8, help="patches an image of that set")
    group.addoption("--bench-size", type=int, default=512, help="pixels a side of its images")
    group.addoption(
        "--bench-pairs", type=int, help="pairs of it that the peers loop over, drawn at random; all"
    )
    group.addoption("--bench-cache", type=Path, default=sets.CACHE, help="where sets are kept")


def pytest_configure(config):
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[FIGURES]:
        terminalreporter.section("figures")
        for line in config.stash[FIGURES]:
            terminalreporter.write_line(line)


class Small:
    """A simulated set in memory and on disk: images and patches as DN, and the answers' arrays."""

    def __init__(self, files: sets.Set) -> None:
        self.files = files
        self.images = list(Pictures(open_images(files.images), "auto"))
        queries = Pictures(open_patches(files.patches), "auto")
        self.patches = list(queries)
        answers = read_submission(files.answers)
        assert np.array_equal(np.sort(answers.ids), np.sort(queries.ids))
        order = np.argsort(answers.ids)[np.argsort(np.argsort(queries.ids))]
        self.image = answers.image[order]
        self.corner = np.stack([answers.y[order], answers.x[order]], axis=-1)

    def right(self, image, corner, within=4.0):
        """Which of the places (image (n,), corner (n, 2) as (y, x)) are right: (n,) bool."""
        near = np.hypot(*(np.asarray(corner) - self.corner).T) <= within
        return (np.asarray(image) == self.image) & near


@pytest.fixture(scope="session")
def small(request):
    option = request.config.getoption
    shape = (option("bench_images"), option("bench_patches"), option("bench_size"))
    return Small(sets.simulated(option("bench_cache"), *shape))


@pytest.fixture
def time_it(benchmark):
    """Time a call a few times after one to warm up, and hand back what it returns."""

    def run(function, rounds=3):
        return benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)

    return run


@pytest.fixture
def figure(request):
    """Say a figure at the end of the report."""
    return request.config.stash[FIGURES].append
