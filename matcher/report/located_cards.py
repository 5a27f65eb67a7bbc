"""One card a chip on the page of chips found in scenes: its pictures, its surroundings, and where its places are."""

import html
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from matcher.decision.reasons import IN_DOUBT
from matcher.formats.gather import common_bands
from matcher.formats.raster import RasterSource
from matcher.formats.thumbs import colours, pack
from matcher.geo.place import Place, records
from matcher.imagery import open_pictures
from matcher.report.surroundings import (
    CHIP_SIDE,
    WIDE_SIDE,
    Cutout,
    Picture,
    around,
    chip_pictures,
    corners,
    read_small,
    seen_as_chip,
)
from matcher.settings import Settings

RIVALS = 3  # places of a chip that the page shows, the best among them
_BUDGET, _WIDE_BUDGET = 3_000_000, 4_000_000  # bytes of pictures of chips, and of their surroundings
_WORDS = {
    "nodata": "a quarter of it and more holds no data",
    "saturated": "half of it is at the ceiling of the sensor: cloud, snow",
    "clouded": "cloud, snow or bright bare ground covers much of it",
    "flat": "no texture above noise, such as open water",
    "ambiguous": "a second place fits nearly as well",
    "stripes": "its edges run one way: waves, rows, a sensor's stripes",
    "weak": "no place stands out from chance",
}


@dataclass
class LocatedCard:
    """One chip: its places, best first, and its pictures.

    `chip`, `found` and `wide` are numbers of pictures; `box` is the part of the scene that `wide` shows.
    """

    number: int
    places: list[Place]
    chip: int = -1
    found: list[int] = field(default_factory=list)
    wide: int = -1
    box: Cutout | None = None

    @property
    def best(self) -> Place:
        """The best place, or that there is none."""
        return self.places[0]

    @property
    def level(self) -> str:
        """``none`` where it was refused, else how sure it is: ``sure``, ``fair`` or ``poor``."""
        if not self.best.rank:
            return "none"
        sure = self.best.confidence
        return "sure" if sure >= IN_DOUBT else "fair" if sure >= 0.5 else "poor"


def draw(
    cards: Sequence[LocatedCard],
    chips: RasterSource,
    scenes: RasterSource,
    settings: Settings,
    ranges: tuple[str, str] | None,
    false_colour: bool,
) -> tuple[list[str], list[str]]:
    """Pictures of some cards as base64, those of chips and those of their surroundings; cards are told which."""
    small: list[Picture] = []
    wide: list[Picture] = []
    at = {raster.name: k for k, raster in enumerate(scenes.rasters)}
    for some, patches, images in _by_bands(cards, chips, scenes):
        shown, own = open_pictures(images, patches, settings.value_range, ranges)
        for n, card in enumerate(some):
            found = [place for place in card.places[:RIVALS] if place.rank]
            seen = [seen_as_chip(shown, at[place.scene], place) for place in found]
            card.chip, card.found = len(small), [len(small) + 1 + k for k in range(len(found))]
            small += chip_pictures(own[n], seen, false_colour)
            if found:
                scene = at[found[0].scene]
                card.box, card.wide = around(found[0], shown.shape(scene)), len(wide)
                wide.append(colours(read_small(shown, scene, card.box, WIDE_SIDE)[0], false_colour))
    return pack(small, _BUDGET, CHIP_SIDE), pack(wide, _WIDE_BUDGET, WIDE_SIDE)


def _by_bands(
    cards: Sequence[LocatedCard], chips: RasterSource, scenes: RasterSource
) -> Iterator[tuple[list[LocatedCard], RasterSource, RasterSource]]:
    """Cards whose chips have the same bands, their chips in order, and the scenes, with the bands that both have."""
    kinds: dict[tuple[str | None, ...], list[LocatedCard]] = {}
    for card in cards:
        kinds.setdefault(chips.rasters[card.number].names, []).append(card)
    for some in kinds.values():
        patches, images, _ = common_bands(chips.subset([card.number for card in some]), scenes)
        yield some, patches, images


def write_card(card: LocatedCard, small: Sequence[str], wide: Sequence[str]) -> str:
    """The card as HTML, with the pictures that `draw` made."""
    best = card.best
    name = html.escape(base(best.chip))
    head = f"{spell_sure(best.confidence)}" if best.rank else "in none of these scenes"
    figures = _figures(card, small) if card.chip >= 0 else "<p class='hint'>no picture: see About</p>"
    around_it = _surroundings(card, wide) if card.wide >= 0 else ""
    why = best.reason and f"<p class='hint'>{best.reason}: {_WORDS.get(best.reason, best.reason)}</p>"
    return (
        f"<article class='card located {card.level}' id='chip-{card.number}' tabindex='-1' "
        f"data-level='{card.level}' data-sure='{best.confidence:.6f}' aria-label='chip {name}'>"
        f"<div class='line'><h3>{name}</h3><span>{head}</span></div>{why}"
        f"<div class='sides'><div><div class='trio'>{figures}</div>{_table(card)}</div>{around_it}</div></article>"
    )


def spell_sure(confidence: float) -> str:
    """To three places, and 1.000 for 1 alone."""
    return f"confidence {confidence if confidence >= 1 else min(confidence, 0.999):.3f}"


def _figures(card: LocatedCard, small: Sequence[str]) -> str:
    """The chip, the ground found, and the rivals."""
    height, width = card.best.size
    name = html.escape(base(card.best.chip))
    out = []
    for k, number in enumerate([card.chip, *card.found]):
        what = "chip" if k == 0 else "found" if k == 1 else f"rival {k}"
        out.append(
            f"<figure><div class='pic' style='--shape:{width}/{height}'><img loading='lazy' alt='{what} of {name}' "
            f"src='data:image/webp;base64,{small[number]}'></div><figcaption>{what}</figcaption></figure>"
        )
    return "".join(out)


def _surroundings(card: LocatedCard, wide: Sequence[str]) -> str:
    """The scene about the place, with its outline and those of rivals that lie there."""
    box = card.box
    assert box is not None
    frames = []
    for place in reversed(card.places[:RIVALS]):
        if place.scene != card.best.scene:
            continue
        ring = " ".join(f"{x - box.col:.1f},{y - box.row:.1f}" for x, y in corners(place))
        kind = "place" if place.rank == 1 else "rival"
        frames.append(f"<polygon points='{ring}' class='{kind}'><title>{_where(place)}</title></polygon>")
    title = html.escape(f"{base(card.best.chip)} in {base(card.best.scene)}")
    return (
        f"<figure class='wide'><svg viewBox='0 0 {box.width} {box.height}' role='img' aria-label='{title}'>"
        f"<image href='data:image/webp;base64,{wide[card.wide]}' width='{box.width}' height='{box.height}' "
        f"preserveAspectRatio='none'/>{''.join(frames)}</svg><figcaption>surroundings: {_where(card.best)}"
        "</figcaption></figure>"
    )


def _where(place: Place) -> str:
    return html.escape(f"{base(place.scene)}, row {place.row:.1f}, col {place.col:.1f}")


def _table(card: LocatedCard) -> str:
    found = [place for place in card.places[:RIVALS] if place.rank]
    if not found:
        return ""
    rows = []
    for place, record in zip(found, records(found), strict=True):
        spot = [f"{record[key]:.6f}" if record[key] is not None else "" for key in ("lon", "lat")]
        turned = f" turned {place.rotation:g}°" if place.rotation else ""
        cells = [
            "found" if place.rank == 1 else f"rival {place.rank}", html.escape(base(place.scene)), f"{place.row:.1f}",
            f"{place.col:.1f}", *spot, f"{place.scale:.4g}{turned}",
            f"{place.score:.1f}" if math.isfinite(place.score) else "", spell_sure(place.confidence).split()[1],
        ]  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = ("place", "scene", "row", "col", "lon", "lat", "scale", "score", "confidence")
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='places of {html.escape(base(card.best.chip))}'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def base(name: str) -> str:
    """A file or folder without what it lies in."""
    return os.path.basename(name.rstrip("/")) or name
