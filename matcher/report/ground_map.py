"""A drawing of where scenes and chips lie: outlines on longitude and latitude, nothing fetched from a network."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.geo.grid import Grid, Points, degrees
from matcher.geo.place import Place

_WIDE, _HIGH = 720.0, 460.0  # the most that the drawing takes, px
_PAD = 58.0  # px about it, for the numbers
_EDGE = 9  # points along each side of an outline
_STEPS = (1, 2, 5, 10)
_FLAT = 0.05  # cosine of a latitude, at least: near a pole meridians are drawn that far apart


@dataclass(frozen=True)
class Mark:
    """One chip on the map: its place, the link to its card, and how it is told."""

    place: Place
    link: str
    label: str
    level: str


def draw_map(scenes: Sequence[tuple[str, Grid]], marks: Sequence[Mark]) -> str:
    """The drawing as SVG: a frame a scene, a mark a chip that leads to its card, degrees along the sides.

    Parameters
    ----------
    scenes : sequence of (str, Grid)
        Names and grids; at least one.
    marks : sequence of Mark
        Of chips that were found in scenes with a CRS.
    """
    frames = [(name, grid.to_degrees(_ring(grid.shape))) for name, grid in scenes]
    frames = [(name, ring[np.isfinite(ring).all(1)]) for name, ring in frames]
    frames = [(name, ring) for name, ring in frames if len(ring) > 2]
    if not frames:
        return ""
    middle = float(frames[0][1][0, 0])
    rings = [(name, _about(ring, middle)) for name, ring in frames]
    spots = [_about(_of_chip(mark.place), middle) for mark in marks]
    view = _View.of(np.concatenate([ring for _, ring in rings]))
    parts = [_axes(view)]
    for name, ring in rings:
        parts.append(f"<path d='{view.path(ring)}' class='scene'><title>{html.escape(name)}</title></path>")
    for mark, ring in zip(marks, spots, strict=True):
        if not np.isfinite(ring).all():
            continue
        x, y = view.xy(ring).mean(0)
        parts.append(
            f"<a href='#{mark.link}' aria-label='{html.escape(mark.label)}'><path d='{view.path(ring)}' "
            f"class='chip {mark.level}'/><circle cx='{x:.1f}' cy='{y:.1f}' r='5' class='chip {mark.level}'>"
            f"<title>{html.escape(mark.label)}</title></circle></a>"
        )
    width, height = view.size
    return (
        f"<svg viewBox='0 0 {width + _PAD + 12:.0f} {height + _PAD:.0f}' role='group' "
        f"style='max-width:{width + _PAD + 12:.0f}px' "
        f"aria-label='scenes and chips by longitude and latitude'>{''.join(parts)}</svg>"
    )


@dataclass(frozen=True)
class _View:
    """From degrees to the drawing."""

    west: float
    north: float
    east: float
    south: float
    across: float
    down: float

    @classmethod
    def of(cls, points: Points) -> "_View":
        """One that holds some points, with a little room about them."""
        (west, south), (east, north) = points.min(0), points.max(0)
        room = 0.04 * max(east - west, north - south, 1e-6)
        west, east, south, north = west - room, east + room, south - room, north + room
        flat = max(math.cos(math.radians((south + north) / 2)), _FLAT)
        down = min(_WIDE / (east - west) / flat, _HIGH / (north - south))
        return cls(west, north, east, south, down * flat, down)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, px."""
        return (self.east - self.west) * self.across, (self.north - self.south) * self.down

    def xy(self, points: Points) -> NDArray[np.float64]:
        """Degrees as px of the drawing."""
        return (points - (self.west, self.north)) * (self.across, -self.down) + (_PAD, 6)

    def path(self, ring: Points) -> str:
        """A ring as the path of an SVG."""
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in self.xy(ring)) + "Z"


def _ring(shape: tuple[int, int]) -> Points:
    """Columns and rows along the border of a grid."""
    height, width = shape
    t = np.linspace(0, 1, _EDGE)[:-1]
    sides = [(t, 0 * t), (1 + 0 * t, t), (1 - t, 1 + 0 * t), (0 * t, 1 - t)]
    return np.concatenate([np.column_stack(side) for side in sides]) * (width, height)


def _of_chip(place: Place) -> Points:
    assert place.georef is not None
    return degrees(place.georef.crs, place.outline())


def _about(points: Points, middle: float) -> Points:
    """Longitudes within 180 degrees of a middle, so that nothing is torn at the date line."""
    out = points.copy()
    with np.errstate(invalid="ignore"):
        out[:, 0] = middle + (out[:, 0] - middle + 180) % 360 - 180
    return out


def _step(span: float) -> float:
    """A round number of which three to six fit into a span."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(n * power for n in _STEPS if span / (n * power) <= 6)


def _axes(view: _View) -> str:
    """The frame with degrees along the bottom and the left."""
    width, height = view.size
    parts = [f"<rect x='{_PAD}' y='6' width='{width:.1f}' height='{height:.1f}' class='ground'/>"]
    step = max(_step(view.east - view.west), 90 / view.across)  # numbers need room beside each other
    step = next(
        n * p for p in (10.0 ** math.floor(math.log10(step)),) for n in _STEPS if n * p >= step * 0.999
    )
    for lon in np.arange(math.ceil(view.west / step), math.floor(view.east / step) + 1) * step:
        x = float(view.xy(np.array([[lon, view.north]]))[0, 0])
        text = _spell((lon + 180) % 360 - 180, step)
        parts.append(f"<path d='M{x:.1f} 6v{height:.1f}' class='line'/>")
        parts.append(f"<text x='{x:.1f}' y='{height + 22:.1f}' text-anchor='middle'>{text}</text>")
    step = _step(view.north - view.south)
    for lat in np.arange(math.ceil(view.south / step), math.floor(view.north / step) + 1) * step:
        y = float(view.xy(np.array([[view.west, lat]]))[0, 1])
        parts.append(f"<path d='M{_PAD} {y:.1f}h{width:.1f}' class='line'/>")
        parts.append(f"<text x='{_PAD - 4}' y='{y + 4:.1f}' text-anchor='end'>{_spell(lat, step)}</text>")
    parts.append(
        f"<text x='{_PAD + width / 2:.1f}' y='{height + 38:.1f}' text-anchor='middle'>longitude, °</text>"
    )
    return "".join(parts)


def _spell(value: float, step: float) -> str:
    return f"{value + 0.0:.{max(-math.floor(math.log10(step) + 1e-9), 0)}f}"
