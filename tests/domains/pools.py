"""The rows of pooling's windows and of what they give back."""

import numpy as np

from domains.values import FLOATS, NUMBERS, Domain, distinct, real

POOL = (
    lambda n, m: ([(n, 7, m)], {"window": (3,), "strides": (2,)}),
    lambda n, m: ([(n, 4, 6, m)], {"window": (2, 3), "strides": (2, 3)}),
    lambda n, m: ([(n, 3, 4, 5, 1)], {"window": (2, 2, 2), "strides": (1, 2, 2)}),
    lambda n, m: ([(n, 5, 4, m)], {"window": (3, 2), "strides": (1, 3), "padding": "same"}),
)
BACK = (
    lambda n, m: ([(n, 3, m)], {"space": (7,), "window": (3,), "strides": (2,)}),
    lambda n, m: ([(n, 2, 2, m)], {"space": (4, 6), "window": (2, 3), "strides": (2, 3)}),
    lambda n, m: ([(n, 2, 2, 2, 1)], {"space": (3, 4, 5), "window": (2, 2, 2), "strides": (1, 2, 2)}),
    lambda n, m: ([(n, 5, 2, m)], {"space": (5, 4), "window": (3, 2), "strides": (1, 3), "padding": "same"}),
)
BACK_TO_PLACES = tuple(lambda n, m, case=case: ([case(n, m)[0][0]] * 2, case(n, m)[1]) for case in BACK)


def place(rng, shape, dtype):
    """A place in windows of three elements or more; those in the middle are inside of any image."""
    return np.asarray(rng.integers(1, 3, shape), np.uint8)


DOMAINS: dict[str, Domain] = {
    "max_pool_windows": Domain(POOL, (distinct,), NUMBERS),
    "max_pool_gradient": Domain(BACK_TO_PLACES, (real, place), FLOATS),
    "average_pool_windows": Domain(POOL, dtypes=("float32", "float64")),
    "average_pool_gradient": Domain(BACK, dtypes=("float32", "float64")),
}
