"""From series to a challenge in a folder, place by place."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.cutting.options import FORMS, CutOptions, Form
from matcher.cutting.windows import Dates, number_of
from matcher.cutting.writing import ChallengeWriter, file_names
from matcher.errors import MatcherError
from matcher.formats.filled import OutputFolder
from matcher.formats.series import SeriesInput, distinct_series, paths_of


@dataclass(frozen=True)
class Counts:
    """What was written: the folders, and the counts of places, images and patches in each."""

    counts: dict[str, tuple[int, int, int]]


def cut(
    series: SeriesInput,
    folder: str | os.PathLike[str],
    options: CutOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Counts:
    """Cut a challenge with known answers from time series, one place in memory at a time.

    Each tile of a place is an image, of a date drawn at random; its patches are cut at random from other dates, and
    the answer is their own corner. Windows with more than 2 % of no data are passed over. What is cut from a place
    depends on its name, its pixels, the options and the seed, not on other places.

    Written to `folder` (with a holdout to ``train`` and ``validation`` in it): images, patches, ``answers.csv``,
    ``manifest.csv`` (where every patch came from; its columns serve as groups and difficulty) and ``manifest.json``
    (version, options, SHA-256 of the files). Files appear when all are whole; those that an earlier cut wrote are
    replaced, and where there are others of these names, or pixels in the other form, nothing is cut.

    Parameters
    ----------
    series : path, ndarray or `Series`, or a sequence of these
        As `matcher.formats.series.iterate_series`.
    folder : path
        Made where it does not exist.
    options : CutOptions, optional
    progress : callable, optional
        Called with (places done, 0) after each.

    Raises
    ------
    MatcherError
        If a series cannot be read or is given twice, under whatever name, nothing fits the options, or the folder
        cannot be written.
    """
    checks.of_kind("options", options, CutOptions)
    checks.function("progress", progress)
    options = CutOptions() if options is None else options
    out = Path(checks.path("folder", folder))
    parts = [""] if options.holdout == 0 else ["train", "validation"]
    _check_form(out, parts, options.form)
    names = [os.path.join(part, name) for part in parts for name in file_names(options.form)]
    with (
        OutputFolder(out, "cut").filling(names, paths_of(series)) as work,
        contextlib.ExitStack() as scratch,
    ):
        writers = {part: ChallengeWriter(work / part, options) for part in parts}
        for writer in writers.values():
            scratch.callback(writer.close)
        read = 0
        for read, one in enumerate(distinct_series(series, options), 1):
            part = parts[-1] if _fraction(options.seed, one.place) < options.holdout else parts[0]
            writers[part].add(one)
            if progress is not None:
                progress(read, 0)
        counts = {}
        for part, writer in writers.items():
            counts[part] = writer.finish()
            if not counts[part][2]:
                raise MatcherError(
                    f"{part or out}: no window fits: {read} places were read; allow other dates, gaps, "
                    "skies, a smaller side, or another holdout or seed"
                )
    return Counts(counts)


def stacks(series: SeriesInput, options: CutOptions) -> Iterator[tuple[str, str, NDArray]]:
    """(place, group, DN of the chosen dates) of every series, as `matcher.verification.pairs.cut_pairs` takes them.

    Raises
    ------
    MatcherError
        If a series cannot be read, or two places have one name.
    """
    for one in distinct_series(series, options):
        dates = Dates(one, options)
        if dates.usable:
            yield one.place, one.group, np.stack([dates[d] for d in dates.usable])


def _check_form(out: Path, parts: Sequence[str], form: Form) -> None:
    """Refuse a folder with pixels of an earlier cut in another form, beside which its answers would be replaced."""
    for part, other in itertools.product(parts, FORMS):
        for name in file_names(other):
            path = out / part / name
            if name not in file_names(form) and path.exists():
                raise MatcherError(
                    f"{path}: is there already, and its answers would be replaced: name another folder"
                )


def _fraction(seed: int, name: str) -> float:
    return number_of(f"{seed} {name}") / 2**64
