"""Changes of three fixed recipes, painted with real pixels into real pairs of dates: what is true is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from matcher.imagery import Roles

RECIPES = ("buildings", "field", "pond")
PSF = 0.5  # px, the blur of a painted outline
MARGIN = 8  # px
_FINE = 5  # samples a pixel side of an outline
_TRIES = 60
_WATER_NIR = 900.0  # DN
_WATER_LEAST = 40  # px of water that make an image's own statistics
_POOL = np.array([[700.0, 800.0, 900.0, 400.0], [450.0, 600.0, 800.0, 300.0], [900.0, 950.0, 950.0, 600.0]])


@dataclass(frozen=True)
class Painted:
    """A patch with a painted change, and the other date of its place.

    Attributes
    ----------
    patch : ndarray (height, width, 4), float32
        DN, red, green, blue, near infrared: the date that was painted.
    image : ndarray (height, width, 4), float32
        The other date: the patch's ground and `MARGIN` px round it.
    truth : ndarray (height, width), bool
        What of the patch was painted.
    recipe, place : str
    """

    patch: NDArray[np.float32]
    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    recipe: str
    place: str


def ndvi(dn: NDArray[np.floating], roles: Roles) -> NDArray[np.float32]:
    """(nir - red) / (nir + red), (height, width); 0 where both are dark or a band is missing."""
    if roles.nir is None or roles.red is None:
        return np.zeros(dn.shape[:2], np.float32)
    near, red = (dn[..., k].astype(np.float32) for k in (roles.nir, roles.red))
    out: NDArray[np.float32] = (near - red) / np.maximum(near + red, 1)
    return out


def rectangle(shape: tuple[int, int], middle: NDArray, sides: NDArray, angle: float) -> NDArray:
    """The share of every pixel that a turned rectangle covers, blurred by `PSF`."""

    def inside(y: NDArray, x: NDArray) -> NDArray[np.bool_]:
        u = y * np.cos(angle) + x * np.sin(angle)
        v = x * np.cos(angle) - y * np.sin(angle)
        out: NDArray[np.bool_] = (np.abs(u) <= sides[0] / 2) & (np.abs(v) <= sides[1] / 2)
        return out

    return _cover(shape, middle, inside)


def blob(
    shape: tuple[int, int],
    middle: NDArray,
    sides: NDArray,
    angle: float,
    wobble: NDArray,
) -> NDArray:
    """The same of an ellipse whose radius waves with the angle."""

    def inside(y: NDArray, x: NDArray) -> NDArray[np.bool_]:
        u = (y * np.cos(angle) + x * np.sin(angle)) / (sides[0] / 2)
        v = (x * np.cos(angle) - y * np.sin(angle)) / (sides[1] / 2)
        turn = np.arctan2(v, u)
        limit = 1 + 0.15 * np.cos(2 * turn + wobble[0]) + 0.1 * np.cos(3 * turn + wobble[1])
        out: NDArray[np.bool_] = np.hypot(u, v) <= limit
        return out

    return _cover(shape, middle, inside)


def _cover(
    shape: tuple[int, int], middle: NDArray, inside: Callable[[NDArray, NDArray], NDArray[np.bool_]]
) -> NDArray:
    fine = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    total = np.zeros(shape)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    for dy in fine:
        for dx in fine:
            total += inside(y + dy - middle[0], x + dx - middle[1])
    out: NDArray = ndimage.gaussian_filter(total / _FINE**2, PSF)
    return out


@dataclass(frozen=True)
class _Ground:
    """What an image says of donors and sites: kinds of pixels, (height, width) bool each."""

    green: NDArray[np.bool_]
    bare: NDArray[np.bool_]
    roof: NDArray[np.bool_]
    water: NDArray[np.bool_]
    smooth: NDArray[np.bool_]


def survey(dn: NDArray[np.floating], roles: Roles) -> _Ground:
    """Kinds of pixels of an image, by NDVI, brightness and local contrast against the image's own quantiles."""
    index = ndvi(dn, roles)
    light = dn[..., list(roles.visible)].mean(-1)
    near = dn[..., roles.nir] if roles.nir is not None else light
    water = (near < _WATER_NIR) & (near < dn[..., 1])
    contrast = ndimage.gaussian_filter(np.abs(light - ndimage.median_filter(light, 7)), 1.5)
    land = ~ndimage.binary_dilation(water, iterations=3)
    busy = contrast > np.quantile(contrast[land] if land.any() else contrast, 0.7)
    dry = land & (index < np.quantile(index[land] if land.any() else index, 0.35))
    return _Ground(
        green=land & (index > max(0.25, float(np.median(index[land])) if land.any() else 0.25)),
        bare=dry & ~busy & (light > np.quantile(light, 0.3)),
        roof=dry & busy & (light > ndimage.median_filter(light, 7)),
        water=water,
        smooth=land & ~busy,
    )


@dataclass(frozen=True)
class Scene:
    """Two dates of one place, on one grid, with what each says of its ground."""

    place: str
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    roles: Roles
    old: _Ground
    new: _Ground

    @classmethod
    def of(cls, place: str, before: NDArray, after: NDArray, roles: Roles) -> "Scene":
        """Two dates (height, width, 4), DN."""
        dn = [np.ascontiguousarray(a, np.float32) for a in (before, after)]
        return cls(place, dn[0], dn[1], roles, survey(dn[0], roles), survey(dn[1], roles))


def paint(scene: Scene, recipe: str, side: int, rng: np.random.Generator) -> Painted | None:
    """A window with one recipe painted into it, or None where the place has no site for it."""
    old, new = (scene.after, scene.before) if recipe == "pond" else (scene.before, scene.after)
    for _ in range(_TRIES):
        y, x = (int(rng.integers(MARGIN, n - side - MARGIN + 1)) for n in old.shape[:2])
        at = (slice(y, y + side), slice(x, x + side))
        image = old[y - MARGIN : y + side + MARGIN, x - MARGIN : x + side + MARGIN].copy()
        patch = new[at].copy()
        if min(image.max(-1).min(), patch.max(-1).min()) <= 0:
            continue
        truth = PAINTERS[recipe](scene, at, patch, rng)
        if truth is not None:
            return Painted(patch, image, truth, recipe, scene.place)
    return None


def _buildings(
    scene: Scene, at: tuple[slice, slice], patch: NDArray, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Two to four turned rectangles of 3 to 10 px a side with the pixels of real roofs, on open ground, afterwards."""
    roofs = np.argwhere(scene.new.roof)
    open_ground = scene.old.smooth[at] & scene.new.smooth[at]
    side = patch.shape[0]
    if len(roofs) < 30:
        return None
    truth = np.zeros((side, side), bool)
    wanted = int(rng.integers(2, 5))
    for _ in range(30):
        middle, sides = rng.uniform(6, side - 6, 2), rng.uniform(3, 10, 2)
        cover = rectangle((side, side), middle, sides, rng.uniform(0, np.pi))
        mask = cover > 0.5
        near = ndimage.binary_dilation(mask, iterations=3)
        if not mask.any() or (near & truth).any() or open_ground[mask].mean() < 0.8:
            continue
        row, column = roofs[int(rng.integers(len(roofs)))]
        tone = scene.after[row, column]
        grain = 1 + 0.04 * rng.standard_normal((*truth.shape, 1))
        _lay(patch, tone * grain, cover)
        truth |= mask
        wanted -= 1
        if not wanted:
            return truth
    return truth if truth.any() else None


def _field(
    scene: Scene, at: tuple[slice, slice], patch: NDArray, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """A turned rectangle of 14 to 32 px a side, green on both dates, with real bare ground laid over it, afterwards."""
    side = patch.shape[0]
    middle, sides = rng.uniform(12, side - 12, 2), rng.uniform(14, 32, 2)
    cover = rectangle(patch.shape[:2], middle, sides, rng.uniform(0, np.pi))
    mask = cover > 0.5
    if min(scene.old.green[at][mask].mean(), scene.new.green[at][mask].mean()) < 0.8:
        return None
    laid = _donor(scene.after, scene.new.bare, cover > 0.02, rng, 0.8)
    if laid is None:
        return None
    _lay(patch, laid, cover)
    return mask


def _pond(
    scene: Scene, at: tuple[slice, slice], patch: NDArray, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """A blob of 8 to 22 px of real water, beforehand: afterwards it is filled, and the land that is there is real."""
    side = patch.shape[0]
    middle, sides = rng.uniform(8, side - 8, 2), rng.uniform(8, 22, 2)
    cover = blob(patch.shape[:2], middle, sides, rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2))
    mask = cover > 0.5
    if max(scene.old.water[at][mask].mean(), scene.new.water[at][mask].mean()) > 0.05:
        return None
    laid = _donor(scene.before, scene.old.water, cover > 0.02, rng, 0.95)
    if laid is None:
        waters = scene.before[scene.old.water]
        if len(waters) >= _WATER_LEAST:
            tone = waters[int(rng.integers(len(waters)))]
        else:
            tone = _POOL[int(rng.integers(len(_POOL)))]
        laid = tone * (1 + 0.03 * rng.standard_normal((*mask.shape, 1)))
    _lay(patch, laid, cover)
    return mask


PAINTERS = {"buildings": _buildings, "field": _field, "pond": _pond}


def _donor(
    image: NDArray, kind: NDArray[np.bool_], mask: NDArray[np.bool_], rng: np.random.Generator, share: float
) -> NDArray | None:
    """A real window that is of one kind over a mask, or None."""
    seeds = np.argwhere(kind)
    side = mask.shape
    if not len(seeds):
        return None
    rows, columns = np.nonzero(mask)
    middle = (int(rows.mean()), int(columns.mean()))
    for _ in range(_TRIES):
        y, x = seeds[int(rng.integers(len(seeds)))] - middle
        top, left = y + rows.min(), x + columns.min()
        bottom, right = y + rows.max() + 1, x + columns.max() + 1
        if top < 0 or left < 0 or bottom > image.shape[0] or right > image.shape[1]:
            continue
        if kind[y + rows, x + columns].mean() >= share:
            out = np.zeros((*side, image.shape[2]))
            out[rows, columns] = image[y + rows, x + columns]
            return out
    return None


def _lay(image: NDArray, over: NDArray, cover: NDArray) -> None:
    """Lay pixels over an image by a share a pixel, in whole DN."""
    share = np.where(cover > 0.02, cover, 0)[..., np.newaxis]
    image[:] = np.rint(image * (1 - share) + over * share)
