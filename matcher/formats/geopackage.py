"""GeoPackages of one layer, by pyogrio, which is imported where one is written."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from matcher.aliases import AnyPath
from matcher.errors import MatcherError
from matcher.formats.files import atomic_write
from matcher.version import install_command


def write_geopackage(
    path: AnyPath,
    layer: str,
    geometries: Sequence[bytes | None],
    columns: Mapping[str, tuple[type, Sequence[Any]]],
    *,
    kind: str,
    crs: str,
) -> None:
    """Write a GeoPackage, which appears when it is whole.

    Parameters
    ----------
    path : path
    layer : str
    geometries : sequence of bytes or None
        Well-known binary.
    columns : mapping of str to (type, sequence)
        Kind of a column's values (``int``, ``float``, ``str``), and the values; None where there is none.
    kind : str
        Of the geometries, such as ``Point``.
    crs : str

    Raises
    ------
    MatcherError
        If pyogrio is missing, or the file cannot be written.
    """
    pyogrio = import_pyogrio(path)
    blank: dict[type, Any] = {int: 0, float: np.nan, str: ""}
    kinds: dict[type, Any] = {int: np.int64, float: np.float64, str: object}
    arrays = [
        np.array([blank[t] if v is None else v for v in values], kinds[t]) for t, values in columns.values()
    ]
    masks = [np.array([v is None for v in values], bool) for _, values in columns.values()]
    with tempfile.TemporaryDirectory(prefix="matcher-gpkg-") as folder:
        file = Path(folder) / "layer.gpkg"
        pyogrio.raw.write(
            str(file), np.array([*geometries, None], object)[:-1], arrays, list(columns), field_mask=masks,
            layer=layer, driver="GPKG", geometry_type=kind, crs=crs,
        )  # fmt: skip
        with atomic_write(path) as out:
            out.write(file.read_bytes())


def import_pyogrio(path: AnyPath) -> Any:
    """The pyogrio module, or a MatcherError that says how to get it."""
    try:
        import pyogrio
        import pyogrio.raw
    except ImportError:
        raise MatcherError(
            f"{os.fspath(path)}: writing GeoPackage needs pyogrio: {install_command('geopackage')}"
        ) from None
    return pyogrio
