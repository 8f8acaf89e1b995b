"""How to call scans, sorting, sets, statistics, reductions without NaN, segments and counts."""

import warnings

import numpy as np

from domains.values import below, positive, real, truth
from eagerly import ops
from public_ops.rows import Row, one, reduction, two, unary


def three(n, m):
    return [(n, m, 2)]


def flat(n, m):
    return [(n,)]


def with_nan(rng, shape, dtype):
    """Values of which a third is NaN."""
    return np.where(rng.uniform(size=shape) < 1 / 3, np.asarray(np.nan, dtype), real(rng, shape, dtype))


def ascending(rng, shape, dtype):
    return np.sort(real(rng, shape, dtype))


def natural(rng, shape, dtype):
    """Small integers, not negative."""
    return rng.integers(0, 5, shape).astype(np.int32)


def rows(name, reference, shapes, *options, values=(real,)):
    """A row for each set of options, which the reference takes too."""
    function = getattr(ops, name)
    return [
        Row(shapes, lambda *xs, o=o: function(*xs, **o), lambda *xs, o=o: reference(*xs, **o), values)
        for o in (options or ({},))
    ]


def quiet(reference):
    """NumPy's function without its warnings about slices that are NaN throughout."""

    def silenced(*args, **kwargs):
        with warnings.catch_warnings(action="ignore"):
            return reference(*args, **kwargs)

    return silenced


def place_without_nan(function):
    def reference(x, axis=None, keepdims=False):
        nan = np.isnan(x).all(axis=axis, keepdims=keepdims)
        worst = -np.inf if function is np.argmax else np.inf
        return np.where(nan, -1, function(np.where(np.isnan(x), worst, x), axis=axis, keepdims=keepdims))

    return reference


def segments(kind):
    ufunc, none = {
        "sum": (np.sum, 0),
        "prod": (np.prod, 1),
        "max": (np.max, -np.inf),
        "min": (np.min, np.inf),
    }[kind]

    def reference(data, ids, num_segments=None, sorted=False):
        number = ids.max(initial=-1) + 1 if num_segments is None else num_segments
        empty = np.full(data.shape[1:], none, data.dtype)
        return np.array([ufunc(data[ids == s], axis=0) if (ids == s).any() else empty for s in range(number)])

    name = f"segment_{kind}"
    numbers = (real, lambda rng, shape, dtype: rng.integers(-1, 6, shape).astype(np.int32))
    ordered = (real, lambda rng, shape, dtype: np.sort(rng.integers(-1, 6, shape)).astype(np.int32))
    grid, line = (lambda n, m: [(n, m), (n,)]), (lambda n, m: [(n,), (n,)])
    return [
        *rows(name, reference, grid, {"num_segments": 5}, values=numbers),
        *rows(name, reference, line, {"num_segments": 3}, values=numbers),
        *rows(name, reference, line, {"num_segments": 8, "sorted": True}, values=ordered),
        *rows(name, reference, grid, {"num_segments": 2, "sorted": True}, values=ordered),
        *(
            Row(row.shapes, row.call, row.reference, row.values, sized=False)
            for row in (*rows(name, reference, grid, values=numbers), *rows(name, reference, line, values=ordered))
        ),
    ]


def largest(x, k):
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order


def counted(x, weights=None, minlength=0):
    if x.ndim == 1:
        return np.bincount(x, weights, minlength)
    length = max(x.max() + 1, minlength)
    return np.array([counted(row, None if weights is None else w, length) for row, w in zip(x, weights, strict=True)])


def partitioned(x, kth, axis=-1):
    """The parts sorted, so that the order within them makes no difference."""
    y = np.partition(x, kth, axis=axis)
    low, middle, high = np.split(y, [kth, kth + 1], axis=-1 if axis is None else axis)
    axis = -1 if axis is None else axis
    return np.concatenate([np.sort(low, axis), middle, np.sort(high, axis)], axis)


def parts(x, kth, axis=-1):
    y = ops.take_along_axis(x, ops.argpartition(x, kth, axis), axis)
    at = -1 if axis is None else axis
    index = [slice(None)] * (1 if axis is None else len(ops.shape(y)))

    def part(start, stop):
        index[at] = slice(start, stop)
        return ops.sort(y[tuple(index)], at)

    return ops.concatenate([part(0, kth), part(kth, kth + 1), part(kth + 1, None)], at)


def distances(x, y):
    return np.linalg.norm(x[..., :, None, :] - y[..., None, :, :], axis=-1)


def average(shapes, axis):
    return [
        Row(
            shapes,
            lambda x, w: ops.average(x, axis, w),
            lambda x, w: np.average(x, axis, w),
            (real, positive),
        )
    ]


def distinct(x, size, fill_value=0, axis=None):
    """The elements, index, inverse and counts of np.unique in a given size."""
    values, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
    place = axis or 0

    def fitted(y, axis, value):
        y = np.take(y, range(min(size, y.shape[axis])), axis)
        widths = [(0, size - y.shape[axis] if i == axis else 0) for i in range(y.ndim)]
        return np.pad(y, widths, constant_values=value)

    inverse = inverse.reshape(x.shape if axis is None else -1)
    return fitted(values, place, fill_value), fitted(first, 0, 0), inverse, fitted(counts, 0, 0)


WHOLE = {"return_index": True, "return_inverse": True, "return_counts": True}
QUANTILES = (
    {"q": 0.3},
    {"q": [0.0, 0.25, 1.0], "axis": 1},
    {"q": 0.75, "axis": (0, 2), "keepdims": True},
    {"q": [0.4, 0.9], "axis": [-1, 1], "keepdims": True},
)
METHODS = tuple({"q": [0.3, 0.8], "axis": 0, "method": m} for m in ("lower", "higher", "midpoint", "nearest"))


def quantiles(name, whole, values):
    """NumPy's quantiles; q as float32, in which a list of numbers becomes a tensor."""

    def reference(x, q, axis=None, method="linear", keepdims=False):
        axis = tuple(axis) if isinstance(axis, list) else axis
        return getattr(np, name.replace("percentile", "quantile"))(
            x, np.asarray(q, np.float32).astype(float) / whole, axis=axis, method=method, keepdims=keepdims
        )

    options = [{**o, "q": np.multiply(o["q"], whole).tolist()} for o in (*QUANTILES, *METHODS)]
    return rows(name, quiet(reference), three, *options, values=values)


ROWS: dict[str, list[Row]] = {
    "amax": reduction("amax", {"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True}),
    "amin": reduction("amin", {"axis": (0, 2)}),
    "ptp": reduction("ptp", {"axis": (0, 2)}),
    "std": reduction("std", {"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True}),
    "prod": [
        *reduction("prod", {"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True}),
        Row(one, lambda x: ops.prod(x, 0, dtype="float64"), lambda x: np.prod(x, 0)),
    ],
    "count_nonzero": [
        *rows("count_nonzero", np.count_nonzero, three, {}, {"axis": 1}, {"axis": (0, -1)}, values=(below(2),)),
    ],
    "cumsum": [
        *rows("cumsum", np.cumsum, three, {}, {"axis": 0}, {"axis": -2}),
        Row(one, lambda x: ops.cumsum(x, -1, "int32"), lambda x: np.cumsum(np.trunc(x), -1)),
    ],
    "cumprod": [
        *rows("cumprod", np.cumprod, three, {}, {"axis": 0}, {"axis": -2}),
        Row(one, lambda x: ops.cumprod(x, 1, "float64"), lambda x: np.cumprod(x, 1)),
    ],
    "sort": rows("sort", np.sort, three, {}, {"axis": 0}, {"axis": None}),
    "argsort": rows(
        "argsort",
        lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
        three,
        {},
        {"axis": -2},
        {"axis": None},
        values=(below(3),),
    ),
    "argpartition": [
        Row(lambda n, m: [(n, 4)], lambda x: parts(x, 1), lambda x: partitioned(x, 1)),
        Row(lambda n, m: [(5, n, m)], lambda x: parts(x, 3, 0), lambda x: partitioned(x, 3, 0), (below(2),)),
        Row(lambda n, m: [(2, 3)], lambda x: parts(x, 4, None), lambda x: partitioned(x, 4, None)),
        Row(
            lambda n, m: [(n, 4)],
            lambda x: ops.argpartition(x, -2),
            lambda x: ops.argpartition(x.astype(np.float32), 2).numpy(),
        ),
    ],
    "top_k": [
        Row(lambda n, m: [(n, 9)], lambda x: ops.top_k(x, 2), lambda x: largest(x, 2)),
        Row(lambda n, m: [(n, m, 12)], lambda x: ops.top_k(x, 3), lambda x: largest(x, 3), (below(2),)),
        Row(lambda n, m: [(n, m)], lambda x: ops.top_k(x, 2, sorted=False), lambda x: largest(x, 2), (below(2),)),
        Row(lambda n, m: [(n,)], lambda x: ops.top_k(x, k=0), lambda x: largest(x, 0)),
    ],
    "in_top_k": [
        Row(
            lambda n, m: [(n,), (n, 4)],
            lambda t, x: ops.in_top_k(ops.mod(t, 4), x, 2),
            lambda t, x: (x > np.take_along_axis(x, (t % 4)[:, None], 1)).sum(1) < 2,
            (below(4), real),
        )
    ],
    "searchsorted": [
        *rows(
            "searchsorted",
            np.searchsorted,
            lambda n, m: [(n,), (m, 2)],
            {},
            {"side": "right"},
            values=(ascending, real),
        ),
        *rows("searchsorted", np.searchsorted, lambda n, m: [(n,), ()], values=(ascending, real)),
    ],
    "digitize": rows("digitize", np.digitize, lambda n, m: [(n, m), (m,)], values=(real, ascending)),
    "isin": [
        *rows("isin", np.isin, two, {}, {"invert": True}, values=(below(3),)),
        *rows("isin", np.isin, lambda n, m: [(n,), ()], {"assume_unique": True}, values=(below(2),)),
    ],
    "nonzero": [
        Row(one, ops.nonzero, np.nonzero, (truth,), sized=False),
        Row(flat, ops.nonzero, np.nonzero, (below(2),), sized=False),
    ],
    "unique": [
        Row(one, ops.unique, np.unique, (below(3),), sized=False),
        Row(one, lambda x: ops.unique(x, axis=0), lambda x: np.unique(x, axis=0), (below(1),), sized=False),
        Row(one, lambda x: ops.unique(x, size=5, **WHOLE), lambda x: distinct(x, 5), (below(3),)),
        Row(one, lambda x: ops.unique(x, size=2, **WHOLE), lambda x: distinct(x, 2), (real,)),
        Row(
            three,
            lambda x: ops.unique(x, False, axis=-2, size=3, fill_value=-1, **WHOLE),
            lambda x: distinct(x, 3, -1, axis=1),
            (below(1),),
        ),
    ],
    "average": [
        *rows("average", np.average, three, {}, {"axis": 1}, {"axis": (0, -1)}),
        *average(lambda n, m: [(n, m, 2)] * 2, None),
        *average(lambda n, m: [(n, m, 2)] * 2, 0),
        *average(lambda n, m: [(n, m, 2), (m,)], -2),
    ],
    "trapezoid": [
        *rows("trapezoid", np.trapezoid, three, {}, {"axis": 0, "dx": 0.5}, {"dx": 2, "axis": -2}),
        *rows("trapezoid", np.trapezoid, two),
        *rows("trapezoid", np.trapezoid, lambda n, m: [(n, m), (n,)], {"axis": 0}),
        *rows("trapezoid", np.trapezoid, lambda n, m: [(n, m)] * 2, {"axis": 0}),
    ],
    "corrcoef": [unary("corrcoef"), Row(lambda n, m: [(m,)], ops.corrcoef, np.corrcoef)],
    "correlate": [
        row
        for shapes in (lambda n, m: [(n + 3,), (m,)], lambda n, m: [(m,), (n + 4,)], lambda n, m: [(n,), (2,)])
        for row in rows("correlate", np.correlate, shapes, {}, {"mode": "same"}, {"mode": "full"})
    ],
    "cdist": [
        Row(lambda n, m: [(n, m), (4, m)], ops.cdist, distances),
        Row(lambda n, m: [(2, 1, 3, m), (n, 2, m)], ops.cdist, distances),
    ],
    "bincount": [
        *(
            Row(row.shapes, row.call, row.reference, row.values, sized=False)
            for row in (
                *rows("bincount", counted, flat, {}, {"minlength": 9}, values=(natural,)),
                *rows("bincount", counted, lambda n, m: [(n,)] * 2, {}, values=(natural, real)),
                *rows("bincount", counted, lambda n, m: [(n, m)] * 2, {"minlength": 3}, values=(natural, real)),
                Row(one, ops.bincount, lambda x: counted(x, np.ones(x.shape)), (natural,)),
            )
        )
    ],
    "histogram": [
        *rows("histogram", np.histogram, flat, {}, {"bins": 3, "range": (-1, 0.5)}, {"bins": 1, "range": (2, 2)}),
    ],
    "median": reduction("median", {"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True}),
    "quantile": quantiles("quantile", 1, (real,)),
    "percentile": quantiles("percentile", 100, (real,)),
    "nanquantile": quantiles("nanquantile", 1, (with_nan,)),
    "nanpercentile": quantiles("nanpercentile", 100, (with_nan,)),
    **{
        name: [
            Row(row.shapes, row.call, quiet(row.reference), (with_nan,))
            for row in reduction(name, {"axis": (0, 2)}, {"axis": [1, -1], "keepdims": True})
        ]
        for name in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian")
    },
    "nancumsum": rows("nancumsum", np.nancumsum, three, {}, {"axis": 1}, {"axis": -3}, values=(with_nan,)),
    "nancumprod": rows("nancumprod", np.nancumprod, three, {}, {"axis": 1}, {"axis": -3}, values=(with_nan,)),
    **{
        f"nan{f.__name__}": rows(
            f"nan{f.__name__}",
            place_without_nan(f),
            three,
            {},
            {"axis": 1},
            {"axis": -1, "keepdims": True},
            values=(with_nan,),
        )
        for f in (np.argmax, np.argmin)
    },
    **{f"segment_{kind}": segments(kind) for kind in ("sum", "prod", "max", "min")},
}
