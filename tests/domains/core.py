"""The rows of arithmetic, reductions, moving elements, products and windows."""

import numpy as np

from domains.values import (
    ARG,
    BINARY,
    BOUNDED,
    FLOATS,
    NUMBERS,
    REDUCTION,
    TERNARY,
    UNARY,
    Domain,
    below,
    distinct,
    nonzero,
    positive,
    real,
    state,
    truth,
)
from eagerly.ops.indexing import PLACE

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
    lambda n, m: ([(n, 2, 3, m)], {"space": (9,), "strides": (2,), "dilation": (2,)}),  # as if more windows fitted
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
    "random_bits": Domain((lambda n, m: ([(2,)], {"shape": (n, m)}),), (state,), ("uint64",)),
}
