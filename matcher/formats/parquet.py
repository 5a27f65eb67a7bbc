"""Parquet tables in and out, by pyarrow, which is imported where one is touched."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.aliases import AnyPath
from matcher.errors import FormatError, MatcherError
from matcher.formats.files import atomic_write
from matcher.version import install_command


def import_pyarrow(path: AnyPath) -> Any:
    """The pyarrow module, or a MatcherError that says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MatcherError(
            f"{os.fspath(path)}: Parquet needs pyarrow ({error}): {install_command('research')}, or use .npz"
        ) from None
    return pyarrow


def write_parquet(path: AnyPath, columns: dict[str, NDArray], metadata: dict[str, str] | None = None) -> None:
    """Write columns (n,) as Parquet, and texts about them as the schema's metadata; it appears when it is whole.

    Raises
    ------
    MatcherError
        If pyarrow is missing or the file cannot be written.
    """
    pyarrow = import_pyarrow(path)
    table = {
        key: pyarrow.array(column.tolist() if column.dtype.kind == "U" else column)
        for key, column in columns.items()
    }
    with atomic_write(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(table).replace_schema_metadata(metadata or None), file)


def read_metadata(path: AnyPath) -> dict[str, str]:
    """The texts of the schema's metadata of a file that `read_parquet` has read."""
    found = import_pyarrow(path).parquet.read_schema(path).metadata or {}
    return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in found.items()}


def read_parquet(path: AnyPath, columns: tuple[str, ...]) -> dict[str, NDArray]:
    """Read those of some columns that are there.

    Raises
    ------
    FormatError
        If the file is missing, damaged, or a column has gaps or holds no numbers.
    MatcherError
        If pyarrow is missing.
    """
    pyarrow = import_pyarrow(path)
    name = os.fspath(path)
    if not os.path.isfile(path):
        raise FormatError(f"{name}: there is no such file")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        table = file.read(columns=[key for key in columns if key in file.schema_arrow.names])
    except (OSError, pyarrow.ArrowException) as error:
        raise FormatError(f"{name}: cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    out = {}
    for key in table.column_names:
        array = table[key].to_numpy()
        if array.dtype.kind not in "iuf" or table[key].null_count:
            raise FormatError(f"{name}: column {key!r} has gaps, or holds no numbers")
        out[key] = np.asarray(array)
    return out
