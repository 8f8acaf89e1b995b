"""Neural-network operations: activations, normalization, the dense layer, cross-entropies.

All are compositions; where they matter for speed a fused kernel will stand beside them with these as its oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import Mismatch, describe
from ..primitive import cast
from ..tensor import AbstractTensor, TensorLike, dims
from . import arrays, creation, linear, reductions, rules
from .elementwise import (
    absolute,
    clip,
    equal,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    relu,
    sigmoid,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    where,
)

EPSILON = 1e-7  # Keras's backend.epsilon(): how far from 0 and 1 probabilities are kept


def relu6(x: TensorLike) -> Any:
    """min(max(x, 0), 6)."""
    return minimum(relu(x), 6)


def elu(x: TensorLike, alpha: float = 1.0) -> Any:
    """x if x > 0, else alpha · (exp(x) - 1)."""
    return where(x > 0, x, alpha * expm1(where(x > 0, 0, x)))


def selu(x: TensorLike) -> Any:
    """The self-normalizing elu of Klambauer et al. 2017: 1.0507 · elu(x, 1.67326)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def silu(x: TensorLike) -> Any:
    """x · sigmoid(x)."""
    return x * sigmoid(x)


def mish(x: TensorLike) -> Any:
    """x · tanh(softplus(x))."""
    return x * tanh(softplus(x))


def softsign(x: TensorLike) -> Any:
    """x / (1 + |x|)."""
    return x / (absolute(x) + 1)


def hard_sigmoid(x: TensorLike) -> Any:
    """relu6(x + 3) / 6."""
    return relu6(x + 3) / 6.0


def hard_silu(x: TensorLike) -> Any:
    """x · hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_tanh(x: TensorLike) -> Any:
    """x cut off at -1 and 1."""
    return clip(x, -1, 1)


def softmax(x: TensorLike, axis: int | None = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, without overflow; over all elements if None."""
    weights = exp(x - stop_gradient(reductions.max(x, axis=axis, keepdims=True)))
    return weights / reductions.sum(weights, axis=axis, keepdims=True)


def log_softmax(x: TensorLike, axis: int | None = -1) -> Any:
    """log(softmax(x)) along an axis, without overflow; over all elements if None."""
    shifted = x - stop_gradient(reductions.max(x, axis=axis, keepdims=True))
    return shifted - log(reductions.sum(exp(shifted), axis=axis, keepdims=True))


def logsumexp(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow."""
    highest = stop_gradient(reductions.max(x, axis=axis, keepdims=True))
    highest = where(equal(absolute(highest), float("inf")), 0, highest)
    total = log(reductions.sum(exp(x - highest), axis=axis, keepdims=True)) + highest
    return total if keepdims else arrays.squeeze(total, rules.normalize_axes(axis, x.ndim))


def dense(
    inputs: TensorLike,
    kernel: TensorLike,
    bias: TensorLike | None = None,
    activation: Callable[[Any], Any] | None = None,
) -> Any:
    """activation(inputs @ kernel + bias)."""
    y = linear.matmul(inputs, kernel)
    y = y if bias is None else y + bias
    return y if activation is None else activation(y)


def batch_normalization(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    axis: int,
    offset: TensorLike | None = None,
    scale: TensorLike | None = None,
    epsilon: float = 1e-3,
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) · scale + offset, for vectors that lie along `axis`."""
    rank = len(dims(x))
    axis = rules.normalize_axis(axis, rank)
    place = [1] * rank
    place[axis] = -1

    def along(vector: Any) -> Any:
        return vector if axis == rank - 1 else arrays.reshape(vector, newshape=place)

    factor = 1.0 / sqrt(variance + epsilon)
    factor = factor if scale is None else factor * scale
    y = (x - along(mean)) * along(factor)
    return y if offset is None else y + along(offset)


def _check_same_shape(target: Any, output: Any, name: str) -> None:
    a, b = dims(target), dims(output)
    if len(a) != len(b) or any(dimensions.same(m, n) is False for m, n in zip(a, b, strict=True)):
        raise ValueError(
            f"{name}: expected target and output of one shape, "
            f"got target {describe(target)} and output {describe(output)}."
        )


def binary_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False) -> Any:
    """-target · log(output) - (1 - target) · log(1 - output), elementwise."""
    _check_same_shape(target, output, "binary_crossentropy")
    if from_logits:
        return maximum(output, 0) - output * target + log1p(exp(-absolute(output)))
    output = clip(output, EPSILON, 1 - EPSILON)
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))


def categorical_crossentropy(target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum(target · log(output)) along the axis of classes; probabilities are scaled to sum 1."""
    _check_same_shape(target, output, "categorical_crossentropy")
    if from_logits:
        return -reductions.sum(target * log_softmax(output, axis), axis=axis)
    output = output / reductions.sum(output, axis=axis, keepdims=True)
    return -reductions.sum(target * log(clip(output, EPSILON, 1 - EPSILON)), axis=axis)


def _check_labels(name: str, labels: Any, classes: Any) -> None:
    """Refuses labels that are no class; symbols, which have no values, pass."""
    if isinstance(labels, AbstractTensor):
        return
    values = np.asarray(labels)
    if not values.size:
        return
    whole = values.dtype.kind in "iub" or bool((values == np.floor(values)).all())
    if whole and values.min() >= 0 and values.max() < classes:
        return
    wrong = ~((values >= 0) & (values < classes) & (values == np.floor(values)))
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    label = values[at].item()
    raise Mismatch(
        name,
        f"expected integer labels in [0, {classes}), for the {classes} classes of the predictions, got "
        f"{label if label % 1 else int(label)} at {at}. Labels count from 0; a loss's ignore_class leaves one out.",
    )


def sparse_categorical_crossentropy(
    target: TensorLike, output: TensorLike, from_logits: bool = False, axis: int = -1
) -> Any:
    """-log(output[target]) along the axis of classes, for integer targets of one axis less than the output.

    Raises:
      ValueError: if the shapes do not belong together, the output is no float, or a target is no class.
    """
    axis = rules.normalize_axis(axis, len(dims(output)))
    classes = dims(output)[axis]
    if len(dims(target)) == len(dims(output)) and dimensions.same(dims(target)[axis], 1):
        target = arrays.squeeze(target, axis)
    rows = AbstractTensor(rules.reduced_shape(dims(output), axis, False), output.dtype)
    _check_same_shape(target, rows, f"sparse_categorical_crossentropy (classes along axis {axis})")
    _check_labels("sparse_categorical_crossentropy", target, classes)
    target = cast(target, dtype=dtypes.INTX)
    if not dtypes.is_float(output.dtype):
        raise ValueError(f"sparse_categorical_crossentropy: expected floating-point output, got {describe(output)}.")
    if from_logits:
        logs = log_softmax(output, axis)
    else:
        output = output / reductions.sum(output, axis=axis, keepdims=True)
        logs = log(clip(output, EPSILON, 1 - EPSILON))
    chosen = creation.one_hot(target, classes, axis=axis, dtype=output.dtype)
    return -reductions.sum(logs * chosen, axis=axis)
