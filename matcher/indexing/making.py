"""What changes an index: it is made, and images are added, removed and replaced.

Every change says which pictures there are to be; `matcher.indexing.completing` codes those that the index lacks.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from matcher import checks
from matcher.aliases import AnyPath, Progress
from matcher.errors import FormatError, MatcherError, ResumeError
from matcher.formats.base import OnBad
from matcher.formats.catalog import (
    Catalog,
    Origin,
    Pictured,
    is_index,
    read_catalog,
)
from matcher.formats.catalogued import source_of
from matcher.formats.files import is_temporary, problem
from matcher.formats.fingerprint import differences
from matcher.formats.holding import lock_holder, locked
from matcher.imagery import Pictures
from matcher.indexing.asked import folder_of, ids_of, sides_of
from matcher.indexing.completing import complete, keys_of
from matcher.indexing.known import known_again
from matcher.indexing.opened import Side, check_versions, made_by
from matcher.indexing.origins import is_own, opened, origins_of, pictured
from matcher.settings import PictureOptions, Settings, with_options
from matcher.threads import limited

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("matcher")
CUTS = ("whole", "pieces")


def make_index(
    images: Any,
    folder: AnyPath,
    sides: Sequence[int | Side],
    settings: Settings | None = None,
    *,
    cut: Literal["whole", "pieces"] = "whole",
    offset: float | None = None,
    on_bad: OnBad | None = None,
    progress: Progress | None = None,
    **options: "Unpack[PictureOptions]",
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
    settings = with_options(settings, dict[str, Any](options))
    checks.choice("cut", cut, CUTS)
    if offset is not None:
        offset = checks.number("offset", offset)
    checks.function("on_bad", on_bad)
    checks.function("progress", progress)
    place, wanted = folder_of(folder), sides_of(sides)
    _check(place)
    with contextlib.ExitStack() as stack:
        stack.enter_context(limited(settings.threads))
        source, names, told = opened(images, settings, offset, on_bad)
        stack.enter_context(held(place))  # not before: where the images cannot be opened no folder is made
        origins, places = origins_of(images, source, offset)
        pictures = pictured(place, source, 0, origins, places, settings.bands)
        made = {
            "versions": made_by(),
            "bands": list(names),
            "bands_asked": None if settings.bands is None else list(settings.bands),
            "value_range": told,
            "range_asked": settings.value_range,
            "shape_asked": None if settings.image_shape is None else list(settings.image_shape),
            "dtype_asked": settings.dtype,
            "offset_asked": offset,
            "cut": cut,
        }
        catalog = Catalog(made, source.shape(0)[2], origins, pictures)
        old = read_catalog(place) if is_index(place) else replace(catalog, pictures=(), origins=())
        _same(place, old, catalog)
        every = sorted({kept.side for kept in old.kept} | wanted)
        return complete(place, old, catalog, every, source, progress)


def add_images(
    folder: AnyPath, images: Any, *, progress: Progress | None = None, threads: int | None = None
) -> Catalog:
    """Add images to an index; takes and raises what `make_index` does.

    Where these, and those that are there, are numbered from 0 they are numbered on; otherwise all keep their ids.
    """
    place = folder_of(folder)
    checks.function("progress", progress)
    threads = with_options(None, {"threads": threads}).threads
    with _changing(place), limited(threads):
        old = _changeable(place)
        added, origins = _more(place, old, images)
        taken = {one.id for one in old.pictures}
        if [one.id for one in added] == list(range(len(added))) and taken == set(range(len(taken))):
            added = tuple(replace(one, id=one.id + len(taken)) for one in added)
            origins = tuple(replace(one, added=len(taken)) for one in origins)
            log.info("the new images are numbered on, from %d", len(taken))
        twice = next((one for one in added if one.id in taken), None)
        if twice is not None:
            raise FormatError(
                f"{twice.where}: has the id {twice.id}, which the index holds: matcher index replace takes it instead"
            )
        wanted = replace(old, origins=(*old.origins, *origins), pictures=(*old.pictures, *added))
        return _change(place, old, wanted, progress)


def remove_images(folder: AnyPath, ids: Sequence[int], *, progress: Progress | None = None) -> Catalog:
    """Take images out of an index by their ids; raises a `FormatError` where it holds none of one, or no others."""
    place, gone = folder_of(folder), ids_of(ids)
    checks.function("progress", progress)
    with _changing(place), limited(None):
        old = _changeable(place)
        lacking = sorted(gone - {one.id for one in old.pictures})
        if lacking:
            raise FormatError(f"{place}: holds no image of the id {lacking[0]}")
        left = tuple(one for one in old.pictures if one.id not in gone)
        if not left:
            raise FormatError(f"{place}: would hold no image any more; remove the folder instead")
        return _change(place, old, replace(old, pictures=left), progress)


def replace_images(
    folder: AnyPath, images: Any, *, progress: Progress | None = None, threads: int | None = None
) -> Catalog:
    """Put images in the place of those of an index that have their ids; takes and raises what `make_index` does.

    Of files that the index is of already, images are known by the ids that they have there.
    """
    place = folder_of(folder)
    checks.function("progress", progress)
    threads = with_options(None, {"threads": threads}).threads
    with _changing(place), limited(threads):
        old = _changeable(place)
        new, origins = known_again(old, *_more(place, old, images))
        by_id: dict[int, Pictured] = {}
        for one in new:
            if by_id.setdefault(one.id, one) is not one:
                raise FormatError(
                    f"{one.where}: has the id {one.id}, as {by_id[one.id].where} has: name those alone that changed"
                )
        lacking = sorted(by_id.keys() - {one.id for one in old.pictures})
        if lacking:
            raise FormatError(
                f"{by_id[lacking[0]].where}: has the id {lacking[0]}, which the index does not hold: matcher index add "
                "takes it"
            )
        pictures = tuple(by_id.get(one.id, one) for one in old.pictures)
        wanted = replace(old, origins=(*old.origins, *origins), pictures=pictures)
        return _change(place, old, wanted, progress)


def held(place: Path) -> AbstractContextManager[None]:
    """Hold an index directory for a change; refuses a folder that holds something else."""
    _check(place)
    return locked(place, "command", "folder")


def _changing(place: Path) -> AbstractContextManager[None]:
    """Hold an index that is there."""
    _changeable(place)
    return held(place)


def _check(place: Path) -> None:
    """Refuse a folder that holds something and no index: nothing of somebody else's is to be replaced."""
    if is_index(place):
        read_catalog(place)
        return
    try:
        names = sorted(os.listdir(place)) if place.is_dir() else []
    except OSError as error:
        raise MatcherError(f"{place}: cannot be read: {problem(error)}") from None
    # A command that was killed before it wrote a catalogue leaves its lock, and codes and pixels beside it.
    holder = lock_holder(place / "lock")
    foreign = [
        name
        for name in names
        if not is_temporary(name)
        and not (name == "lock" and holder is not None)
        and not (is_own(name) and (holder or not (place / name).stat().st_size))
    ]
    if foreign:
        raise MatcherError(
            f"{place}: is no index, and is not empty (it holds {foreign[0]}): name another folder"
        )


def _changeable(place: Path) -> Catalog:
    """The catalogue of an index that is to be changed."""
    catalog = read_catalog(place)
    if not catalog.pictures:
        raise FormatError(f"{place}: is not finished; the command that made it, run again, goes on")
    check_versions(os.fspath(place), catalog)
    return catalog


def _more(place: Path, old: Catalog, images: Any) -> tuple[tuple[Pictured, ...], tuple[Origin, ...]]:
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
    origins, places = origins_of(images, source, old.origins[0].offset)
    if origins[0].rasters != old.rasters:
        raise FormatError(
            f"{source.name}: rasters, and pictures that do not say where they lie, go into indexes apart"
        )
    return pictured(place, source, len(old.origins), origins, places, settings.bands), origins


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
    rows = zip(catalog.pictures, keys_of(catalog), strict=True)
    return hashlib.sha256("\n".join(f"{one.id} {key}" for one, key in rows).encode()).hexdigest()


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
    return complete(place, old, new, [kept.side for kept in old.kept], source, progress)
