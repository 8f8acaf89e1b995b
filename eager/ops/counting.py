"""How many elements have which values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..primitive import cast, promote_to_float
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, creation, reductions, rules
from .elementwise import cast_like, equal, greater_equal, less_equal, logical_and, minimum, select, subtract, where
from .scans import accumulator
from .segments import number_of
from .sorting import insertion_points


def count_nonzero(x: TensorLike, axis: reductions.Axis = None) -> Any:
    """How many elements over the axes are not zero; NaN is not."""
    return reductions.sum(cast(x, dtype=dtypes.BOOL), axis=axis)


def bincount(x: TensorLike, weights: TensorLike | None = None, minlength: int = 0, sparse: bool = False) -> Any:
    """y[v] = how many elements of x are v, or the sum of their weights.

    Args:
      x: int[n], or int[rows, n] to count each row for itself; not negative.
      weights: a tensor of the shape of x, or None to count.
      minlength: the least size of the result's last axis, which otherwise is the largest element plus one.
      sparse: False, since there are no sparse tensors.

    Raises:
      ValueError: for negative numbers, what is no integer, weights of another shape, or sparse=True.

    >>> ops.bincount([1, 2, 2, 4])
    Tensor([0, 1, 2, 0, 1], shape=(5,), dtype=int32)
    """
    if sparse:
        raise ValueError("bincount: expected sparse=False, got True. Sparse tensors are not supported.")
    if len(dims(x)) not in (1, 2) or x.dtype.kind not in "iu":  # type: ignore[union-attr]
        raise ValueError(f"bincount: expected integers with one axis or two, got {describe(x)}.")
    least = rules.integer("bincount", "minlength", minlength)
    if least < 0:
        raise ValueError(f"bincount: expected minlength of at least 0, got {least}.")
    if not isinstance(x, AbstractTensor) and np.any(np.asarray(x) < 0):
        raise ValueError(f"bincount: expected no negative numbers, got {np.min(np.asarray(x))} in {describe(x)}.")
    if weights is None:
        target, weights = dtypes.INTX, creation.ones_like(x, dtypes.INTX)
    else:
        target = dtypes.result_type(x, weights)
        same = map(dimensions.same, dims(x), dims(weights))
        if len(dims(weights)) != len(dims(x)) or False in same:
            raise ValueError(
                f"bincount: expected weights of the shape of x, got {describe(weights)} for {describe(x)}."
            )
    length = dimensions.maximum(number_of(x), least)
    wide = cast_like(weights, accumulator(target))
    counts = arrays.add_along_axis(wide, x, axis=len(dims(x)) - 1, shape=(*dims(x)[:-1], length))
    return cast_like(counts, target)


def histogram(x: TensorLike, bins: int = 10, range: tuple[float, float] | None = None) -> Any:
    """How many elements are in each of several bins of equal width, and the edges of the bins.

    A bin holds its lower edge; the last one holds its upper edge too. Elements out of range, and NaN, are in none.

    Args:
      x: a tensor with one axis.
      bins: how many bins, at least 1.
      range: the lowest and the highest edge; the smallest and the largest element if None. Where they are equal the
        bins reach from 0.5 below to 0.5 above.

    Returns:
      Counts [bins] and edges [bins + 1], in the dtype of x if that is a float, else in float32.

    Raises:
      ValueError: for another number of axes, less than one bin, a range that is no ascending pair of numbers, or none
        and an element that is not finite.

    >>> ops.histogram([1.0, 2.0, 2.5, 5.0], bins=2)
    (Tensor([3., 1.], shape=(2,), dtype=float32), Tensor([1., 3., 5.], shape=(3,), dtype=float32))
    """
    if len(dims(x)) != 1:
        raise ValueError(f"histogram: expected a tensor with one axis, got {describe(x)}.")
    number = rules.integer("histogram", "bins", bins)
    if number < 1:
        raise ValueError(f"histogram: expected at least one bin, got {number}.")
    target = promote_to_float(x) or x.dtype  # type: ignore[union-attr]
    x = cast_like(x, accumulator(target))
    low, high = _bounds(x, range)
    flat = equal(low, high)
    low, high = where(flat, subtract(low, 0.5), low), where(flat, high + 0.5, high)
    upper = np.linspace(0, 1, number + 1, dtype=x.dtype)
    edges = low * (1 - upper) + high * upper
    places = minimum(insertion_points(edges, x, side="right") - 1, number - 1)
    inside = logical_and(greater_equal(x, low), less_equal(x, high))
    places = select(inside, places, number)  # one more bin for what is in none
    counts = arrays.add_along_axis(creation.ones_like(x, dtypes.INTX), places, axis=0, shape=(number + 1,))
    return cast(arrays.getitem(counts, key=(slice(0, number),)), dtype=target), cast_like(edges, target)


def _bounds(x: Any, given: Any) -> tuple[Any, Any]:
    """The lowest and the highest edge of a histogram, abstract if x is."""
    if given is None:
        if not dimensions.same(dims(x)[0], 0):
            low, high = reductions.min(x), reductions.max(x)
            if not isinstance(low, AbstractTensor) and not np.all(np.isfinite([low, high])):
                raise ValueError(f"histogram: expected finite elements, or a range, got {describe(x)} with others.")
            return low, high
        given = (0, 1)
    pair = isinstance(given, (tuple, list)) and len(given) == 2 and not any(isinstance(v, Operand) for v in given)
    if not pair or not given[0] <= given[1] or not np.all(np.isfinite(given)):
        raise ValueError(f"histogram: expected two finite numbers in ascending order as range, got {describe(given)}.")
    scalar = reductions.sum(x)
    low, high = (creation.full_like(scalar, fill_value=value) for value in given)
    return low, high
