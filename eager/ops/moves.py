"""Moving whole axes and slices: reordering axes, flipping, rolling, repeating.

All are compositions of `reshape`, `transpose`, `broadcast_to`, slices and joins, so that their gradients are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions
from ..dimensions import Size
from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, elementwise, rules

Ints = int | Sequence[int]


def ravel(x: TensorLike) -> Any:
    """The elements in row-major order along one axis."""
    return arrays.reshape(x, newshape=(-1,))


def moveaxis(x: TensorLike, source: Ints, destination: Ints) -> Any:
    """The axes in `source` moved to the places in `destination`, the others in their order around them.

    Raises:
      ValueError: if an axis is out of range or named twice, or if there are not as many destinations as sources.
    """
    rank = len(dims(x))
    sources = rules.normalize_axes(source, rank, "moveaxis: source")
    destinations = rules.normalize_axes(destination, rank, "moveaxis: destination")
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis: expected as many destinations as sources, got {source} and {destination}.")
    order = [i for i in range(rank) if i not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return arrays.transpose(x, axes=tuple(order))


def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    order = list(range(len(dims(x))))
    first = rules.normalize_axis(axis1, len(order), "swapaxes: axis1")
    second = rules.normalize_axis(axis2, len(order), "swapaxes: axis2")
    order[first], order[second] = second, first
    return arrays.transpose(x, axes=tuple(order))


def flip(x: TensorLike, axis: Ints | None = None) -> Any:
    """The elements in reverse order along the axes, along all of them if None."""
    axes = rules.normalize_axes(axis, len(dims(x)), "flip: axis")
    return arrays.getitem(x, key=tuple(slice(None, None, -1 if i in axes else None) for i in range(len(dims(x)))))


def fliplr(x: TensorLike) -> Any:
    """The columns in reverse order: `flip` along axis 1."""
    return _flipped("fliplr", x, 1)


def flipud(x: TensorLike) -> Any:
    """The rows in reverse order: `flip` along axis 0."""
    return _flipped("flipud", x, 0)


def _flipped(name: str, x: Any, axis: int) -> Any:
    if len(dims(x)) <= axis:
        raise ValueError(f"{name}: expected at least {axis + 1} axes, got {describe(x)}.")
    return flip(x, axis)


def rot90(array: TensorLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """The plane of two axes turned by k right angles, from the first axis towards the second.

    Raises:
      ValueError: if `axes` are not two different ones.

    >>> eagerly.ops.rot90([[1, 2], [3, 4]]).tolist()
    [[2, 4], [1, 3]]
    """
    if len(axes) != 2:
        raise ValueError(f"rot90: expected two axes, got {axes}.")
    first, second = rules.normalize_axes(tuple(axes), len(dims(array)), "rot90: axes")
    turns = int(k) % 4
    if turns % 2 == 0:
        return flip(array, (first, second) if turns else ())
    if turns == 1:
        return swapaxes(flip(array, second), first, second)
    return flip(swapaxes(array, first, second), second)


def roll(x: TensorLike, shift: Ints, axis: Ints | None = None) -> Any:
    """The elements moved by `shift` places along the axes; what leaves at the end enters at the beginning.

    Args:
      x: the tensor.
      shift: how many places, negative ones to the left; one number, or one for each axis.
      axis: the axes; None rolls the flattened tensor.

    Raises:
      ValueError: if there are several shifts and another number of axes.

    >>> eagerly.ops.roll([1, 2, 3, 4], 1).tolist()
    [4, 1, 2, 3]
    """
    if axis is None:
        return arrays.reshape(roll(ravel(x), shift, 0), newshape=dims(x))
    shifts, axes = rules.integers(shift, "roll: shift"), rules.integers(axis, "roll: axis")
    if 1 not in (len(shifts), len(axes)) and len(shifts) != len(axes):
        raise ValueError(f"roll: expected as many shifts as axes, got {shift} and {axis} for {describe(x)}.")
    count = max(len(shifts), len(axes))
    for by, where in zip(shifts * (count // len(shifts)), axes * (count // len(axes)), strict=True):
        x = _rolled(x, by, rules.normalize_axis(where, len(dims(x)), "roll: axis"))
    return x


def _rolled(x: Any, shift: Size, axis: int) -> Any:
    size = dims(x)[axis]
    moved = shift % dimensions.maximum(size, 1)
    if dimensions.same(moved, 0):
        return elementwise.identity(x)
    parts = arrays.narrow(x, axis, size - moved, moved), arrays.narrow(x, axis, 0, size - moved)
    return arrays.concatenate(*parts, axis=axis)


def tile(x: TensorLike, repeats: Any) -> Any:
    """The whole tensor repeated along each axis; with fewer repeats than axes they are the last ones'.

    >>> eagerly.ops.tile([[1, 2]], (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = rules.integers(repeats, "tile: repeats")
    if any(isinstance(count, int) and count < 0 for count in counts):
        raise ValueError(f"tile: expected repeats >= 0, got {repeats}.")
    rank = max(len(dims(x)), len(counts))
    shape = (*(1,) * (rank - len(dims(x))), *dims(x))
    counts = [1] * (rank - len(counts)) + counts
    pairs = list(zip(counts, shape, strict=True))
    y = arrays.reshape(x, newshape=[part for _, size in pairs for part in (1, size)])
    y = arrays.broadcast_to(y, shape=[part for pair in pairs for part in pair])
    return arrays.reshape(y, newshape=[count * size for count, size in pairs])


def repeat(x: TensorLike, repeats: Any, axis: int | None = None) -> Any:
    """Each element (slice) repeated after itself along an axis, along the flattened tensor if None.

    Args:
      x: the tensor.
      repeats: how often; one number, or one for each element along the axis.
      axis: the axis.

    Raises:
      ValueError: if repeats are negative, or their number is neither 1 nor the size of the axis.

    >>> eagerly.ops.repeat([1, 2, 3], [2, 0, 1]).tolist()
    [1, 1, 3]
    """
    if axis is None:
        x, axis = ravel(x), 0
    shape = dims(x)
    axis = rules.normalize_axis(axis, len(shape), "repeat: axis")
    counts = rules.integers(repeats, "repeat: repeats")
    if any(isinstance(count, int) and count < 0 for count in counts):
        raise ValueError(f"repeat: expected repeats >= 0, got {repeats}.")
    if len(counts) == 1:
        y = arrays.reshape(x, newshape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
        y = arrays.broadcast_to(y, shape=(*shape[: axis + 1], counts[0], *shape[axis + 1 :]))
        return arrays.reshape(y, newshape=(*shape[:axis], shape[axis] * counts[0], *shape[axis + 1 :]))
    if dimensions.same(shape[axis], len(counts)) is False:
        raise ValueError(
            f"repeat: expected one number or {shape[axis]}, one for each element along axis {axis} of {describe(x)}, "
            f"got {len(counts)}."
        )
    return arrays.take(x, np.repeat(np.arange(len(counts)), np.array(counts, np.intp)), axis)


def diff(a: TensorLike, n: int = 1, axis: int = -1) -> Any:
    """a[i + 1] - a[i] along an axis, applied n times; for truth values whether two neighbors differ.

    Raises:
      ValueError: if n is negative, or the axis is out of range.

    >>> eagerly.ops.diff([1, 4, 9]).tolist()
    [3, 5]
    """
    if n < 0:
        raise ValueError(f"diff: expected n >= 0, got {n}.")
    axis = rules.normalize_axis(axis, len(dims(a)), "diff: axis")
    a = elementwise.identity(a)
    subtract = elementwise.not_equal if a.dtype.kind == "b" else elementwise.subtract
    for _ in range(n):
        size = dimensions.maximum(dims(a)[axis] - 1, 0)
        a = subtract(arrays.narrow(a, axis, dims(a)[axis] - size, size), arrays.narrow(a, axis, 0, size))
    return a
