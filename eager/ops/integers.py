"""Operations on integers: bits, shifts, divisors. None has a gradient.

Operands promote together; Python integers are weak, so one that the tensor's dtype cannot hold is an OverflowError. On
truth values the bitwise operations are the logical ones, and the others take them for 0 and 1 in int32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import describe
from ..primitive import primitive, promote_numbers, promote_together
from ..tensor import AbstractTensor, TensorLike
from . import rules
from .elementwise import absolute, cast_like, equal, floor_divide, multiply, where


def _integers(*operands: Any) -> AbstractTensor:
    result = rules.broadcast(*operands)
    if result.dtype.kind not in "biu":
        raise TypeError(f"expected integers or truth values. {_WAY_OUT}")
    return result


_WAY_OUT = "Use ops.logical_and, … for the truth of floats, ops.cast for their whole part"
BITWISE = {"shape": _integers, "promote": promote_together}
COUNTING = {"shape": _integers, "promote": promote_numbers}


@primitive(**BITWISE)
def bitwise_and(x: TensorLike, y: TensorLike) -> Any:
    """The bits that both x and y have."""
    return np.bitwise_and(x, y)


@primitive(**BITWISE)
def bitwise_or(x: TensorLike, y: TensorLike) -> Any:
    """The bits that x or y has."""
    return np.bitwise_or(x, y)


@primitive(**BITWISE)
def bitwise_xor(x: TensorLike, y: TensorLike) -> Any:
    """The bits that exactly one of x and y has."""
    return np.bitwise_xor(x, y)


@primitive(**COUNTING)
def left_shift(x: TensorLike, y: TensorLike) -> Any:
    """x · 2^y without the bits that overflow: 0 if y is negative or no less than the number of bits."""
    return np.left_shift(x, y)


@primitive(**COUNTING)
def right_shift(x: TensorLike, y: TensorLike) -> Any:
    """floor(x / 2^y): only the sign, 0 or -1, is left if y is negative or no less than the number of bits."""
    return np.right_shift(x, y)


@primitive(**COUNTING)
def gcd(x1: TensorLike, x2: TensorLike) -> Any:
    """The greatest common divisor, not negative; 0 if both are 0."""
    return np.gcd(x1, x2)


for _integral in (bitwise_and, bitwise_or, bitwise_xor, left_shift, right_shift, gcd):
    _integral.defvjp(None)


def _refuse_floats(name: str, *operands: Any) -> None:
    """Raises TypeError where the primitive underneath would do so under its own name."""
    if dtypes.result_type(*operands).kind not in "biu":
        raise TypeError(
            f"{name}: expected integers or truth values, got {', '.join(map(describe, operands))}. {_WAY_OUT}."
        )


def bitwise_invert(x: TensorLike) -> Any:
    """Every bit of x flipped: -1 - x for signed integers, the greatest integer less x for unsigned ones."""
    _refuse_floats("bitwise_invert", x)
    return bitwise_xor(x, np.invert(np.zeros((), x.dtype)))  # type: ignore[union-attr]


def lcm(x1: TensorLike, x2: TensorLike) -> Any:
    """The least common multiple: |x1| / gcd(x1, x2) · |x2|, and 0 if one is 0."""
    _refuse_floats("lcm", x1, x2)
    target = dtypes.result_type(x1, x2)
    x1, x2 = absolute(cast_like(x1, target)), absolute(cast_like(x2, target))
    divisor = gcd(x1, x2)
    return multiply(floor_divide(x1, where(equal(divisor, 0), 1, divisor)), x2)
