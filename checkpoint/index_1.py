"""Values as an index of version 1 has them: each object that has some says everything about them itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from . import format as layout
from .fields import Values, expect, is_natural, no_natural, tensor_type
from .format import ObjectEntry


def read_values(content: dict[str, Any], encoded: list[Any], end: int) -> Values:
    """The values of an index that begins at the byte `end`, checked.

    Raises:
      ValueError: naming the object and the field that cannot be.
    """
    values = Values([], [], [], [], [])
    for number, item in enumerate(encoded):
        values.first.append(len(values.checksums))
        if not (isinstance(item, dict) and "dtype" in item):
            values.entries.append(None)
            values.offsets.append(0)
            continue
        where = f"object {number}"
        kind = tensor_type(item, where)
        offset: Any = item.get("offset")
        length: Any = item.get("length")
        checksums = expect(item.get("crc32"), list, f"{where}, crc32")
        for name, found in (("offset", [offset]), ("length", [length]), ("crc32", checksums)):
            for value in found:
                if not is_natural(value):
                    raise no_natural(value, f"{where}, {name}")
        if kind.length != length:
            raise ValueError(f"{where}: expected {kind.length} bytes for its shape, got {length}")
        if length and not layout.USER_BLOCK <= offset <= end - length:
            raise ValueError(
                f"{where}: expected values between the bytes {layout.USER_BLOCK} and {end}, got {length} bytes from "
                f"{offset} on"
            )
        if len(checksums) != kind.blocks:
            raise ValueError(f"{where}: expected {kind.blocks} CRC-32 values, got {len(checksums)}")
        values.entries.append(ObjectEntry(tensor=kind))
        values.offsets.append(offset)
        values.checksums += checksums
    ranges = sorted(
        (offset, entry.tensor.length, number)
        for number, (entry, offset) in enumerate(zip(values.entries, values.offsets, strict=True))
        if entry is not None and entry.tensor is not None and entry.tensor.length
    )
    for (offset, length, number), (following, _, other) in pairwise(ranges):
        if offset + length > following:
            raise ValueError(f"object {number} and object {other}: expected values of their own, got a shared range")
    starts = [layout.USER_BLOCK, *(offset + length for offset, length, _ in ranges)]
    ends = [*(offset for offset, _, _ in ranges), end]
    values.outside = [(start, stop) for start, stop in zip(starts, ends, strict=True) if start < stop]
    return values
