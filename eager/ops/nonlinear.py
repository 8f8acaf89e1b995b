"""Activations, and sums of exponentials: compositions that do not overflow."""

from __future__ import annotations

from typing import Any

from ..tensor import TensorLike
from . import arrays, reductions, rules
from .elementwise import (
    absolute,
    clip,
    equal,
    exp,
    expm1,
    log,
    minimum,
    relu,
    sigmoid,
    softplus,
    stop_gradient,
    tanh,
    where,
)


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


def _shifted(x: Any, axis: reductions.Axis) -> Any:
    """x less its largest element over the axes, which may be empty."""
    return x - stop_gradient(reductions.max(x, axis=axis, keepdims=True, initial=-float("inf")))


def _weights(x: Any, axis: reductions.Axis) -> tuple[Any]:
    weights = exp(_shifted(x, axis))
    return (weights / reductions.sum(weights, axis=axis, keepdims=True),)


def _log_weights(x: Any, axis: reductions.Axis) -> tuple[Any]:
    shifted = _shifted(x, axis)
    return (shifted - log(reductions.sum(exp(shifted), axis=axis, keepdims=True)),)


def softmax(x: TensorLike, axis: reductions.Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) over an axis or several, without overflow; over all elements if None."""
    return reductions.in_float(lambda wide: _weights(wide, axis), x)[0]


def log_softmax(x: TensorLike, axis: reductions.Axis = -1) -> Any:
    """log(softmax(x)) over an axis or several, without overflow; over all elements if None."""
    return reductions.in_float(lambda wide: _log_weights(wide, axis), x)[0]


def logsumexp(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow."""
    highest = stop_gradient(reductions.max(x, axis=axis, keepdims=True))
    highest = where(equal(absolute(highest), float("inf")), 0, highest)
    total = log(reductions.sum(exp(x - highest), axis=axis, keepdims=True)) + highest
    return total if keepdims else arrays.squeeze(total, rules.normalize_axes(axis, x.ndim))
