"""Trackables: objects whose attributes are the object graph that a checkpoint saves.

Every attribute that is, or contains, a Variable or a Trackable is a child, whatever its name; children are read from
the instance and its lists, tuples and dictionaries at the moment of asking, so containers stay plain Python. Other
containers are not opened, and saving refuses those that hold some. Plain values are saved only through `get_state` and
`set_state`.
"""

from __future__ import annotations

import contextlib
import functools
import types
from typing import Any, ClassVar

from .tensor import Tensor
from .variable import Variable, changes

# What can hold no child, skipped without a look inside.
_LEAVES = frozenset({type(None), bool, int, float, str, bytes, Tensor, type, type(len), type(lambda: None)})


class Trackable:
    """An object with state: the base of layers, models, optimizers, metrics, and of your own.

    Example:
      >>> class Counter(Trackable):
      ...     def __init__(self):
      ...         self.steps = Variable(0, trainable=False)
      >>> list(Counter().children())
      ['steps']
    """

    # The library's own bookkeeping: attributes that are no children.
    _untracked: ClassVar[frozenset[str]] = frozenset({"_pending"})

    def children(self) -> dict[Any, Any]:
        """The children by name: Variables, Trackables, and containers that hold some."""
        untracked = self._untracked
        return {
            name: value
            for name, value in attributes(self).items()
            if type(value) not in _LEAVES and name not in untracked and holds_trackable(value)
        }

    def bound_children(self) -> list[tuple[Variable, dict[str, Variable]]]:
        """Variables that belong to a Variable elsewhere in the graph rather than to a name: an optimizer's slots."""
        return []

    def may_grow(self, name: Any) -> bool:
        """Whether a child of this name may still appear: a restore keeps its values pending then."""
        return False

    def get_state(self) -> dict[str, Any] | None:
        """Plain Python state to save: JSON values by name; None if there is none."""
        return None

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes back what `get_state` gave.

        Raises:
          ValueError: if the class has no state to take.
        """
        raise ValueError(f"{type(self).__name__}: expected no state, got {state!r}. Define set_state beside get_state.")

    def __setattr__(self, name: str, value: Any) -> None:
        if (
            type(value) is Tensor
            and isinstance(self.__dict__.get(name), Variable)
            and not isinstance(getattr(type(self), name, None), property)  # which does with it what it likes
        ):
            raise AttributeError(
                f"{type(self).__name__}.{name} is a Variable; a Tensor there would be neither trained nor saved. "
                f"Use self.{name}.assign(...), or assign_add(...) for +=; delete the attribute first if that is meant."
            )
        object.__setattr__(self, name, value)
        changes[0] += 1
        if "_pending" in self.__dict__:
            self.resolve_pending()

    def resolve_pending(self) -> None:
        """Gives children that have appeared since a restore the values that wait for them."""
        pending = self.__dict__.get("_pending")
        if pending is not None:
            pending.resolve(self)


@functools.cache
def _slot_members(kind: type) -> tuple[types.MemberDescriptorType, ...]:
    return tuple(
        member
        for base in reversed(kind.__mro__)
        if "__slots__" in vars(base)
        for member in vars(base).values()
        if isinstance(member, types.MemberDescriptorType)
    )


def attributes(owner: Trackable) -> dict[str, Any]:
    """The attributes of the instance by name, those in `__slots__` included; to look at only."""
    kind: type = type(owner)
    members = _slot_members(kind)
    if not members:
        return vars(owner)
    found = dict(vars(owner))
    for member in members:
        with contextlib.suppress(AttributeError):  # not assigned yet
            found[member.__name__] = member.__get__(owner)
    return found


def holds_trackable(value: Any, opened: tuple[Any, ...] = ()) -> bool:
    """Whether a value is, or contains, a Variable or a Trackable; a container inside itself is opened once."""
    if isinstance(value, (Variable, Trackable)):
        return True
    if not isinstance(value, (list, tuple, dict)) or any(value is container for container in opened):
        return False
    for item in value.values() if isinstance(value, dict) else value:
        if type(item) not in _LEAVES and holds_trackable(item, (*opened, value)):
            return True
    return False


def container_items(container: Any) -> dict[Any, Any]:
    """The children of a list, tuple or dictionary, by index or key."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    return {key: value for key, value in items if type(value) is Variable or holds_trackable(value)}


def direct_children(owner: Trackable) -> list[Any]:
    """The Variables and Trackables that a Trackable holds, containers opened, each once."""
    found: dict[int, Any] = {}
    opened: set[int] = set()
    waiting = list(owner.children().values())[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (Variable, Trackable)):
            found.setdefault(id(value), value)
        elif isinstance(value, (list, tuple, dict)) and id(value) not in opened:
            opened.add(id(value))
            items = value.values() if isinstance(value, dict) else value
            waiting.extend(reversed([item for item in items if type(item) not in _LEAVES]))
    return list(found.values())


def all_variables(root: Trackable) -> list[Variable]:
    """Every Variable of the object graph, each once; those bound to other Variables (an optimizer's slots) included."""
    found: dict[int, Variable] = {}
    seen: set[int] = set()
    waiting: list[Variable | Trackable] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Variable):
            found.setdefault(id(item), item)
        elif id(item) not in seen:
            seen.add(id(item))
            waiting.extend(direct_children(item))
            waiting.extend(slot for _, slots in item.bound_children() for slot in slots.values())
    return list(found.values())
