"""An index that is asked: its images and, for patches of the sizes that it was made for, their codes, mapped."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from matcher.aliases import AnyPath
from matcher.errors import FormatError, SettingsError
from matcher.evidence import colour, gradient_phase, pixels
from matcher.formats.bandnames import parse_bands
from matcher.formats.base import Source
from matcher.formats.catalog import Catalog, Kept, index_in, read_catalog
from matcher.formats.catalogued import source_of
from matcher.formats.fingerprint import differences
from matcher.identity import versions
from matcher.imagery import Looked, Roles, tell_ranges
from matcher.indexing.mapped import Files, map_codes, map_files
from matcher.indexing.tiles import Box, Piece, TiledSource, pieces_of
from matcher.kernels.sources import digest_of
from matcher.search.pyramid import codes, index
from matcher.search.pyramid.index import Index
from matcher.settings import Settings

Side = tuple[int, int]


class ImageIndex:
    """An index of images, as `matcher.open_index` opens it; it takes the place of images wherever these are given.

    What it holds is that of the moment at which it was opened, whatever is added to it meanwhile.

    Attributes
    ----------
    folder : str
    catalog : Catalog
    source : Source
        Its images.
    """

    def __init__(self, folder: AnyPath, catalog: Catalog) -> None:
        self.folder, self.catalog = os.fspath(folder), catalog
        check_versions(self.folder, catalog)
        self.source: Source = source_of(folder, catalog)
        self._files = {kept.side: self._mapped(kept) for kept in catalog.kept}
        self._indexes: dict[Side, Index] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageIndex, (os.path.abspath(self.folder), self.catalog)

    def __len__(self) -> int:
        return len(self.catalog.pictures)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Heights and widths of the patches that it holds codes for."""
        return tuple(kept.side for kept in self.catalog.kept)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(self.catalog.made["bands"])

    @property
    def value_range(self) -> str:
        """What the images' numbers are."""
        return str(self.catalog.made["value_range"])

    def settled(self, settings: Settings) -> Settings:
        """Settings for a match of this index: with its bands, and without what says how image files are read.

        Raises
        ------
        SettingsError
            If they name other bands.
        """
        if settings.bands is not None and tuple(parse_bands(settings.bands)[0]) != self.bands:
            raise SettingsError(
                f"{self.folder}: bands were {','.join(self.bands)} and are {','.join(settings.bands)}: make another "
                "index for these, or leave --bands out"
            )
        return replace(settings, bands=self.bands, image_shape=None)

    def of_tiles(self, tiles: TiledSource, bands: tuple[str, ...] | None) -> Side | None:
        """The size of patches for which the index holds codes of just these pieces; None where it holds none."""
        if tiles.side not in self.sides or bands != self.bands or tiles.shrink != (1.0, 1.0):
            return None
        own = [piece for pieces in self.pieces(tiles.side) for piece in pieces]
        return tiles.side if tuple(own) == tiles.pieces else None

    def looked(self, side: Side) -> Looked:
        """What tells the range of the images, as they are cut for a size."""
        return Looked.of(next(kept for kept in self.catalog.kept if kept.side == side).looked)

    def ranges(self, patches: Source) -> tuple[str, str]:
        """What the numbers of images and patches are, told together without reading an image."""
        return tell_ranges(self.source, patches, Looked.of(self.catalog.kept[0].looked))

    def check(self, bands: tuple[str, ...], value_range: str) -> None:
        """Refuse a match that compares other bands or reads the images' numbers otherwise.

        Raises
        ------
        FormatError
            If so; the message names the difference.
        """
        made = {"bands": list(self.bands), "value range": self.value_range}
        if wrong := differences(made, {"bands": list(bands), "value range": value_range}):
            raise FormatError(
                f"{self.folder}: {'; '.join(wrong)} with these patches: make an index for them (--bands, --range), or "
                "give the images themselves"
            )

    def pieces(self, side: Side) -> list[list[Piece]]:
        """How each image is cut for patches of a size."""
        return [
            cut(k, (one.height, one.width), side, self.catalog.made["cut"])
            for k, one in enumerate(self.catalog.pictures)
        ]

    def whole(self, side: Side) -> bool:
        """Whether each image is one piece, or none where no patch fits."""
        return all(len(pieces) <= 1 for pieces in self.pieces(side)) or self.catalog.made["cut"] == "whole"

    def index(self, side: Side) -> Index:
        """The codes for patches of one of the `sides`, mapped."""
        if side not in self._indexes:
            self._indexes[side] = self._load(next(kept for kept in self.catalog.kept if kept.side == side))
        return self._indexes[side]

    def _load(self, kept: Kept) -> Index:
        shapes = [[(piece.height, piece.width) for piece in pieces] for pieces in self.pieces(kept.side)]
        return map_codes(Path(self.folder), kept, shapes, Roles.of(self.bands), self._files[kept.side])

    def _mapped(self, kept: Kept) -> Files:
        """The files of a size, which a change of the index may remove later."""
        try:
            return map_files(Path(self.folder), kept)
        except FormatError:
            if read_catalog(self.folder) == self.catalog:
                raise
            raise FormatError(f"{self.folder}: was changed meanwhile; open it again") from None


def cut(number: int, shape: tuple[int, int], side: Side, how: str) -> list[Piece]:
    """One image as an index codes it for patches of a size: whole, or in pieces; nothing where no patch fits."""
    if how == "whole":
        fits = side[0] <= shape[0] and side[1] <= shape[1]
        return [Piece(number, 0, 0, *shape)] if fits else []
    return list(pieces_of(number, Box(0, 0, *shape), side))


def check_versions(name: str, catalog: Catalog) -> None:
    """Refuse an index of another version or other kernels, whose codes would not be those that a run makes.

    Raises
    ------
    FormatError
        If so; the message names the difference.
    """
    if wrong := differences(catalog.made["versions"], made_by()):
        raise FormatError(
            f"{name}: was made by other versions: {'; '.join(wrong)}; make it anew in another folder"
        )


def made_by() -> dict[str, str]:
    """Versions of all that codes are made by, and the digests of the sources that make them."""
    own = digest_of(*(str(module.__file__) for module in (codes, index, colour, gradient_phase, pixels)))
    return {**versions(), "codes": own}


def open_index(folder: AnyPath) -> ImageIndex:
    """Open an index of images, made by ``matcher index``.

    Parameters
    ----------
    folder : path

    Returns
    -------
    ImageIndex
        To be given in the place of images.

    Raises
    ------
    FormatError
        If it is none, is not finished or damaged, was made by another version, or an image is gone or has changed.
    """
    catalog = read_catalog(folder)
    try:
        return ImageIndex(folder, catalog)
    except FormatError:
        changed = read_catalog(folder)  # by a command that ended between the catalogue and the files
        if changed == catalog:
            raise
        return ImageIndex(folder, changed)


def indexed(what: Any) -> ImageIndex | None:
    """The index that is meant where one, or its directory, is given in the place of images."""
    if isinstance(what, ImageIndex):
        return what
    folder = index_in(what)
    return None if folder is None else open_index(folder)
