"""``matcher verify``: whether two patches show the same place."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import gathered, quiet_option, range_option, reading_options, threads_option
from matcher.cli.output import emit, json_option
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting
from matcher.settings import Settings

if TYPE_CHECKING:
    from matcher.verification.pairs import Pairs
    from matcher.verification.verifying import Verdicts


@click.command("verify")
@click.argument("pairs", type=Read())
@click.argument("others", type=Read(), required=False)
@click.option("-o", "--output", type=Written(), help="CSV of every pair's probability and shift.")
@click.option(
    "--max-shift",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="How far one may lie off the other along each axis, px.",
)
@click.option(
    "--prior",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="The share of pairs of the same place that is expected.",
)
@click.option(
    "--refit", is_flag=True, help="Judge each labelled pair by numbers fitted to the pairs of other places."
)
@click.option(
    "--picture", type=Written(by_ending=True), help="Draw ROC and precision-recall curves (extra plot)."
)
@reading_options
@range_option
@threads_option
@json_option
@quiet_option
def command(
    pairs: str,
    others: str | None,
    output: str | None,
    max_shift: int,
    prior: float,
    quiet: bool,
    **options: Any,
) -> None:
    """Say of every pair how probable it is that its two patches show the same place.

    PAIRS is a .npz with the stacks first and second, or, with OTHERS, two files of patches or single patches, taken
    in order. Where PAIRS has the array same (1 or 0), the probabilities are judged beside gray ZNCC, SSIM and phase
    correlation; else they are printed as CSV.
    """
    from matcher.verification.pairs import pairs_of, read_pairs
    from matcher.verification.verifying import check_labels, verify, write_verdicts

    account = gathered(_Account, options)
    settings = Settings(**options)
    given = read_pairs(pairs) if others is None else pairs_of(pairs, others, settings)
    if given.same is None:
        account.refuse(pairs)
    check_labels(given)
    with reporting(quiet) as progress:
        verdicts = verify(given, max_shift=max_shift, prior=prior, settings=settings, progress=progress)
    if given.same is not None:
        account.give(given, verdicts, max_shift, settings)
    if output is not None or given.same is None:
        write_verdicts(output, verdicts, given)


@dataclass(frozen=True)
class _Account:
    """What is told of labelled pairs, by the names of the command's options."""

    refit: bool
    picture: str | None
    json_to: str | None

    def refuse(self, pairs: str) -> None:
        """Raise where something is asked of pairs that are not labelled."""
        from matcher.errors import SettingsError

        if self.refit or self.picture is not None or self.json_to is not None:
            raise SettingsError(
                f"{pairs}: --refit, --picture and --json judge labelled pairs, and there is no array 'same'"
            )

    def give(self, pairs: "Pairs", verdicts: "Verdicts", max_shift: int, settings: Settings) -> None:
        """Judge the verdicts beside the usual scores; draw, write and print what that gives."""
        from matcher.verification.verifying import account, account_text, rivals

        judged = account(
            pairs, verdicts, rivals(pairs, max_shift=max_shift, settings=settings), refit=self.refit
        )
        if self.picture is not None:
            from matcher.report.verification import draw_curves

            draw_curves(judged, self.picture)
        data = {method: {part: c.to_dict() for part, c in parts.items()} for method, parts in judged.items()}
        emit(account_text(judged), data, self.json_to, [])
