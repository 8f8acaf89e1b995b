"""The rows of scans, sorting, sets, segments and correlation."""

import numpy as np

from domains.values import NUMBERS, REDUCTION, Domain, below, distinct, positive, real, truth

LAST = (
    lambda n, m: ([(m,)], {"axis": 0}),
    lambda n, m: ([(n, m)], {"axis": 1}),
    lambda n, m: ([(m, n)], {"axis": -2}),
    lambda n, m: ([(n, m, 2)], {"axis": -1}),
)


def ascending(rng, shape, dtype):
    """Values in order."""
    return np.sort(positive(rng, shape, dtype).astype(np.float64)).astype(positive(rng, (), dtype).dtype)


def numbers(rng, shape, dtype):
    """Segment numbers from -1 to 4; all of them if there is room."""
    return rng.permutation(np.arange(*shape) % 6 - 1).astype(np.int32)


def segments(kind, least):
    """No segment is without elements if there are at least 6, so that there are no infinite extrema."""
    return (
        lambda n, m: ([(n + least,), (n + least,)], {"num_segments": 4, "kind": kind}),
        lambda n, m: ([(n + least, 2), (n + least,)], {"num_segments": 3, "kind": kind}),
        lambda n, m: ([(n + least, m, 2), (n + least,)], {"num_segments": m, "kind": kind}),
        lambda n, m: ([(7, m), (7,)], {"num_segments": 2, "kind": kind}),
    )


DOMAINS: dict[str, Domain] = {
    "running_sum": Domain(LAST, dtypes=NUMBERS),
    "running_product": Domain(LAST, dtypes=NUMBERS),
    "linear_scan": Domain(
        tuple(lambda n, m, case=case: (case(n, m)[0] * 2, case(n, m)[1]) for case in LAST), dtypes=NUMBERS
    ),
    "product_over": Domain(REDUCTION),
    "order": Domain(LAST, (distinct,)),
    "ascending": Domain(LAST, (distinct,)),
    "partition_order": Domain(
        (
            lambda n, m: ([(4,)], {"axis": 0, "kth": 2}),
            lambda n, m: ([(n, 4)], {"axis": 1, "kth": 0}),
            lambda n, m: ([(4, n, m)], {"axis": -3, "kth": 3}),
        ),
        (distinct,),
    ),
    "insertion_points": Domain(
        (
            lambda n, m: ([(n,), (m,)], {}),
            lambda n, m: ([(m,), (n, m)], {"side": "right"}),
            lambda n, m: ([(m,), ()], {}),
        ),
        (ascending, real),
    ),
    "places": Domain(
        (lambda n, m: ([(n, m)], {}), lambda n, m: ([(m,)], {}), lambda n, m: ([(n, m, 2)], {})), (truth,), sized=False
    ),
    "distinct": Domain(
        (
            lambda n, m: ([(n, m)], {"size": 3}),
            lambda n, m: ([(m,)], {"size": m}),
            lambda n, m: ([(n, m)], {"axis": 0, "size": 2}),
            lambda n, m: ([(n, m, 2)], {"axis": -2, "size": 0}),
            lambda n, m: ([(n, m)], {}),
            lambda n, m: ([(n, m)], {"axis": 1}),
        ),
        (below(2),),
        sized=False,
    ),
    "segment_reduce": Domain(
        (*segments("sum", 0), *segments("prod", 0), *segments("max", 6), *segments("min", 6)),
        (distinct, numbers),
        NUMBERS,
    ),
    "correlate_valid": Domain(
        (lambda n, m: ([(n + m,), (m,)], {}), lambda n, m: ([(n + m,), (m + 1,)], {})), dtypes=NUMBERS, empty=False
    ),
}
