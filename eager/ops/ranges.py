"""Sequences of numbers: counts, equal distances, equal ratios, and the places along an axis.

Values between bounds are computed in float64 and then converted, so that float32 has no rounding errors but its own;
gradients flow into the bounds.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Dim, Size
from ..errors import describe
from ..primitive import cast, primitive
from ..tensor import AbstractTensor, Operand, TensorLike, dims, wrap
from . import arrays, creation, elementwise, rules

_EXACT = np.dtype(np.float64)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """start, start + step, … below stop; from 0 if stop is None. Gradients flow into start and step.

    Raises:
      ValueError: if step is 0.
      TraceError: if a tensor without values decides how many there are; symbols of `ops.shape` may.

    >>> eagerly.ops.arange(2, 8, 3)
    Tensor([2, 5], shape=(2,), dtype=int32)
    """
    start, stop = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    target = dtypes.result_type(start, stop, step) if dtype is None else dtypes.dtype(dtype)
    if any(isinstance(x, Dim) for x in (start, stop, step)):
        return AbstractTensor((_length(start, stop, step),), target)
    first, last, distance = (np.asarray(x).item() if isinstance(x, Operand) else x for x in (start, stop, step))
    if distance == 0:
        raise ValueError(f"arange: expected a step other than 0, got {describe(step)}.")
    values = np.arange(first, last, distance)
    if not any(isinstance(x, Operand) and dtypes.is_float(x) for x in (start, step)):
        return wrap(values.astype(target))
    terms = [elementwise.cast_like(x, _EXACT) for x in (start, step)]
    return cast(terms[0] + terms[1] * np.arange(len(values), dtype=_EXACT), dtype=target)


def _length(start: Any, stop: Any, step: Any) -> Size:
    sizes = [x if isinstance(x, Dim) else int(x) for x in (start, stop, step)]
    if sizes[2] < 0:
        return dimensions.maximum(-((sizes[1] - sizes[0]) // -sizes[2]), 0)
    return dimensions.maximum(-((sizes[0] - sizes[1]) // sizes[2]), 0)


def _aligned(ends: list[Any], axis: int) -> tuple[list[Any], int]:
    """The bounds in float64 with an axis of size 1 where the values will lie, and how many axes follow it."""
    shapes = [() if isinstance(end, (bool, int, float)) else dims(end) for end in ends]
    rank = max(map(len, shapes))
    place = rules.normalize_axis(axis, rank + 1)
    result = []
    for end, shape in zip(ends, shapes, strict=True):
        wide = (*(1,) * (rank - len(shape)), *shape)
        end = creation.convert_to_tensor(end, _EXACT)
        result.append(arrays.reshape(end, newshape=(*wide[:place], 1, *wide[place:])))
    return result, rank - place


def _bound(x: Any) -> Any:
    return x if isinstance(x, (bool, int, float, Operand)) else creation.convert_to_tensor(x)


def _between(first: Any, last: Any, after: int, num: int, endpoint: bool, apart: Any, ahead: Any) -> tuple[Any, Any]:
    """`num` values counted from the nearer bound, hence exact at both, and what lies between two of them.

    `apart(first, last, n)` says how far n steps are, `ahead(x, step, k)` what k steps from x is.
    """
    count = np.arange(num, dtype=_EXACT).reshape(-1, *(1,) * after)
    intervals = num - bool(endpoint)
    if intervals <= 0:
        shape = dimensions.broadcast(dims(first), dims(last), dims(count))
        return arrays.broadcast_to(first, shape=shape), (last - first) * np.nan
    step = apart(first, last, intervals)
    far = ahead(last, step, count - intervals)
    return elementwise.select(count <= intervals / 2, ahead(first, step, count), far), step


def _evenly(first: Any, last: Any, after: int, num: int, endpoint: bool) -> tuple[Any, Any]:
    return _between(first, last, after, num, endpoint, lambda a, b, n: (b - a) / n, lambda x, step, k: x + k * step)


def _number(name: str, num: Any) -> int:
    count = operator.index(num)
    if count < 0:
        raise ValueError(f"{name}: expected num >= 0, got {num}.")
    return count


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` values at equal distances from start to stop.

    Args:
      start: the first value; a number or a tensor, which broadcasts with stop.
      stop: the last value, left out if not `endpoint`.
      num: how many values.
      endpoint: whether stop is one of them.
      retstep: whether to return the distance too.
      dtype: float32, or what float tensors bring, if None; an integer one takes the floor.
      axis: where the values lie, if start or stop is no number.

    Raises:
      ValueError: if num is negative, or start and stop do not broadcast.

    >>> eagerly.ops.linspace(0, 1, 5, retstep=True)
    (Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], shape=(5,), dtype=float32), Tensor(0.25, shape=(), dtype=float32))
    """
    start, stop = _bound(start), _bound(stop)
    exact = dtypes.result_type(start, stop, float)
    target = exact if dtype is None else dtypes.dtype(dtype)
    (first, last), after = _aligned([start, stop], axis)
    values, step = _evenly(first, last, after, _number("linspace", num), endpoint)
    result = cast(values if dtypes.is_float(target) else elementwise.floor(values), dtype=target)
    return (result, cast(arrays.squeeze(step, -1 - after), dtype=exact)) if retstep else result


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """base to the powers that `linspace(start, stop)` gives; `base` is a number, or a tensor that broadcasts.

    >>> eagerly.ops.logspace(0, 2, 3)
    Tensor([  1.,  10., 100.], shape=(3,), dtype=float32)
    """
    start, stop = _bound(start), _bound(stop)
    target = dtypes.result_type(start, stop, float) if dtype is None else dtypes.dtype(dtype)
    (first, last, root), after = _aligned([start, stop, _bound(base)], axis)
    exponents, _ = _evenly(first, last, after, _number("logspace", num), endpoint)
    return cast(elementwise.power(root, exponents), dtype=target)


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` values from start to stop, each the same multiple of the one before; NaN if the signs differ.

    >>> eagerly.ops.geomspace(1, 100, 3)
    Tensor([  1.,  10., 100.], shape=(3,), dtype=float32)
    """
    start, stop = _bound(start), _bound(stop)
    target = dtypes.result_type(start, stop, float) if dtype is None else dtypes.dtype(dtype)
    (first, last), after = _aligned([start, stop], axis)
    values, _ = _between(
        *(first, last, after, _number("geomspace", num), endpoint),
        lambda a, b, n: elementwise.log(b / a) / n,
        lambda x, rate, k: x * elementwise.exp(k * rate),
    )
    return cast(values, dtype=target)


def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix with the powers of each element in a row: x^(N - 1) … x, 1, or 1, x, … if increasing.

    Args:
      x: a vector.
      N: the number of columns, the size of x if None.
      increasing: whether the powers increase from left to right.

    Raises:
      ValueError: if x is no vector, or N negative.

    >>> eagerly.ops.vander([2, 3], 3).tolist()
    [[4, 2, 1], [9, 3, 1]]
    """
    if len(dims(x)) != 1:
        raise ValueError(f"vander: expected a vector, got {describe(x)}.")
    count = dims(x)[0] if N is None else rules.integers(N, "vander: N")[0]
    if isinstance(count, int) and count < 0:
        raise ValueError(f"vander: expected N >= 0, got {N}.")
    exponents = arange(count) if increasing else arange(count - 1, -1, -1)
    y = elementwise.power(
        arrays.expand_dims(x, 1), exponents if x.dtype.kind == "b" else cast(exponents, dtype=x.dtype)
    )
    return elementwise.cast_like(y, x)


def unravel_index(indices: TensorLike, shape: Any) -> tuple[Any, ...]:
    """The coordinates of row-major indices in a tensor of that shape, a tensor for each axis; -1 is the last element.

    Raises:
      ValueError: if the indices are no integers.
      IndexError: if one is out of range.

    >>> [int(place) for place in eagerly.ops.unravel_index(5, (3, 4))]
    [1, 1]
    """
    dtype = indices.dtype
    if dtype.kind not in "iu":
        raise ValueError(f"unravel_index: expected integers, got {describe(indices)}.")
    sizes = rules.integers(shape, "unravel_index: shape")
    total = dimensions.product(sizes)
    if isinstance(total, int) and not isinstance(indices, AbstractTensor):
        values = np.asarray(indices)
        if np.any((values < -total) | (values >= total)):
            raise IndexError(
                f"unravel_index: expected indices of {total} elements, got {describe(indices)} beyond that."
            )
    rest = cast(indices, dtype=np.int64 if dtype.itemsize > 2 else dtypes.INTX)
    places = []
    for size in reversed(sizes):
        places.append(cast(elementwise.mod(rest, size), dtype=dtype))
        rest = elementwise.floor_divide(rest, size)
    return tuple(reversed(places))


def _positions_rule(x: Any, axis: int, before: Size = 0, after: Size = 0, mode: str = "edge") -> AbstractTensor:
    size = x.dims[rules.normalize_axis(axis, len(x.dims))]
    if dimensions.same(size, 0) and not (dimensions.same(before, 0) and dimensions.same(after, 0)):
        raise ValueError(f"an axis of size 0 has nothing to continue with mode {mode!r}")
    return AbstractTensor((size + before + after,), dtypes.INTX)


@primitive(shape=_positions_rule)
def positions(x: TensorLike, axis: int, before: Size = 0, after: Size = 0, mode: str = "edge") -> Any:
    """0, 1, … along an axis of x, continued on both sides as `np.pad` continues values in that mode."""
    size = np.shape(x)[axis]
    places = np.arange(size, dtype=dtypes.INTX)
    return np.pad(places, (before, after), mode=mode) if before or after else places  # type: ignore[call-overload]


positions.defvjp(None)
