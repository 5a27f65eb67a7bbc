"""The verification of pairs of patches, and its account against the usual scores."""

import csv
import io
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matcher import checks
from matcher.aliases import Progress
from matcher.errors import FormatError, MatcherError
from matcher.formats.arrays import ArraySource
from matcher.formats.files import atomic_write
from matcher.imagery import Pictures, Roles, open_pictures, resolve_bands
from matcher.settings import PictureOptions, Settings, with_options
from matcher.threads import limited, spread
from matcher.values import compared
from matcher.verification.curves import Curves, curves
from matcher.verification.features import check_shift, fields, pair_evidence
from matcher.verification.logistic import fit_logistic, probability, shipped
from matcher.verification.model import RIDGE, held_out
from matcher.verification.pairs import Pairs, pairs_of, read_pairs
from matcher.verification.rivals import RIVALS, rival_scores
from matcher.words import own_name

if TYPE_CHECKING:
    from typing_extensions import Unpack

OWN = "matcher"


@compared
@dataclass(frozen=True)
class Verdicts:
    """What is said of every pair.

    Attributes
    ----------
    probability : ndarray of float64, (n,)
        That the two show the same place.
    shift : ndarray of int64, (n, 2)
        (dy, dx): the pixel (y, x) of the first patch lies on (y + dy, x + dx) of the second, if they do.
    features : ndarray of float64, (n, 2)
        By `matcher.verification.features.NAMES`.
    """

    probability: NDArray[np.float64]
    shift: NDArray[np.int64]
    features: NDArray[np.float64]


def verify(
    pairs: Any,
    others: Any = None,
    *,
    max_shift: int = 16,
    prior: float = 0.5,
    settings: Settings | None = None,
    progress: Progress | None = None,
    **options: "Unpack[PictureOptions]",
) -> Verdicts:
    """The calibrated probability that the two patches of each pair show the same place.

    Parameters
    ----------
    pairs : Pairs, path, or what `matcher.open_patches` takes
        Pairs, or an ``.npz`` of them; with `others`, the first patch of each.
    others : what `matcher.open_patches` takes, optional
        The second patch of each pair, as arrays (n, height, width, bands) or files, in the same order.
    max_shift : int
        How far one may lie off the other along each axis, px.
    prior : float
        The share of same pairs that is expected, in (0, 1).
    settings : Settings, optional
        Bands, value range and threads; the rest is not used.
    progress : callable, optional
        Called with (pairs done, pairs in all).
    **options
        `bands`, `value_range` and `threads` in place of those of `settings`.

    Raises
    ------
    MatcherError
        If the pairs cannot be read, a value is NaN or absurd, bands do not fit, or `max_shift` leaves less than
        12 px of overlap.
    """
    checks.function("progress", progress)
    prior, max_shift = checks.share("prior", prior), checks.whole("max_shift", max_shift)
    settings = with_options(settings, {**options})
    pairs = _pairs(pairs, others, settings)
    check_shift((pairs.first.shape[1], pairs.first.shape[2]), max_shift)
    first, second, roles = _opened(pairs, settings)

    def judge(
        both: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> tuple[NDArray[np.float64], tuple[int, int]]:
        found = pair_evidence(fields(both[0], roles), fields(both[1], roles), max_shift)
        return found.features, found.shift

    rows = []
    with limited(settings.threads):
        for start in range(0, len(pairs), 64):
            part = range(start, min(start + 64, len(pairs)))
            rows += spread(judge, [(first[k], second[k]) for k in part])
            if progress is not None:
                progress(part.stop, len(pairs))
    features = np.array([row[0] for row in rows])
    return Verdicts(
        probability(shipped("verify").log_odds(features), prior), np.array([row[1] for row in rows]), features
    )


def _pairs(pairs: Any, others: Any, settings: Settings) -> Pairs:
    if others is not None:
        return pairs_of(pairs, others, settings)
    if isinstance(pairs, Pairs):
        return pairs
    if isinstance(pairs, str | os.PathLike):
        return read_pairs(pairs)
    raise MatcherError(
        f"pairs are a `Pairs`, the path of an .npz, or two stacks of patches, not one {type(pairs).__name__}"
    )


def rivals(pairs: Pairs, *, max_shift: int = 16, settings: Settings | None = None) -> NDArray[np.float64]:
    """Scores of every pair by gray ZNCC, SSIM and phase correlation, (n, 3)."""
    settings = settings or Settings()
    first, second, _ = _opened(pairs, settings)
    return np.array([rival_scores(first[k], second[k], max_shift) for k in range(len(pairs))])


def check_labels(pairs: Pairs) -> None:
    """Raise FormatError where labelled pairs are all alike, or those of all places but one: nothing is told apart."""
    if pairs.same is not None and (pairs.same.all() or not pairs.same.any()):
        kind = "of one place" if pairs.same.any() else "of two places"
        raise FormatError(
            f"{pairs.name}: has pairs {kind} alone, so nothing can be judged: give some of each, or leave out the "
            "array 'same' to have the probabilities"
        )
    if pairs.same is None or pairs.place is None:
        return
    names = np.unique(pairs.place)
    for name in names if len(names) > 1 else ():  # each is judged by what is fitted to the others
        rest = pairs.same[pairs.place != name]
        if rest.all() or not rest.any():
            kind = "of one place" if rest.any() else "of two places"
            raise FormatError(
                f"{pairs.name}: has pairs {kind} alone beside those of {name}, which are judged by the others: give "
                "some of each, or leave out the array 'place'"
            )


def account(
    pairs: Pairs, verdicts: Verdicts, others: NDArray[np.float64], *, refit: bool = True
) -> dict[str, dict[str, Curves]]:
    """What the probability and its rivals are worth on labelled pairs: by method, then ``all`` and each group.

    Where a group is called ``all``, that of all pairs is ``(all)``.

    A rival's score is made a probability by a logistic regression. Where pairs name two places or more, those are
    fitted with the place of each pair left out, and with `refit` so is matcher's own; with one place the rivals
    are fitted on the very pairs, which flatters their Brier score and calibration.

    Raises
    ------
    MatcherError
        If pairs are not labelled, or all of one kind, be it without those of one place.
    """
    if pairs.same is None:
        raise FormatError(f"{pairs.name}: has no array 'same', so there is nothing to compare with")
    check_labels(pairs)
    group = np.full(len(pairs), "all") if pairs.group is None else pairs.group.astype(str)
    chances = {OWN: verdicts.probability}
    several = pairs.place is not None and len(np.unique(pairs.place)) > 1
    for k, name in enumerate(RIVALS):
        column = others[:, [k]]
        if several:
            chances[name] = held_out(column, pairs.same, group, pairs.place)  # type: ignore[arg-type]
        else:
            chances[name] = probability(
                fit_logistic(column, pairs.same, (name,), ridge=RIDGE).log_odds(column)
            )
    if several and refit:
        chances[OWN] = held_out(verdicts.features, pairs.same, group, pairs.place)  # type: ignore[arg-type]
    names = np.unique(group).tolist() if len(np.unique(group)) > 1 else []
    parts = {own_name("all", names): np.ones(len(pairs), bool), **{name: group == name for name in names}}
    return {
        method: {
            part: curves(chance[rows], pairs.same[rows])
            for part, rows in parts.items()
            if 0 < pairs.same[rows].sum() < rows.sum()
        }
        for method, chance in chances.items()
    }


def account_text(methods: dict[str, dict[str, Curves]]) -> str:
    """The account as a table."""
    head = f"{'':18}{'pairs':>8}{'AUC':>8}{'AP':>8}{'EER':>8}{'Brier':>8}{'of const':>10}{'calib':>8}"
    lines = []
    for part in next(iter(methods.values())):
        lines += [f"{part}", head]
        for method, by_part in methods.items():
            c = by_part[part]
            lines.append(
                f"{method:18}{c.count:8d}{c.auc:8.4f}{c.average_precision:8.4f}{c.equal_error:8.4f}{c.brier:8.4f}"
                f"{c.brier / c.brier_constant:10.3f}{c.calibration:8.4f}"
            )
        lines.append("")
    return "\n".join(lines).rstrip()


def write_verdicts(path: str | os.PathLike[str] | None, verdicts: Verdicts, pairs: Pairs) -> None:
    """Write ``Pair,Probability,dy,dx``, a row a pair; to standard output where `path` is None.

    Where each patch is a file of its own, ``first_file,second_file`` follow.
    """
    rows = zip(verdicts.probability.tolist(), verdicts.shift.tolist(), strict=True)
    cells = [[str(k), f"{p:.6g}", str(dy), str(dx)] for k, (p, (dy, dx)) in enumerate(rows)]
    heads = ["Pair", "Probability", "dy", "dx"]
    if pairs.files is not None:
        heads += ["first_file", "second_file"]
        cells = [[*row, *names] for row, names in zip(cells, zip(*pairs.files, strict=True), strict=True)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heads, *cells])
    if path is None:
        sys.stdout.write(text.getvalue())
        return
    with atomic_write(path, "w") as file:
        file.write(text.getvalue())


def _opened(pairs: Pairs, settings: Settings) -> tuple[Pictures, Pictures, Roles]:
    sources = [
        ArraySource(a, name=f"{pairs.name}, {n}")
        for a, n in ((pairs.first, "first"), (pairs.second, "second"))
    ]
    if pairs.bands is not None:
        settings = replace(settings, bands=pairs.bands)
    first, second = open_pictures(sources[0], sources[1], settings.value_range)
    return first, second, Roles.of(resolve_bands(first, second, settings))
