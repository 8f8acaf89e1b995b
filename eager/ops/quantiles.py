"""Quantiles: what stands at a fraction of the way through the sorted elements, NaN counted or left out.

They are compositions of a sort and a choice of neighbors, so that the gradient goes to the elements chosen, and to q.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import describe
from ..primitive import promote_to_float
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, reductions, rules
from .elementwise import (
    cast_like,
    ceil,
    equal,
    floor,
    isfinite,
    isnan,
    logical_not,
    maximum,
    multiply,
    rint,
    subtract,
    where,
)
from .scans import accumulator
from .sorting import ascending

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
NAN = float("nan")


def _quantile(
    name: str, x: Any, q: Any, axis: Any, method: str, keepdims: bool, ignore_nan: bool, whole: float = 1
) -> Any:
    """The quantiles at q / whole."""
    if method not in METHODS:
        raise ValueError(f"{name}: expected one of {', '.join(METHODS)} as method, got {describe(method)}.")
    if len(dims(q)) > 1:
        raise ValueError(f"{name}: expected q to be a number or to have one axis, got {describe(q)}.")
    if not isinstance(q, AbstractTensor) and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= whole)):
        raise ValueError(f"{name}: expected q from 0 to {whole}, got {np.asarray(q).tolist()}.")
    target = promote_to_float(x) or x.dtype
    wide = accumulator(target)
    rows = ascending(reductions.merge_axes(cast_like(x, wide), axis), axis=-1)
    nan = isnan(rows)
    if ignore_nan:
        last = subtract(reductions.sum(logical_not(nan), axis=-1, keepdims=True), 1)
        last = maximum(cast_like(last, wide), cast_like(0, wide))
    else:
        last = dims(rows)[-1] - 1
    fractions = arrays.reshape(cast_like(q, wide), newshape=(*(1,) * (len(dims(rows)) - 1), -1))
    found = _at(rows, multiply(fractions, last) if whole == 1 else multiply(fractions, last) / whole, method)
    none = (reductions.all if ignore_nan else reductions.any)(nan, axis=-1, keepdims=True)
    found = where(none, NAN, found)
    rank = len(dims(found))
    found = arrays.transpose(found, axes=(rank - 1, *range(rank - 1)))
    shape = (*dims(q), *rules.reduced_shape(dims(x), axis, keepdims))
    return cast_like(arrays.reshape(found, newshape=shape), target)


def _at(rows: Any, positions: Any, method: str) -> Any:
    """The elements at fractional positions along the last axis, or what stands for them."""

    def element(position: Any) -> Any:
        return arrays.take_along_axis(rows, cast_like(position, np.dtype(np.int64)), axis=-1)

    if method in ("lower", "higher", "nearest"):
        return element({"lower": floor, "higher": ceil, "nearest": rint}[method](positions))
    lower, upper = element(floor(positions)), element(ceil(positions))
    rest = subtract(positions, floor(positions)) if method == "linear" else cast_like(0.5, rows.dtype)
    # Between infinite elements a difference would be NaN.
    step = subtract(upper, lower)
    finite = isfinite(step)
    between = lower + multiply(where(finite, step, 0), rest)
    exact = equal(rest, 0) if method == "linear" else equal(lower, upper)
    return where(finite, between, where(exact, lower, lower * (1 - rest) + upper * rest))


def quantile(
    x: TensorLike,
    q: TensorLike,
    axis: reductions.Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """The values below which the fractions q of the elements are.

    Args:
      x: a tensor; integers become float32.
      q: a number from 0 to 1, or a tensor of them with one axis.
      axis: the axes, all if None.
      method: what stands for a place between two elements: "linear" for a weighted mean of them, "lower", "higher",
        "midpoint", or "nearest", which of two equally near takes the one at the even place.
      keepdims: whether reduced axes stay, with size 1.

    Returns:
      A tensor of the reduced shape, behind an axis for q if that has one. NaN if one of the elements is.

    Raises:
      ValueError: for q out of range or with several axes, or another method.

    >>> ops.quantile([4.0, 1.0, 2.0, 3.0], [0.5, 1.0])
    Tensor([2.5, 4. ], shape=(2,), dtype=float32)
    """
    return _quantile("quantile", x, q, axis, method, keepdims, False)


def percentile(
    x: TensorLike,
    q: TensorLike,
    axis: reductions.Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """The values below which q percent of the elements are: `quantile` at q / 100.

    >>> ops.percentile([4.0, 1.0, 2.0, 3.0], 50)
    Tensor(2.5, shape=(), dtype=float32)
    """
    return _quantile("percentile", x, q, axis, method, keepdims, False, 100)


def median(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """The element in the middle of the sorted ones, or the mean of the two there; NaN if one is.

    >>> ops.median([4, 1, 2, 3])
    Tensor(2.5, shape=(), dtype=float32)
    """
    return _quantile("median", x, 0.5, axis, "linear", keepdims, False)


def nanquantile(
    x: TensorLike,
    q: TensorLike,
    axis: reductions.Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """`quantile` of the elements that are not NaN; NaN if there are none.

    >>> ops.nanquantile([4.0, 1.0, float("nan"), 3.0], 0.5)
    Tensor(3., shape=(), dtype=float32)
    """
    return _quantile("nanquantile", x, q, axis, method, keepdims, True)


def nanpercentile(
    x: TensorLike,
    q: TensorLike,
    axis: reductions.Axis = None,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """`percentile` of the elements that are not NaN; NaN if there are none.

    >>> ops.nanpercentile([4.0, 1.0, float("nan"), 3.0], 50)
    Tensor(3., shape=(), dtype=float32)
    """
    return _quantile("nanpercentile", x, q, axis, method, keepdims, True, 100)


def nanmedian(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """`median` of the elements that are not NaN; NaN if there are none.

    >>> ops.nanmedian([4.0, 1.0, float("nan"), 3.0])
    Tensor(3., shape=(), dtype=float32)
    """
    return _quantile("nanmedian", x, 0.5, axis, "linear", keepdims, True)
