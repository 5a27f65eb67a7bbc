"""What was read, by content: inputs of a run or an index as checksums, and where two of them differ."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from matcher.errors import FormatError, ResumeError
from matcher.formats.base import Source, is_paths
from matcher.formats.catalog import Catalog, index_in, read_catalog
from matcher.formats.files import CHUNK, problem
from matcher.formats.gather import RasterForm
from matcher.formats.geotiff import gdal_errors, open_dataset
from matcher.formats.registry import expand, files_of
from matcher.formats.remote import ending, is_remote

_CORNER = 256  # px of a file that lies elsewhere

Stamp = tuple[int, int, int]


class Inputs:
    """What a run reads, watched: a file that changes under it is noticed.

    Of an index it is the images that it is of, by the checksums it has of them.

    Parameters
    ----------
    **inputs : path, array, sequence of arrays, or Source
        By name: images, patches.

    Attributes
    ----------
    fingerprints : dict
        Bytes and SHA-256 of each.
    stamps : dict
        Of every file, by its path.

    Raises
    ------
    FormatError
        If a file cannot be read.
    """

    def __init__(self, **inputs: Any) -> None:
        self.stamps: dict[str, Stamp] = {}
        self.fingerprints = {name: self._fingerprint(what) for name, what in inputs.items()}

    def check(self) -> None:
        """Raise a ResumeError where a file is no longer the one that was read at the start."""
        for path, stamp in self.stamps.items():
            if stamp_of(path) != stamp:
                raise ResumeError(
                    f"{path}: was changed or replaced while the run read it; put the old file back and run "
                    "again, or begin anew in another run directory"
                )

    def _fingerprint(self, what: Any) -> dict[str, Any]:
        digest = hashlib.sha256()
        size = 0
        index = index_in(what)
        if index is not None:
            return self._indexed(read_catalog(index))
        paths = [what] if isinstance(what, str | os.PathLike) else what if is_paths(what) else []
        for path in map(os.fspath, paths):
            inside = files_of(path)
            # Rasters are numbered by their names, so a file that was renamed is another input.
            named = inside != [path] or any(isinstance(reader, RasterForm) for _, reader in expand(path))
            beside = os.path.dirname(os.path.abspath(path))  # the same for "images", "images/" and "." in it
            for file in inside:
                if named and not is_remote(file):
                    name = os.path.relpath(file, beside).replace(os.sep, "/")
                    digest.update(os.fsencode(name) + b"\0")
                for piece in self._pieces(file):
                    digest.update(piece)
                    size += len(piece)
        if not paths:
            for array in _arrays(what):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                size += array.nbytes
        return {"bytes": size, "sha256": digest.hexdigest()}

    def _indexed(self, catalog: Catalog) -> dict[str, Any]:
        """The images of an index, whose files are watched in place of its own, which may be added to meanwhile."""
        whole = hashlib.sha256()
        for one in catalog.pictures:
            whole.update(f"{one.id} {catalog.origins[one.origin].sha256} {one.record}\n".encode())
        for path in {path for origin in catalog.origins for path in origin.stamps}:
            self.stamps[path] = stamp_of(path)
        return {"images": len(catalog.pictures), "sha256": whole.hexdigest()}

    def _pieces(self, path: str) -> Iterator[bytes]:
        if is_remote(path):
            yield from _looked_at(path)
            return
        self.stamps[path] = stamp_of(path)
        try:
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    yield piece
        except OSError as error:
            raise FormatError(f"{path}: cannot be read: {problem(error)}") from None


def _looked_at(path: str) -> Iterator[bytes]:
    """What tells a file that lies elsewhere, which is not read through for it: its name, its form, its first pixels."""
    yield os.fsencode(path)
    if ending(path) in (".json", ".geojson"):
        return
    with open_dataset(path) as dataset, gdal_errors(path, "cannot be read"):
        height, width = min(dataset.height, _CORNER), min(dataset.width, _CORNER)
        yield repr((dataset.shape, dataset.dtypes, dataset.transform, dataset.nodatavals)).encode()
        yield (
            np.ascontiguousarray(dataset.read(window=((0, height), (0, width))))
            .reshape(-1)
            .view(np.uint8)
            .tobytes()
        )


def _arrays(what: Any) -> Iterator[np.ndarray]:
    """The numbers of pictures in memory; nothing of what is no picture, which is refused when it is opened."""
    if isinstance(what, Source):
        yield what.ids
        yield from (what[k] for k in range(len(what)))
    elif isinstance(what, Iterable):
        yield from (array for array in map(np.asarray, what) if not array.dtype.hasobject)


def stamp_of(path: str) -> Stamp:
    """Bytes, time of change and inode of a file; a FormatError where it is not there."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise FormatError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        what = problem(error) if isinstance(error, OSError) else str(error)
        raise FormatError(f"{path}: cannot be read: {what}") from None
    return status.st_size, status.st_mtime_ns, status.st_ino


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Where two trees of JSON differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        out = []
        for key in sorted(old.keys() | new.keys()):
            out += differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
        return out
    return [] if old == new else [f"{name} was {_short(old)} and is {_short(new)}"]


def _short(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
