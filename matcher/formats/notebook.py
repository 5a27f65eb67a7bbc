"""Tables with pictures as notebooks show them (``_repr_html_``): HTML that needs nothing beside itself."""

import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.formats.base import Source, Windowed
from matcher.formats.thumbs import alike, colours, webp

ROWS = 12  # of a table that is shown
_SIDE = 96  # px of a picture
_CELL = "style='text-align:left;padding:2px 8px'"


class Shown(str):
    """Text that is HTML already."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], note: str) -> str:
    """A table and a line of text above it; cells are escaped but for `Shown`."""
    head = "".join(f"<th {_CELL}>{html.escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td {_CELL}>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<p>{html.escape(note)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: object) -> str:
    return cell if isinstance(cell, Shown) else html.escape(str(cell))


def pictures(arrays: Sequence[NDArray], names: Sequence[str]) -> list[Shown]:
    """Pictures (height, width, bands) as images, brightened alike where they hold the same kind of numbers."""
    same = len({array.dtype for array in arrays}) == 1
    shown = alike(arrays, False) if same else [colours(array, False) for array in arrays]
    return [
        Shown(
            f"<img alt='{html.escape(name)}' width='{_SIDE}' src='data:image/webp;base64,{webp(rgb, _SIDE, 75)}'>"
        )
        for rgb, name in zip(shown, names, strict=True)
    ]


def window(source: Source, index: int, corner: tuple[int, int], size: tuple[int, int]) -> NDArray | None:
    """A part of a picture, its top-left pixel (y, x), its height and width; None where it leaves the picture."""
    (y, x), (height, width) = corner, size
    high, wide, _ = source.shape(index)
    if not (0 <= y <= high - height and 0 <= x <= wide - width):
        return None
    if isinstance(source, Windowed):
        return source.read(index, y, x, height, width)
    return np.asarray(source[index][y : y + height, x : x + width])
