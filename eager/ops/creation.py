"""Tensors from shapes, values and other tensors. They are constants, but for the value of `full` and `full_like`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..context import context
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, Operand, Tensor, TensorLike, dims, leaf_types, to_array, wrap
from . import arrays, elementwise, reductions


@primitive(shape=lambda x, fill_value, dtype=None: AbstractTensor(x.dims, dtype or x.dtype))
def full_like(x: TensorLike, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor of the shape (and dtype) of x, filled with one value."""
    return np.full_like(x, fill_value, dtype=None if dtype is None else dtypes.dtype(dtype))


full_like.defvjp(None)


def empty_like(x: TensorLike, dtype: Any = None) -> Any:
    """A tensor of the shape (and dtype) of x whose values mean nothing: zeros, for the sake of repetition."""
    return full_like(x, fill_value=0, dtype=dtype)


def size(x: TensorLike) -> Any:
    """The number of elements, as an int32 tensor."""
    return elementwise.multiply(wrap(np.ones((), dtypes.INTX)), dimensions.product(dims(x)))


def filled_like(x: TensorLike, fill_value: TensorLike, dtype: Any = None) -> Any:
    """A tensor of the shape (and dtype) of x filled with one value, or with one that broadcasts to it."""
    if not isinstance(fill_value, Operand):
        return full_like(x, fill_value=fill_value, dtype=dtype)
    target = x.dtype if dtype is None else dtypes.dtype(dtype)  # type: ignore[union-attr]
    return arrays.broadcast_to(elementwise.cast_like(fill_value, target), shape=dims(x))


def zeros_like(x: TensorLike, dtype: Any = None) -> Any:
    """Zeros of the shape (and dtype) of x."""
    return full_like(x, fill_value=0, dtype=dtype)


def ones_like(x: TensorLike, dtype: Any = None) -> Any:
    """Ones of the shape (and dtype) of x."""
    return full_like(x, fill_value=1, dtype=dtype)


def full(shape: Sequence[Any] | int, fill_value: Any, dtype: Any = None) -> Any:
    """A tensor filled with one value, or with one that broadcasts to the shape.

    Without a dtype it is float32, and complex for a complex value.

    >>> full((2, 2), 3)
    Tensor([[3., 3.],
            [3., 3.]], shape=(2, 2), dtype=float32)
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    value = fill_value if isinstance(fill_value, Operand) else to_array(fill_value, dtype)
    kept = dtype is None and value.dtype.kind == "c"  # float32 would lose half of it
    value = value if kept else elementwise.cast_like(value, dtypes.dtype(dtype))
    if dimensions.known(sizes) and not isinstance(value, Operand):
        return wrap(np.full(sizes, value))
    if not isinstance(value, Operand):  # a trace keeps the value
        value = AbstractTensor(value.shape, value.dtype) if context.tracing is None else wrap(value)
    return arrays.broadcast_to(value, shape=sizes)


def zeros(shape: Sequence[Any] | int, dtype: Any = None) -> Any:
    """Zeros, float32 if no dtype is given."""
    return full(shape, 0, dtypes.dtype(dtype))


def ones(shape: Sequence[Any] | int, dtype: Any = None) -> Any:
    """Ones, float32 if no dtype is given."""
    return full(shape, 1, dtypes.dtype(dtype))


def empty(shape: Sequence[Any] | int, dtype: Any = None) -> Any:
    """A tensor whose values mean nothing: zeros, for the sake of repetition."""
    return zeros(shape, dtype)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the k-th diagonal, zeros elsewhere."""
    return wrap(np.eye(N, M, k, dtype=dtypes.dtype(dtype)))


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix of n rows."""
    return eye(n, dtype=dtype)


def one_hot(x: TensorLike, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at the index x along a new axis of size `num_classes`, 0 elsewhere; all 0 for an index out of range.

    Raises:
      ValueError: for sparse=True.
    """
    if sparse:
        raise ValueError("one_hot: expected sparse=False, got True. Sparse tensors are not supported.")
    rank = len(dims(x)) + 1
    place = [1] * rank
    place[axis] = num_classes
    classes = np.arange(num_classes, dtype=dtypes.INTX).reshape(place)
    return cast(arrays.expand_dims(x, axis) == classes, dtype=dtypes.dtype(dtype))


def multi_hot(
    inputs: TensorLike,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: Any = None,
    sparse: bool = False,
    **kwargs: Any,
) -> Any:
    """1 at each index that a row of x holds, 0 elsewhere: the largest of their `one_hot` over the row.

    Args:
      inputs: integers [batch, …], or a single row [indices]; what is no class leaves no mark.
      num_classes: the length of the new axis.
      axis: where it stands before axis 1 (axis 0 for a single row) is reduced.
      dtype: float32 if None.
      sparse: must be False.
      **kwargs: `num_tokens`, an old name of num_classes.

    Raises:
      ValueError: without num_classes, for sparse=True, or for an argument unknown.

    Example:
      >>> multi_hot(np.array([[0, 2], [1, 1]]), 4, dtype="int32").tolist()
      [[1, 0, 1, 0], [0, 1, 0, 0]]
    """
    tokens = kwargs.pop("num_tokens", None)
    num_classes = tokens if num_classes is None else num_classes
    if num_classes is None or kwargs:
        raise ValueError(f"multi_hot: expected num_classes and no argument unknown, got {sorted(kwargs) or None}.")
    if sparse:
        raise ValueError("multi_hot: expected sparse=False, got True. Sparse tensors are not supported.")
    marks = one_hot(inputs, num_classes, axis=axis, dtype=dtype)
    return reductions.max(marks, axis=1 if len(dims(inputs)) > 1 else 0, initial=0)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A Tensor of anything: a Tensor as it is, a Variable's value, arrays and lists copied; lists of tensors stacked.

    Raises:
      ValueError: for what is no number or truth value, ragged lists, or sparse=True and ragged=True.
    """
    if sparse or ragged:
        raise ValueError("convert_to_tensor: sparse and ragged tensors are not supported; pass a dense one.")
    if isinstance(x, Operand):
        x = x if isinstance(x, (Tensor, AbstractTensor)) else elementwise.identity(x)  # not the Variable's own Tensor
    elif isinstance(x, (list, tuple)) and _holds_operand(x):
        x = arrays.stack([convert_to_tensor(item) for item in x])
    else:
        return wrap(to_array(x, dtype))
    return x if dtype is None or x.dtype == dtypes.dtype(dtype) else cast(x, dtype=dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """`convert_to_tensor` under NumPy's name."""
    return convert_to_tensor(x, dtype)


def _holds_operand(value: Any) -> bool:
    return any(issubclass(kind, Operand) for kind in leaf_types(value))
