"""Sentinel-2 products as they are handed out, ``.SAFE`` folders or zip archives of them: the four bands of 10 m."""

import os
import re
import zipfile
from pathlib import Path

from matcher.errors import FormatError

BAND_FILES = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08"}
_BAND_IDS = {"red": 3, "green": 2, "blue": 1, "nir": 7}  # places in the product's list of bands
_OFFSETS = re.compile(r"<(?:RADIO|BOA)_ADD_OFFSET\s+band_id=\"(\d+)\"\s*>\s*(-?[\d.]+)\s*<")
_METADATA = re.compile(r"(?i)^MTD_MSI\w+\.xml$")
_ZIPPED = re.compile(r"(?i)\.SAFE\.zip$|^S2[A-D]_MSIL(1C|2A)_.*\.zip$")
_IMAGE = re.compile(r"(?i)(^|/)GRANULE/[^/]+/IMG_DATA/(.*/)?[^/]+\.(jp2|tiff?)$")
_BASELINE = re.compile(r"<PROCESSING_BASELINE>\s*(\d+\.\d+)\s*<")


def is_safe(path: str) -> bool:
    """Whether a path is a Sentinel-2 product: its folder, its metadata, or the zip archive that it comes in."""
    if os.path.isdir(path):
        return path.rstrip("/\\").upper().endswith(".SAFE")
    return _METADATA.search(os.path.basename(path)) is not None or is_zipped(path)


def is_zipped(path: str) -> bool:
    """Whether a path is the zip archive of a product, by its name."""
    return _ZIPPED.search(os.path.basename(path)) is not None


def folder_of(path: str) -> str:
    """The folder of a product that is not zipped."""
    return path if os.path.isdir(path) else os.path.dirname(path)


def _files(path: str) -> dict[str, str]:
    """The files of a product, by their paths inside it to what GDAL opens.

    Raises
    ------
    FormatError
        If it is a damaged archive.
    """
    if not is_zipped(path):
        root = Path(folder_of(path))
        return {p.relative_to(root).as_posix(): str(p) for p in sorted(root.rglob("*")) if p.is_file()}
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if not name.endswith("/"))
    except (OSError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path}: cannot be opened as the zip archive of a product: {error}") from None
    return {name: f"/vsizip/{os.path.abspath(path)}/{name}" for name in names}


def band_files(path: str) -> dict[str, str]:
    """The 10 m files of a product: red, green, blue and nir to paths.

    Raises
    ------
    FormatError
        If one is missing, or there are several granules.
    """
    out = {}
    images = [(inside, full) for inside, full in _files(path).items() if _IMAGE.search(inside)]
    for name, band in BAND_FILES.items():
        found = [full for inside, full in images if re.search(rf"_{band}(_10m)?\.\w+$", inside)]
        if not found:
            raise FormatError(
                f"{path}: has no 10 m image of band {band} under GRANULE/*/IMG_DATA: is it whole?"
            )
        if len(found) > 1:
            raise FormatError(
                f"{path}: has {len(found)} images of band {band}; products of one granule are read"
            )
        out[name] = found[0]
    return out


def _metadata(path: str) -> tuple[str, str] | None:
    """The name and the text of a product's metadata."""
    found = sorted((inside for inside in _files(path) if _METADATA.search(inside.split("/")[-1])), key=len)
    if not found:
        return None
    if is_zipped(path):
        with zipfile.ZipFile(path) as archive:
            return f"{path}, {found[0]}", archive.read(found[0]).decode("utf-8", "replace")
    full = Path(folder_of(path), found[0])
    try:
        return str(full), full.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FormatError(f"{full}: cannot be read: {error.strerror or error}") from None


def offset(path: str) -> float:
    """What must be added to the product's numbers, from its metadata: -1000 since processing baseline 04.00.

    Raises
    ------
    FormatError
        If the metadata are missing or give the bands different offsets.
    """
    found = _metadata(path)
    if not found:
        raise FormatError(
            f"{path}: has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, which tells the offset of its numbers"
        )
    where, text = found
    by_band = {int(number): float(value) for number, value in _OFFSETS.findall(text)}
    values = {by_band.get(number, 0.0) for number in _BAND_IDS.values()} if by_band else set()
    if len(values) > 1:
        raise FormatError(
            f"{where}: gives the 10 m bands different offsets {sorted(values)}; set one with --offset"
        )
    if values:
        return values.pop()
    baseline = _BASELINE.search(text)
    if baseline and float(baseline.group(1)) >= 4 and float(baseline.group(1)) < 99:
        raise FormatError(
            f"{where}: is of processing baseline {baseline.group(1)} and gives no offset; set it with --offset -1000"
        )
    return 0.0
