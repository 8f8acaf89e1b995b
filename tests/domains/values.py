"""What the rows of primitives are made of: ways to draw inputs, the row itself, and cases that families share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eagerly import dtypes

FLOATS = ("float32", "float64", "float16", "bfloat16")
NUMBERS = (*FLOATS, "int32", "int64", "uint8")
ALL = (*NUMBERS, "bool")


def real(rng, shape, dtype):
    """Values on both sides of 0, away from integers and their halves if they are floats."""
    if dtypes.is_float(dtype):
        whole = rng.integers(-2, 2, shape) + rng.uniform(0.1, 0.4, shape) + 0.5 * rng.integers(0, 2, shape)
        return np.asarray(whole, dtypes.dtype(dtype))
    return np.asarray(rng.integers(0 if dtype in ("uint8", "bool") else -3, 2 if dtype == "bool" else 4, shape), dtype)


def positive(rng, shape, dtype):
    """Values well above 0."""
    values = rng.uniform(0.5, 2.5, shape) if dtypes.is_float(dtype) else rng.integers(1, 4, shape)
    return np.asarray(values, dtypes.dtype(dtype))


def nonzero(rng, shape, dtype):
    """Values away from 0, of both signs if there are signs."""
    values = positive(rng, shape, dtype)
    return values if dtype in ("uint8", "bool") else np.asarray(values * rng.choice([-1, 1], shape), values.dtype)


def distinct(rng, shape, dtype):
    """Values with a gap between any two, as far as the dtype has them."""
    size = int(np.prod(shape))
    return np.asarray((rng.permutation(size) * 0.3).reshape(shape), dtypes.dtype(dtype))


def truth(rng, shape, dtype):
    """True and False, whatever dtype the other operands have."""
    return np.asarray(rng.integers(0, 2, shape), bool)


def below(limit):
    """Integers that index an axis of the given size, negative ones too."""
    return lambda rng, shape, dtype: np.asarray(rng.integers(-limit, limit, shape), np.int32)


def state(rng, shape, dtype):
    """Key and counter of a random stream."""
    return np.array([2**40 + 3, 7], np.uint64)


@dataclass(frozen=True)
class Domain:
    """One primitive's row.

    cases: functions from two sizes to the shapes of the inputs and the params.
    values: how the inputs are drawn; the last entry serves all further ones.
    dtypes: the input dtypes to try.
    empty: whether n may be 0.
    sized: whether the shapes are known without the values; if not, an unknown size may stand for any.
    """

    cases: tuple[Callable[[Any, Any], tuple[list[Any], dict[str, Any]]], ...]
    values: tuple[Callable[..., Any], ...] = (real,)
    dtypes: tuple[str, ...] = ALL
    empty: bool = True
    sized: bool = True

    def draw(self, rng, case, n, m, dtype):
        """Inputs and params of a case."""
        shapes, params = case(n, m)
        last = len(self.values) - 1
        return [self.values[min(i, last)](rng, shape, dtype) for i, shape in enumerate(shapes)], params


UNARY = tuple(
    lambda n, m, shape=shape: ([shape(n, m)], {})
    for shape in (lambda n, m: (), lambda n, m: (n,), lambda n, m: (n, m), lambda n, m: (n, 1, m, 2))
)
BINARY = (
    lambda n, m: ([(), ()], {}),
    lambda n, m: ([(n, m), (n, m)], {}),
    lambda n, m: ([(n, 1), (m,)], {}),
    lambda n, m: ([(), (n, m)], {}),
    lambda n, m: ([(n, m), ()], {}),
    lambda n, m: ([(2, 1, m), (n, 1)], {}),
    lambda n, m: ([(1, 1), (n, m, 2, 1)], {}),
)
TERNARY = (
    lambda n, m: ([(n, m), (n, m), (n, m)], {}),
    lambda n, m: ([(n, 1), (m,), ()], {}),
    lambda n, m: ([(), (m,), (n, 1, m)], {}),
)
REDUCTION = (
    lambda n, m: ([()], {}),
    lambda n, m: ([(n, m)], {}),
    lambda n, m: ([(n, m)], {"axis": 1}),
    lambda n, m: ([(n, m, 2)], {"axis": -1, "keepdims": True}),
    lambda n, m: ([(n, m, 2)], {"axis": (2, 0)}),
    lambda n, m: ([(n, m, 2)], {"axis": (-2, -1), "keepdims": True}),
    lambda n, m: ([(n, m)], {"axis": ()}),
    lambda n, m: ([(n, m)], {"axis": None, "keepdims": True}),
)
BOUNDED = (
    lambda n, m: ([(n, m)], {"axis": 1, "initial": 1}),
    lambda n, m: ([(n, m, 2)], {"axis": (0, 2), "keepdims": True, "initial": 1}),
)
ARG = (
    lambda n, m: ([(n, m)], {}),
    lambda n, m: ([(n, m)], {"axis": -1}),
    lambda n, m: ([(n, m, 2)], {"axis": 1, "keepdims": True}),
    lambda n, m: ([(n, m)], {"axis": None, "keepdims": True}),
)
