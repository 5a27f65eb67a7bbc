"""One self-contained HTML page on a match: score, gallery, histograms, reliability, hits on the images."""

import html
import json
import os
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.formats.base import Source
from matcher.formats.files import atomic_write
from matcher.formats.opening import open_pair
from matcher.formats.submission import read_submission
from matcher.placements import Placements
from matcher.report.about import inputs, made_with, shown_as
from matcher.report.thumbs import colours, pack
from matcher.result import Result, read_details
from matcher.settings import Settings

GALLERY = 1000  # matches shown with pictures
MAPS = 120  # images shown with their hits
_BUDGET = 3_300_000  # bytes of the gallery's pictures
_MAP_BUDGET = 800_000  # bytes of the images' pictures
_NEAR = 4.0  # px: an answer this near to the truth is right


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    shown, patches : int
        Matches with pictures, and all.
    """

    path: str
    size: int
    shown: int
    patches: int


def write_report(
    path: str | os.PathLike[str],
    images: Any,
    patches: Any,
    details: str | os.PathLike[str] | Result,
    answers: str | os.PathLike[str] | Placements | None = None,
    *,
    false_colour: bool = False,
    gallery: int = GALLERY,
    settings: Settings | str | os.PathLike[str] | None = None,
    reading: Settings | None = None,
) -> Report:
    """Write the page; it needs nothing beside itself, and no network.

    Parameters
    ----------
    path : path
    images, patches : path, ndarray, sequence of ndarrays, or Source
        What was matched.
    details : path or Result
        What ``matcher match --details`` wrote.
    answers : path or Placements, optional
        Adds the score, errors and reliability.
    false_colour : bool
        Show near infrared, red and green of four bands.
    gallery : int
        How many matches have pictures: the least sure, and every so many of the others.
    settings : Settings or path, optional
        What was matched with, or the run directory that says so; by default the one that the details lie in, if any.
    reading : Settings, optional
        How the pictures are opened: bands, shapes and type of records; by default as `settings` says.

    Raises
    ------
    MatcherError
        If an input cannot be read, or patches or images of the details are not there.
    """
    result = _without_guesses(details if isinstance(details, Result) else read_details(details))
    if not len(result):
        raise MatcherError(f"{os.fspath(details)}: has no row")  # type: ignore[arg-type]
    reading = reading or (settings if isinstance(settings, Settings) else Settings())
    pictures, chips, _ = open_pair(images, patches, reading)
    truth = read_submission(answers) if isinstance(answers, str | os.PathLike) else answers
    at_image = np.full(len(result), -1)
    at_image[~result.refused] = _positions(pictures, result.image[~result.refused], "image")
    at_patch = _positions(chips, result.ids, "patch")
    errors = None if truth is None else _errors(result, truth)
    shown = _choose(result.confidence, gallery)
    data = {
        "rows": _rows(result, truth, errors),
        "gallery": _gallery(result, shown, pictures, chips, at_image, at_patch, false_colour),
        "images": _maps(pictures, at_image[~result.refused], chips.shape(int(at_patch[0]))[:2], false_colour),
        "near": _NEAR,
        "score": None if truth is None else _score(result, truth),
        "about": [
            *inputs(pictures, chips, details, answers),
            *made_with(details, settings),
            *shown_as(false_colour, len(shown), len(result)),
        ],
    }
    page = _page(f"Matches of {Path(chips.name).name} in {Path(pictures.name).name}", data)
    with atomic_write(path, "w") as file:
        file.write(page)
    return Report(os.fspath(path), len(page.encode()), len(shown), len(result))


def _page(title: str, data: dict[str, Any]) -> str:
    """The template with its style, script and data."""
    folder = resources.files("matcher.report")
    text = {name: (folder / f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    page = text["html"].replace("{{title}}", html.escape(title)).replace("{{css}}", text["css"])
    return page.replace("{{js}}", text["js"]).replace("{{data}}", packed)


def _positions(source: Source, ids: NDArray[np.int64], noun: str) -> NDArray[np.int64]:
    """Where ids stand in a source; an error where one does not."""
    order = np.argsort(source.ids, kind="stable")
    at = np.searchsorted(source.ids[order], ids)
    found = order[np.minimum(at, len(order) - 1)]
    wrong = np.flatnonzero(source.ids[found] != ids)
    if len(wrong):
        raise MatcherError(
            f"{source.name}: has no {noun} {ids[wrong[0]]}, which the details name: were they made from other files?"
        )
    return found


def _without_guesses(result: Result) -> Result:
    """The result as its details show it: refused answers are in image -1."""
    image, x, y = (np.where(result.refused, -1, column) for column in (result.image, result.x, result.y))
    return replace(result, image=image, x=x, y=y)


def _errors(result: Result, truth: Placements) -> NDArray[np.float64]:
    """Distance to the true place, px; inf where the image is wrong, nan where it was refused or nobody knows."""
    row_of = {int(k): n for n, k in enumerate(truth.ids)}
    out = np.full(len(result), np.nan)
    for n, k in enumerate(result.ids.tolist()):
        if k in row_of and not result.refused[n]:
            m = row_of[k]
            same = truth.image[m] == result.image[n]
            out[n] = np.hypot(truth.x[m] - result.x[n], truth.y[m] - result.y[n]) if same else np.inf
    return out


def _choose(confidence: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Which matches have pictures: three in four the least sure, the others spread over the rest by confidence."""
    order = np.argsort(confidence, kind="stable")
    if len(order) <= count:
        return order
    least = count * 3 // 4
    rest = order[least:]
    return np.concatenate([order[:least], rest[np.linspace(0, len(rest) - 1, count - least).astype(int)]])


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _rows(result: Result, truth: Placements | None, errors: NDArray[np.float64] | None) -> list[list[Any]]:
    """A row a patch: id, image (-1: refused), x, y, score, confidence, reason, runner-up, error, true place.

    The error is -1 in the wrong image.
    """
    row_of = {} if truth is None else {int(k): n for n, k in enumerate(truth.ids)}
    out = []
    for n in range(len(result)):
        error, true = None, None
        m = row_of.get(int(result.ids[n]))
        if truth is not None and errors is not None and m is not None:
            if not np.isnan(errors[n]):
                error = -1 if np.isinf(errors[n]) else round(float(errors[n]), 1)
            true = [int(truth.image[m]), int(truth.x[m]), int(truth.y[m])]
        out.append(
            [
                int(result.ids[n]),
                int(result.image[n]),
                int(result.x[n]),
                int(result.y[n]),
                _number(result.score[n], 1),
                _number(result.confidence[n], 4),
                result.reason[n],
                int(result.runner_up_image[n]),
                error,
                true,
            ]
        )
    return out


def _gallery(
    result: Result,
    shown: NDArray[np.int64],
    images: Source,
    patches: Source,
    at_image: NDArray[np.int64],
    at_patch: NDArray[np.int64],
    false_colour: bool,
) -> list[list[Any]]:
    """For each match shown its row's number, the patch, and the window found unless it was refused.

    Images are read one after another.
    """
    patch: dict[int, NDArray[np.uint8]] = {}
    window: dict[int, NDArray[np.uint8]] = {}
    for number in np.unique(at_image[shown]).tolist():
        image = images[number] if number >= 0 else None
        for n in shown[at_image[shown] == number].tolist():
            own = patches[int(at_patch[n])]
            patch[n] = colours(own, false_colour)
            if image is None:
                continue
            height, width = own.shape[:2]
            y, x = int(result.y[n]), int(result.x[n])
            there = image[y : y + height, x : x + width]
            if there.shape[:2] != (height, width):
                raise MatcherError(
                    f"{images.where(number)}: the window of patch {result.ids[n]} at x {x}, y {y} leaves it: were the "
                    "details made from other files?"
                )
            window[n] = colours(there, false_colour)
    order = shown.tolist()
    packed = iter(pack([part[n] for n in order for part in (patch, window) if n in part], _BUDGET))
    return [[n, *(next(packed) for part in (patch, window) if n in part)] for n in order]


def _maps(
    images: Source, at_image: NDArray[np.int64], side: tuple[int, int], false_colour: bool
) -> list[dict[str, Any]]:
    """Every image with hits: id, size, how many, and the picture for those with the most."""
    numbers, counts = np.unique(at_image, return_counts=True)
    most = numbers[np.argsort(-counts, kind="stable")][:MAPS].tolist()
    packed = dict(
        zip(most, pack([colours(images[k], false_colour) for k in most], _MAP_BUDGET, 288), strict=True)
    )
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


def _score(result: Result, truth: Placements) -> list[dict[str, Any]]:
    """The table of the score: name, value and interval of every metric."""
    from matcher.scoring import score

    names = {
        "total": "official score", "image": "right image", "slides": "slides' reading", "within_0": "within 0 px",
        "within_1": "within 1 px", "within_2": "within 2 px", "within_4": "within 4 px",
    }  # fmt: skip
    metrics = score(result, truth, resamples=500).to_dict()["metrics"]
    return [{"name": names.get(key, key), **metrics[key]} for key in metrics]
