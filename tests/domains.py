"""Where each primitive is defined: shapes, params and values to try it with.

A case builds shapes and params from two sizes, n and m, which may be integers or unknown dimensions: the same row tests
values, empty tensors and symbolic shapes. A primitive without a row fails `ops/test_registry.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eagerly import dtypes
from eagerly.ops.indexing import PLACE

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
    """

    cases: tuple[Callable[[Any, Any], tuple[list[Any], dict[str, Any]]], ...]
    values: tuple[Callable[..., Any], ...] = (real,)
    dtypes: tuple[str, ...] = ALL
    empty: bool = True

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
MATMUL = (
    lambda n, m: ([(n, m), (m, 4)], {}),
    lambda n, m: ([(m,), (m,)], {}),
    lambda n, m: ([(m,), (m, n)], {}),
    lambda n, m: ([(n, m), (m,)], {}),
    lambda n, m: ([(m,), (n, m, 2)], {}),
    lambda n, m: ([(n, 2, m), (m,)], {}),
    lambda n, m: ([(n, 2, m), (m, 4)], {}),
    lambda n, m: ([(n, m), (2, m, 4)], {}),
    lambda n, m: ([(2, 1, n, m), (3, m, 2)], {}),
)
GETITEM = (
    lambda n, m: ([(n, 4)], {"key": (slice(None), 1)}),
    lambda n, m: ([(n, 4, m)], {"key": (Ellipsis, slice(3, None, -2), None, slice(None))}),
    lambda n, m: ([(4, n)], {"key": (-1,)}),
    lambda n, m: ([(n, m)], {"key": ()}),
    lambda n, m: ([(n, 4), (5,)], {"key": (slice(None), PLACE)}),
    lambda n, m: ([(4, 4, n), (2, 3), (3,)], {"key": (PLACE, PLACE)}),
    lambda n, m: ([(4, n, 4), (5,), (5,)], {"key": (PLACE, slice(None), PLACE)}),
    lambda n, m: ([(4, n, m), ()], {"key": (PLACE, None)}),
)
SCATTER = (
    lambda n, m: ([(n,)], {"key": (slice(None), 1), "shape": (n, 4)}),
    lambda n, m: ([(n, 2)], {"key": (Ellipsis, slice(0, None, 2)), "shape": (n, 4)}),
    lambda n, m: ([(n, 5), (5,)], {"key": (slice(None), PLACE), "shape": (n, 4)}),
    lambda n, m: ([(2, 3, n), (2, 3), (3,)], {"key": (PLACE, PLACE), "shape": (4, 4, n)}),
)
WINDOWS = (
    lambda n, m: ([(n, 7, m)], {"window": (3,), "strides": (1,), "dilation": (1,)}),
    lambda n, m: ([(n, 7, 6, m)], {"window": (3, 2), "strides": (2, 1), "dilation": (1, 3)}),
    lambda n, m: ([(n, 4, 3, 5, 1)], {"window": (2, 1, 2), "strides": (1, 2, 3), "dilation": (2, 1, 1)}),
    lambda n, m: ([(n, 2, m)], {"window": (3,), "strides": (2,), "dilation": (1,)}),
)
FOLD = (
    lambda n, m: ([(n, 5, 3, m)], {"space": (7,), "strides": (1,), "dilation": (1,)}),
    lambda n, m: ([(n, 3, 3, 3, 2, m)], {"space": (7, 6), "strides": (2, 1), "dilation": (1, 3)}),
    lambda n, m: ([(n, 0, 3, m)], {"space": (2,), "strides": (2,), "dilation": (1,)}),
)
POOL = (
    lambda n, m: ([(n, 7, m)], {"window": (3,), "strides": (2,)}),
    lambda n, m: ([(n, 4, 6, m)], {"window": (2, 3), "strides": (2, 3)}),
    lambda n, m: ([(n, 3, 4, 5, 1)], {"window": (2, 2, 2), "strides": (1, 2, 2)}),
)

ROUND = Domain(UNARY, dtypes=FLOATS)
COMPARISON = Domain(BINARY)

DOMAINS: dict[str, Domain] = {
    "identity": Domain(UNARY),
    "stop_gradient": Domain(UNARY),
    "cast": Domain(
        (
            lambda n, m: ([(n, m)], {"dtype": np.dtype("float64")}),
            lambda n, m: ([()], {"dtype": np.dtype("float64")}),
            lambda n, m: ([(n, m)], {"dtype": np.dtype("float32")}),
            lambda n, m: ([(n, m)], {"dtype": np.dtype("int32")}),
            lambda n, m: ([(n, m)], {"dtype": np.dtype("bool")}),
        )
    ),
    "add": Domain(BINARY),
    "subtract": Domain(BINARY, dtypes=NUMBERS),
    "multiply": Domain(BINARY),
    "divide": Domain(BINARY, (real, nonzero)),
    "floor_divide": Domain(BINARY, (real, nonzero)),
    "mod": Domain(BINARY, (real, nonzero)),
    "power": Domain(BINARY, (positive, positive)),
    "maximum": Domain(BINARY),
    "minimum": Domain(BINARY),
    "negative": Domain(UNARY, dtypes=NUMBERS),
    "absolute": Domain(UNARY, (nonzero,)),
    "sign": Domain(UNARY, (nonzero,), NUMBERS),
    "exp": Domain(UNARY),
    "expm1": Domain(UNARY),
    "log": Domain(UNARY, (positive,)),
    "log1p": Domain(UNARY, (positive,)),
    "sqrt": Domain(UNARY, (positive,)),
    "square": Domain(UNARY),
    "sin": Domain(UNARY),
    "cos": Domain(UNARY),
    "tanh": Domain(UNARY),
    "sigmoid": Domain(UNARY),
    "relu": Domain(UNARY, (nonzero,)),
    "leaky_relu": Domain(
        tuple(lambda n, m, case=case: (case(n, m)[0], {"negative_slope": 0.25}) for case in UNARY), (nonzero,)
    ),
    "floor": ROUND,
    "ceil": ROUND,
    "rint": ROUND,
    "equal": COMPARISON,
    "not_equal": COMPARISON,
    "less": COMPARISON,
    "less_equal": COMPARISON,
    "greater": COMPARISON,
    "greater_equal": COMPARISON,
    "logical_and": COMPARISON,
    "logical_or": COMPARISON,
    "logical_xor": COMPARISON,
    "logical_not": Domain(UNARY),
    "isnan": Domain(UNARY),
    "isinf": Domain(UNARY),
    "isfinite": Domain(UNARY),
    "select": Domain(TERNARY, (truth, real)),
    "sum": Domain(REDUCTION),
    "max": Domain((*REDUCTION, *BOUNDED), (distinct,), empty=False),
    "min": Domain((*REDUCTION, *BOUNDED), (distinct,), empty=False),
    "any": Domain(REDUCTION),
    "all": Domain(REDUCTION),
    "argmax": Domain(ARG, (distinct,), empty=False),
    "argmin": Domain(ARG, (distinct,), empty=False),
    "reshape": Domain(
        (
            lambda n, m: ([(n, m)], {"newshape": (m, n)}),
            lambda n, m: ([(n, m)], {"newshape": (-1,)}),
            lambda n, m: ([(n, 4)], {"newshape": (None, 2)}),
            lambda n, m: ([(n, m, 2)], {"newshape": (2, -1, m)}),
            lambda n, m: ([()], {"newshape": (1, 1)}),
        )
    ),
    "transpose": Domain(
        (
            lambda n, m: ([(n, m)], {}),
            lambda n, m: ([(n, m, 2)], {"axes": (2, 0, 1)}),
            lambda n, m: ([(n, m, 2)], {"axes": (-2, -1, 0)}),
            lambda n, m: ([()], {}),
        )
    ),
    "broadcast_to": Domain(
        (
            lambda n, m: ([(m,)], {"shape": (n, m)}),
            lambda n, m: ([(n, 1)], {"shape": (2, n, m)}),
            lambda n, m: ([()], {"shape": (n,)}),
            lambda n, m: ([(n, m)], {"shape": (n, m)}),
        )
    ),
    "concatenate": Domain(
        (
            lambda n, m: ([(n, m), (n, 2)], {"axis": 1}),
            lambda n, m: ([(n, m), (2, m), (n, m)], {"axis": 0}),
            lambda n, m: ([(2, n, m), (2, m, m)], {"axis": -2}),
            lambda n, m: ([(n,)], {"axis": 0}),
        )
    ),
    "getitem": Domain(GETITEM, (real, below(4))),
    "scatter": Domain(SCATTER, (real, below(4)), NUMBERS),
    "take_along_axis": Domain(
        (
            lambda n, m: ([(n, 4, m), (n, 2, m)], {"axis": 1}),
            lambda n, m: ([(4, n), (3, 1)], {"axis": -2}),
            lambda n, m: ([(4,), (n,)], {"axis": 0}),
        ),
        (real, below(4)),
    ),
    "add_along_axis": Domain(
        (
            lambda n, m: ([(n, 2, m), (n, 2, m)], {"axis": 1, "shape": (n, 4, m)}),
            lambda n, m: ([(3, n), (3, 1)], {"axis": -2, "shape": (4, n)}),
        ),
        (real, below(4)),
        NUMBERS,
    ),
    "pad": Domain(
        (
            lambda n, m: ([(n, m)], {"widths": ((1, 2), (0, 1))}),
            lambda n, m: ([(n,)], {"widths": ((0, 3),), "value": 1}),
            lambda n, m: ([()], {"widths": ()}),
        )
    ),
    "full_like": Domain(
        (
            lambda n, m: ([(n, m)], {"fill_value": 1}),
            lambda n, m: ([()], {"fill_value": 1, "dtype": np.dtype("int32")}),
        )
    ),
    "matmul": Domain(MATMUL),
    "unfold": Domain(WINDOWS),
    "fold": Domain(FOLD, dtypes=NUMBERS),
    "max_pool_windows": Domain(POOL, (distinct,), NUMBERS),
    "random_bits": Domain((lambda n, m: ([(2,)], {"shape": (n, m)}),), (state,), ("uint64",)),
}
