"""The file's parts: a header in the user block of an HDF5 file, the values where HDF5 has them, an index at the end.

What the bytes mean is fixed by docs/checkpoint_format.md; another meaning needs another version. `writing` makes files
of these parts, `reading` checks them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"\x89EAGERLY"
VERSION = 1
USER_BLOCK = 512
BLOCK = 2**20  # bytes of values under one CRC-32
MAX_RANK = 32  # HDF5's limit
MAX_DEPTH = 64  # of lists and dictionaries in a state
FEATURES: frozenset[str] = frozenset()  # what this reader knows of an index's "requires"

HEADER = struct.Struct("<8sIQQ32s")
CHECKSUM = struct.Struct("<I")


@dataclass(slots=True)
class TensorEntry:
    """Where the values of a Variable lie."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int
    checksums: list[int]

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


_NONE: dict[Any, Any] = {}  # never filled: one for all Variables, because thousands of empty ones cost time


@dataclass(slots=True)
class ObjectEntry:
    """An object of the file. `children` and `bound` lead to others by number; the root is number 0.

    `via` is how it is first reached: the number of its owner, its name there, and the Variable that it is bound to.
    Whole paths would let a small file make long ones without end; `path_of` makes one when it is shown.
    """

    kind: str = "Variable"
    children: dict[str, int] = field(default_factory=lambda: _NONE)
    bound: dict[int, dict[str, int]] = field(default_factory=lambda: _NONE)
    state: dict[str, Any] | None = None
    tensor: TensorEntry | None = None
    via: tuple[int, str, int | None] = (0, "", None)


def raw(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array's values as the file has them: little-endian bytes in C order."""
    ordered = np.ascontiguousarray(array).reshape(-1)
    return (ordered if sys.byteorder == "little" else ordered.byteswap()).view(np.uint8)


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What was read from a file, in the order of bytes that this machine has."""
    return array if sys.byteorder == "little" else array.byteswap(inplace=True)


checksum = zlib.crc32  # of one block


def encode_header(index_offset: int, index: bytes) -> bytes:
    """The user block."""
    fields = HEADER.pack(MAGIC, VERSION, index_offset, len(index), hashlib.sha256(index).digest())
    padded = fields.ljust(USER_BLOCK - CHECKSUM.size, b"\0")
    return padded + CHECKSUM.pack(zlib.crc32(padded))


def outside(entries: list[ObjectEntry], end: int) -> Iterator[tuple[int, int]]:
    """The ranges of the HDF5 part that hold no values."""
    start = USER_BLOCK
    for offset, length in sorted((entry.tensor.offset, entry.tensor.length) for entry in entries if entry.tensor):
        if length:
            if start < offset:
                yield start, offset
            start = offset + length
    if start < end:
        yield start, end


def encode_index(objects: list[ObjectEntry], tree: int, about: dict[str, Any] | None = None) -> bytes:
    """The index as JSON, of one length for any `tree`; `about` is what whoever saves wants to know again."""
    content: dict[str, Any] = {
        "requires": sorted(FEATURES),
        "tree": f"{tree:08x}",
        "objects": [_encode_object(entry) for entry in objects],
    }
    if about:
        content["about"] = about
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _encode_object(entry: ObjectEntry) -> dict[str, Any]:
    if entry.tensor is not None:
        tensor = entry.tensor
        return {
            "dtype": tensor.dtype.name,
            "shape": tensor.shape,
            "offset": tensor.offset,
            "length": tensor.length,
            "crc32": tensor.checksums,
        }
    encoded: dict[str, Any] = {"class": entry.kind, "children": entry.children}
    if entry.bound:
        encoded["bound"] = entry.bound
    if entry.state is not None:
        encoded["state"] = entry.state
    return encoded


def state_problem(state: Any) -> str | None:
    """What keeps a state from being saved: None if it is made of JSON values, not nested too deeply."""
    if not isinstance(state, dict):
        return f"expected a dictionary, got {type(state).__name__} {state!r:.80}"
    stack: list[tuple[Any, int]] = [(state, 1)]
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH:
            return f"expected at most {MAX_DEPTH} levels of lists and dictionaries, got more"
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    return f"expected strings as keys, got {type(key).__name__} {key!r:.80}"
            stack += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            stack += [(item, depth + 1) for item in value]
        elif not (value is None or isinstance(value, (bool, int, float, str))):
            return (
                "expected None, truth values, numbers, strings, and lists and dictionaries of them, got "
                f"{type(value).__name__} {value!r:.80}"
            )
    return None


def path_of(entries: list[ObjectEntry], number: int) -> str:
    """The path that an object of the file is first reached by."""
    names = []
    while number:
        number, name, variable = entries[number].via
        names.append(name if variable is None else f"{name} of {path_of(entries, variable)}")
    return "/".join(reversed(names))


def bound_slots(entry: ObjectEntry) -> Iterator[tuple[int, str, int]]:
    """An entry's bound Variables: (the Variable that it belongs to, its name, itself)."""
    for variable, slots in entry.bound.items():
        for slot, target in slots.items():
            yield variable, slot, target
