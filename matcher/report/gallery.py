"""A picture of matches: patch, found window and true window side by side, as a PNG."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from matcher.formats.files import atomic_write
from matcher.formats.thumbs import stretch

ZOOM = 168  # px a side of a picture as shown
_GAP = 10
_PAD = 14
_LINE = 19
_TITLE = 26
_CARD_WIDTH = 3 * ZOOM + 2 * _GAP + 2 * _PAD
_CARD_HEIGHT = _PAD + _TITLE + ZOOM + 2 * _LINE + _PAD
_PAPER, _CARD, _INK, _SOFT = "#eef1f4", "#ffffff", "#1c2733", "#5b6875"
_GOOD, _BAD = "#16794a", "#b3261e"


@dataclass(frozen=True)
class GalleryCard:
    """One match: three pictures with two lines below each.

    Attributes
    ----------
    title : str
    good : bool
        Whether the answer is right: the colour of the title.
    pictures : tuple of 3 ndarray (height, width, bands)
        Patch, found window, true window; the first three bands are shown as red, green and blue.
    captions : tuple of 3 (str, str)
    """

    title: str
    good: bool
    pictures: tuple[NDArray, NDArray, NDArray]
    captions: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]


def draw_gallery(
    path: str | os.PathLike[str], title: str, sections: Mapping[str, Sequence[GalleryCard]], columns: int = 2
) -> None:
    """Write the picture; sections without a card are left out.

    Raises
    ------
    MatcherError
        If the file cannot be written.
    """
    shown = {name: cards for name, cards in sections.items() if cards}
    rows = sum(-(-len(cards) // columns) for cards in shown.values())
    width = columns * (_CARD_WIDTH + _PAD) + _PAD
    height = 60 + len(shown) * 40 + rows * (_CARD_HEIGHT + _PAD)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_PAD + 2, 18), title, _INK, _font(24))
    top = 60
    for name, cards in shown.items():
        draw.text((_PAD + 2, top + 8), name, _GOOD if cards[0].good else _BAD, _font(20))
        top += 40
        for k, card in enumerate(cards):
            left = _PAD + (k % columns) * (_CARD_WIDTH + _PAD)
            _draw_card(sheet, draw, card, left, top + (k // columns) * (_CARD_HEIGHT + _PAD))
        top += -(-len(cards) // columns) * (_CARD_HEIGHT + _PAD)
    with atomic_write(path) as file:
        sheet.save(file, "PNG", optimize=True)


def _draw_card(sheet: Image.Image, draw: ImageDraw.ImageDraw, card: GalleryCard, left: int, top: int) -> None:
    box = (left, top, left + _CARD_WIDTH - 1, top + _CARD_HEIGHT - 1)
    draw.rounded_rectangle(box, 8, _CARD, _GOOD if card.good else _BAD)
    draw.text((left + _PAD, top + _PAD - 4), card.title, _GOOD if card.good else _BAD, _font(17))
    top += _PAD + _TITLE
    for k, (picture, lines) in enumerate(zip(card.pictures, card.captions, strict=True)):
        at = left + _PAD + k * (ZOOM + _GAP)
        scaled = Image.fromarray(stretch(picture)).resize((ZOOM, ZOOM), Image.Resampling.BICUBIC)
        sheet.paste(scaled, (at, top))
        draw.text((at, top + ZOOM + 5), lines[0], _INK, _font(15))
        draw.text((at, top + ZOOM + 5 + _LINE), lines[1], _SOFT, _font(14))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
