"""What an index is of: its files, where their pictures' values lie, and how the files are told apart."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matcher.errors import FormatError, MatcherError, SettingsError
from matcher.formats.base import Laid, OnBad, Source, is_paths
from matcher.formats.catalog import Origin, Pictured, is_index
from matcher.formats.catalogued import entries_of, opened_again
from matcher.formats.files import atomic_write
from matcher.formats.fingerprint import Inputs
from matcher.formats.headers import header_of
from matcher.formats.opening import open_files
from matcher.formats.plain import names_of
from matcher.formats.raster import RasterSource
from matcher.formats.registry import expand
from matcher.formats.remote import is_remote
from matcher.imagery import Pictures
from matcher.settings import Settings

PIXELS = ".pixels"  # ending of a file of values that their own file does not hold so that windows can be read
_OWN = re.compile(r"[0-9]+x[0-9]+-[0-9]+\.(codes|colour)|[0-9a-f]{16}\.pixels")


def is_own(name: str) -> bool:
    """Whether a file of an index directory is one of codes or pixels, by its name."""
    return _OWN.fullmatch(name) is not None


def opened(
    images: Any, settings: Settings, offset: float | None, on_bad: OnBad | None
) -> tuple[Source, tuple[str, ...], str]:
    """Images of files, the names of their bands, and what their numbers are.

    Raises
    ------
    MatcherError
        If they are no files, or cannot be read.
    """
    paths = _paths(images)
    inside = next((path for path in paths if is_index(path)), None)
    if inside is not None:
        raise FormatError(f"{inside}: is an index itself; name its images")
    source = open_files(paths, settings, offset, on_bad)
    if offset is not None and not isinstance(source, RasterSource):
        raise SettingsError(
            f"{source.name}: the offset {offset:g} is added to the values of rasters, and these are none: leave it "
            "out, or add it to the values yourself"
        )
    names = names_of(source, settings.bands)
    known = (
        tuple(str(name) for name in names) if None not in names else settings.band_names(source.shape(0)[2])
    )
    return source, known, Pictures(source, settings.value_range).value_range


def _paths(images: Any) -> list[str]:
    if not isinstance(images, str | os.PathLike) and not is_paths(images):
        raise MatcherError("an index is of files, which it reads windows of later: name paths, not arrays")
    return [os.fspath(one) for one in ([images] if isinstance(images, str | os.PathLike) else images)]


def origins_of(
    images: Any, source: Source, offset: float | None
) -> tuple[tuple[Origin, ...], list[tuple[int, int]]]:
    """What images were read from, by content, all of it read through; of each picture its origin and number there.

    Every raster is an origin of its own: files that come and go beside it are nothing to it.
    """
    named = _paths(images)
    if not isinstance(source, RasterSource):
        leaves = [leaf for path in named for leaf, _ in expand(path)]
        return (_origin(source, leaves, offset),), [(0, k) for k in range(len(source))]
    owners = _owners(source, named)
    numbers = {paths: n for n, paths in enumerate(dict.fromkeys(paths for paths, _ in owners))}
    origins = tuple(_origin(source, paths, offset) for paths in numbers)
    return origins, [(numbers[paths], record) for paths, record in owners]


def _origin(source: Source, paths: Sequence[str], offset: float | None) -> Origin:
    whole = [path if is_remote(path) else os.path.abspath(path) for path in paths]
    inputs = Inputs(own=whole)
    stamps = {os.path.abspath(path): stamp[:2] for path, stamp in inputs.stamps.items()}
    sha256 = inputs.fingerprints["own"]["sha256"]
    return Origin(source.name, tuple(whole), isinstance(source, RasterSource), offset, stamps, sha256)


def _owners(source: RasterSource, named: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """Of each raster the paths that it is of, and its number among those of the same paths."""
    numbers: Counter[tuple[str, ...]] = Counter()
    places = []
    for entry in entries_of(named):
        places.append((entry.name, (entry.paths, numbers[entry.paths])))
        numbers[entry.paths] += 1
    waiting = iter(places)
    out = []
    for raster in source.rasters:  # those of the entries that could be used, in their order
        place = next((place for name, place in waiting if name == raster.name), None)
        if place is None:
            raise FormatError(
                f"{raster.name}: is not found again by its name; was it moved or replaced meanwhile?"
            )
        out.append(place)
    return out


def pictured(
    folder: Path,
    source: Source,
    first: int,
    origins: Sequence[Origin],
    places: Sequence[tuple[int, int]],
    bands: Sequence[str] | None,
) -> tuple[Pictured, ...]:
    """The pictures of some origins, which are numbered from `first`, for a catalogue; rasters with the bands asked for.

    Values that are packed, or come from a reader that cannot say where they lie, are written into the folder.
    """
    headers: list[dict[str, Any] | None] = [None] * len(places)
    laid = None
    if origins[0].rasters:
        headers = [header_of(raster) for raster in opened_again(origins, places, bands)]
    else:
        laid = _extents(source) or _unpacked(folder, source, f"{origins[0].sha256[:16]}{PIXELS}")
    out = []
    for k, (identifier, (origin, record)) in enumerate(zip(source.ids.tolist(), places, strict=True)):
        height, width, _ = source.shape(k)
        file, offset, dtype = ("", 0, "") if laid is None else laid[k]
        where = (file, offset, dtype, source.where(k))
        out.append(Pictured(identifier, first + origin, record, height, width, *where, headers[k]))
    return tuple(out)


def _extents(source: Source) -> list[tuple[str, int, str]] | None:
    """File, first byte and type of every picture's values; None where one does not say."""
    out = []
    for k in range(len(source)):
        extent = source.extent(k) if isinstance(source, Laid) else None
        if extent is None:
            return None
        out.append((os.path.abspath(extent.path), extent.offset, extent.dtype.str))
    return out


def _unpacked(folder: Path, source: Source, name: str) -> list[tuple[str, int, str]]:
    """The same of a file in the folder that all values are written to."""
    out, at = [], 0
    with atomic_write(folder / name) as file:
        for k in range(len(source)):
            values = source[k]
            out.append((name, at, values.dtype.str))
            file.write(values.tobytes())
            at += values.nbytes
    return out
