"""Where the elements of a value are: operations that only move an index make views, not copies.

A View is a base, which is a value or a constant of its own memory, with an offset and strides in elements. A pattern is
the way of a view through its base in the order of a loop: sizes and strides, with axes merged that go on in one step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..tensor import AbstractTensor, Tensor, dims
from .graph import Node

NAMES = frozenset(("reshape", "transpose", "broadcast_to", "getitem"))
Pattern = tuple[tuple[int, int], ...]


class View(NamedTuple):
    """Elements of a base."""

    base: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its base, in order."""
        return self.offset == 0 and is_contiguous(self.shape, self.strides) and self.size == size_of(self.base)

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)


def size_of(base: Any) -> int:
    """The number of elements of a value or constant."""
    return math.prod(base.shape)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array in C's order."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether elements lie next to each other in order."""
    return pattern(shape, strides) in (((math.prod(shape), 1),), ())


def whole(base: Any) -> View:
    """The view of all of a value or constant."""
    if isinstance(base, Tensor):
        array = base._array
        return View(base, array.shape, tuple(stride // array.itemsize for stride in array.strides))
    shape = shape_of(base)
    return View(base, shape, contiguous(shape))


def moved(view: View, node: Node) -> View | None:
    """What a node of `NAMES` makes of a view; None where that takes a copy."""
    name = node.primitive.name
    if name == "getitem" and len(node.inputs) > 1:
        return None
    if name == "reshape":
        return _reshaped(view, shape_of(node.outputs[0]))
    fake = np.lib.stride_tricks.as_strided(_BYTE, view.shape, view.strides, writeable=False)  # read by nobody
    result = node.primitive.implementation(fake, **node.params)
    if not isinstance(result, np.ndarray):
        return None
    distance = result.__array_interface__["data"][0] - fake.__array_interface__["data"][0]
    return View(view.base, result.shape, result.strides, view.offset + distance)


def _reshaped(view: View, shape: tuple[int, ...]) -> View | None:
    """A view in another shape; None if its elements do not lie so that strides could tell."""
    if not view.size:
        return View(view.base, shape, contiguous(shape), view.offset)
    spans = _spans(pattern(view.shape, view.strides))
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        inside = size <= 1 or any(low <= step and step * size <= high and step % low == 0 for low, high, _ in spans)
        if not inside:
            return None
        strides.append(_stride(spans, step) if size > 1 else 0)
        step *= size
    return View(view.base, shape, tuple(reversed(strides)), view.offset)


_BYTE = np.zeros(1, np.uint8)


def broadcast(view: View, shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a view repeated over a shape."""
    extra = len(shape) - len(view.shape)
    strides = [0 if size == 1 else stride for size, stride in zip(view.shape, view.strides, strict=True)]
    return (*[0] * extra, *strides)


def pattern(shape: Sequence[int], strides: Sequence[int]) -> Pattern:
    """Sizes and strides without axes of one, adjacent ones merged."""
    merged: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if merged and merged[-1][1] == stride * size:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return tuple(merged)


def refine(patterns: Sequence[Pattern], total: int, columns: int | None) -> tuple[list[int], list[list[int]]] | None:
    """Axes that all patterns of `total` elements can be told along: their sizes, and each pattern's strides.

    The last axis has `columns` elements if that is given. None if there are no such axes.
    """
    cuts = {1, total} if columns is None else {1, total, columns}
    for one in patterns:
        rest = 1
        for size, _ in reversed(one):
            rest *= size
            cuts.add(rest)
    order = sorted(cuts, reverse=True)
    if columns is not None and columns > 1 and order[-2] != columns:
        return None
    if any(a % b for a, b in zip(order, order[1:], strict=False)):
        return None
    sizes = [a // b for a, b in zip(order, order[1:], strict=False)]
    if columns == 1:
        sizes.append(1)
        order.append(1)
    strides = []
    for one in patterns:
        along = []
        spans = _spans(one)
        for low in order[1:]:
            along.append(_stride(spans, low))
        strides.append(along)
    return sizes, strides


def _spans(one: Pattern) -> list[tuple[int, int, int]]:
    """For each axis of a pattern what it spans, from which to which step of the linear index, and its stride."""
    found = []
    step = 1
    for size, stride in reversed(one):
        found.append((step, step * size, stride))
        step *= size
    return found


def _stride(spans: list[tuple[int, int, int]], step: int) -> int:
    """How far an index step goes."""
    for low, high, stride in spans:
        if low <= step < high:
            return stride * (step // low)
    return 0


def shape_of(x: Any) -> tuple[int, ...]:
    """The sizes of a value or constant."""
    return tuple([int(n) for n in dims(x)]) if isinstance(x, (AbstractTensor, Tensor)) else ()
