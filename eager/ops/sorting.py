"""Order: sorting, selecting the smallest and largest, and searching in what is sorted.

Equal elements keep their order everywhere, so that results do not depend on the machine; NaN is larger than all. What
is sorted or selected carries the gradient back to where it came from; indices have none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..primitive import primitive, promote_together
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, reductions, rules
from .elementwise import cast_like, equal, greater, less_equal, logical_and, logical_not, subtract
from .scans import backwards


def comparable(x: Any) -> np.ndarray[Any, Any]:
    """The values as an array that NumPy sorts with NaN at the end, which it does not do for bfloat16."""
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.kind == "V" else x


def _order_rule(x: Any, axis: int, kth: int = 0) -> AbstractTensor:
    rules.normalize_axis(axis, len(x.dims))
    return AbstractTensor(x.dims, dtypes.INTX)


@primitive(shape=_order_rule)
def order(x: TensorLike, axis: int) -> Any:
    """The indices that sort along an axis."""
    return np.argsort(comparable(x), axis=axis, kind="stable").astype(dtypes.INTX)


order.defvjp(None)


@primitive(shape=lambda x, axis: AbstractTensor(_order_rule(x, axis).dims, x.dtype))
def ascending(x: TensorLike, axis: int) -> Any:
    """The elements sorted along an axis; several times as fast as taking them at `order`, for want of indices."""
    x = np.asarray(x)
    return np.sort(comparable(x), axis=axis).astype(x.dtype, copy=False)


def _ascending_back(g: Any, y: Any, x: Any, axis: int) -> Any:
    return arrays.add_along_axis(g, order(x, axis=axis), axis=axis, shape=dims(x))


ascending.defvjp(_ascending_back)


@primitive(shape=_order_rule)
def partition_order(x: TensorLike, axis: int, kth: int) -> Any:
    """The indices of the `kth` smallest along an axis, then of the next one, then of all others.

    Each of the three parts is in the order of x: several times as fast as sorting.
    """
    values = np.moveaxis(comparable(x), axis, -1)
    if not values.size:
        return np.zeros(np.shape(x), dtypes.INTX)
    pivot = np.partition(values, kth, axis=-1)[..., kth : kth + 1]
    ties = values == pivot
    below = values < pivot
    if pivot.dtype.kind == "f" and (unordered := np.isnan(pivot)).any():
        ties = np.where(unordered, np.isnan(values), ties)
        below = np.where(unordered, ~np.isnan(values), below)
    rank = np.cumsum(ties, axis=-1, dtype=dtypes.INTX) + np.count_nonzero(below, axis=-1, keepdims=True)
    part = np.full(values.shape, 2, np.uint8)
    part[below | (ties & (rank <= kth))] = 0
    part[ties & (rank == kth + 1)] = 1
    return np.moveaxis(np.argsort(part, axis=-1, kind="stable"), -1, axis).astype(dtypes.INTX)


partition_order.defvjp(None)


def _points_rule(sorted_sequence: Any, values: Any, side: str = "left") -> AbstractTensor:
    return AbstractTensor(values.dims if isinstance(values, AbstractTensor) else (), dtypes.INTX)


@primitive(shape=_points_rule, promote=promote_together)
def insertion_points(sorted_sequence: TensorLike, values: TensorLike, side: str = "left") -> Any:
    """For each value how many elements of a sorted sequence are less, or at most as large if side is "right"."""
    return np.searchsorted(comparable(sorted_sequence), comparable(values), side=side).astype(dtypes.INTX)  # type: ignore[call-overload]


insertion_points.defvjp(None)


def _on_axis(name: str, function: Any, x: Any, axis: int | None) -> Any:
    if axis is None:
        x, axis = arrays.reshape(x, newshape=(-1,)), 0
    return function(x, axis=rules.normalize_axis(axis, len(dims(x)), f"{name}: axis"))


def sort(x: TensorLike, axis: int | None = -1) -> Any:
    """The elements in ascending order along an axis, of the flattened tensor if None; NaN comes last.

    >>> ops.sort([3, 1, 2])
    Tensor([1, 2, 3], shape=(3,), dtype=int32)
    """
    return _on_axis("sort", ascending, x, axis)


def argsort(x: TensorLike, axis: int | None = -1) -> Any:
    """The indices that sort along an axis, of the flattened tensor if None; equal elements keep their order.

    >>> ops.argsort([3, 1, 1])
    Tensor([1, 2, 0], shape=(3,), dtype=int32)
    """
    return _on_axis("argsort", order, x, axis)


def argpartition(x: TensorLike, kth: int, axis: int | None = -1) -> Any:
    """Indices along an axis with that of the kth smallest element at place kth, of smaller ones before, others behind.

    Args:
      x: a tensor.
      kth: the place that gets the index it has in `argsort`; counted from the end if negative.
      axis: the axis; the tensor is flattened if None.

    Raises:
      ValueError: if kth is no place along the axis.

    >>> ops.argpartition([5, 4, 1, 3], 1)
    Tensor([2, 3, 0, 1], shape=(4,), dtype=int32)
    """
    if axis is None:
        x, axis = arrays.reshape(x, newshape=(-1,)), 0
    axis = rules.normalize_axis(axis, len(dims(x)), "argpartition: axis")
    size, place = dims(x)[axis], rules.integer("argpartition", "kth", kth)
    if isinstance(size, int) and not -size <= place < size:
        raise ValueError(f"argpartition: expected kth from {-size} to {size - 1} along axis {axis}, got {place}.")
    return partition_order(x, axis=axis, kth=place if place >= 0 else size + place)


def top_k(x: TensorLike, k: int, sorted: bool = True) -> Any:
    """The k largest elements along the last axis and their indices, largest first; of equal ones the first.

    Args:
      x: a tensor with at least one axis.
      k: how many.
      sorted: makes no difference, since the elements come out sorted anyway.

    Raises:
      ValueError: if there are not k elements along the last axis.

    >>> ops.top_k([5, 2, 7, 5], 2)
    (Tensor([7, 5], shape=(2,), dtype=int32), Tensor([2, 0], shape=(2,), dtype=int32))
    """
    if not dims(x):
        raise ValueError(f"top_k: expected a tensor with at least one axis, got {describe(x)}.")
    size, k = dims(x)[-1], rules.integer("top_k", "k", k)
    if k < 0 or (isinstance(size, int) and k > size):
        raise ValueError(f"top_k: expected k from 0 to the size of the last axis, got k={k} for {describe(x)}.")
    # In reverse order, so that among equal elements the larger index counts as smaller.
    reverse = backwards(x, -1)
    candidates = None
    if k and not (isinstance(size, int) and size < 4 * k):
        start = size - k
        candidates = _last(partition_order(reverse, axis=-1, kth=start), slice(start, None))
        reverse = arrays.take_along_axis(reverse, candidates, axis=-1)
    places = _last(backwards(order(reverse, axis=-1), -1), slice(0, k))
    if candidates is not None:
        places = arrays.take_along_axis(candidates, places, axis=-1)
    indices = subtract(size - 1, places)
    return arrays.take_along_axis(x, indices, axis=-1), indices


def _last(x: Any, window: slice) -> Any:
    return arrays.getitem(x, key=(Ellipsis, window))


def in_top_k(targets: TensorLike, predictions: TensorLike, k: int) -> Any:
    """Whether fewer than k predictions are larger than the target's.

    Args:
      targets: class numbers, int[...].
      predictions: a number for each class, float[..., classes]; NaN is larger than all.
      k: how many of the largest count.

    Returns:
      bool[...]; classes that share the last place are all in.

    Raises:
      ValueError: if targets are no integers or have not the shape of predictions without the last axis.

    >>> ops.in_top_k([1, 0], [[0.1, 0.4, 0.6], [0.1, 0.7, 0.9]], k=2)
    Tensor([ True, False], shape=(2,), dtype=bool)
    """
    if isinstance(targets, int):
        targets = np.asarray(targets, dtypes.INTX)
    target_shape, shape = dims(targets), dims(predictions)
    fits = len(target_shape) == len(shape) - 1
    if not fits or any(dimensions.same(a, b) is False for a, b in zip(target_shape, shape, strict=False)):
        raise ValueError(
            f"in_top_k: expected a target for each row of predictions, got targets {describe(targets)} and "
            f"predictions {describe(predictions)}."
        )
    if targets.dtype.kind not in "iu":  # type: ignore[union-attr]
        raise ValueError(f"in_top_k: expected integers as targets, got {describe(targets)}.")
    own = arrays.take_along_axis(predictions, arrays.expand_dims(targets, -1), axis=-1)
    larger = logical_not(less_equal(predictions, own))
    return reductions.sum(larger, axis=-1) < k


def searchsorted(sorted_sequence: TensorLike, values: TensorLike, side: str = "left") -> Any:
    """The places in a sorted sequence where values can be inserted so that it stays sorted.

    Args:
      sorted_sequence: a tensor with one axis, ascending.
      values: a tensor of any shape, which is the result's.
      side: "left" for the first such place, "right" for the last.

    Raises:
      ValueError: for a sequence with another number of axes, or another side.

    >>> ops.searchsorted([1, 2, 2, 3], [2, 4], side="right")
    Tensor([3, 4], shape=(2,), dtype=int32)
    """
    if len(dims(sorted_sequence)) != 1:
        raise ValueError(
            f"searchsorted: expected a sorted sequence with one axis, got {describe(sorted_sequence)}. For one "
            "sequence per row, use ops.vectorized_map."
        )
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: expected 'left' or 'right' as side, got {describe(side)}.")
    return insertion_points(sorted_sequence, values, side=side)


def digitize(x: TensorLike, bins: TensorLike) -> Any:
    """The number of the bin that each element is in: i if bins[i-1] <= x < bins[i].

    Args:
      x: a tensor.
      bins: edges, a tensor with one axis, ascending.

    Raises:
      ValueError: if bins have another number of axes.

    >>> ops.digitize([0.5, 2.0, 9.0], [1.0, 2.0, 3.0])
    Tensor([0, 2, 3], shape=(3,), dtype=int32)
    """
    if len(dims(bins)) != 1:
        raise ValueError(f"digitize: expected bins with one axis, got {describe(bins)}.")
    return insertion_points(bins, x, side="right")


def isin(x1: TensorLike, x2: TensorLike, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element of x1 is an element of x2.

    Args:
      x1: a tensor; the result has its shape.
      x2: a tensor of any shape.
      assume_unique: makes no difference to the result, and needs not be true.
      invert: whether to tell which are not.

    >>> ops.isin([[1, 2], [3, 4]], [2, 3, 7])
    Tensor([[False,  True],
            [ True, False]], shape=(2, 2), dtype=bool)
    """
    target = dtypes.result_type(x1, x2)
    x1, x2 = cast_like(x1, target), cast_like(x2, target)
    known = ascending(arrays.reshape(x2, newshape=(-1,)), axis=0)
    found = greater(insertion_points(known, x1, side="right"), insertion_points(known, x1))
    found = logical_and(found, equal(x1, x1))  # NaN has a place, and equals nothing
    return logical_not(found) if invert else found
