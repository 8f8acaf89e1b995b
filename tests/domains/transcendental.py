"""The rows of `transcendental.py` and `special.py`, and of the threshold that sparsemax needs."""

import numpy as np

from domains.values import BINARY, FLOATS, UNARY, Domain, distinct, nonzero, positive, real
from eagerly import dtypes


def within_one(rng, shape, dtype):
    """Values between -1 and 1, not close to either."""
    values = rng.uniform(-0.8, 0.8, shape) if dtypes.is_float(dtype) else rng.integers(0, 2, shape)
    return np.asarray(values, dtypes.dtype(dtype))


def above_one(rng, shape, dtype):
    """Values well above 1."""
    values = rng.uniform(1.5, 3.5, shape) if dtypes.is_float(dtype) else rng.integers(1, 4, shape)
    return np.asarray(values, dtypes.dtype(dtype))


DOMAINS: dict[str, Domain] = {
    "arcsin": Domain(UNARY, (within_one,)),
    "arccos": Domain(UNARY, (within_one,)),
    "arctan": Domain(UNARY),
    "arctan2": Domain(BINARY, (nonzero, nonzero)),
    "hypot": Domain(BINARY, (nonzero, nonzero)),
    "sinh": Domain(UNARY),
    "cosh": Domain(UNARY),
    "arcsinh": Domain(UNARY),
    "arccosh": Domain(UNARY, (above_one,)),
    "cbrt": Domain(UNARY, (nonzero,)),
    "log2": Domain(UNARY, (positive,)),
    "log10": Domain(UNARY, (positive,)),
    "logaddexp": Domain(BINARY),
    "erf": Domain(UNARY),
    "erfc": Domain(UNARY),
    "erfinv": Domain(UNARY, (within_one,)),
    "bessel_i": Domain(
        tuple(
            lambda n, m, case=case, order=order: (case(n, m)[0], {"order": order}) for case in UNARY for order in (0, 1)
        ),
        (real,),
    ),
    "simplex_threshold": Domain(
        (
            lambda n, m: ([(n, m)], {"axis": 1}),
            lambda n, m: ([(m, n)], {"axis": 0}),
            lambda n, m: ([(n, m, 2)], {"axis": -2}),
        ),
        (distinct,),
        FLOATS,
    ),
}
