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
from functools import cached_property
from typing import Any

import numpy as np

MAGIC = b"\x89EAGERLY"
VERSION = 2
USER_BLOCK = 512
ALIGNED = 8  # bytes that values take multiples of
BLOCK = 2**20  # bytes of values under one CRC-32
MAX_RANK = 32  # HDF5's limit
MAX_DEPTH = 64  # of lists and dictionaries in a state
FEATURES: frozenset[str] = frozenset()  # what this reader knows of an index's "requires"

HEADER = struct.Struct("<8sIQQ32s")
CHECKSUM = struct.Struct("<I")


@dataclass(slots=True)
class TensorType:
    """What the values of a Variable are, of how many bytes; Variables that are alike share one."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    length: int

    @property
    def blocks(self) -> int:
        """How many checksums there are of them."""
        return -(-self.length // BLOCK)

    @property
    def room(self) -> int:
        """The bytes that they take in a file."""
        return self.length + -self.length % ALIGNED

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


_NONE: dict[Any, Any] = {}  # never filled: one for all Variables, because thousands of empty ones cost time
Way = tuple[int, str, int | None]


@dataclass(slots=True)
class ObjectEntry:
    """An object of the file. `children` and `bound` lead to others by number; the root is number 0."""

    kind: str = "Variable"
    children: dict[str, int] = field(default_factory=lambda: _NONE)
    bound: dict[int, dict[str, int]] = field(default_factory=lambda: _NONE)
    state: dict[str, Any] | None = None
    tensor: TensorType | None = None


class Objects(list[ObjectEntry]):
    """The objects of a file by number; Variables of one type may be one entry."""

    @cached_property
    def ways(self) -> dict[int, Way]:
        """How each is first reached: the number of its owner, its name there, and the Variable that it is bound to.

        Breadth first, Variables bound to others last. Whole paths would let a small file make long ones without end;
        `path_of` makes one when it is shown.
        """
        ways: dict[int, Way] = {0: (0, "", None)}
        order = [0]
        for number in order:
            for name, target in self[number].children.items():
                if target not in ways:
                    ways[target] = (number, name, None)
                    order.append(target)
        for number in order:
            for variable, slot, target in bound_slots(self[number]):
                ways.setdefault(target, (number, slot, variable))
        return ways


def raw(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array's values as the file has them: little-endian bytes in C order."""
    ordered = np.ascontiguousarray(array).reshape(-1)
    return (ordered if sys.byteorder == "little" else ordered.byteswap()).view(np.uint8)


def buffer(array: np.ndarray[Any, Any]) -> Any:
    """The same as anything that has a buffer, at less cost."""
    as_it_is = sys.byteorder == "little" and array.flags.c_contiguous and array.dtype.kind != "V"
    return array if as_it_is else raw(array)


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What was read from a file, in the order of bytes that this machine has."""
    return array if sys.byteorder == "little" else array.byteswap(inplace=True)


checksum = zlib.crc32  # of one block


def encode_header(index_offset: int, index: bytes) -> bytes:
    """The user block."""
    fields = HEADER.pack(MAGIC, VERSION, index_offset, len(index), hashlib.sha256(index).digest())
    padded = fields.ljust(USER_BLOCK - CHECKSUM.size, b"\0")
    return padded + CHECKSUM.pack(zlib.crc32(padded))


_NO_TREE = b'"tree":"00000000"'


def encode_index(
    objects: list[ObjectEntry], start: int, checksums: list[int], about: dict[str, Any] | None = None
) -> bytes:
    """The index as JSON, of which `set_tree` fills in the tree.

    Args:
      objects: the objects.
      start: where the values begin.
      checksums: of all blocks of values.
      about: what whoever saves wants to know again.
    """
    types: dict[tuple[str, tuple[int, ...]], int] = {}
    known: dict[int, int] = {}  # by id, which is quicker
    encoded: list[Any] = []
    for entry in objects:
        tensor = entry.tensor
        if tensor is None:
            encoded.append(_encode_node(entry))
            continue
        number = known.get(id(tensor))
        if number is None:
            number = known[id(tensor)] = types.setdefault((tensor.dtype.name, tensor.shape), len(types))
        encoded.append(number)
    content: dict[str, Any] = {"requires": sorted(FEATURES), "tree": "00000000", "start": start}
    content["types"] = [{"dtype": name, "shape": shape} for name, shape in types]
    content.update(objects=encoded, crc32=checksums)
    if about:
        content["about"] = about
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def set_tree(index: bytes, tree: int) -> bytes:
    """The index with the checksum of what stands before the values."""
    return index.replace(_NO_TREE, _NO_TREE[:-9] + b'%08x"' % tree, 1)


def _encode_node(entry: ObjectEntry) -> dict[str, Any]:
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


def path_of(entries: Objects, number: int) -> str:
    """The path that an object of the file is first reached by."""
    names = []
    while number:
        number, name, variable = entries.ways[number]
        names.append(name if variable is None else f"{name} of {path_of(entries, variable)}")
    return "/".join(reversed(names))


def bound_slots(entry: ObjectEntry) -> Iterator[tuple[int, str, int]]:
    """An entry's bound Variables: (the Variable that it belongs to, its name, itself)."""
    for variable, slots in entry.bound.items():
        for slot, target in slots.items():
            yield variable, slot, target
