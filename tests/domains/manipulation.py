"""The rows of places, diagonals, updates and bits."""

import numpy as np

from domains.values import ALL, NUMBERS, Domain, below, distinct, real
from eagerly import dtypes
from eagerly.ops.indexing import PLACE

DIAGONAL = (
    lambda n, m: ([(n, m)], {}),
    lambda n, m: ([(m, n)], {"offset": 1}),
    lambda n, m: ([(n, m)], {"offset": -2}),
    lambda n, m: ([(n, n)], {"offset": 5}),
    lambda n, m: ([(2, n, m)], {"axis1": -1, "axis2": 1}),
    lambda n, m: ([(n, 2, m, 3)], {"offset": -1, "axis1": 3, "axis2": 0}),
)
FROM_DIAGONAL = (
    lambda n, m: ([(n,)], {"shape": (n, n)}),
    lambda n, m: ([(n,)], {"offset": 2, "shape": (n + 2, n + 2)}),
    lambda n, m: ([(n,)], {"offset": -1, "shape": (n + 1, n + m)}),
    lambda n, m: ([(2, m, n)], {"axis1": 2, "axis2": -4, "shape": (n, 2, n, m)}),
)
# Values stand for places one by one along the first axes, or for a slice.
UPDATE = (
    lambda n, m: ([(n, m), (n,)], {"key": (slice(None), 0)}),
    lambda n, m: ([(4, m), (2, m)], {"key": (slice(1, 3),)}),
    lambda n, m: ([(4, m), (n, m), (n,)], {"key": (PLACE,)}),
    lambda n, m: ([(4, 4, m), (n, m), (n,), (n,)], {"key": (PLACE, PLACE)}),
)


def updates(**params):
    return tuple(lambda n, m, case=case: (case(n, m)[0], {**case(n, m)[1], **params}) for case in UPDATE)


def offset(by):
    """Values with a gap between any two, also between offsets, so that extrema have differences."""

    def draw(rng, shape, dtype):
        values = distinct(rng, shape, "float64") + by
        signed = values if dtype in ("uint8", "bool") else values * rng.choice([-1, 1], shape)
        return np.asarray(signed, dtypes.dtype(dtype))

    return draw


DOMAINS: dict[str, Domain] = {
    "positions": Domain(
        (
            lambda n, m: ([(n, m)], {"axis": 1}),
            lambda n, m: ([(n,)], {"axis": -1}),
            lambda n, m: ([(n, m)], {"axis": 1, "before": 1, "after": 2, "mode": "reflect"}),
            lambda n, m: ([(n, m)], {"axis": -1, "before": 4, "mode": "wrap"}),
            lambda n, m: ([(n, m)], {"axis": 1, "after": n, "mode": "symmetric"}),
            lambda n, m: ([(m, n)], {"axis": 0, "before": 2, "after": 5, "mode": "edge"}),
        )
    ),
    "diagonal": Domain(DIAGONAL),
    "from_diagonal": Domain(FROM_DIAGONAL),
    "update": Domain(
        (*updates(), *updates(reduction="max"), *updates(reduction="min"), *updates(reduction="mul")),
        (offset(0), offset(0.1), below(4)),
        NUMBERS,
    ),
    "view": Domain(
        (
            lambda n, m: ([(n, 8)], {"dtype": np.dtype("int8")}),
            lambda n, m: ([(n, m, 8)], {"dtype": np.dtype("float64")}),
            lambda n, m: ([(m, 8)], {"dtype": np.dtype("uint16")}),
        ),
        (real,),
        ALL,
    ),
}
