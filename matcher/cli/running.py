"""The options of a batch run, and how they reach `matcher.runs`."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from matcher.cli.options import add_options, skip_bad_option
from matcher.cli.paths import Read, RunDir

if TYPE_CHECKING:
    from matcher.cli.progress import Progress
    from matcher.runs import Batch, Outcome

F = TypeVar("F", bound=Callable[..., Any])


class PartType(click.ParamType):
    """``I/N`` as two numbers, I from 1 to N."""

    name = "part"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", value.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is not I/N with I from 1 to N, such as 3/8", param, ctx)
        return int(found[1]), int(found[2])


_RUN_OPTIONS = (
    click.option(
        "--run-dir",
        type=RunDir(file_okay=False),
        metavar="DIR",
        help="Work shard by shard in DIR; the same command goes on where it stopped.",
    ),
    click.option(
        "--shard-size",
        type=click.IntRange(1),
        default=1000,
        show_default=True,
        help="Patches of a shard: what is lost at most when a run is stopped.",
    ),
    click.option(
        "--shard",
        "part",
        type=PartType(),
        metavar="I/N",
        help="Match the I-th of N parts only; join by merge.",
    ),
    skip_bad_option,
    click.option(
        "--ids",
        type=Read(),
        metavar="FILE",
        help="Ids that must be answered, one a row; a placeholder if need be.",
    ),
    click.option(
        "--workers", type=click.IntRange(1), metavar="N", help="Worker processes of one thread each."
    ),
    click.option(
        "--scheduler", metavar="ADDRESS", help="A Dask scheduler whose workers do the shards (extra dask)."
    ),
    click.option(
        "--image-shards",
        type=click.IntRange(1),
        metavar="N",
        help="With --scheduler: cut the images' codes into N parts too, each searched by the workers that hold it.",
    ),
    click.option(
        "--patience",
        type=click.FloatRange(0, min_open=True),
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        help="Without progress for so long, a worker is taken for hung.",
    ),
)


def run_options(function: F) -> F:
    """Add the options of a batch run; the command hands them to `perform`."""
    return add_options(function, _RUN_OPTIONS)


def perform(
    images: str, patches: str, settings: dict[str, Any], options: dict[str, Any], progress: "Progress"
) -> "Outcome":
    """The run that the options ask for."""
    from matcher.runs import run, run_at_once
    from matcher.runs.signals import terminable
    from matcher.settings import Settings

    batch, chosen = make_batch(options), Settings(**settings)
    with terminable():
        if options["run_dir"] is None:
            return run_at_once(images, patches, chosen, batch, progress)
        return run(
            images,
            patches,
            options["run_dir"],
            chosen,
            batch=batch,
            engine=_engine(options),
            progress=progress,
        )


def make_batch(options: dict[str, Any]) -> "Batch":
    """How the options cut a run, and what it does with bad records."""
    from matcher.formats.columns import read_ids
    from matcher.runs import Batch

    ids = options["ids"]
    return Batch(
        shard_size=options["shard_size"],
        part=options["part"] or (1, 1),
        skip_bad=options["skip_bad"],
        must_answer=None if ids is None else read_ids(ids),
    )


def check_run_options(options: dict[str, Any], output: str | None, dry_run: bool = False) -> None:
    """Usage errors (exit code 2) of options that need others."""
    if options["run_dir"] is None:
        for name in ("workers", "scheduler", "part"):
            if options[name] is not None:
                spelled = "--shard" if name == "part" else f"--{name}"
                raise click.UsageError(f"{spelled} works in a run directory: give --run-dir")
        if output is None and not dry_run:
            raise click.UsageError("nowhere to write to: give -o, --run-dir or both")
    if options["image_shards"] is not None and options["scheduler"] is None:
        raise click.UsageError("--image-shards are for the workers of a Dask cluster: give --scheduler")
    if (options["image_shards"] or 1) > 1 and options["search"] != "pyramid":
        raise click.UsageError("--image-shards cut the images' codes, which --search exhaustive has none of")
    if options["workers"] is not None and options["scheduler"] is not None:
        raise click.UsageError("--workers and --scheduler exclude each other")


def _engine(options: dict[str, Any]) -> Any:
    if options["scheduler"] is not None:
        from matcher.runs.cluster import DaskCluster

        return DaskCluster(options["scheduler"], options["patience"], options["image_shards"] or 1)
    if options["workers"] is not None:
        from matcher.runs.workers import LocalWorkers

        return LocalWorkers(options["workers"], options["patience"])
    return None
