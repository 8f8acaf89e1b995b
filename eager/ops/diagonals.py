"""Diagonals and triangles of matrices. `diagonal` and `from_diagonal` are each other's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Shape, Size
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims, wrap
from . import arrays, elementwise, moves, ranges, reductions, rules


def _plane(shape: Shape, offset: int, axis1: int, axis2: int) -> tuple[int, int, Size]:
    """The two axes, not negative, and the length of the diagonal."""
    if len(shape) < 2:
        raise ValueError("expected at least two axes")
    first = rules.normalize_axis(axis1, len(shape), "axis1")
    second = rules.normalize_axis(axis2, len(shape), "axis2")
    if first == second:
        raise ValueError(f"expected two different axes, got {axis1} and {axis2}")
    rows, columns = (shape[first], shape[second] - offset) if offset > 0 else (shape[first] + offset, shape[second])
    return first, second, dimensions.maximum(dimensions.minimum(rows, columns), 0)


def _diagonal_rule(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> AbstractTensor:
    first, second, length = _plane(x.dims, offset, axis1, axis2)
    return AbstractTensor((*(s for i, s in enumerate(x.dims) if i not in (first, second)), length), x.dtype)


@primitive(shape=_diagonal_rule)
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements at [i, i + offset] of two axes, along a new last axis in their place.

    Args:
      x: a tensor with at least two axes.
      offset: how far above the main diagonal; below it if negative.
      axis1: the axis of i.
      axis2: the axis of i + offset.

    Raises:
      ValueError: if x has less than two axes, or the axes are out of range or the same.

    >>> eagerly.ops.diagonal([[1, 2, 3], [4, 5, 6]], offset=1).tolist()
    [2, 6]
    """
    return np.diagonal(x, offset, axis1, axis2)


def _from_diagonal_rule(
    g: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, shape: Sequence[Size] = ()
) -> AbstractTensor:
    _, _, length = _plane(tuple(shape), offset, axis1, axis2)
    if dimensions.same(length, g.dims[-1]) is False:
        raise ValueError(f"expected a diagonal of {length} elements for the shape {dimensions.display(shape)}")
    return AbstractTensor(tuple(shape), g.dtype)


@primitive(shape=_from_diagonal_rule)
def from_diagonal(g: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1, shape: Sequence[Size] = ()) -> Any:
    """Zeros of the given shape but for one diagonal; the dual of `diagonal`."""
    result = np.zeros(shape, g.dtype)  # type: ignore[arg-type]
    first, second, length = _plane(result.shape, offset, axis1, axis2)
    places = np.arange(length)
    matrices = np.moveaxis(result, (first, second), (-2, -1))
    matrices[..., places + max(-offset, 0), places + max(offset, 0)] = g
    return result


diagonal.defvjp(
    lambda g, y, x, offset=0, axis1=0, axis2=1: from_diagonal(g, offset=offset, axis1=axis1, axis2=axis2, shape=dims(x))
)
from_diagonal.defvjp(
    lambda g, y, x, offset=0, axis1=0, axis2=1, shape=(): diagonal(g, offset=offset, axis1=axis1, axis2=axis2)
)


def diag(x: TensorLike, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or the matrix whose k-th diagonal a vector is, with zeros elsewhere.

    Raises:
      ValueError: if x is neither a vector nor a matrix.

    >>> eagerly.ops.diag([1, 2]).tolist()
    [[1, 0], [0, 2]]
    """
    if len(dims(x)) == 2:
        return diagonal(x, offset=k)
    if len(dims(x)) != 1:
        raise ValueError(f"diag: expected one or two axes, got {describe(x)}.")
    size = dims(x)[0] + abs(k)
    return from_diagonal(x, offset=k, shape=(size, size))


def diagflat(x: TensorLike, k: int = 0) -> Any:
    """The matrix whose k-th diagonal is the flattened tensor, with zeros elsewhere."""
    return diag(moves.ravel(x), k)


def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal, see `diagonal`; small integers are summed in 32 bits."""
    return reductions.sum(diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix of N rows and M columns (N if None) with ones on and below the k-th diagonal, zeros above."""
    return wrap(np.tri(N, M, k, dtypes.dtype(dtype)))


def _triangle(name: str, x: Any, k: Any, lower: bool) -> Any:
    shape = dims(x)
    if len(shape) < 2:
        raise ValueError(f"{name}: expected at least two axes, got {describe(x)}.")
    rows = arrays.reshape(ranges.positions(x, axis=-2), newshape=(shape[-2], 1))
    above = elementwise.subtract(ranges.positions(x, axis=-1), rows)
    kept = elementwise.less_equal(above, k) if lower else elementwise.greater_equal(above, k)
    return elementwise.select(kept, x, elementwise.zeros_as(x))


def tril(x: TensorLike, k: int = 0) -> Any:
    """The matrices of the last two axes with zeros above the k-th diagonal."""
    return _triangle("tril", x, k, lower=True)


def triu(x: TensorLike, k: int = 0) -> Any:
    """The matrices of the last two axes with zeros below the k-th diagonal."""
    return _triangle("triu", x, k, lower=False)
