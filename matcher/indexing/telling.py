"""What an index holds, in words, and whether it is sound."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from matcher.aliases import AnyPath
from matcher.errors import MatcherError
from matcher.formats.catalog import Catalog, Origin, read_catalog
from matcher.formats.fingerprint import Inputs, differences
from matcher.indexing.codefiles import damaged, paths_of
from matcher.indexing.opened import made_by

_GO_ON = "the command that made it, run again, goes on"


def summary(catalog: Catalog) -> str:
    """A line: how many images, for patches of which sizes, and how many bytes these take."""
    count = len(catalog.pictures)
    sizes = ", ".join(
        f"{kept.side[0]} x {kept.side[1]} px ({_spelled(sum(kept.code_bytes) + sum(kept.colour_bytes))})"
        for kept in catalog.kept
    )
    return f"{count:,} image{'' if count == 1 else 's'}, for patches of {sizes}"


def describe(folder: AnyPath) -> list[str]:
    """What an index directory holds, a line each.

    Raises
    ------
    FormatError
        If it is none, or its catalogue cannot be read.
    """
    catalog, place = read_catalog(folder), Path(folder)
    if not catalog.pictures:
        done = max((len(rows) for rows in (catalog.pending or {}).values()), default=0)
        return [f"{os.fspath(folder)}: not finished, {done} images coded; {_GO_ON}"]
    made = catalog.made
    shapes = sorted({(one.height, one.width) for one in catalog.pictures})
    sizes = [f"{height} x {width}" for height, width in dict.fromkeys((shapes[0], shapes[-1]))]
    lines = [
        f"{os.fspath(folder)}: {summary(catalog)}",
        f"images of {' to '.join(sizes)} px, bands {','.join(made['bands'])}, values {made['value_range']}, "
        f"coded {'whole, for match' if made['cut'] == 'whole' else 'in pieces, for locate'}",
    ]
    counts = Counter(_said(catalog.origins[one.origin]) for one in catalog.pictures)
    lines += [f"of {name}: {count:,}" for name, count in counts.items()]
    for kept in catalog.kept:
        size = sum(path.stat().st_size for path in paths_of(place, kept) if path.exists())
        used = sum(row[2] + row[3] for row in set(kept.rows()))  # images of one content have one code
        lines.append(
            f"{kept.side[0]} x {kept.side[1]} px: {_spelled(size)} on disk, {_spelled(size - used)} of it of images "
            "that are no longer there"
        )
    lines.append("made by " + ", ".join(f"{name} {version}" for name, version in made["versions"].items()))
    if wrong := differences(made["versions"], made_by()):
        lines.append(f"of no use to this version: {'; '.join(wrong)}")
    if catalog.pending:
        lines.append("a change of it was stopped; the command, run again, goes on")
    return lines


def faults(folder: AnyPath) -> Iterator[str]:
    """What is wrong with an index and with the images that it is of, all checksums compared; a line each.

    Raises
    ------
    FormatError
        If its catalogue cannot be read.
    """
    catalog, place = read_catalog(folder), Path(folder)
    if not catalog.pictures:
        yield f"{os.fspath(folder)}: not finished; {_GO_ON}"
    for origin in catalog.origins:
        try:
            if Inputs(own=origin.paths).fingerprints["own"]["sha256"] != origin.sha256:
                yield f"{', '.join(origin.paths)}: not what the index was made of: see matcher index replace"
        except MatcherError as error:
            yield str(error)
    for kept in catalog.kept:
        try:
            for k in damaged(place, kept):
                yield (
                    f"{place / kept.name}: the codes of image {catalog.pictures[k].id} are damaged: index remove "
                    "and add make them anew"
                )
        except MatcherError as error:
            yield str(error)


def _said(origin: Origin) -> str:
    """Of what pictures are: a file that holds them, or what the user named."""
    return origin.name if origin.rasters or len(origin.paths) > 1 else origin.paths[0]


def _spelled(size: int) -> str:
    return f"{size / 2**30:,.2f} GiB" if size >= 1 << 30 else f"{size / 2**20:,.1f} MiB"
