"""One self-contained HTML page on chips found in scenes: each in its surroundings, its rivals, and all on a map."""

import html
import os
from collections.abc import Sequence
from importlib import resources

import numpy as np

from matcher.decision.reasons import IN_DOUBT
from matcher.formats.files import atomic_write
from matcher.formats.raster import RasterSource
from matcher.geo.place import Place
from matcher.report.about import Pairs, made_with, shown_as
from matcher.report.ground_map import Mark, draw_map
from matcher.report.located_cards import LocatedCard, base, draw, spell_sure, write_card
from matcher.report.page import choose
from matcher.settings import Settings

GALLERY = 400  # chips with pictures


def write_located(
    path: str | os.PathLike[str],
    places: Sequence[Place],
    chips: RasterSource,
    scenes: RasterSource,
    *,
    settings: Settings | None = None,
    ranges: tuple[str, str] | None = None,
    false_colour: bool = False,
) -> int:
    """Write the page; it needs nothing beside itself, and no network.

    Parameters
    ----------
    path : path
    places : sequence of Place
        What `matcher.locate` handed back; with `candidates` above 1 the page shows rivals.
    chips, scenes : RasterSource
        What was located, and where.
    settings : Settings, optional
        Of the match.
    ranges : (str, str), optional
        What the numbers of scenes and chips are, where that was told before; see `matcher.imagery.tell_ranges`.
    false_colour : bool
        Show near infrared, red and green of four bands.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    MatcherError
        If a picture cannot be read, or the page cannot be written.
    """
    settings = settings or Settings()
    cards = _cards(places, chips)
    with_pictures = choose(np.array([card.best.confidence for card in cards]), GALLERY)
    small, wide = draw(
        [cards[k] for k in sorted(with_pictures.tolist())], chips, scenes, settings, ranges, false_colour
    )
    told: Pairs = [
        ["chips", f"{chips.name} ({len(chips):,})"],
        ["scenes", f"{scenes.name} ({len(scenes):,})"],
        *made_with(None, settings),
        *shown_as(false_colour, len(with_pictures), len(cards)),
    ]
    parts = [
        _tiles(cards, scenes),
        "<section id='map' aria-label='Map'><h2>Map</h2>",
        _map(cards, scenes),
        "</section><section id='gallery' aria-label='Chips' tabindex='-1'><h2>Chips</h2>",
        _bar(),
        "<div id='cards'>",
        *(write_card(card, small, wide) for card in cards),
        "</div></section><section id='about' aria-label='About'><h2>About</h2><dl>",
        *(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in told),
        "</dl></section>",
    ]
    page = _page(f"{chips.name} in {scenes.name}", "".join(parts))
    with atomic_write(path, "w") as file:
        file.write(page)
    return len(page.encode())


def _page(title: str, body: str) -> str:
    folder = resources.files("matcher.report")
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "located.js").read_text(encoding="utf-8")
    title = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head><body><a class='skip' href='#gallery'>Skip to the chips</a>"
        f"<header><h1>{title}</h1><nav aria-label='Parts of the page'><a href='#map'>Map</a> "
        f"<a href='#gallery'>Chips</a> <a href='#about'>About</a></nav></header><main>{body}</main>"
        f"<script>{script}</script></body></html>"
    )


def _cards(places: Sequence[Place], chips: RasterSource) -> list[LocatedCard]:
    """A card a chip, in the chips' order, its places best first."""
    number = {raster.name: k for k, raster in enumerate(chips.rasters)}
    cards: dict[int, LocatedCard] = {}
    for place in places:
        k = number[place.chip]
        cards.setdefault(k, LocatedCard(k, [])).places.append(place)
    return [cards[k] for k in sorted(cards)]


def _tiles(cards: Sequence[LocatedCard], scenes: RasterSource) -> str:
    levels = [card.level for card in cards]
    found = len(levels) - levels.count("none")
    tiles = [
        (f"{found} of {len(cards)}", "chips found"),
        (str(levels.count("sure")), f"sure ({IN_DOUBT} and above)"),
        (str(found - levels.count("sure")), "in doubt"),
        (str(levels.count("none")), "in none of these scenes"),
        (str(len(scenes)), "scenes searched"),
    ]
    cells = "".join(f"<div class='tile'><b>{value}</b><span>{name}</span></div>" for value, name in tiles)
    return f"<section aria-label='Outcome'><div class='tiles'>{cells}</div></section>"


def _map(cards: Sequence[LocatedCard], scenes: RasterSource) -> str:
    frames = [(raster.name, raster.georef) for raster in scenes.rasters if raster.georef is not None]
    grids = [(name, grid) for name, grid in frames if grid is not None]
    marks = [
        Mark(
            card.best,
            f"chip-{card.number}",
            f"{base(card.best.chip)}, {spell_sure(card.best.confidence)}",
            card.level,
        )
        for card in cards
        if card.best.rank and card.best.georef is not None
    ]
    drawing = draw_map(grids, marks) if grids else ""
    if not drawing:
        return "<p class='hint'>The scenes do not say where they lie, so there is no map.</p>"
    return (
        "<p class='hint'>Grey frames are scenes; each circle is a chip and leads to it. "
        f"{_key()}</p><div class='chart ground-map'>{drawing}</div>"
    )


def _key() -> str:
    return (
        f"<span class='key sure'></span> confidence {IN_DOUBT} and above, "
        "<span class='key fair'></span> 0.5 to 0.9, <span class='key poor'></span> below 0.5."
    )


def _bar() -> str:
    shown = {"all": "all", "found": "found", "doubt": "found, in doubt", "none": "in none of the scenes"}
    options = "".join(f"<option value='{value}'>{name}</option>" for value, name in shown.items())
    return (
        f"<form class='bar' id='bar'><label>Show <select id='which'>{options}</select></label>"
        "<label>Sort by <select id='sort'><option value='given'>the chips' order</option>"
        "<option value='sure'>least sure first</option></select></label><output id='count'></output></form>"
        "<p class='hint'>Chip, found and rivals lie as the chip does and are brightened alike. In the surroundings the "
        "solid frame is the place found, dashed ones are rivals nearby. Row and col are those of the chip's top-left "
        "corner in the scene, from the outer corner of its first pixel.</p>"
    )
