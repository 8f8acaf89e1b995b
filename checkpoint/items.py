"""Items: objects on their way into a file, be they live or out of another file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import dtypes
from ..adapters import hdf5_layout
from ..errors import describe
from ..tensor import Tensor
from ..variable import Variable
from . import format as layout
from .format import ObjectEntry, bound_slots
from .graph import Node, join, slot_path


@dataclass
class Item:
    """An object on its way into a file; `values` gives the array of one that has a dtype."""

    path: str
    entry: ObjectEntry
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    values: Callable[[], np.ndarray[Any, Any]] | None = None


def snapshot(nodes: list[Node]) -> list[Item]:
    """The objects as they are now, whatever happens to them afterwards.

    A Tensor never changes, so holding those of the Variables copies nothing.

    Raises:
      ValueError: for a state or a Variable that a file cannot hold.
    """
    tensors = [node.value._value if isinstance(node.value, Variable) else None for node in nodes]
    return [_live(node, tensor) for node, tensor in zip(nodes, tensors, strict=True)]


def _live(node: Node, tensor: Tensor | None) -> Item:
    value = node.value
    if tensor is not None:
        if value.ndim > layout.MAX_RANK:
            raise ValueError(f"{node.path}: expected at most {layout.MAX_RANK} axes, got {describe(value)}.")
        return Item(node.path, ObjectEntry(), tensor.dtype, tensor.shape, lambda: tensor._array)
    state = value.get_state() if hasattr(value, "get_state") else None
    problem = None if state is None else layout.state_problem(state)
    if problem:
        raise ValueError(f"{node.path or 'Checkpoint'}: {type(value).__name__}.get_state(): {problem}.")
    return Item(node.path, ObjectEntry(type(value).__name__, node.children, node.bound, copy.deepcopy(state)))


def below(entries: list[ObjectEntry], start: int, path: str, first: int = 0) -> dict[int, Item]:
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
        return Item(path, ObjectEntry(), entry.tensor.dtype, entry.tensor.shape)
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
    for item in items:
        _check_room(item)
    entries = [_viewed(item) for item in items]
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
    longest = max((len(name.encode()) for name in children), default=0)
    if longest > hdf5_layout.MAX_NAME:
        raise ValueError(
            f"{item.path or 'Checkpoint'}: expected names of at most {hdf5_layout.MAX_NAME} bytes, got {longest}."
        )


def _viewed(item: Item) -> hdf5_layout.Entry:
    if item.dtype is None:
        return hdf5_layout.Entry({"class": item.entry.kind}, dict(item.entry.children))
    if item.dtype == dtypes.dtype("bfloat16"):  # which HDF5 does not know
        return hdf5_layout.Entry({"dtype": "bfloat16"}, dtype=np.dtype(np.uint16), shape=item.shape)
    return hdf5_layout.Entry(dtype=item.dtype, shape=item.shape)
