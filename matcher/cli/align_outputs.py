"""What ``matcher align`` does and writes, for one scene and for many."""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from matcher.aliases import Progress

log = logging.getLogger("matcher")
_PAGES = (".html", ".htm")
_RASTERS = (".tif", ".tiff")


@dataclass(frozen=True)
class Wanted:
    """What is to be written of a scene: files, the moved scene, the field; and how the scene is moved."""

    outputs: tuple[str, ...]
    moved: str | None
    field: str | None
    onto_reference: bool
    resampling: str


def one(
    moving: Sequence[str],
    reference: Sequence[str],
    wanted: Wanted,
    points: str | None,
    progress: Progress,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Align one scene and write what is wanted; its figures."""
    from matcher.alignment.outputs import check_moved
    from matcher.alignment.run import align_sides, open_sides
    from matcher.alignment.table import summary
    from matcher.alignment.ties import tie_points
    from matcher.formats.outputs import check_ending
    from matcher.formats.tiefiles import check_place, check_suffix, read_ties
    from matcher.threads import limited

    ties = [path for path in wanted.outputs if not path.lower().endswith((".json", *_PAGES))]
    for path in ties:
        check_suffix(path)
    for path in filter(None, (wanted.moved, wanted.field)):
        check_ending(path, "scenes and fields", _RASTERS)
    settings, asked = _asked(options)
    sides, settings = open_sides(moving, reference, settings, asked)
    moved = sides[0]
    for path in ties:
        check_place(path, moved.georef)
    if wanted.moved is not None:
        check_moved(moved.name, moved.georef, moved.raster)
    given = None if points is None else tie_points(read_ties(points, moved.georef, moved.raster.turned))
    with limited(settings.threads):
        made = align_sides(*sides, settings, asked, given, progress)
    _write(wanted, made, sides)
    return summary(made)


def many(
    moving: Sequence[str],
    reference: Sequence[str],
    folder: str,
    wanted: Wanted,
    mutual: bool,
    progress: Progress,
    options: dict[str, Any],
) -> list[dict[str, Any]]:
    """Align many scenes, everything of each in one folder; their figures."""
    from matcher.alignment.outputs import check_moved
    from matcher.alignment.series import FIELD, align_series
    from matcher.errors import MatcherError

    settings, asked = _asked(options)

    def write(name: str, made: Any, sides: Any) -> list[str]:
        path = os.path.join(folder, name)
        files = [f"{path}.csv", f"{path}.html"]
        if made.georef is not None:
            files += [f"{path}.geojson", f"{path}.points"]
        files = files if len(made.points) else []
        try:
            check_moved(made.moving, made.georef, sides[0].raster)
            moved = f"{path}.tif"
        except MatcherError as error:
            log.info("%s", error)
            moved = None
        own = replace(wanted, outputs=tuple(files), moved=moved, field=f"{path}{FIELD}.tif")
        _write(own, made, sides)
        return [os.path.basename(file) for file in (*files, own.moved, own.field) if file is not None]

    outputs = {"onto_reference": wanted.onto_reference, "resampling": wanted.resampling}
    return align_series(
        moving, reference, folder, write, settings=settings, asked=asked, mutual=mutual, outputs=outputs,
        progress=progress,
    )  # fmt: skip


def _asked(options: dict[str, Any]) -> tuple[Any, Any]:
    from matcher.alignment.run import Aligning
    from matcher.settings import Settings, with_options

    own = {key: value for key, value in options.items() if key in Aligning.__dataclass_fields__}
    return with_options(Settings(), {k: v for k, v in options.items() if k not in own}), Aligning(**own)


def _write(wanted: Wanted, made: Any, sides: Any) -> None:
    from matcher.alignment.outputs import Onto, write_field, write_moved
    from matcher.alignment.table import records, summary
    from matcher.formats.files import atomic_write
    from matcher.formats.tiefiles import write_ties

    for path in wanted.outputs:
        if path.lower().endswith(".json"):
            with atomic_write(path, "w") as file:
                json.dump(summary(made), file, indent=1, allow_nan=False)
                file.write("\n")
        elif path.lower().endswith(_PAGES):
            from matcher.alignment.pictures import views
            from matcher.report.alignment import write_alignment

            write_alignment(path, made, views(made, *sides))
        else:
            write_ties(path, records(made), made.georef, sides[0].raster.turned)
    if wanted.moved is not None:
        onto = Onto(sides[1].georef if wanted.onto_reference else None, wanted.resampling)
        write_moved(wanted.moved, made, sides[0].raster, onto)
    if wanted.field is not None:
        write_field(wanted.field, made)
