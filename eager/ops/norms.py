"""Norms of vectors and matrices. 16-bit numbers are computed with in float32. Gradients are 0 where a norm is 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import describe
from ..tensor import TensorLike, dims
from . import arrays, elementwise, matrices, reductions, rules, singular

Axes = tuple[int, ...]


def norm(
    x: TensorLike, ord: int | float | str | None = None, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> Any:
    """The norm of vectors along one axis, or of matrices along two.

    | ord | of vectors | of matrices |
    |---|---|---|
    | None | √(Σ x²), over all axes if axis is None | as "fro" |
    | "fro" | | √(Σ x²) |
    | "nuc" | | the sum of the singular values |
    | inf, -inf | the largest, smallest absolute value | the largest, smallest sum of absolute values of a row |
    | 1, -1 | as below | the largest, smallest sum of absolute values of a column |
    | 2, -2 | as below | the largest, smallest singular value |
    | 0 | how many are not 0 | |
    | other | (Σ abs(x)^ord)^(1/ord) | |

    Args:
      x: any tensor; one or two axes if `ord` is given without `axis`.
      ord: which norm.
      axis: the axis of vectors, the two axes of rows and columns of matrices, or None for all.
      keepdims: whether the axes stay, with size 1.

    Raises:
      ValueError: if there is no such norm for so many axes.

    >>> eagerly.ops.norm([3.0, -4.0]), eagerly.ops.norm([[1.0, -2.0], [3.0, 4.0]], ord=1)
    (Tensor(5., shape=(), dtype=float32), Tensor(6., shape=(), dtype=float32))
    """
    rank = len(dims(x))
    matrices.refuse_tensor("norm", "ord", ord)
    if axis is None and ord is None:
        axes: Axes = tuple(range(rank))
        kind = _euclidean
    else:
        if axis is None and rank not in (1, 2):
            raise ValueError(f"norm: expected one or two axes if ord is given without axis, got {describe(x)}.")
        axes = rules.normalize_axes(axis, rank)
        if len(axes) not in (1, 2):
            raise ValueError(f"norm: expected one axis or two, got axis={axis!r} for {describe(x)}.")
        kind = _vector(ord) if len(axes) == 1 else _matrix(ord)

    def compute(wide: Any) -> tuple[Any]:
        y = kind(wide, axes)
        return (arrays.reshape(y, newshape=rules.reduced_shape(dims(x), axes, True)) if keepdims else y,)

    return reductions.in_float(compute, x)[0]


def _sum(x: Any, axes: Axes) -> Any:
    return reductions.sum(x, axis=axes)


def _euclidean(x: Any, axes: Axes) -> Any:
    size = elementwise.absolute(x) if x.dtype.kind == "c" else x
    return _root(_sum(size * size, axes), elementwise.sqrt)


def _root(total: Any, root: Any) -> Any:
    """root(total), with the gradient 0 at 0, where that of a root is infinite."""
    zero = elementwise.equal(total, 0)
    return elementwise.where(zero, 0, root(elementwise.where(zero, 1, total)))


def _power(x: Any, ord: float) -> Any:
    """|x|^ord, with the gradient 0 at 0."""
    size = elementwise.absolute(x)
    zero = elementwise.equal(size, 0)
    of_zero = np.asarray(np.inf if ord < 0 else 0, size.dtype)
    return elementwise.where(zero, of_zero, elementwise.power(elementwise.where(zero, 1, size), ord))


def _vector(ord: Any) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"norm: expected a number or None as ord of vectors, got {ord!r}. Matrices have two axes.")
    if ord is None or ord == 2:
        return _euclidean
    if ord == np.inf:
        return lambda x, axes: reductions.max(elementwise.absolute(x), axis=axes)
    if ord == -np.inf:
        return lambda x, axes: reductions.min(elementwise.absolute(x), axis=axes)
    if ord == 0:
        return lambda x, axes: _sum(elementwise.cast_like(elementwise.not_equal(x, 0), elementwise.absolute(x)), axes)
    if ord == 1:
        return lambda x, axes: _sum(elementwise.absolute(x), axes)
    return lambda x, axes: _root(_sum(_power(x, ord), axes), lambda total: elementwise.power(total, 1 / ord))


def _matrix(ord: Any) -> Any:
    if ord is None or ord == "fro":
        return _euclidean
    if ord == "nuc":
        return lambda x, axes: _sum(_singular_values(x, axes), (-1,))
    if isinstance(ord, str) or abs(ord) not in (1, 2, np.inf):
        raise ValueError(f"norm: expected None, 'fro', 'nuc', 1, 2, inf, or their negatives for matrices, got {ord!r}.")
    extremum = reductions.max if ord > 0 else reductions.min
    if abs(ord) == 2:
        return lambda x, axes: extremum(_singular_values(x, axes), axis=-1)
    summed = 0 if abs(ord) == 1 else 1

    def of_sums(x: Any, axes: Axes) -> Any:
        total = reductions.sum(elementwise.absolute(x), axis=axes[summed], keepdims=True)
        return arrays.squeeze(extremum(total, axis=axes[1 - summed], keepdims=True), axes)

    return of_sums


def _singular_values(x: Any, axes: Axes) -> Any:
    """Those of the matrices whose rows and columns lie along the axes."""
    others = tuple(i for i in range(x.ndim) if i not in axes)
    return singular.singular_values(arrays.transpose(x, axes=(*others, *axes)))
