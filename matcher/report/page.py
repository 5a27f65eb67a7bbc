"""One self-contained HTML page on a match: score, gallery, histograms, reliability, hits on the images."""

import html
import json
import logging
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError, SettingsError
from matcher.formats.base import Source
from matcher.formats.files import atomic_write
from matcher.formats.opening import open_pair
from matcher.formats.outputs import check_ending
from matcher.formats.raster import file_names
from matcher.formats.submission import images_that_are_not_there, read_submission
from matcher.imagery import open_pictures
from matcher.placements import Placements
from matcher.ranking.rankings import Ranking
from matcher.report import windows
from matcher.report.about import inputs, made_with, shown_as
from matcher.report.answers import Answers, as_result, read_answers
from matcher.report.placed import is_places, read_placed
from matcher.report.windows import positions
from matcher.result import Result
from matcher.scoring.judge import LABELS
from matcher.scoring.summary import score
from matcher.settings import Settings

log = logging.getLogger("matcher")
GALLERY = 1000  # matches shown with pictures
_NEAR = 4.0  # px: an answer this near to the truth is right


@dataclass(frozen=True)
class Page:
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
    details: str | os.PathLike[str] | Answers,
    answers: str | os.PathLike[str] | Placements | None = None,
    *,
    false_colour: bool = False,
    gallery: int = GALLERY,
    settings: Settings | str | os.PathLike[str] | None = None,
    reading: Settings | None = None,
) -> Page:
    """Write the page; it needs nothing beside itself, and no network.

    Parameters
    ----------
    path : path
        Ends in .html or .htm.
    images, patches : path, ndarray, sequence of ndarrays, or Source
        What was matched.
    details : path, Result, Ranking or Placements
        What ``matcher match --details`` wrote, a submission, a ranking, or places that ``matcher locate`` wrote (.csv,
        .geojson; the images are then scenes and the patches chips).
    answers : path or Placements, optional
        Adds the score, errors, reliability, and the true window where the answer is not right.
    false_colour : bool
        Show near infrared, red and green of four bands.
    gallery : int
        How many matches have pictures, 1 or more: the least sure (or the farthest off), and every so many of the
        others.
    settings : Settings or path, optional
        What was matched with, or the run directory that says so; by default the one that the details lie in, if any.
    reading : Settings, optional
        How the pictures are opened: bands, shapes and type of records; by default as `settings` says.

    Raises
    ------
    SettingsError
        If the path ends otherwise, or the gallery is below 1.
    MatcherError
        If an input cannot be read or is of another kind, or patches or images of the details are not there.
    """
    check_ending(path, "pages", (".html", ".htm"))
    if not isinstance(gallery, int | np.integer) or gallery < 1:
        raise SettingsError(f"gallery {gallery!r}: give how many matches have pictures, 1 or more")
    _check_given(details, answers)
    reading = reading or (settings if isinstance(settings, Settings) else Settings())
    pictures, chips, _ = open_pair(images, patches, reading)
    given, scales = _given(details, pictures, chips)
    result = as_result(given)
    if not len(result):
        raise MatcherError(
            f"{details if isinstance(details, str | os.PathLike) else 'the answers'}: has no row"
        )
    truth = read_submission(answers) if isinstance(answers, str | os.PathLike) else answers
    at_patch = positions(chips, result.ids[:1], "patch")
    told = None if truth is None else images_that_are_not_there(truth, pictures)
    if told is not None:
        log.warning("%s", told)
    errors = None if truth is None else _errors(result, truth)
    shown = choose(_doubt(result, errors), gallery)
    true = _true(result, truth, errors, pictures)
    data = {
        "rows": _rows(result, truth, errors),
        "gallery": windows.gallery(
            result, true, shown, *open_pictures(pictures, chips, reading.value_range), false_colour, scales
        ),
        "images": windows.maps(
            pictures, result.image[result.image >= 0], chips.shape(int(at_patch[0]))[:2], false_colour
        ),
        "files": {"image": file_names(pictures), "patch": file_names(chips)},
        "near": _NEAR,
        **_score(given, result, truth),
        "about": [
            *inputs(pictures, chips, details, answers),
            *made_with(details, settings),
            *shown_as(false_colour, len(shown), len(result)),
        ],
    }
    page = _page(f"Matches of {Path(chips.name).name} in {Path(pictures.name).name}", data)
    with atomic_write(path, "w") as file:
        file.write(page)
    return Page(os.fspath(path), len(page.encode()), len(shown), len(result))


def _check_given(details: Any, answers: Any) -> None:
    """Raise where details or answers are none of what a page is made of."""
    if not isinstance(details, str | os.PathLike | Result | Ranking | Placements):
        raise MatcherError(
            f"details: a path, a Result, a Ranking or Placements are wanted, not {type(details).__name__}"
        )
    if answers is not None and not isinstance(answers, str | os.PathLike | Placements):
        raise MatcherError(f"answers: a path or Placements are wanted, not {type(answers).__name__}")


def _given(
    details: str | os.PathLike[str] | Answers, images: Source, patches: Source
) -> tuple[Answers, dict[int, float]]:
    """The answers, and of places the image pixels that a pixel of each patch is."""
    if not isinstance(details, str | os.PathLike):
        given: Answers = details
    elif is_places(details):
        return read_placed(details, images, patches)
    else:
        given = read_answers(details)
    if isinstance(given, Ranking) and not given.placed:
        raise MatcherError("the ranking says no places: there is no window to show")
    return given, {}


def _page(title: str, data: dict[str, Any]) -> str:
    """The template with its style, script and data."""
    folder = resources.files("matcher.report")
    text = {name: (folder / f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    page = text["html"].replace("{{title}}", html.escape(title)).replace("{{css}}", text["css"])
    return page.replace("{{js}}", text["js"]).replace("{{data}}", packed)


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


def _doubt(result: Result, errors: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """What to show first, lowest: the least sure, or where nobody said how sure, the farthest off."""
    if not np.isnan(result.confidence).all():
        return result.confidence.astype(np.float64)
    return np.zeros(len(result)) if errors is None else -np.nan_to_num(errors, nan=-1.0, posinf=1e9)


def choose(doubt: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Which matches have pictures: three in four the most in doubt, the others spread over the rest."""
    order = np.argsort(doubt, kind="stable")
    if len(order) <= count:
        return order
    least = count * 3 // 4
    rest = order[least:]
    return np.concatenate([order[:least], rest[np.linspace(0, len(rest) - 1, count - least).astype(int)]])


def _true(
    result: Result, truth: Placements | None, errors: NDArray[np.float64] | None, images: Source
) -> Placements:
    """The true place of every patch whose answer is not right; image -1 of the others, and where it is not there."""
    image, x, y = (np.full(len(result), -1) for _ in range(3))
    if truth is not None and errors is not None:
        there = np.isin(truth.image, images.ids).tolist()
        row_of = {patch: m for m, patch in enumerate(truth.ids.tolist()) if there[m]}
        for n, patch in enumerate(result.ids.tolist()):
            if patch in row_of and not errors[n] <= _NEAR:
                m = row_of[patch]
                image[n], x[n], y[n] = truth.image[m], truth.x[m], truth.y[m]
    return Placements(result.ids, image, x, y)


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


def _score(answers: Answers, result: Result, truth: Placements | None) -> dict[str, Any]:
    """The table of the score, name, value and interval of every metric, and what is to be known of it."""
    if truth is None:
        return {"score": None, "notes": []}
    made = score(answers if isinstance(answers, Ranking) else result, truth, resamples=500)
    metrics = made.to_dict()["metrics"]
    notes = [f"of {made.n_patches} patches with an answer", *made.notes()]
    refused = int(np.isin(result.ids[result.refused], truth.ids).sum())
    if refused:
        notes.append(f"refused: {refused} answers, counted as 0")
    return {"score": [{"name": LABELS[key], **metrics[key]} for key in metrics], "notes": notes}
