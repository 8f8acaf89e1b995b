"""Checkpoint: the class that users save and restore objects with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import RestoreError, describe, suggest
from ..trackable import Trackable, holds_trackable
from ..variable import Variable
from .background import Saver
from .graph import edges, encode, inside, walk
from .items import snapshot
from .matching import Rules
from .moves import make_rules
from .reading import CheckpointFile
from .restoring import Restoration
from .siblings import naming_last_good
from .source import Source, no_collection
from .status import RestoreStatus, pending_paths
from .writing import write

_COUNTER = "save_counter"
_ENDINGS = (".h5", ".hdf5")


class Checkpoint(Trackable):
    """Saves objects to a file and restores them from it.

    The file is an HDF5 file that any viewer opens. It holds every Variable and every `get_state` below the objects,
    by the attributes, list indices and dictionary keys that lead there; what is shared is saved once.

    `save` numbers its files and counts them in `save_counter`, which is saved too; `write` writes the very file that
    you name. `restore` and `read` take either.

    Args:
      root: a Trackable whose children stand at the top of the file, beside the other objects.
      **objects: Variables, Trackables, or lists, tuples and dictionaries of them, by the name they get in the file.

    Raises:
      ValueError: for anything else.

    Example:
      >>> from eagerly.variable import Variable
      >>> path = Checkpoint(step=Variable(3)).save("steps.h5")
      >>> path
      'steps-1.h5'
      >>> step = Variable(0)
      >>> status = Checkpoint(step=step).restore(path)
      >>> int(step)
      3
    """

    _untracked: ClassVar[frozenset[str]] = Trackable._untracked | {"_counter", "_saver"}

    def __init__(self, root: Trackable | None = None, **objects: Any):
        self._counter: Variable | None = None
        self._saver = Saver()
        self._root = root
        if root is not None and (not isinstance(root, Trackable) or isinstance(root, Checkpoint)):
            raise ValueError(
                f"Checkpoint: expected root to be a Trackable such as a model, got {describe(root)}. "
                "Give other objects a name: Checkpoint(step=step)."
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

    @property
    def save_counter(self) -> Variable:
        """How many times `save` has been called, over all runs: it is saved and restored."""
        if self._counter is None:
            self._counter = Variable(np.int64(0), trainable=False, name=_COUNTER)
        return self._counter

    def save(self, path: str | os.PathLike[str], *, sync: bool = True, background: bool = False) -> str:
        """Writes the objects to a new numbered file, and counts it in `save_counter`.

        Args:
          path: "folder/name" or "folder/name.h5" gives folder/name-1.h5, then -2 and so on. The folder has to exist.
          sync: as for `write`.
          background: as for `write`.

        Returns:
          The path of the file.

        Raises:
          ValueError, RestoreError, OSError: as `write` does. `save_counter` is as before then.
        """
        start, ending = os.path.splitext(os.fspath(path))
        if ending not in _ENDINGS:
            start, ending = os.fspath(path), _ENDINGS[0]
        return self.save_as(lambda number: f"{start}-{number}{ending}", sync=sync, background=background)

    def save_as(
        self,
        name: Callable[[int], str],
        *,
        sync: bool = True,
        background: bool = False,
        after: int = 0,
        about: dict[str, Any] | None = None,
        then: Callable[[], None] | None = None,
    ) -> str:
        """What `save` and a CheckpointManager do.

        Args:
          name: gives the path for the number.
          sync: as for `write`.
          background: as for `write`.
          after: the least number that has been used.
          about: what the file says of itself.
          then: called when the file is there.
        """
        self.wait()
        before = self.save_counter._value
        number = max(int(self.save_counter), after) + 1
        self.save_counter.assign(np.int64(number))
        try:
            about = {**about, "number": number} if about else None
            return self._write(name(number), sync, background, {_COUNTER: self.save_counter}, about, then)
        except BaseException:
            self.save_counter._value = before
            raise

    def write(self, path: str | os.PathLike[str], *, sync: bool = True, background: bool = False) -> str:
        """Writes the objects to a file, which takes the place of an older one as a whole or not at all.

        Args:
          path: the file. Its folder has to exist.
          sync: whether to wait until the disk has the file. False is quicker; a killed process still leaves the old
            file or the new one, a power cut may leave a damaged one, which no restore believes.
          background: whether to return at once and write on another thread. What is written is what the objects held
            at the call. The next `save`, `write` or `wait` waits for it and raises its error.

        Returns:
          The path.

        Raises:
          ValueError: if something cannot be saved; it is named.
          RestoreError: if values of an earlier restore still wait for objects not built yet.
          OSError: if the file cannot be written. An older one is intact then.
        """
        self.wait()
        return self._write(os.fspath(path), sync, background, {})

    def wait(self) -> None:
        """Waits for a file that is being written in the background.

        Raises:
          OSError: if it could not be written.
        """
        self._saver.wait()

    def _write(
        self,
        path: str,
        sync: bool,
        background: bool,
        more: Mapping[str, Variable],
        about: dict[str, Any] | None = None,
        then: Callable[[], None] | None = None,
    ) -> str:
        pending = pending_paths(self)
        if pending:
            raise RestoreError(
                f"{path}: expected every restored value to be in use before saving, got {len(pending)} waiting for "
                f"objects not built yet: {', '.join(pending)}. Build these objects first, or call expect_partial() on "
                "the status that restore returned."
            )
        with no_collection():
            items = snapshot(walk(self._top(), self._more(more)))

        def work() -> None:
            # Other threads make garbage while a save runs in the background.
            with contextlib.nullcontext() if background else no_collection():
                write(path, items, sync, about)
            if then is not None:
                then()

        self._saver.write(work, background)
        return path

    def restore(
        self,
        path: str | os.PathLike[str] | None,
        only: str | None = None,
        map: Mapping[str, str] | None = None,
        strict: bool = True,
    ) -> RestoreStatus:
        """Gives the objects the values in a file: all of them, or none if anything does not fit.

        Below objects that are not built yet values wait until they are; the status lists them.

        Args:
          path: the file. None does nothing, so that a manager's `latest` can be given; `assert_consumed` raises then.
          only: the path in the file of the one object to restore, "gan/generator". Nothing else is read. It goes into
            the object with this path here, or else into the argument with the path's last name.
          map: where the file has another path for something: your path to the file's, `{"net": "model"}`.
          strict: False lets what only the file has wait for objects that may still come, and leaves what only the
            objects have as it is; the status tells of both.

        Raises:
          RestoreError: if the file and the objects differ; it lists the differences. Nothing has changed then.
          CorruptCheckpointError: if the file is damaged. Nothing has changed then.
        """
        return self._read(path, only, map, strict, True)

    def read(
        self,
        path: str | os.PathLike[str] | None,
        only: str | None = None,
        map: Mapping[str, str] | None = None,
        strict: bool = True,
    ) -> RestoreStatus:
        """Does what `restore` does, but leaves `save_counter` as it is."""
        return self._read(path, only, map, strict, False)

    def _read(
        self, path: Any, only: str | None, moves: Mapping[str, str] | None, strict: bool, counted: bool
    ) -> RestoreStatus:
        if path is None:
            return RestoreStatus(None)
        path = os.fspath(path)
        if only is not None and not isinstance(only, str):
            raise ValueError(f"{path}: expected only to be one path such as 'gan/generator', got {describe(only)}.")
        with naming_last_good(path), no_collection(), CheckpointFile(path) as file:
            if only is not None:
                start = file.find(only, f"only={only!r}")
                rules = make_rules(file, start, moves, strict, only)
                return restore_into(file, rules, self._find(only, path), only)
            counter = counter_in(file, self._top(), self._counter if counted else None)
            status = restore_into(file, make_rules(file, 0, moves, strict, "", self._more(counter)), self._top(), "")
            if counted and counter:
                self._counter = counter[_COUNTER]
            return status

    def _top(self) -> Trackable:
        return self if self._root is None else self._root

    def _more(self, counter: Mapping[str, Any]) -> dict[str, Any]:
        """What stands at the top of the file beside the children of `_top`."""
        more = dict(counter)
        if self._root is not None:
            more.update({encode(name): value for name, value in self.children().items() if name != "_root"})
        return more

    def _find(self, only: str, path: str) -> Any:
        mine = {**edges(self._top(), ""), **self._more({})}
        value: Any = None
        for place, name in enumerate(only.split("/")):
            children = (edges(value, only) if inside(value) else {}) if place else mine
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


def counter_in(file: CheckpointFile, top: Any, counter: Variable | None = None) -> dict[str, Variable]:
    """A Variable for the counter of a file that `save` has written, by its name; no object of the user's owns it."""
    if _COUNTER not in file.objects[0].children or _COUNTER in edges(top, ""):
        return {}
    return {_COUNTER: Variable(np.int64(0), trainable=False, name=_COUNTER) if counter is None else counter}


def restore_into(file: Source, rules: Rules, value: Any, path: str) -> RestoreStatus:
    """Restores the object that the rules start at into a live one."""
    restoration = Restoration(file.path, file.objects, rules)
    restoration.begin(file, value, path)
    return RestoreStatus(restoration, value, path)
