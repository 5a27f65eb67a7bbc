"""The catalogue of an index directory: which pictures it is of, where their values lie, and what is kept of them.

It is one JSON file, ``index.json``, replaced as a whole: who reads it sees the state before a change or after it.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from matcher import checks
from matcher.aliases import AnyPath
from matcher.errors import FormatError
from matcher.formats.base import is_paths
from matcher.formats.files import atomic_write, key_of, problem
from matcher.values import brief

NAME = "index.json"
_MARK, _FORM = "matcher index", 3
# What `Kept` tells of each picture.
COLUMNS = ("codes", "colour", "code_bytes", "colour_bytes", "code_sums", "colour_sums")
Row = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Origin:
    """What pictures were read from: one raster, or the stores of others of one command.

    Attributes
    ----------
    name : str
        What the user named, for messages.
    paths : tuple of str
        Files, products and stores, absolute: what a folder, a glob or a list stood for.
    rasters : bool
        Whether its pictures say their bands and may say where they lie: they are opened by their reader. Values of
        others are read where `Pictured.offset` says.
    offset : float, optional
        Added to every valid value; by default what the files say.
    stamps : dict
        Bytes and time of change of every file, by its absolute path.
    sha256 : str
        Of all files.
    added : int
        What was added to the ids that the files give.
    """

    name: str
    paths: tuple[str, ...]
    rasters: bool
    offset: float | None
    stamps: dict[str, tuple[int, int]]
    sha256: str
    added: int = 0


@dataclass(frozen=True)
class Pictured:
    """One picture.

    Attributes
    ----------
    id : int
    origin : int
        Its `Origin`.
    record : int
        Its number there.
    height, width : int
    file : str
        Where its values lie, one after another: an absolute path, or a name in the index directory; empty of rasters.
    offset : int
        Their first byte.
    dtype : str
    where : str
        File, record and offset, for messages.
    header : dict, optional
        Of rasters what opening them tells (`matcher.formats.headers`); None where they are to be opened.
    """

    id: int
    origin: int
    record: int
    height: int
    width: int
    file: str
    offset: int
    dtype: str
    where: str
    header: dict[str, Any] | None = None


@brief
@dataclass(frozen=True)
class Kept:
    """What is kept of all pictures for patches of one size.

    Attributes
    ----------
    side : (int, int)
        Height and width of the patches.
    number : int
        Of its files, which are written anew when too much of them is of pictures that are no longer there.
    codes, colour : tuple of int
        Where each picture's begin in the files, bytes.
    code_bytes, colour_bytes : tuple of int
        How many they are.
    code_sums, colour_sums : tuple of int
        Their CRC-32C.
    looked : dict
        What tells the value range of the pictures as they are cut for this size.
    """

    side: tuple[int, int]
    number: int = 0
    codes: tuple[int, ...] = ()
    colour: tuple[int, ...] = ()
    code_bytes: tuple[int, ...] = ()
    colour_bytes: tuple[int, ...] = ()
    code_sums: tuple[int, ...] = ()
    colour_sums: tuple[int, ...] = ()
    looked: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its files, without their endings."""
        return f"{self.side[0]}x{self.side[1]}-{self.number}"

    def rows(self) -> Iterator[Row]:
        """What is told of each picture."""
        return zip(*(getattr(self, name) for name in COLUMNS), strict=True)

    def with_rows(self, rows: Sequence[Row], looked: dict[str, Any]) -> "Kept":
        """The same files, of these pictures."""
        columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
        return Kept(self.side, self.number, **columns, looked=looked)


@brief
@dataclass(frozen=True)
class Catalog:
    """What an index directory holds.

    Attributes
    ----------
    made : dict
        What its codes depend on beside the pictures: versions, names of bands, value range, how pictures are cut.
    bands : int
        Of every picture.
    origins : tuple of Origin
    pictures : tuple of Pictured
        In the order in which a search knows them.
    kept : tuple of Kept
        By patch size.
    pending : dict, optional
        What a command that was stopped had coded by then: by the name of files of codes, rows of `Kept` by keys of
        pictures.
    """

    made: dict[str, Any]
    bands: int
    origins: tuple[Origin, ...] = ()
    pictures: tuple[Pictured, ...] = ()
    kept: tuple[Kept, ...] = ()
    pending: dict[str, dict[str, list[int]]] | None = None

    @property
    def rasters(self) -> bool:
        """Whether its pictures say their bands."""
        return bool(self.origins) and self.origins[0].rasters


def is_index(path: Any) -> bool:
    """Whether a path is an index directory."""
    return isinstance(path, str | os.PathLike) and os.path.isfile(
        os.path.join(checks.path("path", path), NAME)
    )


def index_in(what: Any) -> AnyPath | None:
    """The index directory that is given in the place of images, alone or as the one entry of a list."""
    if is_paths(what) and len(what) == 1:
        what = what[0]
    return what if is_index(what) else None


def write_catalog(folder: AnyPath, catalog: Catalog) -> None:
    """Put a catalogue in the place of the one before.

    Raises
    ------
    MatcherError
        If it cannot be written.
    """
    content = _columns(catalog)
    with atomic_write(Path(folder, NAME), "w") as file:
        json.dump({_MARK: _FORM, "check": key_of(content), **content}, file)
        file.write("\n")


def read_catalog(folder: AnyPath) -> Catalog:
    """The catalogue of an index directory.

    Raises
    ------
    FormatError
        If it is missing, damaged, or of another version.
    """
    if not isinstance(folder, str | os.PathLike):
        raise FormatError(f"{folder!r}: is no path of an index directory")
    path = Path(checks.path("folder", folder), NAME)
    try:
        content = json.loads(path.read_text("utf-8"))
        if content[_MARK] != _FORM:
            raise FormatError(
                f"{path}: is of form {content[_MARK]}, and this version reads form {_FORM}: make it anew"
            )
        del content[_MARK]
        if content.pop("check") != key_of(content):
            raise ValueError("its checksum does not hold")
        return _of_columns(content)
    except FileNotFoundError:
        raise FormatError(f"{os.fspath(folder)}: is no index (there is no {NAME} in it)") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {problem(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: is damaged: {error}; make the index anew in another folder") from None


def pictures_as_columns(pictures: tuple[Pictured, ...]) -> dict[str, list[Any]]:
    """Pictures as JSON has them: a list a field."""
    return {one.name: [getattr(picture, one.name) for picture in pictures] for one in fields(Pictured)}


def pictures_of_columns(columns: dict[str, list[Any]]) -> tuple[Pictured, ...]:
    """What `pictures_as_columns` took."""
    values = [columns[one.name] for one in fields(Pictured)]
    return tuple(Pictured(*row) for row in zip(*values, strict=True))


def origin_of(content: dict[str, Any]) -> Origin:
    """An origin as JSON has it."""
    stamps = {path: (int(size), int(time)) for path, (size, time) in content["stamps"].items()}
    return Origin(**{**content, "paths": tuple(content["paths"]), "stamps": stamps})


def kept_of(content: dict[str, Any]) -> Kept:
    """What is kept for a patch size as JSON has it."""
    return Kept(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})  # type: ignore[arg-type]


def _columns(catalog: Catalog) -> dict[str, Any]:
    return {
        "made": catalog.made,
        "bands": catalog.bands,
        "origins": [asdict(one) for one in catalog.origins],
        "pictures": pictures_as_columns(catalog.pictures),
        "kept": [asdict(one) for one in catalog.kept],
        "pending": catalog.pending,
    }


def _of_columns(content: dict[str, Any]) -> Catalog:
    return Catalog(
        made=dict(content["made"]),
        bands=int(content["bands"]),
        origins=tuple(origin_of(one) for one in content["origins"]),
        pictures=pictures_of_columns(content["pictures"]),
        kept=tuple(kept_of(one) for one in content["kept"]),
        pending=content["pending"],
    )
