"""An HDF5 file without its values, made without libhdf5: saving is quick, and the bytes are the same everywhere.

The subset of the HDF5 File Format Specification (version 3.0; its sections in comments) that any viewer since HDF5 1.8
reads: a superblock of version 0, object headers of version 1, groups whose links are messages of their header,
contiguous datasets, hard links, and texts as attributes. `lay_out` gives the metadata and the places of the values;
writing both is the caller's. No times are in it.
"""

from __future__ import annotations

import functools
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
ALIGNED = 8  # bytes that values take multiples of

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
    """A file without its values: where these start, each and all of them, and the size of the file."""

    def __init__(self, metadata: bytes, offsets: list[int], size: int, user_block: int):
        self.offsets = offsets
        self.start = user_block + len(metadata)
        self.size = size
        self._metadata = metadata

    def metadata(self, size: int) -> bytes:
        """What stands between the user block and the values, of a file that is so long.

        HDF5 takes all of it for its own, so that a tool that edits it does not cut off what follows the values.
        """
        return self._metadata[:_END] + size.to_bytes(8, "little") + self._metadata[_END + 8 :]


def lay_out(entries: Sequence[Entry], user_block: int) -> Layout:
    """The skeleton of an HDF5 file whose root group is the first entry, after a user block of the given size.

    An entry that several links lead to is one HDF5 object with hard links. Values lie in the order of the entries; a
    dataset without elements has offset 0.

    Raises:
      ValueError: for a group of more than MAX_LINKS entries, or a longer name than MAX_NAME.
    """
    links = [1, *[0] * (len(entries) - 1)]  # the superblock leads to the root
    for entry in entries:
        for target in entry.links.values():
            links[target] += 1
    heaps, texts = _heaps([text for entry in entries for text in entry.attributes.values()], 96)
    # The lengths of headers do not depend on the addresses in them, so all are measured before any is written.
    headers: list[_Header] = []
    alike: dict[tuple[Any, ...], _Header] = {}
    for number, (entry, count) in enumerate(zip(entries, links, strict=True)):
        if entry.attributes or entry.dtype is None:
            headers.append(_header(entry, count, [texts.pop() for _ in entry.attributes], not number))
            continue
        key = entry.dtype, entry.shape, count
        if key not in alike:
            alike[key] = _header(entry, count, [], not number)
        headers.append(alike[key])
    places = list(accumulate((header.size for header in headers), initial=96 + len(heaps)))
    place, offsets = places[-1], []
    pieces = [heaps]
    for header in headers:
        if header.length is None:
            offsets.append(0)
            pieces += header.group(places)
        else:
            offsets.append(place + user_block if header.length else 0)
            pieces.append(header.dataset(place))
            place += header.length + -header.length % ALIGNED
    size = place + user_block
    return Layout(_superblock(user_block, places[0], size) + b"".join(pieces), offsets, size, user_block)


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


@dataclass(slots=True)
class _Header:
    """An object header whose addresses are missing: of the values, or of what each link leads to."""

    start: bytes
    end: bytes
    size: int
    length: int | None  # of the values; None for a group
    links: Mapping[str, int]

    def dataset(self, place: int) -> bytes:
        """The header of values that begin at an address."""
        return self.start + _PLACE.pack(place if self.length else _NOWHERE, self.length) + self.end

    def group(self, places: list[int]) -> list[bytes]:
        """The header in pieces, given the addresses of all objects."""
        pieces = [self.start]
        for name, target in self.links.items():
            raw = name.encode()
            head, tail = _link_around(len(raw))
            pieces += head, raw, places[target].to_bytes(8, "little"), tail
        pieces.append(self.end)
        return pieces


_PLACE = struct.Struct("<QQ")


@functools.cache
def _link_around(length: int) -> tuple[bytes, bytes]:
    """What stands before the name in a link's message, and after the address that follows it; IV.A.2.g."""
    wide = length > 255  # 0x10: with the character set, which is UTF-8
    start = struct.pack("<BBBH" if wide else "<BBBB", 1, 0x10 | wide, 1, length)
    size = len(start) + length + 8
    return _MESSAGE.pack(_LINK, size + -size % 8, 0) + start, bytes(-size % 8)


def _link_size(name: str) -> int:
    length = len(name) if name.isascii() else len(name.encode())
    if length > MAX_NAME:
        raise ValueError(f"expected names of at most {MAX_NAME} bytes, got one of {length}")
    size = (5 if length > 255 else 4) + length + 8
    return _MESSAGE.size + size + -size % 8


def _message(kind: int, data: bytes, flags: int = 0) -> bytes:
    data += bytes(-len(data) % 8)
    return _MESSAGE.pack(kind, len(data), flags) + data


def _header(entry: Entry, links: int, texts: list[bytes], root: bool) -> _Header:
    """The header of an object that so many links lead to; `texts` say where its attributes are."""
    start = [_message(_SEAL, b"eagerly\0", _MARKED)] if root else []
    end, count, size, length = [], len(start), 0, None
    if entry.dtype is None:
        if len(entry.links) > MAX_LINKS:
            raise ValueError(f"expected at most {MAX_LINKS} children of one object, got {len(entry.links)}")
        start.append(_message(_LINK_INFO, struct.pack("<BBQQ", 0, 0, _NOWHERE, _NOWHERE)))
        start.append(_message(_GROUP_INFO, b"\0\0"))
        count += 2 + len(entry.links)
        size = sum(map(_link_size, entry.links))
    else:
        length = prod(entry.shape) * entry.dtype.itemsize
        sizes = struct.pack(f"<{len(entry.shape)}Q", *entry.shape)
        # Sizes and their limits.
        start.append(_message(_DATASPACE, struct.pack("<BBB5x", 1, len(entry.shape), bool(sizes)) + sizes * 2))
        start.append(_message(_DATATYPE, _DATATYPES[entry.dtype.name], _CONSTANT))
        start.append(_message(_FILL_VALUE, b"\2\1\1\0", _CONSTANT))  # space at once, never filled
        place = _message(_LAYOUT, b"\3\1" + bytes(_PLACE.size), _CONSTANT if length else 0)
        cut = _MESSAGE.size + 2
        start.append(place[:cut])
        end.append(place[cut + _PLACE.size :])
        count += 4
        size = _PLACE.size
    for name, text in zip(entry.attributes, texts, strict=True):
        raw = name.encode() + b"\0"
        head = struct.pack("<BxHHH", 1, len(raw), len(_TEXT), 8) + raw + bytes(-len(raw) % 8)
        end.append(_message(_ATTRIBUTE, head + _TEXT + bytes(-len(_TEXT) % 8) + b"\1" + bytes(7) + text))
        count += 1
    size += sum(map(len, (*start, *end)))
    head = _HEADER.pack(1, count, links, size)
    assert size % 8 == 0
    return _Header(head + b"".join(start), b"".join(end), len(head) + size, length, entry.links)
