"""Reductions of the slices that have the same number in a list: sums, extrema and products of segments, and counts.

Slices whose number is negative or too large belong to no segment. `segment_reduce` takes NumPy's fastest way for what
comes: `ufunc.at` for single elements, `ufunc.reduceat` on slices sorted by segment.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Size
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, indexing, rules
from .elementwise import cast_like, equal, greater_equal, less, logical_and, maximum, select
from .scans import accumulator, backwards, linear_scan, shift
from .sorting import order

UFUNCS: dict[str, np.ufunc] = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _of_none(kind: str, dtype: np.dtype[Any]) -> Any:
    """What a segment without elements gives."""
    if kind in ("sum", "prod"):
        return int(kind == "prod")
    if dtype.kind == "b":
        return kind == "min"
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if kind == "max" else np.iinfo(dtype).max
    return -np.inf if kind == "max" else np.inf


def _segment_rule(data: Any, segment_ids: Any, num_segments: Size, kind: str) -> AbstractTensor:
    return AbstractTensor((num_segments, *data.dims[1:]), data.dtype)


@primitive(shape=_segment_rule)
def segment_reduce(data: TensorLike, segment_ids: TensorLike, num_segments: int, kind: str) -> Any:
    """The slices of data with the same number reduced by the ufunc of that kind."""
    data, ids = np.asarray(data), np.asarray(segment_ids)
    ufunc, values = UFUNCS[kind], data.astype(accumulator(data.dtype), copy=False)
    inside = (ids >= 0) & (ids < num_segments)
    if not inside.all():
        ids, values = ids[inside], values[inside]
    result = np.full((num_segments, *data.shape[1:]), _of_none(kind, values.dtype), values.dtype)
    ascending = bool(np.all(ids[1:] >= ids[:-1]))
    if values.ndim == 1 and not ascending:
        ufunc.at(result, ids, values)
    elif values.size:
        if not ascending:
            # NumPy sorts integers of 16 bits by radix.
            by = np.argsort(ids.astype(np.uint16) if num_segments <= 1 << 16 else ids, kind="stable")
            ids, values = ids[by], values[by]
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        result[ids[starts]] = ufunc.reduceat(values, starts, axis=0)
    return result.astype(data.dtype, copy=False)


def _inside(segment_ids: Any, num_segments: Size) -> Any:
    return logical_and(greater_equal(segment_ids, 0), less(segment_ids, num_segments))


def _of_each(y: Any, segment_ids: Any, num_segments: Size) -> Any:
    """For each slice the entry of its segment in y, 0 for a slice without one."""
    widths = ((0, 1), *((0, 0),) * (len(dims(y)) - 1))
    places = select(_inside(segment_ids, num_segments), segment_ids, num_segments)
    return arrays.getitem(arrays.pad(y, widths=widths), places, key=(indexing.PLACE,))


def _extremum_back(g: Any, y: Any, data: Any, ids: Any, num_segments: Size, kind: str) -> Any:
    wide = accumulator(data.dtype)  # 16 bits cannot count many ties
    ties = cast_like(equal(data, _of_each(y, ids, num_segments)), wide)
    number = maximum(segment_reduce(ties, ids, num_segments=num_segments, kind="sum"), cast_like(1, wide))
    return cast_like(ties * _of_each(cast_like(g, wide) / number, ids, num_segments), data.dtype)


def _for_slices(x: Any, data: Any) -> Any:
    """One number for each slice of data, to broadcast with it."""
    return arrays.reshape(x, newshape=(-1, *(1,) * (len(dims(data)) - 1)))


def _before(data: Any, ids: Any) -> Any:
    """The product of the slices before each one in its segment, for data sorted by segment."""
    same = _for_slices(equal(ids, shift(ids, 0, 1, -1)), data)
    zero, one = cast_like(0, data.dtype), cast_like(1, data.dtype)
    start = arrays.broadcast_to(select(same, zero, one), shape=dims(data))
    return linear_scan(select(same, shift(data, 0, 1, 1), zero), start, axis=0)


def _product_back(g: Any, y: Any, data: Any, ids: Any, num_segments: Size, kind: str) -> Any:
    def at(x: Any, places: Any) -> Any:
        return arrays.getitem(x, places, key=(indexing.PLACE,))

    data = select(_for_slices(_inside(ids, num_segments), data), data, cast_like(1, data.dtype))
    by = order(ids, axis=0)
    sorted_data, sorted_ids = at(data, by), at(ids, by)
    after = backwards(_before(backwards(sorted_data, 0), backwards(sorted_ids, 0)), 0)
    others = at(_before(sorted_data, sorted_ids) * after, order(by, axis=0))
    return others * _of_each(g, ids, num_segments)


def _sum_back(g: Any, y: Any, data: Any, ids: Any, num_segments: Size, kind: str) -> Any:
    return _of_each(g, ids, num_segments)


_BACK = {"sum": _sum_back, "prod": _product_back, "max": _extremum_back, "min": _extremum_back}
segment_reduce.defvjp(lambda *operands, **params: _BACK[params["kind"]](*operands, **params), None)


def number_of(ids: Any) -> Size:
    """One more than the largest of the numbers; 0 if there are none, unknown if they have no values."""
    if isinstance(ids, AbstractTensor):
        return dimensions.unknown("segments")
    numbers = np.asarray(ids)
    return max(int(numbers.max()) + 1, 0) if numbers.size else 0


def _segment(kind: str, data: Any, segment_ids: Any, num_segments: Any) -> Any:
    name, shape, numbers = f"segment_{kind}", dims(data), dims(segment_ids)
    if len(numbers) != 1 or not shape or dimensions.same(numbers[0], shape[0]) is False:
        raise ValueError(
            f"{name}: expected one segment number for each slice along the first axis of data, got segment_ids "
            f"{describe(segment_ids)} for data {describe(data)}."
        )
    if segment_ids.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers as segment_ids, got {describe(segment_ids)}.")
    small, unsigned = segment_ids.dtype.itemsize < 4, segment_ids.dtype.kind == "u"
    ids = cast_like(segment_ids, dtypes.INTX if small else np.dtype(np.int64) if unsigned else segment_ids.dtype)
    number = number_of(ids) if num_segments is None else rules.integer(name, "num_segments", num_segments)
    if isinstance(number, int) and number < 0:
        raise ValueError(f"{name}: expected num_segments of at least 0, got {number}.")
    return segment_reduce(data, ids, num_segments=number, kind=kind)


def segment_sum(
    data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """y[s] = the sum of data[i] over all i with segment_ids[i] = s; 0 if there is none.

    Args:
      data: a tensor whose first axis is reduced.
      segment_ids: int[n], the segment of each slice; a slice with a negative or too large one is left out.
      num_segments: how many segments there are, the largest number plus one if None.
      sorted: whether the numbers ascend; it is seen anyway.

    Raises:
      ValueError: if segment_ids are not one integer for each slice.

    >>> ops.segment_sum([1, 2, 10, 20, 100], [0, 0, 1, 1, 2])
    Tensor([  3,  30, 100], shape=(3,), dtype=int32)
    """
    return _segment("sum", data, segment_ids, num_segments)


def segment_prod(
    data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """y[s] = the product of data[i] over all i with segment_ids[i] = s; 1 if there is none. See `segment_sum`.

    >>> ops.segment_prod([1, 2, 10, 20, 100], [0, 0, 1, 1, 2])
    Tensor([  2, 200, 100], shape=(3,), dtype=int32)
    """
    return _segment("prod", data, segment_ids, num_segments)


def segment_max(
    data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """y[s] = the largest data[i] with segment_ids[i] = s; -inf or the least integer if there is none.

    Equal ones share the gradient. See `segment_sum`.

    >>> ops.segment_max([1, 2, 10, 20, 100], [0, 0, 1, 1, 2])
    Tensor([  2,  20, 100], shape=(3,), dtype=int32)
    """
    return _segment("max", data, segment_ids, num_segments)


def segment_min(
    data: TensorLike, segment_ids: TensorLike, num_segments: int | None = None, sorted: bool = False
) -> Any:
    """y[s] = the smallest data[i] with segment_ids[i] = s; inf or the largest integer if there is none.

    Equal ones share the gradient. See `segment_sum`.

    >>> ops.segment_min([1, 2, 10, 20, 100], [0, 0, 1, 1, 2])
    Tensor([  1,  10, 100], shape=(3,), dtype=int32)
    """
    return _segment("min", data, segment_ids, num_segments)
