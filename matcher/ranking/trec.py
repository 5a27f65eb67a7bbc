"""Rankings as runs and answers as qrels, the text forms of trec_eval that retrieval's tools read.

A run has lines ``patch Q0 candidate rank score tag``, qrels lines ``patch 0 candidate relevance``. A candidate is an
image's id, or of windows ``image_column_row`` of the window's corner: ``12_64_32``.
"""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.files import atomic_write, problem
from matcher.formats.submission import to_int64
from matcher.placements import Placements
from matcher.ranking.rankings import Ranking, answered

TREC_SUFFIXES = (".run", ".trec")
QRELS_SUFFIX = ".qrels"
Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.float64]]


def read_run(path: AnyPath) -> Rows:
    """Patch, image, corner (row, column; None where images are ranked) and score of every line of a run.

    Raises
    ------
    FormatError
        If the file is missing or a line is malformed; the message names the line.
    """
    patch, candidates, score = [], [], []
    for where, words in _lines(path, 6, "patch Q0 candidate rank score tag"):
        patch.append(_number(where, words[0], "patch id"))
        candidates.append(_candidate(where, words[2]))
        try:
            score.append(float(words[4]))
        except ValueError:
            raise FormatError(f"{where}: {words[4]!r} is not a score") from None
        if len(candidates[-1]) != len(candidates[0]):
            raise FormatError(f"{where}: ranks images and windows at once; give one of them")
    columns = np.array(candidates, np.int64)
    corner = columns[:, [2, 1]] if columns.shape[1] == 3 else None
    return np.array(patch, np.int64), columns[:, 0], corner, np.array(score)


def write_run(ranking: Ranking, path: AnyPath, top: int | None = None) -> None:
    """Write the first `top` candidates of every patch as a run; places within images are not in it.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    with atomic_write(path, "w") as file:
        for row, patch in enumerate(ranking.ids.tolist()):
            real = np.flatnonzero(ranking.image[row] >= 0)[:top].tolist()
            file.writelines(
                f"{patch} Q0 {_spelled(ranking, row, at)} {rank} {ranking.score[row, at]!s} matcher\n"
                for rank, at in enumerate(real, 1)
            )


def read_qrels(path: AnyPath) -> Placements:
    """Read answers from qrels of images, one relevant image a patch; x and y are -1: unknown.

    Raises
    ------
    FormatError
        If the file is missing, a line is malformed, or a patch has no or several relevant images.
    """
    truth: dict[int, int] = {}
    patches: set[int] = set()
    for where, words in _lines(path, 4, "patch 0 image relevance"):
        patch, image = _number(where, words[0], "patch id"), _candidate(where, words[2])
        patches.add(patch)
        if _number(where, words[3], "relevance") <= 0:
            continue
        if len(image) > 1 or truth.setdefault(patch, image[0]) != image[0]:
            raise FormatError(
                f"{where}: one relevant image a patch is wanted; give answers of windows as a submission"
            )
    if patches - truth.keys():
        raise FormatError(f"{os.fspath(path)}: patch {min(patches - truth.keys())} has no relevant image")
    ids, images = (np.array(column, np.int64) for column in zip(*sorted(truth.items()), strict=True))
    unknown = np.full(len(ids), -1, np.int64)
    return Placements(ids, images, unknown, unknown)


def write_qrels(answers: Placements, path: AnyPath, ranking: Ranking | None = None) -> None:
    """Write answers as qrels: the true image of every patch, or the windows that overlap its place by half or more.

    Parameters
    ----------
    answers : Placements
    path : path
    ranking : Ranking, optional
        Of windows: those of its grid are written, for its patches, and not images.

    Raises
    ------
    MatcherError
        If the file cannot be written, or the ranking does not know its grid.
    """
    with atomic_write(path, "w") as file:
        if ranking is None or ranking.corner is None:
            pairs = zip(answers.ids.tolist(), answers.image.tolist(), strict=True)
            file.writelines(f"{patch} 0 {image} 1\n" for patch, image in pairs)
            return
        grid = ranking.known_grid()
        for row, at in zip(*(part.tolist() for part in answered(ranking, answers)), strict=True):
            patch, image = int(ranking.ids[row]), int(answers.image[at])
            if image not in grid.shapes:
                continue
            near = grid.relevant(row, image, (int(answers.y[at]), int(answers.x[at])))
            file.writelines(f"{patch} 0 {image}_{x}_{y} 1\n" for y, x in near.tolist())


def _lines(path: AnyPath, count: int, form: str) -> Iterator[tuple[str, list[str]]]:
    """("file, line n", words) of the lines that are not blank."""
    name, found = os.fspath(path), False
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                words = line.split()
                if not words:
                    continue
                if len(words) != count:
                    raise FormatError(
                        f"{name}, line {number}: expected {form!r}, found {line.strip()[:60]!r}"
                    )
                found = True
                yield f"{name}, line {number}", words
    except FileNotFoundError:
        raise FormatError(f"{name}: there is no such file") from None
    except OSError as error:
        raise FormatError(f"{name}: cannot be read: {problem(error)}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{name}: is not a text file in UTF-8; lines {form!r} were expected") from None
    if not found:
        raise FormatError(f"{name}: has no line")


def _number(where: str, text: str, what: str) -> int:
    value = to_int64(text)
    if value is None:
        raise FormatError(f"{where}: {text!r} is not a {what}; a whole number was expected")
    return value


def _candidate(where: str, text: str) -> tuple[int, ...]:
    """(image,) or (image, column, row)."""
    numbers = [to_int64(part) for part in text.split("_")]
    if len(numbers) not in (1, 3) or None in numbers:
        raise FormatError(f"{where}: {text!r} is no candidate: an image id or image_column_row was expected")
    return tuple(number for number in numbers if number is not None)


def _spelled(ranking: Ranking, row: int, at: int) -> str:
    image = int(ranking.image[row, at])
    if ranking.corner is None:
        return str(image)
    y, x = ranking.corner[row, at].tolist()
    return f"{image}_{x}_{y}"
