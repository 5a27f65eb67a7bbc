"""What a second date can do to a patch, one seeded recipe a thing: clouds, haze, light, sampling, noise, snow, houses.

`RECIPES` names them all. Patches come from the real places (`real_samples`) or from the synthetic Earth
(`simulated_samples`), with the ground round them, so that a shift or a turn brings in what really lies there.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from painted import PAINTERS, Scene
from rounds import Round, state, tell

from matcher.changing.align import moved
from matcher.geo.resample import turn
from matcher.imagery import Roles
from matcher.simulate.challenge import cut_place
from matcher.simulate.noise import fractal, smooth, white
from matcher.simulate.render import SNOW
from matcher.simulate.sky import DENSE, HAZE, draw_clouds

MARGIN = 8  # px of ground round a patch
BRIGHTEST = 4095.0  # DN, as the files clip
ROLES = Roles.of(("red", "green", "blue", "nir"))
SUN = (0.3, -0.5, 0.81)
SHADE = np.array((0.8, 0.8, 0.8, 0.9), np.float32)  # light that a cloud's full shadow takes
OPAQUE = 0.5  # of the light held back, and a pixel counts as clouded


@dataclass(frozen=True)
class Sample:
    """A patch on its date and the same ground on the target's, with `MARGIN` px round both: (height, width, 4) DN.

    `corner` (y, x) is the patch's place in its target, `shape` the target's (height, width).
    """

    around: NDArray[np.float32]
    under: NDArray[np.float32]
    corner: tuple[int, int]
    shape: tuple[int, int]

    @property
    def patch(self) -> NDArray[np.float32]:
        """As it is."""
        return self.around[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()


@dataclass(frozen=True)
class Stressed:
    """The patch after a recipe, and by how many pixels (dy, dx) its ground lies elsewhere now."""

    patch: NDArray[np.float32]
    shift: tuple[float, float] = (0.0, 0.0)


Recipe = Callable[[Sample, np.random.Generator], Stressed]


def as_it_is(sample: Sample, _rng: np.random.Generator) -> Stressed:
    """Nothing is done."""
    return Stressed(sample.patch)


def clouds(sample: Sample, rng: np.random.Generator, share: float) -> Stressed:
    """Broken cloud of the simulation with its shadow; so much of the patch is half hidden or more."""
    seed, low, high = rng.integers(2**32), 0.0, 1.0
    for _ in range(9):  # the share that the simulation is asked for, thin rims and all, by halving
        asked = (low + high) / 2
        drawn = draw_clouds(np.random.default_rng(seed), sample.patch.shape[:2], SUN, asked)
        low, high = (asked, high) if (drawn[0] >= OPAQUE).mean() < share else (low, asked)
    cover, shadow, brightness = (field[..., np.newaxis] for field in drawn)
    dark = sample.patch * (1 - shadow * SHADE)
    return Stressed(_digital(dark + cover * (brightness - dark)))


def haze(sample: Sample, rng: np.random.Generator, aerosol: float) -> Stressed:
    """Light lost and light added by so many units of aerosol, unevenly spread, as the simulation has them."""
    spread = 1 + np.float32(0.3) * smooth(rng, sample.patch.shape[:2], 30)[..., np.newaxis]
    return Stressed(_digital(sample.patch * DENSE**aerosol + HAZE * aerosol * np.clip(spread, 0.2, 2.5)))


def light(sample: Sample, rng: np.random.Generator, clip: bool) -> Stressed:
    """A gain from 0.7 to 1.4 and an offset of at most 800 DN up or down for every band.

    Clipped to 1..4095 DN, or else the offset is one that leaves the darkest pixel above 0.
    """
    lit = sample.patch * np.exp(rng.uniform(np.log(0.7), np.log(1.4), 4))
    offset = rng.uniform(-800, 800, 4)
    if clip:
        return Stressed(_digital(lit + offset))
    return Stressed((lit + np.maximum(offset, 1 - lit.min((0, 1)))).astype(np.float32))


def sampled(sample: Sample, rng: np.random.Generator, length: float) -> Stressed:
    """Sampled so many pixels off, in any direction that stays inside the target: cubic splines."""
    angle = rng.uniform(0, 2 * np.pi)
    shift = [length * np.sin(angle), length * np.cos(angle)]
    side = sample.patch.shape[:2]
    for axis in (0, 1):
        if not 0 <= sample.corner[axis] + shift[axis] <= sample.shape[axis] - side[axis]:
            shift[axis] *= -1
    return Stressed(moved(sample.around, (MARGIN, MARGIN), side, (shift[0], shift[1])), (shift[0], shift[1]))


def turned(sample: Sample, rng: np.random.Generator, degrees: float) -> Stressed:
    """Turned about its middle, one way or the other."""
    around = turn(sample.around, float(rng.choice((-1, 1))) * degrees)
    return Stressed(_digital(around[MARGIN:-MARGIN, MARGIN:-MARGIN]))


def noise(sample: Sample, rng: np.random.Generator, factor: float) -> Stressed:
    """The simulated sensor's shot and read-out noise, 3 DN over dark sea and 8 over bright ground, so many times."""
    deviation = factor * np.sqrt(7 + 0.02 * sample.patch)
    return Stressed(_digital(sample.patch + deviation * white(rng, sample.patch.shape)))


def saturated(sample: Sample, _rng: np.random.Generator, share: float) -> Stressed:
    """So bright that this share of the pixels of every band is clipped."""
    level = np.quantile(sample.patch, 1 - share, axis=(0, 1))
    return Stressed(_digital(sample.patch * np.maximum(BRIGHTEST / np.maximum(level, 1), 1)))


def snow(sample: Sample, rng: np.random.Generator, share: float) -> Stressed:
    """Flat snow of 3,000 to 3,900 DN over this share of the patch, in drifts, thinner at their rims."""
    drifts = fractal(rng, sample.patch.shape[:2], (30, 12, 5), 0.5)
    depth = np.clip(2 * (drifts - np.quantile(drifts, 1 - share)) + 0.5, 0, 1)[..., np.newaxis]
    return Stressed(_digital(sample.patch + depth * (SNOW * rng.uniform(0.35, 0.45) - sample.patch)))


def buildings(sample: Sample, rng: np.random.Generator, times: int) -> Stressed:
    """Two to four new houses with the pixels of roofs nearby, so many times; none where there is no open ground."""
    patch = sample.patch
    scene = Scene.of("", sample.under, sample.around, ROLES)
    at = tuple(slice(MARGIN, MARGIN + side) for side in patch.shape[:2])
    for _ in range(times):
        PAINTERS["buildings"](scene, (at[0], at[1]), patch, rng)
    return Stressed(patch)


RECIPES: dict[str, Recipe] = {
    "as they are": as_it_is,
    "cloud over 25 %": partial(clouds, share=0.25),
    "cloud over 50 %": partial(clouds, share=0.5),
    "cloud over 75 %": partial(clouds, share=0.75),
    "haze, 1 unit": partial(haze, aerosol=1.0),
    "haze, 2 units": partial(haze, aerosol=2.0),
    "gain 0.7 to 1.4, offset to 800 DN, a band": partial(light, clip=False),
    "the same, clipped to 1..4095 DN": partial(light, clip=True),
    "shift by 0.5 px": partial(sampled, length=0.5),
    "shift by 1.5 px": partial(sampled, length=1.5),
    "shift by 3 px": partial(sampled, length=3.0),
    "rotation by 1 degree": partial(turned, degrees=1.0),
    "rotation by 2 degrees": partial(turned, degrees=2.0),
    "rotation by 3 degrees": partial(turned, degrees=3.0),
    "noise x 4 (12 to 32 DN)": partial(noise, factor=4.0),
    "noise x 10 (30 to 80 DN)": partial(noise, factor=10.0),
    "saturation of 25 %": partial(saturated, share=0.25),
    "saturation of 50 %": partial(saturated, share=0.5),
    "snow over 50 %": partial(snow, share=0.5),
    "snow over 90 %": partial(snow, share=0.9),
    "new buildings": partial(buildings, times=1),
    "new buildings, four times as many": partial(buildings, times=4),
}


def stress(sample: Sample, name: str, seed: int, number: int) -> Stressed:
    """A patch after a recipe: the seed, the recipe's name and the patch's number alone choose what is drawn."""
    out = RECIPES[name](sample, np.random.default_rng([seed, number, *name.encode()]))
    out.patch[(sample.patch <= 0).all(-1)] = 0  # no data stays no data
    return out


def real_samples(data: Path, round_: Round) -> list[Sample]:
    """The patches of a round with the ground round them, from the places that it was cut from."""
    module = _cutter(data)
    ground = []
    for _, place, stack, dates in module.read_places("*.npz"):
        ground += [(place, stack, dates, tile) for tile in module.tiles(*stack.shape[1:3], 320)]
    out = []
    for k, row in enumerate(round_.about):
        place, stack, dates, (top, left, height, width) = ground[int(round_.truth.image[k])]
        y, x = int(round_.truth.y[k]), int(round_.truth.x[k])
        on = [dates.index(row[f"{which} date"]) for which in ("patch", "target")]
        sides = round_.patches.shape[1:3]
        lines = [
            np.clip(np.arange(corner - MARGIN, corner + side + MARGIN), 0, limit - 1)
            for corner, side, limit in zip((top + y, left + x), sides, stack.shape[1:3], strict=True)
        ]
        around, under = (stack[date][np.ix_(*lines)].astype(np.float32) for date in on)
        sample = Sample(around, under, (y, x), (height, width))
        if place != row["place"] or not np.array_equal(sample.patch, round_.patches[k]):
            raise SystemExit(f"{round_.folder}: was cut from other places than those of {data}: remove it")
        out.append(sample)
    return out


def simulated_samples(
    folder: Path, seed: int, images: int, size: int, patches: int, side: int
) -> tuple[list[NDArray], list[Sample], NDArray[np.int64]]:
    """Images of the synthetic Earth, some patches of each, and the number of each patch's image; kept in a folder."""
    code = state()
    path = folder / f"simulated-{code}-{seed}-{images}-{size}-{patches}-{side}.npz"
    if not path.exists():
        tell(f"{images} simulated places")
        cuts = [cut_place(seed, k, size, patches, side + 2 * MARGIN) for k in range(images)]
        rows = {key: np.stack([getattr(c, key) for c in cuts]) for key in ("image", "patches", "corners")}
        np.savez(path, **rows)
    with np.load(path) as file:
        targets, around = (np.rint((file[k].astype(np.float32) + 1) * 2047.5) for k in ("image", "patches"))
        corners = file["corners"]
    samples = []
    for target, some, places in zip(targets, around, corners.tolist(), strict=True):
        for date, (y, x) in zip(some, places, strict=True):
            under = target[y : y + side + 2 * MARGIN, x : x + side + 2 * MARGIN]
            samples.append(Sample(date, under, (y + MARGIN, x + MARGIN), (size, size)))
    return list(targets), samples, np.repeat(np.arange(images), patches)


def _cutter(data: Path) -> ModuleType:
    """The places' own cut.py."""
    spec = importlib.util.spec_from_file_location("cut", data / "cut.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _digital(values: NDArray) -> NDArray[np.float32]:
    """Whole DN from 1, since 0 is no data, to the brightest that the files hold."""
    return np.clip(np.rint(values), 1, BRIGHTEST).astype(np.float32)
