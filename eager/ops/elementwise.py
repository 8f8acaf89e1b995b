"""Elementwise operations, with NumPy broadcasting and Keras's promotion.

Arithmetic promotes its operands together; division, roots, exponentials and their like give float32 for integers.
Comparisons give bool. A gradient is one line per operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes, kernels
from ..errors import describe
from ..primitive import cast, primitive, promote_numbers, promote_to_float, promote_together
from ..tensor import AbstractTensor, TensorLike, dims, wrap
from . import rules
from .fused import fused
from .parts import conj
from .reductions import unbroadcast

FLOAT = {"shape": rules.same_as_input, "promote": promote_to_float}
ARITHMETIC = {"shape": rules.broadcast, "promote": promote_together}
INTEGRAL = {"shape": rules.broadcast, "promote": promote_numbers}
COMPARISON = {"shape": rules.compare, "promote": promote_together}


@primitive(shape=rules.same_as_input)
def identity(x: TensorLike) -> Any:
    """The same values as a tensor of its own."""
    return x


identity.defvjp(lambda g, y, x: g)


@primitive(shape=rules.same_as_input)
def stop_gradient(variable: TensorLike) -> Any:
    """The same values, through which no gradient flows."""
    return variable


stop_gradient.defvjp(None)


@primitive(**ARITHMETIC)
def add(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 + x2."""
    return np.add(x1, x2)


add.defvjp(lambda g, y, x1, x2: unbroadcast(g, x1), lambda g, y, x1, x2: unbroadcast(g, x2))


@primitive(**ARITHMETIC)
def subtract(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 - x2."""
    return np.subtract(x1, x2)


subtract.defvjp(lambda g, y, x1, x2: unbroadcast(g, x1), lambda g, y, x1, x2: unbroadcast(-g, x2))


@primitive(**ARITHMETIC)
def multiply(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 · x2, elementwise."""
    return np.multiply(x1, x2)


# Whether g is complex is asked in place: these rules are the busiest of all, and real gradients need no conjugates.
multiply.defvjp(
    lambda g, y, x1, x2: unbroadcast(g * x2 if g.dtype.kind != "c" else g * conj(x2), x1),
    lambda g, y, x1, x2: unbroadcast(g * x1 if g.dtype.kind != "c" else g * conj(x1), x2),
)


@primitive(shape=rules.broadcast, promote=promote_to_float)
def divide(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 / x2."""
    return np.divide(x1, x2)


divide.defvjp(
    lambda g, y, x1, x2: unbroadcast(g / x2 if g.dtype.kind != "c" else g / conj(x2), x1),
    lambda g, y, x1, x2: unbroadcast(-g * y / x2 if g.dtype.kind != "c" else -g * conj(y / x2), x2),
)


@primitive(**INTEGRAL)
def floor_divide(x1: TensorLike, x2: TensorLike) -> Any:
    """The largest integer at most x1 / x2; its gradient is zero and not recorded."""
    return np.floor_divide(x1, x2)


floor_divide.defvjp(None)


@primitive(**INTEGRAL)
def mod(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 - x2 · floor(x1 / x2): the remainder with the sign of x2."""
    return np.mod(x1, x2)


mod.defvjp(
    lambda g, y, x1, x2: unbroadcast(g, x1),
    lambda g, y, x1, x2: unbroadcast(-g * floor_divide(x1, x2), x2),
)


@primitive(**INTEGRAL)
def power(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 to the power of x2; NaN for a negative base with a fractional exponent."""
    return np.power(x1, x2)


def _power_base_vjp(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if isinstance(x2, (bool, int, float)):
        return g * (x2 * power(x1, x2 - 1)) if x2 else g * 0
    return unbroadcast(where(equal(x2, 0), 0, g * x2 * power(x1, where(equal(x2, 0), 1, x2 - 1))), x1)


def _power_exponent_vjp(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    positive = x1 > 0
    return unbroadcast(g * y * log(where(positive, x1, cast_like(1.0, x2))), x2)


power.defvjp(_power_base_vjp, _power_exponent_vjp)


@primitive(**ARITHMETIC)
def maximum(x1: TensorLike, x2: TensorLike) -> Any:
    """The larger of x1 and x2; equal ones share the gradient. NaN if one is."""
    return np.maximum(x1, x2)


@primitive(**ARITHMETIC)
def minimum(x1: TensorLike, x2: TensorLike) -> Any:
    """The smaller of x1 and x2; equal ones share the gradient. NaN if one is."""
    return np.minimum(x1, x2)


def _share(g: Any, y: Any, mine: Any, other: Any) -> Any:
    wins = cast_like(equal(mine, y), g)
    return unbroadcast(g * wins / (wins + cast_like(equal(other, y), g)), mine)


for _extremum in (maximum, minimum):
    _extremum.defvjp(lambda g, y, x1, x2: _share(g, y, x1, x2), lambda g, y, x1, x2: _share(g, y, x2, x1))


@primitive(shape=rules.same_as_input)
def negative(x: TensorLike) -> Any:
    """-x."""
    return np.negative(x)


negative.defvjp(lambda g, y, x: -g)


@primitive(shape=lambda x: AbstractTensor(x.dims, dtypes.real_part(x.dtype)))
def absolute(x: TensorLike) -> Any:
    """|x|; its gradient is 0 at 0."""
    return np.absolute(x)


def _sign_rule(x: Any) -> AbstractTensor:
    if x.dtype.kind == "c":
        raise TypeError("expected real numbers. Of complex ones, take x / ops.absolute(x)")
    return rules.same_as_input(x)


@primitive(shape=_sign_rule)
def sign(x: TensorLike) -> Any:
    """-1, 0 or 1."""
    y = np.sign(x)
    if y.dtype.kind == "c":
        raise TypeError("no sign")  # the shape rule says it better
    return y


def _absolute_back(g: Any, y: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return g * sign(x)
    return g * (x / where(equal(y, 0), 1, y))


absolute.defvjp(_absolute_back)
sign.defvjp(None)


@primitive(**FLOAT)
def exp(x: TensorLike) -> Any:
    """e to the power of x."""
    y = kernels.elementwise("exp", x)
    return np.exp(x) if y is None else y


exp.defvjp(lambda g, y, x: g * y if g.dtype.kind != "c" else g * conj(y))


@primitive(**FLOAT)
def expm1(x: TensorLike) -> Any:
    """exp(x) - 1, exact for small x."""
    return np.expm1(x)


expm1.defvjp(lambda g, y, x: g * exp(x))  # y + 1 would lose what is small


@primitive(**FLOAT)
def log(x: TensorLike) -> Any:
    """The natural logarithm; NaN below 0."""
    return np.log(x)


log.defvjp(lambda g, y, x: g / x)


@primitive(**FLOAT)
def log1p(x: TensorLike) -> Any:
    """log(1 + x), exact for small x."""
    return np.log1p(x)


log1p.defvjp(lambda g, y, x: g / (x + 1))


@primitive(**FLOAT)
def sqrt(x: TensorLike) -> Any:
    """The square root; NaN below 0."""
    return np.sqrt(x)


sqrt.defvjp(lambda g, y, x: g * 0.5 / y)


@primitive(shape=rules.same_as_input, promote=promote_numbers)
def square(x: TensorLike) -> Any:
    """x · x."""
    return np.square(x)


square.defvjp(lambda g, y, x: g * x * 2)


@primitive(**FLOAT)
def sin(x: TensorLike) -> Any:
    """The sine of x radians."""
    return np.sin(x)


@primitive(**FLOAT)
def cos(x: TensorLike) -> Any:
    """The cosine of x radians."""
    return np.cos(x)


sin.defvjp(lambda g, y, x: g * cos(x))
cos.defvjp(lambda g, y, x: -g * sin(x))


@primitive(**FLOAT)
def tanh(x: TensorLike) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


@fused()
def _tanh_gradient(g: Any, y: Any) -> Any:
    return g * (1 - y * y)


tanh.defvjp(lambda g, y, x: _tanh_gradient(g, y))


def _sigmoid_rule(x: Any) -> AbstractTensor:
    if x.dtype.kind == "c":
        raise TypeError("expected real numbers. Of complex ones, take 1 / (1 + ops.exp(-x))")
    return rules.same_as_input(x)


@primitive(shape=_sigmoid_rule, promote=promote_to_float)
def sigmoid(x: TensorLike) -> Any:
    """1 / (1 + exp(-x)), exact in both tails."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError("absolute values")  # the shape rule says it better
    y = kernels.elementwise("sigmoid", x)
    if y is not None:
        return y
    decay = np.exp(-np.absolute(x))
    return np.where(x >= 0, 1, decay) / (1 + decay)


@fused()
def _sigmoid_gradient(g: Any, y: Any) -> Any:
    return g * (y * (1 - y))


sigmoid.defvjp(lambda g, y, x: _sigmoid_gradient(g, y))


@primitive(shape=rules.same_as_input)
def relu(x: TensorLike) -> Any:
    """max(x, 0); its gradient is 0 at 0."""
    y = kernels.elementwise("relu", x)
    return np.maximum(x, False) if y is None else y  # False is the zero that every dtype has


@fused()
def _relu_gradient(g: Any, y: Any) -> Any:
    return g * (y > 0)


relu.defvjp(lambda g, y, x: _relu_gradient(g, y))


def _refuse_slope(value: Any) -> None:
    rules.refuse_tensor("negative_slope", value, "ops.where(x > 0, x, slope * x)")


def _leaky_relu_rule(x: Any, negative_slope: float = 0.2) -> AbstractTensor:
    _refuse_slope(negative_slope)
    return rules.same_as_input(x)


@primitive(shape=_leaky_relu_rule, promote=promote_to_float)
def leaky_relu(x: TensorLike, negative_slope: float = 0.2) -> Any:
    """x if x > 0, else negative_slope · x. The slope is a number, no tensor."""
    _refuse_slope(negative_slope)
    x = np.asarray(x)
    return np.where(x > 0, x, x * x.dtype.type(negative_slope))


def _leaky_relu_back(g: Any, y: Any, x: Any, negative_slope: float = 0.2) -> Any:
    return multiply(g, select(greater(x, 0), cast_like(1.0, x), cast_like(negative_slope, x)))


leaky_relu.defvjp(_leaky_relu_back)


@primitive(**FLOAT)
def floor(x: TensorLike) -> Any:
    """The largest integer at most x."""
    return np.floor(x)


@primitive(**FLOAT)
def ceil(x: TensorLike) -> Any:
    """The smallest integer at least x."""
    return np.ceil(x)


@primitive(**FLOAT)
def rint(x: TensorLike) -> Any:
    """The nearest integer, the even one of two."""
    return np.rint(x)


@primitive(**COMPARISON)
def equal(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 == x2, elementwise."""
    return np.equal(x1, x2)


@primitive(**COMPARISON)
def not_equal(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 != x2, elementwise."""
    return np.not_equal(x1, x2)


@primitive(**COMPARISON)
def less(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 < x2, elementwise."""
    return np.less(x1, x2)


@primitive(**COMPARISON)
def less_equal(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 <= x2, elementwise."""
    return np.less_equal(x1, x2)


@primitive(**COMPARISON)
def greater(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 > x2, elementwise."""
    return np.greater(x1, x2)


@primitive(**COMPARISON)
def greater_equal(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 >= x2, elementwise."""
    return np.greater_equal(x1, x2)


@primitive(shape=rules.compare)
def logical_and(x1: TensorLike, x2: TensorLike) -> Any:
    """Whether both are true (not zero)."""
    return np.logical_and(x1, x2)


@primitive(shape=rules.compare)
def logical_or(x1: TensorLike, x2: TensorLike) -> Any:
    """Whether one is true (not zero)."""
    return np.logical_or(x1, x2)


@primitive(shape=rules.compare)
def logical_xor(x1: TensorLike, x2: TensorLike) -> Any:
    """Whether exactly one is true (not zero)."""
    return np.logical_xor(x1, x2)


@primitive(shape=rules.compare)
def logical_not(x: TensorLike) -> Any:
    """Whether x is false (zero)."""
    return np.logical_not(x)


@primitive(shape=rules.compare)
def isnan(x: TensorLike) -> Any:
    """Whether x is NaN."""
    return np.isnan(x)


@primitive(shape=rules.compare)
def isinf(x: TensorLike) -> Any:
    """Whether x is infinite."""
    return np.isinf(x)


@primitive(shape=rules.compare)
def isfinite(x: TensorLike) -> Any:
    """Whether x is neither NaN nor infinite."""
    return np.isfinite(x)


for _step in (floor, ceil, rint, equal, not_equal, less, less_equal, greater, greater_equal, isnan, isinf, isfinite):
    _step.defvjp(None)
for _truth in (logical_and, logical_or, logical_xor, logical_not):
    _truth.defvjp(None)


def _select_rule(condition: Any, x1: Any, x2: Any) -> AbstractTensor:
    return AbstractTensor(rules.compare(condition, x1, x2).dims, x1.dtype)


@primitive(shape=_select_rule)
def select(condition: TensorLike, x1: TensorLike, x2: TensorLike) -> Any:
    """x1 where the condition is true, else x2; the branches have one dtype."""
    return np.where(np.asarray(condition) != 0, x1, x2)


select.defvjp(
    None,
    lambda g, y, condition, x1, x2: unbroadcast(select(condition, g, zeros_as(g)), x1),
    lambda g, y, condition, x1, x2: unbroadcast(select(condition, zeros_as(g), g), x2),
)


def where(condition: TensorLike, x1: TensorLike | None = None, x2: TensorLike | None = None) -> Any:
    """x1 where the condition is true (not zero), else x2, with broadcasting and promotion.

    Without x1 and x2, the indices of the true elements: a tensor of int32 for each axis.

    Raises:
      ValueError: if one of x1 and x2 is missing, or both are and the condition has no axis.
      TraceError: if both are missing and the condition has no values.
    """
    if x1 is None and x2 is None:
        return _places(condition)
    if x1 is None or x2 is None:
        missing, given = ("x1", x2) if x1 is None else ("x2", x1)
        raise ValueError(f"where: expected both x1 and x2 or neither, got {describe(given)} and no {missing}.")
    target = dtypes.result_type(x1, x2)
    return select(condition, cast_like(x1, target), cast_like(x2, target))


def _places(condition: Any) -> tuple[Any, ...]:
    if not dims(condition):
        raise ValueError(f"where: expected a condition with at least one axis, got {describe(condition)}.")
    return tuple(wrap(places.astype(dtypes.INTX)) for places in np.nonzero(np.asarray(condition)))


def zeros_as(x: Any) -> Any:
    """A zero of the dtype of x, to broadcast with it."""
    return np.zeros((), x.dtype)


def cast_like(x: Any, like: Any) -> Any:
    """x in the dtype that `like` is or has; Python numbers become arrays."""
    target = like if isinstance(like, np.dtype) else like.dtype
    if isinstance(x, (bool, int, float)):
        return np.asarray(x, target)
    return x if x.dtype == target else cast(x, dtype=target)


def clip(x: TensorLike, x_min: TensorLike, x_max: TensorLike) -> Any:
    """min(max(x, x_min), x_max). Where x equals a bound, the two share the gradient: half of it is each one's."""
    return minimum(maximum(x, x_min), x_max)


def divide_no_nan(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    if isinstance(x2, (bool, int, float)):  # it stays a weak number
        return where(np.asarray(x2 != 0), divide(x1, x2 or 1), 0)
    zero = equal(x2, 0)
    return where(zero, 0, divide(x1, where(zero, 1, x2)))


def softplus(x: TensorLike) -> Any:
    """log(1 + exp(x)), without overflow."""
    return log1p(exp(-absolute(x))) + maximum(x, 0)


def log_sigmoid(x: TensorLike) -> Any:
    """log(sigmoid(x)), without overflow."""
    return -softplus(-x)


def round_to(x: TensorLike, decimals: int = 0) -> Any:
    """x rounded to decimals; halves go to the even neighbor. Integers stay integers."""
    dtype = x.dtype
    rounded = rint(x) if not decimals else rint(multiply(x, 10.0**decimals)) / 10.0**decimals
    return rounded if rounded.dtype == dtype else cast(rounded, dtype=dtype)
