"""All or nothing: a first call or a build that fails leaves every layer as it was.

While one runs, the Context's journal lists the layers that it has touched, with what they were before: attributes, the
contents of lists and dictionaries, values of Variables, restored values that waited. Undoing goes backwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..context import context, scoped
from ..trackable import Trackable, all_variables


class Before:
    """What a layer was, to be given back to it."""

    __slots__ = ("attributes", "containers", "layer", "rewind", "values")

    def __init__(self, layer: Trackable):
        self.layer = layer
        self.attributes = dict(vars(layer))
        self.containers = list(_contents(list(self.attributes.values())))
        self.values = [(variable, variable._value) for variable in all_variables(layer)]
        pending = self.attributes.get("_pending")
        self.rewind: Callable[[], None] | None = None if pending is None else pending.snapshot()

    def give_back(self) -> None:
        """Makes the layer what it was."""
        vars(self.layer).clear()
        vars(self.layer).update(self.attributes)
        for container, content in self.containers:
            container.clear()
            (container.update if isinstance(container, dict) else container.extend)(content)
        for variable, value in self.values:
            variable._value = value
        if self.rewind is not None:
            self.rewind()


def _contents(value: Any) -> Iterator[tuple[Any, Any]]:
    """The lists and dictionaries in a structure, each with a copy of its content."""
    waiting, seen = [value], {id(value)}
    while waiting:
        items = waiting.pop()
        for item in items.values() if isinstance(items, dict) else items:
            if isinstance(item, (list, dict, tuple)) and id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
                if not isinstance(item, tuple):
                    yield item, item.copy()


def undo(journal: list[Before], start: int = 0) -> None:
    """Gives the layers in the journal from a place on what they were, and takes them off."""
    for before in reversed(journal[start:]):
        before.give_back()
    del journal[start:]


@contextlib.contextmanager
def all_or_nothing(layer: Trackable) -> Iterator[None]:
    """If the block raises, the layer, and those inside that it has touched, are what they were."""
    journal: list[Before] = [] if context.journal is None else context.journal
    if journal and journal[-1].layer is layer:  # its first call, which is building it, undoes that too
        yield
        return
    start = len(journal)
    journal.append(Before(layer))
    with scoped(journal=journal):
        try:
            yield
        except BaseException:
            undo(journal, start)
            raise


@contextlib.contextmanager
def trial(layer: Trackable) -> Iterator[None]:
    """Whatever the block does to the layer, and to those inside, is undone."""
    journal = [Before(layer)]
    with scoped(journal=journal):
        try:
            yield
        finally:
            undo(journal)
