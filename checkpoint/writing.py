"""Writing a checkpoint: live nodes become items, these an HDF5 file without values, the values, an index."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import dtypes
from ..adapters import hdf5
from ..errors import describe
from ..tensor import Tensor
from ..variable import Variable
from . import format as layout
from .atomic import AtomicFile, replacing
from .blocks import Job, run
from .format import ObjectEntry, TensorEntry
from .graph import Node


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
    return [_item(node, tensor) for node, tensor in zip(nodes, tensors, strict=True)]


def _item(node: Node, tensor: Tensor | None) -> Item:
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


def write(path: str, items: list[Item], sync: bool = True, about: dict[str, Any] | None = None) -> None:
    """Writes the objects to a file that appears whole or not at all.

    Args:
      path: the file.
      items: the objects; links lead to them by their numbers in this list.
      sync: whether to wait until the disk has everything.
      about: what the index says of the file as a whole.

    Raises:
      OSError: if the file cannot be written; it names the path.
    """
    skeleton = hdf5.lay_out(_tree(items), layout.USER_BLOCK)
    with replacing(path, sync) as file:
        for offset, piece in skeleton.pieces:
            file.write_at(offset, piece)
        jobs = []
        for item, offset in zip(items, skeleton.offsets, strict=False):  # the tree has groups of its own
            if item.dtype is not None and item.values is not None:
                values = layout.raw(item.values())
                item.entry.tensor = TensorEntry(item.dtype, item.shape, offset, len(values), [])
                jobs.append(Job(offset, values, item.entry.tensor.checksums))
        run(jobs, _Writer(file))
        index = layout.encode_index([item.entry for item in items], about)
        file.write_at(skeleton.size, index)
        file.write_at(0, layout.encode_header(skeleton.size, index))


class _Writer:
    """Writes a block and gives its checksum, while the block is in the cache."""

    def __init__(self, file: AtomicFile):
        self.file = file

    def __call__(self, offset: int, block: memoryview) -> int:
        checksum = layout.checksum(block)
        self.file.write_at(offset, block)
        return checksum


def _tree(items: list[Item]) -> list[hdf5.Entry]:
    """The tree that viewers show. Slots lie below `%slots`, by the path of the Variable that they belong to."""
    tree = [_viewed(item) for item in items]
    for number, item in enumerate(items):
        for variable, slots in item.entry.bound.items():
            place = number
            for name in ("%slots", *items[variable].path.split("/")):
                if name not in tree[place].links:
                    tree[place].links[name] = len(tree)
                    tree.append(hdf5.Entry())
                place = tree[place].links[name]
            tree[place].links.update(slots)
    return tree


def _viewed(item: Item) -> hdf5.Entry:
    if item.dtype is None:
        return hdf5.Entry({"class": item.entry.kind}, dict(item.entry.children))
    if item.dtype == dtypes.dtype("bfloat16"):  # which HDF5 does not know
        return hdf5.Entry({"dtype": "bfloat16"}, dtype=np.dtype(np.uint16), shape=item.shape)
    return hdf5.Entry(dtype=item.dtype, shape=item.shape)
