"""What an index lacks of the pictures that it is to hold is coded and published, whatever stops it in between.

What is done by then is noted now and then, so that the same command goes on after it was killed; readers see the state
before until all is done.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import Progress
from matcher.errors import FormatError
from matcher.formats.base import Source
from matcher.formats.catalog import Catalog, Kept, Row, write_catalog
from matcher.formats.holding import sweep
from matcher.formats.plain import as_rasters
from matcher.imagery import Pictures, Roles, look
from matcher.indexing.codefiles import CodeWriter, paths_of
from matcher.indexing.opened import Side, cut
from matcher.indexing.origins import is_own
from matcher.indexing.tiles import TiledSource
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.index import coded

_EVERY = 15.0  # seconds after which what is done is noted


def keys_of(catalog: Catalog) -> list[str]:
    """What each picture is known by: the content of its origin, and its number there."""
    return [f"{catalog.origins[one.origin].sha256}:{one.record}" for one in catalog.pictures]


def complete(
    place: Path,
    old: Catalog,
    wanted: Catalog,
    sides: Sequence[Side],
    source: Source,
    progress: Progress | None,
) -> Catalog:
    """Code what an index lacks of the pictures wanted, and publish it."""
    sweep(place)
    keys = keys_of(wanted)
    pictures = Pictures(source, wanted.made["value_range"])
    noted = _Noted(place, old)
    tell = _Tell(progress, len(keys) * len(sides))
    kept = []
    for side in sides:
        was = next((one for one in old.kept if one.side == side), Kept(side))
        have = dict(zip(keys_of(old), was.rows(), strict=False)) | noted.of(was.name)
        missing = [k for k, key in enumerate(keys) if key not in have]
        tell(len(keys) - len(missing))
        with CodeWriter(place, was, have.values()) as writer:
            for k, row in _code(pictures, missing, side, wanted.made, writer):
                have[keys[k]] = row
                noted.add(was.name, keys[k], row, writer)
                tell(1)
            noted.write(writer)
        looked = look(_as_cut(source, side, wanted.made["cut"])).to_dict()
        kept.append(_compacted(place, was.with_rows([have[key] for key in keys], looked)))
    done = replace(wanted, kept=tuple(kept), pending=None)
    write_catalog(place, done)
    _tidy(place, done)
    return done


class _Noted:
    """Codes that the catalogue does not publish yet: noted now and then, for the day that the command is killed."""

    def __init__(self, place: Path, old: Catalog) -> None:
        self._place, self._old = place, old
        self._rows: dict[str, dict[str, list[int]]] = dict(old.pending or {})
        self._last = time.monotonic()

    def of(self, name: str) -> dict[str, Row]:
        """Where the codes of pictures lie in the files of a name, by the pictures' keys."""
        return {key: tuple(row) for key, row in self._rows.get(name, {}).items()}  # type: ignore[misc]

    def add(self, name: str, key: str, row: Row, writer: CodeWriter) -> None:
        """One picture more."""
        self._rows.setdefault(name, {})[key] = list(row)
        if time.monotonic() - self._last > _EVERY:
            self.write(writer)

    def write(self, writer: CodeWriter) -> None:
        """Bring the codes to the disk, and then the note."""
        writer.flush()
        if self._rows:
            write_catalog(self._place, replace(self._old, pending=self._rows))
        self._last = time.monotonic()


class _Tell:
    """Counts pictures coded."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress or (lambda _done, _all: None), total, 0

    def __call__(self, more: int) -> None:
        self._done += more
        self._progress(self._done, self._total)


def _code(
    pictures: Pictures, which: Sequence[int], side: Side, made: dict[str, Any], writer: CodeWriter
) -> Iterator[tuple[int, Row]]:
    """Code some pictures and write them; each with where it lies, as it is done."""
    cuts = {k: cut(k, pictures.shape(k)[:2], side, made["cut"]) for k in which}

    def pieces() -> Iterator[NDArray[np.float32]]:
        for k in which:
            for piece in cuts[k]:
                whole = (piece.height, piece.width) == pictures.shape(k)[:2]
                size = (piece.height, piece.width)
                dn = pictures[k] if whole else pictures.crop(k, (piece.row, piece.col), size)
                valid[k] |= bool(dn.any())
                yield dn

    valid = dict.fromkeys(which, False)
    owners = iter([k for k in which for _ in cuts[k]])
    left = {k: len(cuts[k]) for k in which}
    for k in which:
        if not cuts[k]:
            yield k, writer.end_picture()
    for _, codes, colour in coded(pieces(), Roles.of(tuple(made["bands"])), Plan.of(*side)):
        for n, seen in enumerate(colour):
            k = next(owners)
            writer.write(codes, n, seen)
            left[k] -= 1
            if not left[k]:
                if not valid[k] and made["cut"] == "pieces":
                    raise FormatError(
                        f"{pictures.source.where(k)}: holds no valid pixel: all is no data, masked, transparent or 0; "
                        "check its nodata value, or leave it out"
                    )
                yield k, writer.end_picture()


def _as_cut(source: Source, side: Side, how: str) -> Source:
    """The pictures as a search sees them."""
    return source if how == "whole" else TiledSource(as_rasters(source), side)


def _compacted(place: Path, kept: Kept) -> Kept:
    """The same in new files, where more than half of the old ones is of pictures that are no longer there."""
    held = sum(path.stat().st_size for path in paths_of(place, kept))
    if held <= 2 * (sum(kept.code_bytes) + sum(kept.colour_bytes)):
        return kept
    new = replace(Kept(kept.side), number=kept.number + 1)
    with CodeWriter(place, new, ()) as writer:
        rows = list(writer.copy(place, kept))
        writer.flush()
    return new.with_rows(rows, kept.looked)


def _tidy(place: Path, catalog: Catalog) -> None:
    """Remove files of codes and pixels that the catalogue does not name; those that a reader has mapped it keeps."""
    named = {path.name for kept in catalog.kept for path in paths_of(place, kept)}
    named |= {one.file for one in catalog.pictures}
    for path in place.iterdir():
        if is_own(path.name) and path.name not in named:
            with contextlib.suppress(OSError):
                path.unlink()
