"""The demo: the sample written in the official form, matched, scored and drawn."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.demo.sample import SamplePlace, cut_patches, read_sample
from matcher.formats.files import atomic_write
from matcher.formats.filled import OutputFolder
from matcher.formats.official import write_images, write_patches
from matcher.formats.submission import write_submission
from matcher.imagery import to_official
from matcher.matching.run import match
from matcher.placements import Placements
from matcher.report.gallery import GalleryCard, draw_gallery
from matcher.result import Result
from matcher.scoring import Score, score
from matcher.settings import Settings, with_options

_GIVEN = ("test_images.tfrecords", "test_patches.tfrecords", "answers.csv", "groups.csv")
_FOUND = ("submission.csv", "details.csv", "matches.png")
SIDE = 64  # px of a patch
PATCHES_A_PLACE = 12
SEED = 0
SHOWN = 4  # right answers in the picture, and as many wrong ones
_NEAR = 4.0  # px; an answer so near is right


@dataclass(frozen=True)
class Demo:
    """What a demo wrote and found."""

    images: Path
    patches: Path
    answers: Path
    groups: Path
    submission: Path
    details: Path
    picture: Path
    result: Result
    score: Score


def run_demo(
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> Demo:
    """Write the sample in the official form, match it, score it, and draw some matches.

    Parameters
    ----------
    folder : path
        Made where it does not exist; files that an earlier demo wrote there are replaced, and where there are others
        of these names, nothing is done.
    settings : Settings, optional
        By default all defaults.
    progress : callable, optional
        As in `matcher.match`.

    Raises
    ------
    MatcherError
        If the folder cannot be made or written to.
    """
    checks.function("progress", progress)
    folder, settings = Path(checks.path("folder", folder)), with_options(settings, {})
    inside = OutputFolder(folder, "demo")
    inside.make(_GIVEN + _FOUND)
    places = read_sample()
    patches, answers = cut_patches(places, PATCHES_A_PLACE, SIDE, SEED)
    images_file, patches_file, answers_file, groups_file, submission, details, picture = (
        folder / name for name in _GIVEN + _FOUND
    )
    # Each is put on the list at once: an interrupted demo can be given again.
    write_images(images_file, (to_official(place.image) for place in places))
    inside.wrote(images_file.name)
    write_patches(patches_file, map(to_official, patches))
    inside.wrote(patches_file.name)
    write_submission(answers_file, answers)
    inside.wrote(answers_file.name)
    _write_groups(groups_file, places, answers)
    inside.wrote(groups_file.name)
    result = match(images_file, patches_file, settings, progress=progress)
    result.to_details(details)
    inside.wrote(details.name)
    result.to_submission(submission)
    inside.wrote(submission.name)
    scored = score(result, answers, groups_file)
    _draw(picture, places, patches, answers, result)
    inside.wrote(picture.name)
    return Demo(
        images_file, patches_file, answers_file, groups_file, submission, details, picture, result, scored
    )


def _write_groups(path: Path, places: list[SamplePlace], answers: Placements) -> None:
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("Patch ID", "group", "place", "image date", "patch date"))
        for patch, k in zip(answers.ids.tolist(), answers.image.tolist(), strict=True):
            rows.writerow((patch, places[k].group, places[k].name, *places[k].dates))


def distances(result: Placements, answers: Placements) -> NDArray[np.float64]:
    """Pixels from answer to truth, row by row; inf where the image is wrong."""
    apart = np.hypot((result.x - answers.x).astype(float), (result.y - answers.y).astype(float))
    return np.where(result.image == answers.image, apart, np.inf)


def choose(result: Result, answers: Placements) -> tuple[list[int], list[int]]:
    """Rows to show: right ones in their order and wrong ones, the surest first; of as many images as there are."""
    apart = distances(result, answers)
    right = np.flatnonzero(apart <= _NEAR)
    wrong = np.flatnonzero(apart > _NEAR)
    wrong = wrong[np.argsort(-result.confidence[wrong], kind="stable")]
    return _varied(right, answers), _varied(wrong, answers)


def _varied(rows: NDArray[np.integer], answers: Placements) -> list[int]:
    """The first few rows, those that repeat an image last."""
    seen: dict[int, int] = {}
    turn = []
    for image in answers.image[rows].tolist():
        turn.append(seen.get(image, 0))
        seen[image] = seen.get(image, 0) + 1
    return [int(row) for row in rows[np.argsort(turn, kind="stable")][:SHOWN]]


def _draw(
    path: Path, places: list[SamplePlace], patches: list[NDArray], answers: Placements, result: Result
) -> None:
    right, wrong = choose(result, answers)
    apart = distances(result, answers)

    def card(row: int) -> GalleryCard:
        found, true = int(result.image[row]), int(answers.image[row])
        at, corner = (int(result.x[row]), int(result.y[row])), (int(answers.x[row]), int(answers.y[row]))
        reason = f" ({result.reason[row]})" if result.reason[row] else ""
        off = "other image" if np.isinf(apart[row]) else f"{apart[row]:.1f} px off"
        return GalleryCard(
            title=f"Patch {result.ids[row]}: {off}, confidence {result.confidence[row]:.2f}{reason}",
            good=row in right,
            pictures=(
                patches[row],
                _window(places[found].image, *at),
                _window(places[true].image, *corner),
            ),
            captions=(
                ("patch", f"{places[true].name} {places[true].dates[1]}"),
                (f"found: image {found}", f"x {at[0]}, y {at[1]}, {places[found].dates[0]}"),
                (f"true: image {true}", f"x {corner[0]}, y {corner[1]}, {places[true].dates[0]}"),
            ),
        )

    share = float(np.mean(apart <= _NEAR))
    title = f"{len(result)} patches among {len(places)} images: {share:.0%} within {_NEAR:.0f} px"
    draw_gallery(path, title, {"Right": [card(row) for row in right], "Wrong": [card(row) for row in wrong]})


def _window(image: NDArray, x: int, y: int) -> NDArray:
    return image[y : y + SIDE, x : x + SIDE]
