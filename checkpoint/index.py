"""The index of a file, checked: every field of it is wrong until shown to be right.

A digest tells damage from what was written, but whoever forges a file forges its digest too. So numbers lead only to
what is there, values lie one after the other where values may, and nothing is looked up by a name in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import format as layout
from . import index_1
from .fields import Values, expect, is_natural, no_natural, tensor_type
from .format import ObjectEntry, Objects, bound_slots, state_problem

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # which could make a terminal do things
_NO_NAME = re.compile(r"[/\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class UnknownFeature(Exception):
    """The index asks for something that a later version brings."""


@dataclass
class Index:
    """What an index says: the objects, their values, what the file is about, and the checksum of its HDF5 tree."""

    objects: Objects
    values: Values
    about: dict[str, Any]
    tree: int | None


def read_index(content: Any, version: int, end: int) -> Index:
    """Checks an index, which begins at the byte `end`.

    Raises:
      ValueError: naming the object and the field that cannot be.
      UnknownFeature: if a later version has to read it.
    """
    content = expect(content, dict, "the index")
    required = expect(content.get("requires"), list, "requires")
    unknown = [feature for feature in required if not (isinstance(feature, str) and feature in layout.FEATURES)]
    if unknown:
        raise UnknownFeature(f"it requires the feature {unknown[0]!r:.80}. Update eagerly to read this file.")
    encoded = expect(content.get("objects"), list, "objects")
    _check_names(encoded)
    values = (index_1.read_values if version == 1 else _read_values)(content, encoded, end)
    nodes = {number for number, entry in enumerate(values.entries) if entry is None}
    if 0 not in nodes:
        raise ValueError("expected object 0 to be the root, which has children")
    entries: list[Any] = values.entries
    for number in sorted(nodes):
        entries[number] = _node(encoded[number], number, len(encoded))
    objects = Objects(entries)
    _check_ways(objects, nodes)
    about = content.get("about", {})
    problem = state_problem(about)
    if problem:
        raise ValueError(f"about: {problem}")
    return Index(objects, values, about, _tree(content.get("tree")))


def _check_names(encoded: list[Any]) -> None:
    """No more objects than names: the rest of the index has to be of a length that tells how much memory they take."""
    nodes = [item for item in encoded if type(item) is dict]
    links = [item.get("children") for item in nodes]
    for item in nodes:
        if isinstance(item.get("bound"), dict):
            links += item["bound"].values()
    names = sum(len(part) for part in links if isinstance(part, dict))
    if len(encoded) > names + 1:
        raise ValueError(f"expected a way to each object, got {names} names for {len(encoded)} objects")


def _tree(tree: Any) -> int | None:
    if tree is None:
        return None
    if not (isinstance(tree, str) and re.fullmatch("[0-9a-f]{8}", tree)):
        raise ValueError(f"tree: expected eight hexadecimal digits, got {tree!r:.80}")
    return int(tree, 16)


def _read_values(content: dict[str, Any], encoded: list[Any], end: int) -> Values:
    """The values of version 2, which lie one after the other in the order of their objects."""
    kinds = [
        tensor_type(expect(item, dict, f"type {number}"), f"type {number}")
        for number, item in enumerate(expect(content.get("types"), list, "types"))
    ]
    numbers = [number for number, item in enumerate(encoded) if type(item) is int]
    wanted = [item for item in encoded if type(item) is int]
    if wanted and not 0 <= min(wanted) <= max(wanted) < len(kinds):
        number, kind = next((n, k) for n, k in zip(numbers, wanted, strict=True) if not 0 <= k < len(kinds))
        raise ValueError(f"object {number}: expected a type below {len(kinds)}, got {kind!r:.80}")
    which, where = np.array(wanted, np.int64), np.array(numbers, np.int64)
    counts = np.bincount(which, minlength=len(kinds)).tolist()

    def places(begin: int, sizes: list[int], what: str, expected: int) -> list[int]:
        """Where each object's share begins if each value takes what its type does, which is to end at a place."""
        reached = begin + sum(size * count for size, count in zip(sizes, counts, strict=True))
        if reached != expected:  # so no number below is larger than that
            raise ValueError(f"expected {what.format(reached)}, got {expected}")
        taken = np.zeros(len(encoded), np.int64)
        if numbers:
            used = [size if count else 0 for size, count in zip(sizes, counts, strict=True)]
            taken[where] = np.array(used, np.int64)[which]
        found: list[int] = (begin + np.cumsum(taken) - taken).tolist()
        return found

    start: Any = content.get("start")
    if not is_natural(start) or start < layout.USER_BLOCK:
        raise ValueError(f"start: expected an integer from {layout.USER_BLOCK} on, got {start!r:.80}")
    checksums = expect(content.get("crc32"), list, "crc32")
    if checksums and not (set(map(type, checksums)) == {int} and 0 <= min(checksums) <= max(checksums) < 2**32):
        wrong = next(value for value in checksums if not (is_natural(value) and value < 2**32))
        raise ValueError(f"crc32: expected integers of 32 bits, got {wrong!r:.80}")
    entries = [ObjectEntry(tensor=kind) for kind in kinds]
    return Values(
        entries=[entries[item] if type(item) is int else None for item in encoded],
        offsets=places(start, [kind.room for kind in kinds], "the index after the values, at byte {}", end),
        first=places(0, [kind.blocks for kind in kinds], "{} CRC-32 values", len(checksums)),
        checksums=checksums,
        outside=[(layout.USER_BLOCK, start)],
    )


def _node(item: Any, number: int, count: int) -> ObjectEntry:
    where = f"object {number}"
    if not isinstance(item, dict):
        raise ValueError(f"{where}: expected dict, got {type(item).__name__}")
    state = item.get("state")
    problem = None if state is None else state_problem(state)
    if problem:
        raise ValueError(f"{where}, state: {problem}")
    kind = expect(item.get("class"), str, f"{where}, class")
    if _CONTROL.search(kind):
        raise ValueError(f"{where}, class: expected text without control characters, got {kind!r:.80}")
    bound = expect(item.get("bound", {}), dict, f"{where}, bound")
    return ObjectEntry(
        kind=kind,
        children=_links(item.get("children"), f"{where}, children", count),
        bound={
            _number_in(key, f"{where}, bound", count): _links(slots, f"{where}, bound {key}", count)
            for key, slots in bound.items()
        },
        state=state,
    )


def _links(item: Any, where: str, count: int) -> dict[str, int]:
    links: dict[str, int] = expect(item, dict, where)
    numbers = links.values()
    # All at once; one by one only to say which it is.
    if not links or (
        set(map(type, numbers)) == {int}
        and 0 <= min(numbers) <= max(numbers) < count
        and "" not in links
        and not _NO_NAME.search("".join(links))
    ):
        return links
    for name, number in links.items():
        if not name or _NO_NAME.search(name):
            raise ValueError(f"{where}: expected names without slashes and control characters, got {name!r:.80}")
        if not is_natural(number):
            raise no_natural(number, f"{where}, {name!r:.80}")
        if number >= count:
            raise ValueError(f"{where}: expected an object below {count}, got {number}")
    raise AssertionError(where)


def _number_in(key: str, where: str, count: int) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,17}", key) or int(key) >= count:
        raise ValueError(f"{where}: expected an object below {count}, got {key!r:.80}")
    return int(key)


def _check_ways(objects: Objects, nodes: set[int]) -> None:
    """Every object has a way from the root; slots are Variables that belong to Variables with names."""
    reached, queue = {0}, [0]
    for number in queue:
        targets = objects[number].children.values()
        queue.extend(nodes.intersection(targets) - reached)
        reached.update(targets)
    named = set(reached)
    for number in sorted(nodes):
        entry = objects[number]
        reached.update(target for _, _, target in bound_slots(entry))
        for variable, slots in entry.bound.items():
            for target in (variable, *slots.values()):
                if target in nodes:
                    raise ValueError(f"object {number}, bound: expected Variables, got object {target}")
            if variable not in named:
                raise ValueError(f"object {number}, bound: expected a Variable with a name, got object {variable}")
    if len(reached) < len(objects):
        lost = min(set(range(len(objects))) - reached)
        raise ValueError(f"object {lost}: expected a way to it from the root, got none")
