"""Images that an index is of already, read again: by which ids they are known there."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from matcher.errors import FormatError
from matcher.formats.catalog import Catalog, Origin, Pictured

log = logging.getLogger("matcher")


def known_again(
    old: Catalog, new: Sequence[Pictured], origins: Sequence[Origin]
) -> tuple[tuple[Pictured, ...], tuple[Origin, ...]]:
    """Images that are to replace others, and their origins, numbered behind those of the catalogue.

    Rasters of files that the catalogue has get the ids that they have there, and images of other files those that
    the files give, numbered on as they were; what was taken out of the index stays out. Other images stay as they are.

    Raises
    ------
    FormatError
        If such a file does not hold an image any more that the index has of it.
    """
    first = len(old.origins)
    read = _by_origin(new)
    held = {one.id for one in old.pictures}
    there = _by_origin(old.pictures)
    known: dict[tuple[str, ...], list[int]] = {}
    for number in there:
        known.setdefault(old.origins[number].paths, []).append(number)
    pictures: list[Pictured] = []
    out: list[Origin] = []
    for k, origin in enumerate(origins):
        own = read.get(first + k, [])
        for number in known.get(origin.paths, []):
            was, added = there[number], old.origins[number].added
            ids = {one.record: one.id for one in was} if origin.rasters else {}
            again = [
                replace(
                    one,
                    id=ids.get(one.record, -1) if origin.rasters else one.id + added,
                    origin=first + len(out),
                )
                for one in own
            ]
            lacking = sorted({one.id for one in was} - {one.id for one in again})
            if lacking:
                raise FormatError(
                    f"{origin.paths[0]}: does not hold the image any more that has the id {lacking[0]} in the index: "
                    "make the index anew in another folder"
                )
            taken = [one for one in again if one.id in held]
            if len(taken) < len(own):
                log.info(
                    "%s: %d images that the index does not hold stay out", origin.name, len(own) - len(taken)
                )
            pictures += taken
            out.append(replace(origin, added=added))
        if origin.paths not in known:
            pictures += [replace(one, origin=first + len(out)) for one in own]
            out.append(origin)
    return tuple(pictures), tuple(out)


def _by_origin(pictures: Sequence[Pictured]) -> dict[int, list[Pictured]]:
    out: dict[int, list[Pictured]] = {}
    for one in pictures:
        out.setdefault(one.origin, []).append(one)
    return out
