"""Who else can see an object: the one place that decides whether memory may be reused.

What a Tensor or a recorder can see never changes, so an array is written to only if nobody but its owner refers to it.
Interpreters count references differently; `_calibrate` measures at import what this one counts for a sole owner, and
where the measurement makes no sense every answer is no, which means a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import getrefcount
from typing import Any

import numpy as np


class _Owner:
    __slots__ = ("content",)

    def __init__(self, content: Any):
        self.content = content


def _references(owner: Any, attribute: str) -> int:
    """What the interpreter counts for the object in an attribute, the same way at every call."""
    return getrefcount(getattr(owner, attribute))


def _calibrate() -> int | None:
    owner = _Owner(np.zeros(2))
    alone = _references(owner, "content")
    alias = owner.content
    shared = _references(owner, "content")
    del alias
    view = owner.content[:1]
    viewed = _references(owner, "content")
    del view
    return alone if shared == viewed == alone + 1 and _references(owner, "content") == alone else None


_ALONE = _calibrate()


def is_sole_owner(owner: Any, attribute: str, others: int = 0) -> bool:
    """Whether nothing but the owner's attribute, and so many known others, refers to the object in it.

    >>> class Box: pass
    >>> box = Box()
    >>> box.content = np.zeros(3)
    >>> is_sole_owner(box, "content")
    True
    >>> alias = box.content
    >>> is_sole_owner(box, "content"), is_sole_owner(box, "content", others=1)
    (False, True)
    """
    return _ALONE is not None and _references(owner, attribute) == _ALONE + others


def _seen(variables: Sequence[Any]) -> tuple[list[int], list[int]]:
    """What the interpreter counts for the Tensors of Variables, and for the Tensors' arrays."""
    values = [variable._value for variable in variables]
    arrays = [value._array for value in values]
    return list(map(getrefcount, values)), list(map(getrefcount, arrays))


class _Tensor:
    __slots__ = ("_array",)


class _Variable:
    __slots__ = ("_value",)


def _calibrate_seen() -> tuple[int, int] | None:
    variables = [_Variable() for _ in range(3)]
    for variable in variables:
        variable._value = _Tensor()  # type: ignore[attr-defined]
        variable._value._array = np.zeros(2)  # type: ignore[attr-defined]
    del variable
    (of_value, *values), (of_array, *arrays) = _seen(variables)
    held = variables[1]._value, variables[2]._value._array  # type: ignore[attr-defined]
    now = _seen(variables)
    del held
    sound = values == [of_value] * 2 and arrays == [of_array] * 2
    sound = sound and now == ([of_value, of_value + 1, of_value], [of_array, of_array, of_array + 1])
    return (of_value, of_array) if sound else None


_SEEN = _calibrate_seen()


def updatable(variables: Sequence[Any]) -> list[bool]:
    """Of each Variable whether it is the only one to see its Tensor, and that to see its array, which nobody holds now.

    >>> variables = [_Variable(), _Variable()]
    >>> for v in variables: v._value = _Tensor()
    >>> for v in variables: v._value._array = np.zeros(3)
    >>> alias = variables[0]._value._array
    >>> updatable(variables)
    [False, True]
    """
    if _SEEN is None:
        return [False] * len(variables)
    of_value, of_array = _SEEN
    values, arrays = _seen(variables)
    return [v == of_value and a == of_array for v, a in zip(values, arrays, strict=True)]


def may_write(owner: Any, attribute: str) -> bool:
    """Whether the array in an attribute is the owner's alone, memory included."""
    array = getattr(owner, attribute)
    writable = array.flags.owndata and array.flags.writeable
    del array
    return writable and is_sole_owner(owner, attribute)
