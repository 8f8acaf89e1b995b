"""The live object graph: what lies below an object, by name.

Names are what the file knows, so `encode` must stay as it is: two keys never share a name, whatever their types.
Everything is iterative, because chains and cycles of objects may be of any length.
"""

from __future__ import annotations

import array
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import describe
from ..trackable import Trackable, attributes, container_items
from ..variable import Variable

_SPECIAL = re.compile(r"[%/\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPECIAL_IN_TUPLE = re.compile(r"[%/\x00-\x1f\x7f-\x9f\ud800-\udfff(),]")


def encode(key: Any) -> str:
    """The name of a key: a string as it is, an integer in digits, a tuple in parentheses; `%` escapes the rest.

    Raises:
      ValueError: for a key of another type.

    >>> encode("kernel"), encode(0), encode("0"), encode(("a", 1)), encode("a/b")
    ('kernel', '0', '%30', '(a,1)', 'a%2Fb')
    """
    return str(key) if type(key) is int else _encode(key, _SPECIAL)


def _encode(key: Any, special: re.Pattern[str]) -> str:
    if isinstance(key, str):
        if not key:
            return "%"
        misleading = key[0] == "(" or key in (".", "..") or re.fullmatch("-?[0-9]+", key)
        start = _escape(key[0]) if misleading else special.sub(_escape_found, key[0])
        return start + special.sub(_escape_found, key[1:])
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    if isinstance(key, tuple):
        return f"({','.join(_encode(item, _SPECIAL_IN_TUPLE) for item in key)})"
    raise ValueError(f"expected keys that are strings, integers or tuples of them, got {describe(key)}.")


def _escape_found(found: re.Match[str]) -> str:
    return _escape(found[0])


def _escape(character: str) -> str:
    code = ord(character)
    return f"%{code:02X}" if code < 256 else f"%u{code:04X}"


def join(path: str, name: str) -> str:
    """The path of a child."""
    return f"{path}/{name}" if path else name


def slot_path(owner: str, slot: str, variable: str) -> str:
    """How messages call a Variable that belongs to another one."""
    return f"{owner}/{slot} of {variable}"


def inside(value: Any) -> dict[Any, Any]:
    """The children of a Trackable or a container; nothing else has any."""
    if isinstance(value, Trackable):
        return value.children()
    return container_items(value) if isinstance(value, (list, tuple, dict)) else {}


def edges(value: Any, path: str) -> dict[str, Any]:
    """The children of a Trackable or a container by encoded name, in the order of the names.

    Raises:
      ValueError: naming a key that has no encoding, or a container that holds Trackables without giving them names.
    """
    if isinstance(value, Trackable):
        _refuse_nameless(value, path)
    try:
        named = {encode(key): child for key, child in inside(value).items()}
    except ValueError as error:
        raise ValueError(f"{path or 'Checkpoint'}: {error}") from None
    for name, child in named.items():
        if type(child) is not Variable and not isinstance(child, (Variable, Trackable, list, tuple, dict)):
            raise ValueError(
                f"{join(path, name)}: expected a Variable, a Trackable or a container, got {describe(child)}."
            )
    return {name: named[name] for name in sorted(named)}


def _refuse_nameless(owner: Trackable, path: str) -> None:
    """Refuses sets, deques and the like that hold Trackables, anywhere in the attributes of a Trackable."""
    seen: dict[tuple[int, bool], Any] = {}
    waiting = [
        (value, join(path, name), "")
        for name, value in attributes(owner).items()
        if name not in owner._untracked and _may_hold(value)
    ]
    while waiting:
        value, place, problem = waiting.pop()
        if isinstance(value, (Variable, Trackable)):
            if problem:
                raise ValueError(problem)
            continue
        if not isinstance(value, (list, tuple, dict)):
            problem = problem or (
                f"{place}: expected a list, tuple or dictionary of Trackables, got a {type(value).__name__}. It gives "
                "its items no names to find them by again; keep them in one of those."
            )
        if (id(value), bool(problem)) not in seen:
            seen[id(value), bool(problem)] = value
            for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                if (problem or type(item) is not Variable) and _may_hold(item):
                    waiting.append((item, join(place, str(key)), problem))


def _may_hold(value: Any) -> bool:
    """Whether a value is a Variable, a Trackable, or a container that is neither text nor an array of numbers."""
    if isinstance(value, (Variable, Trackable)):
        return True
    return (
        isinstance(value, Collection)
        and not isinstance(value, (str, bytes, bytearray, memoryview, range, array.array))
        and not hasattr(type(value), "__array__")
    )


_NONE: dict[Any, Any] = {}  # never filled


class Node:
    """A live object that is saved. `children` and `bound` lead to other nodes by number."""

    __slots__ = ("bound", "children", "path", "value")

    def __init__(self, value: Any, path: str):
        self.value = value
        self.path = path
        self.children: dict[str, int] = _NONE
        self.bound: dict[int, dict[str, int]] = _NONE


def with_more(found: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Edges and some more of them, in the order of the names.

    Raises:
      ValueError: if a name leads to two objects.
    """
    for name in more:
        if name in found and found[name] is not more[name]:
            raise ValueError(
                f"Checkpoint: expected a name that the root leaves free, got {name!r}, which is "
                f"{describe(found[name])} there. Give the other object another name."
            )
    both = {**found, **more}
    return {name: both[name] for name in sorted(both)}


def walk(root: Any, more: Mapping[str, Any] | None = None) -> list[Node]:
    """Every object below the root once, numbered breadth first; Variables bound to others come last.

    Args:
      root: a Trackable or a container.
      more: children of the root beside its own, by encoded name.

    Raises:
      ValueError: for a set or the like of Trackables, an unknown kind of key, or a slot of a Variable that is not
        below the root.
    """
    nodes = [Node(root, "")]
    numbers = {id(root): 0}  # the nodes keep the objects, so an id stays theirs

    def number_of(value: Any, path: str) -> int:
        number = numbers.get(id(value))
        if number is None:
            number = numbers[id(value)] = len(nodes)
            nodes.append(Node(value, path))
        return number

    for node in nodes:
        if not isinstance(node.value, Variable):
            found = edges(node.value, node.path)
            if more and node.value is root:
                found = with_more(found, more)
            start = f"{node.path}/" if node.path else ""
            node.children = {name: number_of(child, start + name) for name, child in found.items()}
    named = dict(numbers)
    for node in list(nodes):
        if isinstance(node.value, Trackable):
            slots = {
                _number_of_bound(node, of, named): _slots(node, items) for of, items in node.value.bound_children()
            }
            node.bound = {
                number: {
                    name: number_of(slot, slot_path(node.path, name, nodes[number].path))
                    for name, slot in sorted(slots[number].items())
                }
                for number in sorted(slots)
            }
    return nodes


def _slots(owner: Node, slots: dict[str, Variable]) -> dict[str, Variable]:
    for name, slot in slots.items():
        if not isinstance(slot, Variable):
            raise ValueError(f"{join(owner.path, name)}: expected a slot to be a Variable, got {describe(slot)}.")
    return {encode(name): slot for name, slot in slots.items()}


def _number_of_bound(owner: Node, variable: Variable, numbers: dict[int, int]) -> int:
    if id(variable) not in numbers:
        raise ValueError(
            f"{owner.path} ({type(owner.value).__name__}): it has slots for {variable.path!r}, "
            f"{describe(variable)}, which is not in the checkpoint. Save the object that holds this Variable too."
        )
    return numbers[id(variable)]


def weights(root: Any) -> dict[int, Variable]:
    """What formats hold that know no more than weights, by id: the `weights` of a layer, else every Variable."""
    known = getattr(root, "weights", None)
    if isinstance(known, list) and all(isinstance(weight, Variable) for weight in known):
        return {id(weight): weight for weight in known}
    found: dict[int, Variable] = {}
    for owner in [root, *trackables(root)]:
        waiting = list(inside(owner).values())
        while waiting:
            value = waiting.pop()
            if isinstance(value, Variable):
                found[id(value)] = value
            elif not isinstance(value, Trackable):
                waiting.extend(inside(value).values())
    return found


def trackables(root: Any) -> Iterator[Trackable]:
    """Every Trackable below an object, the object included, once."""
    seen = {id(root): root}
    queue = deque([root])
    while queue:
        value = queue.popleft()
        if isinstance(value, Trackable):
            yield value
        for child in inside(value).values():
            if type(child) is not Variable and id(child) not in seen:
                seen[id(child)] = child
                queue.append(child)
