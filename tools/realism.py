#!/usr/bin/env python3
"""Print statistics of real places and of the synthetic Earth side by side, as Markdown.

    python tools/realism.py [--data DIR] [--rounds 4] [--images 600] [--size 256] [--seed 100] [--match]

The real side is rounds of the real places' own cut.py (DIR, by default MATCHER_DATA or ../shared/data), the
simulated one places of the default mix. Every statistic is of a 64 px patch and of the window at its true
place in the target, another date; figures are means over patches, and the error of the difference is by
resampling places. With --match one round and as many simulated places as it has images are searched too.
"""

import argparse
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from matcher.simulate.challenge import cut_place

ROOT = Path(__file__).resolve().parents[1]
SIDE = 64
PATCHES = 8  # a place; four times as many of the real places with more than two dates
CLOSE = 0.03
FLAT = 15.0  # DN a pixel, root mean square of the gradient, in every band
DOUBT = 0.9  # a confidence below it
OCTAVES = ((1 / 32, 1 / 16), (1 / 16, 1 / 8), (1 / 8, 1 / 4), (1 / 4, 1 / 2))


@dataclass(frozen=True)
class Challenge:
    """Images and patches in DN; ``truth`` (n, 3) is image, y, x; a group and a place a patch."""

    images: list[NDArray]
    patches: list[NDArray]
    truth: NDArray
    groups: list[str]
    places: list[str]


def real_challenge(data: Path, patches: int, seed: int, number: int) -> Challenge:
    """Round ``number`` of the real places, as ``cut.py`` cuts it."""
    spec = importlib.util.spec_from_file_location("cut", data / "cut.py")
    assert spec is not None
    assert spec.loader is not None
    cut = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cut)
    rng = np.random.default_rng([seed, number])
    images, found, answers, groups = cut.cut(cut.read_places("*.npz"), patches, rng, SIDE, 320)
    truth = np.array([(i, y, x) for i, x, y in answers])
    return Challenge(images, found, truth, [g[0] for g in groups], [g[1] for g in groups])


def simulated_challenge(images: int, size: int, patches: int, seed: int) -> Challenge:
    """Places 0 .. images - 1 of a seed, from their official values back to DN."""
    out = Challenge([], [], np.empty((images * patches, 3), int), [], [])
    for k in range(images):
        cut = cut_place(seed, k, size, patches, SIDE)
        out.images.append(to_dn(cut.image))
        out.patches.extend(to_dn(p) for p in cut.patches)
        out.truth[k * patches : (k + 1) * patches] = np.column_stack([np.full(patches, k), cut.corners])
        out.groups.extend(g[0] for g in cut.groups)
        out.places.extend([str(k)] * patches)
    return out


def to_dn(values: NDArray) -> NDArray:
    return np.rint((values.astype(np.float32) + 1) * 2047.5)


def unit(z: NDArray) -> NDArray:
    size = np.abs(z)
    return np.where(size > 1e-6, z / np.maximum(size, 1e-6), 0)


def gradients(picture: NDArray) -> tuple[NDArray, NDArray]:
    """Unit gradient by central differences, and by Gaussian derivative with the angle doubled, complex."""
    gy, gx = np.gradient(picture, axis=(0, 1))
    sharp = unit(gx + 1j * gy)[1:-1, 1:-1]
    dx, dy = (gaussian_filter(picture, (0.7, 0.7, 0), order=order) for order in ((0, 1, 0), (1, 0, 0)))
    return sharp, unit(dx + 1j * dy)[3:-3, 3:-3] ** 2


def band_correlation(a: NDArray, b: NDArray) -> NDArray:
    a, b = a - a.mean((0, 1)), b - b.mean((0, 1))
    size = np.sqrt((a * a).sum((0, 1)) * (b * b).sum((0, 1)))
    return (a * b).sum((0, 1)) / np.where(size > 0, size, np.inf)


def spectrum(picture: NDArray) -> tuple[float, NDArray]:
    """Slope of log power over log frequency, and the share of the power in each of four octaves."""
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)
    gray = picture.mean(-1)
    power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    rings = [(frequency >= low) & (frequency < high) for low, high in OCTAVES]
    shares = np.array([power[ring].sum() for ring in rings])
    level = np.log([power[ring].mean() + 1e-9 for ring in rings])
    middle = np.log([np.sqrt(low * high) for low, high in OCTAVES])
    return float(np.polyfit(middle, level, 1)[0]), shares / max(shares.sum(), 1e-9)


def statistics(patch: NDArray, window: NDArray) -> dict[str, float]:
    """All statistics of a patch and the window at its true place, both (64, 64, 4) DN."""
    patch, window = patch.astype(float), window.astype(float)
    (a1, a2), (b1, b2) = gradients(patch), gradients(window)
    slope, shares = spectrum(patch)
    steep = np.sqrt(np.mean(np.square(np.gradient(patch, axis=(0, 1))), axis=(1, 2)).sum(0))
    names = ("16 to 32", "8 to 16", "4 to 8", "2 to 4")
    return {
        "gradient, signed (cos)": float((a1 * b1.conj()).real.mean()),
        "gradient, sign-blind (cos 2)": float((a2 * b2.conj()).real.mean()),
        "bands' correlation": float(band_correlation(patch, window).mean()),
        **{f"power at {n} px": float(s) for n, s in zip(names, shares, strict=True)},
        "flat windows": float((steep < FLAT).all()),
        "spectral slope": slope,
        "gradient, visible, DN/px": float(steep[:3].mean()),
        "gradient, near infrared, DN/px": float(steep[3]),
        "level, visible, DN": float(patch[..., :3].mean()),
        "level, near infrared, DN": float(patch[..., 3].mean()),
    }


UNBOUNDED = {
    "spectral slope",
    "gradient, visible, DN/px",
    "gradient, near infrared, DN/px",
    "level, visible, DN",
    "level, near infrared, DN",
}  # neither shares nor correlations: no bound is set


def measure(challenge: Challenge) -> tuple[list[str], NDArray]:
    """Names of the statistics, and their values, (patches, statistics)."""
    rows = []
    for patch, (image, y, x) in zip(challenge.patches, challenge.truth, strict=True):
        rows.append(statistics(patch, challenge.images[image][y : y + SIDE, x : x + SIDE]))
    return list(rows[0]), np.array([list(r.values()) for r in rows])


def recall(challenge: Challenge) -> tuple[list[str], NDArray]:
    """The matcher's outcome for every patch: right image, official score, doubt."""
    import matcher

    images = challenge.images
    stack = np.stack(images) if len({im.shape for im in images}) == 1 else images
    result = matcher.match(stack, np.stack(challenge.patches), value_range="dn")
    right = result.image == challenge.truth[:, 0]
    distance = np.hypot(result.y - challenge.truth[:, 1], result.x - challenge.truth[:, 2])
    score = right * (0.5 + 0.5 * np.clip(1 - distance / (SIDE * np.sqrt(2)), 0, 1))
    names = ["matcher: right image", "matcher: official score", "matcher: doubtful patches"]
    return names, np.column_stack([right, score, result.confidence < DOUBT]).astype(float)


def number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.0f}"


def error(values: NDArray, places: list[str]) -> NDArray:
    """Standard error of the mean over patches, by resampling whole places."""
    kinds, of = np.unique(places, return_inverse=True)
    sums = np.stack([np.bincount(of, column) for column in values.T], 1)
    counts = np.bincount(of)
    drawn = np.random.default_rng(0).integers(0, len(kinds), (1000, len(kinds)))
    return (sums[drawn].sum(1) / counts[drawn].sum(1)[:, None]).std(0)


def side_by_side(names: list[str], real: NDArray, made: NDArray, errors: NDArray) -> Iterator[str]:
    yield "| mean over patches | real | simulated | difference | standard error | within 0.03 |"
    yield "|---|---|---|---|---|---|"
    for name, a, b, e in zip(names, real.mean(0), made.mean(0), errors, strict=True):
        verdict = "" if name in UNBOUNDED else "yes" if abs(a - b) <= CLOSE else "**no**"
        yield f"| {name} | {number(a)} | {number(b)} | {number(b - a)} | {number(e)} | {verdict} |"


def by_group(title: str, names: list[str], values: NDArray, groups: list[str]) -> Iterator[str]:
    kinds = sorted(set(groups))
    counts = {g: groups.count(g) for g in kinds}
    yield f"| {title} | " + " | ".join(f"{g} ({counts[g]})" for g in kinds) + " |"
    yield "|---|" + "---|" * len(kinds)
    of = np.array(groups)
    for k, name in enumerate(names):
        yield f"| {name} | " + " | ".join(number(values[of == g, k].mean()) for g in kinds) + " |"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--data", type=Path, default=os.environ.get("MATCHER_DATA", ROOT.parent / "shared" / "data")
    )
    p.add_argument("--rounds", type=int, default=4, help="rounds of real patches")
    p.add_argument("--images", type=int, default=600, help="simulated places")
    p.add_argument("--size", type=int, default=256, help="pixels a side of a simulated place")
    p.add_argument("--seed", type=int, default=100)
    p.add_argument("--match", action="store_true", help="search too: recall and share of doubtful patches")
    a = p.parse_args()
    if not (Path(a.data) / "cut.py").is_file():
        raise SystemExit(f"{a.data}: no cut.py there; name the folder of the real places with --data")
    rounds = [real_challenge(Path(a.data), PATCHES, a.seed, k) for k in range(a.rounds)]
    made = simulated_challenge(a.images, a.size, PATCHES, a.seed)
    measured = [measure(r) for r in rounds]
    names, r = measured[0][0], np.concatenate([values for _, values in measured])
    s = measure(made)[1]
    groups, places = [g for c in rounds for g in c.groups], [p for c in rounds for p in c.places]
    show(names, (r, groups, places), (s, made.groups, made.places))
    if a.match:
        few = simulated_challenge(len(rounds[0].images), a.size, PATCHES, a.seed)
        (names, r), (_, s) = recall(rounds[0]), recall(few)
        show(names, (r, rounds[0].groups, rounds[0].places), (s, few.groups, few.places))


Measured = tuple[NDArray, list[str], list[str]]


def show(names: list[str], real: Measured, made: Measured) -> None:
    """Print the three tables; a side is values (patches, statistics), and each patch's group and place."""
    errors = np.hypot(error(real[0], real[2]), error(made[0], made[2]))
    for lines in (
        side_by_side(names, real[0], made[0], errors),
        by_group("real", names, real[0], real[1]),
        by_group("simulated", names, made[0], made[1]),
    ):
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
