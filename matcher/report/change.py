"""A change written: arrays, GeoTIFF, and a picture."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from matcher.changing.detect import CLASSES, Change
from matcher.changing.run import Found
from matcher.formats.files import atomic_write
from matcher.formats.filled import OutputFolder
from matcher.formats.geotiff import import_rasterio, write_geotiff
from matcher.formats.thumbs import alike

FORMS = ("npz", "tif", "png")
_ENLARGED = 192  # px a side, at least, of a picture's panels
_GAP, _LINE = 10, 18  # px
_COLOURS = ((40, 40, 40), (230, 60, 30), (255, 255, 255), (60, 90, 200), (0, 0, 0))  # by class


class ChangeFolder:
    """Changes written to ``<patch>.npz``, ``.tif`` and ``.png`` in a folder.

    ``.npz`` holds score, kind, classes, shift, gain, offset, place; ``.tif`` the score; ``-class.tif``, written beside
    it, the classes as whole numbers with colours, their names in ``-class.tif.aux.xml``; ``.png`` patch, window, score
    and classes with what their colours mean.

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
        self._inside.make(
            [name for patch in patches for form in forms for name in _names(patch, form)], inputs
        )

    def write(self, found: Found) -> list[str]:
        """Write one change; returns the files.

        Raises
        ------
        MatcherError
            If one cannot be written, or rasterio is missing for ``.tif``.
        """
        writers: dict[str, Callable[..., None]] = {"npz": _write_npz, "tif": _write_tifs, "png": _write_png}
        out: list[str] = []
        for form in self._forms:
            names = _names(found.patch, form)
            paths = [self._inside.path / name for name in names]
            writers[form](*paths, found)
            for name in names:
                self._inside.wrote(name)
            out += map(str, paths)
        return out


def _names(patch: int, form: str) -> list[str]:
    """The files that are written of a patch in one form."""
    more = [f"{patch}-class.tif", f"{patch}-class.tif.aux.xml"] if form == "tif" else []
    return [f"{patch}.{form}", *more]


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


def _write_tifs(scores: Path, classes: Path, names: Path, found: Found) -> None:
    """The score, the classes with their colours, and beside these their names, which GDAL and QGIS read there."""
    profile: dict[str, Any] = {}
    if found.georef is not None:
        import_rasterio(str(scores))
        profile = {"crs": found.georef.crs, "transform": found.georef.transform}

    def of_scores(dataset: Any) -> None:
        dataset.set_band_description(1, "probability of change")

    def of_classes(dataset: Any) -> None:
        dataset.set_band_description(1, "class")
        dataset.write_colormap(1, {k: (*colour, 255) for k, colour in enumerate(_COLOURS)})
        dataset.update_tags(CLASSES=", ".join(f"{k} {name}" for k, name in enumerate(CLASSES)))

    write_geotiff(scores, found.change.score[np.newaxis].astype(np.float32), profile, of_scores)
    kinds = found.change.kind[np.newaxis].astype(np.uint8)
    write_geotiff(classes, kinds, {**profile, "photometric": "PALETTE"}, of_classes)
    listed = "".join(f"<Category>{name}</Category>" for name in CLASSES)
    with atomic_write(names, "w") as file:
        band = f'<PAMRasterBand band="1"><CategoryNames>{listed}</CategoryNames></PAMRasterBand>'
        file.write(f"<PAMDataset>{band}</PAMDataset>\n")


def picture(change: Change) -> NDArray[np.uint8]:
    """Patch, window, score and classes side by side, (height, 4 width + 6, 3)."""
    gap = np.full((change.score.shape[0], 2, 3), 255, np.uint8)
    return np.hstack([part for panel in _panels(change) for part in (panel, gap)][:-1])


def _panels(change: Change) -> list[NDArray[np.uint8]]:
    patch, window = alike([change.patch, change.window], False)
    return [patch, window, _heat(change.score), np.array(_COLOURS, np.uint8)[change.kind]]


def _heat(score: NDArray) -> NDArray[np.uint8]:
    """A score of 0 to 1 as a colour from black to yellow, (…, 3)."""
    return (np.sqrt(score[..., np.newaxis]) * np.array([255, 210, 90])).astype(np.uint8)


def _write_png(path: Path, found: Found) -> None:
    with atomic_write(path) as file:
        legend_of(found).save(file, "PNG", optimize=True)


def legend_of(found: Found) -> Image.Image:
    """The four pictures of a change, each with its name, and what the colours of score and classes mean."""
    change = found.change
    high, wide = change.score.shape
    times = max(1, -(-_ENLARGED // min(high, wide)))
    high, wide = high * times, wide * times
    sheet = Image.new("RGB", (4 * wide + 5 * _GAP, high + 4 * _LINE + 3 * _GAP), "#ffffff")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    names = (f"patch {found.patch}", f"image {found.image}, x {found.x}, y {found.y}", "score", "classes")
    for k, (panel, name) in enumerate(zip(_panels(change), names, strict=True)):
        left = _GAP + k * (wide + _GAP)
        sheet.paste(
            Image.fromarray(panel).resize((wide, high), Image.Resampling.NEAREST), (left, _LINE + _GAP)
        )
        draw.text((left, _GAP // 2), name, "#1c2733", font)
    top = high + _LINE + 2 * _GAP
    left = _GAP + 2 * (wide + _GAP)
    ramp = _heat(np.linspace(0, 1, wide)[np.newaxis].repeat(_LINE // 2, 0))
    sheet.paste(Image.fromarray(ramp), (left, top))
    for text, where, anchor in (("0: same", left, "la"), ("1: changed", left + wide, "ra")):
        draw.text((where, top + _LINE // 2 + 2), text, "#1c2733", font, anchor)
    left, shares = left + wide + _GAP, change.shares()
    for k, (name, colour) in enumerate(zip(CLASSES, _COLOURS, strict=True)):
        x, y = left + (k % 2) * wide // 2, top + (k // 2) * _LINE
        draw.rectangle((x, y + 2, x + 12, y + 14), colour, "#55616d")
        draw.text((x + 17, y), f"{name} {100 * shares[name]:.0f} %", "#1c2733", font)
    return sheet
