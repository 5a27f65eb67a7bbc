"""How coarse codes lie in memory: in four lattices, of which a first pass reads the first alone.

Each lattice is of every second row and column of places: of even rows and even columns, of even rows and odd columns,
of odd rows and even columns, of odd rows and odd columns. One follows another. The first is laid out (words, rows,
columns), since its places are compared in their order; the others (rows, columns, words), since of them a place here
and there is.
"""

from numba.extending import register_jitable


@register_jitable(inline="always")
def lattice_place(rows: int, columns: int, words: int, y: int, x: int) -> tuple[int, int]:
    """Where the first word of a place lies in the codes of a target of rows x columns places, and how far the next."""
    odd_y, odd_x = y & 1, x & 1
    tall, wide = (rows + 1 - odd_y) >> 1, (columns + 1 - odd_x) >> 1
    before = odd_y * ((rows + 1) >> 1) * columns + odd_x * tall * ((columns + 1) >> 1)
    at = (y >> 1) * wide + (x >> 1)
    # Sums, since numba warns of a choice between tuples where it is inlined.
    other = odd_y | odd_x
    return at + other * (words * (before + at) - at), 1 + (1 - other) * (tall * wide - 1)
