#!/usr/bin/env python3
"""Other ways of matching, held to the same patches as the ladder: each prepares a picture once, then compares pairs.

    python tools/ladder_peers.py IMAGES PATCHES NAME -o submission.csv

Pictures are DN, float32, (height, width, bands), red, green, blue, near infrared. A method's score says how well the
patch fits an image, higher is better, and only the best image and place of each patch are kept.
"""

import argparse
import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ladder_learned as learned
import numpy as np
from numpy.typing import NDArray
from scipy import fft

import matcher
from matcher.formats.base import Source
from matcher.imagery import tell_range, to_dn

CODE = Path(__file__), Path(learned.__file__)  # what the methods' answers come from
Hit = tuple[float, int, int]  # score, row, column
NONE: Hit = (-np.inf, 0, 0)


@dataclass(frozen=True)
class Peer:
    """A method: what it makes of an image and of a patch, how it holds one against the other, packages it needs."""

    title: str
    prepare: Callable[[NDArray], Any]
    compare: Callable[[Any, Any], Hit]
    needs: tuple[str, ...] = ("opencv-python",)
    learned_on: str = "none"

    @property
    def missing(self) -> list[str]:
        """Packages that it needs and that are not installed."""
        return [name for name in self.needs if name not in versions(self.needs)]

    def answer(
        self, images: Sequence[NDArray], patches: Sequence[NDArray]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float]:
        """Image, column and row of every patch, and seconds on one core."""
        begin = time.process_time()
        ready = [self.prepare(image) for image in images]
        best = []
        for patch in patches:
            own = self.prepare(patch)
            hits = [self.compare(own, image) for image in ready]
            k = max(range(len(hits)), key=lambda number: hits[number][0])
            best.append((k, hits[k][2], hits[k][1]))
        image, x, y = np.array(best, np.int64).T
        return image, x, y, time.process_time() - begin


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of packages, of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def gray(picture: NDArray) -> NDArray[np.float32]:
    """The mean of red, green and blue."""
    return np.ascontiguousarray(picture[..., :3].mean(-1, dtype=np.float32))


def highest(scores: NDArray) -> Hit:
    """The highest place of a map."""
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[y, x]), int(y), int(x)


def zncc(patch: NDArray, image: NDArray) -> Hit:
    """OpenCV's zero-mean normalised cross-correlation (`TM_CCOEFF_NORMED`)."""
    import cv2

    scores = cv2.matchTemplate(image, patch, cv2.TM_CCOEFF_NORMED)
    return highest(np.where(np.abs(scores) <= 1.001, scores, -1.0))  # flat windows give infinities and NaN


def skimage_zncc(patch: NDArray, image: NDArray) -> Hit:
    """scikit-image's `match_template`."""
    from skimage.feature import match_template

    return highest(match_template(image, patch))


def sobel(picture: NDArray) -> NDArray[np.float32]:
    """The magnitude of the Sobel gradient of red."""
    import cv2

    red = np.ascontiguousarray(picture[..., 0])
    return cv2.magnitude(cv2.Sobel(red, cv2.CV_32F, 1, 0), cv2.Sobel(red, cv2.CV_32F, 0, 1))


def phase_only(patch: NDArray, image: NDArray) -> Hit:
    """The peak of phase correlation, the patch padded to the image (Kuglin and Hines 1975)."""
    high, wide = image.shape
    padded = np.zeros(image.shape, np.float32)
    window = np.hanning(patch.shape[0])[:, np.newaxis] * np.hanning(patch.shape[1])
    padded[: patch.shape[0], : patch.shape[1]] = (patch - patch.mean()) * window
    cross = fft.rfft2(image - image.mean()) * np.conj(fft.rfft2(padded))
    scores = fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=image.shape)
    return highest(scores[: high - patch.shape[0] + 1, : wide - patch.shape[1] + 1])


Features = tuple[NDArray[np.float32], NDArray[np.float32]]  # places (n, 2) as x, y; descriptors (n, k)


def root_sift(picture: NDArray) -> Features:
    """Upright RootSIFT (Lowe 2004; Arandjelovic and Zisserman 2012) of gray at twice the size."""
    import cv2

    band = gray(picture)
    low, high = np.percentile(band, (1, 99))
    shown = (np.clip((band - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    doubled = cv2.resize(shown, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    sift = cv2.SIFT_create(contrastThreshold=0.01)
    points = {
        (p.pt, p.size): cv2.KeyPoint(*p.pt, p.size, 0, p.response, p.octave) for p in sift.detect(doubled)
    }
    points, found = sift.compute(doubled, list(points.values()))
    if found is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    found = np.sqrt(found / np.maximum(found.sum(1, keepdims=True), 1e-9))
    return np.array([p.pt for p in points], np.float32) / 2, found


def vote(patch: Features, image: Features, ratio: float = 0.9, bin_: float = 3.0) -> Hit:
    """Matches that pass the ratio test vote for a shift; the score is the votes of the best."""
    (places, own), (spots, of) = patch, image
    if len(own) == 0 or len(of) < 2:
        return NONE
    alike, rows = own @ of.T, np.arange(len(own))
    nearest = alike.argmax(1)
    first = 2 - 2 * alike[rows, nearest]  # squared distances, since descriptors are of length 1
    alike[rows, nearest] = -np.inf
    second = 2 - 2 * alike.max(1)
    good = np.maximum(first, 0) < ratio**2 * second  # of doubles neither
    if not good.any():
        return NONE
    shift = spots[nearest[good]] - places[good]
    near = (np.abs(shift[:, np.newaxis] - shift) <= bin_).all(-1)
    k = int(near.sum(1).argmax())
    x, y = np.rint(np.median(shift[near[k]], axis=0)).astype(int).tolist()
    return float(near[k].sum()), max(y, 0), max(x, 0)


PEERS = {
    "opencv-gray": Peer("gray ZNCC, OpenCV", gray, zncc),
    "opencv-sobel": Peer("ZNCC of the Sobel magnitude of red, OpenCV", sobel, zncc),
    "phase-only": Peer("phase-only correlation of gray", gray, phase_only, ("scipy",)),
    "rootsift": Peer("upright RootSIFT and a vote, OpenCV", root_sift, vote),
    "skimage-gray": Peer("gray ZNCC, scikit-image `match_template`", gray, skimage_zncc, ("scikit-image",)),
    "aliked": Peer(
        "ALIKED-n16, learned, its dense maps correlated",
        learned.dense,
        learned.correlate,
        learned.NEEDS,
        learned.PHOTOGRAPHS,
    ),
}


def pictures(source: Source) -> list[NDArray[np.float32]]:
    """All pictures of a source as DN."""
    value_range = tell_range(source)
    return [to_dn(source[k], value_range) for k in range(len(source))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images")
    parser.add_argument("patches")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("-o", "--output", required=True)
    options = parser.parse_args()
    if absent := PEERS[options.name].missing:
        raise SystemExit(f"{options.name}: install {', '.join(absent)} (extra peers)")
    images, patches = matcher.open_images(options.images), matcher.open_patches(options.patches)
    number, x, y, seconds = PEERS[options.name].answer(pictures(images), pictures(patches))
    matcher.write_submission(options.output, matcher.Placements(patches.ids, images.ids[number], x, y))
    print(f"{options.name}: {1000 * seconds / (len(images) * len(patches)):.2f} ms of one core a pair")


if __name__ == "__main__":
    main()
