"""OpenCV's and scikit-image's template matching, looped over pairs of a patch and an image."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

VISIBLE = 3  # bands whose mean is gray: red, green, blue come first
Hit = tuple[float, int, int]  # score, y, x

Planes = list[np.ndarray]  # float32, contiguous, (height, width) each


@dataclass(frozen=True)
class Timed:
    """Hits of pairs in their order, and how long the pairs took together, seconds."""

    hits: list[Hit]
    seconds: float

    @property
    def rate(self) -> float:
        """Pairs a second."""
        return len(self.hits) / self.seconds


def opencv(patch: Planes, image: Planes) -> Hit:
    """Best window by the sum over planes of ZNCC (`TM_CCOEFF_NORMED`)."""
    import cv2

    score = cv2.matchTemplate(image[0], patch[0], cv2.TM_CCOEFF_NORMED)
    for own, of in zip(patch[1:], image[1:], strict=True):
        score += cv2.matchTemplate(of, own, cv2.TM_CCOEFF_NORMED)
    _, value, _, (x, y) = cv2.minMaxLoc(score)
    if not value <= len(patch) + 1e-3:  # flat windows give infinities and NaN
        return _best(np.where(np.abs(score) <= len(patch) + 1e-3, score, -1.0))
    return value, y, x


def skimage(patch: Planes, image: Planes) -> Hit:
    """Best window by the sum over planes of scikit-image's `match_template`."""
    from skimage.feature import match_template

    return _best(sum(match_template(of, own) for own, of in zip(patch, image, strict=True)))


@dataclass(frozen=True)
class Method:
    """A loop's body, and whether it gets the mean of the visible bands or every band."""

    match: Callable[[Planes, Planes], Hit]
    gray: bool


METHODS = {
    "OpenCV, gray": Method(opencv, True),
    "OpenCV, four bands": Method(opencv, False),
    "scikit-image, four bands": Method(skimage, False),
}


class Peers:
    """Worker processes of one thread each that hold the pictures; started and warm when it is made.

    Images and patches are DN, float32, (height, width, bands).
    """

    def __init__(self, images: Sequence[np.ndarray], patches: Sequence[np.ndarray], processes: int = 2):
        self._count = processes
        context = multiprocessing.get_context("spawn")
        self._ready = context.Barrier(processes)
        self._pool = context.Pool(processes, _hold, (list(images), list(patches), self._ready))

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def run(self, method: str, pairs: Sequence[tuple[int, int]]) -> Timed:
        """Loop over pairs (patch, image), every process over its share, after a pair each to warm up."""
        shares = [pairs[k :: self._count] for k in range(self._count)]
        self._pool.starmap(_loop, [(method, share[:1], True) for share in shares], chunksize=1)
        start = time.perf_counter()
        parts = self._pool.starmap(_loop, [(method, share, False) for share in shares], chunksize=1)
        seconds = time.perf_counter() - start
        hits: list[Hit] = [(0.0, 0, 0)] * len(pairs)
        for k, part in enumerate(parts):
            hits[k :: self._count] = part
        return Timed(hits, seconds)


def draw_pairs(patches: int, images: int, count: int, seed: int = 0) -> list[tuple[int, int]]:
    """So many pairs (patch, image) at random, or all of them."""
    every = patches * images
    rng = np.random.default_rng(seed)
    chosen = np.arange(every) if count >= every else rng.choice(every, count, replace=False)
    return [(int(k) // images, int(k) % images) for k in chosen]


def _hold(images: list[np.ndarray], patches: list[np.ndarray], ready) -> None:
    """What a worker keeps: planes of every picture, made before any clock runs."""
    import cv2

    cv2.setNumThreads(1)
    for gray in (False, True):
        _held[gray] = ([_planes(dn, gray) for dn in patches], [_planes(dn, gray) for dn in images])
    _barrier.append(ready)


def _loop(method: str, pairs: Sequence[tuple[int, int]], together: bool) -> list[Hit]:
    if together:  # every process takes one share: none is left cold
        _barrier[0].wait()
    match, (patches, images) = METHODS[method].match, _held[METHODS[method].gray]
    return [match(patches[p], images[i]) for p, i in pairs]


def _planes(dn: np.ndarray, gray: bool) -> Planes:
    if gray:
        return [dn[..., :VISIBLE].mean(-1, dtype=np.float32)]
    return [np.ascontiguousarray(dn[..., band], np.float32) for band in range(dn.shape[2])]


def _best(score: np.ndarray) -> Hit:
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    return float(score[y, x]), int(y), int(x)


_held: dict[bool, tuple[list[Planes], list[Planes]]] = {}
_barrier: list = []
