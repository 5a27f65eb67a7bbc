"""What kinds of places the synthetic Earth has, and what share of the places each kind is."""

from dataclasses import dataclass

Span = tuple[float, float]


@dataclass(frozen=True)
class Cover:
    """How a kind of place is laid out; a pair of numbers is a range that each place draws from.

    Attributes
    ----------
    share : part of all places.
    relief : deviation of the heights, metres.
    town, wood, wild : parts of the land that are built-up, wooded, and neither wooded nor tilled.
    water : part under sea or lake; ``lakes``: as many small lakes (else one large water).
    arid : 0 moist .. 1 desert: colours of the ground, how green it gets.
    block : pixels between country roads.
    width : pixels across a parcel; ``length``: its length over its width.
    latitude : degrees, of either hemisphere.
    cloudy : odds that a date has clouds.
    """

    share: float
    relief: Span
    town: Span
    wood: Span
    wild: Span
    water: Span
    lakes: bool
    arid: Span
    block: Span
    width: Span
    length: Span
    latitude: Span
    cloudy: float = 0.08


COVERS = {
    "town": Cover(
        0.50, (5, 40), (0.35, 0.9), (0.03, 0.25), (0.05, 0.3), (0.0, 0.06), False, (0.0, 0.7),
        (50, 110), (9, 18), (1.2, 2.5), (10, 55), 0.06,
    ),
    "fields": Cover(
        0.20, (3, 30), (0.02, 0.12), (0.03, 0.2), (0.0, 0.1), (0.0, 0.02), False, (0.0, 0.6),
        (70, 150), (7, 22), (1.5, 5.0), (25, 58), 0.08,
    ),
    "lakes": Cover(
        0.07, (3, 15), (0.0, 0.04), (0.02, 0.15), (0.05, 0.3), (0.06, 0.2), True, (0.1, 0.4),
        (100, 170), (30, 70), (1.0, 1.6), (42, 60), 0.08,
    ),
    "forest": Cover(
        0.08, (40, 160), (0.0, 0.05), (0.45, 0.9), (0.1, 0.6), (0.0, 0.05), False, (0.0, 0.3),
        (90, 170), (8, 18), (1.5, 3.0), (5, 62), 0.15,
    ),
    "mountain": Cover(
        0.03, (250, 500), (0.0, 0.02), (0.2, 0.6), (0.8, 1.0), (0.0, 0.02), False, (0.1, 0.6),
        (110, 190), (8, 16), (1.5, 3.0), (25, 55), 0.15,
    ),
    "coast": Cover(
        0.07, (10, 120), (0.1, 0.6), (0.1, 0.5), (0.1, 0.6), (0.2, 0.6), False, (0.0, 0.8),
        (50, 110), (8, 18), (1.2, 3.0), (5, 55), 0.08,
    ),
    "desert": Cover(
        0.05, (5, 60), (0.0, 0.5), (0.0, 0.01), (0.8, 1.0), (0.0, 0.0), False, (0.85, 1.0),
        (60, 170), (10, 24), (1.2, 3.0), (15, 35), 0.04,
    ),
}  # fmt: skip


def draw_cover(number: float) -> str:
    """The cover that a number in 0..1 falls on, by the shares."""
    total = sum(cover.share for cover in COVERS.values())
    passed = 0.0
    for name, cover in COVERS.items():
        passed += cover.share / total
        if number < passed:
            return name
    return name
