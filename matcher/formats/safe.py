"""Sentinel-2 products as they are handed out: ``.SAFE`` folders, the four bands of 10 m."""

import os
import re
from pathlib import Path

from matcher.errors import FormatError

BAND_FILES = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08"}
_BAND_IDS = {"red": 3, "green": 2, "blue": 1, "nir": 7}  # places in the product's list of bands
_OFFSETS = re.compile(r"<(?:RADIO|BOA)_ADD_OFFSET\s+band_id=\"(\d+)\"\s*>\s*(-?[\d.]+)\s*<")
_BASELINE = re.compile(r"<PROCESSING_BASELINE>\s*(\d+\.\d+)\s*<")


def is_safe(path: str) -> bool:
    """Whether a folder is a Sentinel-2 product."""
    return os.path.isdir(path) and path.rstrip("/\\").upper().endswith(".SAFE")


def band_files(path: str) -> dict[str, str]:
    """The 10 m files of a product: red, green, blue and nir to paths.

    Raises
    ------
    FormatError
        If one is missing, or there are several granules.
    """
    out = {}
    images = [
        p for p in Path(path).glob("GRANULE/*/IMG_DATA/**/*") if p.suffix.lower() in (".jp2", ".tif", ".tiff")
    ]
    for name, band in BAND_FILES.items():
        found = sorted(p for p in images if re.search(rf"_{band}(_10m)?$", p.stem))
        if not found:
            raise FormatError(
                f"{path}: has no 10 m image of band {band} under GRANULE/*/IMG_DATA: is it unpacked whole?"
            )
        if len(found) > 1:
            raise FormatError(
                f"{path}: has {len(found)} images of band {band}; products of one granule are read"
            )
        out[name] = str(found[0])
    return out


def offset(path: str) -> float:
    """What must be added to the product's numbers, from its metadata: -1000 since processing baseline 04.00.

    Raises
    ------
    FormatError
        If the metadata are missing or give the bands different offsets.
    """
    found = sorted(Path(path).glob("MTD_MSIL*.xml"))
    if not found:
        raise FormatError(
            f"{path}: has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, which tells the offset of its numbers"
        )
    try:
        text = found[0].read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FormatError(f"{found[0]}: cannot be read: {error.strerror or error}") from None
    by_band = {int(number): float(value) for number, value in _OFFSETS.findall(text)}
    values = {by_band.get(number, 0.0) for number in _BAND_IDS.values()} if by_band else set()
    if len(values) > 1:
        raise FormatError(
            f"{found[0]}: gives the 10 m bands different offsets {sorted(values)}; set one with --offset"
        )
    if values:
        return values.pop()
    baseline = _BASELINE.search(text)
    if baseline and float(baseline.group(1)) >= 4 and float(baseline.group(1)) < 99:
        raise FormatError(
            f"{found[0]}: is of processing baseline {baseline.group(1)} and gives no offset; set it with --offset -1000"
        )
    return 0.0
