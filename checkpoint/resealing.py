"""Resealing: a checkpoint whose values somebody edited with an HDF5 tool becomes a valid one, because they say so."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import CorruptCheckpointError, RestoreError
from . import format as layout
from .format import ObjectEntry, TensorType
from .items import Item, below
from .reading import CheckpointFile
from .tree import align, dtype_of, survey
from .writing import write


def reseal(path: str | os.PathLike[str], *, sync: bool = True) -> list[str]:
    """Writes a checkpoint anew with the values that an HDF5 tool finds in it, whatever was saved.

    The objects, their names and states stay those of the index; shapes and dtypes may be others.

    Args:
      path: the file; it is replaced as a whole or not at all.
      sync: as for `Checkpoint.write`.

    Returns:
      The paths of the values that differ from those that were saved.

    Raises:
      RestoreError: if objects have come, gone or been renamed: no tool can tell what they are.
      CorruptCheckpointError: if the index is damaged, or libhdf5 cannot read the file.

    Example:
      >>> from eagerly.checkpoint import Checkpoint
      >>> path = Checkpoint(step=Variable(3)).write("step.h5")
      >>> import h5py
      >>> with h5py.File(path, "r+") as file:
      ...     file["step"][()] = 5
      >>> reseal(path)
      ['step']
      >>> Checkpoint(step=Variable(0)).restore(path).assert_consumed().pending
      []
    """
    path = os.fspath(path)
    with CheckpointFile(path, sealed=False) as file:
        numbered = below(file.objects, 0, "")
        items = list(numbered.values())
        found = survey(path)
        pairs, problems = align(items, found)
        if problems:
            raise RestoreError(
                f"{path}: expected the objects that were saved, got others:\n  " + "\n  ".join(problems) + "\n"
                "Only values, shapes and dtypes may be edited; change objects in a program that restores the file."
            )
        edited = []
        for place, (number, item) in enumerate(numbered.items()):
            tensor = file.objects[number].tensor
            if tensor is not None and _take(file, number, item, found[pairs[place]]):
                edited.append(item.path)
    write(path, items, sync, file.about)
    return edited


def _take(file: CheckpointFile, number: int, item: Item, found: dict[str, Any]) -> bool:
    """Gives an item what was found; whether that is not what was saved."""
    try:
        dtype, shape = dtype_of(found), tuple(found["shape"])
    except ValueError as error:
        raise RestoreError(f"{file.path}: {item.path}: {error}.") from None
    if len(shape) > layout.MAX_RANK:
        raise RestoreError(f"{file.path}: {item.path}: expected at most {layout.MAX_RANK} axes, got {shape}.")
    values = np.empty(found["length"], np.uint8)
    file.read_into(found["offset"], values.data)
    if dtype.kind == "b" and values.max(initial=0) > 1:
        raise CorruptCheckpointError(
            f"{file.path}: {item.path}: expected truth values, got numbers other than 0 and 1.",
            "values",
            found["offset"],
        )
    tensor, saved = TensorType(dtype, shape, len(values)), item.entry.tensor
    item.entry, item.values = ObjectEntry(tensor=tensor), values.view(dtype).reshape(shape)
    blocks = [values[start : start + layout.BLOCK] for start in range(0, len(values), layout.BLOCK)]
    return tensor != saved or [layout.checksum(block.data) for block in blocks] != file.checksums(number)
