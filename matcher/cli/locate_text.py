"""What ``matcher locate`` shows people: the table of places, and the plan of a dry run."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matcher.geo.place import Place, records
from matcher.words import counted, lined_up

if TYPE_CHECKING:
    from matcher.locating.plan import LocatePlan
    from matcher.locating.variants import Search

_HEADER = ("chip", "scene", "row", "col", "lon", "lat", "scale", "confidence", "reason")
_INDEX_BYTES = 5.0  # a pixel searched: what the coarse-to-fine search keeps of the scenes
# Seconds of a core of an AMD EPYC with AVX-512, of 1 to 100 chips of 64 and 96 px in scenes of 600 and 4,000 px a side.
_START = 1.0  # until the kernels are there
_CHIP = 0.05  # that few are in doubt
_PIXEL = 0.09e-6  # read and coded


def table(places: Sequence[Place]) -> str:
    """A line a place: where, how sure, and why not where a chip was refused."""
    rows: list[tuple[str, ...]] = [_HEADER]
    for place, record in zip(places, records(places), strict=True):
        name = os.path.basename(place.chip.rstrip("/")) if place.rank < 2 else ""
        if place.rank == 0:
            refused = "in none of these scenes"
            why = place.reason or "less sure than asked for"
            rows.append((name, refused, "", "", "", "", "", _spell(place.confidence), why))
            continue
        scale = f"{place.scale:.4g}" + (f" turned {place.rotation:g}°" if place.rotation else "")
        degrees = [f"{record[key]:.6f}" if record[key] is not None else "" for key in ("lon", "lat")]
        scene = os.path.basename(place.scene.rstrip("/"))
        corner = f"{place.row:.1f}", f"{place.col:.1f}"
        rows.append((name, scene, *corner, *degrees, scale, _spell(place.confidence), place.reason))
    return f"{lined_up(rows, (0, 1, len(_HEADER) - 1))}\n\n{summary(places)}"


def _spell(confidence: float) -> str:
    """To three digits; only 1 itself is shown as 1.000, since anything less is refused by ``--min-confidence 1``."""
    return f"{confidence if confidence >= 1 else min(confidence, 0.999):.3f}"


def summary(places: Sequence[Place]) -> str:
    """How many chips were found, of how many of them that is in doubt, and how many are in none of the scenes."""
    from matcher.decision.reasons import IN_DOUBT

    best = [place for place in places if place.rank < 2]
    found = [place for place in best if place.rank]
    doubtful = sum(place.confidence < IN_DOUBT for place in found)
    return (
        f"{len(found)} of {len(best)} chips found, {doubtful} of them doubtful (below {IN_DOUBT}); "
        f"{len(best) - len(found)} in none of these scenes"
    )


def dry(planned: "LocatePlan", outputs: Sequence[str]) -> str:
    """What a run would read, search, hold and write."""
    from matcher.matching.estimate import slowness
    from matcher.threads import usable_cores

    lines = [f"{counted(len(planned.chips), 'chips')}, {counted(len(planned.scenes), 'scenes')}:"]
    for source, what in ((planned.chips, "chip"), (planned.scenes, "scene")):
        for raster in source.rasters:
            bands = ",".join(band.name or "?" for band in raster.bands)
            crs = raster.georef.crs if raster.georef else "no CRS"
            lines.append(
                f"  {what}  {raster.name}  {raster.height} x {raster.width} px  {bands}  {raster.dtype}  {crs}"
            )
    pixels = coded = held = 0.0
    for search in planned.searches:
        size = sum(piece.height * piece.width for piece in search.tiles.pieces)
        high, wide = search.tiles.side
        stored = _stored(planned, search)
        when = "" if search.variants[0].first else ", for chips still in doubt"
        lines.append(
            f"search of {counted(len(search.variants), 'chips')} of {high} x {wide} px in "
            f"{counted(len(search.tiles), 'pieces')}{when}"
            f"{', whose codes the index has' if stored else ''}"
        )
        held = max(held, 0 if stored else size * _INDEX_BYTES)
        pixels += size if search.variants[0].first else 0
        coded += size if search.variants[0].first and not stored else 0
    cores = planned.settings.threads or usable_cores()
    seconds = _START + (len(planned.chips) * _CHIP + coded * _PIXEL) * slowness() / cores
    lines.append(f"{planned.pairs:,} pairs of chip and piece, {_millions(pixels)} million pixels")
    lines.append(
        f"about {held / 2**30 + 0.6:.1f} GiB of memory and {seconds:,.0f} s on {cores} core{'s' * (cores > 1)}"
    )
    lines += [f"would write {path}" for path in outputs] or ["would write nothing: see --output"]
    return "\n".join(lines)


def _millions(pixels: float) -> str:
    """So many millions, to a tenth where they are few."""
    millions = pixels / 1e6
    return f"{millions:,.0f}" if millions >= 10 else f"{max(millions, 0.1):.1f}"


def _stored(planned: "LocatePlan", search: "Search") -> bool:
    """Whether the codes that a search needs are those of an index."""
    index = planned.stored
    return index is not None and index.of_tiles(search.tiles, search.bands or index.bands) is not None
