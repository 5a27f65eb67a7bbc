"""A change written: arrays, GeoTIFF, and a picture."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matcher.changing.detect import CLASSES, Change
from matcher.changing.run import Found
from matcher.formats.files import atomic_write
from matcher.formats.geotiff import import_rasterio, write_geotiff
from matcher.formats.outputs import OutputFolder
from matcher.formats.thumbs import stretch

FORMS = ("npz", "tif", "png")
_ENLARGED = 192  # px a side, at least, of a picture's panels
_COLOURS = ((40, 40, 40), (230, 60, 30), (255, 255, 255), (60, 90, 200), (0, 0, 0))  # by class


class ChangeFolder:
    """Changes written to ``<patch>.npz``, ``.tif`` and ``.png`` in a folder.

    ``.npz`` holds score, kind, classes, shift, gain, offset, place; ``.tif`` the bands score and class; ``.png``
    patch, window, score and classes (changed red, cloud white, shadow blue).

    Parameters
    ----------
    path : path
        Made where it is not there; files that an earlier call wrote are replaced.
    patches : iterable of int
        The ids of all patches that will be written.
    forms : sequence of str
        Which of the three.
    inputs : sequence of paths
        What must not be replaced.

    Raises
    ------
    MatcherError
        If the folder cannot be made, or a file of one of the names is there that no earlier call wrote.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        patches: Iterable[int],
        forms: Sequence[str] = FORMS,
        inputs: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        self._forms, self._inside = forms, OutputFolder(path, "change")
        self._inside.make([f"{patch}.{form}" for patch in patches for form in forms], inputs)

    def write(self, found: Found) -> list[str]:
        """Write one change; returns the files.

        Raises
        ------
        MatcherError
            If one cannot be written, or rasterio is missing for ``.tif``.
        """
        out = []
        for form in self._forms:
            name = f"{found.patch}.{form}"
            path = self._inside.path / name
            {"npz": _write_npz, "tif": _write_tif, "png": _write_png}[form](path, found)
            self._inside.wrote(name)
            out.append(str(path))
        return out


def _write_npz(path: Path, found: Found) -> None:
    change = found.change
    with atomic_write(path) as file:
        np.savez_compressed(
            file,
            score=change.score,
            kind=change.kind,
            classes=np.array(CLASSES),
            shift=np.array(change.shift),
            gain=change.gain,
            offset=change.offset,
            place=np.array([found.image, found.x, found.y]),
        )


def _write_tif(path: Path, found: Found) -> None:
    profile: dict[str, Any] = {}
    if found.georef is not None:
        import_rasterio(str(path))
        profile = {"crs": found.georef.crs, "transform": found.georef.transform}

    def describe(dataset: Any) -> None:
        dataset.set_band_description(1, "probability of change")
        dataset.set_band_description(2, "class")
        dataset.update_tags(CLASSES=", ".join(f"{k} {name}" for k, name in enumerate(CLASSES)))

    values = np.stack([found.change.score, found.change.kind.astype(np.float32)]).astype(np.float32)
    write_geotiff(path, values, profile, describe)


def picture(change: Change) -> NDArray[np.uint8]:
    """Patch, window, score and classes side by side, (height, 4 width + 6, 3)."""
    heat = np.sqrt(change.score[..., np.newaxis]) * np.array([255, 210, 90])
    panels = [
        stretch(change.patch),
        stretch(change.window),
        heat.astype(np.uint8),
        np.array(_COLOURS, np.uint8)[change.kind],
    ]
    gap = np.full((change.score.shape[0], 2, 3), 255, np.uint8)
    return np.hstack([part for panel in panels for part in (panel, gap)][:-1])


def _write_png(path: Path, found: Found) -> None:
    shown = Image.fromarray(picture(found.change))
    times = max(1, -(-_ENLARGED // found.change.score.shape[0]))
    shown = shown.resize((shown.width * times, shown.height * times), Image.Resampling.NEAREST)
    with atomic_write(path) as file:
        shown.save(file, "PNG", optimize=True)
