"""Shape rules shared by families of primitives, and what gradient rules do about broadcasting.

A rule maps abstract tensors (and Python numbers) to the abstract result, and raises what the caller should read.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Shape, Size
from ..errors import TraceError, describe
from ..tensor import AbstractTensor, Operand, dims


def _shape(x: Any) -> Shape:
    return x.dims if isinstance(x, AbstractTensor) else ()


def _dtype(*operands: Any) -> np.dtype[Any]:
    return next(x.dtype for x in operands if isinstance(x, AbstractTensor))


def broadcast(*operands: Any) -> AbstractTensor:
    """Elementwise with NumPy broadcasting; operands have been promoted to one dtype."""
    return AbstractTensor(dimensions.broadcast(*map(_shape, operands)), _dtype(*operands))


def compare(*operands: Any) -> AbstractTensor:
    """Elementwise with NumPy broadcasting, giving truth values."""
    return AbstractTensor(dimensions.broadcast(*map(_shape, operands)), dtypes.BOOL)


def same_as_input(x: Any, **params: Any) -> AbstractTensor:
    """Shape and dtype of the only operand."""
    return AbstractTensor(x.dims, x.dtype)


def same_as_real_input(x: Any, **params: Any) -> AbstractTensor:
    """Shape and dtype of the only operand, which must not be complex."""
    if x.dtype.kind == "c":
        raise TypeError("expected real numbers. Take ops.real(x), ops.imag(x) or ops.absolute(x)")
    return AbstractTensor(x.dims, x.dtype)


def normalize_axis(axis: int, rank: int, name: str = "axis") -> int:
    """A non-negative axis.

    Raises:
      ValueError: if the axis is no integer or out of range.
    """
    if not hasattr(axis, "__index__") or not -rank <= axis < rank:
        raise ValueError(f"{name}: expected an integer in [{-rank}, {rank}) for {rank} axes, got {axis}")
    return axis % rank


def normalize_axes(axis: Any, rank: int, name: str = "axis") -> tuple[int, ...]:
    """The axes that `axis` (None for all, an integer, or several) stands for, non-negative and without repeats."""
    if axis is None:
        return tuple(range(rank))
    axes = tuple(normalize_axis(int(a), rank, name) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: expected different axes, got {axis}")
    return axes


def integers(value: Any, name: str) -> list[Any]:
    """The integers and dimensions that an option holds: one, several, or a tensor of them.

    Raises:
      ValueError: if there is something else.
    """
    if isinstance(value, (Operand, np.ndarray)):
        value = np.asarray(value).tolist()
    try:
        values = value if isinstance(value, (list, tuple, range)) else [value]
        return [item if isinstance(item, dimensions.Dim) else operator.index(item) for item in values]
    except TraceError:
        raise
    except TypeError:
        raise ValueError(f"{name}: expected integers, got {describe(value)}.") from None


def reduced_shape(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    """The shape after a reduction over `axis`."""
    axes = normalize_axes(axis, len(shape))
    if keepdims:
        return tuple(1 if i in axes else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def reduction(dtype: Callable[[Any], Any]) -> Callable[..., AbstractTensor]:
    """The rule of a reduction whose result has the dtype that `dtype` gives for the operand's."""

    def rule(x: Any, axis: Any = None, keepdims: bool = False) -> AbstractTensor:
        return AbstractTensor(reduced_shape(x.dims, axis, keepdims), dtype(x.dtype))

    return rule


def matmul(a: Any, b: Any) -> AbstractTensor:
    """Batched matrix product of NumPy: a one-dimensional operand is a row on the left, a column on the right."""
    for x in (a, b):
        if not isinstance(x, AbstractTensor) or not x.dims:
            raise ValueError("expected operands with at least one axis")
    left: Shape = a.dims if len(a.dims) > 1 else (1, *a.dims)
    right: Shape = b.dims if len(b.dims) > 1 else (*b.dims, 1)
    if dimensions.same(left[-1], right[-2]) is False:
        raise ValueError(
            f"the last axis of the first operand must equal the second-last of the second, "
            f"but {left[-1]} and {right[-2]} differ"
        )
    result: tuple[Size, ...] = dimensions.broadcast(left[:-2], right[:-2])
    result += (left[-2],) if len(a.dims) > 1 else ()
    result += (right[-1],) if len(b.dims) > 1 else ()
    return AbstractTensor(result, a.dtype)


def refuse_tensor(name: str, value: Any, instead: str) -> None:
    """Raises ValueError for a tensor where an option is a number: its gradient would be lost silently."""
    if isinstance(value, Operand):
        raise ValueError(
            f"expected a number as {name}, got {describe(value)}. No gradient flows into it; for one write {instead}"
        )


def integer(operation: str, option: str, value: Any) -> Any:
    """An option as a Python integer, or the unknown dimension that it is.

    Raises:
      ValueError: if it is no integer.
    """
    if isinstance(value, dimensions.Dim):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{operation}: expected an integer as {option}, got {describe(value)}.")
    return operator.index(value)


def leading_axes(g: Any, x: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of `g` that `x` lacks, and those that are 1 in `x` alone: what broadcasting `x` repeated."""
    shape, target = dims(g), dims(x)
    extra = len(shape) - len(target)
    repeated = tuple(
        extra + i
        for i, size in enumerate(target)
        if dimensions.same(size, 1) and not dimensions.same(shape[extra + i], 1)
    )
    return tuple(range(extra)), repeated
