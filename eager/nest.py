"""Nested structures: tuples, named tuples, lists and dictionaries with leaves of any other kind.

Leaves are visited in order; a dictionary's in the order of its sorted keys (by type and text where keys do not
compare), so that two dictionaries with the same keys always line up. None is a leaf.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_CONTAINERS = (tuple, list, dict)


def is_nested(value: Any) -> bool:
    """Whether a value is a container that `flatten` looks into."""
    return isinstance(value, _CONTAINERS)


def _keys(mapping: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return sorted(mapping, key=lambda key: (type(key).__name__, repr(key)))


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order.

    >>> flatten({"b": 3, "a": [1, (2,)]})
    [1, 2, 3]
    """
    leaves: list[Any] = []
    _gather(structure, leaves)
    return leaves


def _gather(structure: Any, leaves: list[Any]) -> None:
    if isinstance(structure, _CONTAINERS):
        items = [structure[key] for key in _keys(structure)] if isinstance(structure, dict) else structure
        for item in items:
            if isinstance(item, _CONTAINERS):
                _gather(item, leaves)
            else:
                leaves.append(item)
    else:
        leaves.append(structure)


def paths(structure: Any) -> list[str]:
    """Where each leaf is, as one would write it to get there; the empty string for a structure that is a leaf.

    >>> paths({"b": 3, "a": [1, (2,)]})
    ["['a'][0]", "['a'][1][0]", "['b']"]
    """
    if not is_nested(structure):
        return [""]
    keys = _keys(structure) if isinstance(structure, dict) else range(len(structure))
    return [f"[{key!r}]{path}" for key in keys for path in paths(structure[key])]


def pack(structure: Any, leaves: Sequence[Any]) -> Any:
    """The leaves arranged as in `structure`; the inverse of `flatten`.

    Raises:
      ValueError: if there are more or fewer leaves than the structure holds.

    >>> pack({"b": 0, "a": [0, (0,)]}, "xyz")
    {'b': 'z', 'a': ['x', ('y',)]}
    """
    if not isinstance(structure, _CONTAINERS) and len(leaves) == 1:
        return leaves[0]
    count = len(flatten(structure))
    if count != len(leaves):
        raise ValueError(f"pack: expected {count} leaves for {structure!r}, got {len(leaves)}.")
    return _pack(structure, iter(leaves))


def _pack(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        packed = copy.copy(structure)  # keeps the order of the keys, and what a defaultdict makes
        for key in _keys(structure):
            packed[key] = _pack(structure[key], leaves)
        return packed
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(_pack(item, leaves) for item in structure))
    if isinstance(structure, (tuple, list)):
        return type(structure)([_pack(x, leaves) if isinstance(x, _CONTAINERS) else next(leaves) for x in structure])
    return next(leaves)


def map_structure(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """`function` applied to each leaf, and to the leaves at its place in the other structures.

    >>> map_structure(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    if not is_nested(structure) and not others:
        return function(structure)
    for other in others:
        assert_same(structure, other)
    return pack(structure, [function(*leaves) for leaves in zip(*map(flatten, (structure, *others)), strict=True)])


def assert_same(first: Any, second: Any, path: str = "") -> None:
    """Refuses two structures that differ.

    Raises:
      ValueError: naming the first place where they differ.
    """
    where = f" at {path}" if path else ""
    if is_nested(first) != is_nested(second) or (
        is_nested(first) and isinstance(first, dict) != isinstance(second, dict)
    ):
        raise ValueError(f"The structures differ{where}: expected {type(first).__name__}, got {type(second).__name__}.")
    if not is_nested(first):
        return
    keys, others = [_keys(s) if isinstance(s, dict) else list(range(len(s))) for s in (first, second)]
    if keys != others:
        raise ValueError(f"The structures differ{where}: expected the keys {keys}, got {others}.")
    for key in keys:
        assert_same(first[key], second[key], f"{path}[{key!r}]")
