"""What a page is made of: details of a match, a submission, or a ranking, all as a `Result`."""

import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matcher.formats.details import DETAILS
from matcher.formats.submission import read_rows, read_submission
from matcher.placements import Placements
from matcher.ranking.files import is_ranking, read_ranking
from matcher.ranking.rankings import Ranking
from matcher.result import Result, read_details

Answers = Result | Ranking | Placements


def read_answers(path: str | os.PathLike[str]) -> Answers:
    """Details, a submission or a ranking, by the path's ending and the file's header.

    Raises
    ------
    FormatError
        If it is none of them, or damaged.
    """
    if is_ranking(path):
        return read_ranking(path)
    _, header = next(read_rows(path), (1, []))
    return read_details(path) if len(header) >= len(DETAILS) else read_submission(path)


def as_result(answers: Answers) -> Result:
    """Answers as a `Result`: confidence is nan where nobody said it, refused answers are in image -1."""
    if isinstance(answers, Result):
        image, x, y = (np.where(answers.refused, -1, c) for c in (answers.image, answers.x, answers.y))
        return replace(answers, image=image, x=x, y=y)
    placements = answers.placements() if isinstance(answers, Ranking) else answers
    count = len(placements)
    score = second_score = _unknown(count)
    second = np.full(count, -1)
    if isinstance(answers, Ranking):
        some = answers.image[:, 0] >= 0
        score = answers.score[some, 0].astype(np.float32)
        if answers.image.shape[1] > 1:
            second = answers.image[some, 1]
            second_score = np.where(second >= 0, answers.score[some, 1], np.nan).astype(np.float32)
    columns = (placements.ids, placements.image, placements.x, placements.y)
    return Result(*columns, score, second, second_score, _unknown(count), ("",) * count)


def _unknown(count: int) -> NDArray[np.float32]:
    return np.full(count, np.nan, np.float32)
