"""What matching hands back: one answer a patch, how sure it is, and what came second."""

import os
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import MatcherError
from matcher.placements import Placements
from matcher.settings import check_confidence


@dataclass(frozen=True)
class Result(Placements):
    """One row a patch, in the order of the patches; `image`, `x` and `y` are the answer.

    Attributes
    ----------
    score : ndarray of float32, shape (n,)
        The answer's score; nan where there was nothing to compare.
    runner_up_image : ndarray of int64, shape (n,)
        Id of the image of the best other place anywhere, more than a few pixels off: another image, or the same one; -1
        where there is none.
    runner_up_score : ndarray of float32, shape (n,)
        Its score; nan where there is none.
    confidence : ndarray of float32, shape (n,)
        From 0 to 1: how probable it is that the answer is within 4 px, where the patch may be in none of the images
        (`matcher.Settings.prior`).
    reason : tuple of str, length n
        Why the answer is in doubt, or why its patch has little to say though it is sure, one of
        `matcher.decision.reasons.CODES`, or ``placeholder``; empty where it is neither.
    refused : ndarray of bool, shape (n,)
        Where the answer is "in none of these images", since it is less sure than was asked for. `image`, `x` and `y`
        are then the best guess: a submission holds it, since every patch must be answered, and details do not (read
        back from there they are -1). By default nothing is refused.
    """

    score: NDArray[np.float32]
    runner_up_image: NDArray[np.int64]
    runner_up_score: NDArray[np.float32]
    confidence: NDArray[np.float32]
    reason: tuple[str, ...]
    refused: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.refused) != len(self.ids):
            object.__setattr__(self, "refused", np.zeros(len(self.ids), bool))

    def refuse(self, min_confidence: float) -> "Result":
        """The same answers, those less sure than `min_confidence` (0 to 1) refused."""
        check_confidence(min_confidence)
        return replace(self, refused=self.confidence < np.float32(min_confidence))

    def to_submission(self, path: str | os.PathLike[str], *, xy_order: str = "xy") -> None:
        """Write the answers in the official form; see `matcher.formats.submission.write_submission`."""
        from matcher.formats.submission import write_submission

        unknown = np.flatnonzero(self.refused & (self.image < 0))
        if len(unknown):
            raise MatcherError(
                f"{os.fspath(path)}: patch {self.ids[unknown[0]]} was refused, and details do not hold the guess "
                "that a submission needs: match again with -o"
            )
        write_submission(path, self, xy_order=xy_order)

    def to_details(self, path: str | os.PathLike[str]) -> None:
        """Write every column as CSV; see `matcher.formats.details.write_columns`."""
        from matcher.formats.details import write_columns

        write_columns(path, vars(self))


def read_details(path: str | os.PathLike[str]) -> Result:
    """Read what `Result.to_details` wrote; every value comes back, but for the guess of refused answers: -1.

    Raises
    ------
    FormatError
        If the file is missing, has another header, or a malformed row; the message names the line.
    """
    from matcher.formats.details import read_columns

    return Result(**read_columns(path))
