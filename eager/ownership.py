"""Who else can see an object: the one place that decides whether memory may be reused.

What a Tensor or a recorder can see never changes, so an array is written to only if nobody but its owner refers to it.
Interpreters count references differently; `_calibrate` measures at import what this one counts for a sole owner, and
where the measurement makes no sense every answer is no, which means a copy.
"""

from __future__ import annotations

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


def is_updatable(variable: Any) -> bool:
    """Whether a Variable is the only one to see its Tensor, and that to see its array, which nobody else holds now."""
    value = variable._value
    return _ALONE is not None and getrefcount(value) == _SEEN and getrefcount(value._array) == _ALONE


def _calibrate_updatable() -> int:
    """What the interpreter counts in `is_updatable` for a Tensor that only its Variable holds."""
    variable = _Owner(_Owner(None))
    value = variable.content
    return getrefcount(value)


_SEEN = _calibrate_updatable()


def may_write(owner: Any, attribute: str) -> bool:
    """Whether the array in an attribute is the owner's alone, memory included."""
    array = getattr(owner, attribute)
    writable = array.flags.owndata and array.flags.writeable
    del array
    return writable and is_sole_owner(owner, attribute)
