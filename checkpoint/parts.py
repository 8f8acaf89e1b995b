"""A part of a checkpoint: into an object that is no part of a Checkpoint, or into a file of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import RestoreError, describe
from ..trackable import holds_trackable
from .checkpoint import counter_in, restore_into
from .format import ObjectEntry
from .items import Item, below
from .moves import make_rules
from .reading import CheckpointFile
from .siblings import naming_last_good
from .source import no_collection
from .status import RestoreStatus
from .writing import write


def load_into(
    value: Any,
    path: str | os.PathLike[str],
    at: str = "",
    map: Mapping[str, str] | None = None,
    strict: bool = True,
) -> RestoreStatus:
    """Restores one object of a file into an object, reading nothing else.

    Args:
      value: a Variable, a Trackable, or a list, tuple or dictionary of them.
      path: the file.
      at: the path in the file; "" is its root.
      map: as for `Checkpoint.restore`; both paths start at the file's root.
      strict: as for `Checkpoint.restore`.

    Raises:
      ValueError: for another kind of object.
      RestoreError, CorruptCheckpointError: as for `Checkpoint.restore`. Nothing has changed then.

    Example:
      >>> from eagerly.checkpoint import Checkpoint
      >>> path = Checkpoint(steps=[Variable(3), Variable(4)]).write("steps.h5")
      >>> step = Variable(0)
      >>> status = load_into(step, path, at="steps/1")
      >>> int(step)
      4
    """
    path = os.fspath(path)
    if not holds_trackable(value):
        raise ValueError(
            f"{path}: expected to load into a Variable, a Trackable, or a list, tuple or dictionary of them, "
            f"got {describe(value)}."
        )
    with naming_last_good(path), no_collection(), CheckpointFile(path) as file:
        start = file.find(at, f"at={at!r}")
        rules = make_rules(file, start, map, strict, at, {} if start else counter_in(file, value))
        return restore_into(file, rules, value, at)


def extract(path: str | os.PathLike[str], at: str, target: str | os.PathLike[str], *, sync: bool = True) -> str:
    """Writes one object of a checkpoint to a file of its own, without its class; only its bytes are read.

    The new file is what `Checkpoint(name=object).write(target)` writes, with the last name of `at`.

    Args:
      path: the file.
      at: the path in it, "gan/generator".
      target: the new file.
      sync: as for `Checkpoint.write`.

    Returns:
      The new file's path.

    Raises:
      RestoreError: if there is no such object, or it cannot stand alone: slots of Variables that lie elsewhere.
      CorruptCheckpointError: if the file is damaged. The target is as before then.

    Example:
      >>> from eagerly.checkpoint import Checkpoint
      >>> path = Checkpoint(gan={"generator": Variable(3), "critic": Variable(4)}).write("gan.h5")
      >>> extract(path, "gan/generator", "generator.h5")
      'generator.h5'
    """
    path, target = os.fspath(path), os.fspath(target)
    with naming_last_good(path), CheckpointFile(path) as file:
        number = file.find(at, f"{at!r}")
        if number == 0:
            raise RestoreError(
                f"{path}: expected the path of an object to extract, got {at!r}, the whole. Copy the file."
            )
        name = at.rpartition("/")[2]
        try:
            items = below(file.objects, number, name, 1)
        except ValueError as error:
            raise RestoreError(
                f"{path}: expected {at!r} to stand alone, got {error}. Extract an object that holds both."
            ) from None
        for each, array in file.read_all(n for n, item in items.items() if item.entry.tensor is not None).items():
            items[each].values = array
    root = Item("", ObjectEntry("Checkpoint", {name: 1}))
    write(target, [root, *items.values()], sync)
    return target
