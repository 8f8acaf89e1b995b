"""Reductions: sums, extrema, truth. `axis` is None (all), an integer or several; `keepdims` keeps size-1 axes.

Means and variances are compositions. Small integers are summed in 32 bits, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..primitive import cast, primitive, promote_to_float
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, parts, rules

Axis = int | Sequence[int] | None


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that a dtype is summed, and multiplied, in."""
    if dtype.kind == "b" or (dtype.kind == "i" and dtype.itemsize < 4):
        return dtypes.INTX
    return np.dtype(np.uint32) if dtype.kind == "u" and dtype.itemsize < 4 else dtype


@primitive(shape=rules.reduction(sum_dtype))
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over the axes."""
    x = np.asarray(x)
    return np.sum(
        x,
        axis=axis if axis is None else rules.normalize_axes(axis, x.ndim),
        keepdims=keepdims,
        dtype=sum_dtype(x.dtype),
    )


def _spread(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced value repeated over the shape it was reduced from."""
    if not keepdims:
        g = arrays.reshape(g, newshape=rules.reduced_shape(dims(x), axis, True))
    return arrays.broadcast_to(g, shape=dims(x))


sum.defvjp(lambda g, y, x, axis=None, keepdims=False: _spread(g, x, axis, keepdims))


def _refuse_initial(value: Any) -> None:
    rules.refuse_tensor("initial", value, "ops.maximum or ops.minimum of the result and it")


def _extremum_rule(x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> AbstractTensor:
    _refuse_initial(initial)
    return AbstractTensor(rules.reduced_shape(x.dims, axis, keepdims), x.dtype)


def _extremum(function: Any, x: Any, axis: Axis, keepdims: bool, initial: Any) -> Any:
    x = np.asarray(x)
    axes = rules.normalize_axes(axis, x.ndim)
    if initial is None:
        return function(x, axis=axes, keepdims=keepdims)
    _refuse_initial(initial)
    return function(x, axis=axes, keepdims=keepdims, initial=x.dtype.type(initial))


@primitive(shape=_extremum_rule)
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The largest element over the axes, or `initial`, a number; equal ones share the gradient. NaN if one is."""
    return _extremum(np.max, x, axis, keepdims, initial)


@primitive(shape=_extremum_rule)
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Any:
    """The smallest element over the axes, or `initial`, a number; equal ones share the gradient. NaN if one is."""
    return _extremum(np.min, x, axis, keepdims, initial)


def _extremum_vjp(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False, initial: Any = None) -> Any:
    wide = x.dtype if x.dtype.itemsize > 2 else dtypes.FLOATX  # 16 bits cannot count many ties
    ties = cast(x == _spread(y, x, axis, keepdims), dtype=wide)
    count = sum(ties, axis=axis, keepdims=keepdims)
    if initial is not None:
        count = count + cast(y == np.asarray(initial, x.dtype), dtype=wide)
    shared = _spread(cast(g, dtype=wide) / count, x, axis, keepdims) * ties
    return shared if wide == x.dtype else cast(shared, dtype=x.dtype)


max.defvjp(_extremum_vjp)
min.defvjp(_extremum_vjp)


def _arg_rule(x: Any, axis: int | None = None, keepdims: bool = False) -> AbstractTensor:
    return AbstractTensor(rules.reduced_shape(x.dims, axis, keepdims), dtypes.INTX)


@primitive(shape=_arg_rule)
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first largest element along the axis, of the flattened tensor if None."""
    return np.argmax(x, axis=axis, keepdims=keepdims).astype(dtypes.INTX)


@primitive(shape=_arg_rule)
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first smallest element along the axis, of the flattened tensor if None."""
    return np.argmin(x, axis=axis, keepdims=keepdims).astype(dtypes.INTX)


@primitive(shape=rules.reduction(lambda dtype: dtypes.BOOL))
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether one element is true (not zero)."""
    x = np.asarray(x)
    return np.any(x, axis=rules.normalize_axes(axis, x.ndim), keepdims=keepdims)


@primitive(shape=rules.reduction(lambda dtype: dtypes.BOOL))
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether every element is true (not zero)."""
    x = np.asarray(x)
    return np.all(x, axis=rules.normalize_axes(axis, x.ndim), keepdims=keepdims)


def count(x: Any, axis: Axis) -> Any:
    """How many elements a reduction over the axes takes together."""
    shape = dims(x)
    return dimensions.product(shape[i] for i in rules.normalize_axes(axis, len(shape)))


def merge_axes(x: Any, axis: Axis) -> Any:
    """x with the axes of a reduction moved to the end and made one."""
    shape = dims(x)
    axes = rules.normalize_axes(axis, len(shape))
    rest = [i for i in range(len(shape)) if i not in axes]
    moved = arrays.transpose(x, axes=(*rest, *axes))
    return arrays.reshape(moved, newshape=(*(shape[i] for i in rest), count(x, axis)))


def split_axes(y: Any, like: Any, axis: Axis) -> Any:
    """What `merge_axes` did to a tensor of the shape of `like`, undone."""
    shape = dims(like)
    axes = rules.normalize_axes(axis, len(shape))
    order = (*(i for i in range(len(shape)) if i not in axes), *axes)
    y = arrays.reshape(y, newshape=tuple(shape[i] for i in order))
    return arrays.transpose(y, axes=tuple(order.index(i) for i in range(len(shape))))


def in_float(function: Callable[[Any], tuple[Any, ...]], x: Any) -> tuple[Any, ...]:
    """function(x) with x as a float, and computed in 32 bits if x has 16, in which sums overflow."""
    target = promote_to_float(x) or x.dtype
    within = dtypes.to_compute_in(target)
    results = function(x if x.dtype == within else cast(x, dtype=within))
    return results if within == target else tuple(cast(result, dtype=target) for result in results)


def _mean(x: Any, axis: Axis, keepdims: bool) -> Any:
    return sum(x, axis=axis, keepdims=keepdims) / count(x, axis)


def _moments(x: Any, axis: Axis, keepdims: bool) -> tuple[Any, Any]:
    mean = _mean(x, axis, True)
    centered = x - mean
    return mean, _mean(centered * parts.conj(centered), axis, keepdims)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """sum(x) / n over the axes."""
    return in_float(lambda wide: (_mean(wide, axis, keepdims),), x)[0]


def var(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """mean((x - mean(x))²) over the axes."""
    return in_float(lambda wide: _moments(wide, axis, keepdims)[1:], x)[0]


def moments(x: TensorLike, axes: Axis, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and variance over the axes.

    Raises:
      ValueError: for synchronized=True, since there are no replicas.
    """
    if synchronized:
        raise ValueError("moments: expected synchronized=False, got True. There are no replicas to synchronize.")
    mean, variance = in_float(lambda wide: _moments(wide, axes, True), x)
    if keepdims:
        return mean, variance
    shape = rules.reduced_shape(dims(x), axes, False)
    return arrays.reshape(mean, newshape=shape), arrays.reshape(variance, newshape=shape)


def unbroadcast(g: Any, x: Any) -> Any:
    """The gradient of a broadcast operand: summed over what broadcasting repeated."""
    shape = g.shape
    if shape == x.shape and None not in shape:
        return g
    missing, repeated = rules.leading_axes(g, x)
    if repeated:
        g = sum(g, axis=repeated, keepdims=True)
    return sum(g, axis=missing) if missing else g


for _integral in (argmax, argmin, any, all):
    _integral.defvjp(None)
