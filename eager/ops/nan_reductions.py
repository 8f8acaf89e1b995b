"""Reductions and scans that leave out NaN; integers have none, and are reduced as ever.

NaN is replaced by what does not change the result, so no gradient flows to it.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..primitive import cast
from ..tensor import TensorLike
from . import reductions, scans
from .elementwise import isnan, logical_not, square, subtract, where
from .reductions import Axis
from .statistics import root

INF = float("inf")


def _replaced(x: Any, value: float) -> Any:
    return where(isnan(x), value, x) if dtypes.is_float(x.dtype) else x


def _number(x: Any, axis: Axis, keepdims: bool) -> Any:
    """How many elements are not NaN, in the dtype of x."""
    return cast(reductions.sum(logical_not(isnan(x)), axis=axis, keepdims=keepdims), dtype=x.dtype)


def _mean(x: Any, axis: Axis, keepdims: bool) -> Any:
    return reductions.sum(_replaced(x, 0), axis=axis, keepdims=keepdims) / _number(x, axis, keepdims)


def _variance(x: Any, axis: Axis, keepdims: bool) -> Any:
    deviations = where(isnan(x), 0, subtract(x, _mean(x, axis, True)))
    return reductions.sum(square(deviations), axis=axis, keepdims=keepdims) / _number(x, axis, keepdims)


def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over the axes of what is not NaN; 0 of nothing."""
    return reductions.sum(_replaced(x, 0), axis=axis, keepdims=keepdims)


def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product over the axes of what is not NaN; 1 of nothing."""
    return scans.product_over(_replaced(x, 1), axis=axis, keepdims=keepdims)


def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over the axes of what is not NaN; NaN of nothing."""
    return reductions.in_float(lambda wide: (_mean(wide, axis, keepdims),), x)[0]


def nanvar(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """mean((x - mean(x))²) over the axes of what is not NaN; NaN of nothing."""
    return reductions.in_float(lambda wide: (_variance(wide, axis, keepdims),), x)[0]


def nanstd(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """sqrt(nanvar(x)) over the axes; where all elements are equal, its gradient is 0."""
    return reductions.in_float(lambda wide: (root(_variance(wide, axis, keepdims)),), x)[0]


def _nan_extremum(function: Any, worst: float, x: Any, axis: Axis, keepdims: bool) -> Any:
    if not dtypes.is_float(x.dtype):
        return function(x, axis=axis, keepdims=keepdims)
    nothing = reductions.all(isnan(x), axis=axis, keepdims=keepdims)
    return where(nothing, float("nan"), function(_replaced(x, worst), axis=axis, keepdims=keepdims))


def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element over the axes that is not NaN; NaN if there is none. Equal ones share the gradient."""
    return _nan_extremum(reductions.max, -INF, x, axis, keepdims)


def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element over the axes that is not NaN; NaN if there is none. Equal ones share the gradient."""
    return _nan_extremum(reductions.min, INF, x, axis, keepdims)


def _nan_place(function: Any, worst: float, x: Any, axis: int | None, keepdims: bool) -> Any:
    place = function(_replaced(x, worst), axis=axis, keepdims=keepdims)
    return where(reductions.all(isnan(x), axis=axis, keepdims=keepdims), -1, place)


def nanargmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first largest element that is not NaN along the axis, of the flattened tensor if None.

    It is -1 where all elements are NaN.

    >>> ops.nanargmax([[1.0, float("nan"), 3.0], [float("nan")] * 3], axis=1)
    Tensor([ 2, -1], shape=(2,), dtype=int32)
    """
    return _nan_place(reductions.argmax, -INF, x, axis, keepdims)


def nanargmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the first smallest element that is not NaN along the axis, of the flattened tensor if None.

    It is -1 where all elements are NaN.

    >>> ops.nanargmin([[1.0, float("nan"), 3.0], [float("nan")] * 3], axis=1)
    Tensor([ 0, -1], shape=(2,), dtype=int32)
    """
    return _nan_place(reductions.argmin, INF, x, axis, keepdims)


def nancumsum(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumsum` with 0 for NaN."""
    return scans.cumsum(_replaced(x, 0), axis, dtype)


def nancumprod(x: TensorLike, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumprod` with 1 for NaN."""
    return scans.cumprod(_replaced(x, 1), axis, dtype)
