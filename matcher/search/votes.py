"""About how a patch lies that may be turned or scaled a little, from where its parts are found.

A patch fits only where it lies on its ground to a pixel, so that a turned one is found by the few pixels about which
it is turned. Its parts are small enough to fit as they are: the maps of where each may lie are added up for every
turn, scale and shift, as votes are (Ballard, "Generalizing the Hough transform to detect arbitrary shapes", 1981).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.evidence import Responses, channels, templates
from matcher.geo.resample import shrink
from matcher.imagery import Roles
from matcher.search.correlation import score_maps, target_spectra
from matcher.search.peaks import combined
from matcher.search.pose import Matrix, linear

MOST_TURN, MOST_GROWTH = np.radians(8.0), 0.06  # that are looked for
_LARGEST = 128  # px a side; larger patches are looked at with larger pixels
_PART, _SMALLEST = 32, 12  # px a side of a part, at the most and the least
_SLACK = 4  # px that a patch may be off beside what turn and scale move its corners
# Of a part's score: on other ground, the best of all turns, scales and shifts comes to 10 to 14, on its own to 40 and
# more where there is an edge to see.
_CHANCE = 18.0
_RIM = 2  # px of maps that are not summed, so that places between their pixels can be read
_SMOOTH = 0.7  # px; maps are read between their pixels
_LAST = 0.1  # px; a smaller step ends the climb


def reach(size: tuple[int, int]) -> int:
    """Px about a patch of a size within which its parts lie, whichever of its pixels it was found by."""
    return int(np.ceil(np.hypot(*size) * np.hypot(MOST_TURN, MOST_GROWTH))) + _SLACK


def propose(
    patch: NDArray[np.float32],
    window: NDArray[np.float32],
    rim: int,
    square: Matrix,
    roles: Roles,
    evidence: tuple[str, ...],
    responses: Responses,
) -> tuple[NDArray[np.float64], Matrix] | None:
    """The shift (2,) and the change of offsets (2, 2) that a patch's parts agree on best; None where that is chance.

    Parameters
    ----------
    patch, window : ndarray (height, width, bands), float32
        DN; the window shows `rim` px on each side of where the patch is thought to lie.
    rim : int
        As `reach` says.
    square : ndarray (2, 2)
        Pixels, rows first, to square ones.
    roles, evidence, responses
        How pictures are compared.
    """
    factor = -(-max(patch.shape[:2]) // _LARGEST)
    if factor > 1:
        patch, window, rim = _shrunk(patch, window, rim, factor)
    size = patch.shape[0], patch.shape[1]
    parts = _parts(patch, window, rim, (roles, evidence, responses))
    pixel = 2 / float(np.hypot(*size))
    begin, score = _vote(parts, pixel, square)
    if score < _CHANCE * len(parts.maps):
        return None
    found = _climb(parts, begin, pixel, square)
    return found[:2] * factor, linear(found[2] * pixel, found[3] * pixel, square)


def _shrunk(
    patch: NDArray[np.float32], window: NDArray[np.float32], rim: int, factor: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Patch, window and rim at `factor` pixels a pixel, their middles where they were."""
    size = [length // factor for length in patch.shape[:2]]
    less = rim // factor
    starts = [(length - n * factor) / 2 for length, n in zip(patch.shape, size, strict=False)]
    around = [start + rim - less * factor for start in starts]
    large = [n + 2 * less for n in size]
    return (
        shrink(patch, factor, (size[0], size[1]), (starts[0], starts[1])),
        shrink(window, factor, (large[0], large[1]), (around[0], around[1])),
        less,
    )


@dataclass(frozen=True)
class _Parts:
    """Parts of a patch: scores at every place up to `rim` px off, (n, 2 rim + 1, 2 rim + 1), and middles, (n, 2)."""

    maps: NDArray[np.float64]
    middles: NDArray[np.float64]
    rim: int


def _parts(
    patch: NDArray[np.float32],
    window: NDArray[np.float32],
    rim: int,
    compared: tuple[Roles, tuple[str, ...], Responses],
) -> _Parts:
    own, ground = templates(patch, *compared), channels(window, *compared[:2])
    size = patch.shape[:2]
    side = int(np.clip(min(size) // 2, _SMALLEST, _PART))
    rows, columns = (
        np.rint(np.linspace(0, length - side, max(3, length // side))).astype(int).tolist() for length in size
    )
    maps, middles = [], []
    for top in rows:
        for left in columns:
            part = [c.window((top, left), (side, side)) for c in own]
            around = [c.window((top, left), (side + 2 * rim, side + 2 * rim)) for c in ground]
            scores, live = next(score_maps(part, target_spectra([around], (side, side))))
            maps.append(combined(scores[0], live[0], part))
            middles.append((top + (side - size[0]) / 2, left + (side - size[1]) / 2))
    return _Parts(np.array(maps), np.array(middles, np.float64), rim)


def _vote(parts: _Parts, pixel: float, square: Matrix) -> tuple[NDArray[np.float64], float]:
    """The best shift, growth and turn (4,), and its sum of scores: whole steps, of a pixel at a corner.

    Of equal ones the least turned. Where pixels are very oblong, a turn moves corners farther than `reach` says: such
    turns are not looked for.
    """
    growths, turns = (np.arange(-int(m / pixel), int(m / pixel) + 1) for m in (MOST_GROWTH, MOST_TURN))
    steps = sorted(
        ((g, t) for g in growths.tolist() for t in turns.tolist()), key=lambda s: (np.hypot(*s), s)
    )
    # A place counts by the best of those about it, since steps are not small.
    wide = [ndimage.maximum_filter(one, 3) for one in parts.maps]
    far = np.abs(parts.middles).max(0)
    most, best = -np.inf, np.zeros(4)
    for growth, turn in steps:
        change = linear(growth * pixel, turn * pixel, square)
        free = parts.rim - _RIM - int(np.ceil((np.abs(change) @ far).max()))
        if free < 0:
            continue
        total = np.zeros((2 * free + 1, 2 * free + 1))
        offsets = np.rint(parts.middles @ change.T).astype(int) + parts.rim - free
        for one, (top, left) in zip(wide, offsets.tolist(), strict=True):
            total += one[top : top + len(total), left : left + len(total)]
        row, col = (int(k) for k in np.unravel_index(total.argmax(), total.shape))
        if total[row, col] > most:
            most, best = float(total[row, col]), np.array([row - free, col - free, growth, turn], np.float64)
    return best, most


def _climb(parts: _Parts, begin: NDArray[np.float64], pixel: float, square: Matrix) -> NDArray[np.float64]:
    """The shift, growth and turn (4,) near others at which the parts' maps add up to most, to a tenth of a pixel."""
    maps = np.stack([ndimage.gaussian_filter(one, _SMOOTH) for one in parts.maps])
    middles = parts.middles
    moves = np.stack(
        [np.broadcast_to(axis, middles.shape) for axis in np.eye(2)]
        + [middles @ linear(*one, square).T for one in ((pixel, 0.0), (0.0, pixel))]
    )
    near = np.stack(np.meshgrid(*[(0, -1, 1)] * 4, indexing="ij"), -1).reshape(-1, 4)
    at, step = begin, 1.0
    while step > _LAST:
        tried = at + step * near
        row, col = np.moveaxis(np.tensordot(tried, moves, 1) + parts.rim, -1, 0)
        number = np.broadcast_to(np.arange(len(maps)), row.shape)
        total = ndimage.map_coordinates(maps, np.stack([number, row, col]), order=1, mode="nearest").sum(-1)
        best = int(total.argmax())
        step = step if best else step / 2
        at = tried[best]
    return at
