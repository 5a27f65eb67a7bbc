"""The pictures of a page: of every match shown the patch, the window found and the true one; and the images."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.formats.base import Source
from matcher.formats.thumbs import alike, colours, pack
from matcher.imagery import Pictures
from matcher.placements import Placements

MAPS = 120  # images shown with their hits
_BUDGET = 3_300_000  # bytes of the gallery's pictures
_MAP_BUDGET = 800_000  # bytes of the images' pictures
_LARGEST = 50e6  # pixels of an image that is shown with its hits
_KINDS = ("patch", "found", "true")
Picture = NDArray[np.uint8]


def positions(source: Source, ids: NDArray[np.int64], noun: str) -> NDArray[np.int64]:
    """Where ids stand in a source.

    Raises
    ------
    MatcherError
        If one does not stand there.
    """
    order = np.argsort(source.ids, kind="stable")
    at = np.searchsorted(source.ids[order], ids)
    found = order[np.minimum(at, len(order) - 1)]
    wrong = np.flatnonzero(source.ids[found] != ids)
    if len(wrong):
        raise MatcherError(
            f"{source.name}: has no {noun} {ids[wrong[0]]}, which the details name: were they made from other files?"
        )
    return found


def gallery(
    found: Placements,
    true: Placements,
    shown: NDArray[np.int64],
    images: Pictures,
    patches: Pictures,
    false_colour: bool,
    scales: Mapping[int, float] | None = None,
) -> list[list[Any]]:
    """Of each match shown its row's number, and pictures of the patch, the window found and the true one, or None.

    The pictures of one match are stretched together, so that they can be compared.

    Parameters
    ----------
    found, true : Placements
        Of the same patches; image -1 where no window is to be shown.
    shown : ndarray (k,)
        Rows of them.
    scales : mapping of int to float, optional
        By patch id the image pixels that a pixel of the patch is; 1 by default.
    """
    dn: dict[int, dict[str, NDArray[np.float32]]] = {}
    sides: dict[int, tuple[int, ...]] = {}
    at_patch = positions(patches.source, found.ids[shown], "patch")
    for n, at in zip(shown.tolist(), at_patch.tolist(), strict=True):
        patch = patches[at]
        scale = (scales or {}).get(int(found.ids[n]), 1.0)
        sides[n] = tuple(max(round(side * scale), 1) for side in patch.shape[:2])
        dn[n] = {"patch": patch}
    for kind, places in (("found", found), ("true", true)):
        for n, window in _windows(places, shown, images, sides):
            dn[n][kind] = window
    made: dict[tuple[int, str], Picture] = {}
    for n, pictures in dn.items():
        for kind, picture in zip(pictures, alike([*pictures.values()], false_colour), strict=True):
            made[n, kind] = picture
    keys = [(n, kind) for n in shown.tolist() for kind in _KINDS if (n, kind) in made]
    packed = dict(zip(keys, pack([made[key] for key in keys], _BUDGET), strict=True))
    return [[n, *(packed.get((n, kind)) for kind in _KINDS)] for n in shown.tolist()]


def _windows(
    places: Placements, shown: NDArray[np.int64], images: Pictures, sides: dict[int, tuple[int, ...]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Rows and their windows; images are read one after another, each once, or by the window where they can be."""
    wanted = shown[places.image[shown] >= 0]
    at = positions(images.source, places.image[wanted], "image")
    for number in np.unique(at).tolist():
        for n in wanted[at == number].tolist():
            (height, width), y, x = sides[n], int(places.y[n]), int(places.x[n])
            high, wide = images.shape(number)[:2]
            if not (0 <= y <= high - height + 1 and 0 <= x <= wide - width + 1):
                raise MatcherError(
                    f"{images.source.where(number)}: the window of patch {places.ids[n]} at x {x}, y {y} leaves it: "
                    "were the details made from other files?"
                )
            y, x = min(y, high - height), min(x, wide - width)  # places are rounded
            yield n, images.crop(number, (y, x), (height, width))


def maps(
    images: Source, hits: NDArray[np.int64], side: tuple[int, int], false_colour: bool
) -> list[dict[str, Any]]:
    """Every image with hits (by their ids): id, size, how many, and the picture for those with the most."""
    numbers, counts = np.unique(positions(images, hits, "image"), return_counts=True)
    small = [np.prod(images.shape(k)[:2]) <= _LARGEST for k in numbers.tolist()]
    most = numbers[np.argsort(-counts * small, kind="stable")][: min(MAPS, sum(small))].tolist()
    pictures = pack([colours(images[k], false_colour) for k in most], _MAP_BUDGET, 288)
    packed = dict(zip(most, pictures, strict=True))
    out = []
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        height, width, _ = images.shape(number)
        out.append(
            {
                "id": int(images.ids[number]),
                "size": [height, width],
                "side": list(side),
                "count": count,
                "picture": packed.get(number),
            }
        )
    return out
