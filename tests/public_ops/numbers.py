"""How to call what integers and floating-point numbers have of their own, and what makes tensors without values."""

import numpy as np

from domains.values import below, nonzero, real
from eagerly import dtypes, ops
from public_ops.rows import Row, one, two, unary


def integers(name, *rows, reference=None):
    return [Row(two, getattr(ops, name), reference or getattr(np, name), (below(60), below(7))), *rows]


def steps(rng, shape, dtype):
    """-1, 0 and 1."""
    return np.asarray(rng.integers(-1, 2, shape), dtypes.dtype(dtype))


def strange(rng, shape, dtype):
    """NaN, infinities and numbers."""
    return np.asarray(rng.choice([np.nan, np.inf, -np.inf, 1.5, -0.0], shape), dtypes.dtype(dtype))


def holes(rng, shape, dtype):
    """NaN and numbers."""
    return np.asarray(rng.choice([np.nan, 1.5, -2.0], shape), dtypes.dtype(dtype))


def counts(rng, shape, dtype):
    """Small integers >= 0."""
    return np.asarray(rng.integers(0, 7, shape), np.int32)


def shift(name):
    return [
        Row(two, getattr(ops, name), getattr(np, name), (below(60), counts)),
        Row(one, lambda x: getattr(ops, name)(x, 3), lambda x: getattr(np, name)(x, 3), (below(60),)),
    ]


def two_of(name, *values):
    return [Row(two, getattr(ops, name), getattr(np, name), values)]


ROWS: dict[str, list[Row]] = {
    "bitwise_and": integers("bitwise_and", Row(one, lambda x: ops.bitwise_and(x, 12), lambda x: x & 12, (below(60),))),
    "bitwise_or": integers("bitwise_or"),
    "bitwise_xor": integers("bitwise_xor"),
    "bitwise_invert": [unary("bitwise_invert", values=(below(60),))],
    "left_shift": shift("left_shift"),
    "right_shift": shift("right_shift"),
    "gcd": integers("gcd"),
    "lcm": integers("lcm", Row(one, lambda x: ops.lcm(4, x), lambda x: np.lcm(4, x), (below(60),))),
    **{
        name: [unary(name), unary(name, values=(strange,)), unary(name, values=(below(3),))]
        for name in ("isposinf", "isneginf", "fabs", "trunc")
    },
    "signbit": [unary("signbit"), unary("signbit", values=(strange,)), unary("signbit", values=(below(3),))],
    **{name: [*two_of(name, real), *two_of(name, strange)] for name in ("fmax", "fmin")},
    "fmod": [*two_of("fmod", real, nonzero), *two_of("fmod", below(60), nonzero)],
    "heaviside": two_of("heaviside", steps, real),
    "nextafter": two_of("nextafter", real),
    "ldexp": [
        *two_of("ldexp", real, below(7)),
        Row(one, lambda x: ops.ldexp(x, -3), lambda x: np.ldexp(x, -3)),
    ],
    "isclose": [
        *two_of("isclose", real),
        *two_of("isclose", strange),
        Row(two, lambda x, y: ops.isclose(x, y, 0.3, 0.2), lambda x, y: np.isclose(x, y, 0.3, 0.2)),
        Row(
            two,
            lambda x, y: ops.isclose(x, y, equal_nan=True),
            lambda x, y: np.isclose(x, y, equal_nan=True),
            (strange,),
        ),
    ],
    "allclose": [
        Row(two, ops.allclose, lambda x, y: np.asarray(np.allclose(x, y))),
        Row(two, lambda x, y: ops.allclose(x, y, atol=9), lambda x, y: np.asarray(np.allclose(x, y, atol=9))),
    ],
    "nan_to_num": [
        unary("nan_to_num", values=(holes,)),
        unary("nan_to_num", values=(below(3),)),
        Row(
            one,
            lambda x: ops.nan_to_num(x, 7.0, posinf=8.0, neginf=9.0),
            lambda x: np.nan_to_num(x, nan=7.0, posinf=8.0, neginf=9.0),
            (strange,),
        ),
    ],
    "saturate_cast": [
        Row(one, lambda x: ops.saturate_cast(ops.multiply(x, 300), "uint8"), lambda x: np.clip(x * 300, 0, 255) // 1),
        Row(one, lambda x: ops.saturate_cast(x, "uint8"), lambda x: np.clip(x, 0, 255), (below(400),)),
        Row(one, lambda x: ops.saturate_cast(x, "float64"), lambda x: x),
        Row(one, lambda x: ops.saturate_cast(x, "bool"), lambda x: x > 0),
    ],
    "copy": [unary("copy")],
    "empty": [Row(lambda n, m: [], lambda: ops.empty((2, 3), "int32"), lambda: np.zeros((2, 3)))],
    "empty_like": [
        Row(one, ops.empty_like, np.zeros_like),
        Row(one, lambda x: ops.empty_like(x, "int32"), np.zeros_like),
    ],
    "size": [Row(one, ops.size, lambda x: np.asarray(x.size))],
}
ALIASES = {
    "bitwise_not": "bitwise_invert",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}
OTHERS = {"dtype", "is_tensor", "convert_to_numpy"}
