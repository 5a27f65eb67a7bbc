"""What ``matcher match --dry-run`` shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matcher.cli.progress import spell_time

if TYPE_CHECKING:
    from matcher.runs.ready import Batch, Ready


def dry(ready: "Ready", batch: "Batch", options: dict[str, Any], outputs: Sequence[str | None]) -> str:
    """What a match would read, search, hold and write.

    Parameters
    ----------
    ready : Ready
        The inputs, opened and checked.
    batch : Batch
    options : dict
        Of the run: `run_dir`, `workers`, `image_shards`.
    outputs : sequence of str or None
    """
    from matcher.matching.estimate import estimate
    from matcher.matching.job import describe
    from matcher.runs.shards import cut

    job = ready.job
    names = job.settings.bands or ()
    auto = ready.detected
    lines = [describe("images", job.targets, names, auto), describe("patches", job.patches, names, auto)]
    shards = list(cut(len(job.patches), batch.shard_size, batch.part))
    patches = sum(map(len, shards))
    told = estimate(job, patches, options["workers"])
    lines.append(
        f"{told.pairs:,} pairs of patch and image, search {job.settings.search}, evidence "
        f"{','.join(job.settings.evidence)}"
    )
    if ready.bad:
        lines.append(f"{len(ready.bad)} records skipped, {len(ready.placeholders)} ids with a placeholder")
    codes = f"codes of the images {told.codes / 2**20:,.1f} MiB, " if told.codes else ""
    if told.stored:
        codes = f"codes of the index {told.stored / 2**20:,.1f} MiB, mapped, {codes}"
    lines.append(f"{codes}about {told.memory / 2**30:.1f} GiB of memory")
    parts = min(options["image_shards"] or 1, len(job.targets))
    if parts > 1:
        each = (told.codes + told.stored) / parts / 2**20
        lines.append(f"{parts} parts of the images for the workers, each of about {each:,.1f} MiB of codes")
    if not told.fits:
        lines.append("the codes do not fit --memory: the match would be refused; raise it, or match in parts")
    lines.append(
        f"roughly {spell_time(told.seconds)} on {told.cores} cores, by the rates of one machine (docs/speed.md)"
    )
    folder = options["run_dir"]
    if folder is not None:
        held = ", which holds a run already" if (Path(folder) / "run.json").exists() else ""
        lines.append(f"would work in {folder}{held}: {len(shards)} shards of {patches:,} patches")
    written = [f"would write {path}" for path in outputs if path is not None]
    if not written and folder is None:
        written = ["would write nothing: see --output"]
    return "\n".join([*lines, *written])
