"""Shards: blocks of patches, and their answers as files that show any damage.

A file is a line of JSON (the run, the rows), a `.npy` array of one record a patch, and the SHA-256 of all before it.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from matcher.errors import FormatError, ResumeError
from matcher.formats.files import FileBytes, atomic_write
from matcher.result import Result

_DIGEST = 32


@dataclass(frozen=True, order=True)
class Shard:
    """The patches start to stop - 1, by their numbers in the input."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"patches {self.start} to {self.stop - 1}"

    @property
    def file(self) -> str:
        """Its file's name."""
        return f"{self.start:09d}-{self.stop:09d}.shard"


def cut(count: int, size: int, part: tuple[int, int] = (1, 1)) -> Iterator[Shard]:
    """The shards of `size` patches of part I of N of `count` patches, in order; I counts from 1."""
    number, parts = part
    begin, end = count * (number - 1) // parts, count * number // parts
    for start in range(begin, end, size):
        yield Shard(start, min(start + size, end))


def write_shard(path: str, run: str, shard: Shard, result: Result) -> None:
    """Write a finished shard once and for all.

    Raises
    ------
    MatcherError
        If it cannot be written.
    """
    body = io.BytesIO()
    head = {"matcher shard": 1, "run": run, "start": shard.start, "stop": shard.stop, "rows": len(result)}
    body.write(json.dumps(head).encode() + b"\n")
    np.save(body, to_table(result), allow_pickle=False)
    data = body.getvalue()
    with atomic_write(path) as file:
        file.write(data + hashlib.sha256(data).digest())


def read_shard(path: str, run: str, shard: Shard) -> Result:
    """Read a finished shard.

    Raises
    ------
    FormatError
        If it is missing, truncated, or damaged in any bit.
    ResumeError
        If it is sound and of another run or other patches.
    """
    file = FileBytes(path)
    content = file.read(0, file.size)
    data, digest = content[:-_DIGEST], content[-_DIGEST:]
    if len(digest) < _DIGEST or hashlib.sha256(data).digest() != digest:
        raise FormatError(f"{path}: is damaged (its checksum does not hold)")
    line, _, body = data.partition(b"\n")
    head = json.loads(line)
    if (head["run"], head["start"], head["stop"]) != (run, shard.start, shard.stop):
        raise ResumeError(f"{path}: belongs to another run or to other patches; give another --run-dir")
    table = np.load(io.BytesIO(body), allow_pickle=False)
    if head["rows"] != len(table) or len(table) != len(shard):
        raise FormatError(f"{path}: holds {len(table)} rows; {len(shard)} were expected")
    return from_table(table)


def to_table(result: Result) -> np.ndarray:
    """A result as one record a patch."""
    columns = {f.name: np.asarray(getattr(result, f.name)) for f in fields(result)}
    kinds: list[Any] = [
        (name, "U1" if not values.dtype.itemsize or not len(values) else values.dtype)
        if values.dtype.kind == "U" or not len(values)
        else (name, values.dtype)
        for name, values in columns.items()
    ]
    table = np.zeros(len(result), kinds)
    for name, values in columns.items():
        table[name] = values
    return table


def from_table(table: np.ndarray) -> Result:
    """The result that `to_table` took."""
    columns: dict[str, Any] = {
        f.name: tuple(table[f.name].tolist())
        if table.dtype[f.name].kind == "U"
        else np.ascontiguousarray(table[f.name])
        for f in fields(Result)
    }
    return Result(**columns)


def join(results: Sequence[Result]) -> Result:
    """Results one after another."""
    columns: dict[str, Any] = {}
    for field in fields(Result):
        parts = [getattr(result, field.name) for result in results]
        columns[field.name] = sum(parts, ()) if isinstance(parts[0], tuple) else np.concatenate(parts)
    return Result(**columns)
