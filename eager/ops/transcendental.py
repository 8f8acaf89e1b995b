"""Trigonometric and hyperbolic functions, roots, and exponentials and logarithms of other bases.

Integers give float32. Where a function ends, at ±1 of `arcsin` or 0 of `log2`, its gradient is infinite, as in PyTorch.
Rules divide by `hypot` twice rather than by its square, which float16 could not hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..primitive import cast, primitive, promote_to_float
from ..tensor import TensorLike
from . import rules
from .elementwise import (
    FLOAT,
    cast_like,
    cos,
    divide,
    equal,
    isfinite,
    log1p,
    maximum,
    multiply,
    power,
    sigmoid,
    sin,
    sqrt,
    stop_gradient,
    subtract,
    where,
)
from .reductions import unbroadcast

BINARY_FLOAT = {"shape": rules.broadcast, "promote": promote_to_float}


def widened(function: Callable[..., Any], *operands: Any) -> Any:
    """The function of operands cast to their common float dtype, and computed in 32 bits if that has 16."""
    target = dtypes.result_type(*operands, float)
    work = target if target.itemsize > 2 else dtypes.FLOATX
    y = function(*(cast_like(x, work) for x in operands))
    return y if work == target else cast(y, dtype=target)


@primitive(**BINARY_FLOAT)
def hypot(x1: TensorLike, x2: TensorLike) -> Any:
    """sqrt(x1² + x2²), without overflow; where both are 0 the gradient is NaN."""
    return np.hypot(x1, x2)


hypot.defvjp(
    lambda g, y, x1, x2: unbroadcast(g * (x1 / y), x1),
    lambda g, y, x1, x2: unbroadcast(g * (x2 / y), x2),
)


@primitive(**FLOAT)
def arcsin(x: TensorLike) -> Any:
    """The angle in [-π/2, π/2] whose sine is x; NaN beyond ±1."""
    return np.arcsin(x)


@primitive(**FLOAT)
def arccos(x: TensorLike) -> Any:
    """The angle in [0, π] whose cosine is x; NaN beyond ±1."""
    return np.arccos(x)


@primitive(**FLOAT)
def arctan(x: TensorLike) -> Any:
    """The angle in [-π/2, π/2] whose tangent is x."""
    return np.arctan(x)


def _arctan_back(g: Any, y: Any, x: Any) -> Any:
    r = hypot(x, 1)
    return g / r / r


arcsin.defvjp(lambda g, y, x: g / sqrt((1 - x) * (x + 1)))
arccos.defvjp(lambda g, y, x: -g / sqrt((1 - x) * (x + 1)))
arctan.defvjp(_arctan_back)


@primitive(**BINARY_FLOAT)
def arctan2(x1: TensorLike, x2: TensorLike) -> Any:
    """The angle in [-π, π] of the point (x2, x1), by its quadrant; at the origin the gradient is 0."""
    return np.arctan2(x1, x2)


def _arctan2_slope(x: Any, x1: Any, x2: Any) -> Any:
    """x / (x1² + x2²), and 0 at the origin."""
    r = hypot(x1, x2)
    r = where(equal(r, 0), 1, r)
    return divide(divide(x, r), r)


arctan2.defvjp(
    lambda g, y, x1, x2: unbroadcast(g * _arctan2_slope(x2, x1, x2), x1),
    lambda g, y, x1, x2: unbroadcast(-g * _arctan2_slope(x1, x1, x2), x2),
)


def tan(x: TensorLike) -> Any:
    """The tangent of x radians: sin(x) / cos(x)."""
    return divide(sin(x), cos(x))


@primitive(**FLOAT)
def sinh(x: TensorLike) -> Any:
    """(exp(x) - exp(-x)) / 2."""
    return np.sinh(x)


@primitive(**FLOAT)
def cosh(x: TensorLike) -> Any:
    """(exp(x) + exp(-x)) / 2."""
    return np.cosh(x)


sinh.defvjp(lambda g, y, x: g * cosh(x))
cosh.defvjp(lambda g, y, x: g * sinh(x))


@primitive(**FLOAT)
def arcsinh(x: TensorLike) -> Any:
    """log(x + sqrt(x² + 1))."""
    return np.arcsinh(x)


@primitive(**FLOAT)
def arccosh(x: TensorLike) -> Any:
    """log(x + sqrt(x² - 1)); NaN below 1."""
    return np.arccosh(x)


arcsinh.defvjp(lambda g, y, x: g / hypot(x, 1))
arccosh.defvjp(lambda g, y, x: g / (sqrt(x - 1) * sqrt(x + 1)))


def arctanh(x: TensorLike) -> Any:
    """(log(1 + x) - log(1 - x)) / 2; NaN beyond ±1."""
    return widened(lambda x: multiply(log1p(x) - log1p(-x), 0.5), x)


@primitive(**FLOAT)
def cbrt(x: TensorLike) -> Any:
    """The cube root, negative for negative x; its gradient is infinite at 0 (PyTorch, composing it, gives NaN)."""
    x = np.asarray(x)
    return np.cbrt(x, dtype=np.float64).astype(x.dtype)  # as for log10: in float32 NumPy's cbrt(216) is not 6


cbrt.defvjp(lambda g, y, x: g / (y * y * 3))


def rsqrt(x: TensorLike) -> Any:
    """1 / sqrt(x)."""
    return divide(1, sqrt(x))


def reciprocal(x: TensorLike) -> Any:
    """1 / x, a float for integers too."""
    return divide(1, x)


def exp2(x: TensorLike) -> Any:
    """2 to the power of x."""
    return power(2.0, x)


@primitive(**FLOAT)
def log2(x: TensorLike) -> Any:
    """The logarithm of base 2; NaN below 0."""
    return np.log2(x)


@primitive(**FLOAT)
def log10(x: TensorLike) -> Any:
    """The logarithm of base 10; NaN below 0."""
    x = np.asarray(x)
    return np.log10(x, dtype=np.float64).astype(x.dtype)  # in float32 NumPy's log10(100) is not 2


log2.defvjp(lambda g, y, x: multiply(g / x, 1 / math.log(2)))
log10.defvjp(lambda g, y, x: multiply(g / x, 1 / math.log(10)))


@primitive(**BINARY_FLOAT)
def logaddexp(x1: TensorLike, x2: TensorLike) -> Any:
    """log(exp(x1) + exp(x2)), without overflow; where both are the same infinity the gradient is NaN."""
    return np.logaddexp(x1, x2)


logaddexp.defvjp(
    lambda g, y, x1, x2: unbroadcast(g * sigmoid(subtract(x1, x2)), x1),
    lambda g, y, x1, x2: unbroadcast(g * sigmoid(subtract(x2, x1)), x2),
)


def _logaddexp2(x1: Any, x2: Any) -> Any:
    unit = math.log(2)
    top = stop_gradient(maximum(x1, x2))  # taken out, so that it is not rounded; the result does not depend on it
    top = where(isfinite(top), top, 0)
    return multiply(logaddexp(multiply(x1 - top, unit), multiply(x2 - top, unit)), 1 / unit) + top


def logaddexp2(x1: TensorLike, x2: TensorLike) -> Any:
    """log2(2^x1 + 2^x2), without overflow; where both are the same infinity the gradient is NaN."""
    return widened(_logaddexp2, x1, x2)


def deg2rad(x: TensorLike) -> Any:
    """x degrees in radians: x · π / 180."""
    return widened(lambda x: multiply(x, math.pi / 180), x)


def rad2deg(x: TensorLike) -> Any:
    """x radians in degrees: x · 180 / π."""
    return widened(lambda x: multiply(x, 180 / math.pi), x)
