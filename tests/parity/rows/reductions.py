"""Sums, extremes, statistics and what runs along an axis."""

import numpy as np

from parity.drawing import ALL, FLOATS, NUMBERS, REALS, Row, given
from parity.forms import holes, reduction

NO_GRADIENT = ("value", "dtype")
INDEX = {"several": False, "distinct": True, "compare": NO_GRADIENT}
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def with_holes(several=True, distinct=True, keepdims=True, compare=("value", "dtype", "gradient")):
    """A row of a reduction of an array with NaN here and there."""

    def draw(d):
        shape, options = d.reduction(several)
        if not keepdims:
            options.pop("keepdims")
        return given(holes(d, shape), **options)

    return Row(draw, draws=12, compare=compare)


def extreme(d):
    """An extreme of values and of a given one."""
    shape, options = d.reduction()
    return given(d.distinct(shape), **options, initial=d.pick(None, 0, 1, 0.5))


def tied(several=True):
    """A row of an array in which many are equal: who gets the gradient, and whose index it is."""

    def draw(d):
        shape, options = d.reduction(several)
        return given(d.grid(shape, -1, 1), **options)

    return Row(draw, dtypes=("float64",), draws=12)


def along(d):
    """Accumulation along an axis, into the own dtype or another."""
    shape = d.shape(1, 3)
    return given(d.array(shape, away=0.2), axis=d.pick(None, d.axis(len(shape))))


def into(d):
    """Accumulation or a product in another dtype."""
    return given(d.array((2, 3), away=0.2), axis=d.pick(None, 0, -1), dtype=d.pick(*REALS))


def holes_along(d):
    """Accumulation of an array with NaN here and there."""
    shape = d.shape(1, 3)
    return given(holes(d, shape), axis=d.pick(None, d.axis(len(shape))))


def weighted(d):
    """A mean along the last axis with weights: of the array's shape, or one for each entry of the axis."""
    shape = d.shape(1, 3, least=2)
    weights = d.array(d.pick(shape, shape[-1:]), 0.2, 2, away=0.2)
    return given(d.array(shape), axis=None if len(shape) == 1 and d.flip() else -1, weights=weights)


def points(scale):
    """Quantiles: where in the array, by which method."""

    def draw(d):
        shape, options = d.reduction()
        q = d.pick(0.25 * scale, 0.5 * scale, np.array([0.125, 0.75], np.float32) * scale)
        return given(d.distinct(shape), q, method=d.pick(*METHODS), **options)

    return draw


def points_with_holes(scale):
    """The same, with NaN here and there."""

    def draw(d):
        shape, options = d.reduction()
        return given(holes(d, shape), d.pick(0.25 * scale, 0.5 * scale), method=d.pick(*METHODS), **options)

    return draw


def counted(d):
    """Integers to count, with weights or without; one row of them or several."""
    shape = d.pick((6,), (2, 5))
    weights = d.pick(None, d.array(shape))
    return given(d.integers(shape, 0, 5), weights=weights, minlength=5 if len(shape) == 2 else d.pick(0, 7))


def segments(d):
    """Data and the segment of each row; some belong to none."""
    n = d.size(1, 6)
    return given(d.distinct((n, *d.shape(0, 2))), d.integers((n,), -1, 4), num_segments=d.pick(4, 6))


ROWS = {
    **{name: [reduction()] for name in ("sum", "mean", "var", "all", "any")},
    **{name: [reduction(), tied()] for name in ("std", "amax", "amin")},
    "prod": [reduction(), tied(), Row(into, dtypes=ALL, compare=NO_GRADIENT)],
    **{name: [reduction(distinct=True), tied(), Row(extreme, dtypes=REALS, draws=12)] for name in ("max", "min")},
    "ptp": [reduction(NUMBERS, distinct=True), tied()],
    "median": [reduction(distinct=True)],
    "count_nonzero": [reduction(keepdims=False, compare=NO_GRADIENT)],
    "average": [reduction(keepdims=False), Row(weighted, dtypes=(*FLOATS, "int32", "mixed"), draws=8)],
    "argmax": [reduction(**INDEX), tied(several=False), reduction(several=False, compare=NO_GRADIENT)],
    "argmin": [reduction(**INDEX), tied(several=False), reduction(several=False, compare=NO_GRADIENT)],
    **{
        name: [reduction(**INDEX), with_holes(several=False, compare=NO_GRADIENT)]
        for name in ("nanargmax", "nanargmin")
    },
    **{name: [with_holes(), reduction(distinct=True)] for name in ("nanmean", "nansum")},
    **{name: [with_holes(), reduction(distinct=True), tied()] for name in ("nanmax", "nanmin", "nanprod")},
    **{name: [with_holes(), reduction(distinct=True)] for name in ("nanvar", "nanstd", "nanmedian")},
    "cumsum": [Row(along, dtypes=ALL), Row(into, dtypes=ALL, compare=NO_GRADIENT)],
    "cumprod": [
        Row(lambda d: given(d.grid((2, 5), -1, 1), axis=-1), dtypes=("float64",)),
        Row(along, dtypes=ALL),
        Row(into, dtypes=ALL, compare=NO_GRADIENT),
    ],
    "nancumsum": [Row(holes_along, draws=8), Row(along, dtypes=ALL), Row(into, compare=NO_GRADIENT)],
    "nancumprod": [Row(holes_along, draws=8), Row(along, dtypes=ALL), Row(into, compare=NO_GRADIENT)],
    "quantile": [Row(points(1), dtypes=REALS, draws=10)],
    "percentile": [Row(points(100), dtypes=REALS, draws=10)],
    "nanquantile": [Row(points(1), dtypes=REALS, draws=10), Row(points_with_holes(1), draws=10)],
    "nanpercentile": [Row(points(100), dtypes=REALS, draws=10), Row(points_with_holes(100), draws=10)],
    "logsumexp": [reduction(REALS[:4]), Row(lambda d: given(d.array((2, 3), -200, 200), axis=d.axes(2)))],
    "moments": [
        Row(lambda d: given(d.array((2, 3, 4), -1, 1), d.pick(0, [1], (0, -1), [0, 1, 2]), keepdims=d.flip()), draws=8),
        Row(lambda d: given(d.array((2, 3), -1, 1), [0]), dtypes=("float16",)),
    ],
    "bincount": [Row(counted, dtypes=("float32", "float64", "int32"), draws=8, compare=NO_GRADIENT)],
    "histogram": [
        Row(
            lambda d: given(d.array((9,)), bins=d.pick(3, 10), range=d.pick(None, (-1.0, 1.5))),
            draws=8,
            compare=NO_GRADIENT,
        ),
    ],
    "digitize": [
        Row(lambda d: given(d.array(d.shape()), np.sort(d.array((4,)))), dtypes=("float32", "float64", "int32"))
    ],
    "searchsorted": [
        Row(
            lambda d: given(np.sort(d.array((5,))), d.array(d.shape()), **d.maybe(side=d.pick("left", "right"))),
            dtypes=("float32", "float64", "int32"),
        ),
    ],
    "corrcoef": [Row(lambda d: given(d.array((d.size(2, 4), 5))), dtypes=(*FLOATS, "int32"), tolerance=10)],
    "trapezoid": [
        Row(lambda d: given(d.array((2, 4)), dx=d.pick(1.0, 0.5), axis=d.pick(0, -1)), dtypes=ALL),
        Row(lambda d: given(d.array((2, 4)), np.sort(d.array((4,))))),
    ],
    "diff": [Row(lambda d: given(d.array((4, 5)), n=d.size(1, 3), axis=d.axis(2)), dtypes=ALL)],
    **{
        f"segment_{kind}": [Row(segments, dtypes=("float32", "int32"), draws=8)]
        for kind in ("sum", "max", "min", "prod")
    },
    "top_k": [
        Row(lambda d: given(d.distinct((*d.shape(0, 2), 5)), d.size(1, 5)), dtypes=REALS),
    ],
    "in_top_k": [Row(lambda d: given(d.integers((4,), 0, 5), d.distinct((4, 5)), d.size(1, 5)))],
    "sort": [
        Row(lambda d: given(d.grid((3, 6), -1, 1), axis=d.pick(0, -1)), dtypes=("float64",)),
        Row(lambda d: given(d.distinct((3, 4)), axis=d.pick(0, 1, -1, None)), dtypes=ALL),
    ],
    "argsort": [Row(lambda d: given(d.array((3, 4)), axis=d.pick(0, 1, -1, None)), dtypes=ALL)],
    "argpartition": [
        Row(lambda d: given(d.distinct((6,)), d.size(0, 5)), lambda ops, x, k: smallest(ops, x, k), dtypes=("int32",))
    ],
    "unique": [
        Row(
            lambda d: given(d.array(d.shape(1), -3, 3)),
            dtypes=("int32", "float32", "uint8", "int64"),
            compare=NO_GRADIENT,
        ),
        Row(
            lambda d: given(d.array((6,), -3, 3), **{f"return_{k}": d.flip() for k in ("index", "inverse", "counts")}),
            dtypes=("int32",),
            draws=12,
        ),
        Row(lambda d: given(d.array((5, 2), 0, 1), axis=0, return_inverse=d.flip()), dtypes=("int32",)),
        Row(
            lambda d: given(d.array((8,), 0, 4), size=d.size(1, 7), fill_value=d.pick(None, -1)),
            dtypes=("int32",),
            draws=8,
        ),
    ],
    "select": [
        Row(
            lambda d: given([d.truth((2, 3)), d.truth((2, 3))], [d.array((2, 3)), d.array((3,))], d.pick(0, 1.5)),
            dtypes=(*FLOATS, "int32"),
        )
    ],
    "isin": [
        Row(
            lambda d: given(d.array(d.shape(), -3, 3), np.unique(d.array((3,), -3, 3)), **d.maybe(invert=d.flip())),
            dtypes=("float32", "int32", "int64", "uint8", "bool"),
            draws=6,
        ),
    ],
    "cdist": [
        Row(lambda d: given(d.array((3, 2)), d.array((4, 2)))),
        Row(lambda d: given(d.array((2, 3, 4)), d.array((2, 2, 4)))),
    ],
}


def smallest(ops, x, k):
    """What a partition promises: the k-th value in its place, and no larger one before it."""
    ordered = ops.take(x, ops.argpartition(x, k))
    return ops.sort(ordered[: k + 1]), ordered[k], ops.sort(ordered[k:])
