"""Items: objects on their way into a file, be they live or out of another file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import dtypes
from ..adapters import hdf5_layout
from ..errors import describe
from ..variable import Variable
from . import format as layout
from .format import ObjectEntry, Objects, TensorType, bound_slots
from .graph import Node, join, slot_path


@dataclass(slots=True)
class Item:
    """An object on its way into a file; one whose entry has a tensor has values."""

    path: str
    entry: ObjectEntry
    values: np.ndarray[Any, Any] | None = None


def snapshot(nodes: list[Node]) -> list[Item]:
    """The objects as they are now, whatever happens to them afterwards.

    A Tensor never changes, so holding the arrays of the Variables copies nothing.

    Raises:
      ValueError: for a state or a Variable that a file cannot hold.
    """
    alike: dict[Any, ObjectEntry] = {}
    items = []
    for node in nodes:
        value = node.value
        if not isinstance(value, Variable):
            items.append(Item(node.path, ObjectEntry(type(value).__name__, node.children, node.bound)))
            continue
        array = value._value._array
        key = array.dtype, array.shape
        entry = alike.get(key)
        if entry is None:
            if array.ndim > layout.MAX_RANK:
                raise ValueError(f"{node.path}: expected at most {layout.MAX_RANK} axes, got {describe(value)}.")
            entry = alike[key] = ObjectEntry(tensor=TensorType(*key, array.nbytes))
        items.append(Item(node.path, entry, array))
    # States last: what they call may change Variables.
    for node, item in zip(nodes, items, strict=True):
        if item.values is None:
            item.entry.state = _state(node)
    return items


def _state(node: Node) -> dict[str, Any] | None:
    value = node.value
    state = value.get_state() if hasattr(value, "get_state") else None
    problem = None if state is None else layout.state_problem(state)
    if problem:
        raise ValueError(f"{node.path or 'Checkpoint'}: {type(value).__name__}.get_state(): {problem}.")
    return copy.deepcopy(state)


def below(entries: Objects, start: int, path: str, first: int = 0) -> dict[int, Item]:
    """The objects of a file from one on, by their numbers there, in the order that `graph.walk` gives them.

    Args:
      entries: the file's objects.
      start: the number of the one to start at.
      path: its new path.
      first: its new number, which the others follow.

    Raises:
      ValueError: if one has slots for a value that is not among them.
    """
    numbers, paths, order = {start: first}, {start: path}, [start]

    def reach(number: int, path: str) -> None:
        if number not in numbers:
            numbers[number] = len(numbers) + first
            paths[number] = path
            order.append(number)

    for number in order:
        for name, target in sorted(entries[number].children.items()):
            reach(target, join(paths[number], name))
    for number in list(order):
        if any(of not in numbers for of in entries[number].bound):
            raise ValueError(f"slots in {paths[number]!r} for a value elsewhere")
        for of, name, target in sorted(bound_slots(entries[number]), key=lambda slot: (numbers[slot[0]], slot[1])):
            reach(target, slot_path(paths[number], name, paths[of]))
    return {number: _stored(entries[number], paths[number], numbers) for number in order}


def _stored(entry: ObjectEntry, path: str, numbers: Mapping[int, int]) -> Item:
    if entry.tensor is not None:
        return Item(path, entry)
    children = {name: numbers[target] for name, target in sorted(entry.children.items())}
    bound = {
        numbers[of]: {name: numbers[target] for name, target in sorted(slots.items())}
        for of, slots in sorted(entry.bound.items(), key=lambda item: numbers[item[0]])
    }
    return Item(path, ObjectEntry(entry.kind, children, bound, entry.state))


def tree(items: list[Item]) -> list[hdf5_layout.Entry]:
    """The tree that viewers show. Slots lie below `%slots`, by the path of the Variable that they belong to.

    Raises:
      ValueError: naming an object with more children or longer names than HDF5 has room for.
    """
    alike: dict[int, hdf5_layout.Entry] = {}
    entries = []
    for item in items:
        tensor = item.entry.tensor
        if tensor is None:
            _check_room(item)
            entries.append(hdf5_layout.Entry({"class": item.entry.kind}, dict(item.entry.children)))
            continue
        if id(tensor) not in alike:
            alike[id(tensor)] = _viewed(tensor)
        entries.append(alike[id(tensor)])
    for number, item in enumerate(items):
        for variable, slots in item.entry.bound.items():
            place = number
            for name in ("%slots", *items[variable].path.split("/")):
                if name not in entries[place].links:
                    entries[place].links[name] = len(entries)
                    entries.append(hdf5_layout.Entry())
                place = entries[place].links[name]
            entries[place].links.update(slots)
    return entries


def _check_room(item: Item) -> None:
    children = item.entry.children
    if len(children) > hdf5_layout.MAX_LINKS:
        raise ValueError(
            f"{item.path or 'Checkpoint'}: expected at most {hdf5_layout.MAX_LINKS} children of one object, got "
            f"{len(children)}. Keep them in several."
        )
    longest = max(map(len, children), default=0)
    if longest * 4 > hdf5_layout.MAX_NAME:  # of UTF-8, at most so many
        longest = max(len(name.encode()) for name in children)
    if longest > hdf5_layout.MAX_NAME:
        raise ValueError(
            f"{item.path or 'Checkpoint'}: expected names of at most {hdf5_layout.MAX_NAME} bytes, got {longest}."
        )


def _viewed(tensor: TensorType) -> hdf5_layout.Entry:
    if tensor.dtype == dtypes.dtype("bfloat16"):  # which HDF5 does not know
        return hdf5_layout.Entry({"dtype": "bfloat16"}, dtype=np.dtype(np.uint16), shape=tensor.shape)
    return hdf5_layout.Entry(dtype=tensor.dtype, shape=tensor.shape)
