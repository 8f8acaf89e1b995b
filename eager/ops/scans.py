"""Scans: running sums and products along an axis, and products over axes.

No gradient here divides, so zeros are no exception, to any order: what a product's gradient needs is the product of the
other elements, and what comes behind an element is the linear recurrence `linear_scan`, which is its own gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dimensions import Size
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, rules
from .elementwise import cast_like
from .reductions import Axis, merge_axes, split_axes, sum_dtype


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to sum and multiply many elements in: 32 bits for floats of 16."""
    return dtypes.FLOATX if dtypes.is_float(dtype) and dtype.itemsize < 4 else dtype


def backwards(x: Any, axis: int) -> Any:
    """x in reverse order along an axis."""
    axis = rules.normalize_axis(axis, len(dims(x)))
    return arrays.getitem(x, key=(*(slice(None),) * axis, slice(None, None, -1)))


def shift(x: Any, axis: int, by: int, value: float) -> Any:
    """x one place later (by=1) or earlier (by=-1) along an axis, with a value in the free place."""
    size: Size = dims(x)[axis]
    widths = [(0, 0)] * len(dims(x))
    widths[axis] = (1, 0) if by > 0 else (0, 1)
    window = slice(0, size) if by > 0 else slice(1, size + 1)
    return arrays.getitem(arrays.pad(x, widths=tuple(widths), value=value), key=(*(slice(None),) * axis, window))


def _scan_rule(*operands: Any, axis: int) -> AbstractTensor:
    first = operands[0]
    rules.normalize_axis(axis, len(first.dims))
    return AbstractTensor(first.dims, first.dtype)


@primitive(shape=_scan_rule)
def running_sum(x: TensorLike, axis: int) -> Any:
    """y[i] = x[0] + … + x[i] along an axis."""
    x = np.asarray(x)
    return np.cumsum(x, axis=axis, dtype=accumulator(x.dtype)).astype(x.dtype, copy=False)


running_sum.defvjp(lambda g, y, x, axis: backwards(running_sum(backwards(g, axis), axis=axis), axis))


@primitive(shape=_scan_rule)
def running_product(x: TensorLike, axis: int) -> Any:
    """y[i] = x[0] · … · x[i] along an axis."""
    x = np.asarray(x)
    return np.cumprod(x, axis=axis, dtype=accumulator(x.dtype)).astype(x.dtype, copy=False)


def _running_product_back(g: Any, y: Any, x: Any, axis: int) -> Any:
    axis = rules.normalize_axis(axis, len(dims(x)))
    return shift(y, axis, 1, 1) * _from_behind(g, x, axis)


running_product.defvjp(_running_product_back)


def _product_or_zero(a: Any, b: Any, *deciding: Any) -> Any:
    """a · b, and 0 where one of the deciding factors is 0, whatever the other is."""
    result = a * b
    if not np.isfinite(result).all():
        for factor in deciding:
            result[factor == 0] = 0
    return result


@primitive(shape=_scan_rule)
def linear_scan(a: TensorLike, b: TensorLike, axis: int) -> Any:
    """y[i] = a[i] · y[i-1] + b[i] along an axis, with y[-1] = 0; a and b have one shape and dtype.

    A factor of 0 begins anew, even behind infinity and NaN. By doubling: after each step an element has taken in twice
    as many of its predecessors (Hillis & Steele 1986, "Data parallel algorithms").
    """
    result = np.asarray(b).dtype
    wide = accumulator(result)
    factors, sums = (np.moveaxis(np.asarray(x), axis, 0).astype(wide) for x in (a, b))
    step = 1
    while step < len(sums):
        near, far = factors[step:], factors[:-step]
        sums[step:] += _product_or_zero(near, sums[:-step], near)
        factors[step:] = _product_or_zero(near, far, near, far)
        step *= 2
    return np.moveaxis(sums, 0, axis).astype(result, copy=False)


def _linear_scan_back(wanted: Any, g: Any, y: Any, a: Any, b: Any, axis: int) -> Any:
    axis = rules.normalize_axis(axis, len(dims(b)))
    total = _from_behind(g, a, axis)
    return [total * shift(y, axis, 1, 0) if wanted[0] else None, total if wanted[1] else None]


linear_scan.defvjp_all(_linear_scan_back)


def _from_behind(g: Any, a: Any, axis: int) -> Any:
    """s[i] = g[i] + a[i+1] · s[i+1]: all that reaches element i from itself and later ones."""
    factors = backwards(shift(a, axis, -1, 0), axis)
    return backwards(linear_scan(factors, backwards(g, axis), axis=axis), axis)


def others(x: Any) -> Any:
    """For each element the product of the others along the last axis."""
    axis = len(dims(x)) - 1
    before = running_product(shift(x, axis, 1, 1), axis=axis)
    after = running_product(backwards(shift(x, axis, -1, 1), axis), axis=axis)
    return before * backwards(after, axis)


@primitive(shape=rules.reduction(sum_dtype))
def product_over(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product over the axes."""
    x = np.asarray(x)
    target = sum_dtype(x.dtype)
    axes = rules.normalize_axes(axis, x.ndim)
    return np.prod(x, axis=axes, keepdims=keepdims, dtype=accumulator(target)).astype(target, copy=False)


def _product_back(g: Any, y: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    if not keepdims:
        g = arrays.reshape(g, newshape=rules.reduced_shape(dims(x), axis, True))
    return g * split_axes(others(merge_axes(x, axis)), x, axis)


product_over.defvjp(_product_back)


def _along(name: str, function: Any, x: Any, axis: int | None, dtype: Any) -> Any:
    if axis is None:
        x, axis = arrays.reshape(x, newshape=(-1,)), 0
    target = x.dtype if dtype is None else dtypes.dtype(dtype)
    x = cast_like(x, dtypes.INTX if target == dtypes.BOOL else target)
    return function(x, axis=rules.normalize_axis(axis, len(dims(x)), f"{name}: axis"))


def cumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Any:
    """x[0] + … + x[i] along an axis, of the flattened tensor if None.

    Args:
      x: a tensor; truth values are counted in int32.
      axis: where to sum along.
      dtype: what to sum in, and the result's; that of x if None.

    >>> ops.cumsum([[1, 2], [3, 4]], axis=1)
    Tensor([[1, 3],
            [3, 7]], shape=(2, 2), dtype=int32)
    """
    return _along("cumsum", running_sum, x, axis, dtype)


def cumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Any:
    """x[0] · … · x[i] along an axis, of the flattened tensor if None.

    Args:
      x: a tensor; truth values become int32.
      axis: where to multiply along.
      dtype: what to multiply in, and the result's; that of x if None.

    >>> ops.cumprod([1, 2, 3, 4])
    Tensor([ 1,  2,  6, 24], shape=(4,), dtype=int32)
    """
    return _along("cumprod", running_product, x, axis, dtype)


def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product over the axes; 1 if there is no element.

    Args:
      x: a tensor; integers of 8 and 16 bits are multiplied in 32.
      axis: the axes, all if None.
      keepdims: whether reduced axes stay, with size 1.
      dtype: what to multiply in, and the result's.

    >>> ops.prod([[1, 2], [3, 4]], axis=0)
    Tensor([3, 8], shape=(2,), dtype=int32)
    """
    if dtype is None:
        return product_over(x, axis=axis, keepdims=keepdims)
    target = dtypes.dtype(dtype)
    return cast_like(product_over(cast_like(x, target), axis=axis, keepdims=keepdims), target)
