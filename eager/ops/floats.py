"""What floating-point numbers alone have: NaN, infinities, neighbors, exponents, signed zeros, limits; and remainders.

Each takes integers too. NaN stays NaN, but where a function is there to replace it (`fmax`, `fmin`, `nan_to_num`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import describe
from ..primitive import cast, primitive, promote_to_float
from ..tensor import AbstractTensor, TensorLike
from . import reductions, rules
from .elementwise import (
    INTEGRAL,
    absolute,
    add,
    cast_like,
    ceil,
    clip,
    divide,
    equal,
    floor,
    greater,
    greater_equal,
    identity,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    multiply,
    rint,
    sign,
    subtract,
    where,
)
from .reductions import unbroadcast

INFINITY = float("inf")


def largest(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The largest finite number of a floating-point dtype; NumPy's finfo does not know bfloat16."""
    return np.nextafter(np.asarray(INFINITY, dtype), np.zeros((), dtype))


def isposinf(x: TensorLike) -> Any:
    """Whether x is +infinity."""
    return equal(x, INFINITY)


def isneginf(x: TensorLike) -> Any:
    """Whether x is -infinity."""
    return equal(x, -INFINITY)


def signbit(x: TensorLike) -> Any:
    """Whether x is negative, -0.0 included; false for NaN."""
    negative = less(x, 0)
    return logical_or(negative, less(divide(1, x), 0)) if dtypes.is_float(x) else negative


def fabs(x: TensorLike) -> Any:
    """|x| as a float; its gradient is 0 at 0."""
    target = promote_to_float(x)
    return absolute(x if target is None else cast(x, dtype=target))


def trunc(x: TensorLike) -> Any:
    """The whole part of x, towards 0; integers stay as they are."""
    return where(less(x, 0), ceil(x), floor(x)) if dtypes.is_float(x) else identity(x)


def fmax(x1: TensorLike, x2: TensorLike) -> Any:
    """The larger of x1 and x2, the number if the other is NaN; equal ones give the whole gradient to x1."""
    return where(logical_or(greater_equal(x1, x2), isnan(x2)), x1, x2)


def fmin(x1: TensorLike, x2: TensorLike) -> Any:
    """The smaller of x1 and x2, the number if the other is NaN; equal ones give the whole gradient to x1."""
    return where(logical_or(less_equal(x1, x2), isnan(x2)), x1, x2)


@primitive(**INTEGRAL)
def fmod(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 - x2 · trunc(x1 / x2): the remainder with the sign of x1. By zero: 0 for integers, NaN for floats."""
    return np.fmod(x1, x2)


fmod.defvjp(
    lambda g, y, x1, x2: unbroadcast(g, x1),
    lambda g, y, x1, x2: unbroadcast(-g * rint(divide(subtract(x1, y), x2)), x2),
)


def heaviside(x1: TensorLike, x2: TensorLike) -> Any:
    """0 if x1 < 0, x2 if x1 = 0, 1 if x1 > 0; NaN if x1 is (PyTorch has 0). Only x2 has a gradient."""
    target = dtypes.result_type(x1, x2, float)
    x1 = cast_like(x1, target)
    return where(equal(x1, 0), x2, divide(add(sign(x1), 1), 2))


@primitive(shape=rules.broadcast, promote=promote_to_float)
def nextafter(x1: TensorLike, x2: TensorLike) -> Any:
    """The next number of the dtype after x1 towards x2. It has no gradient."""
    return np.nextafter(x1, x2)


nextafter.defvjp(None)


def _ldexp_rule(x1: Any, x2: Any) -> AbstractTensor:
    exponent = x2.dtype.kind if isinstance(x2, AbstractTensor) else np.asarray(x2).dtype.kind
    if exponent not in "iu":
        raise TypeError("expected integers as exponents x2")
    return AbstractTensor(rules.compare(x1, x2).dims, dtypes.result_type(x1, float))


@primitive(shape=_ldexp_rule)
def ldexp(x1: TensorLike, x2: TensorLike) -> Any:
    """x1 · 2^x2 for integers x2, exact unless it overflows or is subnormal. x2 has no gradient."""
    exponent = np.asarray(x2)
    if exponent.dtype.kind not in "iu":
        raise TypeError(f"got the exponents {describe(exponent)}")
    target = dtypes.result_type(x1, float)
    if exponent.dtype == np.uint64:  # NumPy has no such loop; beyond 2¹⁵ all is overflow
        exponent = np.minimum(exponent, 1 << 15).astype(np.int64)
    return np.ldexp(np.asarray(x1, target), exponent).astype(target, copy=False)


ldexp.defvjp(lambda g, y, x1, x2: unbroadcast(ldexp(g, x2), x1), None)


def isclose(x1: TensorLike, x2: TensorLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |x1 - x2| <= atol + rtol · |x2|; integers, truth values and infinities have to be equal.

    Args:
      x1: the first tensor.
      x2: the second one, which the tolerance is relative to.
      rtol: relative tolerance.
      atol: absolute tolerance.
      equal_nan: whether NaN is close to NaN.

    Example:
      >>> isclose(np.float32([1.0, 1.0, np.inf]), np.float32([1.000001, 1.1, np.inf])).tolist()
      [True, False, True]
    """
    close = equal(x1, x2)
    target = dtypes.result_type(x1, x2)
    if not dtypes.is_float(target):
        return close
    x1, x2 = cast_like(x1, target), cast_like(x2, target)
    tolerance = add(multiply(absolute(x2), rtol), atol)
    near = logical_and(less_equal(absolute(subtract(x1, x2)), tolerance), isfinite(x2))
    close = logical_or(close, near)
    return logical_or(close, logical_and(isnan(x1), isnan(x2))) if equal_nan else close


def allclose(x1: TensorLike, x2: TensorLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether `isclose` holds for every element."""
    return reductions.all(isclose(x1, x2, rtol, atol, equal_nan))


def nan_to_num(x: TensorLike, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with finite numbers for NaN and infinities, which get no gradient; integers stay as they are.

    Args:
      x: the input.
      nan: what stands for NaN.
      posinf: what stands for +infinity; None for the largest number of the dtype.
      neginf: what stands for -infinity; None for the smallest number of the dtype.

    Example:
      >>> nan_to_num(np.float32([np.nan, 1.0, np.inf]), posinf=9.0).tolist()
      [0.0, 1.0, 9.0]
    """
    if not dtypes.is_float(x):
        return identity(x)
    dtype = x.dtype  # type: ignore[union-attr]
    x = where(isnan(x), cast_like(nan, dtype), x)
    x = where(isposinf(x), largest(dtype) if posinf is None else cast_like(posinf, dtype), x)
    return where(isneginf(x), -largest(dtype) if neginf is None else cast_like(neginf, dtype), x)


def saturate_cast(x: TensorLike, dtype: Any) -> Any:
    """x in another dtype, cut off at the limits of its own dtype and the other; NaN among integers becomes 0.

    Args:
      x: the input.
      dtype: the dtype of the result.

    Example:
      >>> saturate_cast(np.float32([-1.0, 2.5, 1e9]), "uint8").tolist()
      [0, 2, 255]
    """
    target = dtypes.dtype(dtype)
    source: np.dtype[Any] = x.dtype  # type: ignore[union-attr]
    if source.kind == "b":
        return cast(x, dtype=target)
    if dtypes.is_float(target):
        limit = largest(target)
        if dtypes.is_float(source) and float(largest(source)) < float(limit):
            limit = largest(source).astype(target)
        y = cast(x, dtype=target)
        y = where(greater(y, limit), limit, y)
        return where(less(y, -limit), -limit, y)
    low, high = _range(target)
    lowest, highest = _range(source)
    low, high = max(low, lowest), min(high, highest)
    if target.kind == "b" or not dtypes.is_float(source):
        return cast(clip(x, low, high), dtype=target)
    over, under = greater_equal(x, float(high)), less_equal(x, float(low))  # the float may be 2ⁿ for the limit 2ⁿ - 1
    within = logical_and(logical_not(logical_or(over, under)), equal(x, x))
    whole = cast(where(within, x, 0), dtype=target)
    return where(over, np.asarray(high, target), where(under, np.asarray(low, target), whole))


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The least and the greatest finite number of a dtype; 0 and 1 of bool."""
    if dtype.kind == "b":
        return 0, 1
    if dtypes.is_float(dtype):
        limit = int(float(largest(dtype)))
        return -limit, limit
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
