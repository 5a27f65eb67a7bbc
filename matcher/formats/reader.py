"""What a reader is: which paths it claims, what it opens them to, and which files a fingerprint is made of.

Readers that ship stand in `matcher.formats.registry`; an installed package adds its own by an entry point of the group
``matcher.readers``, ``name = "module:Class"``, a class of no arguments that derives from `Reader`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from matcher.formats.base import OnBad, Shape, Source
from matcher.formats.shared_grid import shared


@dataclass(frozen=True)
class Asked:
    """What a caller wants of the pictures that a reader opens; a reader passes over what its form has no use for.

    Attributes
    ----------
    name : str
        What the user named, for messages.
    noun : str
        What is sought: ``images`` or ``patches``.
    bands : tuple of str, optional
        Names of the bands in order, each with its number in the file where that is given (``nir=8``).
    shape : (height, width, bands), optional
        Of every picture, for forms that do not say it.
    count : int, optional
        Bands of every picture, for forms that do not say it.
    dtype : str, optional
        Of the values, for forms that do not say it.
    offset : float, optional
        Added to every valid value; by default what the file says.
    on_bad : callable, optional
        Called with a `BadRecord` for each picture that cannot be used, which is then left out; without it the first
        one raises.
    mixed : bool
        Whether pictures may have different bands; else those that all have are read.
    """

    name: str
    noun: str = "images"
    bands: tuple[str, ...] | None = None
    shape: Shape | None = None
    count: int | None = None
    dtype: str | None = None
    offset: float | None = None
    on_bad: OnBad | None = None
    mixed: bool = False


@dataclass(frozen=True)
class Series:
    """One place on several dates, all on one grid.

    Attributes
    ----------
    place : str
        A name of its own: the file's, and the record's where the file holds several.
    file : str
    group : str
        What kind of place it is; blank where the file does not say.
    shape : (int, int, int, int)
        (dates, height, width, bands).
    dates : tuple of str
        What the file says of each date, or else its number.
    read : callable
        The values of one date, (height, width, bands), by its number.
    """

    place: str
    file: str
    group: str
    shape: tuple[int, int, int, int]
    dates: tuple[str, ...]
    read: Callable[[int], NDArray]


class Reader(ABC):
    """One form of file. A reader holds nothing open and has no state."""

    name: str = ""
    """The form in words, as messages name it: ``"Zarr stores (.zarr)"``."""
    aside: bool = False
    """Whether such a file in a folder tells of the pictures beside it, and is read only where there are none."""

    @abstractmethod
    def claims(self, path: str) -> bool:
        """Whether a file or folder is of this form, by its name or what lies in it; it need not be there."""

    def recognises(self, head: bytes) -> bool:  # noqa: ARG002 (most forms are known by their names)
        """Whether a file that no reader claims is of this form, by its first bytes."""
        return False

    @abstractmethod
    def open(self, paths: Sequence[str], asked: Asked) -> Source:
        """The pictures of some claimed paths in order, as one source.

        A `matcher.formats.raster.RasterSource` says which bands they are and where they lie; any other source says
        neither.

        Raises
        ------
        FormatError
            If one cannot be read (with `Asked.on_bad`: if none can); the message names the file.
        """

    def files(self, path: str) -> list[str]:
        """The files that a claimed path is read from, in order: those that a fingerprint is made of."""
        if not os.path.isdir(path):
            return [path]
        return sorted(str(inside) for inside in Path(path).rglob("*") if inside.is_file())

    def series(
        self,
        name: str,
        paths: Sequence[str],
        asked: Asked,
        dates: int,  # noqa: ARG002 (of records alone)
    ) -> Iterator[Series]:
        """The co-registered series of some claimed paths; by default one, of all their pictures.

        Parameters
        ----------
        name : str
            What the user named, for which the paths stand.
        paths : sequence of str
        asked : Asked
        dates : int
            Of every record, for forms that do not say it.

        Raises
        ------
        FormatError
            If they hold none.
        """
        yield series_of(self.open(paths, asked), name)


def series_of(source: Source, path: str) -> Series:
    """A source whose pictures are the dates of one place, in order; what all of them show, where they say it.

    Raises
    ------
    FormatError
        If their sizes differ, or, of rasters that say where they lie, their grids by more than whole pixels.
    """
    labels = getattr(source, "labels", None) or tuple(map(str, range(len(source))))
    corners, (height, width) = shared(source)

    def read(date: int) -> NDArray:
        if (height, width) == source.shape(date)[:2]:
            return source[date]
        row, col = corners[date]
        return source[date][row : row + height, col : col + width]

    shape = (len(source), height, width, source.shape(0)[2])
    own = Path(os.path.abspath(path))  # "." has no name of its own
    place = own.name if own.is_dir() else f"{own.parent.name}-{own.name}"  # a glob, a list
    return Series(place, path, "", shape, tuple(labels), read)
