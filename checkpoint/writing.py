"""Writing a checkpoint: live nodes become an index, the metadata of an HDF5 file, and values in between."""

from __future__ import annotations

import numpy as np

from ..adapters import hdf5
from ..errors import describe
from ..variable import Variable
from . import format as layout
from .atomic import replacing
from .format import ObjectEntry, TensorEntry
from .graph import Node


def write(path: str, nodes: list[Node]) -> None:
    """Writes the objects to a file that appears whole or not at all.

    Raises:
      ValueError: for a state or a Variable that the file cannot hold.
      OSError: if the file cannot be written; it names the path.
    """
    # Tensors never change, so holding them now is a snapshot of all Variables.
    tensors = [node.value._value if isinstance(node.value, Variable) else None for node in nodes]
    entries = [_entry(node) for node in nodes]
    skeleton = hdf5.lay_out(_tree(nodes), layout.USER_BLOCK)
    with replacing(path) as file:
        for offset, piece in skeleton.pieces:
            file.write_at(offset, piece)
        for number, tensor in enumerate(tensors):
            if tensor is not None:
                values = layout.raw(tensor._array)
                file.write_at(skeleton.offsets[number], values)
                entries[number].tensor = TensorEntry(
                    tensor.dtype, tensor.shape, skeleton.offsets[number], len(values), layout.checksums(values)
                )
        index = layout.encode_index(entries)
        file.write_at(skeleton.size, index)
        file.write_at(0, layout.encode_header(skeleton.size, index))


def _entry(node: Node) -> ObjectEntry:
    value = node.value
    if isinstance(value, Variable):
        if value.ndim > layout.MAX_RANK:
            raise ValueError(f"{node.path}: expected at most {layout.MAX_RANK} axes, got {describe(value)}.")
        return ObjectEntry()
    state = value.get_state() if hasattr(value, "get_state") else None
    problem = None if state is None else layout.state_problem(state)
    if problem:
        raise ValueError(f"{node.path or 'Checkpoint'}: {type(value).__name__}.get_state(): {problem}.")
    return ObjectEntry(type(value).__name__, node.children, node.bound, state)


def _tree(nodes: list[Node]) -> list[hdf5.Entry]:
    """The tree that viewers show. Slots lie below `%slots`, by the path of the Variable that they belong to."""
    tree = [_viewed(node) for node in nodes]
    for number, node in enumerate(nodes):
        for variable, slots in node.bound.items():
            place = number
            for name in ("%slots", *nodes[variable].path.split("/")):
                if name not in tree[place].links:
                    tree[place].links[name] = len(tree)
                    tree.append(hdf5.Entry())
                place = tree[place].links[name]
            tree[place].links.update(slots)
    return tree


def _viewed(node: Node) -> hdf5.Entry:
    value = node.value
    if not isinstance(value, Variable):
        return hdf5.Entry({"class": type(value).__name__}, dict(node.children))
    if value.dtype == "bfloat16":  # which HDF5 does not know
        return hdf5.Entry({"dtype": "bfloat16"}, dtype=np.dtype(np.uint16), shape=value.shape)
    return hdf5.Entry(dtype=value.dtype, shape=value.shape)
