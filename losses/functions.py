"""What loss and metric functions share: the shapes of labels and predictions, and of weights.

Shapes are contracts. A label shape `(n,)` against predictions `(n, 1)` is aligned, as in Keras; anything else that
differs is refused, with both shapes, and nothing is ever broadcast silently. A function raises `Mismatch` under its own
name, and the object that called it raises it again under that object's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np

from .. import dimensions, dtypes, ops
from ..dimensions import Shape
from ..errors import Mismatch, describe
from ..tensor import Tensor, TensorLike, dims, to_array, wrap

P = ParamSpec("P")


def differ(a: Shape, b: Shape) -> bool:
    """Whether two shapes are known to be different."""
    return len(a) != len(b) or any(dimensions.same(m, n) is False for m, n in zip(a, b, strict=True))


def as_tensor(x: Any) -> Any:
    """`ops.convert_to_tensor`, at once for what comes most often."""
    if type(x) is Tensor:
        return x
    return wrap(to_array(x)) if type(x) is np.ndarray else ops.convert_to_tensor(x)


def at_least_float32(x: TensorLike) -> Tensor:
    """A floating-point tensor of 32 bits or more."""
    if type(x) is Tensor and x._array.dtype is dtypes.FLOATX:
        return x
    x = ops.convert_to_tensor(x)
    return ops.convert_to_tensor(x, dtypes.result_type(dtypes.FLOATX, x.dtype))


def aligned(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the same number of axes, if one has a last axis of size 1 that the other lacks."""
    a, b = dims(y_true), dims(y_pred)
    if len(a) == len(b) + 1 and dimensions.same(a[-1], 1):
        return (y_true, ops.expand_dims(y_pred, -1)) if len(b) == 1 else (ops.squeeze(y_true, -1), y_pred)
    if len(b) == len(a) + 1 and dimensions.same(b[-1], 1):
        return (ops.expand_dims(y_true, -1), y_pred) if len(a) == 1 else (y_true, ops.squeeze(y_pred, -1))
    return y_true, y_pred


def vectorwise(function: Callable[P, Any]) -> Callable[P, Tensor]:
    """A function of labels and predictions of one shape; it gets tensors of one dtype, that of floating predictions."""

    @functools.wraps(function)
    def checked(y_true: Any, y_pred: Any, *args: Any, **options: Any) -> Any:
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        target = y_pred.dtype if dtypes.is_float(y_pred.dtype) else dtypes.result_type(y_true, y_pred)
        y_true, y_pred = ops.convert_to_tensor(y_true, target), ops.convert_to_tensor(y_pred, target)
        left, right = aligned(y_true, y_pred)
        if differ(dims(left), dims(right)) or not dims(right):
            raise Mismatch(
                function.__name__,
                f"expected y_true and y_pred of one shape with at least one axis, got {describe(y_true)} and "
                f"{describe(y_pred)}. Nothing is broadcast; only a last axis of size 1 may be missing.",
            )
        return function(left, right, *args, **options)  # type: ignore[arg-type]

    return checked  # type: ignore[return-value]


def elementwise(function: Callable[P, Any]) -> Callable[P, Tensor]:
    """A `vectorwise` function in which each element counts by itself, so that two vectors are n examples."""
    checked = vectorwise(function)
    checked.elementwise = True  # type: ignore[attr-defined]
    return checked


def per_example(owner: Any, function: Callable[..., Any], y_true: Any, y_pred: Any, options: Mapping[str, Any]) -> Any:
    """`function(y_true, y_pred, **options)` with a value for each example, its complaints in the owner's name."""
    if getattr(function, "elementwise", False):
        a, b = dims(y_true), dims(y_pred)
        if len(a) == len(b) == 1 and not differ(a, b):
            y_true, y_pred = ops.expand_dims(y_true, -1), ops.expand_dims(y_pred, -1)
    try:
        return function(y_true, y_pred, **options)
    except Mismatch as error:
        raise Mismatch(f"{type(owner).__name__} {owner.name!r}", error.text) from None


def class_labels(name: str, y_true: TensorLike, y_pred: Tensor, axis: int) -> tuple[Tensor, int]:
    """Integer labels as one axis less than the predictions have, and the axis of classes counted from the front."""
    labels = given = as_tensor(y_true)
    shape, rank = dims(labels), len(dims(y_pred))
    if not -rank <= axis < rank:
        raise Mismatch(name, f"expected y_pred with classes along axis {axis}, got {describe(y_pred)}.")
    axis %= rank
    expected = (*dims(y_pred)[:axis], *dims(y_pred)[axis + 1 :])
    if len(shape) == rank and dimensions.same(shape[axis], 1):
        labels = ops.squeeze(labels, axis)
    if differ(dims(labels), expected):
        raise Mismatch(
            name,
            f"expected labels of shape {dimensions.display(expected)} for y_pred {describe(y_pred)} with classes along "
            f"axis {axis}, got {describe(given)}.",
        )
    return labels, axis


def fit(weight: TensorLike, values: Tensor, owner: Any, what: str) -> Tensor:
    """Weights reshaped to multiply `values`: one for each example, or for each of the leading axes.

    Raises:
      Mismatch: if the weights' shape is not how that of the values begins; axes of size 1 may follow.
    """
    weight = ops.convert_to_tensor(weight, values.dtype)
    shape, core = dims(values), dims(weight)
    if not core and shape:
        weight, core = ops.broadcast_to(weight, shape[:1]), shape[:1]
    given = core
    while core and dimensions.same(core[-1], 1) and (len(core) > len(shape) or differ(core, shape[: len(core)])):
        core = core[:-1]
    if differ(core, shape[: len(core)]) or (shape and not core):
        raise Mismatch(
            f"{type(owner).__name__} {owner.name!r}",
            f"expected {what} of shape {dimensions.display(shape)} or how it begins, one for each value, got "
            f"{describe(weight)}.",
        )
    full = core + (1,) * (len(shape) - len(core))
    return weight if given == full else ops.reshape(weight, full)


def combined(values: Tensor, sample_weight: Any, mask: Any, owner: Any) -> Tensor | None:
    """Weights times mask, ready to multiply the values; None if there is neither."""
    if sample_weight is None:
        return None if mask is None else fit(mask, values, owner, "a mask")
    weight = fit(sample_weight, values, owner, "sample_weight")
    return weight if mask is None else weight * fit(mask, values, owner, "a mask")


def amount(weight: Tensor | None, values: Tensor) -> Any:
    """The sum of the weights over all values, their number if there are none."""
    shape = dims(values)
    if not dimensions.known(shape):
        ones = ops.ones_like(values)
        return ops.sum(ones if weight is None else weight * ones)
    if weight is None:
        return dimensions.product(shape)
    return ops.sum(weight) * dimensions.product(n for n, m in zip(shape, dims(weight), strict=True) if m == 1)
