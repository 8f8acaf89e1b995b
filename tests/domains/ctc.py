"""The rows of the recurrences and searches of connectionist temporal classification."""

from domains.values import FLOATS, Domain, below, real, truth

DOMAINS: dict[str, Domain] = {
    "log_scan": Domain(
        (
            lambda n, m: ([(n, 5), (m, n, 5), (n, 5)], {}),
            lambda n, m: ([(n, m), (4, n, m), (n, m)], {}),
            lambda n, m: ([(2, 1), (n, 2, 1), (2, 1)], {}),
        ),
        (real, real, truth),
        FLOATS,
    ),
    "band_scan": Domain(
        (
            lambda n, m: ([(4, n, m), (3, n, m), (3, n, m), (3, n, m)], {"reverse": False}),
            lambda n, m: ([(4, n, m), (3, n, m), (3, n, m), (3, n, m)], {"reverse": True}),
            lambda n, m: ([(m, n, 1), (m - 1, n, 1), (m - 1, n, 1), (m - 1, n, 1)], {"reverse": True}),
            lambda n, m: ([(m, n, 2), (m - 1, n, 2), (m - 1, n, 2), (m - 1, n, 2)], {"reverse": False}),
        ),
        (real,),
        FLOATS,
    ),
    "ctc_best_path": Domain(
        (
            lambda n, m: ([(n, m), (n,)], {"mask_index": 0, "merge_repeated": True}),
            lambda n, m: ([(n, m), (n,)], {"mask_index": 2, "merge_repeated": False}),
        ),
        (below(4),),
        ("int32",),
    ),
    "ctc_beams": Domain(
        (
            lambda n, m: ([(n, m, 3), (n,)], {"width": 4, "top_paths": 2, "mask_index": 0}),
            lambda n, m: ([(n, 4, m), (n,)], {"width": 2, "top_paths": 3, "mask_index": 0}),
        ),
        (real, below(4)),
        ("float32",),
    ),
}
