"""What change detection is worth on painted changes, against plain differencing and NDVI differencing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from painted import MARGIN, RECIPES, Painted, Scene, ndvi, paint

from matcher.changing.align import gains, moved, rest_shift
from matcher.changing.detect import PRIOR, find_change
from matcher.changing.terms import NAMES, terms
from matcher.imagery import Roles
from matcher.simulate.sky import draw_sky
from matcher.verification.curves import curves
from matcher.verification.logistic import Logistic, fit_logistic

SEASON = 45  # days in the year that two dates lie apart at least, to be of different seasons
OWN = "matcher"
PLAIN, LEVELLED, NDVI = "plain differencing", "plain, gain and offset removed", "NDVI differencing"
Rows = tuple[NDArray, NDArray]
_EVERY = 3  # of the pixels, one is fitted


@dataclass(frozen=True)
class Worth:
    """What a method is worth on the pixels of some windows.

    Attributes
    ----------
    windows : int
    changed : float
        Share of changed pixels: the average precision of chance.
    average_precision, auc : float
        Over all pixels of all windows together.
    by_window : float
        Mean over windows of the average precision within each.
    precision, recall : float
        At the threshold; nan for a method that has none.
    """

    windows: int
    changed: float
    average_precision: float
    auc: float
    by_window: float
    precision: float
    recall: float


def season_pairs(dates: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of dates (earlier, later), by number, that lie 45 days or more apart in the year."""
    days = [date.fromisoformat(text) for text in dates]
    out = []
    for i, one in enumerate(days):
        for j, other in enumerate(days):
            apart = abs(one.timetuple().tm_yday - other.timetuple().tm_yday)
            if one < other and min(apart, 365 - apart) >= SEASON:
                out.append((i, j))
    return out


def paint_place(
    place: str,
    stack: NDArray,
    pairs: Sequence[tuple[int, int]],
    roles: Roles,
    *,
    count: int,
    side: int,
    seed: int,
    rounds: int = 1,
) -> list[Painted]:
    """Painted windows of a place: `count` of each recipe, where it has sites, in each of some pairs of dates.

    Parameters
    ----------
    place : str
        It and the seed alone choose what is painted.
    stack : ndarray (dates, height, width, 4), DN
    pairs : sequence of (int, int)
    roles : Roles
    count, side, seed, rounds : int
        `rounds` is the number of pairs that are drawn.
    """
    rng = np.random.default_rng([seed, *place.encode()])
    out: list[Painted] = []
    for _ in range(rounds):
        first, second = pairs[int(rng.integers(len(pairs)))]
        scene = Scene.of(place, stack[first], stack[second], roles)
        for recipe in RECIPES:
            made = (paint(scene, recipe, side, rng) for _ in range(count))
            out += [one for one in made if one is not None]
    return out


def sample_rows(one: Painted, roles: Roles) -> Rows:
    """What a fit goes by of one window: terms of its clear pixels (n, terms), and which of them are changed (n,)."""
    as_found = one.image[MARGIN:-MARGIN, MARGIN:-MARGIN]
    shift = rest_shift(one.patch, as_found, roles)
    window = moved(one.image, (MARGIN, MARGIN), one.truth.shape, shift)
    clear = np.logical_and((one.patch > 0).any(-1), (window > 0).any(-1))
    return terms(one.patch, window, clear)[clear][::_EVERY], one.truth[clear][::_EVERY]


def fit(rows: Sequence[Rows]) -> Logistic:
    """Weights of the terms, changed and unchanged pixels with the same total weight."""
    values, truth = zip(*rows, strict=True)
    changed = np.concatenate(truth)
    weight = np.where(changed, 0.5 / changed.mean(), 0.5 / (1 - changed.mean()))
    return fit_logistic(np.concatenate(values), changed, NAMES, weight=weight)


def left_out(samples: Sequence[Painted], roles: Roles) -> list[dict[str, NDArray[np.floating]]]:
    """Scores of every window, in order, by weights that were fitted without its place."""
    rows = [sample_rows(one, roles) for one in samples]
    models = {
        place: fit([row for one, row in zip(samples, rows, strict=True) if one.place != place])
        for place in {one.place for one in samples}
    }
    return [scores(one, roles, models[one.place]) for one in samples]


def scores(one: Painted, roles: Roles, model: Logistic | None = None) -> dict[str, NDArray[np.floating]]:
    """Scores of every method, (height, width) each; all but the first read the window moved onto the patch."""
    found = find_change(one.patch, one.image, (MARGIN, MARGIN), roles, model=model)
    clear = np.ones(one.truth.shape, bool)
    gain, offset = gains(found.patch, found.window, clear)
    return {
        OWN: found.score,
        PLAIN: np.abs(found.patch - found.window).mean(-1),
        LEVELLED: np.abs(found.patch - (found.window * gain + offset)).mean(-1),
        NDVI: np.abs(ndvi(found.patch, roles) - ndvi(found.window, roles)),
    }


def account(
    samples: Sequence[Painted],
    scored: Sequence[dict[str, NDArray[np.floating]]],
    threshold: float = 0.5,
) -> dict[str, dict[str, Worth]]:
    """What each method is worth: by method, then ``all`` and each recipe."""
    parts = {"all": list(range(len(samples)))}
    parts |= {
        recipe: [k for k, one in enumerate(samples) if one.recipe == recipe]
        for recipe in RECIPES
        if any(one.recipe == recipe for one in samples)
    }
    out: dict[str, dict[str, Worth]] = {}
    for method in scored[0]:
        out[method] = {}
        for part, which in parts.items():
            score = np.concatenate([scored[k][method].ravel() for k in which]).astype(np.float64)
            truth = np.concatenate([samples[k].truth.ravel() for k in which])
            found = curves(score, truth)
            single = [
                curves(
                    scored[k][method].ravel().astype(np.float64), samples[k].truth.ravel()
                ).average_precision
                for k in which
            ]
            said = score >= threshold if method == OWN else np.zeros(0, bool)
            hits = float((said & truth).sum()) if len(said) else np.nan
            out[method][part] = Worth(
                len(which),
                float(truth.mean()),
                found.average_precision,
                found.auc,
                float(np.mean(single)),
                hits / max(float(said.sum()), 1.0),
                hits / float(truth.sum()),
            )
    return out


@dataclass(frozen=True)
class SkyWorth:
    """How well cloud and shadow are told apart, as shares of pixels.

    Attributes
    ----------
    windows : int
    cloud_found, shadow_found : float
        Of pixels that a cloud covers by half or more, those classed cloud; of those outside that a shadow darkens by
        a third or more, those classed shadow.
    taken_for_change : float
        Of both, those classed changed.
    cloud_false, shadow_false : float
        Of windows without either, pixels classed so.
    """

    windows: int
    cloud_found: float
    shadow_found: float
    taken_for_change: float
    cloud_false: float
    shadow_false: float


def sky_account(samples: Sequence[Painted], roles: Roles, seed: int) -> SkyWorth:
    """Clouds of the simulation laid over real patches (red, green, blue, near infrared), and what becomes of them."""
    rng = np.random.default_rng([seed, len(samples)])
    said: list[NDArray[np.uint8]] = []
    true: list[NDArray[np.uint8]] = []
    clear: list[NDArray[np.uint8]] = []
    for one in samples:
        clear.append(find_change(one.patch, one.image, (MARGIN, MARGIN), roles).kind)
        sky = draw_sky(rng, one.truth.shape, (0.3, -0.5, 0.81), 1.0)
        if sky.cloud is None or sky.shadow is None or sky.brightness is None:
            continue
        dark = 1 - sky.shadow[..., None] * np.array([0.8, 0.8, 0.8, 0.9], np.float32)
        cover = sky.cloud[..., None]
        patch = np.clip(one.patch * dark * (1 - cover) + sky.brightness[..., None] * cover, 1, 4095)
        said.append(find_change(patch.astype(np.float32), one.image, (MARGIN, MARGIN), roles).kind)
        true.append(np.where(sky.cloud >= 0.5, 2, np.where((sky.shadow >= 1 / 3) & (sky.cloud < 0.1), 3, 0)))
    answer, truth, without = (np.stack(part) for part in (said, true, clear))
    return SkyWorth(
        windows=len(said),
        cloud_found=float((answer[truth == 2] == 2).mean()),
        shadow_found=float((answer[truth == 3] == 3).mean()),
        taken_for_change=float((answer[truth > 0] == 1).mean()),
        cloud_false=float((without == 2).mean()),
        shadow_false=float((without == 3).mean()),
    )


def account_text(methods: dict[str, dict[str, Worth]]) -> str:
    """The account as a Markdown table."""
    lines = [
        f"| | | average precision | of matcher's | AP by window | AUC | precision, recall at p = 0.5 (prior {PRIOR}) |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in methods[OWN]:
        own = methods[OWN][part]
        for method, by_part in methods.items():
            w = by_part[part]
            head = f"{part}, {w.windows} windows, {100 * w.changed:.1f} % changed" if method == OWN else ""
            ratio = "" if method == OWN else f"1 / {own.average_precision / w.average_precision:.2f}"
            pair = f"{w.precision:.2f}, {w.recall:.2f}" if method == OWN else ""
            figures = f"{w.average_precision:.3f} | {ratio} | {w.by_window:.3f} | {w.auc:.3f} | {pair}"
            lines.append(f"| {head} | {method} | {figures} |")
    return "\n".join(lines)
