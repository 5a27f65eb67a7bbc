"""The raster files that a name stands for: a file, a folder, a glob, a text list, a Sentinel-2 product."""

import glob
import os
from pathlib import Path

from matcher.errors import FormatError
from matcher.formats import safe
from matcher.formats.pictures import SUFFIXES as PICTURES

SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", *PICTURES)
LISTS = (".txt", ".lst")
Path_ = str | os.PathLike[str]


def is_raster(path: str) -> bool:
    """Whether a path is something that `open_rasters` reads, by its name: a raster, a list, a folder, a glob."""
    low = path.lower()
    return low.endswith(SUFFIXES) or low.endswith(LISTS) or os.path.isdir(path) or _is_glob(path)


def files(what: Path_) -> list[str]:
    """The files that a name stands for, those inside a ``.SAFE`` folder and the list itself among them."""
    path = os.fspath(what)
    out = [path] if path.lower().endswith(LISTS) else []
    for one in expand(path):
        out += sorted(str(p) for p in Path(one).rglob("*") if p.is_file()) if os.path.isdir(one) else [one]
    return out


def _is_glob(path: str) -> bool:
    return any(c in path for c in "*?[") and not os.path.exists(path)


def expand(path: str) -> list[str]:
    """The files (and ``.SAFE`` folders) that one name stands for, in order."""
    if _is_glob(path):
        found = [p for p in sorted(glob.glob(path, recursive=True)) if _is_file(p) or safe.is_safe(p)]
        if not found:
            raise FormatError(f"{path}: matches no raster")
        return found
    if safe.is_safe(path):
        return [path]
    if os.path.isdir(path):
        inside = sorted(os.path.join(path, name) for name in os.listdir(path))
        found = [p for p in inside if _is_file(p) or safe.is_safe(p)]
        if not found:
            raise FormatError(
                f"{path}: is a folder without rasters ({', '.join(SUFFIXES)} or .SAFE); other pictures are read from "
                "a .tfrecords, .npy or .npz file"
            )
        return found
    if not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    return _listed(path) if path.lower().endswith(LISTS) else [path]


def _is_file(path: str) -> bool:
    return path.lower().endswith(SUFFIXES) and os.path.isfile(path)


def _listed(path: str) -> list[str]:
    """The paths of a text list, relative to it; blank lines and those with # are passed over."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: is no list of paths: {error}") from None
    out = []
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            full = os.path.join(os.path.dirname(path), entry)
            if not os.path.exists(full):
                raise FormatError(f"{path}, line {number}: there is no file {full}")
            out.append(full)
    if not out:
        raise FormatError(f"{path}: lists no file")
    return out
