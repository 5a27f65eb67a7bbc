"""``matcher simulate``: write a challenge of a synthetic Earth, with its answers."""

import click

from matcher.cli.paths import Filled
from matcher.words import counted


@click.command("simulate")
@click.argument("folder", metavar="DIR", type=Filled(file_okay=False))
@click.option("--images", type=click.IntRange(1), required=True, help="How many images (places) to make.")
@click.option(
    "--patches-per-image", type=click.IntRange(1), required=True, help="Patches cut from every place."
)
@click.option("--seed", type=click.IntRange(0), required=True, help="The same seed gives the same bytes.")
@click.option("--size", type=int, default=512, show_default=True, help="Pixels a side of an image.")
@click.option("--patch-side", type=int, default=64, show_default=True, help="Pixels a side of a patch.")
@click.option("--series", is_flag=True, help="Write as many training series too (25 MB each at 512 px).")
@click.option("--threads", type=click.IntRange(1), help="Places made at once; all cores unless given.")
def command(
    folder: str,
    images: int,
    patches_per_image: int,
    seed: int,
    size: int,
    patch_side: int,
    series: bool,
    threads: int | None,
) -> None:
    """Write a challenge of a synthetic Earth to DIR: images, patches, answers.csv and groups.csv."""
    from tqdm import tqdm

    from matcher.simulate import simulate

    with tqdm(total=images * (1 + series), unit="place", disable=None) as bar:
        made = simulate(
            folder,
            images=images,
            patches_per_image=patches_per_image,
            seed=seed,
            size=size,
            patch_side=patch_side,
            series=series,
            threads=threads,
            progress=lambda _what, _done, _total: bar.update(),
        )
    series_note = f", {made.series} training series" if made.series else ""
    numbers = f"{counted(made.images, 'images')}, {counted(made.patches, 'patches')}"
    click.echo(f"{made.folder}: {numbers}{series_note}")
