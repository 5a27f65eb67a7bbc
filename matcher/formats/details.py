"""Details of a match as CSV, one row a patch: the answer, how sure it is, and what came second."""

import csv
import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats.files import atomic_write
from matcher.formats.submission import read_rows

Path = str | os.PathLike[str]


class Detailed(Protocol):
    """The columns of a result; `matcher.result.Result` says what they hold."""

    ids: NDArray[np.int64]
    image: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    score: NDArray[np.float32]
    runner_up_image: NDArray[np.int64]
    runner_up_score: NDArray[np.float32]
    confidence: NDArray[np.float32]
    reason: tuple[str, ...]
    refused: NDArray[np.bool_]


DETAILS = (
    "patch_id", "image_id", "x", "y", "score",
    "runner_up_image_id", "runner_up_score", "confidence", "reason",
)  # fmt: skip


_NONE = "none"  # the image of an answer that was refused


def write_details(path: Path, result: Detailed) -> None:
    """Write a result with every column as CSV; missing scores and runners-up are empty cells.

    The image of a refused answer is ``none``, its x and y are empty.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    refused = result.refused.tolist()
    columns = (
        result.ids.tolist(),
        (_NONE if no else k for k, no in zip(result.image.tolist(), refused, strict=True)),
        ("" if no else k for k, no in zip(result.x.tolist(), refused, strict=True)),
        ("" if no else k for k, no in zip(result.y.tolist(), refused, strict=True)),
        map(_float_text, np.asarray(result.score, np.float32)),
        ("" if image == -1 else image for image in result.runner_up_image.tolist()),
        map(_float_text, np.asarray(result.runner_up_score, np.float32)),
        map(_float_text, np.asarray(result.confidence, np.float32)),
        result.reason,
    )
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(DETAILS)
        writer.writerows(zip(*columns, strict=True))


def read_columns(path: Path) -> dict[str, Any]:
    """The columns of what `write_details` wrote, by their names in `matcher.result.Result`.

    Every value comes back as it was, but for the guess of refused answers: -1.

    Raises
    ------
    FormatError
        If the file is missing, has another header, or a malformed row; the message names the line.
    """
    rows = read_rows(path)
    line, header = next(rows, (1, []))
    if tuple(header) != DETAILS:
        raise FormatError(f"{os.fspath(path)}, line {line}: expected the header {','.join(DETAILS)!r}")
    whole: list[tuple[int, ...]] = []
    real: list[tuple[float, ...]] = []
    reasons: list[str] = []
    refused: list[bool] = []
    for line, cells in rows:
        try:
            ids, image, x, y, score, second, second_score, confidence, reason = cells
            refused.append(image == _NONE)
            if refused[-1] and not x and not y:
                image = x = y = "-1"
            whole.append((int(ids), int(image), int(x), int(y), int(second or -1)))
            real.append(tuple(float(cell or "nan") for cell in (score, second_score, confidence)))
        except ValueError as error:
            raise FormatError(f"{os.fspath(path)}, line {line}: is not a row of details: {error}") from None
        reasons.append(reason)
    try:
        ids_, image_, x_, y_, second_ = np.array(whole, np.int64).reshape(-1, 5).T.copy()
    except OverflowError:
        raise FormatError(f"{os.fspath(path)}: a whole number is beyond int64") from None
    score_, second_score_, confidence_ = np.array(real, np.float64).reshape(-1, 3).T.astype(np.float32)
    return {
        "ids": ids_,
        "image": image_,
        "x": x_,
        "y": y_,
        "score": score_,
        "runner_up_image": second_,
        "runner_up_score": second_score_,
        "confidence": confidence_,
        "reason": tuple(reasons),
        "refused": np.array(refused, bool),
    }


def _float_text(value: np.float32) -> str:
    """The shortest text that reads back as the same float32; empty for nan."""
    return "" if np.isnan(value) else str(value)
