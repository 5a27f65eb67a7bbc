"""Details of a match as CSV, one row a patch: the answer, how sure it is, and what came second."""

import csv
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.files import atomic_write
from matcher.formats.submission import read_rows

DETAILS = (
    "patch_id", "image_id", "x", "y", "score",
    "runner_up_image_id", "runner_up_score", "confidence", "reason",
)  # fmt: skip


FILES = ("patch_file", "image_file")  # columns of details whose pictures are files of their own
_NONE = "none"  # the image of an answer that was refused


Names = tuple[Mapping[int, str], Mapping[int, str]]
"""By id what files are called: those of patches, and those of images."""


def write_columns(path: AnyPath, columns: Mapping[str, Any], files: Names | None = None) -> None:
    """Write a result with every column as CSV; missing scores and runners-up are empty cells.

    The image of a refused answer is ``none``, its x and y are empty.

    Parameters
    ----------
    path : path
    columns : mapping of str to array
        By their names in `matcher.result.Result`, (n,) each.
    files : (mapping, mapping), optional
        What the files of patches and images are called, which makes the columns `FILES`.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    whole = {
        name: np.asarray(columns[name]).tolist()
        for name in ("ids", "image", "x", "y", "runner_up_image", "refused")
    }
    real = {
        name: map(_float_text, np.asarray(columns[name], np.float32))
        for name in ("score", "runner_up_score", "confidence")
    }
    refused = whole["refused"]
    rows = zip(
        whole["ids"],
        (_NONE if no else k for k, no in zip(whole["image"], refused, strict=True)),
        ("" if no else k for k, no in zip(whole["x"], refused, strict=True)),
        ("" if no else k for k, no in zip(whole["y"], refused, strict=True)),
        real["score"],
        ("" if image == -1 else image for image in whole["runner_up_image"]),
        real["runner_up_score"],
        real["confidence"],
        columns["reason"],
        strict=True,
    )
    with atomic_write(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        if files is None or not any(files):
            writer.writerow(DETAILS)
            writer.writerows(rows)
            return
        writer.writerow((*DETAILS, *FILES))
        for row in rows:
            writer.writerow((*row, files[0].get(row[0], ""), files[1].get(row[1], "")))


def read_columns(path: AnyPath) -> dict[str, Any]:
    """The columns of what `write_columns` wrote, by their names in `matcher.result.Result`.

    Every value comes back as it was, but for the guess of refused answers: -1.

    Raises
    ------
    FormatError
        If the file is missing, has another header, or a malformed row; the message names the line.
    """
    rows = read_rows(path)
    line, header = next(rows, (1, []))
    if tuple(header) not in (DETAILS, (*DETAILS, *FILES)):
        raise FormatError(f"{os.fspath(path)}, line {line}: expected the header {','.join(DETAILS)!r}")
    whole: list[tuple[int, ...]] = []
    real: list[tuple[float, ...]] = []
    reasons: list[str] = []
    refused: list[bool] = []
    lines: dict[int, int] = {}
    for line, cells in rows:
        try:
            if len(cells) != len(header):
                raise ValueError(f"has {len(cells)} cells, and the header {len(header)}")
            ids, image, x, y, score, second, second_score, confidence, reason = cells[: len(DETAILS)]
            refused.append(image == _NONE)
            if refused[-1] and not x and not y:
                image = x = y = "-1"
            whole.append((int(ids), int(image), int(x), int(y), int(second or -1)))
            real.append(tuple(float(cell or "nan") for cell in (score, second_score, confidence)))
            if any(map(math.isinf, real[-1])) or not (math.isnan(real[-1][2]) or 0 <= real[-1][2] <= 1):
                raise ValueError("scores are finite, and confidence goes from 0 to 1")
        except ValueError as error:
            raise FormatError(f"{os.fspath(path)}, line {line}: is not a row of details: {error}") from None
        if lines.setdefault(whole[-1][0], line) != line:
            first = lines[whole[-1][0]]
            raise FormatError(
                f"{os.fspath(path)}, line {line}: patch {whole[-1][0]} stands in line {first} already"
            )
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
