"""Side by side on the same pairs in one run: matcher, OpenCV's `matchTemplate`, scikit-image's `match_template`.

OpenCV and scikit-image loop over the pairs in two processes, started, loaded and warm before the clock runs; matcher
is warm too. Every pair is compared by all: a set of a few images shows matcher at its worst, since what it makes of an
image once serves few patches (`--bench-images` and `--bench-patches`
make it larger, `--bench-pairs` draws so many of its pairs for the others).
"""

import numpy as np
import pytest
from peers import Peers, draw_pairs

import matcher

PROCESSES = 2
FEW = 8  # pairs for scikit-image, which takes a third of a second each
RATES = {}


@pytest.fixture(scope="module")
def workers(small):
    with Peers(small.images, small.patches, PROCESSES) as pool:
        yield pool


@pytest.fixture(scope="module")
def pairs(small, request):
    every = len(small.patches) * len(small.images)
    return draw_pairs(len(small.patches), len(small.images), request.config.getoption("bench_pairs") or every)


def best_images(small, hits):
    """Of every patch the best image and its corner: (n,), (n, 2), from the hits of all pairs in order."""
    table = np.array(hits).reshape(len(small.patches), len(small.images), 3)
    image = table[..., 0].argmax(1)
    return image, table[np.arange(len(table)), image, 1:]


def test_matcher(small, benchmark):
    result = benchmark.pedantic(
        lambda: matcher.match(small.images, small.patches, threads=PROCESSES), rounds=2, warmup_rounds=1
    )
    right = small.right(result.image, np.stack([result.y, result.x], axis=-1)).mean()
    RATES["matcher"] = (rate_of(benchmark, len(small.patches) * len(small.images)), right)
    assert right >= 0.8


def rate_of(benchmark, pairs):
    """Pairs a second of the fastest round; nan where nothing is timed."""
    return float("nan") if benchmark.stats is None else pairs / benchmark.stats.stats.min


@pytest.mark.parametrize("method", ["OpenCV, gray", "OpenCV, four bands"])
def test_opencv(method, small, workers, pairs, benchmark, figure):
    timed = benchmark.pedantic(lambda: workers.run(method, pairs), rounds=1)
    assert len(timed.hits) == len(pairs)
    right = float("nan")
    if len(pairs) == len(small.patches) * len(small.images):
        image, corner = best_images(small, timed.hits)
        right = small.right(image, corner).mean()
        if "matcher" in RATES:  # what is slower must not be better
            assert RATES["matcher"][1] >= right
    RATES[method] = (timed.rate, right)
    say(figure, method, len(pairs))


def test_opencv_finds_what_is_there(small):
    image = small.images[0]
    with Peers([image], [image[30:94, 71:135]], 1) as pool:
        for method in ("OpenCV, gray", "OpenCV, four bands", "scikit-image, four bands"):
            ((_, y, x),) = pool.run(method, [(0, 0)]).hits
            assert (y, x) == (30, 71)


def test_skimage(workers, pairs, benchmark, figure):
    few = pairs[:: max(1, len(pairs) // FEW)][:FEW]
    timed = benchmark.pedantic(lambda: workers.run("scikit-image, four bands", few), rounds=1)
    same = workers.run("OpenCV, four bands", few)
    np.testing.assert_allclose([h[0] for h in timed.hits], [h[0] for h in same.hits], atol=2e-2)
    RATES["scikit-image, four bands"] = (timed.rate, float("nan"))
    say(figure, "scikit-image, four bands", len(few))


def say(figure, method, pairs):
    """A peer's rate beside matcher's, where both were timed."""
    own, right = RATES.get("matcher", (float("nan"), float("nan")))
    rate, peer_right = RATES[method]
    if own == own:
        figure(
            f"{method:<25}{rate:9.1f} pairs/s ({pairs} pairs{_share(peer_right)}); "
            f"matcher {own:9,.0f} pairs/s{_share(right)}; ratio {own / rate:,.0f}"
        )


def _share(right):
    return "" if right != right else f", {right:.1%} right"
