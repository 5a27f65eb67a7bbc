"""The small part of Protocol Buffers that a ``tf.train.Example`` needs, read and written without TensorFlow.

An Example is a message of one map from names to features, and a feature is a list of bytes, of int64, or of
float [1]_. Anything else in it is skipped as the wire format says [2]_.

References
----------
.. [1] https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto
.. [2] https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError

Feature = list[memoryview] | NDArray[np.int64] | NDArray[np.float32]
"""A list of bytes (views into the record, not copies), or an array of int64 or of float32."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def parse_example(data: bytes | memoryview) -> dict[str, Feature]:
    """The features of a serialized Example by name; a feature without a kind is an empty list.

    Raises
    ------
    FormatError
        If the bytes are not an Example (without the place, which the caller knows).
    """
    features: dict[str, Feature] = {}
    for message in _messages(memoryview(data), 1):
        for entry in _messages(message, 1):
            name, feature = _parse_entry(entry)
            features[name] = feature
    return features


def find_int64(data: bytes, name: str) -> int | None:
    """The number that a feature of this name holds, searched for in bytes that may be damaged elsewhere."""
    key = _tagged(1, name.encode()) + bytes([2 << 3 | _BYTES])
    at = data.find(key)
    if at < 0:
        return None
    try:
        view = memoryview(data)
        size, start = _varint(view, at + len(key))
        if size > len(data) - start:
            return None
        value = _parse_entry(memoryview(_tagged(2, data[start : start + size])))[1]
    except FormatError:
        return None
    return (
        int(value[0]) if not isinstance(value, list) and value.dtype == np.int64 and len(value) == 1 else None
    )


def encode_example(features: Mapping[str, bytes | int | Sequence[bytes] | Sequence[int]]) -> bytes:
    """A serialized Example; bytes and whole numbers may stand alone or in lists.

    Raises
    ------
    ValueError
        If a number does not fit into int64.
    TypeError
        If a value is neither bytes nor a whole number.
    """
    entries = [_tagged(1, _tagged(1, name.encode()) + _tagged(2, _encode(v))) for name, v in features.items()]
    return _tagged(1, b"".join(entries))


def _fields(data: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """(field number, wire type, value, bytes) of one message; varints have a value, all others bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise FormatError("is not an Example (a field number out of range)")
        value = size = 0
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise FormatError("is not an Example (an unknown kind of field)")
        if size > end - at:
            raise FormatError("is not an Example (a field is longer than what holds it)")
        yield number, wire, value, data[at : at + size]
        at += size


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The bytes of all fields of one number that have a length."""
    for number, wire, _, content in _fields(data):
        if number == wanted and wire == _BYTES:
            yield content


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number of at most 64 bits that begins at `at`, and where it ends."""
    value = 0
    for k in range(10):
        if at + k >= len(data):
            raise FormatError("is not an Example (it ends inside a number)")
        byte = data[at + k]
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + k + 1
    raise FormatError("is not an Example (a number of more than ten bytes)")


def _parse_entry(entry: memoryview) -> tuple[str, Feature]:
    """One entry of the map: its name, and the list of the kind that was named last."""
    name, kind = "", 0
    lists: list[memoryview] = []
    for number, wire, _, content in _fields(entry):
        if wire != _BYTES:
            continue
        if number == 1:
            try:
                name = str(content, "utf-8")
            except UnicodeDecodeError:
                raise FormatError("is not an Example (a feature's name is not UTF-8)") from None
        elif number == 2:
            for field, field_wire, _, message in _fields(content):
                if field not in _DECODERS or field_wire != _BYTES:
                    continue
                if field != kind:
                    kind, lists = field, []
                lists.append(message)
    if not kind:
        return name, []
    return name, _DECODERS[kind](b"".join(lists) if len(lists) > 1 else lists[0])


def _bytes_list(message: memoryview | bytes) -> Feature:
    return list(_messages(memoryview(message), 1))


def _float_list(message: memoryview | bytes) -> Feature:
    parts = []
    for number, wire, _, content in _fields(memoryview(message)):
        if number == 1 and wire in (_BYTES, _FIXED32):
            if len(content) % 4:
                raise FormatError("is not an Example (a list of floats ends inside one)")
            parts.append(content)
    return np.frombuffer(b"".join(parts), "<f4").astype(np.float32)


def _int64_list(message: memoryview | bytes) -> Feature:
    values: list[int] = []
    for number, wire, value, content in _fields(memoryview(message)):
        if number != 1:
            continue
        if wire == _VARINT:
            values.append(value)
        elif wire == _BYTES:
            at = 0
            while at < len(content):
                value, at = _varint(content, at)
                values.append(value)
    return np.array(values, np.uint64).view(np.int64)


_DECODERS: dict[int, Callable[[memoryview | bytes], Feature]] = {
    1: _bytes_list,
    2: _float_list,
    3: _int64_list,
}
"""By field number in Feature; messages of one kind in a row are joined, as Protocol Buffers does."""


def _encode(value: bytes | int | Sequence[bytes] | Sequence[int]) -> bytes:
    values = [value] if isinstance(value, bytes | int | np.integer) else list(value)
    if all(isinstance(v, bytes) for v in values):
        return _tagged(1, b"".join(_tagged(1, v) for v in values if isinstance(v, bytes)))
    packed = []
    for v in values:
        if isinstance(v, bytes | bool) or not isinstance(v, int | np.integer):
            raise TypeError(f"a feature holds bytes or whole numbers, not {type(v).__name__}")
        if not -(1 << 63) <= v < 1 << 63:
            raise ValueError(f"{v} does not fit into int64")
        packed.append(_to_varint(int(v) & 0xFFFF_FFFF_FFFF_FFFF))
    return _tagged(3, _tagged(1, b"".join(packed)))


def _tagged(number: int, content: bytes) -> bytes:
    return _to_varint(number << 3 | _BYTES) + _to_varint(len(content)) + content


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
