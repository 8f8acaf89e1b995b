"""The index of a file, checked: every field of it is wrong until shown to be right.

A digest tells damage from what was written, but whoever forges a file forges its digest too. So numbers lead only to
what is there, ranges lie where values may and share no byte, and nothing is looked up by a name in the file.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

from .. import dtypes
from . import format as layout
from .format import ObjectEntry, TensorEntry, bound_slots, state_problem

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # which could make a terminal do things


class UnknownFeature(Exception):
    """The index asks for something that a later version brings."""


class IndexReader:
    """Turns an index into entries."""

    def __init__(self, content: Any, payload_end: int):
        self._content = content
        self._payload_end = payload_end
        self._dtypes = {name: dtypes.dtype(name) for name in dtypes.NAMES}

    def objects(self) -> list[ObjectEntry]:
        """The entries, each with the way to it.

        Raises:
          ValueError: naming the object and the field that cannot be.
          UnknownFeature: if a later version has to read it.
        """
        content = _expect(self._content, dict, "the index")
        required = _expect(content.get("requires"), list, "requires")
        unknown = [feature for feature in required if not (isinstance(feature, str) and feature in layout.FEATURES)]
        if unknown:
            raise UnknownFeature(f"it requires the feature {unknown[0]!r:.80}. Update eagerly to read this file.")
        encoded = _expect(content.get("objects"), list, "objects")
        self._count = len(encoded)
        entries = [self._entry(item, number) for number, item in enumerate(encoded)]
        if not entries or entries[0].tensor is not None:
            raise ValueError("expected object 0 to be the root, which has children")
        for number, entry in enumerate(entries):
            self._check_bound(number, entry, entries)
        _check_overlaps(entries)
        _find_ways(entries)
        return entries

    def about(self) -> dict[str, Any]:
        """What the index says of the file as a whole.

        Raises:
          ValueError: if it is no state.
        """
        about: dict[str, Any] = self._content.get("about", {})
        problem = state_problem(about)
        if problem:
            raise ValueError(f"about: {problem}")
        return about

    def tree(self) -> int | None:
        """The checksum of what the HDF5 part holds beside values, if the index has one.

        Raises:
          ValueError: if it is none.
        """
        tree = self._content.get("tree")
        if tree is None:
            return None
        if not (isinstance(tree, str) and re.fullmatch("[0-9a-f]{8}", tree)):
            raise ValueError(f"tree: expected eight hexadecimal digits, got {tree!r:.80}")
        return int(tree, 16)

    def _entry(self, item: Any, number: int) -> ObjectEntry:
        if not isinstance(item, dict):
            raise ValueError(f"object {number}: expected dict, got {type(item).__name__}")
        if "dtype" in item:
            return ObjectEntry(tensor=self._tensor(item, number))
        where = f"object {number}"
        state = item.get("state")
        problem = None if state is None else state_problem(state)
        if problem:
            raise ValueError(f"{where}, state: {problem}")
        bound = _expect(item.get("bound", {}), dict, f"{where}, bound")
        return ObjectEntry(
            kind=_text(item.get("class"), f"{where}, class"),
            children=self._links(item.get("children"), f"{where}, children"),
            bound={
                self._number_in(key, f"{where}, bound"): self._links(slots, f"{where}, bound {key}")
                for key, slots in bound.items()
            },
            state=state,
        )

    def _tensor(self, item: dict[str, Any], number: int) -> TensorEntry:
        name, sizes = item["dtype"], item.get("shape")
        offset: Any = item.get("offset")
        length: Any = item.get("length")
        dtype = self._dtypes.get(name) if isinstance(name, str) else None
        if dtype is None:
            raise ValueError(f"object {number}: expected a known dtype, got {name!r:.80}")
        checksums = item.get("crc32")
        if not isinstance(sizes, list) or not isinstance(checksums, list):
            field, value = ("crc32", checksums) if isinstance(sizes, list) else ("shape", sizes)
            raise ValueError(f"object {number}, {field}: expected list, got {type(value).__name__}")
        for value in (*sizes, offset, length, *checksums):
            if type(value) is not int or not 0 <= value < 2**63:
                fields = {"shape": sizes, "offset": [offset], "length": [length], "crc32": checksums}
                wrong = next(name for name, values in fields.items() if any(item is value for item in values))
                raise _no_natural(value, f"object {number}, {wrong}")
        if len(sizes) > layout.MAX_RANK:
            raise ValueError(f"object {number}: expected at most {layout.MAX_RANK} axes, got {len(sizes)}")
        needed = math.prod(sizes) * dtype.itemsize
        # NumPy refuses a shape whose other axes are too large even where one of them is 0.
        if needed >= 2**63 or (not needed and math.prod(size for size in sizes if size) * dtype.itemsize >= 2**63):
            raise ValueError(f"object {number}: expected a shape that an array can have, got {tuple(sizes)!r:.80}")
        if needed != length:
            raise ValueError(f"object {number}: expected {needed} bytes for its shape, got {length}")
        if length and not layout.USER_BLOCK <= offset <= self._payload_end - length:
            raise ValueError(
                f"object {number}: expected values between the bytes {layout.USER_BLOCK} and {self._payload_end}, "
                f"got {length} bytes from {offset} on"
            )
        if len(checksums) != -(-length // layout.BLOCK):
            raise ValueError(
                f"object {number}: expected {-(-length // layout.BLOCK)} CRC-32 values, got {len(checksums)}"
            )
        return TensorEntry(dtype, tuple(sizes), offset, length, checksums)

    def _links(self, item: Any, where: str) -> dict[str, int]:
        links: dict[str, int] = _expect(item, dict, where)
        for name, number in links.items():
            if not name or "/" in name or _CONTROL.search(name):
                raise ValueError(f"{where}: expected names without slashes and control characters, got {name!r:.80}")
            if type(number) is not int or not 0 <= number < 2**63:
                raise _no_natural(number, f"{where}, {name!r:.80}")
            if number >= self._count:
                raise ValueError(f"{where}: expected an object below {self._count}, got {number}")
        return links

    def _number_in(self, key: str, where: str) -> int:
        if not (key.isascii() and key.isdigit() and len(key) < 20 and str(int(key)) == key and int(key) < self._count):
            raise ValueError(f"{where}: expected an object below {self._count}, got {key!r:.80}")
        return int(key)

    def _check_bound(self, number: int, entry: ObjectEntry, entries: list[ObjectEntry]) -> None:
        for variable, slots in entry.bound.items():
            for target in (variable, *slots.values()):
                if entries[target].tensor is None:
                    raise ValueError(f"object {number}, bound: expected Variables, got object {target}")


def _expect(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def _text(value: Any, where: str) -> str:
    text: str = _expect(value, str, where)
    if _CONTROL.search(text):
        raise ValueError(f"{where}: expected text without control characters, got {text!r:.80}")
    return text


def _no_natural(value: Any, where: str) -> ValueError:
    return ValueError(f"{where}: expected an integer from 0 on, got {value!r:.80}")


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
