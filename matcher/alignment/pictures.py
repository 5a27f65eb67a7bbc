"""Parts of both scenes on the moving scene's grid: the moving one as it is and as it is moved, and the reference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.alignment.frame import Frame, Side
from matcher.alignment.outputs import Inverse
from matcher.alignment.run import Alignment

LARGEST = 480  # px a side


@dataclass(frozen=True)
class View:
    """One part of the ground.

    Attributes
    ----------
    row, col : int
        Its top-left pixel on the moving scene's grid.
    before, after, reference : ndarray (height, width, bands), float32
        DN.
    """

    row: int
    col: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    reference: NDArray[np.float32]


def views(made: Alignment, moving: Side, reference: Side, count: int = 3) -> list[View]:
    """Square parts of the scenes, spread over the points used; the whole of a scene that is small."""
    side = min(LARGEST, *made.size)
    places = made.points.places[made.points.used]
    corners: list[tuple[int, int]] = []
    for share in np.linspace(0.5 / count, 1 - 0.5 / count, count):
        place = places[int(share * len(places))]
        row, col = (int(min(max(p - side / 2, 0), n - side)) for p, n in zip(place, made.size, strict=True))
        if all(max(abs(row - r), abs(col - c)) >= side // 2 for r, c in corners):
            corners.append((row, col))
    frame, inverse = Frame(moving, reference, 1.0), Inverse(made.transform, made.size)
    return [_view(frame, inverse, row, col, side) for row, col in corners]


def _view(frame: Frame, inverse: Inverse, row: int, col: int, side: int) -> View:
    rows, columns = np.mgrid[row : row + side, col : col + side] + 0.5
    at = inverse(np.stack([rows.ravel(), columns.ravel()], -1)).T.reshape(2, side, side) - 0.5
    low = np.floor(at.min((1, 2))).astype(int) - 2
    high = np.ceil(at.max((1, 2))).astype(int) + 3
    around = frame.moving.read(*low.tolist(), *(high - low).tolist())
    after = np.stack(
        [
            ndimage.map_coordinates(around[..., b], at - low[:, np.newaxis, np.newaxis], order=1)
            for b in range(around.shape[2])
        ],
        -1,
    )
    there, _ = frame.window(row, col, side, 0)
    return View(row, col, frame.moving.read(row, col, side, side), after, there)
