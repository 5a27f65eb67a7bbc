"""``matcher retrieve``: all images ranked for every patch."""

from typing import Any

import click

from matcher.cli.options import Names, Size, quiet_option, spell_size
from matcher.cli.output import emit, json_option, xy_order_option
from matcher.cli.progress import reporting
from matcher.settings import EVIDENCE, LEAST_MEMORY, RANGES, Settings, known_evidence


@click.command("retrieve")
@click.argument("images", type=click.Path())
@click.argument("patches", type=click.Path())
@click.option("--answers", type=click.Path(), help="Print what the ranking is worth against these.")
@xy_order_option
@click.option(
    "--stride", type=click.IntRange(1), help="Rank windows at every so many pixels.  [default: whole images]"
)
@click.option("-o", "--output", type=click.Path(), help="Write the first of each patch as a submission.")
@click.option(
    "--export", type=click.Path(), help="Write the first candidates to .npz or .parquet (extra research)."
)
@click.option("--top", type=click.IntRange(1), default=100, show_default=True, help="How many to export.")
@click.option(
    "--scores",
    type=click.Path(),
    help="Another method's scores of the candidates, as exported: fuse them (needs --answers of some patches).",
)
@click.option("--bands", type=Names(), metavar="A,B,…", help="Names of the bands in order.")
@click.option("--range", "value_range", type=click.Choice(RANGES), default="auto", show_default=True)
@click.option(
    "--evidence",
    type=Names(tuple(EVIDENCE), known_evidence),
    metavar="A,B,…",
    default=",".join(Settings.evidence),
    show_default=True,
)
@click.option("--threads", type=click.IntRange(1), help="Cores to use.  [default: all]")
@click.option("--memory", type=Size(LEAST_MEMORY), default=spell_size(Settings.memory), show_default=True)
@json_option
@quiet_option
def command(
    images: str,
    patches: str,
    answers: str | None,
    xy_order: str,
    stride: int | None,
    output: str | None,
    export: str | None,
    top: int,
    scores: str | None,
    json_to: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Rank all IMAGES, or with --stride their windows, for every patch of PATCHES, each by its best place.

    With --answers: the share of patches with their image (or window) among the first k, mean reciprocal rank and mAP,
    beside the official score. With --scores a learned method's scores are fused as calibrated log-likelihood ratios.
    """
    from matcher.errors import SettingsError
    from matcher.formats.files import check_outputs
    from matcher.formats.submission import read_submission
    from matcher.ranking.fusion import fuse, read_scores
    from matcher.ranking.rankings import check_suffix, worth, worth_text
    from matcher.ranking.run import retrieve
    from matcher.scoring import score

    given = [images, patches, *(path for path in (answers, scores) if path is not None)]
    check_outputs([output, export, None if json_to == "-" else json_to], given)
    if answers is None and scores is not None:
        raise SettingsError("--scores: fusion is calibrated on answers of some patches: give --answers")
    if answers is None and output is None and export is None:
        raise SettingsError("nothing to do: give --answers, --output or --export")
    if export is not None:
        check_suffix(export)
    truth = None if answers is None else read_submission(answers, xy_order=xy_order)
    with reporting(quiet) as progress:
        ranking = retrieve(images, patches, Settings(**options), stride=stride, keep=top, progress=progress)
    if truth is not None:
        bits = None
        worths = {"matcher": worth(ranking, truth)}
        if scores is not None:
            fusion = fuse(ranking, read_scores(scores, ranking), truth)
            ranking, worths, bits = fusion.ranking, fusion.worths, fusion.bits
        what = "image" if stride is None else "window"
        official = score(ranking.placements(), truth)
        data = {name: w.to_dict() for name, w in worths.items()}
        table = (
            f"{worth_text(worths, bits, what)}\nofficial score of the first: {official.value('total'):.4f}"
        )
        emit(table, data | {"bits": bits, "official": official.value("total")}, json_to, official.notes())
    if export is not None:
        ranking.save(export, top)
    if output is not None:
        from matcher.formats.submission import write_submission

        write_submission(output, ranking.placements())
