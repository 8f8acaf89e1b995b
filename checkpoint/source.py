"""What a restore reads from: a file of whatever format, whose objects have been told and checked."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import RestoreError, suggest
from .format import Objects, path_of


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """For making thousands of objects that all stay: looking for garbage among them takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Source:
    """A file's objects, the root first, and their values."""

    path: str
    objects: Objects
    offsets: list[int]  # of the values of each object, 0 for a node

    def find(self, path: str, what: str) -> int:
        """The number of the object at a path.

        Raises:
          RestoreError: if there is none; `what` says who asks.
        """
        number = 0
        for name in path.split("/") if path else ():
            children = self.objects[number].children
            if name not in children:
                place = path_of(self.objects, number) or "the file"
                raise RestoreError(
                    f"{self.path}: expected {what} to be in the file, got {', '.join(children) or 'nothing'} in "
                    f"{place}.{suggest(name, children)} Nothing was restored."
                )
            number = children[name]
        return number

    def read_all(self, numbers: Iterable[int]) -> dict[int, np.ndarray[Any, Any]]:
        """The values of Variables as arrays of one's own, by their numbers."""
        raise NotImplementedError
