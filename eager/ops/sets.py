"""Which values and places there are: results whose size depends on the values, so that it is unknown before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, indexing, rules
from .elementwise import cast_like, greater, where
from .sorting import comparable


@primitive(shape=lambda x: AbstractTensor((len(x.dims), dimensions.unknown("nonzero")), dtypes.INTX))
def places(x: TensorLike) -> Any:
    """The indices of the elements that are not zero: a row for each axis, a column for each element."""
    return np.array(np.nonzero(np.asarray(x)), dtypes.INTX)


places.defvjp(None)


def nonzero(x: TensorLike) -> Any:
    """The indices of the elements that are not zero: a tensor of int32 for each axis.

    Raises:
      ValueError: if x has no axis.

    >>> ops.nonzero([[3, 0], [0, 4]])
    (Tensor([0, 1], shape=(2,), dtype=int32), Tensor([0, 1], shape=(2,), dtype=int32))
    """
    if not dims(x):
        raise ValueError(f"nonzero: expected a tensor with at least one axis, got {describe(x)}.")
    found = places(x)
    return tuple(arrays.getitem(found, key=(axis,)) for axis in range(len(dims(x))))


def _distinct_rule(x: Any, axis: int | None = None, size: Size | None = None) -> Any:
    number = dimensions.unknown("unique") if size is None else size
    inverse = x.dims if axis is None else (x.dims[rules.normalize_axis(axis, len(x.dims))],)
    return tuple(AbstractTensor(shape, dtypes.INTX) for shape in ((number,), inverse, (number,)))


@primitive(shape=_distinct_rule, outputs=3)
def distinct(x: TensorLike, axis: int | None = None, size: int | None = None) -> Any:
    """Where each distinct element first is, which one each element is, and how often each is there.

    The elements are those of the flattened tensor, or the slices along an axis; the first and the last result are cut
    or filled with zeros to `size` if given.
    """
    x = comparable(x)
    _, first, inverse, counts = np.unique(x, True, True, True, axis=axis, equal_nan=False)
    if size is not None:
        first, counts = (np.pad(y[:size], (0, max(size - len(y), 0))) for y in (first, counts))
    inverse = inverse.reshape(x.shape if axis is None else -1)  # its shape differs between versions of NumPy
    return tuple(y.astype(dtypes.INTX) for y in (first, inverse, counts))


distinct.defvjp(None)


def unique(
    x: TensorLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: TensorLike | None = None,
) -> Any:
    """The distinct elements of a tensor, or its distinct slices along an axis, in ascending order.

    NaN differs from NaN. The gradient goes to the first of equal elements.

    Args:
      x: a tensor, flattened if `axis` is None.
      sorted: makes no difference, since they come out sorted anyway.
      return_index: whether to return where in x each first occurs.
      return_inverse: whether to return which of them each element of x is.
      return_counts: whether to return how often each occurs in x.
      axis: the axis whose slices are compared as a whole.
      size: how many to return, which makes the shape known in advance; the largest are left out.
      fill_value: what stands behind fewer than `size`, 0 if None. Their index and count are 0.

    Returns:
      The elements, or a tuple of them and what is asked for: index and counts are int32[size], the inverse is int32 of
      the shape of x, or int32[x.shape[axis]].

    Raises:
      ValueError: for an axis that there is not, or a negative size.

    >>> ops.unique([3, 1, 3, 2], return_counts=True)
    (Tensor([1, 2, 3], shape=(3,), dtype=int32), Tensor([1, 1, 2], shape=(3,), dtype=int32))
    >>> ops.unique([3, 1, 3, 2], size=4, fill_value=-1)
    Tensor([ 1,  2,  3, -1], shape=(4,), dtype=int32)
    """
    if size is not None and (size := rules.integer("unique", "size", size)) < 0:
        raise ValueError(f"unique: expected a size of at least 0, got {size}.")
    if axis is not None:
        axis = rules.normalize_axis(axis, len(dims(x)), "unique: axis")
    first, inverse, counts = distinct(x, axis=axis, size=size)
    source, place = (arrays.reshape(x, newshape=(-1,)), 0) if axis is None else (x, axis)
    fill = cast_like(0 if fill_value is None else fill_value, x.dtype)  # type: ignore[union-attr]
    if size is not None and dimensions.same(dims(source)[place], 0):
        shape = (*dims(source)[:place], size, *dims(source)[place + 1 :])
        values = arrays.broadcast_to(fill, shape=shape)
    else:
        values = arrays.getitem(source, first, key=(*(slice(None),) * place, indexing.PLACE))
        if size is not None:
            there = arrays.reshape(greater(counts, 0), newshape=(-1, *(1,) * (len(dims(source)) - place - 1)))
            values = where(there, values, fill)
    asked = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    results = (values, *(result for wanted, result in asked if wanted))
    return results if len(results) > 1 else values
