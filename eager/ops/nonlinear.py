"""Activations, and sums of exponentials: compositions that do not overflow.

At a kink the slope is the one that PyTorch takes. NaN stays NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dimensions, dtypes
from ..errors import describe
from ..primitive import primitive
from ..tensor import AbstractTensor, Operand, TensorLike, dims
from . import arrays, elementwise, reductions, rules
from .elementwise import (
    absolute,
    add,
    cast_like,
    divide,
    equal,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    multiply,
    relu,
    sigmoid,
    sign,
    softplus,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tanh,
    where,
)
from .fused import fused
from .special import erfc
from .transcendental import hypot, widened


@fused()
def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Any:
    """x if x > 0, else negative_slope · x."""
    return elementwise.leaky_relu(x, negative_slope=negative_slope)


@fused()
def relu6(x: TensorLike) -> Any:
    """min(max(x, 0), 6)."""
    return where(greater_equal(x, 6), 6, relu(x))


@fused()
def elu(x: TensorLike, alpha: float = 1.0) -> Any:
    """x if x > 0, else alpha · (exp(x) - 1)."""
    return where(x > 0, x, alpha * expm1(where(x > 0, 0, x)))


def selu(x: TensorLike) -> Any:
    """The self-normalizing elu of Klambauer et al. 2017: 1.0507 · elu(x, 1.67326)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


@fused()
def silu(x: TensorLike) -> Any:
    """x · sigmoid(x)."""
    return x * sigmoid(x)


@fused()
def mish(x: TensorLike) -> Any:
    """x · tanh(softplus(x))."""
    return x * tanh(softplus(x))


@fused()
def softsign(x: TensorLike) -> Any:
    """x / (1 + |x|)."""
    return x / (absolute(x) + 1)


@fused()
def hard_sigmoid(x: TensorLike) -> Any:
    """relu6(x + 3) / 6."""
    return relu6(x + 3) / 6.0


@fused()
def hard_silu(x: TensorLike) -> Any:
    """x · hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


@fused()
def hard_tanh(x: TensorLike) -> Any:
    """x cut off at -1 and 1."""
    return where(greater_equal(absolute(x), 1), sign(x), x)


def celu(x: TensorLike, alpha: float = 1.0) -> Any:
    """x if x > 0, else alpha · (exp(x / alpha) - 1): an elu of slope 1 at 0 for every alpha.

    Args:
      x: the input.
      alpha: minus the limit at -inf, > 0.

    Raises:
      ValueError: for an alpha <= 0.

    Example:
      >>> celu(np.float32([0.0, 2.0])).tolist()
      [0.0, 2.0]

    Reference: Barron 2017, "Continuously differentiable exponential linear units", eq. 2.
    """
    if not alpha > 0:
        raise ValueError(f"celu: expected an alpha > 0, got {describe(alpha)}.")
    positive = greater(x, 0)
    return where(positive, x, multiply(expm1(divide(where(positive, 0, x), alpha)), alpha))


def _gelu(x: Any) -> Any:
    return x * erfc(x * -math.sqrt(0.5)) * 0.5  # of the tail itself: 1 + erf would lose it


def _gelu_by_tanh(x: Any) -> Any:
    slope = math.sqrt(8 / math.pi)  # (1 + tanh(u)) / 2 is sigmoid(2u)
    return x * sigmoid(x * (x * x * (slope * 0.044715) + slope))


@fused()
def gelu(x: TensorLike, approximate: bool = True) -> Any:
    """x · Φ(x), where Φ is the normal distribution function.

    Args:
      x: the input.
      approximate: whether Φ(x) is taken as (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2, within 2e-4 of it.

    Example:
      >>> gelu(np.float32([0.0, 100.0])).tolist()
      [0.0, 100.0]

    Reference: Hendrycks & Gimpel 2016, section 2.
    """
    return widened(_gelu_by_tanh if approximate else _gelu, x)


def glu(x: TensorLike, axis: int = -1) -> Any:
    """a · sigmoid(b), for the halves a, b of an axis.

    Args:
      x: the input.
      axis: the axis to halve.

    Raises:
      ValueError: for an axis of odd size.

    Example:
      >>> glu(np.float32([3.0, 0.0])).tolist()
      [1.5]

    Reference: Dauphin et al. 2017, eq. 1.
    """
    axis = rules.normalize_axis(axis, len(dims(x)))
    size = dims(x)[axis]
    half = size // 2
    if dimensions.same(half * 2, size) is False:
        raise ValueError(f"glu: expected an even size along axis {axis}, got {describe(x)}.")
    before = (slice(None),) * axis
    first = arrays.getitem(x, key=(*before, slice(None, half)))
    return multiply(first, sigmoid(arrays.getitem(x, key=(*before, slice(half, None)))))


def hard_shrink(x: TensorLike, threshold: float = 0.5) -> Any:
    """x if |x| > threshold, else 0 (Donoho & Johnstone 1994, eq. 5)."""
    return where(less_equal(absolute(x), threshold), 0, x)


def soft_shrink(x: TensorLike, threshold: float = 0.5) -> Any:
    """x moved towards 0 by the threshold, or to 0 if that is nearer (Donoho & Johnstone 1994, eq. 6).

    Raises:
      ValueError: for a threshold < 0.
    """
    if not isinstance(threshold, Operand) and not threshold >= 0:
        raise ValueError(f"soft_shrink: expected a threshold >= 0, got {describe(threshold)}.")
    return where(less_equal(absolute(x), threshold), 0, subtract(x, multiply(sign(x), threshold)))


def tanh_shrink(x: TensorLike) -> Any:
    """x - tanh(x)."""
    return subtract(x, tanh(x))


def sparse_plus(x: TensorLike) -> Any:
    """0 below -1, (x + 1)² / 4 up to 1, x above: the integral of sparse_sigmoid."""
    return where(less_equal(x, -1), 0, where(less(x, 1), divide(square(add(x, 1)), 4), x))


def sparse_sigmoid(x: TensorLike) -> Any:
    """(x + 1) / 2 cut off at 0 and 1: the sparsemax of x and 0 (Martins & Astudillo 2016, section 2.2)."""
    return where(less_equal(x, -1), 0, where(greater_equal(x, 1), 1, divide(add(x, 1), 2)))


def squareplus(x: TensorLike, b: Any = 4) -> Any:
    """(x + sqrt(x² + b)) / 2, a softplus without exponentials; neither large x nor cancellation harms it.

    Args:
      x: the input.
      b: how far from 0 it differs from relu, >= 0. A tensor gets a gradient.

    Raises:
      ValueError: for a number b < 0.

    Example:
      >>> squareplus(np.float32([0.0, 1.5])).tolist()
      [1.0, 2.0]

    Reference: Barron 2021, "Squareplus: a softplus-like algebraic rectifier", eq. 1.
    """
    if not isinstance(b, Operand) and not b >= 0:
        raise ValueError(f"squareplus: expected a b >= 0, got {describe(b)}.")
    x = cast_like(x, dtypes.result_type(x, float))
    negative = less(x, 0)
    root = sqrt(b) if isinstance(b, Operand) else math.sqrt(b)
    half = add(divide(hypot(x, root), 2), divide(where(negative, -x, x), 2))
    return where(negative, divide(b / 4, half), half)


def threshold(x: TensorLike, threshold: float, default_value: float) -> Any:
    """x if x > threshold, else default_value."""
    return where(less_equal(x, threshold), default_value, x)


def _shifted(x: Any, axis: reductions.Axis) -> Any:
    """x less its largest element over the axes, which may be empty."""
    return x - stop_gradient(reductions.max(x, axis=axis, keepdims=True, initial=-float("inf")))


def _weights(x: Any, axis: reductions.Axis) -> tuple[Any]:
    weights = exp(_shifted(x, axis))
    return (weights / reductions.sum(weights, axis=axis, keepdims=True),)


def _log_weights(x: Any, axis: reductions.Axis) -> tuple[Any]:
    shifted = _shifted(x, axis)
    return (shifted - log(reductions.sum(exp(shifted), axis=axis, keepdims=True)),)


def _softmax_gradient(g: Any, y: Any, x: Any, axis: reductions.Axis = -1) -> Any:
    return (y * (g - reductions.sum(g * y, axis=axis, keepdims=True)),)


@fused(gradient=_softmax_gradient)
def softmax(x: TensorLike, axis: reductions.Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) over an axis or several, without overflow; over all elements if None."""
    return reductions.in_float(lambda wide: _weights(wide, axis), x)[0]


def _log_softmax_gradient(g: Any, y: Any, x: Any, axis: reductions.Axis = -1) -> Any:
    return (g - exp(y) * reductions.sum(g, axis=axis, keepdims=True),)


@fused(gradient=_log_softmax_gradient)
def log_softmax(x: TensorLike, axis: reductions.Axis = -1) -> Any:
    """log(softmax(x)) over an axis or several, without overflow; over all elements if None."""
    return reductions.in_float(lambda wide: _log_weights(wide, axis), x)[0]


def logsumexp(x: TensorLike, axis: reductions.Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over the axes, without overflow."""
    highest = stop_gradient(reductions.max(x, axis=axis, keepdims=True))
    highest = where(equal(absolute(highest), float("inf")), 0, highest)
    total = log(reductions.sum(exp(x - highest), axis=axis, keepdims=True)) + highest
    return total if keepdims else arrays.squeeze(total, rules.normalize_axes(axis, x.ndim))


def _threshold_rule(x: Any, axis: int) -> AbstractTensor:
    return AbstractTensor(rules.reduced_shape(x.dims, axis, True), x.dtype)


@primitive(shape=_threshold_rule)
def simplex_threshold(x: TensorLike, axis: int) -> Any:
    """The t with sum(max(x - t, 0)) = 1 along an axis, which stays with size 1 (Martins & Astudillo 2016, alg. 1)."""
    x = np.asarray(x)
    x = np.moveaxis(x, rules.normalize_axis(axis, x.ndim), -1)
    ordered = -np.sort(-x, axis=-1)
    excess = np.cumsum(ordered, axis=-1) - 1
    ranks = np.arange(1, x.shape[-1] + 1).astype(x.dtype)
    count = np.sum(ordered * ranks > excess, axis=-1, keepdims=True)
    return np.moveaxis(np.take_along_axis(excess, count - 1, -1) / count.astype(x.dtype), -1, axis)


def _threshold_back(g: Any, y: Any, x: Any, axis: int) -> Any:
    support = cast_like(greater(x, y), g)
    return g * support / reductions.sum(support, axis=axis, keepdims=True)


simplex_threshold.defvjp(_threshold_back)


def sparsemax(x: TensorLike, axis: int = -1) -> Any:
    """max(x - t, 0) with the t for which it sums to 1 along an axis: the nearest distribution, most of it 0.

    Reference: Martins & Astudillo 2016, eq. 2 and 3; an element that just becomes 0 gets no gradient.
    """

    def project(x: Any) -> Any:
        x = x - stop_gradient(reductions.max(x, axis=axis, keepdims=True))
        return relu(x - simplex_threshold(x, axis=axis))

    return widened(project, x)
