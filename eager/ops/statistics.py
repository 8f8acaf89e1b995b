"""Statistics of tensors: averages, spreads, correlations and distances.

All are compositions of other operations but `correlate_valid`; roots have the gradient 0 at 0, where the slope is
infinite and what is under the root has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..dimensions import Shape, Size
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, reductions, rules
from .elementwise import cast_like, clip, equal, sqrt, square, stop_gradient, subtract, where
from .linear import matmul
from .scans import accumulator, backwards


def root(x: Any) -> Any:
    """The square root, with the gradient 0 at 0."""
    zero = equal(x, 0)
    return where(zero, cast_like(0, x.dtype), sqrt(where(zero, cast_like(1, x.dtype), x)))


def amax(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """The largest element over the axes; equal ones share the gradient. NaN if one is."""
    return reductions.max(x, axis=axis, keepdims=keepdims)


def amin(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """The smallest element over the axes; equal ones share the gradient. NaN if one is."""
    return reductions.min(x, axis=axis, keepdims=keepdims)


def ptp(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """max(x) - min(x) over the axes, "peak to peak".

    Raises:
      ValueError: for truth values.
    """
    if x.dtype == dtypes.BOOL:  # type: ignore[union-attr]
        raise ValueError(f"ptp: expected numbers, got {describe(x)}. For truth values use ops.any and ops.all.")
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    return subtract(reductions.max(x, **options), reductions.min(x, **options))


def std(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """sqrt(var(x)) over the axes; where all elements are equal, its gradient is 0."""
    return reductions.in_float(lambda wide: (root(reductions.var(wide, axis, keepdims)),), x)[0]


def average(x: TensorLike, axis: reductions.Axis = None, weights: TensorLike | None = None) -> Any:
    """sum(weights · x) / sum(weights) over the axes; the mean without weights.

    Args:
      x: a tensor.
      axis: the axes, all if None.
      weights: a tensor of the shape of x, or of one axis with a weight for each slice along `axis`, a single one.
        If they sum to 0, the result is infinite or NaN.

    Raises:
      ValueError: for weights of another shape.

    >>> ops.average([[0, 1], [2, 3]], axis=1, weights=[0.25, 0.75])
    Tensor([0.75, 2.75], shape=(2,), dtype=float32)
    """
    if weights is None:
        return reductions.mean(x, axis=axis)
    shape, given = dims(x), dims(weights)
    axes = rules.normalize_axes(axis, len(shape))
    along = tuple(shape[i] for i in axes) if axis is not None and len(axes) == 1 else None
    if not _may_equal(given, shape) and (along is None or not _may_equal(given, along)):
        raise ValueError(
            f"average: expected weights of the shape of x, or of one axis with a weight for each slice along a single "
            f"axis, got weights {describe(weights)} for {describe(x)} and axis={describe(axis)}."
        )
    target = dtypes.result_type(x, weights, float)
    wide = accumulator(target)
    x, weights = cast_like(x, wide), cast_like(weights, wide)
    if len(given) != len(shape):
        column = tuple(size if i in axes else 1 for i, size in enumerate(shape))
        weights = arrays.broadcast_to(arrays.reshape(weights, newshape=column), shape=shape)
    total = reductions.sum(x * weights, axis=axis) / reductions.sum(weights, axis=axis)
    return cast_like(total, target)


def _may_equal(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(dimensions.same(m, n) is not False for m, n in zip(a, b, strict=True))


def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1) -> Any:
    """The integral of y along an axis by the trapezoidal rule: sum((y[i+1] + y[i]) / 2 · (x[i+1] - x[i])).

    Args:
      y: the values, a tensor with at least one axis.
      x: where they were taken: a tensor with one axis, or one that broadcasts to y. None for steps of dx.
      dx: the distance between neighbors if x is None.
      axis: the axis to integrate along.

    Raises:
      ValueError: if y has no such axis, or x with one axis has not its size.

    >>> ops.trapezoid([1.0, 2.0, 3.0], dx=2.0)
    Tensor(8., shape=(), dtype=float32)
    """
    shape = dims(y)
    axis = rules.normalize_axis(axis, len(shape), "trapezoid: axis")
    steps = dx if x is None else x
    target = dtypes.result_type(y, steps, float)
    wide = accumulator(target)
    if x is None:
        steps = cast_like(dx, wide)
    else:
        x = cast_like(x, wide)
        if len(dims(x)) == 1:
            if dimensions.same(dims(x)[0], shape[axis]) is False:
                raise ValueError(
                    f"trapezoid: expected x with a place for each of the {shape[axis]} values along axis {axis}, got "
                    f"{describe(x)}."
                )
            x = arrays.reshape(x, newshape=tuple(shape[axis] if i == axis else 1 for i in range(len(shape))))
        lower, upper = _neighbors(x, axis - len(shape))
        steps = upper - lower
    lower, upper = _neighbors(cast_like(y, wide), axis)
    return cast_like(reductions.sum((lower + upper) * steps, axis=axis) * 0.5, target)


def _neighbors(x: Any, axis: int) -> tuple[Any, Any]:
    """The elements but the last, and but the first, along an axis."""
    before = (slice(None),) * rules.normalize_axis(axis, len(dims(x)))
    return arrays.getitem(x, key=(*before, slice(None, -1))), arrays.getitem(x, key=(*before, slice(1, None)))


def corrcoef(x: TensorLike) -> Any:
    """The correlation coefficient of each two rows: of their deviations from their means, the cosine of the angle.

    Args:
      x: a tensor [variables, observations], or [observations], which gives one number.

    Returns:
      A tensor [variables, variables] of values from -1 to 1; NaN for a row of equal elements.

    Raises:
      ValueError: for another number of axes.

    >>> ops.corrcoef([[1, 3, 1, 3], [5, 4, 5, 4]])
    Tensor([[ 1., -1.],
            [-1.,  1.]], shape=(2, 2), dtype=float32)
    """
    shape = dims(x)
    if len(shape) not in (1, 2):
        raise ValueError(f"corrcoef: expected a tensor with one axis or two, got {describe(x)}.")

    def correlations(wide: Any) -> tuple[Any, ...]:
        deviations = wide - reductions.mean(wide, -1, True)
        lengths = sqrt(reductions.sum(square(deviations), axis=-1, keepdims=True))
        rows = deviations / lengths
        result = matmul(rows, arrays.transpose(rows))
        return (result + stop_gradient(clip(result, -1, 1) - result),)  # rounding must not reach beyond

    return reductions.in_float(correlations, x)[0]


def _correlate_rule(x1: Any, x2: Any) -> AbstractTensor:
    return AbstractTensor((x1.dims[0] - x2.dims[0] + 1,), x1.dtype)


@primitive(shape=_correlate_rule)
def correlate_valid(x1: TensorLike, x2: TensorLike) -> Any:
    """y[k] = sum(x1[k + i] · x2[i]) for all k at which x2 lies within x1, the longer one."""
    x1, x2 = np.asarray(x1), np.asarray(x2)
    wide = accumulator(x1.dtype)
    return np.correlate(x1.astype(wide, copy=False), x2.astype(wide, copy=False), "valid").astype(x1.dtype, copy=False)


def _correlate_back(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    margin = dims(x2)[0] - 1
    return correlate_valid(arrays.pad(g, widths=((margin, margin),)), backwards(x2, 0))


correlate_valid.defvjp(_correlate_back, lambda g, y, x1, x2: correlate_valid(x1, g))


def correlate(x1: TensorLike, x2: TensorLike, mode: str = "valid") -> Any:
    """y[k] = sum(x1[k + i] · x2[i]) for shifts k at which x1 and x2 overlap.

    Args:
      x1: a tensor with one axis, of size m > 0.
      x2: a tensor with one axis, of size n > 0.
      mode: "full" for all m + n - 1 shifts, "same" for max(m, n) in the middle of them, "valid" for those
        max(m, n) - min(m, n) + 1 at which the shorter one lies within the other.

    Raises:
      ValueError: for another mode, other numbers of axes, or empty tensors.

    >>> ops.correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5], mode="same")
    Tensor([2. , 3.5, 3. ], shape=(3,), dtype=float32)
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"correlate: expected 'full', 'same' or 'valid' as mode, got {describe(mode)}.")
    for option, x in (("x1", x1), ("x2", x2)):
        if len(dims(x)) != 1 or dimensions.same(dims(x)[0], 0):
            raise ValueError(f"correlate: expected {option} with one axis that is not empty, got {describe(x)}.")
    target = dtypes.result_type(x1, x2, float)
    (first,), (second,) = dims(x1), dims(x2)
    short, long = dimensions.minimum(first, second), dimensions.maximum(first, second)
    start: Size = 0  # where the part begins in all shifts
    length = first + second - 1
    if mode == "valid":
        start, length = short - 1, long - short + 1
    elif mode == "same":
        # NumPy centers on x1, or, if x2 is the longer one, on x2 as seen from its end.
        swapped = dimensions.minimum(dimensions.maximum(second - first, 0), 1)
        start, length = (short - 1 + swapped) // 2, long
    wide = accumulator(target)
    padded = arrays.pad(cast_like(x1, wide), widths=((second - 1 - start, start + length - first),))
    return cast_like(correlate_valid(padded, cast_like(x2, wide)), target)


def cdist(x: TensorLike, y: TensorLike) -> Any:
    """The Euclidean distance of each row of x from each row of y; its gradient is 0 where they are equal.

    Args:
      x: a tensor [..., m, d].
      y: a tensor [..., n, d]; further axes broadcast.

    Returns:
      A tensor [..., m, n].

    Raises:
      ValueError: for fewer axes than two, other sizes of the last axis, or further axes that do not broadcast.

    >>> ops.cdist([[0.0, 0.0], [1.0, 1.0]], [[3.0, 4.0]])
    Tensor([[5.        ],
            [3.6055512]], shape=(2, 1), dtype=float32)
    """
    left, right = dims(x), dims(y)
    if len(left) < 2 or len(right) < 2 or dimensions.same(left[-1], right[-1]) is False:
        raise ValueError(
            f"cdist: expected two tensors of rows with equal last axes, got x {describe(x)} and y {describe(y)}."
        )
    try:
        dimensions.broadcast(left[:-2], right[:-2])
    except ValueError as error:
        raise ValueError(f"cdist: {error} (got x {describe(x)} and y {describe(y)}).") from None
    target = dtypes.result_type(x, y, float)
    wide = accumulator(target)
    x, y = cast_like(x, wide), cast_like(y, wide)
    difference = arrays.expand_dims(x, -2) - arrays.expand_dims(y, -3)
    return cast_like(root(reductions.sum(square(difference), axis=-1)), target)
