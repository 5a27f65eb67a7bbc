"""What changes an index: it is made, and images are added, removed and replaced, whatever stops it in between.

Every change says which pictures there are to be, and codes those that the index has no codes of. What is done by then
is noted now and then, so that the same command goes on after it was killed; readers see the state before until all is
done.
"""

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath, Progress
from matcher.errors import FormatError, MatcherError, ResumeError, SettingsError
from matcher.formats.base import OnBad, Source
from matcher.formats.catalog import (
    Catalog,
    Kept,
    Origin,
    Pictured,
    Row,
    is_index,
    read_catalog,
    write_catalog,
)
from matcher.formats.catalogued import source_of
from matcher.formats.files import is_temporary
from matcher.formats.fingerprint import differences
from matcher.formats.holding import locked, sweep
from matcher.formats.plain import as_rasters
from matcher.imagery import Pictures, Roles, look
from matcher.indexing.codefiles import ENDINGS, CodeWriter, paths_of
from matcher.indexing.opened import Side, check_versions, cut, made_by
from matcher.indexing.origins import PIXELS, opened, origin_of, pictured
from matcher.indexing.tiles import TiledSource
from matcher.search.pyramid.codes import Plan
from matcher.search.pyramid.index import coded
from matcher.settings import MIN_SIDE, Settings, with_options
from matcher.threads import limited

log = logging.getLogger("matcher")
_EVERY = 15.0  # seconds after which what is done is noted
CUTS = ("whole", "pieces")


def make_index(
    images: Any,
    folder: AnyPath,
    sides: Sequence[int | Side],
    settings: Settings | None = None,
    *,
    cut: str = "whole",
    offset: float | None = None,
    on_bad: OnBad | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Catalog:
    """Make an index of images, or go on making it.

    Parameters
    ----------
    images : path or sequence of paths
        What `matcher.open_images` takes, of files.
    folder : path
        It is made; an index that is there must be this one.
    sides : sequence of int or (int, int)
        Sizes of patches that it is for: height and width, or one number for both, pixels.
    settings, options
        As of `matcher.match`: bands, value range, shapes and type of records, threads.
    cut : {"whole", "pieces"}
        Whether images are coded whole, as `matcher.match` searches them, or in pieces, as `matcher.locate` does.
    offset : float, optional
        Added to every valid value of rasters; by default what the files say.
    on_bad : callable, optional
        Called with a `BadRecord` for each picture that cannot be used, which is then left out.
    progress : callable, optional
        Called with (pictures coded, pictures in all), each counted once a size.

    Raises
    ------
    ResumeError
        If the folder holds another index (the message names what differs), or another process changes it.
    MatcherError
        If an image cannot be read, or a file cannot be written.
    """
    settings = with_options(settings, options)
    if cut not in CUTS:
        raise SettingsError(f"cut {cut!r}: choose from {', '.join(CUTS)}")
    place = Path(folder)
    wanted = {_side(one) for one in sides}
    if not wanted:
        raise SettingsError("no size: name the sizes of patches that the index is for")
    with held(place), limited(settings.threads):
        source, names, told = opened(images, settings, offset, on_bad)
        origin = origin_of(images, source, offset)
        pictures = pictured(place, source, 0, origin)
        made = {
            "versions": made_by(),
            "bands": list(names),
            "bands_asked": None if settings.bands is None else list(settings.bands),
            "value_range": told,
            "range_asked": settings.value_range,
            "shape_asked": None if settings.image_shape is None else list(settings.image_shape),
            "dtype_asked": settings.dtype,
            "cut": cut,
        }
        catalog = Catalog(made, source.shape(0)[2], (origin,), pictures)
        old = read_catalog(place) if is_index(place) else replace(catalog, pictures=(), origins=())
        _same(place, old, catalog)
        every = sorted({kept.side for kept in old.kept} | wanted)
        return _complete(place, old, catalog, every, source, progress)


def _side(given: int | Side) -> Side:
    height, width = (given, given) if isinstance(given, int) else given
    if min(height, width) < MIN_SIDE:
        raise SettingsError(
            f"{height} x {width} px: the least that can be matched is {MIN_SIDE} x {MIN_SIDE}"
        )
    return height, width


def add_images(folder: AnyPath, images: Any, *, progress: Progress | None = None, **options: Any) -> Catalog:
    """Add images to an index; takes and raises what `make_index` does.

    Where these, and those that are there, are numbered from 0 they are numbered on; otherwise all keep their ids.
    """
    place = Path(folder)
    with held(place), limited(options.get("threads")):
        old = _changeable(place)
        added, origin = _more(place, old, images)
        taken = {one.id for one in old.pictures}
        if [one.id for one in added] == list(range(len(added))) and taken == set(range(len(taken))):
            added = tuple(replace(one, id=one.id + len(taken)) for one in added)
            log.info("the new images are numbered on, from %d", len(taken))
        twice = next((one for one in added if one.id in taken), None)
        if twice is not None:
            raise FormatError(
                f"{twice.where}: has the id {twice.id}, which the index holds: matcher index replace takes it instead"
            )
        wanted = replace(old, origins=(*old.origins, origin), pictures=(*old.pictures, *added))
        return _change(place, old, wanted, progress)


def remove_images(folder: AnyPath, ids: Sequence[int], *, progress: Progress | None = None) -> Catalog:
    """Take images out of an index by their ids; raises a `FormatError` where it holds none of one, or no others."""
    place = Path(folder)
    with held(place), limited(None):
        old = _changeable(place)
        gone = set(ids)
        lacking = sorted(gone - {one.id for one in old.pictures})
        if lacking:
            raise FormatError(f"{place}: holds no image of the id {lacking[0]}")
        left = tuple(one for one in old.pictures if one.id not in gone)
        if not left:
            raise FormatError(f"{place}: would hold no image any more; remove the folder instead")
        return _change(place, old, replace(old, pictures=left), progress)


def replace_images(
    folder: AnyPath, images: Any, *, progress: Progress | None = None, **options: Any
) -> Catalog:
    """Put images in the place of those of an index that have their ids; takes and raises what `make_index` does."""
    place = Path(folder)
    with held(place), limited(options.get("threads")):
        old = _changeable(place)
        new, origin = _more(place, old, images)
        by_id = {one.id: one for one in new}
        lacking = sorted(by_id.keys() - {one.id for one in old.pictures})
        if lacking:
            raise FormatError(
                f"{by_id[lacking[0]].where}: has the id {lacking[0]}, which the index does not hold: matcher index add "
                "takes it"
            )
        pictures = tuple(by_id.get(one.id, one) for one in old.pictures)
        wanted = replace(old, origins=(*old.origins, origin), pictures=pictures)
        return _change(place, old, wanted, progress)


def held(place: Path) -> Any:
    """Hold an index directory for a change; refuses a folder that holds something else."""
    if place.is_dir() and not is_index(place):
        foreign = [name for name in sorted(os.listdir(place)) if not _own(name)]
        if foreign:
            raise MatcherError(
                f"{place}: is no index, and is not empty (it holds {foreign[0]}): name another folder"
            )
    return locked(place, "command", "folder")


def _own(name: str) -> bool:
    """Whether a command that was killed before it wrote a catalogue leaves such a file."""
    return is_temporary(name) or name == "lock" or name.endswith((*ENDINGS, PIXELS))


def _changeable(place: Path) -> Catalog:
    """The catalogue of an index that is to be changed."""
    catalog = read_catalog(place)
    if not catalog.pictures:
        raise FormatError(f"{place}: is not finished; the command that made it, run again, goes on")
    check_versions(os.fspath(place), catalog)
    return catalog


def _more(place: Path, old: Catalog, images: Any) -> tuple[tuple[Pictured, ...], Origin]:
    """Further images, read as those that are there were."""
    made = old.made
    settings = Settings(
        bands=made["bands_asked"],
        value_range=made["range_asked"],
        image_shape=None if made["shape_asked"] is None else tuple(made["shape_asked"]),
        dtype=made["dtype_asked"],
    )
    source, names, _ = opened(images, settings, old.origins[0].offset, None)
    if wrong := differences({"bands": made["bands"]}, {"bands": list(names)}):
        raise FormatError(f"{source.name}: {wrong[0]}: an index is of images of the same bands")
    origin = origin_of(images, source, old.origins[0].offset)
    if origin.rasters != old.rasters:
        raise FormatError(
            f"{source.name}: rasters, and pictures that do not say where they lie, go into indexes apart"
        )
    return pictured(place, source, len(old.origins), origin), origin


def _same(place: Path, old: Catalog, new: Catalog) -> None:
    """Refuse to make an index where another is; further sizes may be made of the same images."""
    wrong = differences(old.made, new.made)
    if old.pictures:
        wrong += differences({"images": _content(old)}, {"images": _content(new)})
    if wrong:
        raise ResumeError(
            f"{place}: holds another index: {'; '.join(wrong)}. Name another folder, or change it with matcher index "
            "add, remove or replace"
        )


def _content(catalog: Catalog) -> str:
    rows = zip(catalog.pictures, _keys(catalog), strict=True)
    return hashlib.sha256("\n".join(f"{one.id} {key}" for one, key in rows).encode()).hexdigest()


def _keys(catalog: Catalog) -> list[str]:
    """What each picture is known by: the content of its origin, and its number there."""
    return [f"{catalog.origins[one.origin].sha256}:{one.record}" for one in catalog.pictures]


def _change(place: Path, old: Catalog, new: Catalog, progress: Progress | None) -> Catalog:
    """Make an index hold other pictures, without origins that nothing is of any more."""
    used = sorted({one.origin for one in new.pictures})
    numbers = {origin: k for k, origin in enumerate(used)}
    new = replace(
        new,
        origins=tuple(new.origins[k] for k in used),
        pictures=tuple(replace(one, origin=numbers[one.origin]) for one in new.pictures),
    )
    source = source_of(place, new)
    told = Pictures(source, old.made["range_asked"]).value_range
    if told != old.made["value_range"]:
        raise FormatError(
            f"{place}: value range was {old.made['value_range']} and is {told} with these images: make another index, "
            "with --range"
        )
    return _complete(place, old, new, [kept.side for kept in old.kept], source, progress)


def _complete(
    place: Path,
    old: Catalog,
    wanted: Catalog,
    sides: Sequence[Side],
    source: Source,
    progress: Progress | None,
) -> Catalog:
    """Code what an index lacks of the pictures wanted, and publish it."""
    sweep(place)
    keys = _keys(wanted)
    pictures = Pictures(source, wanted.made["value_range"])
    noted = _Noted(place, old)
    tell = _Tell(progress, len(keys) * len(sides))
    kept = []
    for side in sides:
        was = next((one for one in old.kept if one.side == side), Kept(side))
        have = dict(zip(_keys(old), was.rows(), strict=False)) | noted.of(was.name)
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
    done = replace(wanted, kept=tuple(kept))
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
        if path.name.endswith((*ENDINGS, PIXELS)) and path.name not in named:
            with contextlib.suppress(OSError):
                path.unlink()
