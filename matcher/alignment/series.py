"""Many dates onto one, or onto each other: one scene after another, in a folder that a later run goes on from."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from matcher.alignment.fits import Transform
from matcher.alignment.frame import Side
from matcher.alignment.network import adjust
from matcher.alignment.run import (
    Aligning,
    Alignment,
    Progress,
    align_sides,
    open_moving,
    open_reference,
    open_sides,
)
from matcher.alignment.table import summary
from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write
from matcher.formats.fingerprint import stamp_of
from matcher.formats.raster import RasterSource, stem_of
from matcher.settings import Settings
from matcher.threads import limited

log = logging.getLogger("matcher")
Write = Callable[[str, Alignment, tuple[Side, Side]], list[str]]
FIELD = "-field"  # behind a scene's name, where its displacement field is written
_RUN = "align.json"
_PAIR_COUNT = 100  # tie points of a pair that is neither's reference


def align_series(
    moving: Any,
    reference: Any,
    folder: str | os.PathLike[str],
    write: Write,
    *,
    settings: Settings,
    asked: Aligning,
    mutual: bool = False,
    outputs: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Bring several scenes onto one.

    Parameters
    ----------
    moving, reference : as of `matcher.align`; many scenes, and one
    folder : path
        Made where it is not there. Each scene's figures are written to ``<scene>.json`` when all else of it is written;
        a later call with the same files and options takes them from there and goes on. A scene of which a file is gone
        is aligned again.
    write : callable
        Called with each scene's short name, its alignment and both sides, to write what is asked for; it gives the
        names of the files.
    settings, asked
    mutual : bool
        Whether scenes are laid by the shifts that agree best over all pairs, the reference's place kept. The transform
        of each is a shift then.
    outputs : dict, optional
        How `write` writes, by which runs are told apart too.
    progress : callable, optional

    Returns
    -------
    list of dict
        `matcher.alignment.table.summary` of each; ``moving`` and ``error`` of those that could not be aligned.

    Raises
    ------
    MatcherError
        If an input cannot be opened, the folder belongs to a run of other files or options, or cannot be written.
    """
    scenes = open_moving(moving, settings)
    target = open_reference(reference, settings, asked)
    names = _names(scenes)
    place = Path(folder)
    _claim(
        place,
        {
            "asked": asdict(asked),
            "mutual": mutual,
            "outputs": outputs or {},
            "settings": _told(settings),
            "files": _stamps(scenes, target),
        },
    )
    asked = replace(asked, offset=None)  # the reference has it, and no scene that is another's
    with limited(settings.threads):
        if mutual:
            return _mutual(scenes, target, names, place, write, settings, asked, progress)
        out = []
        for k, name in enumerate(names):
            done = _done(place, name)
            if done is None:
                done = _one(scenes.subset([k]), target, name, write, settings, asked, progress)
                _save(place, name, done)
            out.append(done)
        return out


def _one(
    scene: RasterSource,
    target: RasterSource,
    name: str,
    write: Write,
    settings: Settings,
    asked: Aligning,
    progress: Progress | None,
) -> dict[str, Any]:
    try:
        sides, own = open_sides(scene, target, settings, asked)
        made = align_sides(*sides, own, asked, None, progress)
    except MatcherError as error:
        log.warning("%s", error)
        return {"moving": scene.where(0), "error": str(error)}
    return {**summary(made), "files": write(name, made, sides)}


def _mutual(
    scenes: RasterSource,
    target: RasterSource,
    names: Sequence[str],
    place: Path,
    write: Write,
    settings: Settings,
    asked: Aligning,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """Every pair's shift, then each scene's, then its files. The reference is number 0."""
    every = [target, *(scenes.subset([k]) for k in range(len(scenes)))]
    crs = {source.rasters[0].georef.crs if source.rasters[0].georef else "" for source in every}
    if len(crs) > 1:
        raise MatcherError(
            f"{scenes.name}: scenes laid onto each other need one CRS, and these have {len(crs)}"
        )
    found: dict[tuple[int, int], Alignment] = {}
    faults: dict[int, list[str]] = {k: [] for k in range(len(every))}
    pairs = [(i, j) for j in range(len(every)) for i in range(j + 1, len(every))]
    for n, (i, j) in enumerate(pairs):
        count = asked.count if j == 0 else min(asked.count, _PAIR_COUNT)
        try:
            sides, own = open_sides(every[i], every[j], settings, asked)
            found[i, j] = align_sides(*sides, own, replace(asked, count=count, transform="shift"))
        except MatcherError as error:
            log.info("%s", error)
            faults[i].append(str(error))
        if progress is not None:
            progress(n + 1, len(pairs))
    keys = np.array(list(found), np.int64).reshape(-1, 2)
    shifts = np.array([_on_map(made) for made in found.values()]).reshape(-1, 2)
    sigma = np.array([_error(made) for made in found.values()])
    positions, errors, left = adjust(keys, shifts, sigma, len(every))
    _save(place, "pairs", _pairs(keys, shifts, sigma, left, ["reference", *names]))
    out = []
    for k, name in enumerate(names, 1):
        if np.isnan(errors[k]):
            fault = faults[k][0] if faults[k] else "no pair with it could be aligned"
            done: dict[str, Any] = {"moving": every[k].where(0), "error": fault}
        else:
            done = _laid(every, k, name, found, positions[k], errors[k], write, settings, asked)
        _save(place, name, done)
        out.append(done)
    return out


def _laid(
    every: Sequence[RasterSource],
    k: int,
    name: str,
    found: dict[tuple[int, int], Alignment],
    position: Any,
    error: float,
    write: Write,
    settings: Settings,
    asked: Aligning,
) -> dict[str, Any]:
    """One scene by the shift that all pairs tell; its tie points are those with the reference, or with another."""
    i, j = (k, 0) if (k, 0) in found else next(key for key in found if k in key)
    made = found[i, j]
    sides, _ = open_sides(every[k], every[0], settings, asked)
    back = np.linalg.inv(_linear(made))
    matrix = np.zeros((3, 2))
    matrix[0] = (back @ position)[::-1]
    transform = Transform("shift", matrix, tried=made.transform.tried)
    points = made.points if (i, j) == (k, 0) else made.points.take(np.zeros(len(made.points), bool))
    laid = replace(
        made, moving=every[k].where(0), reference=every[0].where(0), points=points, transform=transform
    )
    files = write(name, laid, sides)
    shift = {"shift_map": [float(v) for v in position], "shift_error_map": float(error)}
    return {**summary(laid), **shift, "files": files}


def _linear(made: Alignment) -> Any:
    """Columns and rows to map units."""
    if made.georef is None:
        return np.eye(2)
    t = made.georef.transform
    return np.array([[t.a, t.b], [t.d, t.e]])


def _on_map(made: Alignment) -> Any:
    down, right = made.transform.matrix[0]
    return _linear(made) @ (right, down)


def _error(made: Alignment) -> float:
    """Standard error of a pair's shift, map units: of the mean of its points' own errors and what is left."""
    used = made.points.used
    spread = float(np.sqrt((made.left[used] ** 2).mean()))
    return max(spread, 0.01) / np.sqrt(used.sum()) * float(np.sqrt(abs(np.linalg.det(_linear(made)))))


def _pairs(keys: Any, shifts: Any, sigma: Any, left: Any, names: Sequence[str]) -> dict[str, Any]:
    return {
        "pairs": [
            {
                "moving": names[i], "onto": names[j], "shift_map": shifts[n].tolist(), "sigma_map": float(sigma[n]),
                "left_map": [None if np.isnan(v) else float(v) for v in left[n]],
            }
            for n, (i, j) in enumerate(keys.tolist())
        ]
    }  # fmt: skip


def _names(scenes: RasterSource) -> list[str]:
    """A short name for each scene: no two alike, and none that is another's with `FIELD` behind it."""
    out: list[str] = []
    taken = {"align", "pairs"}
    for k in range(len(scenes)):
        stem = stem_of(scenes.where(k))
        name, number = stem, 2
        while taken & (own := {name.casefold(), f"{name}{FIELD}".casefold()}):
            name, number = f"{stem}-{number}", number + 1
        taken |= own
        out.append(name)
    return out


def _told(settings: Settings) -> dict[str, Any]:
    return {k: v for k, v in asdict(settings).items() if k not in ("threads", "memory")}


def _stamps(*sources: RasterSource) -> list[list[Any]]:
    """Every file, with its size and time where it is one of this machine's."""
    out: list[list[Any]] = []
    for source in sources:
        for raster in source.rasters:
            # Of what is no file of its own, such as a picture of a stack, the file that it was read from.
            own = raster.name
            while ", " in own and not os.path.exists(own):
                own = own.rpartition(", ")[0]
            for path in dict.fromkeys(band.path or own for band in raster.bands):
                try:
                    out.append([os.path.abspath(path), *stamp_of(path)[:2]])
                except FormatError:  # in an archive, or elsewhere
                    out.append([path, None, None])
    return out


def _claim(place: Path, identity: dict[str, Any]) -> None:
    """Make the folder, or see that it is of the same run."""
    own = json.loads(json.dumps(identity))
    file = place / _RUN
    if file.exists():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise MatcherError(f"{file}: cannot be read; remove the folder, or name another") from None
        changed = [key for key in own if there.get(key) != own[key]]
        if changed:
            raise MatcherError(
                f"{place}: is of a run with other {' and '.join(changed)}; name another folder, or remove it"
            )
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MatcherError(f"{place}: cannot be made: {error.strerror}") from None
    if any(place.iterdir()):
        raise MatcherError(f"{place}: holds other files; name a new folder, or that of an earlier run")
    with atomic_write(file, "w") as out:
        json.dump(own, out, indent=1)


def _done(place: Path, name: str) -> dict[str, Any] | None:
    try:
        done: dict[str, Any] = json.loads((place / f"{name}.json").read_text(encoding="utf-8"))
        whole = all((place / file).exists() for file in done.get("files", ()))
    except (OSError, ValueError, AttributeError):
        return None
    return done if whole else None


def _save(place: Path, name: str, done: dict[str, Any]) -> None:
    with atomic_write(place / f"{name}.json", "w") as out:
        json.dump(done, out, indent=1, allow_nan=False)
        out.write("\n")
