"""The kernels of single functions: exp, sigmoid, erf, relu.

tanh has none: NumPy's own on one thread was faster than a kernel on two.
"""

from __future__ import annotations

from .expressions import Vector, elementwise, select
from .expressions import erf as _erf
from .expressions import exp as _exp
from .expressions import sigmoid as _sigmoid


@elementwise
def exp(x: Vector) -> Vector:
    """e to the power of x, within 1 ulp."""
    return _exp(x)


@elementwise
def sigmoid(x: Vector) -> Vector:
    """1 / (1 + exp(-x)), within 3 ulps in both tails."""
    return _sigmoid(x)


@elementwise
def erf(x: Vector) -> Vector:
    """2/√π times the integral of exp(-t²) from 0 to x, within 3 ulps."""
    return _erf(x)


@elementwise
def relu(x: Vector) -> Vector:
    """max(x, 0); NaN stays NaN."""
    return select(x < 0.0, 0.0, x + 0.0)  # the sum makes 0 of -0
