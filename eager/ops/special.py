"""The error function and its kin, Bessel's I0, the cardinal sine.

The primitives compute in float64 whatever the operand's dtype, and round once: a few units in the last place of
float64, one of the shorter dtypes. Integers give float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..primitive import primitive, promote_to_float
from ..tensor import TensorLike
from . import rules
from .elementwise import divide, equal, exp, less, multiply, sin, square, where
from .transcendental import widened

Array = np.ndarray[Any, Any]
Coefficients = tuple[tuple[float, ...], tuple[float, ...]]

# Cody 1969, "Rational Chebyshev approximations for the error function", tables II and III at full precision:
# numerator and denominator, highest power first, of erf(x) / x in x² up to 0.46875, of erfc(x) · exp(x²) up to 4, and
# of (1/√π - x · erfc(x) · exp(x²)) · x² in 1/x² above.
_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_NEAR_END = 0.46875
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_MIDDLE_END = 4.0
_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346047, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip
_FAR_END = 30.0  # erfc is 0 in float64 from 27.3 on

# Wichura 1988, algorithm AS 241 (PPND16): center, near tail and far tail of the normal quantile, highest power first.
QUANTILE_CENTER = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080),
    (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
     5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0),
)  # fmt: skip
QUANTILE_TAIL = (
    (7.74545014278341407640e-4, 0.0227238449892691845833, 0.241780725177450611770, 1.27045825245236838258,
     3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 0.0151986665636164571966, 0.148103976427480074590,
     0.689767334985100004550, 1.67638483018380384940, 2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule, highest power first."""
    y = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        y *= x
        y += c
    return y


def _ratio(coefficients: Coefficients, x: Array) -> Array:
    y = _polynomial(coefficients[0], x)
    y /= _polynomial(coefficients[1], x)
    return y


REAL = {"shape": rules.same_as_real_input, "promote": promote_to_float}
_BLOCK = 8192  # elements: what one block's intermediate results take fits the cache


def _in_blocks(function: Callable[[Array], Array], x: Any) -> Array:
    """function(x) for a function of flat float64 arrays, rounded to the dtype of x."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError("complex numbers")  # the shape rule says the rest
    flat = x.reshape(-1)
    y = np.empty_like(flat)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        y[part] = function(flat[part].astype(np.float64))
    return y.reshape(x.shape)


def _erfc_tail(x: Array) -> Array:
    """erfc(x) for x in [0.46875, 30]."""
    y = _ratio(_MIDDLE, np.minimum(x, _MIDDLE_END))
    far = np.flatnonzero(x > _MIDDLE_END)
    z = x[far]
    w = 1 / (z * z)
    y[far] = (1 / math.sqrt(math.pi) - w * _ratio(_FAR, w)) / z
    coarse = np.trunc(x * 16) / 16  # its square is exact, so that exp(-x²) suffers no error of rounding x² (Cody 1990)
    return y * np.exp(-coarse * coarse) * np.exp((coarse - x) * (coarse + x))


def _erf(x: Array) -> Array:
    a = np.minimum(np.absolute(x), _FAR_END)
    center = x * _ratio(_NEAR, np.minimum(a, _NEAR_END) ** 2)
    return np.where(a <= _NEAR_END, center, np.copysign(1 - _erfc_tail(a), x))


def _erfc(x: Array) -> Array:
    a = np.minimum(np.absolute(x), _FAR_END)
    center = x * _ratio(_NEAR, np.minimum(a, _NEAR_END) ** 2)
    tail = _erfc_tail(a)
    return np.where(a <= _NEAR_END, 1 - center, np.where(x < 0, 2 - tail, tail))


@primitive(**REAL)
def erf(x: TensorLike) -> Any:
    """2/√π times the integral of exp(-t²) from 0 to x."""
    y = kernels.elementwise("erf", x)
    return _in_blocks(_erf, x) if y is None else y


@primitive(**REAL)
def erfc(x: TensorLike) -> Any:
    """1 - erf(x), exact where erf(x) is nearly 1."""
    return _in_blocks(_erfc, x)


def _bell(x: Any) -> Any:
    """erf's derivative."""
    return multiply(exp(-square(x)), 2 / math.sqrt(math.pi))


erf.defvjp(lambda g, y, x: g * _bell(x))
erfc.defvjp(lambda g, y, x: -g * _bell(x))


def _erfinv(x: Array) -> Array:
    """The normal quantile of (1 + x) / 2, divided by √2."""
    half = x / 2
    y = half * _ratio(QUANTILE_CENTER, 0.180625 - half * half)
    outer = np.flatnonzero(~(np.absolute(x) <= 0.85))
    a = np.absolute(x[outer])
    r = np.sqrt(-np.log((1 - a) / 2))
    tail = np.where(r <= 5, _ratio(QUANTILE_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5))
    y[outer] = np.copysign(np.where(a == 1, np.inf, tail), x[outer])
    return y / math.sqrt(2)


@primitive(**REAL)
def erfinv(x: TensorLike) -> Any:
    """The y with erf(y) = x: ±infinity at ±1, NaN beyond."""
    return _in_blocks(_erfinv, x)


erfinv.defvjp(lambda g, y, x: multiply(g * exp(square(y)), math.sqrt(math.pi) / 2))

_SERIES_END = 20.0


def _series_of_bessel(order: int) -> tuple[float, ...]:
    """Coefficients of In(x) / (x/2)^n in x²/4, highest power first (Abramowitz & Stegun 1964, 9.6.10)."""
    return tuple(1 / (math.factorial(k) * math.factorial(k + order)) for k in reversed(range(45)))


def _asymptote_of_bessel(order: int) -> tuple[float, ...]:
    """Coefficients of In(x) · exp(-x) · √(2πx) in 1/x, highest power first (Abramowitz & Stegun 1964, 9.7.1)."""
    terms = [1.0]
    for k in range(1, 25):
        terms.append(terms[-1] * ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k))
    return tuple(reversed(terms))


_SERIES = tuple(map(_series_of_bessel, (0, 1)))
_ASYMPTOTE = tuple(map(_asymptote_of_bessel, (0, 1)))


def _bessel(x: Array, order: int) -> Array:
    a = np.minimum(np.absolute(x), 1500.0)  # infinite from 714 on
    half = np.minimum(a, _SERIES_END) / 2
    y = _polynomial(_SERIES[order], half * half)
    if order:
        y *= half
    far = np.flatnonzero(a > _SERIES_END)
    a = a[far]
    root = np.exp(a / 2)  # exp(a) would overflow before the result does
    y[far] = root * (root * _polynomial(_ASYMPTOTE[order], 1 / a) / np.sqrt(2 * math.pi * a))
    return np.copysign(y, x) if order else y


@primitive(**REAL)
def bessel_i(x: TensorLike, order: int) -> Any:
    """The modified Bessel function of the first kind, of order 0 or 1."""
    return _in_blocks(lambda block: _bessel(block, order), x)


def _bessel_slope(y: Any, x: Any, order: int) -> Any:
    """The derivative: I1 of I0; I0 - I1 / x of I1, which is 1/2 at 0."""
    if not order:
        return bessel_i(x, order=1)
    at_zero = equal(x, 0)
    return bessel_i(x, order=0) - where(at_zero, 0.5, divide(y, where(at_zero, 1, x)))


bessel_i.defvjp(lambda g, y, x, order: g * _bessel_slope(y, x, order))


def i0(x: TensorLike) -> Any:
    """The modified Bessel function of the first kind of order 0: the mean of exp(x · cos t) over the circle."""
    return bessel_i(x, order=0)


# Taylor's series of sin(x) / x in x²; up to 1/4 its rest is below float64's resolution.
_SINC = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in reversed(range(8)))


def _sinc(x: Any) -> Any:
    x = multiply(x, math.pi)
    squared = square(x)
    near = less(squared, 1 / 16)
    z = where(near, squared, 0)
    series = multiply(z, _SINC[0])
    for c in _SINC[1:-1]:
        series = (series + c) * z
    far = where(near, 1, x)
    return where(near, series + 1, divide(sin(far), far))


def sinc(x: TensorLike) -> Any:
    """sin(πx) / (πx), and 1 at 0, where gradients are exact too: the quotient's would be differences of roundings."""
    return widened(_sinc, x)
