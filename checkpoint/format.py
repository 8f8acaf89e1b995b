"""The file: a header in the user block of an HDF5 file, the values where HDF5 has them, and an index at the end.

What is read is checked first: the header by its checksum, the index by its SHA-256 and then field by field, the values
block by block. Nothing here parses HDF5, and nothing is allocated that the file does not hold. What the bytes mean is
fixed by docs/checkpoint_format.md; another meaning needs another version.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, BinaryIO, NoReturn, Self

import numpy as np

from .. import dtypes
from ..errors import CorruptCheckpointError, RestoreError

MAGIC = b"\x89EAGERLY"
VERSION = 1
USER_BLOCK = 512
BLOCK = 2**20  # bytes of values under one CRC-32
MAX_RANK = 32  # HDF5's limit
MAX_DEPTH = 64  # of lists and dictionaries in a state
FEATURES: frozenset[str] = frozenset()  # what this reader knows of an index's "requires"

_HEADER = struct.Struct("<8sIQQ32s")
_CHECKSUM = struct.Struct("<I")


@dataclass
class TensorEntry:
    """Where the values of a Variable lie."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    length: int
    checksums: list[int]

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


@dataclass
class ObjectEntry:
    """An object of the file. `children` and `bound` lead to others by number; the root is number 0.

    `via` is how it is first reached: the number of its owner, its name there, and the Variable that it is bound to.
    Whole paths would let a small file make long ones without end; `path_of` makes one when it is shown.
    """

    kind: str = "Variable"
    children: dict[str, int] = field(default_factory=dict)
    bound: dict[int, dict[str, int]] = field(default_factory=dict)
    state: dict[str, Any] | None = None
    tensor: TensorEntry | None = None
    via: tuple[int, str, int | None] = (0, "", None)


def raw(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array's values as the file has them: little-endian bytes in C order."""
    ordered = np.ascontiguousarray(array).reshape(-1)
    return (ordered if sys.byteorder == "little" else ordered.byteswap()).view(np.uint8)


def checksums(values: np.ndarray[Any, Any]) -> list[int]:
    """The CRC-32 of each block of some bytes."""
    return [zlib.crc32(values[start : start + BLOCK].data) for start in range(0, len(values), BLOCK)]


def encode_header(index_offset: int, index: bytes) -> bytes:
    """The user block."""
    fields = _HEADER.pack(MAGIC, VERSION, index_offset, len(index), hashlib.sha256(index).digest())
    padded = fields.ljust(USER_BLOCK - _CHECKSUM.size, b"\0")
    return padded + _CHECKSUM.pack(zlib.crc32(padded))


def encode_index(objects: list[ObjectEntry]) -> bytes:
    """The index as JSON."""
    content = {"requires": sorted(FEATURES), "objects": [_encode_object(entry) for entry in objects]}
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


class CheckpointFile:
    """A checkpoint open for reading, its index verified.

    Raises:
      CorruptCheckpointError: if the file is not a whole checkpoint.
      RestoreError: if it was written by a newer version.
    """

    def __init__(self, path: str):
        self.path = path
        self._file: BinaryIO = open(path, "rb", buffering=0)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.objects = self._read_objects()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def corrupt(self, kind: str, offset: int, detail: str) -> NoReturn:
        """Refuses the file."""
        raise CorruptCheckpointError(
            f"{self.path}: damaged {kind} at byte {offset}: {detail}. Nothing was restored; use another checkpoint."
        )

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills a buffer with the bytes from an offset on."""
        self._file.seek(offset)
        done = 0
        while done < len(buffer):
            count = self._file.readinto(buffer[done:])  # type: ignore[attr-defined]
            if not count:
                self.corrupt("file", offset + done, f"expected {len(buffer) - done} more bytes, got its end")
            done += count

    def read_values(self, number: int) -> np.ndarray[Any, Any]:
        """The values of a Variable as an array of one's own."""
        tensor = self.objects[number].tensor
        assert tensor is not None
        array = np.empty(tensor.shape, tensor.dtype)
        values = array.reshape(-1).view(np.uint8)
        for block, checksum in enumerate(tensor.checksums):
            start = block * BLOCK
            piece = values[start : start + BLOCK].data
            self.read_into(tensor.offset + start, piece)
            if zlib.crc32(piece) != checksum:
                self.corrupt(
                    "values", tensor.offset + start, f"a block of {path_of(self.objects, number)!r} has another CRC-32"
                )
        if tensor.dtype.kind == "b" and values.max(initial=0) > 1:
            self.corrupt(
                "values", tensor.offset, f"{path_of(self.objects, number)!r} holds truth values other than 0 and 1"
            )
        return array if sys.byteorder == "little" else array.byteswap(inplace=True)

    def _read_objects(self) -> list[ObjectEntry]:
        offset, index = self._read_index()
        try:
            content = json.loads(index.decode("ascii"), object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            self.corrupt("index", offset, f"expected JSON, got {type(error).__name__}: {error}")
        try:
            return _IndexReader(content, offset).objects()
        except _Newer as error:
            raise RestoreError(f"{self.path}: {error}") from None
        except ValueError as error:
            self.corrupt("index", offset, str(error))

    def _read_index(self) -> tuple[int, bytearray]:
        """Offset and bytes of the index, after the header and the digest have been checked."""
        header = bytearray(min(USER_BLOCK, self._size))
        self.read_into(0, memoryview(header))
        if not header.startswith(MAGIC):
            self.corrupt("header", 0, f"expected {MAGIC!r}, got {bytes(header[: len(MAGIC)])!r}")
        if len(header) < USER_BLOCK:
            self.corrupt("header", self._size, f"expected {USER_BLOCK} bytes, got {self._size}")
        (checksum,) = _CHECKSUM.unpack_from(header, USER_BLOCK - _CHECKSUM.size)
        if zlib.crc32(header[: -_CHECKSUM.size]) != checksum:
            self.corrupt("header", 0, "it has another CRC-32 than it says")
        _, version, offset, length, digest = _HEADER.unpack_from(header)
        if version != VERSION:
            raise RestoreError(
                f"{self.path}: expected format version {VERSION}, got {version}. Update eagerly to read this file."
            )
        if offset < USER_BLOCK or offset + length != self._size:
            self.corrupt("file", self._size, f"expected {offset + length} bytes, got {self._size}")
        index = bytearray(length)
        self.read_into(offset, memoryview(index))
        if hashlib.sha256(index).digest() != digest:
            self.corrupt("index", offset, "it has another SHA-256 than the header says")
        return offset, index


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return made


class _Newer(Exception):
    """The index asks for something that a later version brings."""


class _IndexReader:
    """Turns an index into entries; every field of it is wrong until shown to be right."""

    def __init__(self, content: Any, payload_end: int):
        self.content = content
        self.payload_end = payload_end

    def objects(self) -> list[ObjectEntry]:
        """The entries, each with the way to it.

        Raises:
          ValueError: naming the object and the field that cannot be.
        """
        content = _expect(self.content, dict, "the index")
        required = _expect(content.get("requires"), list, "requires")
        unknown = [feature for feature in required if not (isinstance(feature, str) and feature in FEATURES)]
        if unknown:
            raise _Newer(f"it requires the feature {unknown[0]!r:.80}. Update eagerly to read this file.")
        encoded = _expect(content.get("objects"), list, "objects")
        self.count = len(encoded)
        entries = [self.entry(item, f"object {number}") for number, item in enumerate(encoded)]
        if not entries or entries[0].tensor is not None:
            raise ValueError("expected object 0 to be the root, which has children")
        for number, entry in enumerate(entries):
            self.check_bound(number, entry, entries)
        _check_overlaps(entries)
        _find_ways(entries)
        return entries

    def entry(self, item: Any, where: str) -> ObjectEntry:
        item = _expect(item, dict, where)
        if "dtype" in item:
            return ObjectEntry(tensor=self.tensor(item, where))
        state = item.get("state")
        problem = None if state is None else state_problem(state)
        if problem:
            raise ValueError(f"{where}, state: {problem}")
        bound = _expect(item.get("bound", {}), dict, f"{where}, bound")
        return ObjectEntry(
            kind=_expect(item.get("class"), str, f"{where}, class"),
            children=self.links(item.get("children"), f"{where}, children"),
            bound={
                self.number_in(key, f"{where}, bound"): self.links(slots, f"{where}, bound {key}")
                for key, slots in bound.items()
            },
            state=state,
        )

    def tensor(self, item: dict[str, Any], where: str) -> TensorEntry:
        if item["dtype"] not in dtypes.NAMES:
            raise ValueError(f"{where}: expected a known dtype, got {item['dtype']!r:.80}")
        dtype = dtypes.dtype(item["dtype"])
        shape = tuple(_natural(size, f"{where}, shape") for size in _expect(item.get("shape"), list, f"{where}, shape"))
        offset = _natural(item.get("offset"), f"{where}, offset")
        length = _natural(item.get("length"), f"{where}, length")
        if len(shape) > MAX_RANK:
            raise ValueError(f"{where}: expected at most {MAX_RANK} axes, got {len(shape)}")
        # NumPy refuses a shape whose other axes are too large even where one of them is 0.
        if math.prod(size for size in shape if size) * dtype.itemsize >= 2**63:
            raise ValueError(f"{where}: expected a shape that an array can have, got {shape!r:.80}")
        if math.prod(shape) * dtype.itemsize != length:
            raise ValueError(f"{where}: expected {math.prod(shape) * dtype.itemsize} bytes for its shape, got {length}")
        if length and not USER_BLOCK <= offset <= self.payload_end - length:
            raise ValueError(
                f"{where}: expected values between the bytes {USER_BLOCK} and {self.payload_end}, "
                f"got {length} bytes from {offset} on"
            )
        found = [_natural(value, f"{where}, crc32") for value in _expect(item.get("crc32"), list, f"{where}, crc32")]
        if len(found) != -(-length // BLOCK):
            raise ValueError(f"{where}: expected {-(-length // BLOCK)} CRC-32 values, got {len(found)}")
        return TensorEntry(dtype, shape, offset, length, found)

    def links(self, item: Any, where: str) -> dict[str, int]:
        links = _expect(item, dict, where)
        for name, number in links.items():
            if not name or "/" in name:
                raise ValueError(f"{where}: expected names without a slash, got {name!r:.80}")
            if _natural(number, f"{where}, {name!r:.80}") >= self.count:
                raise ValueError(f"{where}: expected an object below {self.count}, got {number}")
        return links

    def number_in(self, key: str, where: str) -> int:
        if not (key.isascii() and key.isdigit() and len(key) < 20 and str(int(key)) == key and int(key) < self.count):
            raise ValueError(f"{where}: expected an object below {self.count}, got {key!r:.80}")
        return int(key)

    def check_bound(self, number: int, entry: ObjectEntry, entries: list[ObjectEntry]) -> None:
        for variable, slots in entry.bound.items():
            for target in (variable, *slots.values()):
                if entries[target].tensor is None:
                    raise ValueError(f"object {number}, bound: expected Variables, got object {target}")


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def _natural(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(f"{where}: expected an integer from 0 on, got {value!r:.80}")
    return value


def _check_overlaps(entries: list[ObjectEntry]) -> None:
    tensors = [(entry.tensor.offset, entry.tensor.length, n) for n, entry in enumerate(entries) if entry.tensor]
    for (offset, length, number), (following, _, other) in pairwise(sorted(item for item in tensors if item[1])):
        if offset + length > following:
            raise ValueError(f"object {number} and object {other}: expected values of their own, got a shared range")


def _find_ways(entries: list[ObjectEntry]) -> None:
    """Sets each entry's `via`: breadth first, Variables bound to others last."""
    reached, order = {0}, [0]
    for number in order:
        for name, target in entries[number].children.items():
            if target not in reached:
                reached.add(target)
                order.append(target)
                entries[target].via = (number, name, None)
    named = set(order)
    for number in order:
        for variable, slot, target in bound_slots(entries[number]):
            if variable not in named:
                raise ValueError(f"object {number}, bound: expected a Variable with a name, got object {variable}")
            if target not in reached:
                reached.add(target)
                entries[target].via = (number, slot, variable)
    if len(reached) < len(entries):
        lost = min(set(range(len(entries))) - reached)
        raise ValueError(f"object {lost}: expected a way to it from the root, got none")


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
