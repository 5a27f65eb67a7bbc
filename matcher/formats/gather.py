"""Rasters of one form or several brought together: numbered, sound, and with bands that go together."""

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError, MatcherError, NoInputError
from matcher.formats.bandnames import ORDER
from matcher.formats.base import BadRecord
from matcher.formats.georef import UPRIGHT
from matcher.formats.raster import Raster, RasterSource, band_names, number
from matcher.formats.reader import Asked, Reader

log = logging.getLogger("matcher")


@dataclass(frozen=True)
class Entry:
    """A raster that a reader found and has not opened: its name, and what opens it with the bands asked for."""

    name: str
    open: Callable[[Sequence[str] | None], Raster]


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
    bad: list[BadRecord] = []
    for k, entry in enumerate(entries):
        try:
            raster = entry.open(asked.bands)
        except FormatError as error:
            if asked.on_bad is None:
                raise
            bad.append(bad_raster(entry.name, int(ids[k]), error))
            continue
        found[k] = raster if asked.offset is None else replace(raster, offset=asked.offset)
    if asked.on_bad is not None:
        found = _sound(found, ids, bad)
        for one in bad:
            asked.on_bad(one)
        if not found:
            raise NoInputError(f"{asked.name}: not one raster of it can be used; the first fault: {bad[0]}")
    _warn_of_names(list(found.values()))
    _warn_of_turned(list(found.values()))
    return RasterSource(list(found.values()), asked.name, ids[list(found)])


def bad_raster(name: str, number: int, error: Exception) -> BadRecord:
    """A raster that cannot be used, and why."""
    return BadRecord(name, -1, -1, number, str(error).removeprefix(f"{name}: "))


def _sound(found: dict[int, Raster], ids: NDArray[np.int64], bad: list[BadRecord]) -> dict[int, Raster]:
    """Those rasters that have the bands most have, and can be read from end to end; the others are added to `bad`."""
    kinds = Counter(band_names(raster) for raster in found.values())
    usual = max(kinds, key=lambda names: kinds[names]) if kinds else ()
    out = {}
    for k, raster in found.items():
        try:
            if band_names(raster) != usual:
                has, most = (", ".join(name or "unnamed" for name in b) for b in (band_names(raster), usual))
                raise FormatError(f"{raster.name}: has the bands {has}, and most have {most}")
            RasterSource([raster], raster.name).check(0)
        except FormatError as error:
            bad.append(bad_raster(raster.name, int(ids[k]), error))
        else:
            out[k] = raster
    return out


def _warn_of_names(rasters: Sequence[Raster]) -> None:
    """Say so where given names of bands are not those of the files; once for all files."""
    against = [raster for raster in rasters if raster.against]
    if against:
        own, taken = (
            ", ".join(name or "unnamed" for name in names)
            for names in (against[0].against, band_names(against[0]))
        )
        more = f" and {len(against) - 1} more" if len(against) > 1 else ""
        log.warning(
            "%s%s: calls its bands %s; taken as %s, as was asked for", against[0].name, more, own, taken
        )


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
    """Both sides with the bands that they share, in one order, and their names where they are known.

    Raises
    ------
    MatcherError
        If they share none, or nothing says which do.
    """
    left, right = chips.band_names, scenes.band_names
    if None in left or None in right:
        if len(left) != len(right):
            raise MatcherError(
                f"{chips.name} has {len(left)} bands and {scenes.name} {len(right)}, and nothing says which are the "
                "same: name them with --bands, and in locate the chips' with --chip-bands"
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
