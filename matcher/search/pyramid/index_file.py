"""An index on disk: one ``.npy`` file an array, mapped and not read, so that many processes share one copy."""

import json
import os
import typing
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from matcher.errors import FormatError
from matcher.formats.files import FileBytes, atomic_write
from matcher.search.pyramid.index import Index

MANIFEST = "index.json"


def save_index(folder: str | os.PathLike[str], index: Index) -> None:
    """Write an index into a folder, which is made; its manifest is written last.

    Raises
    ------
    MatcherError
        If a file cannot be written.
    """
    manifest: dict[str, Any] = {}
    os.makedirs(folder, exist_ok=True)
    for field in fields(index):
        value = getattr(index, field.name)
        if isinstance(value, np.ndarray):
            path = Path(folder, f"{field.name}.npy")
            with atomic_write(path) as file:
                header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(value))
                np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
            manifest[field.name] = {"bytes": path.stat().st_size, "crc32c": _checksum(path)}
        else:
            manifest[field.name] = asdict(value) if is_dataclass(value) else value  # type: ignore[arg-type]
    with atomic_write(Path(folder, MANIFEST), "w") as text:
        json.dump(manifest, text, indent=1)


def load_index(folder: str | os.PathLike[str], mmap: bool = True, verify: bool = False) -> Index:
    """Read an index back.

    Parameters
    ----------
    folder : path
    mmap : bool
        Map the arrays instead of reading them.
    verify : bool
        Check every array's checksum, not only its size.

    Raises
    ------
    FormatError
        If a file is missing, of another size, damaged, or written by another version.
    """
    types = typing.get_type_hints(Index)
    try:
        with open(Path(folder, MANIFEST), encoding="utf-8") as file:
            manifest = json.load(file)
        values: dict[str, Any] = {}
        for field in fields(Index):
            entry, kind = manifest[field.name], types[field.name]
            if is_dataclass(kind):
                values[field.name] = typing.cast(Any, kind)(**{k: _tuples(v) for k, v in entry.items()})
            elif isinstance(entry, dict):
                values[field.name] = _load(Path(folder, f"{field.name}.npy"), entry, mmap, verify)
            else:
                values[field.name] = _tuples(entry)
        return Index(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{os.fspath(folder)}: is not an index that can be read: {error}") from None


def _load(path: Path, entry: dict[str, Any], mmap: bool, verify: bool) -> np.ndarray:
    if path.stat().st_size != entry["bytes"] or (verify and _checksum(path) != entry["crc32c"]):
        raise FormatError(f"{path}: is damaged (its size or checksum does not hold)")
    # Copy on write: to kernels a read-only array is another type, which they would be compiled for anew.
    return np.asarray(np.load(path, mmap_mode="c" if mmap else None, allow_pickle=False))


def _checksum(path: Path) -> str:
    crc = 0
    file = FileBytes(path)
    for piece in file.chunks(0, file.size):
        crc = google_crc32c.extend(crc, piece)
    return f"{crc:08x}"


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
