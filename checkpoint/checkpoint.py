"""Checkpoint: the class that users save and restore objects with."""

from __future__ import annotations

import os
from typing import Any

from ..errors import RestoreError, describe, suggest
from ..trackable import Trackable, holds_trackable
from .format import ObjectEntry, path_of
from .graph import edges, inside, walk
from .reading import CheckpointFile
from .restoring import Restoration, RestoreStatus, pending_paths
from .writing import write


class Checkpoint(Trackable):
    """Saves objects to a file and restores them from it.

    The file is an HDF5 file that any viewer opens. It holds every Variable and every `get_state` below the objects,
    by the attributes, list indices and dictionary keys that lead there; what is shared is saved once.

    Args:
      **objects: Variables, Trackables, or lists, tuples and dictionaries of them, by the name they get in the file.

    Raises:
      ValueError: for anything else.

    Example:
      >>> from eagerly.variable import Variable
      >>> path = Checkpoint(step=Variable(3)).save("step.h5")
      >>> step = Variable(0)
      >>> status = Checkpoint(step=step).restore(path)
      >>> int(step)
      3
    """

    def __init__(self, *unnamed: Any, **objects: Any):
        if unnamed:
            raise ValueError(
                f"Checkpoint: expected a name for each object, got {describe(unnamed[0])} without one. "
                "Write Checkpoint(model=model)."
            )
        for name, value in objects.items():
            if hasattr(type(self), name) or name.startswith("_"):
                raise ValueError(f"Checkpoint: expected a name that is free, got {name!r}, which it uses itself.")
            if not holds_trackable(value):
                raise ValueError(
                    f"Checkpoint: expected {name!r} to be a Variable, a Trackable, or a list, tuple or dictionary of "
                    f"them, got {describe(value)}. Plain values are saved by get_state of a Trackable of yours."
                )
            setattr(self, name, value)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Writes the objects to a file, which takes the place of an older one as a whole or not at all.

        Args:
          path: the file. Its folder has to exist.

        Returns:
          The path.

        Raises:
          ValueError: if something cannot be saved; it is named.
          RestoreError: if values of an earlier restore still wait for objects not built yet.
          OSError: if the file cannot be written. An older one is intact then.
        """
        path = os.fspath(path)
        pending = pending_paths(self)
        if pending:
            raise RestoreError(
                f"{path}: expected every restored value to be in use before saving, got {len(pending)} waiting for "
                f"objects not built yet: {', '.join(pending)}. Build these objects first, or call expect_partial() on "
                "the status that restore returned."
            )
        write(path, walk(self))
        return path

    def restore(self, path: str | os.PathLike[str], only: str | None = None) -> RestoreStatus:
        """Gives the objects the values in a file: all of them, or none if anything does not fit.

        Below objects that are not built yet values wait until they are; the status lists them.

        Args:
          path: the file.
          only: the path in the file of the one object to restore, "gan/generator". Nothing else is read. It goes into
            the object with this path here, or else into the argument with the path's last name.

        Raises:
          RestoreError: if the file and the objects differ; it lists the differences. Nothing has changed then.
          CorruptCheckpointError: if the file is damaged. Nothing has changed then.
        """
        path = os.fspath(path)
        if only is not None and not isinstance(only, str):
            raise ValueError(f"{path}: expected only to be one path such as 'gan/generator', got {describe(only)}.")
        with CheckpointFile(path) as file:
            restoration = Restoration(path, file.objects)
            if only is None:
                restoration.begin(file, 0, self, "")
            else:
                restoration.begin(file, _find_entry(file.objects, only, path), self._find(only, path), only)
        return RestoreStatus(restoration)

    def _find(self, only: str, path: str) -> Any:
        mine = edges(self, "")
        value: Any = self
        for name in only.split("/"):
            children = edges(value, only) if inside(value) else {}
            if name not in children:
                value = mine.get(only.rpartition("/")[2])
                break
            value = children[name]
        if value is None:
            raise RestoreError(
                f"{path}: expected the object {only!r} among the Checkpoint's, got {', '.join(mine)}."
                f"{suggest(only, mine)} Nothing was restored."
            )
        return value


def _find_entry(entries: list[ObjectEntry], only: str, path: str) -> int:
    number = 0
    for name in only.split("/"):
        children = entries[number].children
        if name not in children:
            place = path_of(entries, number) or "the file"
            raise RestoreError(
                f"{path}: expected only={only!r} to be in the file, got {', '.join(children) or 'nothing'} in {place}."
                f"{suggest(name, children)} Nothing was restored."
            )
        number = children[name]
    return number
