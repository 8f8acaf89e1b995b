"""An HDF5 file without its values, made without libhdf5: saving is quick, and the bytes are the same everywhere.

The subset of the HDF5 File Format Specification (version 3.0; its sections in comments) that any viewer since HDF5 1.8
reads: a superblock of version 0, object headers of version 1, groups whose links are messages of their header,
contiguous datasets, hard links, and texts as attributes. `lay_out` gives the metadata and the places of the values;
writing both is the caller's. No times are in it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

MAX_LINKS = 65_000  # of a group: a header counts its messages in 16 bits
MAX_NAME = 65_000  # bytes of a name: a message counts its bytes in 16 bits
_MAX_TEXTS = 65_000  # of one heap, for the same reason
_NOWHERE = 2**64 - 1
_END = 40  # where the superblock has the end of the file
_HEADER = struct.Struct("<BxHII4x")  # IV.A.1.a: version, messages, links to the object, bytes of the messages
_MESSAGE = struct.Struct("<HHB3x")  # type, bytes of the data, flags
_CONSTANT = 1  # a flag: what never changes
# A message of no known type, whose flag 0x10 makes libhdf5 set flag 0x20 when it opens the root group for writing: what
# a tool has touched can be told from what is damaged.
_SEAL, _MARKED = 0xE1, 0x10
_ALIGNED = 8  # bytes that values begin at multiples of

# Types of messages, IV.A.2.
_DATASPACE, _LINK_INFO, _DATATYPE, _FILL_VALUE, _LINK, _LAYOUT, _GROUP_INFO, _ATTRIBUTE = 1, 2, 3, 5, 6, 8, 10, 12


def _integer(size: int, signed: bool) -> bytes:
    return struct.pack("<B3BIHH", 0x10, 8 * signed, 0, 0, size, 0, 8 * size)


def _float(size: int, sign: int, exponent: tuple[int, int], bias: int) -> bytes:
    """IEEE 754: the places of sign and exponent, the length of the exponent, its bias."""
    at, bits = exponent
    return struct.pack("<B3BIHH4BI", 0x11, 0x20, sign, 0, size, 0, 8 * size, at, bits, 0, at, bias)


def _complex(part: bytes, size: int) -> bytes:
    """h5py's compound of `r` and `i`."""
    members = [name.ljust(8, b"\0") + struct.pack("<I28x", at) + part for name, at in ((b"r", 0), (b"i", size))]
    return struct.pack("<B3BI", 0x16, 2, 0, 0, 2 * size) + b"".join(members)


_FLOAT32, _FLOAT64 = _float(4, 31, (23, 8), 127), _float(8, 63, (52, 11), 1023)
# IV.A.2.d: bool is h5py's enumeration of 8-bit integers; V2 is opaque.
_DATATYPES = {
    "bool": struct.pack("<B3BI", 0x18, 2, 0, 0, 1) + _integer(1, True) + b"FALSE\0\0\0TRUE\0\0\0\0\0\1",
    **{f"uint{8 * size}": _integer(size, False) for size in (1, 2, 4, 8)},
    **{f"int{8 * size}": _integer(size, True) for size in (1, 2, 4, 8)},
    "float16": _float(2, 15, (10, 5), 15),
    "float32": _FLOAT32,
    "float64": _FLOAT64,
    "complex64": _complex(_FLOAT32, 4),
    "complex128": _complex(_FLOAT64, 8),
    "void16": struct.pack("<B3BI", 0x15, 0, 0, 0, 2),
}
# A text of any length in UTF-8, which lies in a heap: 16 bytes say where.
_TEXT = struct.pack("<B3BI", 0x19, 1, 1, 0, 16) + _integer(1, False)


@dataclass
class Entry:
    """A group, or with a dtype a dataset; `links` lead by name to entries by number."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()


class Layout:
    """A file without its values: its metadata, where each entry's values start, and its size."""

    def __init__(self, metadata: bytearray, offsets: list[int], size: int, user_block: int):
        self.offsets = offsets
        self.size = size
        self._metadata = metadata
        self._start = user_block

    def pieces(self) -> list[tuple[int, bytearray]]:
        """The metadata by offset."""
        return [(self._start, self._metadata)]

    def read(self, start: int, end: int) -> bytes:
        """The bytes of a range, zeros where the values go."""
        return bytes(self._metadata[start - self._start : end - self._start]).ljust(end - start, b"\0")

    def end(self) -> tuple[int, bytes]:
        """Offset and bytes of what `extend` changes."""
        return self._start + _END, bytes(self._metadata[_END : _END + 8])

    def extend(self, size: int) -> None:
        """Makes HDF5 take the file for longer, so that a tool that edits it does not cut off what follows."""
        self._metadata[_END : _END + 8] = size.to_bytes(8, "little")


def lay_out(entries: Sequence[Entry], user_block: int) -> Layout:
    """The skeleton of an HDF5 file whose root group is the first entry, after a user block of the given size.

    An entry that several links lead to is one HDF5 object with hard links. A dataset without elements has offset 0.

    Raises:
      ValueError: for a group of more than MAX_LINKS entries, or a longer name than MAX_NAME.
    """
    links = [1, *[0] * (len(entries) - 1)]  # the superblock leads to the root
    for entry in entries:
        for target in entry.links.values():
            links[target] += 1
    heaps, texts = _heaps([text for entry in entries for text in entry.attributes.values()], 96)
    # Headers hold addresses and their lengths do not depend on them, so they are made first and filled in after.
    headers = [_header(entry, count, texts, not n) for n, (entry, count) in enumerate(zip(entries, links, strict=True))]
    places = list(accumulate((len(data) for data, _ in headers), initial=96 + len(heaps)))
    place, offsets = places[-1] + user_block, []
    for entry, address, (data, holes) in zip(entries, places, headers, strict=False):
        length = 0 if entry.dtype is None else prod(entry.shape) * entry.dtype.itemsize
        if length:
            place += -place % _ALIGNED
            data[holes[0] : holes[0] + 16] = struct.pack("<QQ", place - user_block, length)
        elif entry.dtype is None:
            for hole, target in zip(holes, entry.links.values(), strict=True):
                data[hole : hole + 8] = places[target].to_bytes(8, "little")
        offsets.append(place if length else 0)
        place += length
        assert address % 8 == 0
    metadata = bytearray(_superblock(user_block, places[0], place) + heaps)
    for data, _ in headers:
        metadata += data
    return Layout(metadata, offsets, place, user_block)


def _superblock(user_block: int, root: int, end: int) -> bytes:
    """II.A: sizes and addresses take 8 bytes; addresses count from the user block's end, the end from the start."""
    versions = b"\x89HDF\r\n\x1a\n" + bytes((0, 0, 0, 0, 0, 8, 8, 0))
    addresses = struct.pack("<HHI4Q", 4, 16, 0, user_block, _NOWHERE, end, _NOWHERE)
    return versions + addresses + struct.pack("<QQII16x", 0, root, 0, 0)


def _heaps(texts: list[str], start: int) -> tuple[bytes, list[bytes]]:
    """III.E: global heaps that hold texts, from an address on, and what leads to each text."""
    heaps, references = [], []
    for first in range(0, len(texts), _MAX_TEXTS):
        objects = []
        for index, text in enumerate(texts[first : first + _MAX_TEXTS], 1):
            data = text.encode()
            objects.append(struct.pack("<HHIQ", index, 0, 0, len(data)) + data + bytes(-len(data) % 8))
            references.append(struct.pack("<IQI", len(data), start, index))
        content = b"".join(objects)
        size = max(4096, 16 + len(content))
        free = size - 16 - len(content)
        rest = struct.pack("<HHIQ", 0, 0, 0, free) + bytes(free - 16) if free >= 16 else bytes(free)
        heaps.append(b"GCOL\1\0\0\0" + size.to_bytes(8, "little") + content + rest)
        start += size
    return b"".join(heaps), references[::-1]  # to be taken from the end


def _header(entry: Entry, links: int, texts: list[bytes], root: bool) -> tuple[bytearray, list[int]]:
    """An object header, and where in it addresses are missing: of the values, or of what each link leads to."""
    parts, holes = [bytes(_HEADER.size)], []
    size = _HEADER.size

    def add(kind: int, data: bytes, flags: int = 0) -> int:
        """Adds a message; where its data begin."""
        nonlocal size
        data += bytes(-len(data) % 8)
        parts.append(_MESSAGE.pack(kind, len(data), flags) + data)
        size += _MESSAGE.size + len(data)
        return size - len(data)

    if root:
        add(_SEAL, b"eagerly\0", _MARKED)
    if entry.dtype is None:
        if len(entry.links) > MAX_LINKS:
            raise ValueError(f"expected at most {MAX_LINKS} children of one object, got {len(entry.links)}")
        add(_LINK_INFO, struct.pack("<BBQQ", 0, 0, _NOWHERE, _NOWHERE))
        add(_GROUP_INFO, b"\0\0")
        for name in entry.links:
            raw = name.encode()
            if len(raw) > MAX_NAME:
                raise ValueError(f"expected names of at most {MAX_NAME} bytes, got one of {len(raw)}")
            wide = len(raw) > 255  # 0x10: with the character set, which is UTF-8
            start = struct.pack("<BBBH" if wide else "<BBBB", 1, 0x10 | wide, 1, len(raw)) + raw
            holes.append(add(_LINK, start + bytes(8)) + len(start))
    else:
        sizes = struct.pack(f"<{len(entry.shape)}Q", *entry.shape)
        add(_DATASPACE, struct.pack("<BBB5x", 1, len(entry.shape), bool(sizes)) + sizes * 2)  # sizes and their limits
        add(_DATATYPE, _DATATYPES[entry.dtype.name], _CONSTANT)
        add(_FILL_VALUE, b"\2\1\1\0", _CONSTANT)  # space at once, never filled
        empty = 0 in entry.shape
        holes.append(add(_LAYOUT, b"\3\1" + struct.pack("<QQ", _NOWHERE, 0), 0 if empty else _CONSTANT) + 2)
    for name in entry.attributes:
        raw = name.encode() + b"\0"
        start = struct.pack("<BxHHH", 1, len(raw), len(_TEXT), 8) + raw + bytes(-len(raw) % 8)
        add(_ATTRIBUTE, start + _TEXT + bytes(-len(_TEXT) % 8) + b"\1" + bytes(7) + texts.pop())
    header = bytearray(b"".join(parts))
    header[: _HEADER.size] = _HEADER.pack(1, len(parts) - 1, links, size - _HEADER.size)
    return header, holes
