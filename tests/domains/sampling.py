"""The rows of gamma, binomial and categorical draws."""

import numpy as np

from domains.values import FLOATS, Domain, positive, real, state
from eagerly import dtypes


def counts(rng, shape, dtype):
    """Whole numbers, for which both ways to draw binomial numbers are taken."""
    return np.asarray(rng.integers(0, 100, shape), dtypes.dtype(dtype))


def probabilities(rng, shape, dtype):
    """Numbers from 0 to 1, both of them too."""
    return np.asarray(rng.uniform(-0.2, 1.2, shape).clip(0, 1), dtypes.dtype(dtype))


DOMAINS: dict[str, Domain] = {
    "random_log_gamma": Domain(
        (
            lambda n, m: ([(2,), (n, m)], {"shape": (n, m)}),
            lambda n, m: ([(2,), (m,)], {"shape": (n, 2, m)}),
            lambda n, m: ([(2,), ()], {"shape": ()}),
        ),
        (state, positive),
        (*FLOATS, "int32"),
    ),
    "random_binomial": Domain(
        (
            lambda n, m: ([(2,), (n, m), (m,)], {"shape": (n, m)}),
            lambda n, m: ([(2,), (), (n, 1)], {"shape": (2, n, m)}),
            lambda n, m: ([(2,), (), ()], {"shape": ()}),
        ),
        (state, counts, probabilities),
        FLOATS,
    ),
    "random_category": Domain(
        (
            lambda n, m: ([(2,), (n, m)], {"num_samples": 5}),
            lambda n, m: ([(2,), (n, 1)], {"num_samples": m}),
        ),
        (state, real),
        (*FLOATS, "int32"),
    ),
}
