"""What matching hands back: one answer a patch, how sure it is, and what came second."""

import os
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.errors import MatcherError
from matcher.formats.base import Source
from matcher.formats.details import Names
from matcher.formats.notebook import ROWS, pictures, table, window
from matcher.formats.raster import file_names
from matcher.formats.recalled import Recalled, Showing
from matcher.placements import Placements
from matcher.values import compared

SURE = 0.9  # confidence of an answer that is not in doubt


class _Beside(Showing[tuple[Source, Source]]):
    """What a result may know beside its columns: files' names (`Result.naming`), and pictures (`Result.showing`)."""

    _files: Names | None = None


@compared
@dataclass(frozen=True)
class Result(Placements, _Beside):
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
        super().__post_init__()
        if len(self.refused) != len(self.ids):
            object.__setattr__(self, "refused", np.zeros(len(self.ids), bool))

    def refuse(self, min_confidence: float) -> "Result":
        """The same answers, those less sure than `min_confidence` (0 to 1) refused."""
        min_confidence = checks.number("min_confidence", min_confidence, 0, 1)
        out = replace(self, refused=self.confidence < np.float32(min_confidence))
        for name in ("_files", "_pictures"):
            object.__setattr__(out, name, getattr(self, name))
        return out

    def showing(self, images: Source, patches: Source) -> "Result":
        """The same answers with what was matched: notebooks show the pictures, and details name their files.

        Files are opened again when they are shown. Copies and pickles of a result show no pictures.
        """
        out = self.naming((file_names(patches), file_names(images)))
        object.__setattr__(out, "_pictures", Recalled((images, patches)))
        return out

    def naming(self, files: Names) -> "Result":
        """The same answers with what the files of patches and images are called, which details then say."""
        out = replace(self)
        object.__setattr__(out, "_files", files)
        return out

    def _repr_html_(self) -> str:
        """The least sure answers as a table, with the pictures where they are at hand (`showing`)."""
        least = np.argsort(self.confidence, kind="stable")[:ROWS].tolist()
        heads, rows, lacking = self._illustrated(
            ["patch", "image", "x", "y", "confidence", "reason"],
            [self._told(n) for n in least],
            lambda row, sources: self._drawn(least[row], *sources),
        )
        sure = int((self.confidence >= SURE).sum())
        which = f"; the {len(least)} least sure" if len(least) < len(self) else ""
        return table(
            heads, rows, f"{len(self)} answers, {sure} with confidence {SURE} and above{which}{lacking}"
        )

    def _told(self, n: int) -> list[object]:
        patches, images = self._files or ({}, {})
        patch, image = int(self.ids[n]), int(self.image[n])
        out: list[object] = [f"{patch} {patches.get(patch, '')}", f"{image} {images.get(image, '')}"]
        if self.refused[n]:
            out[1] = "none of these"
        where: list[object] = ["", ""] if self.refused[n] else [int(self.x[n]), int(self.y[n])]
        return [*out, *where, f"{self.confidence[n]:.3f}", self.reason[n]]

    def _drawn(self, n: int, images: Source, patches: Source) -> list[object]:
        """The patch and the window found, as images; empty cells where there is none."""
        at = np.flatnonzero(patches.ids == self.ids[n])
        if not len(at):
            return ["", ""]
        own = patches[int(at[0])]
        shown, names = [own], [f"patch {self.ids[n]}"]
        there = np.flatnonzero(images.ids == self.image[n])
        if len(there) and not self.refused[n]:
            found = window(images, int(there[0]), (int(self.y[n]), int(self.x[n])), own.shape[:2])
            if found is not None:
                shown, names = [own, found], [*names, f"found for patch {self.ids[n]}"]
        drawn: list[object] = [*pictures(shown, names)]
        return [*drawn, ""][:2]

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
        """Write every column as CSV, with files' names if there are; see `matcher.formats.details.write_columns`."""
        from matcher.formats.details import write_columns

        write_columns(path, vars(self), self._files)


def read_details(path: str | os.PathLike[str]) -> Result:
    """Read what `Result.to_details` wrote; every value comes back, but for the guess of refused answers: -1.

    Raises
    ------
    FormatError
        If the file is missing, has another header, or a malformed row; the message names the line.
    """
    from matcher.formats.details import read_columns

    return Result(**read_columns(path))
