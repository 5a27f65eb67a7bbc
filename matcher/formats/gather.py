"""Rasters of one form or several brought together: numbered, sound, and with bands that go together."""

import logging
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.bandnames import ORDER, is_extra, named
from matcher.formats.base import BadRecord
from matcher.formats.georef import UPRIGHT
from matcher.formats.raster import Raster, RasterSource, number
from matcher.formats.reader import Asked, Reader

log = logging.getLogger("matcher")


@dataclass(frozen=True)
class Entry:
    """A raster that a reader found and has not opened.

    Attributes
    ----------
    name : str
    open : callable
        Opens it with the bands asked for.
    paths : tuple of str
        Those of the claimed paths that it is of: the reader finds it by these alone. Empty where all are needed.
    """

    name: str
    open: Callable[[Sequence[str] | None], Raster]
    paths: tuple[str, ...] = ()


class RasterForm(Reader):
    """A reader whose pictures say which bands they have and where they lie."""

    @abstractmethod
    def entries(self, paths: Sequence[str]) -> list[Entry]:
        """The rasters of some claimed paths, in order; files that belong together are one.

        What is wrong with a file is raised when its raster is opened, so that the others can be read without it.
        """

    def open(self, paths: Sequence[str], asked: Asked) -> RasterSource:
        """The rasters, windows read lazily."""
        return gather(self.entries(paths), asked)


def gather(entries: Sequence[Entry], asked: Asked) -> RasterSource:
    """Open rasters and number them: by their names where all are numbers, otherwise in order.

    With `Asked.on_bad` each is read through to find the bad ones out; the others keep their numbers.

    Raises
    ------
    FormatError
        If one cannot be used; the message names the file.
    """
    ids = number([entry.name for entry in entries])
    found: dict[int, Raster] = {}
    faults: dict[int, FormatError] = {}
    for k, entry in enumerate(entries):
        try:
            raster = entry.open(asked.bands)
        except FormatError as error:
            faults[k] = error
            continue
        found[k] = raster if asked.offset is None else replace(raster, offset=asked.offset)
    _pass_over(entries, found, faults)
    if faults and asked.on_bad is None:
        raise next(iter(faults.values()))
    if asked.on_bad is not None:
        faults |= _unsound(found)
        found = {k: raster for k, raster in found.items() if k not in faults}
        bad = [bad_raster(entries[k].name, int(ids[k]), faults[k]) for k in sorted(faults)]
        for one in bad:
            asked.on_bad(one)
        if not found:
            raise NoInputError(f"{asked.name}: not one raster of it can be used; the first fault: {bad[0]}")
    rasters = list(found.values())
    tell_of(rasters)
    source = RasterSource(rasters, asked.name, ids[list(found)])
    return source if asked.mixed else uniform(source)


def tell_of(rasters: Sequence[Raster]) -> None:
    """Say so where rasters are not read as their files have them, or something is taken for granted."""
    _warn_of_names(rasters)
    _warn_of_turned(rasters)
    _tell_assumed(rasters)


def _pass_over(entries: Sequence[Entry], found: dict[int, Raster], faults: dict[int, FormatError]) -> None:
    """Leave out thumbnails, quality bands and other layers that lie beside pictures, and say so.

    They are told by their names, and only where they are not as the others are, in bands or in having a place.
    """
    beside = {
        k for k, entry in enumerate(entries) if is_extra(os.path.splitext(os.path.basename(entry.name))[0])
    }
    usual = {_kind(raster) for k, raster in found.items() if k not in beside}
    out = [k for k in sorted(beside) if usual and (k in faults or _kind(found[k]) not in usual)]
    if out:
        more = f" and {len(out) - 1} more" if len(out) > 1 else ""
        log.info("%s%s: a layer beside pictures, passed over", entries[out[0]].name, more)
    for k in out:
        found.pop(k, None)
        faults.pop(k, None)


def _kind(raster: Raster) -> tuple[tuple[str | None, ...], bool]:
    return raster.names, raster.georef is None


def uniform(source: RasterSource) -> RasterSource:
    """The source with the bands that all of its rasters have; a note says so where some have more.

    Raises
    ------
    FormatError
        If they share none.
    """
    kinds = {raster.names for raster in source.rasters}
    if len(kinds) == 1:
        return source
    names = source.band_names
    log.info(
        "%s: its files have different bands; those that all have are read: %s",
        source.name,
        ",".join(map(str, names)),
    )
    return source.select([str(name) for name in names])


def bad_raster(name: str, number: int, error: Exception) -> BadRecord:
    """A raster that cannot be used, and why."""
    return BadRecord(name, -1, -1, number, str(error).removeprefix(f"{name}: "))


def _unsound(found: dict[int, Raster]) -> dict[int, FormatError]:
    """What is wrong with those rasters that share no band with most, or cannot be read from end to end.

    Most are those that show the most: their area counts once for every pair of bands, so that a scene is not outvoted
    by single bands beside it, and rasters that have a place go before those that have none.
    """
    weights: Counter[tuple[str | None, ...]] = Counter()
    placed = any(raster.georef is not None for raster in found.values())
    for raster in found.values():
        if not placed or raster.georef is not None:
            weights[raster.names] += raster.height * raster.width * len(raster.bands) ** 2
    usual = max(weights, key=lambda names: weights[names]) if weights else ()
    out = {}
    for k, raster in found.items():
        names = raster.names
        try:
            if names != usual and not set(names) & set(usual) - {None}:
                has, most = (", ".join(name or "unnamed" for name in some) for some in (names, usual))
                raise FormatError(f"{raster.name}: has the bands {has}, and most have {most}")
            RasterSource([raster], raster.name).check(0)
        except FormatError as error:
            out[k] = error
    return out


def _warn_of_names(rasters: Sequence[Raster]) -> None:
    """Say so where given names of bands are not those of the files; once for all files."""
    against = [raster for raster in rasters if raster.against]
    if against:
        own, taken = (
            ", ".join(name or "unnamed" for name in names) for names in (against[0].against, against[0].names)
        )
        more = f" and {len(against) - 1} more" if len(against) > 1 else ""
        log.warning(
            "%s%s: calls its bands %s; taken as %s, as was asked for", against[0].name, more, own, taken
        )


def _tell_assumed(rasters: Sequence[Raster]) -> None:
    """Say so where names of bands are taken for granted; once for all files."""
    for some, what in (
        ([r for r in rasters if r.assumed], "does not name its fourth band, taken for near infrared"),
        ([r for r in rasters if len(r.bands) > 1 and None in r.names], "does not name its bands"),
    ):
        if some:
            more = f" and {len(some) - 1} more" if len(some) > 1 else ""
            taken = ",".join(named(some[0].names)) or "they lie"
            log.info("%s%s: %s; read as %s (--bands says otherwise)", some[0].name, more, what, taken)


def _warn_of_turned(rasters: Sequence[Raster]) -> None:
    """Say so where pixels are not read in the order of the file; once for all files."""
    turned = [raster for raster in rasters if raster.turned != UPRIGHT]
    if turned:
        more = f" and {len(turned) - 1} more" if len(turned) > 1 else ""
        log.warning(
            "%s%s: not stored with north up and west left; read so, and rows and columns are counted so",
            turned[0].name,
            more,
        )


def common_bands(
    chips: RasterSource, scenes: RasterSource
) -> tuple[RasterSource, RasterSource, tuple[str, ...] | None]:
    """Both sides with the bands that they share, in the same order, and the names of these where they are known.

    Raises
    ------
    MatcherError
        If they share none, or nothing says which do.
    """
    left, right = chips.band_names, scenes.band_names
    if None in left or None in right:
        if len(left) != len(right):
            raise MatcherError(
                f"{chips.name} has {len(left)} bands and {scenes.name} {len(right)}, and "
                "nothing says which are the same: name them with --bands, and in locate the chips' with --chip-bands"
            )
        known = next((names for names in (left, right) if None not in names), None)
        return chips, scenes, known  # type: ignore[return-value]
    shared = [name for name in right if name in left]
    shared.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    if not shared:
        raise MatcherError(
            f"{chips.name} has the bands {', '.join(map(str, left))} and {scenes.name} {', '.join(map(str, right))}: "
            "none is the same; choose with --bands, and in locate --chip-bands"
        )
    names = tuple(str(name) for name in shared)
    return chips.select(names), scenes.select(names), names
