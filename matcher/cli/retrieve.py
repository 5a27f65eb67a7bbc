"""``matcher retrieve``: all images ranked for every patch."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import click

from matcher.cli.options import (
    dry_run_option,
    evidence_option,
    gathered,
    memory_option,
    quiet_option,
    range_option,
    reading_options,
    threads_option,
)
from matcher.cli.output import emit, json_option, xy_order_option
from matcher.cli.paths import Read, Written
from matcher.cli.progress import reporting
from matcher.errors import MatcherError, SettingsError
from matcher.settings import Settings
from matcher.words import counted

if TYPE_CHECKING:
    from matcher.formats.base import Source
    from matcher.placements import Placements
    from matcher.ranking.rankings import Ranking

_OTHER = "the other scores' order of the candidates, each at matcher's own place in it"


@click.command("retrieve")
@click.argument("images", type=Read())
@click.argument("patches", type=Read())
@click.option("--answers", type=Read(), help="Print what the ranking is worth against these.")
@xy_order_option
@click.option(
    "--stride", type=click.IntRange(1), help="Rank windows at every so many pixels.  [default: whole images]"
)
@click.option(
    "--from",
    "ranked",
    type=Read(),
    metavar="FILE",
    help="A ranking of these patches, as exported: read it, and rank nothing anew.",
)
@click.option("-o", "--output", type=Written(), help="Write the first of each patch as a submission.")
@click.option(
    "--export",
    type=Written(by_ending=True),
    help="Write the first candidates to .npz, .parquet (extra research) or, for trec_eval, .run.",
)
@click.option("--top", type=click.IntRange(1), default=100, show_default=True, help="How many to export.")
@click.option("--qrels", type=Written(), help="Write the answers as qrels, for trec_eval.")
@click.option(
    "--scores",
    type=Read(),
    help="Another method's scores of the candidates, as exported: fuse them (needs --answers of some patches).",
)
@reading_options
@range_option
@evidence_option
@threads_option
@memory_option
@json_option
@dry_run_option
@quiet_option
def command(
    images: str,
    patches: str,
    answers: str | None,
    xy_order: str,
    scores: str | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Rank all IMAGES, or with --stride their windows, for every patch of PATCHES, each by its best place.

    With --answers: the official score of the first, the share of patches with their image (or window) among the first
    1, 5, 10 and 100, mean reciprocal rank and mAP, with 95 % intervals. With --scores a learned method's scores are
    fused as calibrated log-likelihood ratios, and kept out where fusing does not pay; the column "other" is their order
    of the candidates, each at matcher's own place in it.
    """
    from matcher.formats.outputs import check_ending
    from matcher.formats.submission import images_that_are_not_there
    from matcher.ranking.files import SUFFIXES, read_ranking
    from matcher.ranking.trec import write_qrels
    from matcher.scoring.judge import check_grid, load_answers

    files = gathered(_Files, options)
    inputs = _Inputs(images, patches, Settings(**{name: options.pop(name) for name in _settings(options)}))
    _check_wanted(answers, scores, files.qrels, files.output or files.export or dry_run)
    if files.export is not None:
        check_ending(files.export, "rankings", SUFFIXES)
    truth = None if answers is None else load_answers(answers, xy_order)
    theirs = None if scores is None else read_ranking(scores)
    if truth is not None and options["ranked"] is None:
        _check_answers(str(answers), truth, inputs, options["stride"], fused=theirs is not None)
    if dry_run:
        _tell(inputs, options, files.named())
        return
    if truth is not None:
        if theirs is not None and options["ranked"] is None:
            _check_scores(str(scores), theirs, inputs, options["stride"])
        told = images_that_are_not_there(truth[0], inputs.open_images())
        if told is not None:
            click.echo(f"matcher: warning: {answers}: {told}", err=True)
    ranking = _ranking(inputs, **options)
    if files.output is not None and not ranking.placed:
        raise MatcherError(f"{files.output}: a submission needs places, and the ranking says none")
    if truth is None:
        files.write(ranking, options["top"])
        return
    check_grid(str(options["ranked"]), ranking)
    try:
        judged = _judged(ranking, truth, theirs, scores)
    except MatcherError:
        if options["ranked"] is None:  # what was worked for is kept, whatever the answers are worth
            files.write(ranking, options["top"])
        raise
    files.write(judged.ranking, options["top"])
    if files.qrels is not None:
        write_qrels(truth[0], files.qrels, judged.ranking)
    emit(judged.text, judged.data, files.json_to, judged.notes)


def _settings(options: dict[str, Any]) -> list[str]:
    """Which of the options are fields of the settings."""
    return [field.name for field in fields(Settings) if field.name in options]


@dataclass(frozen=True)
class _Inputs:
    """What is ranked, and for what, opened as the settings say."""

    images: str
    patches: str
    settings: Settings

    def open_images(self) -> "Source":
        """The images."""
        from matcher.formats.opening import open_images

        asked = self.settings
        return open_images(self.images, shape=asked.image_shape, bands=asked.bands, dtype=asked.dtype)

    def open_patches(self) -> "Source":
        """The patches."""
        from matcher.formats.opening import open_patches

        asked = self.settings
        return open_patches(self.patches, shape=asked.patch_shape, bands=asked.bands, dtype=asked.dtype)


@dataclass(frozen=True)
class _Files:
    """What is written, by the names of the command's options: submission, ranking, qrels, and scores as JSON."""

    output: str | None
    export: str | None
    qrels: str | None
    json_to: str | None

    def named(self) -> list[str]:
        """The files beside the scores."""
        return [path for path in (self.output, self.export, self.qrels) if path is not None]

    def write(self, ranking: "Ranking", top: int) -> None:
        """Write the first candidates, and the first of each patch."""
        from matcher.formats.submission import write_submission
        from matcher.ranking.files import write_ranking

        if self.export is not None:
            write_ranking(ranking, self.export, top)
        if self.output is not None:
            write_submission(self.output, ranking.placements())


@dataclass(frozen=True)
class _Judgement:
    """What a ranking is worth, as it is told, and the ranking to use: the fused one where that pays."""

    ranking: "Ranking"
    text: str
    data: dict[str, Any]
    notes: list[str]


def _check_wanted(answers: str | None, scores: str | None, qrels: str | None, writes: Any) -> None:
    if answers is None and (scores is not None or qrels is not None):
        name, why = (
            ("--scores", "fusion is calibrated on") if scores is not None else ("--qrels", "it writes")
        )
        raise SettingsError(f"{name}: {why} answers of some patches: give --answers")
    if answers is None and not writes:
        raise SettingsError("nothing to do: give --answers, --output or --export")


def _check_answers(
    name: str, truth: "tuple[Placements, bool]", inputs: _Inputs, stride: int | None, *, fused: bool
) -> None:
    """Raise where answers cannot judge the ranking that is to be made."""
    import numpy as np

    placements, places = truth
    known = np.isin(placements.ids, inputs.open_patches().ids)
    if not known.any():
        raise MatcherError(
            f"{name}: has no answer of any patch of {inputs.patches}: give the answers that belong to them"
        )
    if stride is not None and not places:
        raise MatcherError(f"{name}: says images alone; with --stride give answers that say places")
    if fused and len(np.unique(placements.image[known])) < 2:
        raise MatcherError(
            f"{name}: --scores are fused by answers of two images or more, and these are of one"
        )


def _check_scores(name: str, theirs: "Ranking", inputs: _Inputs, stride: int | None) -> None:
    """Raise where another method's scores cannot belong to the ranking that is to be made."""
    import numpy as np

    noun = "image" if stride is None else "window"
    if theirs.noun != noun:
        raise MatcherError(f"{name}: ranks {theirs.noun}s, and the ranking {noun}s: give the same of both")
    missing = np.setdiff1d(inputs.open_patches().ids, theirs.ids)
    if len(missing):
        raise MatcherError(f"{name}: has no scores of patch {missing[0]}")


def _tell(inputs: _Inputs, options: dict[str, Any], outputs: list[str]) -> None:
    """Say what would be done."""
    counts = len(inputs.open_images()), len(inputs.open_patches())
    for name, count, noun in zip((inputs.images, inputs.patches), counts, ("images", "patches"), strict=True):
        click.echo(f"{name}: {counted(count, noun)}")
    what = "images" if options["stride"] is None else f"windows at every {options['stride']} px"
    if options["ranked"] is None:
        click.echo(
            f"would rank {what}: {counts[0] * counts[1]:,} pairs of a patch and an image, at every pixel"
        )
    else:
        click.echo(f"would read the ranking {options['ranked']}")
    for path in outputs:
        click.echo(f"would write {path}")


def _ranking(inputs: _Inputs, ranked: str | None, stride: int | None, top: int, quiet: bool) -> "Ranking":
    """The ranking, made or read."""
    from matcher.ranking.files import read_ranking
    from matcher.ranking.run import retrieve

    if ranked is None:
        with reporting(quiet) as progress:
            return retrieve(
                inputs.images, inputs.patches, inputs.settings, stride=stride, keep=top, progress=progress
            )
    ranking = read_ranking(ranked)
    found = None if ranking.grid is None else ranking.grid.stride
    if stride is not None and stride != found:
        raise SettingsError(f"{ranked}: does not rank windows at every {stride} px, as --stride says")
    _check_ids(ranked, ranking, inputs)
    return ranking


def _check_ids(name: str, ranking: "Ranking", inputs: _Inputs) -> None:
    """Raise where a ranking names a patch or an image that is not there."""
    import numpy as np

    for noun, source, ids in (
        ("patch", inputs.open_patches(), ranking.ids),
        ("image", inputs.open_images(), ranking.image[ranking.image >= 0]),
    ):
        strange = np.setdiff1d(ids, source.ids)
        if len(strange):
            raise MatcherError(f"{name}: ranks {noun} {strange[0]}, which {source.name} does not have")


def _judged(
    ranking: "Ranking",
    truth: "tuple[Placements, bool]",
    theirs: "Ranking | None",
    scores: str | None,
) -> _Judgement:
    """What a ranking is worth, and beside it what fusing gives."""
    from matcher.ranking.files import aligned
    from matcher.ranking.fusion import fuse
    from matcher.scoring.comparison import compare_judged
    from matcher.scoring.judge import judge
    from matcher.scoring.summary import summarise

    if theirs is None:
        score = summarise(judge(ranking, *truth), None, 2000, 0)
        return _Judgement(ranking, str(score), score.to_dict(), score.notes())
    other = aligned(theirs, ranking, str(scores))
    fusion = fuse(ranking, other, truth[0])
    three = {"matcher": ranking, "other": ranking.with_scores(other), "fused": fusion.fused}
    judged = {name: judge(one, *truth) for name, one in three.items()}
    remarks = (*judged["other"].remarks, *([_OTHER] if ranking.placed else []))
    judged["other"] = replace(judged["other"], remarks=remarks)
    comparison = compare_judged(judged)
    data = comparison.to_dict() | {"fusion": fusion.to_dict()}
    return _Judgement(fusion.ranking, f"{comparison}\n\n{fusion}", data, comparison.notes())
